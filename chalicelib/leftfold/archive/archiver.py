"""Moves closed epochs from the events table to the archive, and back.

The archiver copies a part, reads it back, writes the tombstone, deletes the commits, and then
updates the registry. In this order each commit is always in the table, or in the archive with
the tombstone leading to it. The live epoch stays in the table, so the newest item of a stream
is never deleted, and a load finds it whatever is deleted before it (docs/adr/0008).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from chalicelib.leftfold.archive.epochs import ArchiveConflictError, Entry, Epochs
from chalicelib.leftfold.commands.loading import BrokenStreamError
from chalicelib.leftfold.kernel import Archived, Commit
from chalicelib.leftfold.kernel.commit import instant
from chalicelib.leftfold.store.events import item_of, item_size
from chalicelib.leftfold.store.ports import Archive, EventTable, Log, StreamEntry

# Under this name the archiver notes the stream that it began last, "" after the last stream.
READER = "archiver"
# Longer than any function runs: a writer that loaded before the epoch was closed has ended.
GRACE = timedelta(hours=24)
# A transaction takes 4 MB, and a commit may have 400 KB.
DELETED_AT_ONCE = 10
# Bytes of lines in one part of an epoch. Python takes about eight times as many for its
# commits, and two parts are in memory at a time. With another size, an epoch that is restored
# and archived again is cut into other parts, and Athena counts its commits twice.
PART_BYTES = 4 * 1024 * 1024
# Bytes of items that are archived before the tombstone moves on: at most a minute's work.
STEP_BYTES = 8 * 1024 * 1024
# Bytes that DynamoDB bills for an item besides its attributes.
ITEM_OVERHEAD = 100


class Volume(NamedTuple):
    """The volume that a run moves or would move: *items* of *size* bytes in all leave a table,
    and become *objects* of *stored* bytes.
    """

    objects: int = 0
    items: int = 0
    size: int = 0
    stored: int = 0

    def __add__(self, other: "Volume") -> "Volume":  # type: ignore[override]
        return Volume(*(mine + its for mine, its in zip(self, other, strict=True)))


@dataclass(frozen=True)
class Archiver:
    """Archives epochs that are logged and were closed more than *grace* ago.

    Any number of archivers may run. A *grace* of zero is right only if nobody writes. An epoch
    of any size streams through an archiver: a part has *part_bytes* of lines, and the tombstone
    moves on after every *step_bytes* of items.
    """

    table: EventTable
    log: Log
    archive: Archive
    clock: Callable[[], datetime]
    grace: timedelta = GRACE
    part_bytes: int = PART_BYTES
    step_bytes: int = STEP_BYTES

    def candidates(self, after: str | None = None) -> Iterator[tuple[str, StreamEntry]]:
        """The streams of all logs, behind *after*, that have a closed epoch, archived or not."""
        entries = self.log.registry(after, every_log=True)
        return ((id_, entry) for id_, entry in entries if entry.epoch > 1)

    def plan(self, aggregate_id: str, entry: StreamEntry, before: datetime) -> Iterator[Volume]:
        """The volume that `run` would move. *stored* is unknown until the commits are packed.

        Raises `BrokenStreamError` and `Unavailable`.
        """
        through = through_of(first_of(self.table, aggregate_id))
        for part in self._parts(aggregate_id, through, entry, before):
            yield weight(part)

    def run(self, aggregate_id: str, entry: StreamEntry, before: datetime) -> Iterator[Volume]:
        """Moves the epochs of a stream that were closed before *before*, step by step.

        A run first completes the deletes of a run that was killed. Raises
        `DamagedArchiveError`, `BrokenStreamError` and `Unavailable`: nothing is lost, and the
        next run goes on. Ends at once if another run is at work on the stream.
        """
        first = first_of(self.table, aggregate_id)
        if first.archive is not None and first.archive.restoring:
            return
        through = through_of(first)
        if through != entry.archived_through and not self._delete(first, entry.archived_through):
            return
        epochs = Epochs(self.archive)
        try:
            for parts, moved in self._steps(epochs, aggregate_id, through, entry, before):
                archived, pages = epochs.add(aggregate_id, first.archive, parts)
                before_step, first = first, tombstone_of(first, archived)
                if not self.table.replace(before_step, first):
                    return
                if not self._delete(first, through_of(before_step)):
                    return
                yield moved._replace(stored=moved.stored + pages)
        except BrokenStreamError:
            if first_of(self.table, aggregate_id) == first:
                raise
            # The stream has no hole: another archiver has deleted the commits meanwhile.

    def _steps(
        self, epochs: Epochs, aggregate_id: str, through: int, entry: StreamEntry, before: datetime
    ) -> Iterator[tuple[list[Entry], Volume]]:
        """Archives all parts that are due. Yields the parts of each step, and its volume."""
        written: list[Entry] = []
        moved = Volume()
        for commits in self._parts(aggregate_id, through, entry, before):
            part, stored = epochs.write(commits)
            written.append(part)
            moved += weight(commits)._replace(stored=stored)
            if moved.size >= self.step_bytes:
                yield written, moved
                written, moved = [], Volume()
        if written:
            yield written, moved

    def _parts(
        self, aggregate_id: str, through: int, entry: StreamEntry, before: datetime
    ) -> Iterator[list[Commit]]:
        """The parts after version *through* that are due, oldest first."""
        for start, last in self._due(aggregate_id, through, entry, before):
            part: list[Commit] = []
            size = 0
            for commit in self._logged(aggregate_id, max(start, through + 1), last):
                if commit.epoch_start != start:
                    raise BrokenStreamError(
                        f"version {commit.version} of {aggregate_id} says that its epoch begins"
                        f" at {commit.epoch_start}, not at {start}"
                    )
                part.append(commit)
                size += len(commit.line.encode())
                if size >= self.part_bytes:
                    yield part
                    part, size = [], 0
            if part:
                yield part

    def _due(
        self, aggregate_id: str, through: int, entry: StreamEntry, before: datetime
    ) -> list[tuple[int, int]]:
        """First and last version of each epoch after version *through* that is due, oldest
        first.

        The epochs are found from the live one back: each commit has the start of its epoch.
        """
        until = instant(min(before, self.clock() - self.grace))
        due: list[tuple[int, int]] = []
        (newest,) = self._logged(aggregate_id, entry.next - 1, entry.next - 1)
        following = newest.epoch_start
        while following > through + 1:
            last, begins = self._logged(aggregate_id, following - 1, following)
            if not 0 < last.epoch_start < following:
                raise BrokenStreamError(
                    f"version {last.version} of {aggregate_id} says that its epoch begins at"
                    f" {last.epoch_start}"
                )
            due.append((last.epoch_start, last.version))
            # An epoch waits for all older ones, so this one and those after it are not due.
            if begins.at >= until:
                due.clear()
            following = last.epoch_start
        return due[::-1]

    def _logged(self, aggregate_id: str, first: int, last: int) -> Iterator[Commit]:
        """The commits *first*..*last*, page by page. Raises `BrokenStreamError`."""
        following = first
        while following <= last:
            page = self.table.page(aggregate_id, following, last)
            for commit in page:
                if commit.version != following or commit.archive is not None:
                    break
                yield commit
                following += 1
            if not page or following <= page[-1].version:
                raise BrokenStreamError(f"{aggregate_id} has a hole after version {following - 1}")

    def _delete(self, tombstone: Commit, deleted: int) -> bool:
        """Deletes the commits after version *deleted* that the tombstone covers, and then updates
        the registry. False if another run has changed the tombstone meanwhile.
        """
        through = through_of(tombstone)
        versions = range(max(2, deleted + 1), through + 1)
        for start in range(0, len(versions), DELETED_AT_ONCE):
            if not self.table.delete(tombstone, versions[start : start + DELETED_AT_ONCE]):
                return False
        return self.log.mark_archived(tombstone.aggregate_id, deleted, through)


@dataclass(frozen=True)
class Restore:
    """Copies archived epochs back into the table. The archive keeps its objects."""

    table: EventTable
    log: Log
    archive: Archive

    def run(self, aggregate_id: str, epoch: int = 1) -> int:
        """Restores *epoch* and all later archived epochs; returns the number of commits.

        A run that was killed at any point can be run again. Raises LookupError if nothing is
        archived from that epoch on, `DamagedArchiveError` before anything is changed, and
        `ArchiveConflictError` if another run is at work on the stream.
        """
        epochs = Epochs(self.archive)
        tombstone = first_of(self.table, aggregate_id)
        if tombstone.archive is None:
            # A run may have been killed after it replaced the tombstone: then the registry is behind.
            if self._mark(aggregate_id, 0):
                return 0
            raise LookupError(f"nothing of {aggregate_id} is archived")
        archive = tombstone.archive
        parts = list(epochs.parts(aggregate_id, archive, lambda part: part.epoch >= epoch))
        if not parts:
            if self._mark(aggregate_id, archive.through):
                return 0
            raise LookupError(f"no epoch of {aggregate_id} from {epoch} on is archived")
        for part in parts:
            epochs.check(aggregate_id, part)
        first = parts[0].first
        # Version 1 is restored last, over the tombstone.
        after = (
            epochs.commits(aggregate_id, parts[0])[0]
            if first == 1
            else tombstone_of(tombstone, epochs.below(aggregate_id, archive, first))
        )
        restoring = tombstone._replace(archive=archive._replace(restoring=first))
        # From here on no archiver deletes: its condition is the tombstone that it read.
        if restoring != tombstone and not self.table.replace(tombstone, restoring):
            raise ArchiveConflictError(f"{aggregate_id} is being archived; try again")
        for part in parts:
            for commit in epochs.commits(aggregate_id, part):
                self._put_back(restoring, commit)
        if not self.table.replace(restoring, after):
            raise ArchiveConflictError(
                f"{aggregate_id} is being restored by another run; try again"
            )
        self._mark(aggregate_id, through_of(after))
        return parts[-1].last - first + 1

    def _put_back(self, tombstone: Commit, commit: Commit) -> None:
        if commit.version == tombstone.version:
            return
        found = self.table.append(commit)
        # Another commit under an archived key comes from a writer that should have ended.
        if found is not None and found.line != commit.line:
            self.table.delete(tombstone, [commit.version])
            if self.table.append(commit) is not None:
                raise ArchiveConflictError(
                    f"version {commit.version} of {commit.aggregate_id} was written meanwhile; try again"
                )

    def _mark(self, aggregate_id: str, through: int) -> bool:
        """Sets `archived_through` in the registry; False if it is *through* already."""
        entry = self.log.streams([aggregate_id]).get(aggregate_id, StreamEntry())
        before = entry.archived_through
        return before != through and self.log.mark_archived(aggregate_id, before, through)


def first_of(table: EventTable, aggregate_id: str) -> Commit:
    """Version 1, which may be a tombstone. It is never deleted."""
    for commit in table.range(aggregate_id, 1, 1):
        return commit
    raise BrokenStreamError(f"{aggregate_id} has no version 1")


def through_of(first: Commit) -> int:
    """The last archived version; 0 if none is."""
    return first.archive.through if first.archive else 0


def tombstone_of(first: Commit, archived: Archived) -> Commit:
    """Version 1 as a tombstone: without its events, but with its command and its actor."""
    return first._replace(events=(), snapshot=None, recent_commands=None, archive=archived)


def weight(commits: Sequence[Commit]) -> Volume:
    """The volume of a part in the table."""
    sizes = [item_size(item_of(commit)) + ITEM_OVERHEAD for commit in commits]
    return Volume(1, len(sizes), sum(sizes))
