"""Reports of a ledger, computed from rows of the view `trial_balance`.

Each entry is counted in the row of its day and in the row of its month. A report reads one
of the two rows, never both. So it has an entry whole or not at all, and it balances even
while rows are being saved.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import NamedTuple

from chalicelib.bank.ledger.amounts import by_account
from chalicelib.bank.ledger.balances import Balances, Change, changes_of, plus, sums
from chalicelib.bank.ledger.domain import MOST_OPEN_YEARS, OF_A_YEAR, Ledger, Type
from chalicelib.bank.ledger.views import day_key, month_key, opening_key
from chalicelib.leftfold.kernel import Row

MONTHS = range(1, 13)
# Debits and credits, by account and currency.
Moves = dict[str, dict[str, tuple[int, int]]]


class TrialLine(NamedTuple):
    """An account in one currency; debits are above zero in *opening* and *balance*."""

    account: str
    currency: str
    opening: int
    debits: int
    credits: int
    balance: int


class Movement(NamedTuple):
    """A ledger from the day *since* up to a later day: the balances with which *since* began,
    and the debits and credits from then on.
    """

    since: str
    opening: Balances
    moves: Moves

    @property
    def balances(self) -> Balances:
        """The balances at the end."""
        return plus(self.opening, self.changes())

    def changes(self) -> Iterator[Change]:
        """The debits less the credits of each account and currency."""
        for account, moved in self.moves.items():
            for currency, (debits, credits_) in moved.items():
                yield account, debits - credits_, currency

    def lines(self) -> list[TrialLine]:
        """A line for each account and currency with an opening balance or a movement."""
        keys = {(account, currency) for account, currency, _ in by_account(self.opening)}
        keys |= {(account, currency) for account, _, currency in self.changes()}
        balances = self.balances
        return [
            TrialLine(
                account,
                currency,
                self.opening.get(account, {}).get(currency, 0),
                *self.moves.get(account, {}).get(currency, (0, 0)),
                balances.get(account, {}).get(currency, 0),
            )
            for account, currency in sorted(keys)
        ]

    def differences(self) -> dict[str, int]:
        """The sum of all balances by currency; empty, as they add up to zero in each."""
        return sums(changes_of(self.balances))


class BalanceSheet(NamedTuple):
    """Assets = liabilities + equity + earnings; *earnings* are of years that are not closed."""

    assets: Balances
    liabilities: Balances
    equity: Balances
    earnings: Balances

    @property
    def liabilities_and_equity(self) -> Balances:
        """The side of the sheet that says to whom the assets belong."""
        return {**self.liabilities, **self.equity, **self.earnings}


def balance_sheet(ledger: Ledger, balances: Balances) -> BalanceSheet:
    """The balances in the groups of a balance sheet."""
    return BalanceSheet(
        of_types(ledger, balances, "asset"),
        of_types(ledger, balances, "liability"),
        of_types(ledger, balances, "equity"),
        of_types(ledger, balances, *OF_A_YEAR),
    )


def of_types(ledger: Ledger, balances: Balances, *types: Type) -> Balances:
    """The balances of accounts of these types."""
    return {
        account: of_account
        for account, of_account in balances.items()
        if ledger.accounts[account].type in types
    }


def opening_keys(stream: str, ledger: Ledger, year: int) -> dict[int, str]:
    """The rows with the opening balances that a report of *year* may begin with, newest first.

    A year that is not closed has no opening balances after it: then the year before it
    counts, too.
    """
    newest = min(year, ledger.open_years[-1])
    years = range(newest, max(ledger.first_year, newest - MOST_OPEN_YEARS - 1), -1)
    return {began: opening_key(stream, began) for began in years}


def last_day(ledger: Ledger, day: str) -> str:
    """*day*, or the last day of the last open year: no entry is of a day after it."""
    return min(day, f"{ledger.open_years[-1]:04}-12-31")


def window(stream: str, began: int, last: str) -> list[str]:
    """The rows from the beginning of the year *began* through the day *last*: those of whole
    months, and those of the days of the last month.
    """
    end = date.fromisoformat(last)
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
    return [*months, *days]


def months_of(stream: str, year: int) -> list[str]:
    """The rows of a year's months."""
    return [month_key(stream, f"{year:04}-{month:02}") for month in MONTHS]


def moves_of(rows: Iterable[Row]) -> Moves:
    """The debits and credits of *rows*, added up."""
    moves: Moves = {}
    for row in rows:
        for account, moved in row.items():
            of_account = moves.setdefault(account, {})
            for currency, (debits, credits_) in moved.items():
                before = of_account.get(currency, (0, 0))
                of_account[currency] = (before[0] + debits, before[1] + credits_)
    return moves
