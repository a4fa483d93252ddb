"""The relay's functions: woken by the events table's stream, or by a ring; the sweeper."""

from collections.abc import Iterable
from typing import Any

from chalice.app import Blueprint

from chalicelib.functions.sources import EVENTS_STREAM
from chalicelib.kernel import Commit
from chalicelib.metrics import emit
from chalicelib.projection.lag import lag
from chalicelib.relay.relay import wanted_of
from chalicelib.store.events import commit_from_item
from chalicelib.wiring import services

# The items that one sweep looks at: about 2 MB, 250 read units.
SWEEP_BUDGET = 5_000

functions = Blueprint(__name__)


@functions.on_dynamodb_record(
    stream_arn=EVENTS_STREAM,
    name="relay",
    batch_size=500,
    starting_position="TRIM_HORIZON",
)
def relay(event: Any) -> None:
    """Logs the commits that the records tell of; none at all means: publish the rest."""
    commits = list(commits_of(event.to_dict().get("Records", ())))
    wanted = wanted_of((c.aggregate_id, c.version) for c in commits)
    logged = services().relay.run(wanted, commits)
    emit("CommitsLogged", logged)


@functions.schedule("rate(1 minute)", name="sweeper")
def sweeper(_event: Any) -> None:
    """Logs what no record told of, wakes every view that is behind, and measures them."""
    sweep = services().sweeper.run(SWEEP_BUDGET)
    emit("SweptCommits", sweep.logged, seen=sweep.seen, woken=sweep.woken)
    emit("SweepRoundsEnded", int(sweep.round_ended))
    measure()


def commits_of(records: Iterable[dict[str, Any]]) -> Iterable[Commit]:
    """The commits that were inserted; all else in the stream is upkeep of old ones."""
    for record in records:
        if record["eventName"] == "INSERT":
            image = dict(record["dynamodb"]["NewImage"])
            # Only loads need these two, and a record has bytes as base64 text.
            image.pop("snapshot", None)
            image.pop("recentCommands", None)
            yield commit_from_item(image)


def measure() -> None:
    """Tells how far each view is behind, and how many of its streams are parked."""
    held = services()
    parked = [name for name, _, _ in held.parking.all()]
    for view in held.views.values():
        behind = lag(view, held.log, held.checkpoints, held.clock)
        emit("PositionsBehind", behind.positions, view=view.name)
        emit("OldestWaits", behind.age.total_seconds(), unit="Seconds", view=view.name)
        emit("StreamsParked", parked.count(view.name), view=view.name)
