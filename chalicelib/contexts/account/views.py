"""Balances, the ranking of accounts, their bookings, and the bank's totals."""

from collections.abc import Iterable

from chalicelib.contexts.account.domain import (
    Closed,
    Credited,
    Debited,
    Frozen,
    Opened,
    Unfrozen,
    codec,
)
from chalicelib.kernel import Recorded, Row, View


def aggregate(recorded: Recorded) -> Iterable[str]:
    """One row an account."""
    return (recorded.aggregate_id,)


def account_row(row: Row | None, recorded: Recorded, _key: str) -> Row:
    """The account as it stands: amounts in minor units, version of its last commit."""
    seen = {"version": recorded.version}
    match recorded.event:
        case Opened(owner, currency, kind, credit_limit):
            return {
                "accountId": recorded.key,
                "owner": owner,
                "kind": kind,
                "currency": currency,
                "status": "open",
                "balance": 0,
                "creditLimit": credit_limit,
            } | seen
        case Credited(amount):
            return {**opened(row), "balance": opened(row)["balance"] + amount} | seen
        case Debited(amount):
            return {**opened(row), "balance": opened(row)["balance"] - amount} | seen
        case Frozen():
            return {**opened(row), "status": "frozen"} | seen
        case Unfrozen():
            return {**opened(row), "status": "open"} | seen
        case Closed():
            return {**opened(row), "status": "closed"} | seen
        case other:
            raise TypeError(f"no row for {other!r}")


def opened(row: Row | None) -> Row:
    """The row that the account's opening made."""
    if row is None:
        raise LookupError("an event of an account that was never opened")
    return row


def booking_key(recorded: Recorded) -> Iterable[str]:
    """One document a booking, in the order of its stream."""
    if isinstance(recorded.event, Credited | Debited):
        yield f"{recorded.aggregate_id}/{recorded.version:010}/{recorded.place:03}"


def booking_row(_row: Row | None, recorded: Recorded, _key: str) -> Row:
    """A booking with its place: account, version and index within the commit."""
    booked: Credited | Debited = recorded.event
    return {
        "accountId": recorded.key,
        "version": recorded.version,
        "index": recorded.place,
        "bookedAt": recorded.at,
        "direction": "credit" if isinstance(booked, Credited) else "debit",
        "amount": booked.amount,
        "currency": booked.currency,
        "valueDate": booked.value_date,
        "operation": booked.operation,
        "purpose": booked.purpose,
        "counterpartyBank": booked.counterparty_bank,
        "counterpartyAccount": booked.counterparty_account,
    }


def currency(recorded: Recorded) -> Iterable[str]:
    """One row a currency, fed by every account: only a total order makes it exact."""
    if isinstance(recorded.event, Opened | Credited | Debited):
        yield recorded.event.currency


def total_row(row: Row | None, recorded: Recorded, key: str) -> Row:
    """What the bank owes in one currency, and what moved it last."""
    total = row or {
        "currency": key,
        "accounts": 0,
        "bookings": 0,
        "credits": 0,
        "debits": 0,
        "balance": 0,
    }
    match recorded.event:
        case Opened():
            change = {"accounts": total["accounts"] + 1}
        case Credited(amount):
            change = {
                "bookings": total["bookings"] + 1,
                "credits": total["credits"] + amount,
                "balance": total["balance"] + amount,
            }
        case Debited(amount):
            change = {
                "bookings": total["bookings"] + 1,
                "debits": total["debits"] + amount,
                "balance": total["balance"] - amount,
            }
        case other:
            raise TypeError(f"no total for {other!r}")
    last = {"accountId": recorded.key, "version": recorded.version}
    return {**total, **change, "last": last}


listening = {"account": codec}

balances = View("balances", listening, aggregate, account_row, store="documents")

ranking = View(
    "ranking",
    listening,
    aggregate,
    account_row,
    store="search",
    fields={
        "accountId": "keyword",
        "owner": "text",
        "kind": "keyword",
        "currency": "keyword",
        "status": "keyword",
        "balance": "long",
        "creditLimit": "long",
        "version": "long",
    },
)

bookings = View(
    "bookings",
    listening,
    booking_key,
    booking_row,
    store="search",
    accumulates=False,
    fields={
        "accountId": "keyword",
        "version": "long",
        "index": "long",
        "bookedAt": "date",
        "direction": "keyword",
        "amount": "long",
        "currency": "keyword",
        "valueDate": "date",
        "operation": "text",
        "purpose": "text",
        "counterpartyBank": "text",
        "counterpartyAccount": "text",
    },
)

totals = View("totals", listening, currency, total_row, store="documents", order="ordered")
