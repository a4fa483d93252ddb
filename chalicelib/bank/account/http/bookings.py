"""The search over all bookings: words, account, dates and amounts."""

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from chalicelib.bank.account.domain import account
from chalicelib.bank.account.http.accounts import DIRECTION, FilteredByAccount
from chalicelib.bank.http.fields import MoneyField, currency_field
from chalicelib.bank.money import Money
from chalicelib.leftfold.http.fields import Fullmatch, Shown, day, key, text
from chalicelib.leftfold.http.queries import FRESHNESS, found, sorting, wait_until_fresh
from chalicelib.leftfold.http.routes import Answer, Call, Route

SORTS = ("-valueDate", "valueDate", "-amount", "amount")
DECIMAL = Fullmatch(r"^-?[0-9]{1,15}(\.[0-9]{1,3})?$", reason="must be a plain decimal")
SEARCHED = ["operation", "purpose", "counterpartyBank", "counterpartyAccount"]


class BookingsQuery(FilteredByAccount):
    """Which bookings to find; all conditions must hold, bounds included."""

    q = text(200)
    from_ = day()
    to = day()
    currency = currency_field()
    min = fields.String(validate=DECIMAL)
    max = fields.String(validate=DECIMAL)
    sort = fields.String(validate=validate.OneOf(SORTS), load_default="-valueDate")

    @validates_schema
    def amounts_are_money(self, data: Mapping[str, Any], **_: Any) -> None:
        """An amount needs a currency, and no more decimals than the currency has."""
        for name in ("min", "max"):
            if name in data and "currency" not in data:
                raise ValidationError({"currency": [f"is needed with {name}"]})
            if name in data:
                try:
                    Money.parse(data[name], data["currency"])
                except ValueError as error:
                    raise ValidationError({name: [str(error)]}) from error


class BookingShown(Shown):
    """A booking, with its account and the version and index of its event."""

    account_id = key(required=True)
    version = fields.Integer(required=True)
    index = fields.Integer(required=True)
    booked_at = fields.String(required=True, metadata={"format": "date-time"})
    direction = fields.String(required=True, validate=DIRECTION)
    amount = MoneyField(required=True)
    value_date = day(required=True)
    operation = fields.String(required=True, allow_none=True)
    purpose = fields.String(required=True, allow_none=True)
    counterparty_bank = fields.String(required=True, allow_none=True)
    counterparty_account = fields.String(required=True, allow_none=True)


class BookingList(Shown):
    """A page of the search."""

    items = fields.List(fields.Nested(BookingShown), required=True)
    next = fields.String(required=True, allow_none=True)
    total = fields.Integer(required=True)


def search(call: Call) -> Answer:
    """The bookings that meet every condition given."""
    query = call.query
    if "account" in query:
        wait_until_fresh(call, "bookings", account, query["account"])
    return found(
        call,
        "bookings",
        conditions(query),
        sorting(
            query["sort"],
            # Amounts compare only within a currency.
            first=("currency",) if query["sort"].endswith("amount") else (),
            then=("accountId", "version", "index"),
        ),
        BookingShown(),
    )


def conditions(query: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A filter of OpenSearch for each parameter that was given."""
    made: list[Mapping[str, Any]] = []
    if "account" in query:
        made.append({"term": {"accountId": query["account"]}})
    if "currency" in query:
        made.append({"term": {"currency": query["currency"]}})
    if "q" in query:
        # Every word must be there, no matter in which of the fields.
        words = {"query": query["q"], "type": "cross_fields", "operator": "and"}
        made.append({"multi_match": {**words, "fields": SEARCHED}})
    days = {"gte": query.get("from_"), "lte": query.get("to")}
    amounts = {"gte": minor(query, "min"), "lte": minor(query, "max")}
    for field, bounds in (("valueDate", days), ("amount", amounts)):
        given = {name: bound for name, bound in bounds.items() if bound is not None}
        if given:
            made.append({"range": {field: given}})
    return made


def minor(query: Mapping[str, Any], name: str) -> int | None:
    """An amount of the query in minor units, if it is given."""
    return Money.parse(query[name], query["currency"]).minor if name in query else None


routes: tuple[Route, ...] = (
    Route(
        "GET",
        "/bookings",
        "search_bookings",
        "Bookings by words, account, dates and amounts",
        search,
        BookingList(),
        scope="queries",
        query=BookingsQuery(),
        problems=("account-missing", "bad-cursor", *FRESHNESS),
    ),
)
