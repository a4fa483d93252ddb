"""The function `sweeper`, which repairs each minute the loss of any message."""

from typing import Any

from chalicelib.leftfold.functions.budgets import FOR_THE_READERS, time_left
from chalicelib.leftfold.metrics import emit
from chalicelib.leftfold.projection.lag import lag
from chalicelib.leftfold.store.readers import Reader
from chalicelib.leftfold.wiring.process import services
from chalicelib.leftfold.wiring.services import Services


def sweeper(_event: Any, context: Any) -> None:
    """Logs commits whose stream record was lost, wakes readers that are behind, measures all."""
    current = services()
    try:
        sweep = current.sweeper.run(lambda: time_left(context) > FOR_THE_READERS)
        emit("SweptCommits", sweep.logged, seen=sweep.seen, woken=sweep.woken)
        # Emitted before a round ends, too, so that a round that never ends shows.
        emit("SweepRoundSeconds", sweep.round_took, unit="Seconds")
    finally:
        measure(current)


def measure(current: Services) -> None:
    """Emits the lag and the number of parked streams of each view and policy.

    A failure in one measurement does not stop the others; all failures are raised at the end.
    """
    errors: list[Exception] = []
    for reader in current.readers:
        for emit_one in (emit_lag, emit_parked):
            try:
                emit_one(current, reader)
            except Exception as error:  # noqa: BLE001 - raised below
                errors.append(error)
    if errors:
        raise ExceptionGroup("not all readers could be measured", errors)


def emit_lag(current: Services, reader: Reader) -> None:
    """Emits how far a view or a policy is behind each log."""
    of = current.measured_as(reader)
    for each in current.in_each_log:
        behind = lag(reader, each.log, each.checkpoints, each.clock)
        emit("PositionsBehind", behind.positions, **of)
        emit("OldestWaits", behind.age.total_seconds(), unit="Seconds", **of)


def emit_parked(current: Services, reader: Reader) -> None:
    """Emits the number of streams that are parked in a view or a policy."""
    parked = len(list(current.parking.all(reader.stored_name)))
    emit("StreamsParked", parked, **current.measured_as(reader))
