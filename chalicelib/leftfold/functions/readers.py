"""The functions of views and policies: fed by the bus, or woken because the log has grown."""

from base64 import b64decode
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from chalicelib.leftfold.kernel import LANES, lane_of
from chalicelib.leftfold.metrics import emit
from chalicelib.leftfold.projection.runner import OvertakenError
from chalicelib.leftfold.store.bus import LaneRecord
from chalicelib.leftfold.wiring.process import services

# Blocks in one slice of catching up, and the time left at which to begin no other.
SLICE = 8
ENOUGH_MS = 20_000

Handler = Callable[[Any, Any], None]


def log_grew(_event: Any) -> None:
    """Wakes all that follow the log: the one reader of the log table's stream."""
    for follower in services().followers:
        services().waker.wake(follower)


def fed_by_bus(view: str) -> Callable[[Any], None]:
    """The function of a view to which the bus brings commits."""

    def handler(event: Any) -> None:
        project(view, event)

    return called(view, handler)


def woken(reader: str) -> Handler:
    """The function of a view or a policy that follows the log when it is woken."""

    def handler(_event: Any, context: Any) -> None:
        follow(reader, context)

    return called(reader, handler)


F = TypeVar("F", bound=Callable[..., None])


def called(name: str, handler: F) -> F:
    """*handler* with the name by which Lambda looks for it."""
    handler.__name__ = handler.__qualname__ = name
    return handler


def project(view: str, event: Any) -> None:
    """Folds lane records into a view; without any, what the log has beyond it."""
    records = event.to_dict().get("Records", ())
    if records:
        services().partitioned(view).handle(list(decoded(records)))
    else:
        follow(view, event.context)


def follow(reader: str, context: Any) -> None:
    """Takes what the log has beyond a view or a policy, until nothing is left, time is
    short or others do it: the sweeper wakes again.
    """
    runner = services().reader(reader)
    try:
        while runner.catch_up(SLICE):
            if context.get_remaining_time_in_millis() < ENOUGH_MS:
                return
    except OvertakenError as error:
        emit("CatchUpsLeft", 1, view=reader, reason=str(error))


def decoded(records: Iterable[dict[str, Any]]) -> Iterable[LaneRecord]:
    """The lane records; a broken one is passed over, for its lane heals from the log."""
    for record in records:
        try:
            read = LaneRecord.from_bytes(b64decode(record["kinesis"]["data"]))
            check(read)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
            emit("BrokenRecords", 1, reason=f"{type(error).__name__}: {error}")
        else:
            yield read


def check(record: LaneRecord) -> None:
    """Raises an exception, of any kind, for a record that no relay makes."""
    lane, first, last = record.lane, record.first_position, record.last_position
    commits = record.commits or ()
    positions = sorted({first, last}) if record.commits is None else [p for p, _ in commits]
    numbers = [record.previous_in_lane, *positions]
    if any(type(number) is not int for number in (lane, first, last, *numbers)):
        raise TypeError("lane and positions are integers")
    if numbers != sorted(set(numbers)) or (positions[0], positions[-1]) != (first, last):
        raise ValueError(f"positions {numbers} from {first} to {last}")
    if lane not in range(LANES) or any(lane_of(c.aggregate_id) != lane for _, c in commits):
        raise ValueError(f"not all of one lane: {lane}")
