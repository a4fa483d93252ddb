"""The checkpoints of a reader: one for each lane of the bus, or one for the whole log.

A reader that is fed by the log has one checkpoint. A block touches most lanes, so to move a
checkpoint for each lane would cost more writes than the block itself.
"""

from collections.abc import Collection
from typing import Literal, Protocol

from chalicelib.leftfold.kernel import lane_of
from chalicelib.leftfold.store.ports import Head

WHOLE_LOG = 0


class Reader(Protocol):
    """A view or a policy, as it reads the log."""

    @property
    def name(self) -> str:
        """The name of its function."""

    @property
    def stored_name(self) -> str:
        """The name of its checkpoints and parked streams."""

    @property
    def categories(self) -> Collection[str]:
        """The categories that it listens to. It passes over blocks that hold none of them."""

    @property
    def fed(self) -> Literal["bus", "log"]:
        """The source of its commits: lane records of the bus, or the log."""


def ends_of(reader: Reader, head: Head) -> dict[int, int]:
    """The position that each of the reader's checkpoints reaches when its work is done."""
    if reader.fed == "log":
        return {WHOLE_LOG: head.next_position - 1}
    return dict(enumerate(head.lanes))


def checkpoint_key(reader: Reader, aggregate_id: str) -> int:
    """The checkpoint key of the reader under which the stream's commits count."""
    return WHOLE_LOG if reader.fed == "log" else lane_of(aggregate_id)
