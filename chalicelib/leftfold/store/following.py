"""Follows the one order: pages of commits after a position, and waiting for the next one."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from chalicelib.leftfold.kernel import Commit
from chalicelib.leftfold.kernel.commit import instant
from chalicelib.leftfold.store.ports import Log

# Blocks that one page looks through, however few commits of them are wanted.
MOST_BLOCKS = 64
# The same for whoever looks for the few commits of one correlation id: a second or two of reading.
MOST_SEARCHED = 512
# Bytes of commits, as the log keeps them, after which a page ends. Lambda answers with 6 MB, and
# a body is shown with more text than it is kept with.
MOST_BYTES = 1024 * 1024
# How long after it was made a commit may come into the log and still be found by its time. The
# relay takes seconds, and the sweeper finds within minutes what no message told of.
LATE = timedelta(hours=1)
# Seconds between two looks at the head.
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0


class Followed(NamedTuple):
    """Wanted commits with their positions, ascending.

    *following* is the position at which the next page begins. Every wanted commit below it is in
    this page or in one before it. *at_end* says that the log ended there.
    """

    commits: Sequence[tuple[int, Commit]]
    following: int
    at_end: bool


class HoleInTheLogError(Exception):
    """The log has no block with a position, and has blocks after it. `leftfold verify` says more."""


class BeyondTheLogError(Exception):
    """The position is beyond the end of the log, so no page of this log has led to it."""


@dataclass(frozen=True)
class Follower:
    """Reads the log for others. *now* and *sleep* are in seconds; *now* counts from any start."""

    log: Log
    now: Callable[[], float]
    sleep: Callable[[float], None]

    def since(self, at: str) -> int:
        """A position from which on the log has every commit that was made at the time *at* or
        later, as far as each came into the log within `LATE` of its making.

        It reads as many blocks as it takes to halve the log until one is left.
        """
        earliest = instant(datetime.fromisoformat(at) - LATE)
        positions = range(self.log.head().next_position)
        return bisect_left(positions, earliest, key=self._latest)

    def _latest(self, position: int) -> str:
        """The latest time of a commit in the block that holds a position."""
        return max(commit.at for commit in next(self.log.blocks(position, 1)).commits)

    def page(
        self,
        position: int,
        limit: int,
        wanted: Callable[[Commit], bool],
        seconds: float = 0,
        blocks: int = MOST_BLOCKS,
    ) -> Followed:
        """Up to *limit* wanted commits from *position* on, among those of *blocks* blocks.

        At the end of the log it waits up to *seconds* for a wanted commit. What it has looked
        through, it has looked through: a page without commits may lead on, so the position of a
        reader that wants little does not stay behind. Raises `BeyondTheLogError`
        and `HoleInTheLogError`.
        """
        until = self.now() + seconds
        page = self._read(position, limit, wanted, blocks)
        pause = FIRST_PAUSE
        while page.at_end and not page.commits and (left := until - self.now()) > 0:
            self.sleep(min(pause, left))
            pause = min(2 * pause, LONGEST_PAUSE)
            # The head is one small item; to look for blocks costs more.
            if self.log.head().next_position > page.following:
                page = self._read(page.following, limit, wanted, blocks)
        return page

    def _read(
        self, position: int, limit: int, wanted: Callable[[Commit], bool], blocks: int
    ) -> Followed:
        found: list[tuple[int, Commit]] = []
        following, size = position, 0
        for number, block in enumerate(self.log.blocks(position)):
            if number == blocks:
                return Followed(found, following, at_end=False)
            if block.first_position > following:
                raise HoleInTheLogError(f"no block has position {following}")
            for at, commit in enumerate(block.commits, block.first_position):
                if at < following:
                    continue
                if wanted(commit):
                    size += len(commit.line.encode())
                    if found and (len(found) == limit or size > MOST_BYTES):
                        return Followed(found, following, at_end=False)
                    found.append((at, commit))
                following = at + 1
        if not found and following == position > self.log.head().next_position:
            raise BeyondTheLogError
        return Followed(found, following, at_end=True)


def logged_at(log: Log, position: int) -> Commit:
    """The commit at a position of the log."""
    block = next(log.blocks(position, 1))
    return block.commits[position - block.first_position]
