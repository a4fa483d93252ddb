"""Closed epochs leave the events table for the archive, and come back.

Copy, read back, tombstone, deletes, registry: in this order, so that at any moment each
commit is in the table or, named by the tombstone, in the archive. The live epoch stays, so
the newest item of a stream never goes, and no order of the deletes can show a load another.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from chalicelib.leftfold.archive.epochs import DamagedArchiveError, Epochs
from chalicelib.leftfold.commands.loading import BrokenStreamError, instant
from chalicelib.leftfold.kernel import Archived, Commit
from chalicelib.leftfold.store.events import item_of, item_size
from chalicelib.leftfold.store.ports import Archive, EventTable, Log, StreamEntry

# Longer than any function lives: a writer that loaded before the epoch was closed is gone.
GRACE = timedelta(hours=24)
# A transaction takes 4 MB, and a commit may have 400 KB.
DELETED_AT_ONCE = 10
READ_AT_ONCE = 500
# Of a KB or so each, before and after they are packed: what a function can hold.
COMMITS_AT_ONCE = 20_000
# What DynamoDB's price counts for an item besides its attributes.
ITEM_OVERHEAD = 100


class Moved(NamedTuple):
    """What left a table, or would: *items* of *size* bytes in all, which became *objects*
    of *stored* bytes.
    """

    objects: int = 0
    items: int = 0
    size: int = 0
    stored: int = 0

    def __add__(self, other: "Moved") -> "Moved":  # type: ignore[override]
        return Moved(*(mine + its for mine, its in zip(self, other, strict=True)))


@dataclass(frozen=True)
class Archiver:
    """Archives what is logged and was closed more than *grace* ago; any number may run.

    No *grace* is right only where nobody writes. It holds about *at_once* commits in memory.
    """

    table: EventTable
    log: Log
    archive: Archive
    clock: Callable[[], datetime]
    grace: timedelta = GRACE
    at_once: int = COMMITS_AT_ONCE

    def candidates(self, after: str | None = None) -> Iterator[tuple[str, StreamEntry]]:
        """The streams, those behind *after*, that have a closed epoch, archived or not."""
        return ((id_, entry) for id_, entry in self.log.registry(after) if entry.epoch > 1)

    def plan(self, aggregate_id: str, entry: StreamEntry, before: datetime) -> Moved:
        """What `run` would move; the archive's part is not known before it is packed."""
        first = first_of(self.table, aggregate_id)
        return weight(list(self._closed(aggregate_id, through_of(first), entry, before)))

    def run(self, aggregate_id: str, entry: StreamEntry, before: datetime) -> Moved:
        """Moves the epochs of a stream that were closed before *before*.

        First ends what an earlier run left. Raises `DamagedArchiveError`,
        `BrokenStreamError` and `Unavailable`: nothing is lost, and another run goes on.
        """
        moved, more = Moved(), True
        while more:
            step, more = self._step(aggregate_id, entry, before)
            moved += step
            if more:
                entry = self.log.streams([aggregate_id])[aggregate_id]
        return moved

    def _step(self, aggregate_id: str, entry: StreamEntry, before: datetime) -> tuple[Moved, bool]:
        """Moves as many epochs as fit a function's memory; whether there may be more."""
        first = first_of(self.table, aggregate_id)
        if first.archive is not None and first.archive.restoring:
            return Moved(), False
        through = through_of(first)
        if through != entry.archived_through:
            if not self._free(first, entry.archived_through):
                return Moved(), False
            entry = entry._replace(archived_through=through)
        try:
            closed, more = up_to(self.at_once, self._closed(aggregate_id, through, entry, before))
        except BrokenStreamError:
            if first_of(self.table, aggregate_id) == first:
                raise
            # No hole of the stream's: another archiver is at work.
            return Moved(), False
        if not closed:
            return Moved(), False
        epochs = Epochs(self.archive)
        written = [epochs.write(commits) for commits in closed]
        earlier = epochs.manifest(first.archive) if first.archive else ()
        listed = [*earlier, *(epoch for epoch, _ in written)]
        archived, listing = epochs.write_manifest(aggregate_id, listed)
        tombstone = tombstone_of(first, archived)
        if not (self.table.replace(first, tombstone) and self._free(tombstone, through)):
            return Moved(), False
        stored = sum(size for _, size in written) + listing
        return weight(closed)._replace(stored=stored), more

    def _closed(
        self, aggregate_id: str, through: int, entry: StreamEntry, before: datetime
    ) -> Iterator[list[Commit]]:
        """The whole epochs after version *through* that may go, oldest first."""
        until = instant(min(before, self.clock() - self.grace))
        epoch: list[Commit] = []
        for commit in self._logged(aggregate_id, through + 1, entry.next - 1):
            if epoch and commit.epoch != epoch[0].epoch:
                if commit.at >= until:
                    return
                yield epoch
                epoch = []
            if commit.epoch >= entry.epoch:
                return
            epoch.append(commit)

    def _logged(self, aggregate_id: str, first: int, last: int) -> Iterator[Commit]:
        for start in range(first, last + 1, READ_AT_ONCE):
            end = min(last, start + READ_AT_ONCE - 1)
            commits = self.table.range(aggregate_id, start, end)
            versions = [commit.version for commit in commits if commit.archive is None]
            if versions != list(range(start, end + 1)):
                raise BrokenStreamError(f"{aggregate_id} has a hole after version {start - 1}")
            yield from commits

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
        from that epoch on, and `DamagedArchiveError` before anything is changed.
        """
        epochs = Epochs(self.archive)
        held = first_of(self.table, aggregate_id)
        if held.archive is None:
            # Also where a run was killed between the tombstone and the registry.
            if self._mark(aggregate_id, 0):
                return 0
            raise LookupError(f"nothing of {aggregate_id} is archived")
        listed = epochs.manifest(held.archive)
        returning = [e for e in listed if e.epoch >= epoch]
        if not returning:
            if self._mark(aggregate_id, held.archive.through):
                return 0
            raise LookupError(f"no epoch of {aggregate_id} from {epoch} on is archived")
        commits = [commit for e in returning for commit in epochs.commits(e)]
        first = commits[0].version
        restoring = held._replace(archive=held.archive._replace(restoring=first))
        # From here on no archiver deletes: its condition is the tombstone that it read.
        if restoring != held and not self.table.replace(held, restoring):
            raise DamagedArchiveError(f"{aggregate_id} is being archived; try again")
        kept = listed[: len(listed) - len(returning)]
        for commit in commits[first == 1 :]:
            self._put_back(restoring, commit)
        after = commits[0]
        if kept:
            archived, _ = epochs.write_manifest(aggregate_id, kept)
            after = tombstone_of(held, archived)
        if not self.table.replace(restoring, after):
            raise DamagedArchiveError(f"{aggregate_id} was restored by another; try again")
        self._mark(aggregate_id, through_of(after))
        return len(commits)

    def _put_back(self, tombstone: Commit, commit: Commit) -> None:
        found = self.table.append(commit)
        # What else is at an archived key was put there by nobody whom the stream knows.
        if found is not None and found.to_line() != commit.to_line():
            self.table.delete(tombstone, [commit.version])
            if self.table.append(commit) is not None:
                raise DamagedArchiveError(f"{commit.aggregate_id} has moved; try again")

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


def up_to(commits: int, epochs: Iterator[list[Commit]]) -> tuple[list[list[Commit]], bool]:
    """The first of *epochs*, of about so many commits; whether there may be more."""
    taken: list[list[Commit]] = []
    held = 0
    for epoch in epochs:
        taken.append(epoch)
        held += len(epoch)
        if held >= commits:
            return taken, True
    return taken, False


def weight(epochs: Sequence[Sequence[Commit]]) -> Moved:
    """What epochs take in the table."""
    sizes = [item_size(item_of(commit)) + ITEM_OVERHEAD for e in epochs for commit in e]
    return Moved(len(epochs), len(sizes), sum(sizes))
