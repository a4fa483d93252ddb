"""One function for each view: fed by the bus, or woken because the log has grown."""

from base64 import b64decode
from collections.abc import Iterable
from typing import Any

from chalice.app import Blueprint

from chalicelib.leftfold.functions.sources import BUS, LOG_STREAM
from chalicelib.leftfold.kernel import LANES, lane_of
from chalicelib.leftfold.metrics import emit
from chalicelib.leftfold.projection.runner import OvertakenError
from chalicelib.leftfold.store.bus import LaneRecord
from chalicelib.leftfold.wiring import services

# Blocks in one slice of catching up, and the time left at which to begin no other.
SLICE = 8
ENOUGH_MS = 20_000

functions = Blueprint(__name__)


@functions.on_kinesis_record(
    stream=BUS, name="balances", batch_size=200, starting_position="TRIM_HORIZON"
)
def balances(event: Any) -> None:
    """Projects the balance documents."""
    project("balances", event)


@functions.on_kinesis_record(
    stream=BUS, name="ranking", batch_size=200, starting_position="TRIM_HORIZON"
)
def ranking(event: Any) -> None:
    """Projects the ranking of accounts."""
    project("ranking", event)


@functions.on_kinesis_record(
    stream=BUS, name="bookings", batch_size=200, starting_position="TRIM_HORIZON"
)
def bookings(event: Any) -> None:
    """Projects the bookings."""
    project("bookings", event)


@functions.on_dynamodb_record(
    stream_arn=LOG_STREAM,
    name="log_grew",
    batch_size=1000,
    starting_position="TRIM_HORIZON",
)
def log_grew(_event: Any) -> None:
    """Wakes all that follow the log: the one reader of the log table's stream."""
    for follower in services().followers:
        services().doorbell.ring(follower)


@functions.lambda_function(name="statements")
def statements(_event: Any, context: Any) -> None:
    """Projects the statements."""
    follow("statements", context)


@functions.lambda_function(name="totals")
def totals(_event: Any, context: Any) -> None:
    """Projects the totals, in the order of the log."""
    follow("totals", context)


@functions.lambda_function(name="transfers")
def transfers(_event: Any, context: Any) -> None:
    """Projects how transfers stand."""
    follow("transfers", context)


@functions.lambda_function(name="traces")
def traces(_event: Any, context: Any) -> None:
    """Projects which commits belong to a transfer."""
    follow("traces", context)


@functions.lambda_function(name="ledgers")
def ledgers(_event: Any, context: Any) -> None:
    """Projects charts of accounts and their years."""
    follow("ledgers", context)


@functions.lambda_function(name="trial_balance")
def trial_balance(_event: Any, context: Any) -> None:
    """Projects trial balances, in the order of the log."""
    follow("trial_balance", context)


@functions.lambda_function(name="postings")
def postings(_event: Any, context: Any) -> None:
    """Projects the postings of entries."""
    follow("postings", context)


def project(view: str, event: Any) -> None:
    """Folds lane records into a view; without any, what the log has beyond it."""
    records = event.to_dict().get("Records", ())
    if records:
        services().partitioned(view).handle(list(decoded(records)))
    else:
        follow(view, event.context)


def follow(reader: str, context: Any) -> None:
    """Takes what the log has beyond a view or a policy, until nothing is left, time is
    short or others do it: the sweeper rings again.
    """
    runner = services().reader(reader)
    try:
        while runner.catch_up(SLICE):
            if context.get_remaining_time_in_millis() < ENOUGH_MS:
                return
    except OvertakenError as error:
        emit("CatchUpsLeft", 1, view=reader, reason=str(error))


def decoded(records: Iterable[dict[str, Any]]) -> Iterable[LaneRecord]:
    """The lane records; a broken one is passed over, for its lane heals from the log."""
    for record in records:
        try:
            read = LaneRecord.from_bytes(b64decode(record["kinesis"]["data"]))
            check(read)
        except Exception as error:  # noqa: BLE001 - whatever it is, the shard must go on
            emit("BrokenRecords", 1, reason=f"{type(error).__name__}: {error}")
        else:
            yield read


def check(record: LaneRecord) -> None:
    """Raises an exception, of any kind, for a record that no relay makes."""
    lane, first, last = record.lane, record.first_position, record.last_position
    commits = record.commits or ()
    positions = sorted({first, last}) if record.commits is None else [p for p, _ in commits]
    numbers = [record.previous_in_lane, *positions]
    if any(type(number) is not int for number in (lane, first, last, *numbers)):
        raise TypeError("lane and positions are integers")
    if numbers != sorted(set(numbers)) or (positions[0], positions[-1]) != (first, last):
        raise ValueError(f"positions {numbers} from {first} to {last}")
    if lane not in range(LANES) or any(lane_of(c.aggregate_id) != lane for _, c in commits):
        raise ValueError(f"not all of one lane: {lane}")
