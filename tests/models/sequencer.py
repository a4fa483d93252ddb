"""The relay's sequencing: committed items become blocks of one chained log.

Modelled: streams that grow at any time; any number of relays, each woken with any
committed records in any order, again and again or never; the head item, the
registry's `next` of each stream and the block, written in one transaction; the gap
pull and the causal pull; a block cut after any prefix of the plan; a crash at every
step; a transaction whose answer is lost; a relay that goes on after a success with
the head and the registry it wrote. Options: reads in either order, or arbitrarily
stale; stale reads of the events table, where a record's image supplies a commit that
the read does not show; a cause that is nowhere.

Abstracted: a transaction is atomic; bodies and lanes are left out; the hash of the
head is the list of all blocks before it, so equal hashes are equal histories; a stale
read of a stream is a prefix of it; relays are interchangeable, so their order does
not count.

Checks I1 (blocks dense, immutable), I2 (no version twice), I3 (each stream
contiguous and in order), I4 (logged implies committed), I5 (cause before effect),
I6 (registry equals the fold of the log), and as completion I8 (every commit whose
causes exist is logged in the end).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate, permutations, product
from typing import TYPE_CHECKING, Literal, NamedTuple

from .checker import LIMIT, Result, check

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Commit = tuple[int, int]
"""A stream's number and a version in it, from 1."""
Block = tuple[Commit, ...]
Chain = tuple[Block, ...]
"""All blocks of a history: the head's hash stands for it."""
Counts = tuple[int, ...]
"""One number for each stream: how many of its commits."""

BROKEN_CHAIN = "I1 the chain of hashes is broken"
OVERWRITTEN = "I1 history is overwritten"
HOLE = "I1 a hole in the log"
TWICE = "I2 a version is logged twice"
GAP = "I3 a stream has a gap or is out of order"
PHANTOM = "I4 a logged version was never committed"
CAUSAL = "I5 an effect stands before its cause"
REGISTRY = "I6 the registry differs from the log"


class Relay(NamedTuple):
    """One invocation: the records it was woken with and what it has read."""

    phase: Literal["idle", "woken", "half", "ready"] = "idle"
    hints: tuple[Commit, ...] = ()
    head: Chain = ()
    registry: Counts = ()


class State(NamedTuple):
    """The tables and the relays; `fault` names a history that was damaged."""

    committed: Counts
    blocks: Chain
    registry: Counts
    relays: tuple[Relay, ...]
    fault: str | None = None


IDLE = Relay()
Move = tuple[str, State]


def _two_streams() -> dict[Commit, tuple[Commit, ...]]:
    return {(1, 1): ((0, 1),), (0, 2): ((1, 1),)}


@dataclass(frozen=True)
class Sequencer:
    """A size and the rules in force; the defaults are the design's."""

    commits: Counts = (2, 2)
    causes: Mapping[Commit, tuple[Commit, ...]] = field(default_factory=_two_streams)
    relays: int = 2
    batch: int = 2
    reads: Literal["head first", "registry first", "stale"] = "head first"
    stale_events: bool = False
    head_condition: Literal["hash", "position", "none"] = "hash"
    block_condition: bool = False
    registry_condition: bool = True
    gap_pull: bool = True
    causal_pull: bool = True
    believes_lost_answers: bool = False

    def check(self, limit: int = LIMIT) -> Result:
        """Visit every state of this size under these rules."""
        nothing = (0,) * len(self.commits)
        initial = State(nothing, (), nothing, (IDLE,) * self.relays)
        target = self._loggable()
        return check(
            initial,
            self._steps,
            self._broken,
            lambda state: state.registry == target,
            limit,
        )

    def _loggable(self) -> Counts:
        """Count what can ever be logged: commits all of whose causes exist."""
        everything = tuple(
            (stream, version)
            for stream, count in enumerate(self.commits)
            for version in range(1, count + 1)
        )
        nothing = (0,) * len(self.commits)
        planned = self._plan(everything, nothing, self.commits)
        return tuple(
            sum(stream == other for other, _ in planned) for stream in range(len(self.commits))
        )

    def _steps(self, state: State) -> Iterator[Move]:
        yield from self._appends(state)
        previous = None
        for index, relay in enumerate(state.relays):
            if relay == previous:
                continue
            previous = relay
            if relay.phase != "idle":
                yield "a relay crashes", _with(state, index, IDLE)
            match relay.phase:
                case "idle":
                    yield from self._wakes(state, index)
                case "woken" | "half":
                    yield from self._read(state, index)
                case "ready":
                    yield from self._transactions(state, index)

    def _appends(self, state: State) -> Iterator[Move]:
        for stream, count in enumerate(state.committed):
            commit = (stream, count + 1)
            if count < self.commits[stream] and self._causes_exist(state, commit):
                committed = _replaced(state.committed, stream, count + 1)
                yield f"commit {_name(commit)}", state._replace(committed=committed)

    def _causes_exist(self, state: State, commit: Commit) -> bool:
        """Say whether the author can have seen the causes (or they are nowhere)."""
        return all(
            version <= state.committed[stream] or version > self.commits[stream]
            for stream, version in self.causes.get(commit, ())
        )

    def _wakes(self, state: State, index: int) -> Iterator[Move]:
        records = [
            (stream, version)
            for stream, count in enumerate(state.committed)
            for version in range(1, count + 1)
        ]
        for size in range(1, self.batch + 1):
            for hints in permutations(records, size):
                names = " ".join(map(_name, hints))
                yield (
                    f"a relay is woken with {names}",
                    _with(state, index, Relay("woken", hints)),
                )

    def _read(self, state: State, index: int) -> Iterator[Move]:
        relay = state.relays[index]
        if self.reads == "stale":
            olds = product(*(range(value + 1) for value in state.registry))
            for head, registry in product(_heads(state.blocks), olds):
                yield (
                    f"a relay reads head {_end(head)} and registry {registry}",
                    _with(state, index, Relay("ready", relay.hints, head, registry)),
                )
            return
        head_now = (relay.phase == "woken") == (self.reads == "head first")
        if head_now:
            read = relay._replace(head=state.blocks)
            label = f"a relay reads head {_end(state.blocks)}"
        else:
            read = relay._replace(registry=state.registry)
            label = f"a relay reads registry {state.registry}"
        phase: Literal["half", "ready"] = "half" if relay.phase == "woken" else "ready"
        yield label, _with(state, index, read._replace(phase=phase))

    def _transactions(self, state: State, index: int) -> Iterator[Move]:
        relay = state.relays[index]
        plans = {self._plan(relay.hints, relay.registry, shown) for shown in self._shown(state)}
        for block in {plan[:cut] for plan in plans for cut in range(len(plan) + 1)}:
            if not block or not self._allowed(state, relay, block):
                yield "a relay writes nothing", _with(state, index, IDLE)
                continue
            written = _written(state, relay, block)
            after = _going_on(relay, block)
            names = " ".join(map(_name, block))
            position = _end(relay.head)
            label = f"a relay writes {names} at {position}"
            yield f"{label}, then dies or loses the answer", _with(written, index, IDLE)
            yield f"{label} and goes on", _with(written, index, after)
            if self.believes_lost_answers:
                yield (
                    f"a relay believes it wrote {names} at {position}",
                    _with(state, index, after),
                )

    def _shown(self, state: State) -> Iterator[Counts]:
        """Give what a read of the events table may show of each stream."""
        if self.stale_events:
            yield from product(*(range(count + 1) for count in state.committed))
        else:
            yield state.committed

    def _plan(self, hints: Block, registry: Counts, shown: Counts) -> Block:
        """List the commits to log: the hints, the gaps below them, their causes."""
        expected = list(registry)
        chosen: list[Commit] = []

        def take(commit: Commit) -> None:
            chosen.append(commit)
            expected[commit[0]] = commit[1]

        def need(stream: int, version: int) -> bool:
            while expected[stream] < version:
                commit = (stream, expected[stream] + 1 if self.gap_pull else version)
                if commit[1] > shown[stream] and commit not in hints:
                    return False
                causes = self.causes.get(commit, ()) if self.causal_pull else ()
                if not all(need(*cause) for cause in causes):
                    return False
                if commit[1] > expected[stream]:
                    take(commit)
            return True

        for hint in hints:
            need(*hint)
        return tuple(chosen)

    def _allowed(self, state: State, relay: Relay, block: Block) -> bool:
        position = _end(relay.head)
        if self.head_condition == "hash" and relay.head != state.blocks:
            return False
        if self.head_condition == "position" and position != _end(state.blocks):
            return False
        if self.block_condition and position in _starts(state.blocks)[:-1]:
            return False
        return not self.registry_condition or all(
            relay.registry[stream] == state.registry[stream] for stream, _ in block
        )

    def _broken(self, state: State) -> str | None:
        if state.fault:
            return state.fault
        broken, counts = _audit(state.blocks, len(self.commits))
        if broken:
            return broken
        if any(a > b for a, b in zip(counts, state.committed, strict=True)):
            return PHANTOM
        if counts != state.registry:
            return REGISTRY
        return CAUSAL if self._effect_first(state.blocks) else None

    def _effect_first(self, blocks: Chain) -> bool:
        before: set[Commit] = set()
        for block in blocks:
            for commit in block:
                if not before.issuperset(self.causes.get(commit, ())):
                    return True
                before.add(commit)
        return False


@cache
def _audit(blocks: Chain, streams: int) -> tuple[str | None, Counts]:
    """Check the log by itself; count each stream's commits in it."""
    flat = [commit for block in blocks for commit in block]
    versions = [[v for s, v in flat if s == stream] for stream in range(streams)]
    counts = tuple(map(len, versions))
    if len(set(flat)) != len(flat):
        return TWICE, counts
    if any(found != list(range(1, len(found) + 1)) for found in versions):
        return GAP, counts
    return None, counts


@cache
def _starts(blocks: Chain) -> Counts:
    """Give each block's first position, and the end."""
    return tuple(accumulate(map(len, blocks), initial=0))


@cache
def _heads(blocks: Chain) -> tuple[Chain, ...]:
    """Give every value that the head ever had."""
    return tuple(blocks[:count] for count in range(len(blocks) + 1))


def _end(blocks: Chain) -> int:
    return _starts(blocks)[-1]


def _fault(distance: int, believed: Chain, actual: Chain) -> str | None:
    """Name the damage of a block written after a head that is not the log's."""
    if distance:
        return OVERWRITTEN if distance < 0 else HOLE
    return None if believed == actual else BROKEN_CHAIN


def _written(state: State, relay: Relay, block: Block) -> State:
    if fault := _fault(_end(relay.head) - _end(state.blocks), relay.head, state.blocks):
        return state._replace(fault=fault)
    registry = state.registry
    for stream, version in block:
        registry = _replaced(registry, stream, version)
    return state._replace(blocks=(*state.blocks, block), registry=registry)


def _going_on(relay: Relay, block: Block) -> Relay:
    registry = relay.registry
    for stream, version in block:
        registry = _replaced(registry, stream, version)
    hints = tuple(hint for hint in relay.hints if hint[1] > registry[hint[0]])
    if not hints:
        return IDLE
    return Relay("ready", hints, (*relay.head, block), registry)


def _with(state: State, index: int, relay: Relay) -> State:
    relays = [*state.relays[:index], relay, *state.relays[index + 1 :]]
    return state._replace(relays=tuple(sorted(relays)))


def _replaced(values: Counts, index: int, value: int) -> Counts:
    return (*values[:index], value, *values[index + 1 :])


def _name(commit: Commit) -> str:
    return f"{'ABCD'[commit[0]]}{commit[1]}"
