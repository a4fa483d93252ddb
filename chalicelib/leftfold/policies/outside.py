"""The way out to other systems: a bus of Amazon EventBridge."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from chalicelib.leftfold.kernel.commit import canonical
from chalicelib.leftfold.store.dynamo import translated
from chalicelib.leftfold.store.memory import OwnLock
from chalicelib.leftfold.store.ports import CallRefusedError, Unavailable

# A CloudEvent in the structured mode of its JSON format.
CloudEvent = dict[str, Any]
# What one call of PutEvents takes, and so one entry. Bytes count as EventBridge counts them.
MOST_ENTRIES, MOST_BYTES = 10, 256 * 1024
TIME_BYTES = 14
# EventBridge takes these entries later.
LATER = {"InternalFailure", "InternalException", "ThrottlingException"}
# EventBridge will never take the entry. Any other code is about who asks.
NEVER = {"InvalidArgument", "MalformedDetail"}

Entry = dict[str, Any]
Batch = Sequence[tuple[CloudEvent, Entry]]
Spread = Callable[[Callable[[Batch], "Answer"], Iterable[Batch]], Iterable["Answer"]]


class Answer(NamedTuple):
    """What has become of announcements: *later* are to be put again, and some of them may have been
    taken; *refused* has the reasons of those that are never taken, by id. All others were taken.
    """

    later: Sequence[CloudEvent] = ()
    refused: Mapping[str, str] = {}


class Outside(Protocol):
    """Takes announcements for other systems, each at least once and in no order."""

    def put(self, announcements: Sequence[CloudEvent]) -> Answer:
        """Puts *announcements*; one that is too large without its data, to which `dataref` leads.

        Raises `CallRefusedError` if none would be taken, whatever it says, and `Unavailable`.
        """


class EventBridge:
    """`Outside` on an EventBridge bus, in calls as large as it takes, which *spread* makes.

    EventBridge says of events for a bus that does not exist that it has taken them. So the bus
    is looked for before the first call.
    """

    def __init__(self, client: Any, bus: str, spread: Spread) -> None:
        self._client = client
        self._bus = bus
        self._spread = spread
        self._is_there = False

    def put(self, announcements: Sequence[CloudEvent]) -> Answer:
        if not self._is_there:
            with translated():
                self._client.describe_event_bus(Name=self._bus)
            self._is_there = True
        made = [(event, self._entry(event)) for event in announcements]
        answers = list(self._spread(self._put, batches(made)))
        return Answer(
            tuple(event for answer in answers for event in answer.later),
            {id_: reason for answer in answers for id_, reason in answer.refused.items()},
        )

    def _entry(self, event: CloudEvent) -> Entry:
        whole = {
            "EventBusName": self._bus,
            "Source": event["source"],
            "DetailType": event["type"],
            "Time": event["time"],
            "Detail": canonical(event),
        }
        if size_of(whole) <= MOST_BYTES:
            return whole
        return whole | {"Detail": canonical({k: v for k, v in event.items() if k != "data"})}

    def _put(self, batch: Batch) -> Answer:
        try:
            with translated():
                answer = self._client.put_events(Entries=[entry for _, entry in batch])
        except Unavailable:
            return Answer(tuple(event for event, _ in batch))
        later, refused = [], {}
        for (event, _), result in zip(batch, answer["Entries"], strict=True):
            code = result.get("ErrorCode", "")
            reason = f"{code}: {result.get('ErrorMessage', '')}"
            if code in NEVER:
                refused[event["id"]] = reason
            elif code in LATER:
                later.append(event)
            elif code:
                raise CallRefusedError(code, reason)
        return Answer(tuple(later), refused)


def batches(made: Iterable[tuple[CloudEvent, Entry]]) -> Iterator[Batch]:
    """Announcements, as many to a batch as one call takes."""
    batch: list[tuple[CloudEvent, Entry]] = []
    total = 0
    for event, entry in made:
        size = size_of(entry)
        if batch and (len(batch) == MOST_ENTRIES or total + size > MOST_BYTES):
            yield batch
            batch, total = [], 0
        batch.append((event, entry))
        total += size
    if batch:
        yield batch


def size_of(entry: Entry) -> int:
    """The bytes of an entry, as EventBridge counts them."""
    texts = (entry["Source"], entry["DetailType"], entry["Detail"])
    return TIME_BYTES + sum(len(text.encode()) for text in texts)


class MemoryOutside:
    """`Outside` that keeps the announcements in memory."""

    def __init__(self) -> None:
        self.taken: list[CloudEvent] = []
        self._lock = OwnLock()

    def put(self, announcements: Sequence[CloudEvent]) -> Answer:
        with self._lock:
            self.taken += announcements
        return Answer()
