"""Accounts over HTTP: their commands, the balance document and the ranking."""

from collections.abc import Mapping
from typing import Any, get_args

from marshmallow import ValidationError, fields, validate, validates_schema

from chalicelib.bank.account.domain import (
    Book,
    Booking,
    Close,
    Direction,
    Freeze,
    Kind,
    Open,
    OpenedStatus,
    Unfreeze,
    account,
)
from chalicelib.bank.http.fields import MoneyField, currency_field
from chalicelib.leftfold.http.commands import Takes, command_routes, opening_route
from chalicelib.leftfold.http.fields import (
    NoFields,
    Pages,
    Shown,
    Strict,
    day,
    email,
    key,
    min_version,
    text,
)
from chalicelib.leftfold.http.headers import IF_NONE_MATCH
from chalicelib.leftfold.http.problems import Problem
from chalicelib.leftfold.http.queries import (
    FRESHNESS,
    document,
    found,
    sorting,
    wait_until_fresh,
)
from chalicelib.leftfold.http.routes import Answer, Call, Route

KIND = validate.OneOf(get_args(Kind))
STATUS = validate.OneOf(get_args(OpenedStatus))
DIRECTION = validate.OneOf(get_args(Direction))
MOST_BOOKINGS = 500


class OpenBody(Strict):
    """The opening of an account; without an accountId, the server chooses one."""

    account_id = key()
    owner = text(200, required=True)
    currency = currency_field(required=True)
    kind = fields.String(required=True, validate=KIND)
    credit_limit = MoneyField(least=0)
    email = email()


class BookingBody(Strict):
    """One booking; its texts are shown as they were sent."""

    amount = MoneyField(least=1, required=True)
    value_date = day(required=True)
    operation = text(100)
    purpose = text(500)
    counterparty_bank = text(100)
    counterparty_account = text(100)


class DirectedBookingBody(BookingBody):
    """One booking of many, with its direction."""

    direction = fields.String(required=True, validate=DIRECTION)


class BookingsBody(Strict):
    """Bookings that are taken together or not at all, in their order."""

    bookings = fields.List(
        fields.Nested(DirectedBookingBody),
        required=True,
        validate=validate.Length(1, MOST_BOOKINGS),
    )


class AccountChanged(Shown):
    """A command's answer: the version that it made."""

    account_id = key(required=True)
    version = fields.Integer(required=True)


class AccountShown(Shown):
    """An account as it stands at *version*."""

    account_id = key(required=True)
    owner = fields.String(required=True)
    kind = fields.String(required=True, validate=KIND)
    currency = currency_field(required=True)
    status = fields.String(required=True, validate=STATUS)
    balance = MoneyField(required=True)
    credit_limit = MoneyField(required=True)
    statements = fields.Integer(required=True)
    version = fields.Integer(required=True)


class AccountList(Shown):
    """A page of the ranking."""

    items = fields.List(fields.Nested(AccountShown), required=True)
    next = fields.String(required=True, allow_none=True)
    total = fields.Integer(required=True)


class AccountQuery(Strict):
    """The parameters of the balance document."""

    min_version = min_version()


class FilteredByAccount(Pages):
    """Lists in which `minVersion` is the version of the account that `account` names."""

    account = key()
    min_version = min_version()

    @validates_schema
    def names_the_account(self, data: Mapping[str, Any], **_: Any) -> None:
        if "min_version" in data and "account" not in data:
            needed = "is needed with minVersion, which is a version of this account"
            raise ValidationError({"account": [needed]})


class RankingQuery(FilteredByAccount):
    """Which accounts to rank, and from which end."""

    sort = fields.String(validate=validate.OneOf(("-balance", "balance")), load_default="-balance")
    currency = currency_field()
    status = fields.String(validate=STATUS)


def open_command(body: Mapping[str, Any]) -> Open:
    """The opening; its credit limit must be in the account's currency."""
    currency, limit = body["currency"], body.get("credit_limit")
    if limit is not None and limit.currency != currency:
        at = {"pointer": "/creditLimit/currency", "detail": f"must be {currency}"}
        raise Problem("currency-mismatch", errors=[at], currency=currency)
    minor = 0 if limit is None else limit.minor
    return Open(body["owner"], currency, body["kind"], minor, body.get("email"))


def booking(body: Mapping[str, Any]) -> Booking:
    """A booking from its loaded body."""
    amount = body["amount"]
    return Booking(**{**body, "amount": amount.minor, "currency": amount.currency})


def book(body: Mapping[str, Any]) -> Book:
    """Many bookings, all or nothing."""
    return Book(tuple(map(booking, body["bookings"])))


def credit(body: Mapping[str, Any]) -> Book:
    """One booking that adds to the balance."""
    return Book((booking({**body, "direction": "credit"}),))


def debit(body: Mapping[str, Any]) -> Book:
    """One booking that takes from the balance."""
    return Book((booking({**body, "direction": "debit"}),))


def show(call: Call) -> Answer:
    """The balance document."""
    return document(call, "balances", account, AccountShown())


def rank(call: Call) -> Answer:
    """Accounts by balance, currency by currency: balances compare only within one."""
    query = call.query
    if "account" in query:
        wait_until_fresh(call, "ranking", account, query["account"])
    names = {"currency": "currency", "status": "status", "account": "accountId"}
    return found(
        call,
        "ranking",
        [{"term": {names[name]: query[name]}} for name in names if name in query],
        sorting(query["sort"], first=("currency",)),
        AccountShown(),
    )


missing = ("account-missing",)
not_bookable = ("account-missing", "account-frozen", "account-closed")
bookable = (
    *not_bookable,
    "currency-mismatch",
    "insufficient-funds",
    "balance-out-of-range",
)

routes: tuple[Route, ...] = (
    opening_route(
        account,
        "/accounts",
        Takes(
            "Open an account",
            OpenBody(),
            open_command,
            ("account-exists", "currency-mismatch"),
        ),
        AccountChanged(),
    ),
    *command_routes(
        account,
        "/accounts",
        AccountChanged(),
        {
            "credits": Takes("Credit an account", BookingBody(), credit, bookable),
            "debits": Takes("Debit an account", BookingBody(), debit, bookable),
            "bookings": Takes(
                "Book up to 500 credits and debits, all or nothing",
                BookingsBody(),
                book,
                bookable,
            ),
            "freeze": Takes("Freeze an account", NoFields(), lambda _: Freeze(), not_bookable),
            "unfreeze": Takes(
                "Unfreeze an account",
                NoFields(),
                lambda _: Unfreeze(),
                ("account-missing", "account-closed", "account-not-frozen"),
            ),
            "close": Takes(
                "Close an account whose balance is zero",
                NoFields(),
                lambda _: Close(),
                (*not_bookable, "account-not-empty"),
            ),
        },
    ),
    Route(
        "GET",
        "/accounts/{id}",
        "show_account",
        "An account's balance document",
        show,
        AccountShown(),
        scope="queries",
        gives=("ETag",),
        aggregate=account,
        query=AccountQuery(),
        heeds=(IF_NONE_MATCH,),
        problems=(*missing, *FRESHNESS),
    ),
    Route(
        "GET",
        "/accounts",
        "rank_accounts",
        "Accounts ranked by balance within each currency",
        rank,
        AccountList(),
        scope="queries",
        query=RankingQuery(),
        problems=(*missing, "bad-cursor", *FRESHNESS),
    ),
)
