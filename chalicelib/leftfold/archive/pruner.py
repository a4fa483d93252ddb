"""Moves old blocks of the log to segments: copies them, reads them back, lists the segment, deletes."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from chalicelib.leftfold.archive.archiver import Volume
from chalicelib.leftfold.archive.epochs import DamagedArchiveError, sha256
from chalicelib.leftfold.archive.segments import (
    LoggedCommit,
    pack_blocks,
    pack_live,
    unpack_blocks,
    unpack_live,
)
from chalicelib.leftfold.kernel.commit import instant
from chalicelib.leftfold.store.blocks import pack
from chalicelib.leftfold.store.ports import MAIN, Archive, Block, Checkpoints, Head, Log, Segment
from chalicelib.leftfold.store.readers import Reader, ends_of

# A segment fits into a function's memory, and is large enough to be worth a request to S3.
BLOCKS_IN_SEGMENT = 500
COMMITS_IN_SEGMENT = 10_000
BYTES_IN_SEGMENT = 8 * 1024 * 1024
# About the bytes of a block's item besides its commits, with those that DynamoDB bills for any item.
BLOCK_OVERHEAD = 400


@dataclass(frozen=True)
class Pruner:
    """Prunes blocks that all *readers* have passed. *table* is the log without its segments, and
    *log* its name, which is in the names of the objects.

    Any number of pruners may run. A reader that joins later, or takes up a parked stream, reads
    the segments.
    """

    table: Log
    archive: Archive
    checkpoints: Checkpoints
    readers: Collection[Reader]
    clock: Callable[[], datetime]
    log: str = MAIN

    def plan(self, before: datetime) -> Iterator[Volume]:
        """The volume that `run` would move. *stored* is unknown until the blocks are packed."""
        floor = self._floor(self.table.head())
        following = self._pruned()
        while blocks := self._due(following, floor, before):
            following = blocks[-1].next_position
            yield weight(blocks)

    def run(self, before: datetime) -> Iterator[Volume]:
        """Moves the blocks whose commits are all older than *before*, segment by segment.

        A run first completes the deletes of a run that was killed. Raises
        `DamagedArchiveError` and `Unavailable`: nothing is lost, and the next run goes on.
        """
        head = self.table.head()
        floor = self._floor(head)
        following = self._pruned()
        self._delete(following)
        while blocks := self._due(following, floor, before):
            copied, segment, stored = self._write(blocks)
            if not self.table.add_segment(segment):
                return
            following = segment.next_position
            self._delete(following)
            yield weight(copied)._replace(stored=stored)

    def _pruned(self) -> int:
        """The first position that is in no segment."""
        return max((segment.next_position for segment in self.table.segments()), default=0)

    def _floor(self, head: Head) -> int:
        """The first position that a reader may still need. *head* was read before the checkpoints."""
        floor = head.next_position
        for reader in self.readers:
            ends = ends_of(reader, head)
            done = self.checkpoints.read(reader.stored_name, ends)
            floor = min([floor, *(done[s] + 1 for s, end in ends.items() if done[s] < end)])
        return floor

    def _due(self, following: int, floor: int, before: datetime) -> list[Block]:
        until = instant(min(before, self.clock()))
        due: list[Block] = []
        commits = size = 0
        for block in self.table.blocks(following, BLOCKS_IN_SEGMENT):
            old = all(commit.at < until for commit in block.commits)
            if block.first_position != following or block.next_position > floor or not old:
                break
            following = block.next_position
            commits += len(block.commits)
            size += sum(len(commit.line) for commit in block.commits)
            due.append(block)
            if commits >= COMMITS_IN_SEGMENT or size >= BYTES_IN_SEGMENT:
                break
        return due

    def _write(self, due: Sequence[Block]) -> tuple[Sequence[Block], Segment, int]:
        """Archives a segment and reads it back: its blocks, the segment, its size in bytes.

        The objects are named by their first position alone. If a run was killed after it wrote
        them, the next run takes them as they are. So no two objects contain the same block.
        """
        first = due[0].first_position
        name = f"{self.log}/{first:012}.jsonl.gz"
        key, live_key = f"segments/{name}", f"remainders/{name}"
        self.archive.put(key, pack_blocks(due))
        whole = self.archive.get(key)
        blocks = [] if whole is None else unpack_blocks(whole)
        # `unpack_blocks` has compared each block with its hash, which covers the blocks before it.
        if whole is None or not is_chained(blocks, due[0].hash):
            raise DamagedArchiveError(f"{key} does not contain the blocks that were written to it")
        following = blocks[-1].next_position
        live = self._live(blocks)
        self.archive.put(live_key, pack_live(live))
        remainder = self.archive.get(live_key)
        least, most = lines_of_commits(live), lines_of_commits(logged(blocks))
        # The remainder of an earlier run may also contain commits of epochs that have closed since.
        if remainder is None or not least <= lines_of_commits(unpack_live(remainder)) <= most:
            raise DamagedArchiveError(
                f"{live_key} does not contain the commits that were written to it"
            )
        segment = Segment(first, following, key, sha256(whole), live_key, sha256(remainder))
        return blocks, segment, len(whole) + len(remainder)

    def _live(self, blocks: Sequence[Block]) -> list[LoggedCommit]:
        registry = self.table.streams({c.aggregate_id for b in blocks for c in b.commits})
        return [
            (position, commit)
            for position, commit in logged(blocks)
            if commit.epoch >= registry[commit.aggregate_id].epoch
        ]

    def _delete(self, following: int) -> None:
        """Deletes the blocks before the position *following*."""
        pruned: list[int] = []
        # The links alone: the bodies may be deleted already.
        for block in self.table.blocks(0, heard=()):
            if block.next_position > following:
                break
            pruned.append(block.first_position)
        self.table.delete(pruned)


def is_chained(blocks: Sequence[Block], first: str) -> bool:
    """Whether *blocks* follow one another, and the first has the hash *first*."""
    return (
        bool(blocks)
        and blocks[0].hash == first
        and all(
            a.hash == b.previous_hash and a.next_position == b.first_position
            for a, b in pairwise(blocks)
        )
    )


def weight(blocks: Sequence[Block]) -> Volume:
    """The volume of blocks in the table."""
    sizes = [len(pack(block.commits)) + BLOCK_OVERHEAD for block in blocks]
    return Volume(1, len(sizes), sum(sizes))


def logged(blocks: Sequence[Block]) -> Iterator[LoggedCommit]:
    """The commits of *blocks* with their positions."""
    for block in blocks:
        yield from enumerate(block.commits, block.first_position)


def lines_of_commits(commits: Iterable[LoggedCommit]) -> set[tuple[int, str]]:
    """Commits and their positions, to be compared."""
    return {(position, commit.line) for position, commit in commits}
