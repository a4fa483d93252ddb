"""Which checkpoints a reader has: a key for each lane of the bus, or one for the whole log.

Who reads from the log has one, because a block touches most lanes: to move a checkpoint
for each of them would cost more writes than the block itself.
"""

from typing import Literal, Protocol

from chalicelib.leftfold.kernel import lane_of
from chalicelib.leftfold.store.ports import Head

WHOLE_LOG = 0


class Reader(Protocol):
    """Who reads the log: a view or a policy."""

    @property
    def name(self) -> str:
        """Its function's, and that of its checkpoints and parked streams."""

    @property
    def fed(self) -> Literal["bus", "log"]:
        """What brings its commits: records of lanes, or the log."""


def ends_of(reader: Reader, head: Head) -> dict[int, int]:
    """The position that each of the reader's keys has to reach."""
    if reader.fed == "log":
        return {WHOLE_LOG: head.next_position - 1}
    return dict(enumerate(head.lanes))


def checkpoint_key(reader: Reader, aggregate_id: str) -> int:
    """The key of the reader that counts the stream's commits."""
    return WHOLE_LOG if reader.fed == "log" else lane_of(aggregate_id)
