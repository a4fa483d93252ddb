"""What a ledger reports: trial balance, balance sheet, income statement, account sheet.

An entry is in exactly one day and one month of the view `trial_balance`, and a report
reads either of them: so it has an entry whole or not at all, and balances at any moment.
"""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from marshmallow import ValidationError, fields, validates_schema

from chalicelib.bank.amounts import Amount, amount, amounts, by_account
from chalicelib.bank.ledger.balances import Balances, Change, changes_of, plus, sums
from chalicelib.bank.ledger.domain import MOST_OPEN_YEARS, OF_A_YEAR, Ledger, ledger
from chalicelib.bank.ledger.http.ledgers import YEARS, account_field, entry_field
from chalicelib.bank.ledger.journal import journal, journal_key
from chalicelib.bank.ledger.views import day_key, month_key, opening_key
from chalicelib.bank.money import LARGEST_AMOUNT
from chalicelib.leftfold.http.cursors import after_of, cursor, sorted_by, whole
from chalicelib.leftfold.http.fields import (
    Pages,
    Shown,
    Strict,
    Whole,
    day,
    is_day,
    key,
    min_version,
)
from chalicelib.leftfold.http.problems import Problem
from chalicelib.leftfold.http.queries import FRESHNESS, wait_until_fresh
from chalicelib.leftfold.http.routes import Answer, Call, Route
from chalicelib.leftfold.kernel import Row
from chalicelib.leftfold.kernel.commit import canonical

if TYPE_CHECKING:
    from chalicelib.leftfold.projection.search import SearchRows

TRIAL, POSTINGS = "trial_balance", "postings"
MONTHS = range(1, 13)
# Characters of balances in a cursor, which has to fit a URL: those of some 50 commodities.
# An account in more has the postings of a page's last day read again, this many at once.
MOST_CARRIED, READ_AT_ONCE = 1_000, 500
# No balance is larger in minor units: 10 to the 15 postings of the largest amount.
LARGEST_SUM = 10**15 * LARGEST_AMOUNT


class Fresh(Strict):
    """What a report must have seen: the ledger's version, or one entry."""

    min_version = min_version()
    min_entry = entry_field()


class AsOfQuery(Fresh):
    """The last day to be counted; today if it is left out."""

    as_of = day()


class YearQuery(Fresh):
    """Which year to report."""

    year = Whole(*YEARS, required=True)


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


class TrialLine(Shown):
    """An account in one currency: *opening* is its balance when the year began (the oldest
    one that is not closed before), *balance* that after all debits and credits since.
    """

    account = account_field(required=True)
    type = fields.String(required=True)
    name = fields.String(required=True, allow_none=True)
    opening = fields.Nested(Amount, required=True)
    debits = fields.Nested(Amount, required=True)
    credits = fields.Nested(Amount, required=True)
    balance = fields.Nested(Amount, required=True)


class TrialBalance(Shown):
    """All accounts with a balance or a movement since *since*; debits are above zero. The
    balances add up to zero in each currency: *differences* lists those in which they don't.
    """

    ledger_id = key(required=True)
    since = day(required=True)
    as_of = day(required=True)
    items = fields.List(fields.Nested(TrialLine), required=True)
    differences = fields.List(fields.Nested(Amount), required=True)


class Line(Shown):
    """An account's amount, above zero on the usual side of its type."""

    account = account_field(required=True)
    name = fields.String(required=True, allow_none=True)
    amount = fields.Nested(Amount, required=True)


class IncomeStatement(Shown):
    """What a year earned and spent; *profit* is income less expenses."""

    ledger_id = key(required=True)
    year = fields.Integer(required=True)
    income = fields.List(fields.Nested(Line), required=True)
    expenses = fields.List(fields.Nested(Line), required=True)
    profit = fields.List(fields.Nested(Amount), required=True)


class BalanceSheet(Shown):
    """Assets = liabilities + equity, the *profit* that is not closed yet counted as equity."""

    ledger_id = key(required=True)
    as_of = day(required=True)
    assets = fields.List(fields.Nested(Line), required=True)
    liabilities = fields.List(fields.Nested(Line), required=True)
    equity = fields.List(fields.Nested(Line), required=True)
    profit = fields.List(fields.Nested(Amount), required=True)
    total_assets = fields.List(fields.Nested(Amount), required=True)
    total_liabilities_and_equity = fields.List(fields.Nested(Amount), required=True)


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


class Movement(NamedTuple):
    """A ledger's year up to a day: the balances it began with on *since*, and the debits and
    credits by account and currency from then on.
    """

    since: str
    opening: Balances
    moves: dict[str, dict[str, tuple[int, int]]]

    @property
    def balances(self) -> Balances:
        return plus(self.opening, self.changes())

    def changes(self) -> Iterator[Change]:
        for account, held in self.moves.items():
            for currency, (debits, credits_) in held.items():
                yield account, debits - credits_, currency


def trial_balance(call: Call) -> Answer:
    """Every account's opening, debits, credits and balance."""
    state, as_of = reported(call, TRIAL), day_asked(call)
    moved = moved_until(call, state, int(as_of[:4]), as_of)
    balances, commodities = moved.balances, state.commodities
    keys = sorted(
        {(a, c) for a, c, _ in by_account(moved.opening)}
        | {(account, currency) for account, _, currency in moved.changes()}
    )

    def line(account: str, currency: str) -> Row:
        debits, credits_ = moved.moves.get(account, {}).get(currency, (0, 0))
        shown = {
            "opening": moved.opening.get(account, {}).get(currency, 0),
            "debits": debits,
            "credits": credits_,
            "balance": balances.get(account, {}).get(currency, 0),
        }
        return {
            **named(state, account),
            "type": state.accounts[account].type,
            **{name: amount(minor, currency, commodities) for name, minor in shown.items()},
        }

    return Answer(
        {
            "ledgerId": call.key,
            "since": moved.since,
            "asOf": as_of,
            "items": [line(account, currency) for account, currency in keys],
            "differences": amounts(sums(changes_of(balances)), commodities),
        }
    )


def balance_sheet(call: Call) -> Answer:
    """What is owned, and whose it is."""
    state, as_of = reported(call, TRIAL), day_asked(call)
    balances = moved_until(call, state, int(as_of[:4]), as_of).balances
    commodities = state.commodities
    assets = of_types(state, balances, "asset")
    theirs = of_types(state, balances, "liability", "equity", *OF_A_YEAR)
    return Answer(
        {
            "ledgerId": call.key,
            "asOf": as_of,
            "assets": lines(state, assets, 1),
            "liabilities": lines(state, of_types(state, balances, "liability"), -1),
            "equity": lines(state, of_types(state, balances, "equity"), -1),
            "profit": totals(of_types(state, balances, *OF_A_YEAR), -1, commodities),
            "totalAssets": totals(assets, 1, commodities),
            "totalLiabilitiesAndEquity": totals(theirs, -1, commodities),
        }
    )


def income_statement(call: Call) -> Answer:
    """What the year's own entries earned, whether it is closed or not."""
    state, year = reported(call, TRIAL), call.query["year"]
    moves = moved_in(call, [month_key(call_stream(call), f"{year:04}-{m:02}") for m in MONTHS])
    earned = of_types(state, Movement("", {}, moves).balances, *OF_A_YEAR)
    return Answer(
        {
            "ledgerId": call.key,
            "year": year,
            "income": lines(state, of_types(state, earned, "income"), -1),
            "expenses": lines(state, of_types(state, earned, "expense"), 1),
            "profit": totals(earned, -1, state.commodities),
        }
    )


def account_sheet(call: Call) -> Answer:
    """The postings of one account, by date, with the balance after each."""
    query, state = call.query, reported(call, TRIAL, POSTINGS)
    account, commodities = query["account"], state.commodities
    if account not in state.accounts:
        detail = "is not in the chart of accounts"
        raise Problem("invalid-query", errors=[{"parameter": "account", "detail": detail}])
    opening = balances_before(call, state, query["from_"]).get(account, {})
    filters = [
        {"term": {"ledgerId": call.key}},
        {"term": {"account": account}},
        {"range": {"date": {"gte": query["from_"], "lte": query["to"]}}},
    ]
    condition = {"bool": {"filter": filters}}
    sort = [{name: "asc"} for name in ("date", "postedAt", "journal", "version", "index")]
    by = sorted_by(call.services.views[POSTINGS], sort)
    after = after_of(call, *by, lambda ends: is_end(ends, query["from_"], query["to"]))
    rows = cast("SearchRows", call.services.rows(POSTINGS))
    running = dict(opening)
    if after is not None:
        # The place of a later page ends with the balances that it begins with, or its day.
        carried = after.pop()
        if isinstance(carried, str):
            day = {"bool": {"filter": [*filters, {"term": {"date": carried}}]}}
            running = dict(balances_before(call, state, carried).get(account, {}))
            add_until(after, running, rows, day, sort)
        else:
            running = dict(carried)
    limit = query["limit"]
    hits = rows.find(condition, sort, after, limit + 1)
    items = []
    for hit in hits.rows[:limit]:
        currency = hit["currency"]
        running[currency] = running.get(currency, 0) + hit["amount"]
        shown = {
            **hit,
            "amount": amount(hit["amount"], currency, commodities),
            "balance": amount(running[currency], currency, commodities),
        }
        items.append(SheetLine().dump(shown))
    following = None
    if len(hits.rows) > limit:
        small = len(canonical(running)) <= MOST_CARRIED
        ends = running if small else hits.rows[limit - 1]["date"]
        following = cursor(call, [*hits.sorts[limit - 1], ends])
    return Answer(
        {
            "opening": amounts(opening, commodities),
            "items": items,
            "next": following,
            "total": hits.total,
        }
    )


def is_end(ends: Any, first: str, last: str) -> bool:
    """Whether a page can end with *ends*: balances by currency, or a day that was asked for."""
    if isinstance(ends, str):
        return is_day(ends) and first <= ends <= last
    return isinstance(ends, dict) and all(map(whole(-LARGEST_SUM, LARGEST_SUM), ends.values()))


def add_until(
    place: list[Any], running: dict[str, int], rows: "SearchRows", condition: Row, sort: list[Row]
) -> None:
    """Adds the postings that pass *condition*, the one at *place* being the last, to *running*."""
    after: list[Any] | None = None
    while True:
        hits = rows.find(condition, sort, after, READ_AT_ONCE)
        if not hits.rows:
            return
        for hit, after in zip(hits.rows, hits.sorts, strict=True):
            running[hit["currency"]] = running.get(hit["currency"], 0) + hit["amount"]
            if after == place:
                return


def reported(call: Call, *views: str) -> Ledger:
    """The ledger itself, once *views* show what the query asks for.

    It is read after them and from its stream: no row has an account that it does not have.
    """
    wanted = call.query.get("min_entry")
    for view in views:
        wait_until_fresh(call, view, ledger, call.key)
        if wanted is not None:
            number, version = map(int, wanted.split("-"))
            stream = journal.stream(journal_key(call.key, number))
            if not call.services.events.range(stream, version, version):
                raise Problem("entry-missing")
            call.services.freshness.wait(call.services.views[view], stream, version)
    state: Ledger = call.services.states.newest(ledger, call_stream(call)).state
    if state.status == "missing":
        raise Problem("ledger-missing")
    return state


def call_stream(call: Call) -> str:
    """The aggregate id of the ledger that is asked for."""
    return ledger.stream(call.key)


def day_asked(call: Call) -> str:
    """The query's asOf, or today."""
    today: str = call.services.clock().date().isoformat()
    asked: str = call.query.get("as_of", today)
    return asked


def balances_before(call: Call, state: Ledger, day: str) -> Balances:
    """The balances with which a day begins; on the first of a year, its opening ones."""
    year = int(day[:4])
    if year < state.first_year:
        return {}
    before = date.fromisoformat(day) - timedelta(days=1)
    return moved_until(call, state, year, before.isoformat()).balances


def moved_until(call: Call, state: Ledger, year: int, last: str) -> Movement:
    """From the newest opening balances that *year* can begin with, through the day *last*.

    A year that is not closed has none after it: then the year before it counts, too. No
    entry is of a day after the last open year.
    """
    last = min(last, f"{state.open_years[-1]:04}-12-31")
    stream, newest = call_stream(call), min(year, state.open_years[-1])
    years = range(newest, max(state.first_year, newest - MOST_OPEN_YEARS - 1), -1)
    openings = {began: opening_key(stream, began) for began in years}
    held = call.services.rows(TRIAL).load(openings.values())
    for began, opening in openings.items():
        stored = held.get(opening)
        if stored is not None and stored.row is not None:
            return moved_since(call, began, last, stored.row)
    return moved_since(call, state.first_year, last, {})


def moved_since(call: Call, began: int, last: str, opening: Balances) -> Movement:
    """The moves of whole months, and of the days of the last one."""
    stream, end = call_stream(call), date.fromisoformat(last)
    months = [
        month_key(stream, f"{year:04}-{month:02}")
        for year in range(began, end.year + 1)
        for month in MONTHS
        if (year, month) < (end.year, end.month)
    ]
    days = [
        day_key(stream, end.replace(day=number).isoformat())
        for number in range(1, end.day + 1)
        if began <= end.year
    ]
    return Movement(f"{began:04}-01-01", opening, moved_in(call, [*months, *days]))


def moved_in(call: Call, keys: list[str]) -> dict[str, dict[str, tuple[int, int]]]:
    """Debits and credits by account and currency, over the rows *keys*."""
    moves: dict[str, dict[str, tuple[int, int]]] = {}
    for stored in call.services.rows(TRIAL).load(keys).values():
        for account, held in (stored.row or {}).items():
            sums_ = moves.setdefault(account, {})
            for currency, (debits, credits_) in held.items():
                before = sums_.get(currency, (0, 0))
                sums_[currency] = (before[0] + debits, before[1] + credits_)
    return moves


def of_types(state: Ledger, balances: Balances, *types: str) -> Balances:
    """The balances of accounts of these types."""
    return {a: held for a, held in balances.items() if state.accounts[a].type in types}


def named(state: Ledger, account: str) -> Row:
    """An account's code and name."""
    return {"account": account, "name": state.accounts[account].name}


def lines(state: Ledger, balances: Balances, sign: int) -> list[Row]:
    """A line for each account and currency."""
    return [
        {**named(state, account), "amount": amount(sign * minor, currency, state.commodities)}
        for account, currency, minor in by_account(balances)
    ]


def totals(balances: Balances, sign: int, commodities: Mapping[str, int]) -> list[Row]:
    """What balances add up to, by currency; a currency that adds up to zero is left out."""
    added = sums(changes_of(balances))
    return amounts({c: sign * minor for c, minor in added.items()}, commodities)


problems = ("ledger-missing", "entry-missing", *FRESHNESS)

routes: tuple[Route, ...] = (
    Route(
        "GET",
        "/ledgers/{id}/trial-balance",
        "show_trial_balance",
        "Every account's balance on a day",
        trial_balance,
        TrialBalance(),
        aggregate=ledger,
        query=AsOfQuery(),
        problems=problems,
    ),
    Route(
        "GET",
        "/ledgers/{id}/balance-sheet",
        "show_balance_sheet",
        "Assets, liabilities and equity on a day",
        balance_sheet,
        BalanceSheet(),
        aggregate=ledger,
        query=AsOfQuery(),
        problems=problems,
    ),
    Route(
        "GET",
        "/ledgers/{id}/income-statement",
        "show_income_statement",
        "Income and expenses of a year",
        income_statement,
        IncomeStatement(),
        aggregate=ledger,
        query=YearQuery(),
        problems=problems,
    ),
    Route(
        "GET",
        "/ledgers/{id}/postings",
        "show_account_sheet",
        "An account's postings within a year, with the balance after each",
        account_sheet,
        AccountSheet(),
        aggregate=ledger,
        query=SheetQuery(),
        problems=(*problems, "bad-cursor"),
    ),
)
