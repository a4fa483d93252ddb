"""The row of an aggregate as its view will have it, for the answer to one query."""

from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.leftfold.kernel import Commit, View
from chalicelib.leftfold.kernel.repair import Repairs
from chalicelib.leftfold.projection.fold import Folding
from chalicelib.leftfold.projection.rows import RowStore, StoredRow
from chalicelib.leftfold.projection.runner import seen, slices
from chalicelib.leftfold.store.ports import Checkpoints, Log, Parking, StreamEntry, Streams
from chalicelib.leftfold.store.readers import checkpoint_key
from chalicelib.leftfold.subjects.opening import Opener

# Blocks of the log that one query reads. A view that is further behind is waited for.
BLOCKS = 32


@dataclass(frozen=True)
class Ahead:
    """Folds the commits of one stream that a partitioned view has not taken yet onto the stream's
    own row. Nothing is saved: the view does its work as if nobody had asked.

    The order of the reads makes the row right. Every commit up to the checkpoint is in the row or
    parked, so what is parked is read after it, and the row after both: no commit is then missing
    between the row and the log (docs/adr/0049).
    """

    view: View
    rows: RowStore
    log: Log
    events: Streams
    checkpoints: Checkpoints
    parking: Parking
    opener: Opener
    repairs: Repairs

    def row(self, aggregate_id: str, version: int) -> StoredRow | None:
        """The row with *version*, or a later one, in it; None if the view itself must be waited for.

        A commit that is not in the log has no position yet, which only a personal view does without.
        Raises `Unavailable`.
        """
        entry = self.log.streams([aggregate_id]).get(aggregate_id, StreamEntry())
        is_logged = version < entry.next
        if self.view.order == "ordered" or not (is_logged or self.view.personal):
            return None
        commits = self._missing(aggregate_id, version, entry)
        if commits is None:
            return None
        stored = self.rows.load([aggregate_id])[aggregate_id]
        if stored.position > entry.position and not is_logged:
            # The view has taken some of them meanwhile, under their positions in the log.
            return None
        folding = Folding(self.view, seen(self.view, commits, self.opener), repairs=self.repairs)
        changed = folding.onto({aggregate_id: stored})
        # The view will park the stream, and the wait tells of that.
        return None if folding.poisons else changed.get(aggregate_id, stored)

    def _missing(
        self, aggregate_id: str, version: int, entry: StreamEntry
    ) -> Sequence[tuple[int, Commit]] | None:
        """The stream's commits that the view has not taken, through *version* at least.

        None if the stream is parked, if the log is too long to read, or if nobody has written the
        version.
        """
        name, key = self.view.stored_name, checkpoint_key(self.view, aggregate_id)
        reached = self.checkpoints.read(name, [key])[key]
        if self.parking.find(name, [aggregate_id]):
            return None
        logged = self._logged(aggregate_id, reached + 1, entry.position)
        if logged is None or version < entry.next:
            return logged
        written = self.events.range(aggregate_id, entry.next, version)
        if len(written) <= version - entry.next:
            return None
        # Places behind the log's, which order them and which nobody sees.
        return [*logged, *enumerate(written, entry.position + 1)]

    def _logged(
        self, aggregate_id: str, first: int, last: int
    ) -> Sequence[tuple[int, Commit]] | None:
        """The stream's commits from position *first* to its last one at *last*; None if that is too far
        to read.
        """
        if first > last:
            return []
        commits: list[tuple[int, Commit]] = []
        following = first
        for slice_ in slices(
            self.log.blocks(first, BLOCKS, self.view.categories),
            first,
            last,
            lambda commit: commit.aggregate_id == aggregate_id,
        ):
            commits += slice_.commits
            following = slice_.last + 1
        return commits if following > last else None
