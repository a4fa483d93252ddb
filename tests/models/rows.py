"""How a partitioned view saves rows, deletes them, parks a stream and redrives it.

Modelled: functions that take a batch up to any position of one lane, call by call: read
the checkpoint, the rows and the parked stream, save each row on condition of what was
loaded, park or raise the parked stream, move the checkpoint by compare-and-set; a crash
between any two calls; deleted rows that stay as tombstones; an event that fails in
some attempts and not in others; a redrive that folds the parked stream from the log
and removes the parked stream on condition that it has not moved. Options: stale reads of
rows or of the parked stream, the calls in other orders.

Abstracted: a row's content is the list of positions folded into it, so a commit that
is lost, doubled or swapped shows; delivery is reduced to "up to a position", since
gaps and healing are publishing.py's; one stream can be poisoned; the sweeper is why
a function may be woken at any time; functions are interchangeable.

Checks I7: every row is the fold of its prefix; no row is behind the checkpoint unless
its stream is parked up to there; the checkpoint never goes back. As completion: the
rows reach the end of the lane and nothing stays parked.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

from .checker import LIMIT, Result, check

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLD = "I7 a row is not the fold of its prefix"
BEHIND = "I7 a row is behind the checkpoint"
BACK = "I7 the checkpoint goes back"


class Commit(NamedTuple):
    """A commit of the lane: the row that it changes, and whether it deletes it."""

    row: int
    deletes: bool = False


class Row(NamedTuple):
    """A stored row; a deleted one is empty, an absent one has position -1."""

    position: int = -1
    content: tuple[int, ...] = ()


class ParkedStream(NamedTuple):
    """A parked stream: the commit that failed, and the last one blocked."""

    first: int = -1
    last: int = -1


class Function(NamedTuple):
    """One invocation: how far it is in its calls, and what it has read."""

    call: int = 0
    target: int = -1
    fails: bool = False
    checkpoint: int = -1
    loaded: tuple[Row, ...] = ()
    parked_stream: ParkedStream = ParkedStream()


class Redrive(NamedTuple):
    """One redrive: how far it is in its calls, and what it has read."""

    call: int = 0
    parked_stream: ParkedStream = ParkedStream()
    loaded: tuple[Row, ...] = ()


class State(NamedTuple):
    """What is stored, the highest checkpoint there ever was, and who is at work."""

    rows: tuple[Row, ...]
    functions: tuple[Function, ...]
    redrives: tuple[Redrive, ...]
    checkpoint: int = -1
    reached: int = -1
    parked_stream: ParkedStream = ParkedStream()


IDLE = Function()
REST = Redrive()
UNPARKED = ParkedStream()
Move = tuple[str, State]
Read = Literal["checkpoint", "rows", "parked_stream"]
Save = Literal["loaded", "lower"]
Raises = Literal["if parked", "upsert", "ignore"]


@dataclass(frozen=True)
class Rows:
    """A size and the rules in force; the defaults are the design's.

    `streams` gives the stream of each row; `poison` is the position that may fail.
    """

    log: tuple[Commit, ...] = (Commit(0), Commit(1), Commit(0), Commit(1))
    streams: tuple[int, ...] = (0, 1)
    poison: int = -1
    functions: int = 2
    redrives: int = 0
    reads: tuple[Read, ...] = ("checkpoint", "rows", "parked_stream")
    stale_rows: bool = False
    stale_marker: bool = False
    save: Save = "loaded"
    checkpoint_condition: bool = True
    checkpoint_may_go_back: bool = False
    tombstones: bool = True
    parks_first: bool = True
    raises: Raises = "if parked"
    redrive_condition: bool = True

    def check(self, limit: int = LIMIT) -> Result:
        """Visit every state of this size under these rules."""
        initial = State(
            (Row(),) * len(self.streams),
            (IDLE,) * self.functions,
            (REST,) * self.redrives,
        )
        return check(initial, self._steps, self._broken, self._complete, limit)

    @cached_property
    def calls(self) -> tuple[str, ...]:
        """List a function's calls in order; the index of one is its `call`."""
        numbers = range(len(self.streams))
        reads: list[str] = []
        for read in self.reads:
            if read == "rows":
                reads += [f"read {number}" for number in numbers]
            elif read == "checkpoint" or self.poison >= 0:
                reads.append(f"read {read}")
        saves = [f"save {number}" for number in numbers]
        park = ["park"] if self.poison >= 0 else []
        ends = [*park, "advance"] if self.parks_first else ["advance", *park]
        return ("wake", *reads, *saves, *ends)

    @cached_property
    def repairs(self) -> tuple[str, ...]:
        """List a redrive's calls in order."""
        numbers = self._rows_of(self._parkable)
        reads = [f"read {number}" for number in numbers]
        saves = [f"save {number}" for number in numbers]
        return ("read parked_stream", *reads, *saves, "unpark")

    @property
    def _parkable(self) -> int:
        return self.streams[self.log[self.poison].row]

    def _rows_of(self, stream: int) -> list[int]:
        return [row for row, owner in enumerate(self.streams) if owner == stream]

    def _steps(self, state: State) -> Iterator[Move]:
        for index, function in enumerate(state.functions):
            if function != IDLE:
                yield "a function crashes", _function(state, index, IDLE)
            yield from self._call(state, index, function)
        for index, redrive in enumerate(state.redrives):
            if redrive != REST:
                yield "a redrive crashes", _redrive(state, index, REST)
            yield from self._repair(state, index, redrive)

    def _call(self, state: State, index: int, function: Function) -> Iterator[Move]:
        following = function._replace(call=function.call + 1)
        match self.calls[function.call].split():
            case ["wake"]:
                yield from self._wakes(state, index)
            case ["read", what]:
                for label, read in self._reads(state, what, following):
                    for begun in self._attempts(read):
                        does = ", will fail" if begun.fails else ""
                        yield f"{label}{does}", _function(state, index, begun)
            case ["save", number]:
                yield self._saves(state, index, int(number), following)
            case ["park"]:
                yield self._parks(state, index, following)
            case _:
                yield self._advances(state, index, following)

    def _reads(
        self, state: State, what: str, following: Function
    ) -> Iterator[tuple[str, Function]]:
        if what == "checkpoint":
            position = state.checkpoint
            read = following._replace(checkpoint=position)
            label = f"a function reads checkpoint {position}"
            yield label, read if position < following.target else IDLE
        elif what == "parked_stream":
            for parked_stream in {state.parked_stream, *([UNPARKED] * self.stale_marker)}:
                label = f"a function reads parked_stream {tuple(parked_stream)}"
                yield label, following._replace(parked_stream=parked_stream)
        else:
            for row in self._shown(state, int(what)):
                read = following._replace(loaded=(*following.loaded, row))
                yield f"a function reads row {what} at {row.position}", read

    def _attempts(self, function: Function) -> Iterator[Function]:
        """After the last read, the attempt may meet the event that fails."""
        yield function
        all_read = self.calls[function.call] == "save 0"
        if all_read and self.poison >= 0 and function.parked_stream == UNPARKED:
            failing = function._replace(fails=True)
            if self._fails(failing):
                yield failing

    def _wakes(self, state: State, index: int) -> Iterator[Move]:
        for target in range(state.checkpoint + 1, len(self.log)):
            label = f"a function takes a batch up to {target}"
            yield label, _function(state, index, Function(1, target))

    def _shown(self, state: State, number: int) -> set[Row]:
        """Give what a read of a row may show: it, or any of its former values."""
        row = state.rows[number]
        if not self.stale_rows:
            return {row}
        positions = range(-1, row.position)
        return {row, *(self._fold(number, Row(), -1, p) for p in positions)}

    def _fold(self, number: int, row: Row, start: int, end: int) -> Row:
        """Fold the row's commits beyond `start` and its own position, up to `end`."""
        return _fold(self.log, number, row, max(start, row.position), end)

    def _saves(self, state: State, index: int, number: int, following: Function) -> Move:
        loaded = following.loaded[number]
        end = self._end(number, following)
        new = self._fold(number, loaded, following.checkpoint, end)
        after = self._done(following)
        if new == loaded:
            return f"row {number} needs nothing", _function(state, index, after)
        if self.save == "lower" and state.rows[number].position >= new.position:
            return f"row {number} is left alone", _function(state, index, after)
        if self.save == "loaded" and state.rows[number] != loaded:
            return f"row {number} has changed", _function(state, index, IDLE)
        label = f"a function saves row {number} at {new.position}"
        return label, _function(self._stored(state, number, new), index, after)

    def _stored(self, state: State, number: int, row: Row) -> State:
        kept = row if row.content or self.tombstones else Row()
        rows = (*state.rows[:number], kept, *state.rows[number + 1 :])
        return state._replace(rows=rows)

    def _end(self, number: int, function: Function) -> int:
        """Say up to where a function folds a row: a parked stream not at all."""
        if self.poison >= 0 and self.streams[number] == self._parkable:
            if function.parked_stream != UNPARKED:
                return -1
            if self._fails(function):
                return self.poison - 1
        return function.target

    def _fails(self, function: Function) -> bool:
        """Say whether this attempt meets the event that fails."""
        loaded = function.loaded[self.log[self.poison].row]
        done = max(function.checkpoint, loaded.position)
        return function.fails and done < self.poison <= function.target

    def _last(self, function: Function) -> int:
        """Give the parkable stream's last commit in the batch, -1 if there is none."""
        batch = range(function.checkpoint + 1, function.target + 1)
        rows = self._rows_of(self._parkable)
        return max((p for p in batch if self.log[p].row in rows), default=-1)

    def _parks(self, state: State, index: int, following: Function) -> Move:
        last = self._last(following)
        after = self._done(following)
        if following.parked_stream != UNPARKED and last >= 0:
            return self._raises(state, index, last, after)
        if following.parked_stream == UNPARKED and self._fails(following):
            if state.parked_stream != UNPARKED:
                return "the stream is parked already", _function(state, index, IDLE)
            parked = state._replace(parked_stream=ParkedStream(self.poison, last))
            label = f"a function parks the stream at {self.poison}..{last}"
            return label, _function(parked, index, after)
        return "there is nothing to park", _function(state, index, after)

    def _raises(self, state: State, index: int, last: int, after: Function) -> Move:
        parked_stream = state.parked_stream
        if parked_stream != UNPARKED:
            parked_stream = parked_stream._replace(last=max(parked_stream.last, last))
        elif self.raises == "upsert":
            parked_stream = ParkedStream(last, last)
        elif self.raises == "if parked":
            return "the parked_stream has gone", _function(state, index, IDLE)
        raised = state._replace(parked_stream=parked_stream)
        return f"a function raises the parked_stream to {last}", _function(raised, index, after)

    def _advances(self, state: State, index: int, following: Function) -> Move:
        expected, target = following.checkpoint, following.target
        if self.checkpoint_condition and state.checkpoint != expected:
            return "the checkpoint has moved", _function(state, index, IDLE)
        reached = max(state.reached, target)
        moved = state._replace(checkpoint=target, reached=reached)
        label = f"a function moves the checkpoint to {target}"
        return label, _function(moved, index, self._done(following))

    def _done(self, following: Function) -> Function:
        return following if following.call < len(self.calls) else IDLE

    def _repair(self, state: State, index: int, redrive: Redrive) -> Iterator[Move]:
        following = redrive._replace(call=redrive.call + 1)
        match self.repairs[redrive.call].split():
            case ["read", "parked_stream"]:
                if state.parked_stream != UNPARKED:
                    read = following._replace(parked_stream=state.parked_stream)
                    label = f"a redrive reads parked_stream {tuple(state.parked_stream)}"
                    yield label, _redrive(state, index, read)
            case ["read", number]:
                row = state.rows[int(number)]
                read = following._replace(loaded=(*redrive.loaded, row))
                label = f"a redrive reads row {number} at {row.position}"
                yield label, _redrive(state, index, read)
            case ["save", number]:
                yield self._restores(state, index, int(number), following)
            case _:
                yield self._unparks(state, index, redrive)

    def _restores(self, state: State, index: int, number: int, following: Redrive) -> Move:
        loaded = following.loaded[self._rows_of(self._parkable).index(number)]
        new = self._fold(number, loaded, -1, following.parked_stream.last)
        if new == loaded:
            label = f"a redrive finds row {number} up to date"
            return label, _redrive(state, index, following)
        if state.rows[number] != loaded:
            return "a redrive starts over", _redrive(state, index, REST)
        stored = self._stored(state, number, new)
        label = f"a redrive saves row {number} at {new.position}"
        return label, _redrive(stored, index, following)

    def _unparks(self, state: State, index: int, redrive: Redrive) -> Move:
        if self.redrive_condition and state.parked_stream != redrive.parked_stream:
            return "the parked_stream has moved", _redrive(state, index, REST)
        unparked = state._replace(parked_stream=UNPARKED)
        return "a redrive removes the parked_stream", _redrive(unparked, index, REST)

    def _broken(self, state: State) -> str | None:
        if state.checkpoint < state.reached and not self.checkpoint_may_go_back:
            return BACK
        for number, row in enumerate(state.rows):
            if row != self._fold(number, Row(), -1, row.position):
                return FOLD
            if row.position < state.checkpoint and self._behind(state, number):
                return BEHIND
        return None

    def _behind(self, state: State, number: int) -> bool:
        row = state.rows[number]
        due = self._fold(number, Row(), -1, state.checkpoint)
        if not self.tombstones and not due.content:
            return bool(row.content)
        found = self.poison >= 0 and self.streams[number] == self._parkable
        covered = state.parked_stream.last if found else -1
        return max(row.position, covered) < due.position

    def _complete(self, state: State) -> bool:
        end = len(self.log) - 1
        return (
            state.checkpoint == end
            and state.parked_stream == UNPARKED
            and all(
                row.content == self._fold(number, Row(), -1, end).content
                for number, row in enumerate(state.rows)
            )
        )


@cache
def _fold(log: tuple[Commit, ...], number: int, row: Row, start: int, end: int) -> Row:
    for position in range(start + 1, end + 1):
        commit = log[position]
        if commit.row == number:
            content = () if commit.deletes else (*row.content, position)
            row = Row(position, content)
    return row


def _function(state: State, index: int, function: Function) -> State:
    functions = [*state.functions[:index], function, *state.functions[index + 1 :]]
    return state._replace(functions=tuple(sorted(functions)))


def _redrive(state: State, index: int, redrive: Redrive) -> State:
    redrives = [*state.redrives[:index], redrive, *state.redrives[index + 1 :]]
    return state._replace(redrives=tuple(sorted(redrives)))
