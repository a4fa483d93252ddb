"""One function for each view: fed by the bus, or woken because the log has grown."""

from base64 import b64decode
from collections.abc import Iterable
from typing import Any

from chalice.app import Blueprint

from chalicelib.functions.sources import BUS, LOG_STREAM
from chalicelib.metrics import emit
from chalicelib.store.bus import LaneRecord
from chalicelib.wiring import services

# Blocks in one slice of catching up, and the time left at which to hand over.
SLICE = 64
HAND_OVER_MS = 20_000

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
    """Wakes the ordered views: the one reader of the log table's stream."""
    for view in services().views.values():
        if view.order == "ordered":
            services().doorbell.ring(view.name)


@functions.lambda_function(name="totals")
def totals(_event: Any, context: Any) -> None:
    """Projects the totals, in the order of the log."""
    follow("totals", context)


def project(view: str, event: Any) -> None:
    """Folds lane records into a view; without any, what the log has beyond it."""
    records = event.to_dict().get("Records", ())
    runner = services().partitioned(view)
    if records:
        runner.handle(list(decoded(records)))
    else:
        catch_up(view, runner, event.context)


def follow(view: str, context: Any) -> None:
    """Folds what the log has beyond an ordered view."""
    catch_up(view, services().ordered(view), context)


def catch_up(view: str, runner: Any, context: Any) -> None:
    """Runs until nothing is left, or hands over to a next invocation in time."""
    while runner.catch_up(SLICE):
        if context.get_remaining_time_in_millis() < HAND_OVER_MS:
            services().doorbell.ring(view)
            return


def decoded(records: Iterable[dict[str, Any]]) -> Iterable[LaneRecord]:
    """The lane records; a broken one is passed over, for its lane heals from the log."""
    for record in records:
        try:
            yield LaneRecord.from_bytes(b64decode(record["kinesis"]["data"]))
        except (ValueError, KeyError, OSError, EOFError) as error:
            emit("BrokenRecords", 1, reason=str(error))
