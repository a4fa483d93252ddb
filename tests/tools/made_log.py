"""A log that each process can make for itself."""

from chalicelib.leftfold.store.memory import MemoryLog
from tests.builders import Added, Event, LogBuilder, Removed, stream
from tools.scanning import Found, scan


def made_log() -> MemoryLog:
    """A log of 60 commits in 20 blocks; removals come late in it."""
    story = LogBuilder()
    for number in range(20):
        last: Event = Removed() if number > 15 else Added(number)
        story.block((stream("a"), [Added(1)]), (stream("b"), [Added(2)]), (stream("a"), [last]))
    return story.log


def scan_made_log(first: int, last: int) -> Found:
    """A range of that log."""
    return scan(made_log(), first, last)
