"""Blocks of the log: sealed into the chain, packed into bytes, split by lane."""

import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence

from chalicelib.leftfold.kernel import AggregateId, Commit, lane_of
from chalicelib.leftfold.kernel.commit import canonical
from chalicelib.leftfold.store.bus import LaneRecord
from chalicelib.leftfold.store.ports import MAIN, PASSED, Block, Head

# A transaction takes 100 items: the link, the head, and one registry entry for each stream.
STREAMS_PER_BLOCK = 98
PACKED_LIMIT = 64 * 1024
RAW_LIMIT = 512 * 1024
# Commits of a normal size pack into some 250 bytes each, the first into 400. A link has 350.
FEW, SMALL = 2, 600


def seal(head: Head, commits: Sequence[Commit]) -> tuple[Block, Head]:
    """The block that appends *commits* to the log at *head*, and the head after it."""
    first = head.next_position
    lanes = list(head.lanes)
    previous_in_lane: dict[int, int] = {}
    for position, commit in enumerate(commits, first):
        lane = lane_of(commit.aggregate_id)
        previous_in_lane.setdefault(lane, lanes[lane])
        lanes[lane] = position
    following = first + len(commits)
    categories = categories_of(commits)
    unsealed = Block(first, following, head.hash, "", categories, previous_in_lane, commits)
    block = unsealed._replace(hash=hash_of(unsealed))
    newest = max(head.format, block.format)
    return block, Head(block.next_position, block.hash, tuple(lanes), newest)


def categories_of(commits: Sequence[Commit]) -> tuple[str, ...]:
    """The categories of the commits' streams, each once, sorted."""
    return tuple(sorted({AggregateId.parse(commit.aggregate_id).category for commit in commits}))


def hash_of(block: Block, lines: Iterable[bytes] | None = None) -> str:
    """SHA-256, in hex, over the previous block's hash and everything in the block.

    *lines* are those of its commits, where they are at hand.
    """
    digest = hashlib.sha256(
        canonical(
            [
                block.format,
                block.previous_hash,
                block.first_position,
                block.next_position,
                block.categories,
                sorted(block.previous_in_lane.items()),
            ]
        ).encode()
    )
    if lines is None:
        digest.update("".join([f"\n{commit.line}" for commit in block.commits]).encode())
    for line in lines or ():
        digest.update(b"\n")
        digest.update(line)
    return digest.hexdigest()


def pack(commits: Sequence[Commit]) -> bytes:
    """Gzipped JSON lines, one for each commit. Equal commits give equal bytes."""
    lines = "\n".join(commit.line for commit in commits)
    return gzip.compress(lines.encode(), compresslevel=6, mtime=0)


def unpack(packed: bytes) -> list[Commit]:
    """The inverse of `pack`."""
    # No line contains a line break, so all lines together can be parsed as one JSON list.
    lines = gzip.decompress(packed).decode().replace("\n", ",")
    return [Commit.from_json(commit) for commit in json.loads(f"[{lines}]")]


def is_small(block: Block) -> bool:
    """Whether the body fits beside the link into one write unit.

    There it costs no call and no unit of its own, neither to put nor to read.
    """
    # A body of more commits is larger, and is not packed only to be measured.
    return len(block.commits) <= FEW and len(pack(block.commits)) <= SMALL


def limited(blocks: Iterable[Block], limit: int | None) -> Iterator[Block]:
    """The first *limit* of *blocks*; `PASSED` without commits count as one with them."""
    if limit is None:
        yield from blocks
        return
    left = limit * PASSED
    following = iter(blocks)
    while left > 0 and (block := next(following, None)) is not None:
        yield block
        left -= PASSED if block.commits else 1


def cut(plan: Sequence[Commit]) -> Sequence[Commit]:
    """The longest beginning of *plan* that fits into one block; at least one commit.

    A commit that is over the limits gets a block of its own: an item may have 400 KB.
    """
    streams: set[str] = set()
    size = count = 0
    for commit in plan:
        streams.add(commit.aggregate_id)
        size += size_of(commit.line)
        if count and (len(streams) > STREAMS_PER_BLOCK or size > RAW_LIMIT):
            break
        count += 1
    # A block that is small unpacked is small packed too, so most blocks are packed only once.
    while count > 1 and size > PACKED_LIMIT and len(pack(plan[:count])) > PACKED_LIMIT:
        count //= 2
    return plan[:count]


def size_of(text: str) -> int:
    """The bytes of *text* in UTF-8. Most text is ASCII, which has a byte for each character."""
    return len(text) if text.isascii() else len(text.encode())


def lane_records(block: Block, log: str = MAIN) -> list[LaneRecord]:
    """The records of a block of *log* for the bus, one for each lane that the block touches."""
    by_lane: dict[int, list[tuple[int, Commit]]] = {}
    for position, commit in enumerate(block.commits, block.first_position):
        by_lane.setdefault(lane_of(commit.aggregate_id), []).append((position, commit))
    return [
        LaneRecord(
            log=log,
            lane=lane,
            first_position=commits[0][0],
            last_position=commits[-1][0],
            previous_in_lane=block.previous_in_lane[lane],
            commits=commits,
        )
        for lane, commits in by_lane.items()
    ]
