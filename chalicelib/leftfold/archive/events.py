"""Streams whole again: what is in the events table, and below that what is archived."""

from collections.abc import Sequence

from chalicelib.leftfold.archive.epochs import Epochs
from chalicelib.leftfold.kernel import Commit
from chalicelib.leftfold.store.ports import Archive, EventTable, Page, StreamVersion


class ArchivedEvents:
    """`EventStore` over the events table and the archive.

    The tombstone says up to which version the archive holds the stream: what the table has
    there, not yet deleted or put by a writer that should not be alive, counts for nothing.
    """

    def __init__(self, table: EventTable, archive: Archive) -> None:
        self._table = table
        self._epochs = Epochs(archive)

    def append(self, commit: Commit, unless: StreamVersion | None = None) -> Commit | None:
        return self._table.append(commit, unless)

    def newest(
        self,
        aggregate_id: str,
        *,
        limit: int | None = None,
        below: int | None = None,
        consistent: bool = False,
    ) -> Page:
        if below is not None:
            return self._older(aggregate_id, limit, below)
        page = self._table.newest(aggregate_id, limit=limit, consistent=consistent)
        if not page.commits:
            return page
        # The live epoch never leaves the table, so that a load asks nowhere else.
        start = page.commits[0].epoch_start
        live = [commit for commit in page.commits if commit.version >= start]
        return Page(live, more=page.more or len(live) < len(page.commits))

    def range(self, aggregate_id: str, first: int, last: int) -> Sequence[Commit]:
        judged: Commit | None = None
        while True:
            held = self._table.range(aggregate_id, first, last)
            # Ascending, version 1 is read first: all that follows was read after it.
            judged = held[0] if held and held[0].version == 1 else judged
            # After the items: what was freed since they were read is then known to be archived.
            tombstone = self._first(aggregate_id)
            commits = self._joined(held, tombstone, first, last)
            if len(commits) == last - first + 1 or tombstone == judged:
                return commits
            # Something was restored meanwhile, or the stream ends here: then nothing changes.
            judged = tombstone

    def _joined(
        self, held: Sequence[Commit], tombstone: Commit | None, first: int, last: int
    ) -> Sequence[Commit]:
        """What the archive has of *first*..*last*, then what of *held* is not archived."""
        if tombstone is None or tombstone.archive is None:
            return [commit for commit in held if commit.archive is None]
        id_ = tombstone.aggregate_id
        archived = [
            commit
            for part in self._epochs.parts(
                id_, tombstone.archive, lambda held: held.first <= last and first <= held.last
            )
            for commit in self._epochs.commits(id_, part)
            if first <= commit.version <= last
        ]
        return archived + [c for c in held if c.version > tombstone.archive.through]

    def _older(self, aggregate_id: str, limit: int | None, below: int) -> Page:
        judged: Commit | None = None
        while True:
            held = self._table.newest(aggregate_id, limit=limit, below=below, consistent=True)
            if not held.commits:
                return held
            oldest = held.commits[-1]
            # Descending, version 1 is read last: then it need not be asked for.
            tombstone = oldest if oldest.version == 1 else self._first(aggregate_id)
            page = self._page(held, tombstone, limit, below)
            versions = [commit.version for commit in page.commits]
            dense = versions == list(range(below - 1, below - 1 - len(versions), -1))
            # As in `range`.
            if (versions and dense) or tombstone == judged:
                return page
            judged = tombstone

    def _page(self, held: Page, tombstone: Commit | None, limit: int | None, below: int) -> Page:
        """A page that lies in the table or, from the archived versions on, in one part."""
        if tombstone is None or tombstone.archive is None:
            return held
        through = tombstone.archive.through
        kept = [commit for commit in held.commits if commit.version > through]
        if kept:
            return Page(kept, more=True)
        id_, last = tombstone.aggregate_id, min(below - 1, through)
        for part in self._epochs.parts(
            id_, tombstone.archive, lambda held: held.first <= last <= held.last
        ):
            commits = [c for c in self._epochs.commits(id_, part) if c.version <= last]
            taken = commits[::-1][:limit]
            return Page(taken, more=taken[-1].version > 1)
        return Page([], more=False)

    def scan(
        self, segment: int, segments: int, after: str | None, limit: int
    ) -> tuple[Sequence[tuple[str, int]], str | None]:
        return self._table.scan(segment, segments, after, limit)

    def _first(self, aggregate_id: str) -> Commit | None:
        return next(iter(self._table.range(aggregate_id, 1, 1)), None)
