"""Simulated time, in milliseconds, and the commits that arrive in it."""

import heapq
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Self


class Timeline:
    """*relays* get *rate* commits a second together, for *seconds*. A *seed* decides all that is drawn.

    A subclass says what happens when a commit arrives at a relay (`_arrive`).
    """

    rate: float
    relays: int
    seconds: float
    seed: int

    def __post_init__(self) -> None:
        self._random = Random(self.seed)
        self._now = 0.0
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def run(self) -> Self:
        """Runs to the end."""
        for relay in range(self.relays):
            self._later(self._gap(), partial(self._arrive, relay))
        while self._queue and self._queue[0][0] < self.seconds * 1000:
            self._now, _, act = heapq.heappop(self._queue)
            act()
        return self

    def _arrive(self, relay: int) -> None:
        raise NotImplementedError

    def _later(self, after: float, act: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._queue, (self._now + after, self._count, act))

    def _gap(self) -> float:
        return self._random.expovariate(self.rate / self.relays / 1000)

    def _takes(self, mean: float) -> float:
        return mean * self._random.lognormvariate(-0.03, 0.25)
