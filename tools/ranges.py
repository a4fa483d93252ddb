"""Work on ranges of the log, in this process or by several."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

from tools.workers import processes

if TYPE_CHECKING:
    from concurrent.futures import Future

# Positions that a worker takes at a time, and ranges for each worker that may wait to be taken up.
AT_ONCE = 20_000
AHEAD = 2

T = TypeVar("T")


def ranges(end: int, at_once: int = AT_ONCE, begin: int = 0) -> Iterator[tuple[int, int]]:
    """The ranges of positions up to *end*: the first one, and the one that follows the last."""
    for first in range(begin, end, at_once):
        yield first, min(first + at_once, end)


def by_ranges(
    end: int,
    workers: int,
    work: Callable[[int, int], T],
    at_once: int = AT_ONCE,
    begin: int = 0,
) -> Iterator[tuple[int, T]]:
    """What *work* makes of each range of positions from *begin* to *end*, in the order of the log,
    each with the number of its positions.

    With several *workers* it is done by as many processes, and *work* must be a function of a
    module. Few results are held at a time, however long the log is.
    """
    if workers == 1:
        for first, last in ranges(end, at_once, begin):
            yield last - first, work(first, last)
        return
    with processes(workers) as pool:
        begun: deque[tuple[int, Future[T]]] = deque()
        for first, last in ranges(end, at_once, begin):
            begun.append((last - first, pool.submit(work, first, last)))
            if len(begun) > AHEAD * workers:
                positions, job = begun.popleft()
                yield positions, job.result()
        for positions, job in begun:
            yield positions, job.result()
