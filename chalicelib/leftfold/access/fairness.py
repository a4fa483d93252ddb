"""A limit of requests for each tenant, so that none makes the others wait."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from chalicelib.leftfold.access.callers import TooManyRequestsError
from chalicelib.leftfold.store.ports import RequestCounts, Unavailable

# Seconds in which requests are counted together.
WINDOW = 10
# A process tells the others of its requests by so many: one call for each.
REPORTED_AT_ONCE = 25
# Tenants whose counts a process keeps.
MOST_TENANTS = 1_000


@dataclass
class Count:
    """A tenant's requests in a window, as this process knows them."""

    window: int
    unreported: int = 0
    full: bool = False


class Fairness:
    """Admits *per_second* requests of each tenant, in the mean of a window; 0 admits all.

    The processes of all functions count together, each in steps of `REPORTED_AT_ONCE`. So a
    window admits at most that many more for each process. While the counts cannot be had,
    everybody is admitted: a limit must not be one more way to be down.
    """

    def __init__(
        self, counts: RequestCounts, per_second: int, clock: Callable[[], datetime]
    ) -> None:
        self._counts = counts
        self._most = per_second * WINDOW
        self._clock = clock
        self._known: dict[str, Count] = {}

    def admit(self, tenant: str) -> None:
        """Counts a request. Raises `TooManyRequestsError`."""
        if not self._most:
            return
        now = int(self._clock().timestamp())
        window = now - now % WINDOW
        count = self._known.get(tenant)
        if count is None or count.window != window:
            if len(self._known) >= MOST_TENANTS:
                self._known.clear()
            count = self._known[tenant] = Count(window)
        if count.full:
            raise TooManyRequestsError(window + WINDOW - now)
        count.unreported += 1
        if count.unreported >= REPORTED_AT_ONCE:
            self._report(tenant, count)

    def _report(self, tenant: str, count: Count) -> None:
        added, count.unreported = count.unreported, 0
        try:
            total = self._counts.add(tenant, count.window, added)
        except Unavailable:
            return
        count.full = total >= self._most
