"""The sweeper finds what no message told of: commits not logged, readers left behind."""

import json
from collections.abc import Collection
from dataclasses import dataclass

from chalicelib.kernel import View
from chalicelib.kernel.commit import canonical
from chalicelib.relay.relay import Relay, wanted_of
from chalicelib.store.ports import (
    Checkpoints,
    Doorbell,
    EventStore,
    Head,
    Log,
    StreamEntry,
)
from chalicelib.store.slots import ends_of

READER = "sweeper"
SEGMENTS = 8
PAGE = 1_000


@dataclass(frozen=True)
class Sweep:
    """What one run did; *round_ended* says that the whole table has been seen."""

    seen: int
    logged: int
    woken: tuple[str, ...]
    round_ended: bool


@dataclass(frozen=True)
class Sweeper:
    """Goes round the events table, segment by segment, a budget of items each run."""

    events: EventStore
    log: Log
    relay: Relay
    checkpoints: Checkpoints
    doorbell: Doorbell
    views: Collection[View]

    def run(self, budget: int) -> Sweep:
        """Looks at about *budget* items, logs what is missing, wakes who is behind."""
        segment, after = self._bookmark()
        seen = logged = 0
        while seen < budget and segment < SEGMENTS:
            places, after = self.events.scan(segment, SEGMENTS, after, PAGE)
            seen += len(places)
            logged += self.relay.run(self._unlogged(wanted_of(places)))
            segment += after is None
            self.checkpoints.write_note(READER, canonical([segment % SEGMENTS, after]))
        return Sweep(seen, logged, self._wake(), segment == SEGMENTS)

    def _bookmark(self) -> tuple[int, str | None]:
        note = self.checkpoints.note(READER)
        segment, after = json.loads(note) if note else (0, None)
        return segment, after

    def _unlogged(self, newest: dict[str, int]) -> dict[str, int]:
        registry = self.log.streams(newest)
        return {
            aggregate_id: version
            for aggregate_id, version in newest.items()
            if version >= registry.get(aggregate_id, StreamEntry()).next
        }

    def _wake(self) -> tuple[str, ...]:
        head = self.log.head()
        behind = tuple(v.name for v in self.views if self._is_behind(v, head))
        for name in behind:
            self.doorbell.ring(name)
        return behind

    def _is_behind(self, view: View, head: Head) -> bool:
        ends = ends_of(view, head)
        done = self.checkpoints.read(view.name, ends)
        return any(done[slot] < end for slot, end in ends.items())
