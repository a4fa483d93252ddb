"""Measures how long after a command's answer its row is seen, without slowing the load."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import quantiles
from threading import BoundedSemaphore
from types import TracebackType
from typing import NamedTuple, Self

from tools.api import Api, ApiError

# More would be load of their own.
FOLLOWED_AT_ONCE = 2


class Percentiles(NamedTuple):
    """Seconds, of *samples* measurements."""

    p50: float
    p99: float
    samples: int


class Sampler:
    """Follows a few commands until the balance document shows them; the others pass by.

    A measurement ends with the answer to the query that waited, and so holds its time.
    """

    def __init__(self, api: Api) -> None:
        self.seconds: list[float] = []
        self._api = api
        self._threads = ThreadPoolExecutor(FOLLOWED_AT_ONCE)
        self._free = BoundedSemaphore(FOLLOWED_AT_ONCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._threads.shutdown(wait=error is None, cancel_futures=True)

    def offer(self, account: str, version: int) -> None:
        """Follows a command that was answered just now, unless enough are followed; returns at once."""
        if self._free.acquire(blocking=False):
            answered_at = time.monotonic()
            following = self._threads.submit(self.follow, account, version, answered_at)
            following.add_done_callback(lambda _: self._free.release())

    def follow(self, account: str, version: int, answered_at: float | None = None) -> None:
        """Waits until the command is seen, answered just now or at *answered_at*."""
        began = time.monotonic() if answered_at is None else answered_at
        try:
            seen = self._api.query(f"/accounts/{account}", minVersion=version)
        except ApiError:
            # The import meets the same error and reports it.
            return
        if seen.ok:
            self.seconds.append(time.monotonic() - began)


def percentiles(seconds: Sequence[float]) -> Percentiles | None:
    """p50 and p99; None if there are too few to say."""
    if len(seconds) < 2:
        return None
    cuts = quantiles(seconds, n=100, method="inclusive")
    return Percentiles(cuts[49], cuts[98], len(seconds))
