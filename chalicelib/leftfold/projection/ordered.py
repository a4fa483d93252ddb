"""The runner of ordered views, whose rows mix streams: it follows the log by position."""

from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.leftfold.kernel import Commit, View
from chalicelib.leftfold.kernel.repair import NO_REPAIRS, Repairs
from chalicelib.leftfold.projection.fold import PoisonError, hears
from chalicelib.leftfold.projection.rows import RowRejectedError, RowStore
from chalicelib.leftfold.projection.runner import Pause, Slice, persistently, project, slices
from chalicelib.leftfold.projection.watched import Watch, unwatched
from chalicelib.leftfold.store.ports import Checkpoints, Log
from chalicelib.leftfold.store.readers import WHOLE_LOG


class ViewStoppedError(Exception):
    """An ordered view failed on the commit at *position* and stands before it."""

    is_impersonal = True

    def __init__(self, view: str, aggregate_id: str, position: int, reason: str) -> None:
        super().__init__(f"{view} stops at {position}, {aggregate_id}: {reason}")
        self.view = view
        self.aggregate_id = aggregate_id
        self.position = position
        self.reason = reason


@dataclass(frozen=True)
class OrderedRunner:
    """Keeps one ordered view up to date; any number of runners may run at once.

    A pass reads the checkpoint before the rows, and moves it after they are saved. Rows may
    thus be ahead of the checkpoint, never behind; a fold skips the commits that a row already
    has. A row that no store accepts is found by the fold, before any row is saved.
    *size* is about how many events to take between moves of the checkpoint.
    """

    view: View
    rows: RowStore
    log: Log
    checkpoints: Checkpoints
    pause: Pause
    repairs: Repairs = NO_REPAIRS
    watch: Watch = unwatched
    size: int | None = None

    def catch_up(self, blocks: int) -> bool:
        """Folds up to *blocks* blocks of the log; returns whether more remains.

        Raises `Unavailable`, and `ViewStoppedError` once the rows and the checkpoint are just
        before the failure.
        """
        return persistently(self.pause, self.view.name, lambda: self._take_blocks(blocks))

    def _take_blocks(self, blocks: int) -> bool | None:
        end = self.log.head().next_position - 1
        checkpoint = self._checkpoint()
        if checkpoint >= end:
            return False
        first, settled = checkpoint + 1, False
        for slice_ in slices(
            self.log.blocks(first, blocks, self.view.categories),
            first,
            wanted=lambda commit: hears(self.view, commit.aggregate_id),
            size=self.size,
        ):
            settled = self._take_slice(slice_)
            if not settled:
                break
        return self._checkpoint() < end if settled else None

    def _take_slice(self, slice_: Slice) -> bool:
        """Folds a slice; False if it does not follow the checkpoint or others interfered."""
        checkpoint = self._checkpoint()
        if checkpoint >= slice_.last:
            return True
        if checkpoint < slice_.first - 1:
            return False
        commits = [commit for commit in slice_.commits if commit[0] > checkpoint]
        return self._settle(checkpoint, commits, slice_.last)

    def _settle(self, checkpoint: int, commits: Sequence[tuple[int, Commit]], end: int) -> bool:
        """Folds *commits*, which are all that the view hears after *checkpoint* up to *end*."""
        with self.watch(commits):
            outcome = project(self.view, self.rows, commits, self.repairs)
        if outcome.rejected:
            raise RowRejectedError(outcome.rejected)
        if not outcome.done:
            return False
        if outcome.poisons:
            (poison,) = outcome.poisons.values()
            return self._stop(checkpoint, poison)
        return self._move(checkpoint, end)

    def _stop(self, checkpoint: int, poison: PoisonError) -> bool:
        before = poison.position - 1
        if before > checkpoint and not self._move(checkpoint, before):
            return False
        raise ViewStoppedError(self.view.name, poison.aggregate_id, poison.position, poison.reason)

    def _checkpoint(self) -> int:
        return self.checkpoints.read(self.view.stored_name, [WHOLE_LOG])[WHOLE_LOG]

    def _move(self, old: int, new: int) -> bool:
        return self.checkpoints.move(self.view.stored_name, WHOLE_LOG, old, new)
