"""The sweeper finds what no message told of: commits not logged, readers left behind."""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from chalicelib.leftfold.kernel.commit import canonical
from chalicelib.leftfold.relay.relay import Relay, wanted_of
from chalicelib.leftfold.store.checks import is_place
from chalicelib.leftfold.store.ports import (
    Checkpoints,
    EventStore,
    Head,
    Log,
    StreamEntry,
    Waker,
)
from chalicelib.leftfold.store.readers import Reader, ends_of

READER = "sweeper"
SEGMENTS = 8
# A page has so many items, or a megabyte: 128 read units at most. Each stream in it costs one
# unit more, for its entry in the registry.
PAGE = 1_000
# A round aims to take so long, with a run every minute. A large table's runs are larger: but
# no run takes more than MOST pages, 15,360 units, so that the sweep leaves room for commands.
ROUND = timedelta(hours=6)
RUNS = ROUND // timedelta(minutes=1)
# A page of each segment: a small table is seen whole in every run.
LEAST, MOST = SEGMENTS, 120


@dataclass
class Note:
    """What a run leaves for the next: where the round stands, when it began, in seconds
    since 1970, how many *pages* it has seen, and how many the last *whole* round saw.
    """

    began: float
    segment: int = 0
    after: str | None = None
    pages: int = 0
    whole: int = 0

    @property
    def budget(self) -> int:
        """The pages that a run takes, so that the round ends in time: as many as the table
        is known to need.
        """
        known = max(self.pages, self.whole)
        return min(MOST, max(LEAST, -(-known // RUNS)))


@dataclass(frozen=True)
class Sweep:
    """What one run did. The round has gone on for *round_took* seconds; *is_round* says that
    it has ended, because the whole table has been seen.
    """

    seen: int
    logged: int
    woken: tuple[str, ...]
    round_took: float
    is_round: bool


@dataclass(frozen=True)
class Sweeper:
    """Goes round the events table, segment by segment, some pages each run.

    *alarm* is told of keys that no commit can have: something else wrote those items, and
    they are never logged.
    """

    events: EventStore
    log: Log
    relay: Relay
    checkpoints: Checkpoints
    waker: Waker
    readers: Collection[Reader]
    clock: Callable[[], datetime]
    alarm: Callable[[Sequence[tuple[str, int]]], None]

    def run(self, goes_on: Callable[[], bool] = lambda: True) -> Sweep:
        """Looks at the next pages, logs what is missing, wakes who is behind.

        After each page asks whether it *goes_on*; the next run takes up the rest.
        """
        now = self.clock().timestamp()
        note = self.noted() or Note(now)
        seen = logged = 0
        is_round = False
        try:
            for _ in range(note.budget):
                places, note.after = self.events.scan(note.segment, SEGMENTS, note.after, PAGE)
                seen += len(places)
                logged += self._log(places)
                note.pages += 1
                note.segment += note.after is None
                is_round = note.segment == SEGMENTS
                # In one step: no run must find a note that is at no segment.
                self._leave(Note(now, whole=note.pages) if is_round else note)
                if is_round or not goes_on():
                    break
        finally:
            # Also when logging fails: a reader can be behind what is logged already.
            woken = self.wake()
        return Sweep(seen, logged, woken, now - note.began, is_round)

    def segment(self, segment: int) -> Iterator[tuple[int, int]]:
        """Looks at all of one of `SEGMENTS` at once, beside the runs: for each page, the items
        seen and the commits logged.
        """
        after: str | None = None
        while True:
            places, after = self.events.scan(segment, SEGMENTS, after, PAGE)
            yield len(places), self._log(places)
            if after is None:
                return

    def wake(self) -> tuple[str, ...]:
        """Wakes every reader that is behind the log; their names."""
        head = self.log.head()
        behind = tuple(r.name for r in self.readers if self._is_behind(r, head))
        for name in behind:
            self.waker.wake(name)
        return behind

    def noted(self) -> Note | None:
        """Where the round stands; None before the first run."""
        text = self.checkpoints.note(READER)
        try:
            note = Note(**json.loads(text)) if text else None
        except (TypeError, ValueError):
            # The note of other code. A new round loses nothing; an error would end every run.
            return None
        return note if note is None or note.segment in range(SEGMENTS) else None

    def _leave(self, note: Note) -> None:
        self.checkpoints.write_note(READER, canonical(asdict(note)))

    def _log(self, places: Sequence[tuple[str, int]]) -> int:
        """Logs what is missing of a page; the number of commits."""
        if stray := [place for place in places if not is_place(*place)]:
            self.alarm(stray)
        newest = wanted_of(place for place in places if place not in stray)
        return self.relay.run(self._unlogged(newest))

    def _unlogged(self, newest: dict[str, int]) -> dict[str, int]:
        registry = self.log.streams(newest)
        return {
            aggregate_id: version
            for aggregate_id, version in newest.items()
            if version >= registry.get(aggregate_id, StreamEntry()).next
        }

    def _is_behind(self, reader: Reader, head: Head) -> bool:
        ends = ends_of(reader, head)
        done = self.checkpoints.read(reader.name, ends)
        return any(done[key] < end for key, end in ends.items())
