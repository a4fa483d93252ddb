"""Work that somebody watches, such as a trace: which commits it takes, and for how long."""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

from chalicelib.leftfold.kernel import Commit
from chalicelib.leftfold.projection.runner import Outcome, Work

# Surrounds the work on commits, by position.
Watch = Callable[[Sequence[tuple[int, Commit]]], AbstractContextManager[None]]


def unwatched(_commits: Sequence[tuple[int, Commit]]) -> AbstractContextManager[None]:
    """Nobody watches."""
    return nullcontext()


@dataclass(frozen=True)
class WatchedWork:
    """`Work`, watched."""

    work: Work
    watch: Watch

    @property
    def name(self) -> str:
        return self.work.name

    @property
    def categories(self) -> Collection[str]:
        return self.work.categories

    @property
    def stored_name(self) -> str:
        return self.work.stored_name

    @property
    def fed(self) -> Literal["bus", "log"]:
        return self.work.fed

    @property
    def size(self) -> int | None:
        return self.work.size

    def hears(self, aggregate_id: str) -> bool:
        return self.work.hears(aggregate_id)

    def scope(self, aggregate_id: str) -> str:
        return self.work.scope(aggregate_id)

    def take(self, commits: Sequence[tuple[int, Commit]]) -> Outcome:
        with self.watch(commits):
            return self.work.take(commits)
