"""The sweeper finds what no message told of: commits not logged, readers left behind."""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from chalicelib.leftfold.kernel.commit import canonical
from chalicelib.leftfold.relay.relay import Relay, wanted_of
from chalicelib.leftfold.store.checks import is_place
from chalicelib.leftfold.store.ports import (
    Checkpoints,
    Doorbell,
    EventStore,
    Head,
    Log,
    StreamEntry,
)
from chalicelib.leftfold.store.readers import Reader, ends_of

READER = "sweeper"
SEGMENTS = 8
PAGE = 1_000


@dataclass
class Note:
    """What a run leaves for the next: where the round stands, and when it began, in
    seconds since 1970.
    """

    began: float
    segment: int = 0
    after: str | None = None


@dataclass(frozen=True)
class Sweep:
    """What one run did; *round_took* is in seconds if the whole table has been seen."""

    seen: int
    logged: int
    woken: tuple[str, ...]
    round_took: float | None


@dataclass(frozen=True)
class Sweeper:
    """Goes round the events table, segment by segment, a budget of items each run.

    *alarm* is told of keys that no commit can have: something else wrote those items, and
    they are never logged.
    """

    events: EventStore
    log: Log
    relay: Relay
    checkpoints: Checkpoints
    doorbell: Doorbell
    readers: Collection[Reader]
    clock: Callable[[], datetime]
    alarm: Callable[[Sequence[tuple[str, int]]], None]

    def run(self, budget: int) -> Sweep:
        """Looks at about *budget* items, logs what is missing, wakes who is behind."""
        now = self.clock().timestamp()
        text = self.checkpoints.note(READER)
        note = Note(**json.loads(text)) if text else Note(now)
        seen = logged = 0
        try:
            while seen < budget and note.segment < SEGMENTS:
                places, note.after = self.events.scan(note.segment, SEGMENTS, note.after, PAGE)
                seen += len(places)
                if stray := [place for place in places if not is_place(*place)]:
                    self.alarm(stray)
                newest = wanted_of(place for place in places if place not in stray)
                logged += self.relay.run(self._unlogged(newest))
                note.segment += note.after is None
                self._leave(note)
        finally:
            # Also when logging fails: a reader can be behind what is logged already.
            woken = self._wake()
        round_took = None
        if note.segment == SEGMENTS:
            round_took = now - note.began
            self._leave(Note(now))
        return Sweep(seen, logged, woken, round_took)

    def _leave(self, note: Note) -> None:
        self.checkpoints.write_note(READER, canonical(asdict(note)))

    def _unlogged(self, newest: dict[str, int]) -> dict[str, int]:
        registry = self.log.streams(newest)
        return {
            aggregate_id: version
            for aggregate_id, version in newest.items()
            if version >= registry.get(aggregate_id, StreamEntry()).next
        }

    def _wake(self) -> tuple[str, ...]:
        head = self.log.head()
        behind = tuple(r.name for r in self.readers if self._is_behind(r, head))
        for name in behind:
            self.doorbell.ring(name)
        return behind

    def _is_behind(self, reader: Reader, head: Head) -> bool:
        ends = ends_of(reader, head)
        done = self.checkpoints.read(reader.name, ends)
        return any(done[slot] < end for slot, end in ends.items())
