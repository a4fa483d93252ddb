"""Balances, the ranking of accounts, their bookings, and the bank's totals."""

from collections.abc import Iterable

from chalicelib.bank.account.domain import (
    BalanceBroughtForward,
    Booked,
    Closed,
    Credited,
    Debited,
    Frozen,
    Opened,
    StatementClosed,
    Unfrozen,
    codec,
    period,
)
from chalicelib.leftfold.kernel import Recorded, Row, View


def aggregate(recorded: Recorded) -> Iterable[str]:
    """One row an account."""
    return (recorded.aggregate_id,)


def account_row(row: Row | None, recorded: Recorded, _key: str) -> Row:
    """The account as it stands, amounts in minor units; *version* is its last commit."""
    match recorded.event:
        case Opened(owner, currency, kind, credit_limit):
            shown = {
                "accountId": recorded.key,
                "owner": owner,
                "kind": kind,
                "currency": currency,
                "status": "open",
                "balance": 0,
                "creditLimit": credit_limit,
                "statements": 0,
            }
        case Credited(amount):
            shown = {**opened(row), "balance": opened(row)["balance"] + amount}
        case Debited(amount):
            shown = {**opened(row), "balance": opened(row)["balance"] - amount}
        case StatementClosed():
            # BalanceBroughtForward follows in the same commit.
            shown = row or {}
        case BalanceBroughtForward(number, owner, currency, kind, credit_limit, balance, status):
            shown = {
                "accountId": recorded.key,
                "owner": owner,
                "kind": kind,
                "currency": currency,
                "status": status,
                "balance": balance,
                "creditLimit": credit_limit,
                "statements": number - 1,
            }
        case Frozen():
            shown = {**opened(row), "status": "frozen"}
        case Unfrozen():
            shown = {**opened(row), "status": "open"}
        case Closed():
            shown = {**opened(row), "status": "closed"}
        case other:
            raise TypeError(f"no row for {other!r}")
    return {**shown, "version": recorded.version}


def opened(row: Row | None) -> Row:
    """*row*, which the opening of the account made. Raises LookupError if there is none."""
    if row is None:
        raise LookupError("an event of an account that was never opened")
    return row


def booking_key(recorded: Recorded) -> Iterable[str]:
    """One document a booking, in the order of its stream."""
    if isinstance(recorded.event, Booked):
        return (f"{recorded.aggregate_id}/{recorded.version:010}/{recorded.event_index:03}",)
    return ()


def booking_row(_row: Row | None, recorded: Recorded, _key: str) -> Row:
    """A booking, with its account and the version and index of its event."""
    booked: Booked = recorded.event
    return {
        "accountId": recorded.key,
        "version": recorded.version,
        "index": recorded.event_index,
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


def statement_key(recorded: Recorded) -> Iterable[str]:
    """One document a statement, by its number."""
    if isinstance(recorded.event, StatementClosed):
        return (statement_id(recorded.aggregate_id, recorded.event.number),)
    return ()


def statement_id(aggregate_id: str, number: int) -> str:
    """The key of a statement's row."""
    return f"{aggregate_id}/{number:08}"


def statement_row(_row: Row | None, recorded: Recorded, _key: str) -> Row:
    """A closed statement. Its bookings are in the commits after the previous statement's
    *version* and before its own.
    """
    closed: StatementClosed = recorded.event
    since, through = period(closed, recorded.at[:10])
    return {
        "accountId": recorded.key,
        "number": closed.number,
        "from": since,
        "through": through,
        "kind": closed.kind,
        "currency": closed.currency,
        "openingBalance": closed.opening_balance,
        "credits": closed.credits,
        "debits": closed.debits,
        "bookingCount": closed.bookings,
        "closingBalance": closed.closing_balance,
        "minimumPayment": closed.minimum_payment,
        "closedAt": recorded.at,
        "version": recorded.version,
    }


# A union that is written in a function is made at each call.
COUNTED = Booked | Opened


def currency(recorded: Recorded) -> Iterable[str]:
    """One row a currency. All accounts of a tenant feed it, so the view must be ordered."""
    if isinstance(recorded.event, COUNTED):
        return (total_key(recorded.tenant, recorded.event.currency),)
    return ()


def total_key(tenant: str, code: str) -> str:
    """The key of the row of a currency."""
    return f"{tenant}/{code}"


def total_row(row: Row | None, recorded: Recorded, key: str) -> Row:
    """How much the bank owes in one currency; *last* is the commit that changed it last."""
    total = row or {
        "currency": key.partition("/")[2],
        "accounts": 0,
        "bookings": 0,
        "credits": 0,
        "debits": 0,
        "balance": 0,
    }
    total = {**total, "last": {"accountId": recorded.key, "version": recorded.version}}
    match recorded.event:
        case Credited(amount):
            total["bookings"] += 1
            total["credits"] += amount
            total["balance"] += amount
        case Debited(amount):
            total["bookings"] += 1
            total["debits"] += amount
            total["balance"] -= amount
        case Opened():
            total["accounts"] += 1
        case other:
            raise TypeError(f"no total for {other!r}")
    return total


def totals_together(earlier: Row, later: Row, _key: str) -> Row:
    """The row of all commits, from the row of the earlier and that of the later ones."""
    sums = ("accounts", "bookings", "credits", "debits", "balance")
    return {**later, **{name: earlier[name] + later[name] for name in sums}}


listening = {"account": codec}

balances = View(
    "balances",
    listening,
    aggregate,
    account_row,
    store="documents",
    from_carried=True,
    personal=True,
)

ranking = View(
    "ranking",
    listening,
    aggregate,
    account_row,
    store="search",
    from_carried=True,
    personal=True,
    fields={
        "accountId": "keyword",
        "owner": "text",
        "kind": "keyword",
        "currency": "keyword",
        "status": "keyword",
        "balance": "long",
        "creditLimit": "long",
        "statements": "long",
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
    personal=True,
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

statements = View(
    "statements",
    listening,
    statement_key,
    statement_row,
    store="documents",
    fed="log",
    accumulates=False,
)

totals = View(
    "totals",
    listening,
    currency,
    total_row,
    store="documents",
    order="ordered",
    merge=totals_together,
)
