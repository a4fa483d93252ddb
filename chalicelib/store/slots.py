"""Which checkpoints a view has: a slot for each lane, or one for the whole log."""

from chalicelib.kernel import Commit, View, lane_of
from chalicelib.store.ports import Head

SLOT = 0


def ends_of(view: View, head: Head) -> dict[int, int]:
    """The position that each of the view's slots has to reach."""
    if view.order == "ordered":
        return {SLOT: head.next_position - 1}
    return dict(enumerate(head.lanes))


def slot_of(view: View, commit: Commit) -> int:
    """The slot of the view that counts the commit."""
    return SLOT if view.order == "ordered" else lane_of(commit.aggregate_id)
