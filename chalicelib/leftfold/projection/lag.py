"""How far a reader is behind the log."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from chalicelib.leftfold.projection.fold import category_of
from chalicelib.leftfold.store.ports import Checkpoints, Log, Unavailable
from chalicelib.leftfold.store.readers import Reader, checkpoint_key, ends_of


class Lag(NamedTuple):
    """How far a reader is behind, by its oldest commit that is not done.

    *positions* counts from that commit to the end of the log; *age* is the commit's age. Both
    are zero for a reader that is up to date, and for one behind which is nothing that it hears.
    """

    positions: int
    age: timedelta


def lag(reader: Reader, log: Log, checkpoints: Checkpoints, now: Callable[[], datetime]) -> Lag:
    """The reader's lag, read from the log after the reader's checkpoint. Raises `Unavailable`."""
    head = log.head()
    ends = ends_of(reader, head)
    reached = checkpoints.read(reader.stored_name, ends)
    behind = {key: position for key, position in reached.items() if position < ends[key]}
    if not behind:
        return Lag(0, timedelta())
    following = min(behind.values()) + 1
    for block in log.blocks(following, heard=reader.categories):
        if block.first_position > following:
            break
        following = block.next_position
        for position, commit in enumerate(block.commits, block.first_position):
            if category_of(commit.aggregate_id) not in reader.categories:
                continue
            key = checkpoint_key(reader, commit.aggregate_id)
            if key in behind and position > behind[key]:
                age = now() - datetime.fromisoformat(commit.at)
                return Lag(head.next_position - position, age)
    if following < head.next_position:
        raise Unavailable("the log does not show the positions that its head counts")
    return Lag(0, timedelta())
