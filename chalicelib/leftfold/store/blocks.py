"""Blocks of the log: sealed into the chain, packed into bytes, split by lane."""

import gzip
import hashlib
import json
from collections.abc import Sequence

from chalicelib.leftfold.kernel import Commit, lane_of
from chalicelib.leftfold.kernel.commit import canonical
from chalicelib.leftfold.store.bus import LaneRecord
from chalicelib.leftfold.store.ports import Block, Head

# A transaction takes 100 items: the block, the head, and one registry entry for each stream.
STREAMS_PER_BLOCK = 98
PACKED_LIMIT = 64 * 1024
RAW_LIMIT = 512 * 1024


def seal(head: Head, commits: Sequence[Commit]) -> tuple[Block, Head]:
    """The block that appends *commits* to the log at *head*, and the head after it."""
    first = head.next_position
    lanes = list(head.lanes)
    previous_in_lane: dict[int, int] = {}
    for position, commit in enumerate(commits, first):
        lane = lane_of(commit.aggregate_id)
        previous_in_lane.setdefault(lane, lanes[lane])
        lanes[lane] = position
    unsealed = Block(first, first + len(commits), head.hash, "", previous_in_lane, commits)
    block = unsealed._replace(hash=hash_of(unsealed))
    return block, Head(block.next_position, block.hash, tuple(lanes))


def hash_of(block: Block) -> str:
    """SHA-256, in hex, over the previous block's hash and everything in the block."""
    digest = hashlib.sha256(
        canonical(
            [
                block.previous_hash,
                block.first_position,
                block.next_position,
                sorted(block.previous_in_lane.items()),
            ]
        ).encode()
    )
    for commit in block.commits:
        digest.update(b"\n")
        digest.update(commit.to_line().encode())
    return digest.hexdigest()


def pack(commits: Sequence[Commit]) -> bytes:
    """Gzipped JSON lines, one for each commit. Equal commits give equal bytes."""
    lines = "\n".join(commit.to_line() for commit in commits)
    return gzip.compress(lines.encode(), compresslevel=6, mtime=0)


def unpack(packed: bytes) -> list[Commit]:
    """The inverse of `pack`."""
    # No line contains a line break, so all lines together can be parsed as one JSON list.
    lines = gzip.decompress(packed).decode().replace("\n", ",")
    return [Commit.from_json(commit) for commit in json.loads(f"[{lines}]")]


def cut(plan: Sequence[Commit]) -> Sequence[Commit]:
    """The longest beginning of *plan* that fits into one block; at least one commit.

    A commit that is over the limits gets a block of its own: an item may have 400 KB.
    """
    streams: set[str] = set()
    size = count = 0
    for commit in plan:
        streams.add(commit.aggregate_id)
        size += len(commit.to_line().encode())
        if count and (len(streams) > STREAMS_PER_BLOCK or size > RAW_LIMIT):
            break
        count += 1
    # A block that is small unpacked is small packed too, so most blocks are packed only once.
    while count > 1 and size > PACKED_LIMIT and len(pack(plan[:count])) > PACKED_LIMIT:
        count //= 2
    return plan[:count]


def lane_records(block: Block) -> list[LaneRecord]:
    """The records of *block* for the bus, one for each lane that the block touches."""
    by_lane: dict[int, list[tuple[int, Commit]]] = {}
    for position, commit in enumerate(block.commits, block.first_position):
        by_lane.setdefault(lane_of(commit.aggregate_id), []).append((position, commit))
    return [
        LaneRecord(
            lane=lane,
            first_position=commits[0][0],
            last_position=commits[-1][0],
            previous_in_lane=block.previous_in_lane[lane],
            commits=commits,
        )
        for lane, commits in by_lane.items()
    ]
