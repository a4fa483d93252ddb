"""Statements over HTTP: closing a period, and its figures and bookings."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from marshmallow import fields

from chalicelib.bank.account.domain import CloseStatement, account, may_end
from chalicelib.bank.account.http.accounts import KIND, AccountChanged
from chalicelib.bank.account.http.bookings import BookingShown
from chalicelib.bank.account.views import booking_key, booking_row, statement_id
from chalicelib.bank.http.fields import MoneyField, currency_field
from chalicelib.leftfold.http.commands import Takes, command_routes
from chalicelib.leftfold.http.cursors import after_of, cursor, whole
from chalicelib.leftfold.http.fields import (
    LARGEST_VERSION,
    Pages,
    Shown,
    Strict,
    Whole,
    day,
    key,
    min_version,
)
from chalicelib.leftfold.http.history import commits_from
from chalicelib.leftfold.http.problems import Problem
from chalicelib.leftfold.http.queries import FRESHNESS, not_shown, wait_until_fresh
from chalicelib.leftfold.http.routes import Answer, Call, Route
from chalicelib.leftfold.kernel import Commit, Row
from chalicelib.leftfold.kernel.repair import Repairs
from chalicelib.leftfold.projection.fold import recorded_of

_LARGEST_NUMBER = 10**8 - 1


class StatementBody(Strict):
    """The end of a statement period."""

    through = day(required=True)


class StatementPath(Strict):
    """Which statement of the account."""

    number = Whole(1, _LARGEST_NUMBER, required=True)


class StatementsQuery(Pages):
    """Which page, and the account's version that it must include."""

    min_version = min_version()


class StatementShown(Shown):
    """A closed statement; *minimumPayment* is due for a card that owes."""

    account_id = key(required=True)
    number = fields.Integer(required=True)
    from_ = day(required=True, allow_none=True)
    through = day(required=True)
    kind = fields.String(required=True, validate=KIND)
    currency = currency_field(required=True)
    opening_balance = MoneyField(required=True)
    credits = MoneyField(required=True)
    debits = MoneyField(required=True)
    booking_count = fields.Integer(required=True)
    closing_balance = MoneyField(required=True)
    minimum_payment = MoneyField(required=True)
    closed_at = fields.String(required=True, metadata={"format": "date-time"})
    version = fields.Integer(required=True)


class StatementDocument(StatementShown):
    """A statement with a page of its bookings, in their order."""

    bookings = fields.List(fields.Nested(BookingShown), required=True)
    next = fields.String(required=True, allow_none=True)


class StatementList(Shown):
    """A page of an account's statements, the newest first."""

    items = fields.List(fields.Nested(StatementShown), required=True)
    next = fields.String(required=True, allow_none=True)
    total = fields.Integer(required=True)


def refuse_future_day(call: Call) -> None:
    """Raises `Problem` for a period that cannot end yet."""
    if not may_end(call.body["through"], call.services.clock()):
        at = {"pointer": "/through", "detail": "must not be a day to come"}
        raise Problem("invalid-body", errors=[at])


def show(call: Call) -> Answer:
    """A statement, with a page of its bookings."""
    wait_until_fresh(call, "statements", account, call.key)
    stream, number = call.stream(account), call.path["number"]
    wanted, before = statement_id(stream, number), statement_id(stream, number - 1)
    rows = call.services.rows("statements").load([wanted, before])
    statement, former = rows[wanted].row, rows[before].row
    if statement is None:
        raise not_shown(call, "statement-missing")
    first = 1 if former is None else former["version"] + 1
    last = statement["version"] - 1
    here = after_of(call, whole(first, last), whole(0, LARGEST_VERSION))
    start, index = here or (first, 0)
    limit = call.query["limit"]
    commits = commits_from(call.services.events, call.services.vault, stream, start, last)
    booked = (
        row
        for row in bookings_of(commits, call.services.repairs)
        if (row["version"], row["index"]) >= (start, index)
    )
    page = list(islice(booked, limit + 1))
    ahead = page[limit:]
    following = cursor(call, [ahead[0]["version"], ahead[0]["index"]]) if ahead else None
    return Answer(
        StatementDocument().dump({**statement, "bookings": page[:limit], "next": following})
    )


def bookings_of(commits: Iterator[Commit], repairs: Repairs) -> Iterator[Row]:
    """The bookings of *commits*, as the search shows them."""
    for commit in commits:
        # No booking shows its log position, so any number will do.
        for recorded in recorded_of(account.codec, -1, commit, repairs):
            yield from (booking_row(None, recorded, key) for key in booking_key(recorded))


def list_statements(call: Call) -> Answer:
    """Statements by number, the newest first. Numbers are dense, so each is loaded by its key."""
    for view in ("balances", "statements"):
        wait_until_fresh(call, view, account, call.key)
    stream = call.stream(account)
    balance = call.services.rows("balances").load([stream])[stream].row
    if balance is None:
        raise not_shown(call, "account-missing")
    (begun,) = after_of(call, whole(1, _LARGEST_NUMBER)) or (balance["statements"],)
    # The balance document may come from a replica that has less than the cursor's page had.
    newest = min(begun, balance["statements"])
    numbers = range(newest, max(newest - call.query["limit"], 0), -1)
    ids = [statement_id(stream, number) for number in numbers]
    rows = call.services.rows("statements").load(ids)
    # The balance document may know of a statement before the statements' view does.
    found = [row for id_ in ids if (row := rows[id_].row) is not None]
    left = numbers[-1] - 1 if numbers else 0
    return Answer(
        {
            "items": StatementShown().dump(found, many=True),
            "next": cursor(call, [left]) if left else None,
            "total": balance["statements"],
        }
    )


def close_statement(body: Mapping[str, Any]) -> CloseStatement:
    """The end of the period."""
    return CloseStatement(body["through"])


routes: tuple[Route, ...] = (
    *command_routes(
        account,
        "/accounts",
        AccountChanged(),
        {
            "statements": Takes(
                "Close the statement period",
                StatementBody(),
                close_statement,
                ("account-missing", "account-closed", "period-closed"),
                refuse_future_day,
            ),
        },
    ),
    Route(
        "GET",
        "/accounts/{id}/statements",
        "list_statements",
        "An account's statements, the newest first",
        list_statements,
        StatementList(),
        scope="queries",
        aggregate=account,
        query=StatementsQuery(),
        problems=("account-missing", "bad-cursor", *FRESHNESS),
    ),
    Route(
        "GET",
        "/accounts/{id}/statements/{number}",
        "show_statement",
        "A statement with its bookings, live or archived",
        show,
        StatementDocument(),
        scope="queries",
        aggregate=account,
        parts=StatementPath(),
        query=StatementsQuery(),
        problems=("account-missing", "statement-missing", "bad-cursor", *FRESHNESS),
    ),
)
