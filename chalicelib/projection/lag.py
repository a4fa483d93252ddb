"""How far a view is behind the log."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from chalicelib.kernel import View
from chalicelib.store.ports import Checkpoints, Log, Unavailable
from chalicelib.store.slots import ends_of, slot_of


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
