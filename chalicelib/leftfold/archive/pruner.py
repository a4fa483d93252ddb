"""Old blocks of the log move to segments: copied, read back, noted, then deleted."""

from collections.abc import Callable, Collection, Iterator, Sequence
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
from chalicelib.leftfold.store.ports import Archive, Block, Checkpoints, Head, Log, Segment
from chalicelib.leftfold.store.readers import Reader, ends_of

# About what a function can hold, and more than a request to S3 is worth.
BLOCKS_IN_SEGMENT = 500
COMMITS_IN_SEGMENT = 10_000
BYTES_IN_SEGMENT = 8 * 1024 * 1024
# About what a block's item has besides its commits, and what the price counts for an item.
BLOCK_OVERHEAD = 400


@dataclass(frozen=True)
class Pruner:
    """Prunes what all *readers* have done with. *table* is the log's; any number may run.

    A reader that joins later, or a stream that is parked, reads the segments.
    """

    table: Log
    archive: Archive
    checkpoints: Checkpoints
    readers: Collection[Reader]
    clock: Callable[[], datetime]

    def plan(self, before: datetime) -> Iterator[Volume]:
        """What `run` would move; the archive's part is not known before it is packed."""
        floor = self._floor(self.table.head())
        following = self._pruned()
        while blocks := self._due(following, floor, before):
            following = blocks[-1].next_position
            yield weight(blocks)

    def run(self, before: datetime) -> Iterator[Volume]:
        """Moves the blocks whose commits are all older than *before*, segment by segment.

        First ends what an earlier run left. Raises `DamagedArchiveError` and `Unavailable`:
        nothing is lost, and another run goes on.
        """
        head = self.table.head()
        floor = self._floor(head)
        following = self._pruned()
        self._free(following)
        while blocks := self._due(following, floor, before):
            copied, segment, stored = self._write(blocks)
            if not self.table.add_segment(segment):
                return
            following = segment.next_position
            self._free(following)
            yield weight(copied)._replace(stored=stored)

    def _pruned(self) -> int:
        """The position up to which segments hold the log."""
        return max((segment.next_position for segment in self.table.segments()), default=0)

    def _floor(self, head: Head) -> int:
        """The first position that some reader may still need; *head* was read before."""
        floor = head.next_position
        for reader in self.readers:
            ends = ends_of(reader, head)
            done = self.checkpoints.read(reader.name, ends)
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
            size += sum(len(commit.to_line()) for commit in block.commits)
            due.append(block)
            if commits >= COMMITS_IN_SEGMENT or size >= BYTES_IN_SEGMENT:
                break
        return due

    def _write(self, due: Sequence[Block]) -> tuple[Sequence[Block], Segment, int]:
        """The blocks in the segment, and both its objects, read back; their sizes in bytes.

        An object is named by its first position alone. One that an earlier run wrote and
        died over is taken as it is, so that no two objects ever hold the same block.
        """
        first = due[0].first_position
        name = f"{first:012}.jsonl.gz"
        key, live_key = f"segments/{name}", f"remainders/{name}"
        self.archive.put(key, pack_blocks(due))
        held = self.archive.get(key)
        blocks = [] if held is None else unpack_blocks(held)
        # A block that is read back has the hash of what it says, and of all before it.
        if held is None or not is_chained(blocks, due[0].hash):
            raise DamagedArchiveError(f"{key} is not what was written")
        following = blocks[-1].next_position
        live = self._live(blocks)
        self.archive.put(live_key, pack_live(live))
        kept = self.archive.get(live_key)
        # One that an earlier run wrote may hold more: what has been closed since.
        every = {line(placed) for b in blocks for placed in enumerate(b.commits, b.first_position)}
        if kept is None or not set(map(line, live)) <= set(map(line, unpack_live(kept))) <= every:
            raise DamagedArchiveError(f"{live_key} is not what was written")
        segment = Segment(first, following, key, sha256(held), live_key, sha256(kept))
        return blocks, segment, len(held) + len(kept)

    def _live(self, blocks: Sequence[Block]) -> list[LoggedCommit]:
        registry = self.table.streams({c.aggregate_id for b in blocks for c in b.commits})
        return [
            (position, commit)
            for block in blocks
            for position, commit in enumerate(block.commits, block.first_position)
            if commit.epoch >= registry[commit.aggregate_id].epoch
        ]

    def _free(self, following: int) -> None:
        """Deletes the blocks before *following*; the head's item is none of them."""
        gone: list[int] = []
        for block in self.table.blocks(0):
            if block.next_position > following:
                break
            gone.append(block.first_position)
        self.table.delete(gone)


def is_chained(blocks: Sequence[Block], first: str) -> bool:
    """Whether *blocks* begin with the one of the hash *first* and follow one another."""
    return (
        bool(blocks)
        and blocks[0].hash == first
        and all(
            a.hash == b.previous_hash and a.next_position == b.first_position
            for a, b in pairwise(blocks)
        )
    )


def weight(blocks: Sequence[Block]) -> Volume:
    """What blocks take in the table."""
    sizes = [len(pack(block.commits)) + BLOCK_OVERHEAD for block in blocks]
    return Volume(1, len(sizes), sum(sizes))


def line(placed: LoggedCommit) -> tuple[int, str]:
    """A commit and its position, to be compared."""
    return placed[0], placed[1].to_line()
