"""Follows the one order: pages of commits after a position, and waiting for the next one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from chalicelib.leftfold.kernel import Commit
from chalicelib.leftfold.store.ports import Log

# Blocks that one page looks through, however few commits of them are wanted.
MOST_BLOCKS = 64
# Bytes of commits, as the log keeps them, after which a page ends. Lambda answers with 6 MB, and
# a body is shown with more text than it is kept with.
MOST_BYTES = 1024 * 1024
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

    def page(
        self, position: int, limit: int, wanted: Callable[[Commit], bool], seconds: float = 0
    ) -> Followed:
        """Up to *limit* wanted commits from *position* on.

        At the end of the log it waits up to *seconds* for a wanted commit. What it has looked
        through, it has looked through: a page without commits may lead on, so the position of a
        reader that wants little does not stay behind. Raises `BeyondTheLogError`
        and `HoleInTheLogError`.
        """
        until = self.now() + seconds
        page = self._read(position, limit, wanted)
        pause = FIRST_PAUSE
        while page.at_end and not page.commits and (left := until - self.now()) > 0:
            self.sleep(min(pause, left))
            pause = min(2 * pause, LONGEST_PAUSE)
            # The head is one small item; to look for blocks costs more.
            if self.log.head().next_position > page.following:
                page = self._read(page.following, limit, wanted)
        return page

    def _read(self, position: int, limit: int, wanted: Callable[[Commit], bool]) -> Followed:
        found: list[tuple[int, Commit]] = []
        following, size = position, 0
        for number, block in enumerate(self.log.blocks(position)):
            if number == MOST_BLOCKS:
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
