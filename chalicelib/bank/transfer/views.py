"""Transfers as they stand, and which commits belong to each."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from chalicelib.bank.account.domain import Credited, Debited
from chalicelib.bank.account.domain import codec as account_codec
from chalicelib.bank.transfer.domain import (
    Cancelled,
    Completed,
    CreditRefused,
    DebitRefused,
    Event,
    Expired,
    Requested,
    SourceDebited,
    SourceDebitedLate,
    SourceRefunded,
    Stuck,
    TargetCredited,
    TransferRefused,
    codec,
)
from chalicelib.leftfold.kernel import Recorded, Row, View
from chalicelib.leftfold.kernel.commit import instant

# The longest time for a step once the money has left the source.
STEP_MAY_TAKE = timedelta(minutes=5)

# The name of a step by its event.
STEPS: dict[type[Event], str] = {
    Requested: "requested",
    SourceDebited: "debited",
    SourceDebitedLate: "debited-late",
    DebitRefused: "debit-refused",
    TargetCredited: "credited",
    CreditRefused: "credit-refused",
    SourceRefunded: "refunded",
    Stuck: "stuck",
    Completed: "completed",
    TransferRefused: "refused",
    Cancelled: "cancelled",
    Expired: "expired",
}
# The state that a step leads to; a step that is not listed leaves the state as it is.
STATE_AFTER = {
    "requested": "requested",
    "debited": "debited",
    "debited-late": "refunding",
    "credit-refused": "refunding",
    "stuck": "stuck",
    "completed": "completed",
    "refused": "refused",
    "cancelled": "cancelled",
    "expired": "expired",
}
STATES = tuple(dict.fromkeys(STATE_AFTER.values()))


def aggregate(recorded: Recorded) -> Iterable[str]:
    """One row a transfer."""
    return (recorded.aggregate_id,)


def transfer_row(row: Row | None, recorded: Recorded, _key: str) -> Row:
    """The transfer as it stands; *steps* are all its steps, and *stepTimes* their instants.

    *deadline* is the instant by which the next step is expected. It is None if no step is
    expected, and for a stuck transfer, which people look after.
    """
    step = STEPS[type(recorded.event)]
    before = requested(recorded) if row is None else row
    return {
        **before,
        **change(recorded),
        "state": STATE_AFTER.get(step, before["state"]),
        "steps": [*before["steps"], step],
        "stepTimes": [*before["stepTimes"], recorded.at],
        "version": recorded.version,
    }


def requested(recorded: Recorded) -> Row:
    """The row of a transfer before its first step."""
    match recorded.event:
        case Requested(order):
            return {
                "transferId": recorded.key,
                "source": order.source,
                "target": order.target,
                "amount": order.amount,
                "currency": order.currency,
                "valueDate": order.value_date,
                "purpose": order.purpose,
                "state": "requested",
                "reason": None,
                "steps": [],
                "stepTimes": [],
                "requestedAt": recorded.at,
                "debitedAt": None,
                "creditedAt": None,
                "refundedAt": None,
                "endedAt": None,
                "deadline": None,
            }
    raise LookupError("an event of a transfer that was never requested")


def change(recorded: Recorded) -> Row:
    """The members of the row, beside its state, that an event changes."""
    changed: Row = {}
    match recorded.event:
        case Requested(_, deadline):
            changed = {"deadline": deadline}
        case SourceDebited() | SourceDebitedLate():
            changed = {"debitedAt": recorded.at, "endedAt": None, "deadline": later(recorded)}
        case CreditRefused(_, code):
            changed = {"reason": code, "deadline": later(recorded)}
        case Stuck():
            changed = {"deadline": None}
        case TargetCredited():
            changed = {"creditedAt": recorded.at}
        case SourceRefunded():
            changed = {"refundedAt": recorded.at}
        case TransferRefused(_, code):
            changed = {"reason": code, "endedAt": recorded.at, "deadline": None}
        case Completed() | Cancelled() | Expired():
            changed = {"endedAt": recorded.at, "deadline": None}
    return changed


def later(recorded: Recorded) -> str:
    """The instant, in ISO 8601, from which the step after *recorded* is overdue."""
    return instant(datetime.fromisoformat(recorded.at) + STEP_MAY_TAKE)


def transfer_of(recorded: Recorded) -> str | None:
    """The transfer that a commit belongs to: its own, or the one that a booking names."""
    if isinstance(recorded.event, Event):
        return recorded.key
    if isinstance(recorded.event, Credited | Debited):
        return recorded.event.transfer
    return None


def trace_key(recorded: Recorded) -> Iterable[str]:
    """One document a commit of a transfer, in its own stream or in an account's."""
    if transfer_of(recorded) is not None:
        yield f"{recorded.aggregate_id}/{recorded.version:010}"


def trace_row(_row: Row | None, recorded: Recorded, _key: str) -> Row:
    """The stream and version of a commit that belongs to a transfer."""
    return {
        "transferId": transfer_of(recorded),
        "aggregateId": recorded.aggregate_id,
        "version": recorded.version,
        "at": recorded.at,
    }


transfers = View(
    "transfers",
    {"transfer": codec},
    aggregate,
    transfer_row,
    store="search",
    fed="log",
    personal=True,
    fields={
        "transferId": "keyword",
        "source": "keyword",
        "target": "keyword",
        "amount": "long",
        "currency": "keyword",
        "valueDate": "date",
        "purpose": "text",
        "state": "keyword",
        "reason": "keyword",
        "steps": "keyword",
        "stepTimes": "date",
        "requestedAt": "date",
        "debitedAt": "date",
        "creditedAt": "date",
        "refundedAt": "date",
        "endedAt": "date",
        "deadline": "date",
        "version": "long",
    },
)

traces = View(
    "traces",
    {"transfer": codec, "account": account_codec},
    trace_key,
    trace_row,
    store="search",
    fed="log",
    accumulates=False,
    fields={
        "transferId": "keyword",
        "aggregateId": "keyword",
        "version": "long",
        "at": "date",
    },
)
