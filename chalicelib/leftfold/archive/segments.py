"""Blocks of the log in the archive, and the whole log.

A segment is one object: gzipped JSON lines, one for each block, with its hashes. So the chain
can be proved in the archive too. A second object is the segment's live remainder: one line for
each commit whose epoch was its stream's live epoch when the segment was written.
"""

import gzip
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from chalicelib.leftfold.archive.epochs import DamagedArchiveError, lines_of, verified
from chalicelib.leftfold.kernel import Commit
from chalicelib.leftfold.kernel.commit import canonical
from chalicelib.leftfold.store.blocks import hash_of, limited
from chalicelib.leftfold.store.formats import unknown_format
from chalicelib.leftfold.store.ports import (
    BLOCK_FORMAT,
    Archive,
    Block,
    Head,
    Log,
    Segment,
    StreamEntry,
)

LoggedCommit = tuple[int, Commit]

# The members of a segment's line of format 1.
LINE = {
    "format",
    "firstPosition",
    "nextPosition",
    "previousHash",
    "hash",
    "categories",
    "previousInLane",
    "commits",
}
REMAINDER_FORMAT = 1
REMAINDER_MEMBERS = 3


class SegmentedLog:
    """`Log` over the table and the archive. If the table lacks the next block, at the beginning,
    in the middle or at the end, it is read from a segment.
    """

    def __init__(
        self,
        table: Log,
        archive: Archive,
        unpack: Callable[[bytes], Sequence[Block]] | None = None,
    ) -> None:
        self._table = table
        self._archive = archive
        self._unpack = unpack or unpack_blocks
        # Readers ask for a few blocks at a time, and a segment is read and proved as a whole.
        self._last: tuple[str, Sequence[Block]] = ("", ())

    def head(self) -> Head:
        return self._table.head()

    def streams(self, aggregate_ids: Collection[str]) -> dict[str, StreamEntry]:
        return self._table.streams(aggregate_ids)

    def claim(self, owner: str, now: datetime, until: datetime) -> Head | None:
        return self._table.claim(owner, now, until)

    def put_body(self, block: Block) -> None:
        self._table.put_body(block)

    def append(
        self,
        block: Block,
        head: Head,
        next_head: Head,
        streams: Mapping[str, tuple[StreamEntry, StreamEntry]],
    ) -> bool:
        return self._table.append(block, head, next_head, streams)

    def registry(
        self,
        after: str | None = None,
        *,
        part: int = 0,
        parts: int = 1,
        every_log: bool = False,
    ) -> Iterator[tuple[str, StreamEntry]]:
        return self._table.registry(after, part=part, parts=parts, every_log=every_log)

    def mark_archived(self, aggregate_id: str, before: int, through: int) -> bool:
        return self._table.mark_archived(aggregate_id, before, through)

    def mend(self, head: Head, streams: Mapping[str, StreamEntry | None]) -> None:
        self._table.mend(head, streams)

    def delete(self, first_positions: Collection[int]) -> None:
        self._table.delete(first_positions)

    def add_segment(self, segment: Segment) -> bool:
        return self._table.add_segment(segment)

    def segments(self) -> Iterator[Segment]:
        return self._table.segments()

    def segment_with(self, position: int) -> Segment | None:
        return self._table.segment_with(position)

    def blocks(
        self, position: int, limit: int | None = None, heard: Collection[str] | None = None
    ) -> Iterator[Block]:
        return limited(self._whole(max(position, 0), limit, heard), limit)

    def live(self) -> Iterator[tuple[int, Sequence[LoggedCommit]]]:
        """The log from its beginning, without commits that were not live any more when they were
        pruned: (the position that follows, commits with their positions).

        Blocks that are pruned after this call come whole, so the epochs that are live at the
        call are complete. Raises `DamagedArchiveError` if a segment between others is missing.
        """
        return self._live(list(self._table.segments()))

    def _live(self, segments: Sequence[Segment]) -> Iterator[tuple[int, Sequence[LoggedCommit]]]:
        following = 0
        for segment in segments:
            if segment.first_position != following:
                raise DamagedArchiveError(f"no segment contains position {following}")
            data = verified(self._archive, segment.live_key, segment.live_hash)
            following = segment.next_position
            yield following, unpack_live(data)
        for block in self.blocks(following):
            if block.first_position != following:
                return
            following = block.next_position
            yield following, list(enumerate(block.commits, block.first_position))

    def _whole(
        self, following: int, limit: int | None, heard: Collection[str] | None
    ) -> Iterator[Block]:
        for block in self._table.blocks(following, limit, heard):
            for archived in self._archived(following, block.first_position):
                yield archived
                following = archived.next_position
            yield block
            following = block.next_position
        # If blocks were pruned while the table was read, the log only seems to end here.
        yield from self._archived(following, None)

    def _archived(self, following: int, until: int | None) -> Iterator[Block]:
        """The archived blocks from position *following* to *until*, or to the last segment's end."""
        while until is None or following < until:
            segment = self._table.segment_with(following)
            if segment is None:
                return
            for block in self._blocks_of(segment):
                if until is not None and block.first_position >= until:
                    return
                if block.next_position > following:
                    yield block
            following = segment.next_position

    def _blocks_of(self, segment: Segment) -> Sequence[Block]:
        """The blocks of a segment. Those of the last segment that was read are kept."""
        key, blocks = self._last
        if key != segment.key:
            # Given up first, so that there is never more than one in memory.
            self._last = ("", ())
            blocks = self._unpack(verified(self._archive, segment.key, segment.hash))
            self._last = (segment.key, blocks)
        return blocks


def pack_blocks(blocks: Sequence[Block]) -> bytes:
    """Gzipped JSON lines, one for each block."""
    return packed(
        canonical(
            {
                "format": block.format,
                "firstPosition": block.first_position,
                "nextPosition": block.next_position,
                "previousHash": block.previous_hash,
                "hash": block.hash,
                "categories": block.categories,
                "previousInLane": sorted(block.previous_in_lane.items()),
                "commits": [json.loads(commit.line) for commit in block.commits],
            }
        )
        for block in blocks
    )


def unpack_blocks(data: bytes) -> list[Block]:
    """The inverse of `pack_blocks`. Raises `DamagedArchiveError` if a hash is not the block's."""
    blocks = [block_from_json(json.loads(line)) for line in lines_of(data)]
    for block in blocks:
        if hash_of(block) != block.hash:
            raise DamagedArchiveError(
                f"the block at position {block.first_position} does not match its hash"
            )
    return blocks


def block_from_json(fields: dict[str, Any]) -> Block:
    """A block from the parsed JSON of its line. Raises `UnknownFormatError`.

    A line is never read by halves: whoever archived it may have said more than this engine knows.
    """
    if fields.get("format") not in range(1, BLOCK_FORMAT + 1) or fields.keys() != LINE:
        raise unknown_format(
            f"the archived block at {fields.get('firstPosition')}",
            f"{fields.get('format')} with {sorted(fields.keys() ^ LINE)}",
            BLOCK_FORMAT,
        )
    return Block(
        fields["firstPosition"],
        fields["nextPosition"],
        fields["previousHash"],
        fields["hash"],
        tuple(fields["categories"]),
        dict(fields["previousInLane"]),
        [Commit.from_json(commit) for commit in fields["commits"]],
        fields["format"],
    )


def pack_live(commits: Sequence[LoggedCommit]) -> bytes:
    """Gzipped JSON lines, one for each commit and its position."""
    return packed(
        canonical(
            {
                "format": REMAINDER_FORMAT,
                "position": position,
                "commit": json.loads(commit.line),
            }
        )
        for position, commit in commits
    )


def unpack_live(data: bytes) -> list[LoggedCommit]:
    """The inverse of `pack_live`. Raises `UnknownFormatError`."""
    # There is no line if all epochs of the segment were closed.
    lines = [json.loads(line) for line in lines_of(data) if line]
    for line in lines:
        if line.get("format") != REMAINDER_FORMAT or len(line) != REMAINDER_MEMBERS:
            raise unknown_format(
                f"the remainder's line of position {line.get('position')}",
                f"{line.get('format')} with {sorted(line)}",
                REMAINDER_FORMAT,
            )
    return [(line["position"], Commit.from_json(line["commit"])) for line in lines]


def packed(lines: Iterator[str]) -> bytes:
    """Gzipped lines. Equal lines give equal bytes."""
    return gzip.compress("\n".join(lines).encode(), compresslevel=6, mtime=0)
