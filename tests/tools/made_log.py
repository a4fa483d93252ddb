"""A log that each process can make for itself, and a view of it."""

from chalicelib.leftfold.projection.replay import Replayed, replay_range
from chalicelib.leftfold.store.memory import MemoryLog
from tests.builders import Added, Event, LogBuilder, Removed, stream
from tests.projection.views import additions


def made_log() -> MemoryLog:
    """A log of 60 commits in 20 blocks; removals come late in it."""
    story = LogBuilder()
    for number in range(20):
        last: Event = Removed() if number > 15 else Added(number)
        story.block((stream("a"), [Added(1)]), (stream("b"), [Added(2)]), (stream("a"), [last]))
    return story.log


def replay_made_log(first: int, last: int) -> Replayed:
    """A range of that log, folded into a row for each addition."""
    return replay_range(additions, made_log(), first, last)
