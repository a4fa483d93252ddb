"""An account's postings over HTTP, with the balance after each."""

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, validates_schema

from chalicelib.bank.ledger.amounts import amount, amounts
from chalicelib.bank.ledger.domain import ledger
from chalicelib.bank.ledger.http.fields import Amount, account_field, entry_field
from chalicelib.bank.ledger.http.freshness import Fresh, reported
from chalicelib.bank.ledger.service import (
    POSTINGS,
    SHEET_ORDER,
    TRIAL_BALANCE,
    Sheet,
    SheetPage,
    ledgers_of,
)
from chalicelib.bank.money import LARGEST_AMOUNT
from chalicelib.leftfold.http.cursors import after_of, cursor, sorted_by, whole
from chalicelib.leftfold.http.fields import Pages, Shown, day, is_day
from chalicelib.leftfold.http.problems import Problem
from chalicelib.leftfold.http.queries import FRESHNESS
from chalicelib.leftfold.http.routes import Answer, Call, Route
from chalicelib.leftfold.kernel.commit import canonical

# Characters of balances in a cursor, which has to fit a URL: those of some 50 commodities.
# The cursor of an account with more balances has the day of the page's last line instead.
MOST_CARRIED = 1_000
# No balance is larger in minor units: 10 to the 15 postings of the largest amount.
LARGEST_SUM = 10**15 * LARGEST_AMOUNT


class SheetQuery(Pages, Fresh):
    """Which account, from which day to which; both in one year, as the balances of income
    and expenses begin anew in each.
    """

    account = account_field(required=True)
    from_ = day(required=True)
    to = day(required=True)

    @validates_schema
    def lies_in_one_year(self, data: Mapping[str, Any], **_: Any) -> None:
        if data["from_"][:4] != data["to"][:4]:
            raise ValidationError({"to": ["must be in the same year as from"]})


class SheetLine(Shown):
    """A posting on an account, with the account's balance after it in this currency."""

    entry_id = entry_field(required=True)
    index = fields.Integer(required=True)
    date = day(required=True)
    posted_at = fields.String(required=True, metadata={"format": "date-time"})
    narration = fields.String(required=True)
    payee = fields.String(required=True, allow_none=True)
    reverses = entry_field(required=True, allow_none=True)
    amount = fields.Nested(Amount, required=True)
    balance = fields.Nested(Amount, required=True)


class AccountSheet(Shown):
    """A page of an account's postings by date; *opening* are its balances before *from*."""

    opening = fields.List(fields.Nested(Amount), required=True)
    items = fields.List(fields.Nested(SheetLine), required=True)
    next = fields.String(required=True, allow_none=True)
    total = fields.Integer(required=True)


def account_sheet(call: Call) -> Answer:
    """The postings of one account, by date, with the balance after each."""
    query, state = call.query, reported(call, TRIAL_BALANCE, POSTINGS)
    sheet, commodities = Sheet(query["account"], query["from_"], query["to"]), state.commodities
    if sheet.account not in state.accounts:
        detail = "is not in the chart of accounts"
        raise Problem("invalid-query", errors=[{"parameter": "account", "detail": detail}])
    by = sorted_by(call.services.views[POSTINGS], SHEET_ORDER)
    after = after_of(call, *by, lambda carried: is_carried(carried, sheet))
    page = ledgers_of(call.services).account_sheet(
        call.stream(ledger), state, sheet, after, query["limit"]
    )
    items = [
        {
            **row,
            "amount": amount(row["amount"], row["currency"], commodities),
            "balance": amount(balance, row["currency"], commodities),
        }
        for row, balance in page.lines
    ]
    return Answer(
        {
            "opening": amounts(page.opening, commodities),
            "items": SheetLine().dump(items, many=True),
            "next": cursor(call, [*page.sorts[-1], carried_by(page)]) if page.more else None,
            "total": page.total,
        }
    )


def carried_by(page: SheetPage) -> dict[str, int] | str:
    """The balances after a page or, if they are too many for a cursor, the page's last day."""
    if len(canonical(page.closing)) <= MOST_CARRIED:
        return page.closing
    last, _ = page.lines[-1]
    last_day: str = last["date"]
    return last_day


def is_carried(carried: Any, sheet: Sheet) -> bool:
    """Whether a cursor of the sheet can carry this: balances by currency, or one of its days."""
    if isinstance(carried, str):
        return is_day(carried) and sheet.first <= carried <= sheet.last
    return isinstance(carried, dict) and all(
        map(whole(-LARGEST_SUM, LARGEST_SUM), carried.values())
    )


routes: tuple[Route, ...] = (
    Route(
        "GET",
        "/ledgers/{id}/postings",
        "show_account_sheet",
        "An account's postings within a year, with the balance after each",
        account_sheet,
        AccountSheet(),
        scope="queries",
        aggregate=ledger,
        query=SheetQuery(),
        problems=("ledger-missing", "entry-missing", *FRESHNESS, "bad-cursor"),
    ),
)
