"""Waits until a view shows the version that a client names as minVersion."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from chalicelib.leftfold.kernel import View
from chalicelib.leftfold.projection.fold import scope_of
from chalicelib.leftfold.store.ports import (
    Checkpoints,
    Log,
    ParkedStream,
    Parking,
    StreamEntry,
    Waker,
)
from chalicelib.leftfold.store.readers import checkpoint_key

# Seconds. The write itself wakes the relay and the view. They are woken once more if they have not
# moved for so long, and for a random time besides; or at last, because what moves may have lost this
# commit's record. Without the random time, all queries that wait would start a process each.
WAKE_AFTER, SPREAD, AT_LAST = 0.5, 2.0, 2.5
# A pause is a third of what was waited so far: looks cost calls that the views need, too.
FIRST_PAUSE, LONGEST_PAUSE, PART = 0.02, 0.25, 3


class ViewParkedError(Exception):
    """The view failed on the aggregate's stream, or an ordered view on another one of its tenant,
    which is parked until it is redriven.
    """

    def __init__(self, view: str, aggregate_id: str, parked_stream: ParkedStream) -> None:
        super().__init__(f"{aggregate_id} is parked in {view}: {parked_stream.reason}")
        self.view = view
        self.aggregate_id = aggregate_id
        self.parked_stream = parked_stream


class NotYetError(Exception):
    """The view has not reached the version in the time given."""

    def __init__(self, view: str, aggregate_id: str, version: int) -> None:
        super().__init__(f"{view} has not reached version {version} of {aggregate_id}")


@dataclass
class Standstill:
    """Finds out, once, that a relay or a view stands still.

    A busy one is not woken: another invocation would only take the same work from it.
    """

    began: float
    patience: float
    moved: float = 0.0
    position: int | None = None
    is_told: bool = False

    def shows(self, now: float, position: int) -> bool:
        """Whether to wake it *now*, that it has come to *position*."""
        if position != self.position:
            self.position, self.moved = position, now
        is_late = now - self.moved >= self.patience or now - self.began >= AT_LAST
        told, self.is_told = self.is_told, self.is_told or is_late
        return is_late and not told


@dataclass(frozen=True)
class Freshness:
    """Waits for views. *now* and *sleep* are in seconds; *now* counts from any start. *draw* gives a
    random number from 0 to 1.
    """

    log: Log
    checkpoints: Checkpoints
    parking: Parking
    waker: Waker
    now: Callable[[], float]
    sleep: Callable[[float], None]
    draw: Callable[[], float]

    def wait(
        self,
        view: View,
        aggregate_id: str,
        version: int,
        seconds: float = 5.0,
        seat: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """Returns once *view* shows *version* of the aggregate.

        If it does not show it yet, *seat* surrounds the wait, and what that raises passes. A relay that
        stands still is woken while the version is not logged, and then a view that
        stands still. Raises `ViewParkedError` at once if the version is parked, and
        `NotYetError` after *seconds*.
        """
        began = self.now()
        # Taken once. The position of a busy stream moves on, and the client would wait for
        # commits that it has not asked for.
        position = self._position_of(aggregate_id, version)
        if self._shows(view, aggregate_id, version, position):
            return
        with seat():
            self._wait(view, aggregate_id, version, position, began, seconds)

    def _wait(
        self,
        view: View,
        aggregate_id: str,
        version: int,
        position: int | None,
        began: float,
        seconds: float,
    ) -> None:
        """Looks again and again, as `wait` says."""
        patience = WAKE_AFTER + SPREAD * self.draw()
        relay, reader = Standstill(began, patience), Standstill(began, patience)
        while (waited := self.now() - began) < seconds:
            pause = min(max(FIRST_PAUSE, waited / PART), LONGEST_PAUSE)
            self.sleep(min(pause, seconds - waited))
            if position is None:
                position = self._position_of(aggregate_id, version)
            if position is None:
                if relay.shows(self.now(), self.log.head().next_position):
                    self.waker.wake("relay", {aggregate_id: version})
                continue
            reached = self._reached(view, aggregate_id)
            # A view that has come so far shows the version, or has parked it.
            if reached >= position and self._shows(view, aggregate_id, version, position):
                return
            if reader.shows(self.now(), reached):
                self.waker.wake(view.name)
        raise NotYetError(view.name, aggregate_id, version)

    def _position_of(self, aggregate_id: str, version: int) -> int | None:
        """A position by which the version is in the log; None if it is not logged."""
        entry = self.log.streams([aggregate_id]).get(aggregate_id, StreamEntry())
        return entry.position if entry.next > version else None

    def _shows(self, view: View, aggregate_id: str, version: int, position: int | None) -> bool:
        reached = self._reached(view, aggregate_id)
        # Read after the checkpoint: every commit up to that is in the rows or parked.
        scope = scope_of(view, aggregate_id)
        for parked_stream in self.parking.find(view.stored_name, [scope]).values():
            if position is None or self._is_parked(parked_stream, scope, version, position):
                raise ViewParkedError(view.name, scope, parked_stream)
        return position is not None and position <= reached

    def _reached(self, view: View, aggregate_id: str) -> int:
        key = checkpoint_key(view, aggregate_id)
        return self.checkpoints.read(view.stored_name, [key])[key]

    def _is_parked(
        self, parked_stream: ParkedStream, scope: str, version: int, position: int
    ) -> bool:
        """Whether the version waits. A tenant's parked part of the log begins at a position, and that
        of the version is not known better than *position*.
        """
        if scope.endswith("/"):
            return position >= parked_stream.first
        return version >= self._first_parked(parked_stream)

    def _first_parked(self, parked_stream: ParkedStream) -> int:
        """The first version that is parked."""
        block = next(self.log.blocks(parked_stream.first, 1))
        return block.commits[parked_stream.first - block.first_position].version
