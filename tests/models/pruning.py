"""Pruning the log: blocks below every checkpoint move from the table to segments.

Modelled: relays that read the head, wait as long as they like, and append on condition
of the head; views whose functions read the checkpoint, then the log from there, then
save; a view that joins late and reads segments where the table has no block any more;
pruners that read the checkpoints one by one, copy, verify and delete block by block; a
copy that may not have landed; a crash at every step.

Abstracted: a block is one commit; rows carry positions, so a repeated commit is left
out (rows.py); a live view reads the table only, which is what "below every checkpoint"
promises it; the published-through mark, the policies and the ordered views are readers
like these.

Checks I1 (no position is written twice or lost: each is in the table or in a segment)
and I7 (rows fold every position in turn). As completion: every view reaches the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from .checker import LIMIT, Result, check

if TYPE_CHECKING:
    from collections.abc import Iterator

OVERWRITTEN = "I1 history is overwritten"
LOST = "I1 a position is in no table and no segment"
SKIPPED = "I7 a view skips a position"
ABSENT = -2


class Relay(NamedTuple):
    """A relay and the head it read, -1 before."""

    head: int = -1


class Reader(NamedTuple):
    """A view's function: its checkpoint and the positions it read."""

    view: int
    phase: Literal["idle", "started", "read"] = "idle"
    checkpoint: int = -1
    positions: tuple[int, ...] = ()


class Pruner(NamedTuple):
    """A pruner: the checkpoints it read and the range it moves."""

    phase: Literal["idle", "looking", "copied", "deleting"] = "idle"
    seen: tuple[int, ...] = ()
    first: int = 0
    end: int = 0


class State(NamedTuple):
    """The log in its two places, the views, and who is at work."""

    checkpoints: tuple[int, ...]
    folded: tuple[int, ...]
    relays: tuple[Relay, ...]
    readers: tuple[Reader, ...]
    pruners: tuple[Pruner, ...]
    head: int = 0
    table: frozenset[int] = frozenset()
    archived: frozenset[int] = frozenset()
    fault: str | None = None


Move = tuple[str, State]


@dataclass(frozen=True)
class Pruning:
    """A size and the rules in force; the defaults are the design's.

    `readers` gives the view of each function. The last view joins late where
    `late_view` is set, and reads segments too.
    """

    blocks: int = 3
    relays: int = 1
    readers: tuple[int, ...] = (0, 0, 1)
    pruners: int = 1
    late_view: bool = False
    falls_back: Literal["always", "at first"] = "always"
    bound: Literal["every checkpoint", "the first checkpoint"] = "every checkpoint"
    verifies: bool = True
    appends_on: Literal["the head", "the block"] = "the head"
    continuity: bool = True
    checkpoint_condition: bool = True

    def check(self, limit: int = LIMIT) -> Result:
        """Visit every state of this size under these rules."""
        views = max(self.readers) + 1
        joined = (-1,) * views
        initial = State(
            (*joined[1:], ABSENT) if self.late_view else joined,
            (0,) * views,
            (Relay(),) * self.relays,
            tuple(Reader(view) for view in self.readers),
            (Pruner(),) * self.pruners,
        )
        return check(initial, self._steps, self._broken, self._complete, limit)

    def _steps(self, state: State) -> Iterator[Move]:
        for view, checkpoint in enumerate(state.checkpoints):
            if checkpoint == ABSENT:
                yield f"view {view} joins", _checkpoint(state, view, -1)
        for index, relay in enumerate(state.relays):
            yield from self._relay(state, index, relay)
        for index, reader in enumerate(state.readers):
            yield from self._reader(state, index, reader)
        for index, pruner in enumerate(state.pruners):
            yield from self._pruner(state, index, pruner)

    def _relay(self, state: State, index: int, relay: Relay) -> Iterator[Move]:
        if relay.head < 0:
            if state.head < self.blocks:
                yield f"a relay reads head {state.head}", _relay(state, index, state.head)
            return
        yield "a relay gives up", _relay(state, index, -1)
        on_head = self.appends_on == "the head"
        if relay.head != state.head if on_head else relay.head in state.table:
            return
        label = f"a relay appends block {relay.head}"
        if relay.head != state.head:
            yield label, state._replace(fault=OVERWRITTEN)
            return
        table = state.table | {state.head}
        appended = state._replace(head=state.head + 1, table=table)
        yield label, _relay(appended, index, -1)

    def _reader(self, state: State, index: int, reader: Reader) -> Iterator[Move]:
        idle = Reader(reader.view)
        checkpoint = state.checkpoints[reader.view]
        if reader.phase != "idle":
            yield f"a reader of view {reader.view} crashes", _reader(state, index, idle)
        if reader.phase == "idle" and ABSENT < checkpoint < state.head - 1:
            started = Reader(reader.view, "started", checkpoint)
            label = f"a reader of view {reader.view} reads checkpoint {checkpoint}"
            yield label, _reader(state, index, started)
        elif reader.phase == "started":
            for positions in self._log(state, reader):
                read = reader._replace(phase="read", positions=positions)
                label = f"a reader of view {reader.view} reads {positions}"
                yield label, _reader(state, index, read)
        elif reader.phase == "read" and (
            checkpoint == reader.checkpoint or not self.checkpoint_condition
        ):
            label = f"view {reader.view} folds {reader.positions}"
            yield label, _reader(_folded(state, reader), index, idle)

    def _log(self, state: State, reader: Reader) -> Iterator[tuple[int, ...]]:
        """Give what a read from the checkpoint on may return, however short."""
        late = self.late_view and reader.view == len(state.checkpoints) - 1
        segments = late and (self.falls_back == "always" or reader.checkpoint < 0)
        stored = state.table | state.archived if segments else state.table
        found = tuple(p for p in sorted(stored) if p > reader.checkpoint)
        for count in range(1, len(found) + 1):
            if self.continuity and found[count - 1] != reader.checkpoint + count:
                return
            yield found[:count]

    def _pruner(self, state: State, index: int, pruner: Pruner) -> Iterator[Move]:
        if pruner.phase != "idle":
            yield "a pruner crashes", _pruner(state, index, Pruner())
        match pruner.phase:
            case "idle":
                yield "a pruner begins", _pruner(state, index, Pruner("looking"))
            case "looking":
                yield from self._looks(state, index, pruner)
            case "copied":
                if not self.verifies or _range(pruner) <= state.archived:
                    deleting = pruner._replace(phase="deleting")
                    label = "a pruner sees its copy" if self.verifies else "a pruner goes on"
                    yield label, _pruner(state, index, deleting)
            case "deleting":
                yield _deletes(state, index, pruner)

    def _looks(self, state: State, index: int, pruner: Pruner) -> Iterator[Move]:
        view = len(pruner.seen)
        enough = 1 if self.bound == "the first checkpoint" else len(state.checkpoints)
        if view < enough:
            seen = (*pruner.seen, state.checkpoints[view])
            label = f"a pruner reads checkpoint {seen[-1]} of view {view}"
            yield label, _pruner(state, index, pruner._replace(seen=seen))
            return
        end = min((seen for seen in pruner.seen if seen != ABSENT), default=-1) + 1
        first = min(state.table, default=end)
        if first >= end:
            return
        copied = Pruner("copied", first=first, end=end)
        stored = state.archived | (_range(copied) & state.table)
        label = f"a pruner copies {first}..{end - 1}"
        lands = _pruner(state._replace(archived=stored), index, copied)
        yield label, lands
        yield f"{label}, which does not land", _pruner(state, index, copied)

    def _broken(self, state: State) -> str | None:
        if state.fault:
            return state.fault
        return LOST if len(state.table | state.archived) < state.head else None

    def _complete(self, state: State) -> bool:
        end = self.blocks - 1
        return all(checkpoint == end for checkpoint in state.checkpoints)


def _range(pruner: Pruner) -> frozenset[int]:
    return frozenset(range(pruner.first, pruner.end))


def _deletes(state: State, index: int, pruner: Pruner) -> Move:
    """Delete one block, oldest first, so what is left has no hole."""
    if pruner.first == pruner.end:
        return "a pruner is done", _pruner(state, index, Pruner())
    pruned = state._replace(table=state.table - {pruner.first})
    following = pruner._replace(first=pruner.first + 1)
    return f"a pruner deletes {pruner.first}", _pruner(pruned, index, following)


def _folded(state: State, reader: Reader) -> State:
    """Fold what the rows do not hold yet, and move the checkpoint."""
    count = state.folded[reader.view]
    for position in reader.positions:
        if position > count:
            return state._replace(fault=SKIPPED)
        count = max(count, position + 1)
    before, after = state.folded[: reader.view], state.folded[reader.view + 1 :]
    moved = _checkpoint(state, reader.view, reader.positions[-1])
    return moved._replace(folded=(*before, count, *after))


def _checkpoint(state: State, view: int, position: int) -> State:
    before, after = state.checkpoints[:view], state.checkpoints[view + 1 :]
    return state._replace(checkpoints=(*before, position, *after))


def _relay(state: State, index: int, head: int) -> State:
    relays = [*state.relays[:index], Relay(head), *state.relays[index + 1 :]]
    return state._replace(relays=tuple(sorted(relays)))


def _reader(state: State, index: int, reader: Reader) -> State:
    readers = [*state.readers[:index], reader, *state.readers[index + 1 :]]
    return state._replace(readers=tuple(sorted(readers)))


def _pruner(state: State, index: int, pruner: Pruner) -> State:
    pruners = [*state.pruners[:index], pruner, *state.pruners[index + 1 :]]
    return state._replace(pruners=tuple(sorted(pruners)))
