"""Where a policy begins that was added to a log which has commits already (docs/adr/0021)."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from chalicelib.leftfold.kernel import Announcer, Policy
from chalicelib.leftfold.kernel.commit import instant
from chalicelib.leftfold.store.ports import Block, Checkpoints, Log, Unavailable
from chalicelib.leftfold.store.readers import WHOLE_LOG


@dataclass(frozen=True)
class BeginningCheckpoints:
    """`Checkpoints` of one policy, which has one as soon as it is read for the first time.

    The first checkpoint is before the first commit that the policy is to act on, and is kept:
    what the policy declares later does not move it. Any number may begin at once.
    """

    policy: Policy | Announcer
    log: Log
    checkpoints: Checkpoints

    def read(self, reader: str, keys: Collection[int]) -> dict[int, int]:
        found = self.checkpoints.read(reader, keys)
        if found.get(WHOLE_LOG) == -1:
            found[WHOLE_LOG] = self.checkpoints.begin(reader, WHOLE_LOG, self._start())
        return found

    def begin(self, reader: str, key: int, position: int) -> int:
        return self.checkpoints.begin(reader, key, position)

    def move(self, reader: str, key: int, old: int, new: int) -> bool:
        return self.checkpoints.move(reader, key, old, new)

    def note(self, reader: str) -> str | None:
        return self.checkpoints.note(reader)

    def write_note(self, reader: str, text: str) -> None:
        self.checkpoints.write_note(reader, text)

    def _start(self) -> int:
        since = self.policy.since
        if since == "beginning":
            return -1
        if isinstance(since, datetime):
            return first_since(self.log, since) - 1
        return self.log.head().next_position - 1


def first_since(log: Log, moment: datetime) -> int:
    """The position of the first commit that was made at *moment* or later, in the log's order.

    The log is in the order of time except for commits that reached it late. Raises
    `Unavailable`.
    """
    since = instant(moment)
    low, high = 0, log.head().next_position
    while low < high:
        block = _holding(log, (low + high) // 2)
        if block.commits[-1].at < since:
            low = block.next_position
            continue
        high = block.first_position
        if block.commits[0].at < since or high <= low:
            return next(
                position
                for position, commit in enumerate(block.commits, block.first_position)
                if commit.at >= since
            )
    return low


def _holding(log: Log, position: int) -> Block:
    """The block that holds *position*."""
    block = next(islice(log.blocks(position, 1), 1), None)
    if block is None or not block.first_position <= position < block.next_position:
        raise Unavailable(f"the log does not show position {position}")
    return block
