"""Followers that are woken only for what they hear, and pass over the rest by its links.

Modelled: a log that grows by blocks that hold a category that the reader hears, another,
or both; wakes that are sent for blocks that it hears, and may be lost; any number of
functions of the reader, each of which reads the checkpoint, then links from there, however
few, then the bodies of the blocks that it hears, then saves; the head, read before the
links or after; the sweeper, which wakes a reader that is behind; a pruner that deletes
blocks below the checkpoint; a crash at every step.

Abstracted: a commit is taken once, whoever takes it again (rows.py); links and bodies are
one read each (bodies.py); segments (pruning.py) are left out, because a live reader needs
none.

Checks I7 (every commit that the reader hears is taken, in turn, before the checkpoint
passes it). As completion: the checkpoint reaches the end, and everything is pruned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from .checker import LIMIT, Result, check

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSED = "I7 the checkpoint passes a commit that was not taken"

Block = Literal["mine", "others", "both"]
KINDS: tuple[Block, ...] = ("mine", "others", "both")


class Function(NamedTuple):
    """One invocation: the checkpoint that it read, and the end of what it has seen."""

    phase: Literal["idle", "woken", "started", "read"] = "idle"
    checkpoint: int = 0
    end: int = 0


class State(NamedTuple):
    """The log, its reader's checkpoint, what was taken, and whether a wake is on its way."""

    functions: tuple[Function, ...]
    blocks: tuple[Block, ...] = ()
    checkpoint: int = 0
    taken: frozenset[int] = frozenset()
    wake: bool = False
    pruned: int = 0


Move = tuple[str, State]


@dataclass(frozen=True)
class Hearing:
    """A size and the rules in force; the defaults are the design's."""

    blocks: int = 2
    functions: int = 2
    wakes: Literal["who hears", "nobody"] = "who hears"
    sweeps: Literal["behind the head", "behind what it hears", "nothing"] = "behind the head"
    passes_to: Literal["the last link read", "the head"] = "the last link read"
    names: Literal["every category", "the first"] = "every category"
    checkpoint_condition: bool = True

    def check(self, limit: int = LIMIT) -> Result:
        """Visit every state of this size under these rules."""
        initial = State((Function(),) * self.functions)
        return check(initial, self._steps, _broken, self._complete, limit)

    def _names_mine(self, block: Block) -> bool:
        """Say whether a block's link names the reader's category."""
        # The others' comes first in a block of both.
        return block == "mine" or (block == "both" and self.names == "every category")

    def _steps(self, state: State) -> Iterator[Move]:
        if len(state.blocks) < self.blocks:
            for block in KINDS:
                wakes = self.wakes == "who hears" and self._names_mine(block)
                grown = state._replace(blocks=(*state.blocks, block), wake=state.wake or wakes)
                yield f"a block of {block} is logged", grown
        if state.wake:
            yield "a wake is lost", state._replace(wake=False)
        if self._sweeps(state):
            yield "the sweeper wakes the reader", state._replace(wake=True)
        if state.pruned < state.checkpoint:
            yield f"block {state.pruned} is pruned", state._replace(pruned=state.pruned + 1)
        for index, function in enumerate(state.functions):
            yield from self._function(state, index, function)

    def _sweeps(self, state: State) -> bool:
        behind = state.blocks[state.checkpoint :]
        if state.wake or self.sweeps == "nothing":
            return False
        return any(map(self._names_mine, behind)) if "hears" in self.sweeps else bool(behind)

    def _function(self, state: State, index: int, function: Function) -> Iterator[Move]:
        if function.phase != "idle":
            yield "a function dies", _with(state, index, Function())
        match function.phase:
            case "idle":
                if state.wake:
                    woken = state._replace(wake=False)
                    yield "a function is woken", _with(woken, index, Function("woken"))
            case "woken":
                started = Function("started", state.checkpoint)
                label = f"a function reads checkpoint {state.checkpoint}"
                yield label, _with(state, index, started)
            case "started":
                if state.pruned > function.checkpoint:
                    return
                for end in range(function.checkpoint + 1, len(state.blocks) + 1):
                    read = function._replace(phase="read", end=end)
                    yield f"a function reads links up to {end}", _with(state, index, read)
            case "read":
                yield from self._saves(state, index, function)

    def _saves(self, state: State, index: int, function: Function) -> Iterator[Move]:
        if self.checkpoint_condition and state.checkpoint != function.checkpoint:
            return
        seen = range(function.checkpoint, function.end)
        heard = {at for at in seen if self._names_mine(state.blocks[at])}
        end = function.end
        if self.passes_to == "the head" and not heard:
            end = len(state.blocks)
        saved = state._replace(taken=state.taken | heard, checkpoint=end)
        yield (
            f"a function saves {sorted(heard)} and passes to {end}",
            _with(saved, index, Function()),
        )

    def _complete(self, state: State) -> bool:
        return len(state.blocks) == state.checkpoint == state.pruned == self.blocks


def _broken(state: State) -> str | None:
    mine = (at for at in range(state.checkpoint) if state.blocks[at] != "others")
    return PASSED if any(at not in state.taken for at in mine) else None


def _with(state: State, index: int, function: Function) -> State:
    functions = [*state.functions[:index], function, *state.functions[index + 1 :]]
    return state._replace(functions=tuple(sorted(functions)))
