"""Seats for each tenant, so that none takes all the functions that its requests wait in."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from zlib import crc32

from chalicelib.leftfold.access.callers import TooManyRequestsError
from chalicelib.leftfold.store.ports import Seats, Unavailable

# Milliseconds after which a seat is free although nobody has left it: its function was killed.
# A request ends within 29 seconds; the rest is for clocks that differ.
LONGEST = 60_000
# Seconds after which a refused request may be sent again.
AGAIN = 2
# Of a new id its random end is enough to tell the few apart that want a seat at one time.
NAME = 12


class Seating:
    """Gives each tenant *most* seats in *room*; 0 lets everybody in.

    All processes share the seats. A request that dies with its process loses its seat after
    `LONGEST`. While seats cannot be had because the storage does not answer, everybody is let in: a
    limit must not be one more way to be down.
    """

    def __init__(
        self,
        seats: Seats,
        room: str,
        most: int,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        self._seats = seats
        self._room = room
        self._most = most
        self._clock = clock
        self._new_id = new_id

    @contextmanager
    def seat(self, tenant: str) -> Iterator[None]:
        """Inside, one of the tenant's seats is taken. Raises `TooManyRequestsError` if none is free."""
        if not self._most:
            yield
            return
        # No tenant's name has this sign.
        room, holder = f"{tenant}#{self._room}", self._new_id()[-NAME:]
        seat = self._taken(room, holder)
        try:
            yield
        finally:
            if seat is not None:
                self._leave(room, seat, holder)

    def _taken(self, room: str, holder: str) -> int | None:
        """The seat that was free; None if nobody can say which are."""
        # Holders begin at different seats, so that few meet.
        chosen = crc32(holder.encode())
        free = list(range(self._most))
        while free:
            seat = free[chosen % len(free)]
            now = int(self._clock().timestamp() * 1_000)
            try:
                ends = self._seats.take(room, seat, holder, now, now + LONGEST)
            except Unavailable:
                return None
            if ends is None:
                return seat
            free = [seat for seat in range(self._most) if ends.get(seat, 0) < now]
        raise TooManyRequestsError(AGAIN)

    def _leave(self, room: str, seat: int, holder: str) -> None:
        try:
            self._seats.leave(room, seat, holder)
        except Unavailable:
            # It is free when its time is over.
            return
