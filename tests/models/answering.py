"""How a step of a process gets one answer, whoever takes it and whoever dies.

Modelled: executors that take one step of a process, call by call: read the process, load
the target, append the command to it, record the answer in the process, and pass the step;
a crash between any two calls; an executor that sleeps between any two calls while
everything else goes on (a zombie is a slow one). The target refuses while it is frozen, and
is frozen and thawed meanwhile; the process may be ended from outside (cancelled, timed
out). The command is recognised by its id in a target's stream.

Abstracted: the process is "asked", "ended", or has an answer; the target is its list of
commits: "f" freezes or thaws it, "c" is the command. Versions are the lengths of streams. An
executor that gave up begins again while the step has not been passed; once one has passed
it, no other begins.

Checks: a step has one answer; a refused command was not taken; a command taken is taken
once, and is recorded once the step has been passed and nobody is at it: else money has
left, and nobody knows. As completion: the step is passed and everything is at rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from .checker import LIMIT, Result, check

if TYPE_CHECKING:
    from collections.abc import Iterator

BOTH = "a step was refused and its command taken"
TWICE = "a command was taken twice"
LOST = "a command was taken and nobody knows"

Call = Literal["idle", "load", "append", "record taken", "record refused", "look", "pass"]
Order = Literal["process first", "target first"]


class Executor(NamedTuple):
    """One invocation: its next call, and how long the streams were when it read them."""

    call: Call = "idle"
    process: int = 0
    target: int = 0
    awaited: bool = False


class State(NamedTuple):
    """The two streams, whether the step was passed, and who is at work.

    *process* is a string of "x" (ended from outside), "a" (accepted) and "r" (refused);
    *target* one of "f" (frozen or thawed) and "c" (the command). *changes* are left.
    """

    process: str
    target: str
    changes: int
    passed: bool
    executors: tuple[Executor, ...]


IDLE = Executor()
Move = tuple[str, State]


@dataclass(frozen=True)
class Answering:
    """A size and the rules in force; the defaults are the design's.

    *ends* says whether the process may be ended from outside.
    """

    executors: int = 2
    changes: int = 2
    frozen_first: bool = False
    ends: bool = True
    taken_unless_moved: bool = True
    refused_unless_moved: bool = True
    looks_again: bool = True
    reads: Order = "process first"
    command_ids: bool = True

    def check(self, limit: int = LIMIT) -> Result:
        """Visit every state of this size under these rules."""
        target = "f" * self.frozen_first
        start = State("", target, self.changes, passed=False, executors=(IDLE,) * self.executors)
        return check(start, self._steps, self._broken, self._complete, limit)

    def _steps(self, state: State) -> Iterator[Move]:
        if state.changes:
            yield (
                "the target is frozen or thawed",
                state._replace(target=state.target + "f", changes=state.changes - 1),
            )
        if self.ends and not state.process:
            yield "the process is ended from outside", state._replace(process="x")
        for index, executor in enumerate(state.executors):
            if executor.call != "idle":
                yield "an executor dies", _with(state, index, IDLE)
            yield from self._calls(state, index, executor)

    def _calls(self, state: State, index: int, executor: Executor) -> Iterator[Move]:
        match executor.call:
            case "idle":
                if not state.passed:
                    yield self._begins(state, index)
            case "load":
                yield self._loads(state, index, executor)
            case "append":
                yield self._appends(state, index, executor)
            case "record taken":
                recorded = state if "a" in state.process else _recorded(state, "a")
                yield "the answer is recorded", _with(recorded, index, Executor("pass"))
            case "record refused":
                yield self._refuses(state, index, executor)
            case "look":
                found = self.looks_again and self._knows(state.target)
                after = Executor("record taken" if found else "pass")
                yield "an executor looks at the target once more", _with(state, index, after)
            case "pass":
                yield "the step is passed", _with(state._replace(passed=True), index, IDLE)

    def _begins(self, state: State, index: int) -> Move:
        """The first read: of the process, or, the other way round, of the target."""
        if self.reads == "target first":
            read = Executor("load", target=len(state.target))
            return "an executor loads the target", _with(state, index, read)
        return self._asks(state, index, Executor(), "load")

    def _asks(self, state: State, index: int, executor: Executor, awaited: Call) -> Move:
        """Reads the process; what is awaited no more may have been taken already."""
        asked = executor._replace(process=len(state.process), awaited=not state.process)
        after = asked._replace(call=awaited) if asked.awaited else Executor("look")
        return "an executor reads the process", _with(state, index, after)

    def _loads(self, state: State, index: int, executor: Executor) -> Move:
        """The second read, and the decision on the target's state."""
        if self.reads == "target first":
            if self._knows(state.target[: executor.target]):
                return "the command is found", _with(state, index, Executor("record taken"))
            decision = self._decision(state.target[: executor.target])
            return self._asks(state, index, executor, decision)
        if self._knows(state.target):
            return "the command is found", _with(state, index, Executor("record taken"))
        decided = executor._replace(call=self._decision(state.target), target=len(state.target))
        return "an executor loads the target", _with(state, index, decided)

    def _decision(self, target: str) -> Call:
        return "record refused" if target.count("f") % 2 else "append"

    def _appends(self, state: State, index: int, executor: Executor) -> Move:
        if len(state.target) != executor.target:
            return "the target's version is taken", _with(state, index, IDLE)
        if self.taken_unless_moved and len(state.process) != executor.process:
            return "the process has moved on", _with(state, index, IDLE)
        taken = state._replace(target=state.target + "c")
        return "the command is taken", _with(taken, index, Executor("record taken"))

    def _refuses(self, state: State, index: int, executor: Executor) -> Move:
        if self.refused_unless_moved and len(state.target) != executor.target:
            return "the target has moved on", _with(state, index, IDLE)
        if state.process:
            # The process's own rules: it is ended, or has an answer.
            return "the process takes no refusal", _with(state, index, IDLE)
        return "the refusal is recorded", _with(_recorded(state, "r"), index, Executor("pass"))

    def _knows(self, target: str) -> bool:
        """Whether the command is found in the target's stream, by its id."""
        return self.command_ids and "c" in target

    def _broken(self, state: State) -> str | None:
        if state.target.count("c") > 1:
            return TWICE
        if "r" in state.process and "c" in state.target:
            return BOTH
        at_rest = all(executor == IDLE for executor in state.executors)
        if state.passed and at_rest and "c" in state.target and "a" not in state.process:
            return LOST
        return None

    def _complete(self, state: State) -> bool:
        return state.passed and all(executor == IDLE for executor in state.executors)


def _recorded(state: State, answer: str) -> State:
    return state._replace(process=state.process + answer)


def _with(state: State, index: int, executor: Executor) -> State:
    executors = [*state.executors[:index], executor, *state.executors[index + 1 :]]
    return state._replace(executors=tuple(sorted(executors)))
