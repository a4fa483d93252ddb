"""What an announcer does about commits: it tells other systems, at least once (docs/adr/0034)."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from chalicelib.leftfold.kernel import Aggregate, AggregateId, Announcer, Commit, Recorded
from chalicelib.leftfold.kernel.announcer import type_of
from chalicelib.leftfold.kernel.commit import instant
from chalicelib.leftfold.kernel.repair import Repairs, repair_of
from chalicelib.leftfold.policies.outside import CloudEvent, Outside
from chalicelib.leftfold.projection.fold import PoisonError, category_of, poison, recorded_of
from chalicelib.leftfold.projection.runner import PASS_ATTEMPTS, Outcome, Pause, slices
from chalicelib.leftfold.store.ports import EventStore, Log, Unavailable

# Events of a slice. A slice takes some calls of EventBridge, side by side.
SIZE = 100
# Commits of one read, where the announcement before is looked for.
LOOKED_AT = 16


@dataclass(frozen=True)
class AnnouncerWork:
    """`Work` of an announcer. *source* names the log, in which alone positions can be compared.

    Each announcement says which one of its stream was announced before it. So whoever gets them in
    any order, late or twice, can tell whether one is missing.
    """

    announcer: Announcer
    events: EventStore
    outside: Outside
    source: str
    repairs: Repairs
    pause: Pause
    size: int | None = SIZE

    @property
    def name(self) -> str:
        return self.announcer.name

    @property
    def categories(self) -> Collection[str]:
        return self.announcer.categories

    @property
    def stored_name(self) -> str:
        return self.announcer.stored_name

    @property
    def fed(self) -> Literal["log"]:
        return self.announcer.fed

    def hears(self, aggregate_id: str) -> bool:
        return category_of(aggregate_id) in self.categories

    def scope(self, aggregate_id: str) -> str:
        return aggregate_id

    def take(self, commits: Sequence[tuple[int, Commit]]) -> Outcome:
        """Announces what is to be told of commits.

        A commit that cannot be read, and an announcement that is refused for ever, is a poison of
        its stream. Raises `Unavailable` if some were not taken, and `CallRefusedError`.
        """
        poisons: dict[str, PoisonError] = {}
        made: dict[str, tuple[int, CloudEvent]] = {}
        # The revision that was announced last, by stream.
        last: dict[str, str] = {}
        for position, commit in commits:
            stream = commit.aggregate_id
            if stream in poisons:
                continue
            try:
                for event in self._announcements(position, commit, last):
                    made[event["id"]] = position, event
            except Unavailable:
                raise
            except Exception as error:  # noqa: BLE001 - what is stored may be anything
                poisons[stream] = poison(stream, position, error)
        for id_, reason in self._put([event for _, event in made.values()]).items():
            position, event = made[id_]
            stream = event["subject"]
            if stream not in poisons or position < poisons[stream].position:
                poisons[stream] = PoisonError(stream, position, reason)
        return Outcome(done=True, poisons=poisons, rejected={})

    def _announcements(
        self, position: int, commit: Commit, last: dict[str, str]
    ) -> Iterator[CloudEvent]:
        stream = commit.aggregate_id
        told = self._told(position, commit)
        if told and stream not in last and (before := self._before(commit)):
            last[stream] = before
        for recorded in told:
            yield self._cloud_event(recorded, commit, last.get(stream))
            last[stream] = revision(recorded)

    def _told(self, position: int, commit: Commit) -> list[Recorded]:
        """The events of the commit that are announced.

        None of a copy: the generation that it was copied from has announced them. None of a commit
        that a repair tells this announcer to pass over.
        """
        since = self.announcer.since
        if commit.root is not None or (since != "beginning" and commit.at < instant(since)):
            return []
        try:
            codec = self._aggregate(commit).codec
            found = list(recorded_of(codec, position, commit.blind(), self.repairs))
        except Unavailable:
            raise
        except Exception:
            if self.stored_name in self._skipped_by(commit):
                return []
            raise
        return [recorded for recorded in found if self.announcer.tells(recorded.event)]

    def _skipped_by(self, commit: Commit) -> Collection[str]:
        return repair_of(commit, self.repairs).skipped_by

    def _before(self, commit: Commit) -> str | None:
        """The revision that was announced before the commit's; None if it is the first."""
        stream, below = commit.aggregate_id, commit.version
        while below > 1:
            first = max(1, below - LOOKED_AT)
            for earlier in reversed(self.events.range(stream, first, below - 1)):
                if told := self._told(0, earlier):
                    return revision(told[-1])
            below = first
        return None

    def _cloud_event(self, recorded: Recorded, commit: Commit, before: str | None) -> CloudEvent:
        stream, version = commit.aggregate_id, commit.version
        tenant, category, key = AggregateId.parse(stream)
        codec = self._aggregate(commit).codec
        name, event_version, body, *_ = codec.encode(recorded.event)
        said: CloudEvent = {
            "specversion": "1.0",
            "id": f"{stream}@{version}.{recorded.event_index}.{recorded.part}",
            "source": self.source,
            "type": type_of(category, name),
            "subject": stream,
            "time": commit.at,
            "sequence": ordered(recorded.position, recorded),
            "revision": revision(recorded),
            "tenant": tenant,
            "eventversion": event_version,
            "correlationid": commit.correlation_id,
            "datacontenttype": "application/json",
            "dataref": f"/streams/{category}/{key}/commits/{version}",
            "data": body,
        }
        if before is not None:
            said["previous"] = before
        if commit.traceparent:
            said["traceparent"] = commit.traceparent
        return said

    def _aggregate(self, commit: Commit) -> Aggregate:
        category = category_of(commit.aggregate_id)
        return next(a for a in self.announcer.hears if a.category == category)

    def _put(self, events: Sequence[CloudEvent]) -> dict[str, str]:
        """Puts *events*, again if need be; the reasons of those that are refused for ever, by id.

        Raises `Unavailable` if some were not taken, which is no stream's fault.
        """
        refused: dict[str, str] = {}
        for attempt in range(1, PASS_ATTEMPTS + 1):
            if not events:
                return refused
            if attempt > 1:
                self.pause(attempt)
            answer = self.outside.put(events)
            refused |= answer.refused
            events = answer.later
        if events:
            raise Unavailable(
                f"{self.name}: {len(events)} announcements were not taken in {PASS_ATTEMPTS} calls"
            )
        return refused


def ordered(number: int, recorded: Recorded) -> str:
    """A text that sorts as *number*, then as the event among those of its commit."""
    return f"{number:015}.{recorded.event_index:05}.{recorded.part:03}"


def revision(recorded: Recorded) -> str:
    """The place of an event in its stream, as a text that sorts."""
    return ordered(recorded.version, recorded)


def announced_again(
    work: AnnouncerWork, log: Log, first: int, last: int
) -> Iterator[tuple[int, Outcome]]:
    """Announces the commits from position *first* to *last* once more, and moves no checkpoint.

    Each announcement is the same as the first time, and has the same id. Gives the positions that
    it reaches, with what became of the commits before. Raises `Unavailable` and
    `CallRefusedError`.
    """
    blocks = log.blocks(first, heard=work.categories)
    following = first
    for slice_ in slices(blocks, first, last, lambda c: work.hears(c.aggregate_id), work.size):
        reached = min(slice_.last, last)
        yield reached, work.take([commit for commit in slice_.commits if commit[0] <= last])
        following = slice_.last + 1
    if following <= last:
        raise Unavailable(f"the log does not show position {following}")
