"""Ledgers over HTTP: opened, their chart of accounts, and the document with both."""

from collections.abc import Mapping
from typing import Any, get_args

from marshmallow import fields, validate

from chalicelib.bank.ledger.amounts import amounts
from chalicelib.bank.ledger.domain import (
    COMMODITY_DIGITS,
    MOST_JOURNALS,
    USUAL_JOURNALS,
    ExtendChart,
    LedgerAccount,
    OpenLedger,
    Type,
    ledger,
)
from chalicelib.bank.ledger.http.fields import (
    LedgerChanged,
    account_field,
    commodity_field,
    year_field,
)
from chalicelib.bank.ledger.http.years import YearShown
from chalicelib.bank.ledger.journal import LONGEST_LEDGER_KEY
from chalicelib.leftfold.http.commands import Takes, command_routes, opening_route
from chalicelib.leftfold.http.fields import (
    Fullmatch,
    Shown,
    Strict,
    WholeNumber,
    key,
    min_version,
    text,
)
from chalicelib.leftfold.http.headers import IF_NONE_MATCH
from chalicelib.leftfold.http.queries import FRESHNESS, document
from chalicelib.leftfold.http.routes import Answer, Call, Route
from chalicelib.leftfold.kernel import Row

MOST_ACCOUNTS = 500
MOST_COMMODITIES = 200
TYPE = validate.OneOf(get_args(Type))


class OpenLedgerBody(Strict):
    """The opening of a ledger; without a ledgerId, the server chooses one."""

    ledger_id = fields.String(
        validate=Fullmatch(
            rf"^[A-Za-z0-9-]{{1,{LONGEST_LEDGER_KEY}}}$",
            reason=f"must be 1 to {LONGEST_LEDGER_KEY} letters, digits and hyphens",
        )
    )
    name = text(200, required=True)
    first_year = year_field(required=True)
    retained_earnings = account_field(required=True)
    journals = WholeNumber(1, MOST_JOURNALS, load_default=USUAL_JOURNALS)


class AccountBody(Strict):
    """An account of the chart, and the currencies and commodities that may be booked on it."""

    code = account_field(required=True)
    type = fields.String(required=True, validate=TYPE)
    name = text(100)
    currencies = fields.List(
        commodity_field(), required=True, validate=validate.Length(1, MOST_COMMODITIES)
    )


class CommodityBody(Strict):
    """A commodity that is not of ISO 4217: its code and its number of decimals."""

    code = commodity_field(required=True)
    digits = WholeNumber(0, COMMODITY_DIGITS, required=True)


class AccountsBody(Strict):
    """More accounts, more currencies for those that are there, more commodities."""

    accounts = fields.List(
        fields.Nested(AccountBody), required=True, validate=validate.Length(0, MOST_ACCOUNTS)
    )
    commodities = fields.List(
        fields.Nested(CommodityBody), validate=validate.Length(0, MOST_COMMODITIES), load_default=()
    )


class AccountInChart(Shown):
    """An account of the chart. On retained earnings, all other accounts' currencies may be
    booked.
    """

    code = account_field(required=True)
    type = fields.String(required=True, validate=TYPE)
    name = fields.String(required=True, allow_none=True)
    currencies = fields.List(commodity_field(), required=True)


class LedgerDocument(Shown):
    """A ledger as it stands at *version*."""

    ledger_id = key(required=True)
    name = fields.String(required=True)
    first_year = fields.Integer(required=True)
    retained_earnings = account_field(required=True)
    journals = fields.Integer(required=True)
    accounts = fields.List(fields.Nested(AccountInChart), required=True)
    commodities = fields.List(fields.Nested(CommodityBody), required=True)
    years = fields.List(fields.Nested(YearShown), required=True)
    version = fields.Integer(required=True)


class LedgerQuery(Strict):
    """The parameters of a ledger's document."""

    min_version = min_version()


def open_command(body: Mapping[str, Any]) -> OpenLedger:
    """The opening, with its first year open."""
    names = ("name", "first_year", "retained_earnings", "journals")
    return OpenLedger(**{name: body[name] for name in names})


def extend_command(body: Mapping[str, Any]) -> ExtendChart:
    """The chart's extension; a currency that is named twice counts once."""
    accounts = tuple(
        LedgerAccount(
            account["code"],
            account["type"],
            tuple(dict.fromkeys(account["currencies"])),
            account.get("name"),
        )
        for account in body["accounts"]
    )
    digits = {commodity["code"]: commodity["digits"] for commodity in body["commodities"]}
    return ExtendChart(accounts, digits)


def ledger_shown(row: Row) -> Row:
    """The ledger's document of its row."""
    commodities = row["commodities"]
    return {
        **row,
        "accounts": [
            {"code": code, **account} for code, account in sorted(row["accounts"].items())
        ],
        "commodities": [{"code": c, "digits": d} for c, d in sorted(commodities.items())],
        "years": [
            {
                "year": year["year"],
                "state": year["state"],
                "journalsClosed": year["gathered"],
                "profit": amounts(year["profit"], commodities),
            }
            for year in row["years"]
        ],
    }


def show(call: Call) -> Answer:
    """The chart and the years."""
    return document(call, "ledgers", ledger, LedgerDocument(), ledger_shown)


missing = ("ledger-missing",)

routes: tuple[Route, ...] = (
    opening_route(
        ledger,
        "/ledgers",
        Takes("Open a ledger", OpenLedgerBody(), open_command, ("ledger-exists",)),
        LedgerChanged(),
    ),
    *command_routes(
        ledger,
        "/ledgers",
        LedgerChanged(),
        {
            "accounts": Takes(
                "Extend the chart of accounts",
                AccountsBody(),
                extend_command,
                (
                    *missing,
                    "account-type-differs",
                    "commodity-differs",
                    "unknown-commodity",
                    "chart-full",
                ),
            ),
        },
    ),
    Route(
        "GET",
        "/ledgers/{id}",
        "show_ledger",
        "A ledger's chart of accounts and its years",
        show,
        LedgerDocument(),
        scope="queries",
        gives=("ETag",),
        aggregate=ledger,
        query=LedgerQuery(),
        heeds=(IF_NONE_MATCH,),
        problems=(*missing, *FRESHNESS),
    ),
)
