"""Redrives parked streams: takes their commits from the log, then unparks them.

What is parked is a scope: a stream, or all streams of a tenant in an ordered view.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chalicelib.leftfold.kernel import Commit
from chalicelib.leftfold.projection.fold import PoisonError
from chalicelib.leftfold.projection.runner import Pause, Work, persistently, slices
from chalicelib.leftfold.store.ports import Log, Parking, Unavailable

Commits = Sequence[tuple[int, Commit]]


@dataclass(frozen=True)
class Redrive:
    """Redrives the parked streams of one reader; any number may run at once.

    Runners skip a parked stream, and a stream that has grown meanwhile is not unparked. So each
    commit is taken by the redrive, or by a runner after the stream is unparked.
    """

    work: Work
    log: Log
    parking: Parking
    pause: Pause

    def run(self, scope: str) -> None:
        """Takes the parked commits and unparks the scope; begins again if it has grown.

        Does nothing for a scope that is not parked. Raises `PoisonError` and `Unavailable`.
        The scope stays parked then, and the commits before the failure are done.
        """
        name, done = self.work.stored_name, -1
        while parked_stream := self.parking.find(name, [scope]).get(scope):
            first = max(parked_stream.first, done + 1)
            for commits in self._waiting(scope, first, parked_stream.last):
                self._take(commits)
            done = parked_stream.last
            self.parking.release(name, scope, done)

    def _waiting(self, scope: str, first: int, last: int) -> Iterator[Commits]:
        following = first
        for slice_ in slices(
            self.log.blocks(first, heard=self.work.categories),
            first,
            last,
            lambda commit: self.work.scope(commit.aggregate_id) == scope,
        ):
            yield [commit for commit in slice_.commits if commit[0] <= last]
            following = slice_.last + 1
        if following <= last:
            raise Unavailable(f"the log does not show position {following}")

    def _take(self, commits: Commits) -> None:
        persistently(self.pause, self.work.name, lambda: self._once(commits))

    def _once(self, commits: Commits) -> bool | None:
        outcome = self.work.take(commits)
        for scope, reason in outcome.rejected.items():
            raise PoisonError(scope, commits[0][0], reason)
        if not outcome.done:
            return None
        for poison in outcome.poisons.values():
            raise poison
        return True
