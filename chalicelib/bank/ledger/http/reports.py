"""Reports of a ledger over HTTP: trial balance, balance sheet, income statement."""

from collections.abc import Mapping

from marshmallow import fields

from chalicelib.bank.ledger.amounts import amount, amounts, by_account
from chalicelib.bank.ledger.balances import Balances, changes_of, sums
from chalicelib.bank.ledger.domain import Ledger, ledger
from chalicelib.bank.ledger.http.fields import YEARS, Amount, account_field
from chalicelib.bank.ledger.http.freshness import Fresh, reported
from chalicelib.bank.ledger.reports import Movement, TrialLine, of_types
from chalicelib.bank.ledger.reports import balance_sheet as balance_sheet_of
from chalicelib.bank.ledger.service import TRIAL_BALANCE, ledgers_of
from chalicelib.leftfold.http.fields import Shown, Whole, day, key
from chalicelib.leftfold.http.queries import FRESHNESS
from chalicelib.leftfold.http.routes import Answer, Call, Route
from chalicelib.leftfold.kernel import Row


class AsOfQuery(Fresh):
    """The last day to be counted; today if it is left out."""

    as_of = day()


class YearQuery(Fresh):
    """Which year to report."""

    year = Whole(*YEARS, required=True)


class TrialLineShown(Shown):
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
    items = fields.List(fields.Nested(TrialLineShown), required=True)
    differences = fields.List(fields.Nested(Amount), required=True)


class Line(Shown):
    """An account's amount, above zero on the usual side of its type."""

    account = account_field(required=True)
    name = fields.String(required=True, allow_none=True)
    amount = fields.Nested(Amount, required=True)


class IncomeStatement(Shown):
    """The income and the expenses of a year; *profit* is income less expenses."""

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


def trial_balance(call: Call) -> Answer:
    """Every account's opening, debits, credits and balance."""
    state, as_of = reported(call, TRIAL_BALANCE), day_asked(call)
    moved = moved_until(call, state, as_of)
    return Answer(
        {
            "ledgerId": call.key,
            "since": moved.since,
            "asOf": as_of,
            "items": [trial_line_shown(line, state) for line in moved.lines()],
            "differences": amounts(moved.differences(), state.commodities),
        }
    )


def trial_line_shown(line: TrialLine, state: Ledger) -> Row:
    """A line of the trial balance with its amounts as text."""
    columns = ("opening", "debits", "credits", "balance")
    return {
        **named(state, line.account),
        "type": state.accounts[line.account].type,
        **{
            column: amount(getattr(line, column), line.currency, state.commodities)
            for column in columns
        },
    }


def balance_sheet(call: Call) -> Answer:
    """The assets, and to whom they belong."""
    state, as_of = reported(call, TRIAL_BALANCE), day_asked(call)
    sheet = balance_sheet_of(state, moved_until(call, state, as_of).balances)
    commodities = state.commodities
    return Answer(
        {
            "ledgerId": call.key,
            "asOf": as_of,
            "assets": lines(state, sheet.assets, 1),
            "liabilities": lines(state, sheet.liabilities, -1),
            "equity": lines(state, sheet.equity, -1),
            "profit": totals(sheet.earnings, -1, commodities),
            "totalAssets": totals(sheet.assets, 1, commodities),
            "totalLiabilitiesAndEquity": totals(sheet.liabilities_and_equity, -1, commodities),
        }
    )


def income_statement(call: Call) -> Answer:
    """The earnings of the year's own entries, whether it is closed or not."""
    state, year = reported(call, TRIAL_BALANCE), call.query["year"]
    moved = ledgers_of(call.services).moved_in(call.stream(ledger), year)
    earnings = balance_sheet_of(state, moved.balances).earnings
    return Answer(
        {
            "ledgerId": call.key,
            "year": year,
            "income": lines(state, of_types(state, earnings, "income"), -1),
            "expenses": lines(state, of_types(state, earnings, "expense"), 1),
            "profit": totals(earnings, -1, state.commodities),
        }
    )


def day_asked(call: Call) -> str:
    """The query's asOf, or today."""
    today: str = call.services.clock().date().isoformat()
    asked: str = call.query.get("as_of", today)
    return asked


def moved_until(call: Call, state: Ledger, day: str) -> Movement:
    """The ledger through *day*, from the beginning of its year or of an earlier one."""
    stream = call.stream(ledger)
    return ledgers_of(call.services).moved_until(stream, state, int(day[:4]), day)


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
    """The sums of balances by currency; a currency that adds up to zero is left out."""
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
        scope="queries",
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
        scope="queries",
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
        scope="queries",
        aggregate=ledger,
        query=YearQuery(),
        problems=problems,
    ),
)
