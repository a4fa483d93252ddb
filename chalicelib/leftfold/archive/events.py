"""Whole streams: their archived commits, and the commits in the events table after them."""

from collections.abc import Sequence

from chalicelib.leftfold.archive.epochs import Epochs
from chalicelib.leftfold.kernel import Commit
from chalicelib.leftfold.store.ports import Archive, EventTable, Page, StreamVersion


class ArchivedEvents:
    """`EventStore` over the events table and the archive.

    The tombstone gives the last archived version. Commits up to this version are read from the
    archive. Items that the table still has there are ignored: they are not deleted yet, or a
    writer that should have ended put them there.
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
        # The live epoch is always in the table, so a load needs nothing else.
        start = page.commits[0].epoch_start
        live = [commit for commit in page.commits if commit.version >= start]
        return Page(live, more=page.more or len(live) < len(page.commits), bar=page.bar)

    def range(self, aggregate_id: str, first: int, last: int) -> Sequence[Commit]:
        before: Commit | None = None
        while True:
            items = self._table.range(aggregate_id, first, last)
            # The read ascends, so version 1 was read before all others.
            before = items[0] if items and items[0].version == 1 else before
            # Read after the items: it covers all items that were deleted while they were read.
            tombstone = self._first(aggregate_id)
            commits = self._joined(items, tombstone, first, last)
            if len(commits) == last - first + 1 or tombstone == before:
                return commits
            # Commits were restored meanwhile, or the stream ends here: the next read shows which.
            before = tombstone

    def _joined(
        self, items: Sequence[Commit], tombstone: Commit | None, first: int, last: int
    ) -> Sequence[Commit]:
        """The archived commits of *first*..*last*, then those of *items* after them."""
        if tombstone is None or tombstone.archive is None:
            return [commit for commit in items if commit.archive is None]
        id_ = tombstone.aggregate_id
        archived = [
            commit
            for part in self._epochs.parts(
                id_, tombstone.archive, lambda part: part.first <= last and first <= part.last
            )
            for commit in self._epochs.commits(id_, part)
            if first <= commit.version <= last
        ]
        return archived + [c for c in items if c.version > tombstone.archive.through]

    def _older(self, aggregate_id: str, limit: int | None, below: int) -> Page:
        before: Commit | None = None
        while True:
            items = self._table.newest(aggregate_id, limit=limit, below=below, consistent=True)
            if not items.commits:
                return items
            oldest = items.commits[-1]
            # The read descends, so version 1 was read after all others and serves as it is.
            tombstone = oldest if oldest.version == 1 else self._first(aggregate_id)
            page = self._page(items, tombstone, limit, below)
            versions = [commit.version for commit in page.commits]
            dense = versions == list(range(below - 1, below - 1 - len(versions), -1))
            # As in `range`.
            if (versions and dense) or tombstone == before:
                return page
            before = tombstone

    def _page(self, items: Page, tombstone: Commit | None, limit: int | None, below: int) -> Page:
        """The items of the page that are not archived; if there are none, commits of one part."""
        if tombstone is None or tombstone.archive is None:
            return items
        through = tombstone.archive.through
        live = [commit for commit in items.commits if commit.version > through]
        if live:
            return Page(live, more=True)
        id_, last = tombstone.aggregate_id, min(below - 1, through)
        # One part has it: a manifest lists every version up to the tombstone's last.
        (part,) = self._epochs.parts(
            id_, tombstone.archive, lambda part: part.first <= last <= part.last
        )
        commits = [c for c in self._epochs.commits(id_, part) if c.version <= last]
        taken = commits[::-1][:limit]
        return Page(taken, more=taken[-1].version > 1)

    def scan(
        self, part: int, parts: int, after: str | None, limit: int
    ) -> tuple[Sequence[tuple[str, int]], str | None]:
        return self._table.scan(part, parts, after, limit)

    def _first(self, aggregate_id: str) -> Commit | None:
        return next(iter(self._table.range(aggregate_id, 1, 1)), None)
