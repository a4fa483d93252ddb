"""One function for each policy, woken because the log has grown; and the deadlines."""

from typing import Any

from chalice.app import Blueprint

from chalicelib.functions_or_readers import ENOUGH_MS, follow
from chalicelib.leftfold.metrics import emit
from chalicelib.leftfold.wiring import services

functions = Blueprint(__name__)


@functions.lambda_function(name="debit_source")
def debit_source(_event: Any, context: Any) -> None:
    """Takes the money of requested transfers from their sources."""
    follow("debit_source", context)


@functions.lambda_function(name="credit_target")
def credit_target(_event: Any, context: Any) -> None:
    """Brings the money of transfers to their targets."""
    follow("credit_target", context)


@functions.lambda_function(name="refund_source")
def refund_source(_event: Any, context: Any) -> None:
    """Brings money back whose target would not have it."""
    follow("refund_source", context)


@functions.lambda_function(name="close_journals")
def close_journals(_event: Any, context: Any) -> None:
    """Closes a year in each journal of its ledger."""
    follow("close_journals", context)


@functions.lambda_function(name="gather_year")
def gather_year(_event: Any, context: Any) -> None:
    """Gathers what the journals held of a year in their ledger."""
    follow("gather_year", context)


@functions.lambda_function(name="notify")
def notify(_event: Any, context: Any) -> None:
    """Tells customers by e-mail."""
    follow("notify", context)


@functions.schedule("rate(1 minute)", name="deadlines")
def deadlines(event: Any) -> None:
    """Tells those who have waited for too long."""
    left = event.context.get_remaining_time_in_millis
    emit("DeadlinesPassed", services().timekeeper.run(lambda: left() > ENOUGH_MS))
