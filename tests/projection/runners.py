"""A view's storage in memory, and runners on it that can be interrupted at any call."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from chalicelib.leftfold.kernel import View
from chalicelib.leftfold.projection.memory import MemoryRows
from chalicelib.leftfold.projection.partitioned import PartitionedRunner
from chalicelib.leftfold.projection.replay import Difference, compare, replay
from chalicelib.leftfold.projection.rows import StoredRow
from chalicelib.leftfold.projection.runner import ViewWork
from chalicelib.leftfold.store.memory import MemoryCheckpoints, MemoryParking
from tests.builders import LogBuilder


class CrashError(BaseException):
    """The function died: nothing in the code may stop that."""


def crash() -> None:
    raise CrashError


class Interruption:
    """Something that happens once, before or after the *at*-th call to any port."""

    def __init__(self, at: int, act: Callable[[], object], *, after: bool = False) -> None:
        self.calls = 0
        self._at = at
        self._act = act
        self._after = after

    @property
    def happened(self) -> bool:
        return self.calls >= self._at

    def around(self, port: Any) -> Any:
        """*port*, whose calls count."""
        return _Interrupted(port, self)

    def call(self, method: Callable[[], Any]) -> Any:
        self.calls += 1
        due = self.calls == self._at
        if due and not self._after:
            self._act()
        answer = method()
        if due and self._after:
            self._act()
        return answer


class _Interrupted:
    def __init__(self, port: Any, interruption: Interruption) -> None:
        self._port = port
        self._interruption = interruption

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._port, name)
        return lambda *args, **named: self._interruption.call(partial(method, *args, **named))


NEVER = Interruption(0, crash)


@dataclass
class Runners:
    """One view's rows, checkpoints and parked streams, beside a log."""

    story: LogBuilder = field(default_factory=LogBuilder)
    rows: MemoryRows = field(default_factory=MemoryRows)
    checkpoints: MemoryCheckpoints = field(default_factory=MemoryCheckpoints)
    parking: MemoryParking = field(default_factory=MemoryParking)

    def partitioned(self, view: View, interruption: Interruption = NEVER) -> PartitionedRunner:
        around = interruption.around
        return PartitionedRunner(
            ViewWork(view, around(self.rows)),
            around(self.story.log),
            around(self.checkpoints),
            around(self.parking),
            lambda _attempt: None,
        )

    def differences(self, view: View) -> list[Difference]:
        """How the rows differ from those that a replay makes."""
        made = replay(view, self.story.log, lambda _position: None)
        return list(compare(made.rows, self.rows.scan()))

    def row(self, key: str) -> StoredRow:
        return self.rows.load([key])[key]


def caught_up(runner: PartitionedRunner) -> None:
    """Runs until nothing is left, a few blocks at a time."""
    while runner.catch_up(2):
        pass
