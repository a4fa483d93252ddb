"""The functions of views and policies."""

from collections.abc import Callable, Iterable
from typing import Any

from chalicelib.leftfold.commands.owning import NotOwnedError
from chalicelib.leftfold.errors import told
from chalicelib.leftfold.functions.budgets import FOR_A_SLICE, time_left
from chalicelib.leftfold.kernel import Policy
from chalicelib.leftfold.metrics import emit, note
from chalicelib.leftfold.projection.fold import PoisonError
from chalicelib.leftfold.projection.runner import OvertakenError
from chalicelib.leftfold.store.ports import Unavailable
from chalicelib.leftfold.wiring.process import services

# Blocks of the log that a reader takes between two looks at the clock.
SLICE = 8


def reader(name: str) -> Callable[[Any, Any], None]:
    """The function of a view or a policy: lane records feed it, and a wake lets it read the log."""

    def read(event: Any, context: Any) -> None:
        if rests(name):
            return
        records = event.get("Records", ())
        if records:
            # Imported here, because a reader that follows the log gets no records.
            from chalicelib.leftfold.functions.lane_records import decoded

            services().reader(name).handle(list(decoded(records)))
            note("took records", reader=name, records=len(records))
        else:
            redrive(name, event.get("wanted", {}), context)
            note("followed the log", reader=name, slices=follow(name, context))

    return read


def rests(reader: str) -> bool:
    """Whether the reader is a policy of a generation that follows another and is not active.

    The truth's functions do not wake it then; a query that waits for its process may.
    """
    current = services()
    if current.settings.earlier is None or reader not in current.policies:
        return False
    return isinstance(current.policies[reader], Policy) and not current.acts()


def redrive(reader: str, streams: Iterable[str], context: Any) -> None:
    """Redrives the parked *streams* that a wake names, while there is time.

    A stream on which the reader fails again stays parked, with the reason.
    """
    current = services()
    for stream in streams:
        if time_left(context) < FOR_A_SLICE:
            return
        try:
            current.reader(reader).redrive(stream)
        except (PoisonError, Unavailable) as error:
            emit("RedrivesFailed", 1, view=reader, reason=f"{stream}: {told(error)}")


def follow(reader: str, context: Any) -> int:
    """Takes the commits after a reader's checkpoint from the log; returns the number of slices.

    It ends at the end of the log, when time is short, or when another invocation, or another
    generation, does the same work. The sweeper wakes a reader that is still behind.
    """
    runner = services().reader(reader)
    slices = 0
    try:
        while runner.catch_up(SLICE):
            slices += 1
            if time_left(context) < FOR_A_SLICE:
                break
    except (OvertakenError, NotOwnedError) as error:
        emit("CatchUpsLeft", 1, view=reader, reason=told(error))
    return slices
