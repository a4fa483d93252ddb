"""From the log to one partitioned view: publisher, bus, reader and sweeper of a lane.

Modelled: blocks are appended at any time and wake a function that may be lost; relays
publish from the published-through mark to the end of the log, record by record, and
crash anywhere; the bus delivers a record again and again and in any order, and may
lose any record, the last one included; readers drop what was seen, notice a gap by
`previousInLane`, heal from the log and move the checkpoint by compare-and-set; the
sweeper starts a relay where the mark is behind and a reader where the checkpoint is.
Options: checkpoint reads arbitrarily stale, and reads of the log that come back short.

Abstracted: rows and checkpoint move in one step (rows.py takes that step apart);
commits of other lanes only take up positions; a record's commits are the log's.

Checks I7 (rows equal the fold of the lane's prefix at the checkpoint, always), and as
completion: the mark reaches the end of the log and the checkpoint the end of the lane.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

from .checker import LIMIT, Result, check

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLD = "I7 the rows are not the fold of the prefix at the checkpoint"


class Record(NamedTuple):
    """The commits of one block in the lane: their positions, and the one before."""

    previous: int
    positions: tuple[int, ...]

    @property
    def last(self) -> int:
        """Give the position of the last commit in it."""
        return self.positions[-1]


class Relay(NamedTuple):
    """A run of the publisher: the next block to publish, and where to stop."""

    phase: Literal["idle", "awake", "publishing"] = "idle"
    block: int = 0
    until: int = 0


class Reader(NamedTuple):
    """A run of the view's function: the block it was woken for, its checkpoint."""

    phase: Literal["idle", "woken", "ready"] = "idle"
    block: int = 0
    swept: bool = False
    checkpoint: int = -1


class State(NamedTuple):
    """Counts of blocks logged and published; records on the bus; the view."""

    logged: int = 0
    mark: int = 0
    waker: bool = False
    bus: frozenset[int] = frozenset()
    checkpoint: int = -1
    rows: tuple[int, ...] = ()
    relays: tuple[Relay, ...] = ()
    readers: tuple[Reader, ...] = ()


ASLEEP = Relay()
IDLE = Reader()
Move = tuple[str, State]


@dataclass(frozen=True)
class Publishing:
    """A size and the rules in force; the defaults are the design's.

    `blocks` gives the lane of each commit of each block; the view reads lane 0.
    """

    blocks: tuple[tuple[int, ...], ...] = ((0, 1), (0, 0), (1,), (0,))
    relays: int = 1
    readers: int = 2
    stale: bool = False
    sweeps_relays: bool = True
    sweeps_views: bool = True
    drops_seen: bool = True
    notices_gaps: bool = True
    checkpoint_condition: bool = True
    rereads_after_short_heal: bool = True
    bus_delivers: bool = True
    mark_after_records: bool = True

    def check(self, limit: int = LIMIT) -> Result:
        """Visit every state of this size under these rules."""
        initial = State(relays=(ASLEEP,) * self.relays, readers=(IDLE,) * self.readers)
        return check(initial, self._steps, self._broken, self._complete, limit)

    @cached_property
    def records(self) -> dict[int, Record]:
        """Give the record that each block with commits of the lane leads to."""
        found: dict[int, Record] = {}
        start, previous = 0, -1
        for number, lanes in enumerate(self.blocks):
            positions = tuple(start + i for i, lane in enumerate(lanes) if lane == 0)
            if positions:
                found[number] = Record(previous, positions)
                previous = positions[-1]
            start += len(lanes)
        return found

    @cached_property
    def lane(self) -> tuple[int, ...]:
        """Give all positions of the lane."""
        return tuple(p for record in self.records.values() for p in record.positions)

    def _steps(self, state: State) -> Iterator[Move]:
        if state.logged < len(self.blocks):
            appended = state._replace(logged=state.logged + 1, waker=True)
            yield f"block {state.logged} is appended", appended
        if state.waker:
            yield "the waker is lost", state._replace(waker=False)
        for number in state.bus:
            lost = state._replace(bus=state.bus - {number})
            yield f"record {number} is lost", lost
        for index, relay in enumerate(state.relays):
            yield from self._relay(state, index, relay)
        for index, reader in enumerate(state.readers):
            yield from self._reader(state, index, reader)

    def _relay(self, state: State, index: int, relay: Relay) -> Iterator[Move]:
        if relay.phase != "idle":
            yield "a relay crashes", _relay(state, index, ASLEEP)
        match relay:
            case Relay("idle"):
                behind = self.sweeps_relays and state.mark < state.logged
                if state.waker or behind:
                    yield "a relay wakes", _relay(state, index, Relay("awake"))
            case Relay("awake"):
                yield from self._starts(state, index)
            case Relay("publishing", block, until) if block < until:
                put = state._replace(bus=state.bus | ({block} & self.records.keys()))
                following = relay._replace(block=block + 1)
                yield f"a relay puts record {block}", _relay(put, index, following)
            case Relay("publishing", _, until):
                yield f"a relay is done to {until}", _done(state, index, until)

    def _starts(self, state: State, index: int) -> Iterator[Move]:
        run = Relay("publishing", state.mark, state.logged)
        label = f"a relay reads mark {run.block} and end {run.until}"
        if self.mark_after_records:
            yield label, _relay(state, index, run)
        else:
            early = state._replace(mark=max(state.mark, run.until))
            yield f"{label} and moves the mark", _relay(early, index, run)

    def _reader(self, state: State, index: int, reader: Reader) -> Iterator[Move]:
        if reader.phase != "idle":
            yield "a reader crashes", _reader(state, index, IDLE)
        match reader.phase:
            case "idle":
                yield from self._wakes(state, index)
            case "woken":
                for checkpoint in self._checkpoints(state):
                    ready = reader._replace(phase="ready", checkpoint=checkpoint)
                    label = f"a reader reads checkpoint {checkpoint}"
                    yield label, _reader(state, index, ready)
            case "ready":
                yield from self._saves(state, index, reader)

    def _wakes(self, state: State, index: int) -> Iterator[Move]:
        for number in state.bus if self.bus_delivers else ():
            woken = Reader("woken", number)
            yield f"record {number} is delivered", _reader(state, index, woken)
        for number, record in self.records.items():
            behind = number < state.logged and state.checkpoint < record.last
            if self.sweeps_views and behind:
                woken = Reader("woken", number, swept=True)
                label = f"the sweeper wakes a reader for block {number}"
                yield label, _reader(state, index, woken)

    def _checkpoints(self, state: State) -> tuple[int, ...]:
        """Give what a read of the checkpoint may show."""
        if not self.stale:
            return (state.checkpoint,)
        return (-1, *(p for p in self.lane if p <= state.checkpoint))

    def _saves(self, state: State, index: int, reader: Reader) -> Iterator[Move]:
        record = self.records[reader.block]
        start = reader.checkpoint
        if self.drops_seen and record.last <= start:
            yield "a reader drops what was seen", _reader(state, index, IDLE)
            return
        for commits in self._commits(record, reader):
            failed = self.checkpoint_condition and state.checkpoint != start
            if failed or not commits:
                yield "a reader saves nothing", _reader(state, index, IDLE)
                continue
            saved = state._replace(rows=state.rows + commits, checkpoint=commits[-1])
            yield f"a reader applies {commits}", _reader(saved, index, IDLE)

    def _commits(self, record: Record, reader: Reader) -> Iterator[tuple[int, ...]]:
        """Give what a reader may apply: the record, or the log up to its end."""
        start = reader.checkpoint
        gap = reader.swept or (self.notices_gaps and record.previous > start)
        if not gap:
            seen = start if self.drops_seen else -1
            yield tuple(p for p in record.positions if p > seen)
            return
        healed = tuple(p for p in self.lane if start < p <= record.last)
        yield healed
        for cut in range(len(healed) if self.stale else 0):
            if self.rereads_after_short_heal:
                yield healed[:cut]
            else:
                yield (*healed[:cut], *(p for p in record.positions if p > start))

    def _broken(self, state: State) -> str | None:
        prefix = tuple(p for p in self.lane if p <= state.checkpoint)
        return None if state.rows == prefix else FOLD

    def _complete(self, state: State) -> bool:
        return state.mark == len(self.blocks) and state.rows == self.lane


def _done(state: State, index: int, until: int) -> State:
    """Advance the mark, never backwards; a run to the end answers the waker."""
    waker = state.waker and until < state.logged
    advanced = state._replace(mark=max(state.mark, until), waker=waker)
    return _relay(advanced, index, ASLEEP)


def _relay(state: State, index: int, relay: Relay) -> State:
    relays = [*state.relays[:index], relay, *state.relays[index + 1 :]]
    return state._replace(relays=tuple(sorted(relays)))


def _reader(state: State, index: int, reader: Reader) -> State:
    readers = [*state.readers[:index], reader, *state.readers[index + 1 :]]
    return state._replace(readers=tuple(sorted(readers)))
