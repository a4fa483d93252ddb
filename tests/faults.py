"""Ports that fail: errors before and after the effect, counted calls, stale reads."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from chalicelib.leftfold.kernel import Commit
from chalicelib.leftfold.store.memory import MemoryEvents
from chalicelib.leftfold.store.ports import Unavailable


class Counting:
    """Any port, with its calls counted by name and arguments."""

    def __init__(self, port: Any) -> None:
        self._port = port
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._port, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            strong = " consistent" if kwargs.get("consistent") else ""
            self.calls[name + strong] += 1
            return method(*args, **kwargs)

        return call


class Lossy:
    """Any port; the calls that *before* or *after* names by number fail with Unavailable.

    Calls are counted from 1. One in *after* takes effect, but its answer is lost.
    """

    def __init__(
        self,
        port: Any,
        *,
        before: frozenset[int] = frozenset(),
        after: frozenset[int] = frozenset(),
    ) -> None:
        self._port = port
        self._before = before
        self._after = after
        self.count = 0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._port, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self.count += 1
            number = self.count
            if number in self._before:
                raise Unavailable(f"{name} failed")
            answer = method(*args, **kwargs)
            if number in self._after:
                raise Unavailable(f"the answer of {name} was lost")
            return answer

        return call


class Unchecked(MemoryEvents):
    """An events table to which something else than Leftfold writes, without any check."""

    def put(self, commit: Commit) -> None:
        self._streams.setdefault(commit.aggregate_id, {})[commit.version] = commit
