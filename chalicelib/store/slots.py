"""Which checkpoints a reader has: a slot for each lane, or one for the whole log."""

from typing import Literal, Protocol

from chalicelib.kernel import Commit, lane_of
from chalicelib.store.ports import Head

SLOT = 0


class Reader(Protocol):
    """Who reads the log: a view or a policy."""

    @property
    def name(self) -> str:
        """Its function's, and that of its checkpoints and markers."""

    @property
    def order(self) -> Literal["partitioned", "ordered"]:
        """Whether it reads lane by lane, or strictly by position."""


def ends_of(reader: Reader, head: Head) -> dict[int, int]:
    """The position that each of the reader's slots has to reach."""
    if reader.order == "ordered":
        return {SLOT: head.next_position - 1}
    return dict(enumerate(head.lanes))


def slot_of(reader: Reader, commit: Commit) -> int:
    """The slot of the reader that counts the commit."""
    return SLOT if reader.order == "ordered" else lane_of(commit.aggregate_id)
