"""The totals over HTTP: how much the bank owes in each currency."""

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, validates_schema

from chalicelib.bank.account.domain import account
from chalicelib.bank.account.views import total_key
from chalicelib.bank.http.fields import CURRENCIES, MoneyField, currency_field
from chalicelib.leftfold.http.fields import Shown, Strict, key, min_version
from chalicelib.leftfold.http.queries import FRESHNESS, wait_until_fresh
from chalicelib.leftfold.http.routes import Answer, Call, Route


class TotalsQuery(Strict):
    """Which total, and the account's version that it must include."""

    currency = currency_field()
    account = key()
    min_version = min_version()

    @validates_schema
    def account_and_version_go_together(self, data: Mapping[str, Any], **_: Any) -> None:
        for given, needed in (("account", "min_version"), ("min_version", "account")):
            if given in data and needed not in data:
                name = self.fields[needed].data_key
                raise ValidationError({name: ["account and minVersion go together"]})


class LastMoved(Shown):
    """The commit that changed a total last."""

    account_id = key(required=True)
    version = fields.Integer(required=True)


class TotalShown(Shown):
    """How much the bank owes in one currency."""

    currency = currency_field(required=True)
    accounts = fields.Integer(required=True)
    bookings = fields.Integer(required=True)
    credits = MoneyField(required=True)
    debits = MoneyField(required=True)
    balance = MoneyField(required=True)
    last = fields.Nested(LastMoved, required=True)


class TotalList(Shown):
    """The totals, all on one page."""

    items = fields.List(fields.Nested(TotalShown), required=True)
    next = fields.String(required=True, allow_none=True)


def totals(call: Call) -> Answer:
    """A total for each currency in which there is an account, in the order of their codes."""
    if "account" in call.query:
        wait_until_fresh(call, "totals", account, call.query["account"])
    # There are few currencies, so the row of each is loaded by its key.
    asked = [call.query["currency"]] if "currency" in call.query else CURRENCIES
    keys = [total_key(call.tenant, code) for code in asked]
    stored = call.services.rows("totals").load(keys)
    found = (stored[key].row for key in keys if key in stored)
    rows = [row for row in found if row is not None]
    return Answer({"items": TotalShown().dump(rows, many=True), "next": None})


routes: tuple[Route, ...] = (
    Route(
        "GET",
        "/totals",
        "show_totals",
        "Accounts, bookings and balances of each currency",
        totals,
        TotalList(),
        scope="queries",
        query=TotalsQuery(),
        problems=("account-missing", *FRESHNESS),
    ),
)
