"""The sweeper finds work of which a message was lost: unlogged commits, readers that are behind."""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from chalicelib.leftfold.kernel.commit import canonical
from chalicelib.leftfold.relay.relay import Relaying, wanted_of
from chalicelib.leftfold.store.checks import is_commit_key
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
# Parts of the scan of the events table.
PARTS = 8
# A page has so many items, or a megabyte: at most 128 read units. Each stream in it costs one
# unit more, for its entry in the registry.
PAGE = 1_000
# A round through the table aims to take so long, with a run every minute. Runs on a large table
# are larger, but no run takes more than MOST pages, which cost 15,360 units, so that the sweep
# leaves capacity for commands.
ROUND = timedelta(hours=6)
RUNS = ROUND // timedelta(minutes=1)
# At least a page of each part: every run sees the whole of a small table.
LEAST, MOST = PARTS, 120


@dataclass
class Note:
    """The state of a round, which a run leaves for the next run.

    The round *began* at a time in seconds since 1970. The next page is in *part*, *after* the
    end of the last page. *pages* counts the pages of the round so far, and *whole* those of the
    last complete round.
    """

    began: float
    part: int = 0
    after: str | None = None
    pages: int = 0
    whole: int = 0

    @property
    def budget(self) -> int:
        """The number of pages of a run, so that the round ends in time. It follows from the
        number of pages that the table is known to have.
        """
        known = max(self.pages, self.whole)
        return min(MOST, max(LEAST, -(-known // RUNS)))


@dataclass(frozen=True)
class Sweep:
    """The result of one run: items *seen*, commits *logged*, readers *woken*.

    The round has taken *round_took* seconds so far. *is_round* says that it has ended, because
    the whole table has been seen.
    """

    seen: int
    logged: int
    woken: tuple[str, ...]
    round_took: float
    is_round: bool


@dataclass(frozen=True)
class Sweeper:
    """Goes round the events table, part by part, some pages each run.

    *alarm* is called with keys that no commit can have: something other than Leftfold wrote
    these items, and they are never logged. *beside* are the sweepers of the truth's other logs:
    they wake the readers that are behind there.
    """

    events: EventStore
    log: Log
    relay: Relaying
    checkpoints: Checkpoints
    waker: Waker
    readers: Collection[Reader]
    clock: Callable[[], datetime]
    alarm: Callable[[Sequence[tuple[str, int]]], None]
    beside: Sequence["Sweeper"] = ()

    def run(self, goes_on: Callable[[], bool] = lambda: True) -> Sweep:
        """Looks at the next pages, logs missing commits, and wakes readers that are behind.

        After each page it asks *goes_on* whether to go on. The next run takes up the rest.
        """
        now = self.clock().timestamp()
        note = self.noted() or Note(now)
        seen = logged = 0
        is_round = False
        try:
            for _ in range(note.budget):
                keys, note.after = self.events.scan(note.part, PARTS, note.after, PAGE)
                seen += len(keys)
                logged += self._log(keys)
                note.pages += 1
                note.part += note.after is None
                is_round = note.part == PARTS
                # In one write, so that no run finds a note whose part does not exist.
                self._leave(Note(now, whole=note.pages) if is_round else note)
                if is_round or not goes_on():
                    break
        finally:
            # Also if logging fails: a reader can be behind the blocks that are logged already.
            woken = self.wake()
        return Sweep(seen, logged, woken, now - note.began, is_round)

    def sweep_part(self, part: int) -> Iterator[tuple[int, int]]:
        """Looks at the whole of one of the `PARTS`, beside the runs. Yields for each page the
        number of items seen and of commits logged.
        """
        after: str | None = None
        while True:
            keys, after = self.events.scan(part, PARTS, after, PAGE)
            yield len(keys), self._log(keys)
            if after is None:
                return

    def wake(self) -> tuple[str, ...]:
        """Wakes every reader that is behind a log; returns their names, each once."""
        head = self.log.head()
        behind = [r.name for r in self.readers if self._is_behind(r, head)]
        for name in behind:
            self.waker.wake(name)
        others = (name for other in self.beside for name in other.wake())
        return tuple(dict.fromkeys((*behind, *others)))

    def noted(self) -> Note | None:
        """The state of the round; None before the first run."""
        return noted(self.checkpoints)

    def _leave(self, note: Note) -> None:
        self.checkpoints.write_note(READER, canonical(asdict(note)))

    def _log(self, keys: Sequence[tuple[str, int]]) -> int:
        """Logs the commits of a page that are not logged yet; returns their number."""
        if stray := [key for key in keys if not is_commit_key(*key)]:
            self.alarm(stray)
        newest = wanted_of(key for key in keys if key not in stray)
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
        done = self.checkpoints.read(reader.stored_name, ends)
        return any(done[key] < end for key, end in ends.items())


def noted(checkpoints: Checkpoints) -> Note | None:
    """The state of the round, as the last run left it; None before the first run."""
    text = checkpoints.note(READER)
    try:
        note = Note(**json.loads(text)) if text else None
    except (TypeError, ValueError):
        # Another version of the code wrote this note. A new round loses nothing, while an
        # error would end every run.
        return None
    return note if note is None or note.part in range(PARTS) else None
