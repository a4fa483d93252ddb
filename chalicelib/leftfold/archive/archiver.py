"""Closed epochs leave the events table for the archive, and come back.

Copy, read back, tombstone, deletes, registry: in this order, so that at any moment each
commit is in the table or, named by the tombstone, in the archive. The live epoch stays, so
the newest item of a stream never goes, and no order of the deletes can show a load another.
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

# Longer than any function lives: a writer that loaded before the epoch was closed is gone.
GRACE = timedelta(hours=24)
# A transaction takes 4 MB, and a commit may have 400 KB.
DELETED_AT_ONCE = 10
# Bytes of lines in one part of an epoch. Python takes about eight times as many for its
# commits, and two parts are in memory at a time. A change cuts what is restored and archived
# again otherwise than before: Athena would then count it twice.
PART_BYTES = 4 * 1024 * 1024
# Bytes of items that are deleted before the tombstone moves on: a minute's work at most.
STEP_BYTES = 8 * 1024 * 1024
# What DynamoDB's price counts for an item besides its attributes.
ITEM_OVERHEAD = 100


class Volume(NamedTuple):
    """What left a table, or would: *items* of *size* bytes in all, which became *objects*
    of *stored* bytes.
    """

    objects: int = 0
    items: int = 0
    size: int = 0
    stored: int = 0

    def __add__(self, other: "Volume") -> "Volume":  # type: ignore[override]
        return Volume(*(mine + its for mine, its in zip(self, other, strict=True)))


@dataclass(frozen=True)
class Archiver:
    """Archives what is logged and was closed more than *grace* ago; any number may run.

    No *grace* is right only where nobody writes. An epoch of any size streams through it:
    a part has *part_bytes* of lines, and the tombstone moves on every *step_bytes* of items.
    """

    table: EventTable
    log: Log
    archive: Archive
    clock: Callable[[], datetime]
    grace: timedelta = GRACE
    part_bytes: int = PART_BYTES
    step_bytes: int = STEP_BYTES

    def candidates(self, after: str | None = None) -> Iterator[tuple[str, StreamEntry]]:
        """The streams, those behind *after*, that have a closed epoch, archived or not."""
        return ((id_, entry) for id_, entry in self.log.registry(after) if entry.epoch > 1)

    def plan(self, aggregate_id: str, entry: StreamEntry, before: datetime) -> Iterator[Volume]:
        """What `run` would move; the archive's part is not known before it is packed.

        Raises `BrokenStreamError` and `Unavailable`.
        """
        through = through_of(first_of(self.table, aggregate_id))
        for part in self._parts(aggregate_id, through, entry, before):
            yield weight(part)

    def run(self, aggregate_id: str, entry: StreamEntry, before: datetime) -> Iterator[Volume]:
        """Moves the epochs of a stream that were closed before *before*, step by step.

        First ends what an earlier run left. Raises `DamagedArchiveError`,
        `BrokenStreamError` and `Unavailable`: nothing is lost, and another run goes on. Ends
        at once where another run is at work.
        """
        first = first_of(self.table, aggregate_id)
        if first.archive is not None and first.archive.restoring:
            return
        through = through_of(first)
        if through != entry.archived_through and not self._free(first, entry.archived_through):
            return
        epochs = Epochs(self.archive)
        try:
            for parts, moved in self._steps(epochs, aggregate_id, through, entry, before):
                archived, pages = epochs.add(aggregate_id, first.archive, parts)
                held, first = first, tombstone_of(first, archived)
                if not self.table.replace(held, first):
                    return
                if not self._free(first, through_of(held)):
                    return
                yield moved._replace(stored=moved.stored + pages)
        except BrokenStreamError:
            if first_of(self.table, aggregate_id) == first:
                raise
            # No hole of the stream's: another archiver is at work.

    def _steps(
        self, epochs: Epochs, aggregate_id: str, through: int, entry: StreamEntry, before: datetime
    ) -> Iterator[tuple[list[Entry], Volume]]:
        """Archives all parts that may go, and tells those of each step."""
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
        """The parts after version *through* that may go, oldest first."""
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
                size += len(commit.to_line().encode())
                if size >= self.part_bytes:
                    yield part
                    part, size = [], 0
            if part:
                yield part

    def _due(
        self, aggregate_id: str, through: int, entry: StreamEntry, before: datetime
    ) -> list[tuple[int, int]]:
        """First and last version of each epoch after version *through* that may go, oldest
        first.

        From the live epoch back: each commit says where its epoch begins.
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
            # Nothing goes before all that is older has gone.
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

    def _free(self, tombstone: Commit, freed: int) -> bool:
        """Deletes what the tombstone covers beyond version *freed*, then says so in the
        registry; False if another run changed the tombstone meanwhile.
        """
        through = through_of(tombstone)
        versions = range(max(2, freed + 1), through + 1)
        for start in range(0, len(versions), DELETED_AT_ONCE):
            if not self.table.delete(tombstone, versions[start : start + DELETED_AT_ONCE]):
                return False
        return self.log.mark_archived(tombstone.aggregate_id, freed, through)


@dataclass(frozen=True)
class Restore:
    """Brings archived epochs back into the table; the archive keeps its objects."""

    table: EventTable
    log: Log
    archive: Archive

    def run(self, aggregate_id: str, epoch: int = 1) -> int:
        """Brings back *epoch* and all later archived ones; the number of commits.

        Killed at any point it can be run again. Raises LookupError if nothing is archived
        from that epoch on, `DamagedArchiveError` before anything is changed, and
        `ArchiveConflictError` if another run is at work.
        """
        epochs = Epochs(self.archive)
        held = first_of(self.table, aggregate_id)
        if held.archive is None:
            # Also where a run was killed between the tombstone and the registry.
            if self._mark(aggregate_id, 0):
                return 0
            raise LookupError(f"nothing of {aggregate_id} is archived")
        parts = list(epochs.parts(aggregate_id, held.archive, lambda part: part.epoch >= epoch))
        if not parts:
            if self._mark(aggregate_id, held.archive.through):
                return 0
            raise LookupError(f"no epoch of {aggregate_id} from {epoch} on is archived")
        for part in parts:
            epochs.check(aggregate_id, part)
        first = parts[0].first
        # Version 1 comes back last, over the tombstone.
        after = (
            epochs.commits(aggregate_id, parts[0])[0]
            if first == 1
            else tombstone_of(held, epochs.below(aggregate_id, held.archive, first))
        )
        restoring = held._replace(archive=held.archive._replace(restoring=first))
        # From here on no archiver deletes: its condition is the tombstone that it read.
        if restoring != held and not self.table.replace(held, restoring):
            raise ArchiveConflictError(f"{aggregate_id} is being archived; try again")
        for part in parts:
            for commit in epochs.commits(aggregate_id, part):
                self._put_back(restoring, commit)
        if not self.table.replace(restoring, after):
            raise ArchiveConflictError(f"{aggregate_id} was restored by another; try again")
        self._mark(aggregate_id, through_of(after))
        return parts[-1].last - first + 1

    def _put_back(self, tombstone: Commit, commit: Commit) -> None:
        if commit.version == tombstone.version:
            return
        found = self.table.append(commit)
        # What else is at an archived key was put there by nobody whom the stream knows.
        if found is not None and found.to_line() != commit.to_line():
            self.table.delete(tombstone, [commit.version])
            if self.table.append(commit) is not None:
                raise ArchiveConflictError(f"{commit.aggregate_id} has moved; try again")

    def _mark(self, aggregate_id: str, through: int) -> bool:
        """Whether the registry said otherwise, and says so now."""
        held = self.log.streams([aggregate_id]).get(aggregate_id, StreamEntry()).archived_through
        return held != through and self.log.mark_archived(aggregate_id, held, through)


def first_of(table: EventTable, aggregate_id: str) -> Commit:
    """Version 1, or its tombstone; it never goes."""
    for commit in table.range(aggregate_id, 1, 1):
        return commit
    raise BrokenStreamError(f"{aggregate_id} has no version 1")


def through_of(first: Commit) -> int:
    """The last version that is archived."""
    return first.archive.through if first.archive else 0


def tombstone_of(first: Commit, archived: Archived) -> Commit:
    """Version 1 without what it said; who wrote it, and by which command, stays."""
    return first._replace(events=(), snapshot=None, recent_commands=None, archive=archived)


def weight(commits: Sequence[Commit]) -> Volume:
    """What a part takes in the table."""
    sizes = [item_size(item_of(commit)) + ITEM_OVERHEAD for commit in commits]
    return Volume(1, len(sizes), sum(sizes))
