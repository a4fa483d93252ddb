"""How far a view is behind the log."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from chalicelib.kernel import Commit, View, lane_of
from chalicelib.projection.ordered import SLOT
from chalicelib.store.ports import Checkpoints, Head, Log, Unavailable


class Lag(NamedTuple):
    """*positions* from the oldest commit that the view has not done with to the end of
    the log, and the *age* of that commit; both zero when the view is up to date.
    """

    positions: int
    age: timedelta


def lag(view: View, log: Log, checkpoints: Checkpoints, now: Callable[[], datetime]) -> Lag:
    """The view's lag; reads the log from where the view is. Raises `Unavailable`."""
    head = log.head()
    ends = ends_of(view, head)
    reached = checkpoints.read(view.name, ends)
    behind = {slot: position for slot, position in reached.items() if position < ends[slot]}
    if not behind:
        return Lag(0, timedelta())
    for block in log.blocks(min(behind.values()) + 1):
        for position, commit in enumerate(block.commits, block.first_position):
            slot = slot_of(view, commit)
            if slot in behind and position > behind[slot]:
                age = now() - datetime.fromisoformat(commit.at)
                return Lag(head.next_position - position, age)
    raise Unavailable("the log does not show the positions that its head counts")


def ends_of(view: View, head: Head) -> dict[int, int]:
    """The position that each of the view's slots has to reach."""
    if view.order == "ordered":
        return {SLOT: head.next_position - 1}
    return dict(enumerate(head.lanes))


def slot_of(view: View, commit: Commit) -> int:
    """The slot of the view that counts the commit."""
    return SLOT if view.order == "ordered" else lane_of(commit.aggregate_id)
