"""The relay's functions: woken by the events table's stream, or by a wake; the sweeper."""

from typing import Any

from chalicelib.leftfold.functions.sources import time_left
from chalicelib.leftfold.kernel import Commit
from chalicelib.leftfold.metrics import emit
from chalicelib.leftfold.projection.lag import lag
from chalicelib.leftfold.relay.relay import wanted_of
from chalicelib.leftfold.store.events import commit_key, readable
from chalicelib.leftfold.store.readers import Reader
from chalicelib.leftfold.wiring.process import services
from chalicelib.leftfold.wiring.services import Services

# Milliseconds of the sweeper's minute that are kept for its last page, and to wake and
# measure all readers.
TIME_TO_WAKE = 20_000


def relay(event: Any) -> None:
    """Logs the commits that the records tell of, or those that a wake asks for."""
    held = services()
    told = event.to_dict()
    images = [r["dynamodb"] for r in told["Records"] if r["eventName"] == "INSERT"]
    places = [commit_key(image["Keys"]) for image in images]
    wanted = wanted_of([*places, *told.get("wanted", {}).items()])
    commits = [commit for image in images if (commit := commit_told(image))]
    logged = held.relay.run(wanted, commits)
    emit("CommitsLogged", logged)


def sweeper(event: Any) -> None:
    """Logs what no record told of, wakes every reader that is behind, and measures them."""
    held = services()
    try:
        sweep = held.sweeper.run(lambda: time_left(event) > TIME_TO_WAKE)
        emit("SweptCommits", sweep.logged, seen=sweep.seen, woken=sweep.woken)
        # Also of a round that has not ended: one that never ends must be seen.
        emit("SweepRoundSeconds", sweep.round_took, unit="Seconds")
    finally:
        measure(held)


def commit_told(record: dict[str, Any]) -> Commit | None:
    """The commit in a stream record; None if it is not there, or is none."""
    image = dict(record.get("NewImage", {}))
    # Only loads need these two, and a record has bytes as base64 text.
    image.pop("snapshot", None)
    image.pop("recentCommands", None)
    return readable(image) if image else None


def measure(held: Services) -> None:
    """Tells how far each view and policy is behind, and how many streams are parked in it.

    What cannot be told of one keeps nothing else from being told; it is raised at the end.
    """
    errors: list[Exception] = []
    for reader in held.readers:
        for tell in (tell_lag, tell_parked):
            try:
                tell(held, reader)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
                errors.append(error)
    if errors:
        raise ExceptionGroup("not all readers could be measured", errors)


def tell_lag(held: Services, reader: Reader) -> None:
    """Measures how far a view or a policy is behind the log."""
    behind = lag(reader, held.log, held.checkpoints, held.clock)
    emit("PositionsBehind", behind.positions, view=reader.name)
    emit("OldestWaits", behind.age.total_seconds(), unit="Seconds", view=reader.name)


def tell_parked(held: Services, reader: Reader) -> None:
    """Counts the streams that are parked in a view or a policy."""
    emit("StreamsParked", len(list(held.parking.all(reader.name))), view=reader.name)
