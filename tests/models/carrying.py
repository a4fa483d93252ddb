"""How a step of a workflow that one generation takes, or leaves, is gone on with in the other.

Modelled: the step of ADR 10, on a process P and a target T that are handed over one for one, each by itself: by a
bar behind the newest commit of the one generation, copies, and a mark in the other. Executors of
both generations sleep and die between any two calls. Control switches at any moment, and perhaps back. People
end the process, and freeze and thaw the target.

Abstracted: takers take one call at a time and remember nothing (handing.py has the sleeping ones).
Items are "nX" (native) and "cX" (copied), where X is q (the step is asked for), x (ended), a (accepted) or r
(refused) in P, and z (opened), f (frozen or thawed) or k (the step's command) in T. A checkpoint has
passed the step or has not; green's begins where blue's is when control switches.

Checks: a version is native in one generation at most; the command is taken once, and not if its refusal is
recorded; once the active generation has passed the step and nobody is at it, a command that was taken is recorded;
no refusal rests on a state that lacks a commit. As completion: the step has an answer or an end, and is passed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from .checker import LIMIT, Result, check
from .writers import added, dropped

if TYPE_CHECKING:
    from collections.abc import Iterator

BOTH = "a step was refused and its command taken"
TWICE = "a command was taken twice"
LOST = "a command was taken and nobody knows"
OLD = "a step was refused on a state that lacks a commit"
WRITTEN = "two generations wrote the same version"

P, T = 0, 1
BEFORE, THERE, BACK = 0, 1, 2
Call = Literal["load", "append", "record taken", "record refused", "look", "pass"]


class Half(NamedTuple):
    """One of the two streams in one generation."""

    items: tuple[str, ...] = ()
    bar: bool = False
    mark: bool = False


class Executor(NamedTuple):
    """An executor of a generation: its next call, and the versions that it has read."""

    generation: int
    call: Call
    process: int = 0
    target: int = 0


Pair = tuple[Half, Half]


class State(NamedTuple):
    """P and T in both generations, the phase, and by whom the step has been passed."""

    streams: tuple[Pair, Pair]
    phase: int
    passed: tuple[bool, bool]
    changes: int
    executors: tuple[Executor, ...]
    bad: str | None = None


Move = tuple[str, State]


@dataclass(frozen=True)
class Carrying:
    """A size and the rules in force; the defaults are the design's."""

    executors: int = 2
    changes: int = 1
    frozen_first: bool = False
    back: bool = False
    ends: bool = True
    looks_at_process: bool = True  # only the owner of P reads it for a step
    looks_at_target: bool = True  # only the owner of T decides on it
    looks_before_look: bool = True  # only the owner of T looks for an earlier command
    passes_moved: bool = False  # blue's checkpoint passes the steps of processes that have moved
    handover: Literal["at the switch", "later"] = "at the switch"  # of the checkpoint
    same_ids: bool = True  # a step has the same id in both generations
    unless_moved: bool = True  # the command is taken only while P is as it was read

    def check(self, limit: int = LIMIT) -> Result:
        """Visit every state of this size under these rules."""
        target = ("nz", "nf") if self.frozen_first else ("nz",)
        streams = ((Half(("nq",)), Half()), (Half(target), Half()))
        start = State(streams, BEFORE, (False, False), self.changes, ())
        return check(start, self._steps, self._broken, self._complete, limit)

    def _steps(self, state: State) -> Iterator[Move]:
        if state.bad:
            return
        if state.phase == BEFORE:
            noted = (state.passed[0], state.passed[0])
            yield "control switches", state._replace(phase=THERE, passed=noted)
        if state.phase == THERE and self.back:
            yield "control switches back", state._replace(phase=BACK)
        if self.handover == "later" and state.phase == THERE and state.passed == (True, False):
            yield "green's checkpoint is set to blue's", state._replace(passed=(True, True))
        for stream in (P, T):
            yield from self._hands_over(state, stream)
        for generation in (0, 1) if state.phase else (0,):
            yield from self._people(state, generation)
            if len(state.executors) < self.executors and not state.passed[generation]:
                yield from self._begins(state, generation)
        for executor in set(state.executors):
            rest = dropped(state, "executors", executor)
            yield "an executor dies", rest
            yield self._goes_on(state, rest, executor)

    # --- streams

    def _hands_over(self, state: State, stream: int) -> Iterator[Move]:
        """One call of a taker, in the direction of the switch or of the one before."""
        if state.phase == BEFORE:
            return
        wanted = (0, 1) if state.phase == THERE else (1, 0)
        for source, target in ((0, 1), (1, 0)):
            giver, receiver = (state.streams[stream][g] for g in (source, target))
            have = len(receiver.items)
            if have < len(giver.items):
                item = giver.items[have]
                if item[0] == "n":
                    copied = Half((*receiver.items, f"c{item[1:]}"))
                    yield "copied", _set(state, stream, target, copied)
            elif not giver.bar:
                lacks = not self._owns(state, stream, target)
                if (source, target) == wanted and lacks and self._owns(state, stream, source):
                    yield "barred", _set(state, stream, source, giver._replace(bar=True))
            elif have == len(giver.items):
                if receiver.items[-1][0] == "c" and not receiver.mark:
                    yield "marked", _set(state, stream, target, receiver._replace(mark=True))
                elif receiver.bar and (source, target) == wanted:
                    yield "bar away", _set(state, stream, target, receiver._replace(bar=False))

    def _owns(self, state: State, stream: int, generation: int) -> bool:
        half = state.streams[stream][generation]
        if half.bar:
            return False
        return half.mark or half.items[-1][0] == "n" if half.items else generation == 0

    def _people(self, state: State, generation: int) -> Iterator[Move]:
        process, target = (state.streams[stream][generation] for stream in (P, T))
        if self.ends and self._owns(state, P, generation) and _awaits(process):
            yield "the process is ended", _append(state, P, generation, "nx")
        if state.changes and self._owns(state, T, generation) and target.items:
            fewer = state._replace(changes=state.changes - 1)
            yield "the target is frozen or thawed", _append(fewer, T, generation, "nf")

    # --- executors

    def _begins(self, state: State, generation: int) -> Iterator[Move]:
        half = state.streams[P][generation]
        if not half.items:
            return
        if not self._owns(state, P, generation) and self.looks_at_process:
            if generation == 0 and state.phase == THERE and self.passes_moved:
                passed = (True, state.passed[1])
                yield "blue passes what has moved", state._replace(passed=passed)
            return
        call: Call = "load" if _awaits(half) else "look"
        executor = Executor(generation, call, len(half.items))
        yield f"{generation} reads P", added(state, "executors", executor)

    def _goes_on(self, state: State, rest: State, executor: Executor) -> Move:
        generation = executor.generation
        match executor.call:
            case "load":
                return self._loads(state, rest, executor)
            case "append":
                return self._appends(state, rest, executor)
            case "record taken":
                return self._records_taken(state, rest, generation)
            case "record refused":
                return self._records_refused(state, rest, executor)
            case "look":
                return self._looks(state, rest, generation)
            case "pass":
                pass
        passed = (generation == 0 or state.passed[0], generation == 1 or state.passed[1])
        return "passes the step", rest._replace(passed=passed)

    def _loads(self, state: State, rest: State, executor: Executor) -> Move:
        generation = executor.generation
        half = state.streams[T][generation]
        if self._finds(state, generation):
            return "finds the command", added(
                rest, "executors", Executor(generation, "record taken")
            )
        if not self._owns(state, T, generation) and self.looks_at_target:
            return "T has moved", rest
        call: Call = "record refused" if _kinds(half).count("f") % 2 else "append"
        return "loads T", added(
            rest, "executors", executor._replace(call=call, target=len(half.items))
        )

    def _appends(self, state: State, rest: State, executor: Executor) -> Move:
        generation, _, process, target = executor
        own, other = state.streams[T][generation], state.streams[P][generation]
        if len(own.items) != target or own.bar:
            return "lost the version", rest
        if self.unless_moved and (len(other.items) != process or other.bar):
            return "P has moved on", rest
        taken = _append(rest, T, generation, "nk")
        return "takes the command", added(taken, "executors", Executor(generation, "record taken"))

    def _records_taken(self, state: State, rest: State, generation: int) -> Move:
        half = state.streams[P][generation]
        after = Executor(generation, "pass")
        if "a" in _kinds(half):
            return "finds the answer", added(rest, "executors", after)
        if not self._owns(state, P, generation):
            return "P has moved", rest
        if "r" in _kinds(half):
            return "the answer is refused", rest
        return "records that it is taken", added(
            _append(rest, P, generation, "na"), "executors", after
        )

    def _records_refused(self, state: State, rest: State, executor: Executor) -> Move:
        generation, _, _, target = executor
        own, other = state.streams[T][generation], state.streams[T][1 - generation]
        if len(own.items) != target or own.bar:
            return "T has moved on", rest
        half = state.streams[P][generation]
        if not self._owns(state, P, generation) or not _awaits(half):
            return "P takes no refusal", rest
        recorded = _append(rest, P, generation, "nr")
        if other.items and other.items[-1][0] == "n" and len(other.items) > target:
            recorded = recorded._replace(bad=OLD)
        return "records the refusal", added(recorded, "executors", Executor(generation, "pass"))

    def _looks(self, state: State, rest: State, generation: int) -> Move:
        if not self._owns(state, T, generation) and self.looks_before_look:
            return "T has moved", rest
        call: Call = "record taken" if self._finds(state, generation) else "pass"
        return "looks once more", added(rest, "executors", Executor(generation, call))

    def _finds(self, state: State, generation: int) -> bool:
        """Whether the generation finds the step's command in T by its id."""
        items = state.streams[T][generation].items
        return "nk" in items or ("ck" in items and self.same_ids)

    def _broken(self, state: State) -> str | None:
        if state.bad:
            return state.bad
        for blue, green in state.streams:
            for a, b in zip(blue.items, green.items, strict=False):
                if a[1:] != b[1:] or a[0] == b[0] == "n":
                    return WRITTEN
        process, target = (
            _kinds(max(pair, key=lambda half: len(half.items))) for pair in state.streams
        )
        if target.count("k") > 1:
            return TWICE
        if "k" in target and "r" in process:
            return BOTH
        at_rest = not state.executors and state.passed[state.phase == THERE]
        return LOST if at_rest and "k" in target and "a" not in process else None

    def _complete(self, state: State) -> bool:
        process = max(state.streams[P], key=lambda half: len(half.items))
        last = state.phase == (BACK if self.back else THERE)
        passed = state.passed[state.phase == THERE]
        return last and not state.executors and passed and not _awaits(process)


def _kinds(half: Half) -> str:
    return "".join(item[1:] for item in half.items)


def _awaits(half: Half) -> bool:
    return not set(_kinds(half)) & set("xar")


def _set(state: State, stream: int, generation: int, half: Half) -> State:
    pair = state.streams[stream]
    changed = (pair[0], half) if generation else (half, pair[1])
    first, second = state.streams
    return state._replace(streams=(first, changed) if stream else (changed, second))


def _append(state: State, stream: int, generation: int, item: str) -> State:
    half = state.streams[stream][generation]
    return _set(state, stream, generation, half._replace(items=(*half.items, item)))
