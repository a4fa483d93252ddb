"""Waits until a view shows the version that a client names as minVersion."""

from collections.abc import Callable
from dataclasses import dataclass

from chalicelib.leftfold.kernel import View
from chalicelib.leftfold.store.ports import (
    Checkpoints,
    Log,
    ParkedStream,
    Parking,
    StreamEntry,
    Waker,
)
from chalicelib.leftfold.store.readers import checkpoint_key

# Seconds. The write itself wakes the relay and the view, which usually need less than this.
WAKE_AFTER = 0.5
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.2


class ViewParkedError(Exception):
    """The view failed on the aggregate's stream, which is parked until it is redriven."""

    def __init__(self, view: str, aggregate_id: str, parked_stream: ParkedStream) -> None:
        super().__init__(f"{aggregate_id} is parked in {view}: {parked_stream.reason}")
        self.view = view
        self.aggregate_id = aggregate_id
        self.parked_stream = parked_stream


class NotYetError(Exception):
    """The view has not reached the version in the time given."""

    def __init__(self, view: str, aggregate_id: str, version: int) -> None:
        super().__init__(f"{view} has not reached version {version} of {aggregate_id}")


@dataclass(frozen=True)
class Freshness:
    """Waits for views. *now* and *sleep* are in seconds; *now* counts from any start."""

    log: Log
    checkpoints: Checkpoints
    parking: Parking
    waker: Waker
    now: Callable[[], float]
    sleep: Callable[[float], None]

    def wait(self, view: View, aggregate_id: str, version: int, seconds: float = 5.0) -> None:
        """Returns once *view* shows *version* of the aggregate.

        After `WAKE_AFTER` it wakes the relay if the version is not logged, and the view's
        function if only the view is behind. Raises `ViewParkedError` at once if the version
        is parked, and `NotYetError` after *seconds*.
        """
        began = self.now()
        woken: set[str] = set()
        target: int | None = None
        pause = FIRST_PAUSE
        while True:
            # Take the position once. That of a busy stream moves on, and the client would
            # wait for commits that it has not asked for.
            if target is None:
                target = self._position_of(aggregate_id, version)
            if self._shows(view, aggregate_id, version, target):
                return
            waited = self.now() - began
            if waited >= seconds:
                raise NotYetError(view.name, aggregate_id, version)
            late = "relay" if target is None else view.name
            if waited >= WAKE_AFTER and late not in woken:
                self.waker.wake(late, {aggregate_id: version} if target is None else {})
                woken.add(late)
            self.sleep(min(pause, seconds - waited))
            pause = min(2 * pause, LONGEST_PAUSE)

    def _position_of(self, aggregate_id: str, version: int) -> int | None:
        """A position by which the version is in the log; None if it is not logged."""
        entry = self.log.streams([aggregate_id]).get(aggregate_id, StreamEntry())
        return entry.position if entry.next > version else None

    def _shows(self, view: View, aggregate_id: str, version: int, position: int | None) -> bool:
        key = checkpoint_key(view, aggregate_id)
        reached = self.checkpoints.read(view.stored_name, [key])[key]
        # Read after the checkpoint: every commit up to that is in the rows or parked.
        if view.order == "partitioned":
            for parked_stream in self.parking.find(view.stored_name, [aggregate_id]).values():
                if position is None or version >= self._first_parked(parked_stream):
                    raise ViewParkedError(view.name, aggregate_id, parked_stream)
        return position is not None and position <= reached

    def _first_parked(self, parked_stream: ParkedStream) -> int:
        """The first version that is parked."""
        block = next(self.log.blocks(parked_stream.first, 1))
        return block.commits[parked_stream.first - block.first_position].version
