"""Ledgers: open, extend the chart, open a year, close it, gather the journals' totals.

A ledger keeps the chart of accounts and the balances with which its oldest open year
began; its entries are in its journals (journal.py). A year is an epoch: closing it carries
the balances forward. Amounts are integers, debits above zero: minor units of a currency of
ISO 4217, and 10^-8 of every other commodity. Over all accounts they add up to zero in every
commodity, so assets = liabilities + equity.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from chalicelib.bank.ledger.balances import Balances, changes_of, plus, sums
from chalicelib.bank.money import MINOR_DIGITS
from chalicelib.leftfold.kernel import Aggregate, Codec, Decider, Refused

Type = Literal["asset", "liability", "equity", "income", "expense"]
# The types of the accounts that show the earnings of a year. Closing the year moves their
# balances to retained earnings.
OF_A_YEAR: tuple[Type, ...] = ("income", "expense")

# The event that carries a ledger or a journal forward must fit one commit of 400 KB. It has
# the chart, and a balance for each commodity of each account in each of two open years.
MOST_BALANCES = 1_000
LARGEST_CHART = 60_000
MOST_OPEN_YEARS = 2
MOST_JOURNALS, USUAL_JOURNALS = 64, 16
# Amounts of a declared commodity are stored with this number of decimals, which is also the
# most that a commodity can have. So its own number of decimals can grow, and no amount changes.
COMMODITY_DIGITS = 8
# A posting of a commodity is below 10^10 units of it, so its integer has 64 bits at most.
LARGEST_OF_COMMODITY = 10**18


@dataclass(frozen=True)
class LedgerAccount:
    """An account of the chart, and the commodities in which it may be booked."""

    code: str
    type: Type
    currencies: tuple[str, ...]
    name: str | None = None


@dataclass(frozen=True)
class OpenLedger:
    """*retained_earnings* is the code of the equity account that takes the earnings of years."""

    name: str
    first_year: int
    retained_earnings: str
    journals: int = USUAL_JOURNALS


@dataclass(frozen=True)
class ExtendChart:
    """New accounts, or more currencies for known ones; and *commodities* that ISO 4217 does not
    have, by code and number of decimals, or more decimals for known ones.
    """

    accounts: tuple[LedgerAccount, ...]
    commodities: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class OpenYear:
    year: int


@dataclass(frozen=True)
class CloseYear:
    """*today* is the day, in UTC, on which the command is given. The year must be over by then."""

    year: int
    today: str


@dataclass(frozen=True)
class Gather:
    """The totals of the journal *journal* for the year that is being closed."""

    year: int
    journal: int
    totals: Balances


@dataclass(frozen=True)
class LedgerOpened:
    name: str
    first_year: int
    retained_earnings: str
    journals: int


@dataclass(frozen=True)
class ChartExtended:
    accounts: tuple[LedgerAccount, ...]
    commodities: dict[str, int]


@dataclass(frozen=True)
class YearOpened:
    year: int


@dataclass(frozen=True)
class YearClosing:
    """Each of the ledger's *journals* has to close the year."""

    year: int
    journals: int


@dataclass(frozen=True)
class JournalGathered:
    year: int
    journal: int
    totals: Balances


@dataclass(frozen=True)
class YearClosed:
    """*closed* are the balances of income and expenses that went to retained earnings. *profit*
    is income less expenses in each commodity.
    """

    year: int
    profit: dict[str, int]
    closed: Balances


@dataclass(frozen=True)
class BalancesBroughtForward:
    """The whole state of the ledger when its oldest open year begins."""

    name: str
    first_year: int
    retained_earnings: str
    journals: int
    accounts: tuple[LedgerAccount, ...]
    commodities: dict[str, int]
    open_years: tuple[int, ...]
    opening: Balances


Command = OpenLedger | ExtendChart | OpenYear | CloseYear | Gather
Event = (
    LedgerOpened
    | ChartExtended
    | YearOpened
    | YearClosing
    | JournalGathered
    | YearClosed
    | BalancesBroughtForward
)

# Names and versions are the storage format: add to this table, never edit it.
codec: Codec[Event] = Codec(
    {
        "ledger-opened": LedgerOpened,
        "chart-extended": ChartExtended,
        "year-opened": YearOpened,
        "year-closing": YearClosing,
        "journal-gathered": JournalGathered,
        "year-closed": YearClosed,
        "balances-brought-forward": BalancesBroughtForward,
    }
)


@dataclass(frozen=True)
class Ledger:
    """*opening* are the balances at the beginning of the oldest open year. While that year
    is *closing*, *gathered* are the journals that have closed it, and *totals* the sums of
    their entries.
    """

    status: Literal["missing", "open"] = "missing"
    name: str = ""
    first_year: int = 0
    retained_earnings: str = ""
    journals: int = 0
    accounts: dict[str, LedgerAccount] = field(default_factory=dict)
    commodities: dict[str, int] = field(default_factory=dict)
    open_years: tuple[int, ...] = ()
    opening: Balances = field(default_factory=dict)
    closing: bool = False
    gathered: tuple[int, ...] = ()
    totals: Balances = field(default_factory=dict)


def decide(command: Command, ledger: Ledger) -> list[Event]:
    match command, ledger:
        case OpenLedger(name, first_year, retained_earnings, journals), Ledger("missing"):
            return [LedgerOpened(name, first_year, retained_earnings, journals)]
        case OpenLedger(), _:
            raise Refused("ledger-exists")
        case _, Ledger("missing"):
            raise Refused("ledger-missing")
        case ExtendChart(accounts, commodities), _:
            check_chart(accounts, commodities, ledger)
            return [ChartExtended(accounts, declared(commodities, ledger))]
        case OpenYear(year), _:
            check_next_year(year, ledger)
            return [YearOpened(year)]
        case CloseYear(year, today), _:
            check_close(year, today, ledger)
            opened: list[Event] = [] if year + 1 in ledger.open_years else [YearOpened(year + 1)]
            return [YearClosing(year, ledger.journals), *opened]
        case Gather(year, journal, totals), _:
            if not ledger.closing or year != ledger.open_years[0]:
                raise Refused("year-not-closing", year=year)
            if journal in ledger.gathered:
                raise Refused("journal-gathered", journal=journal)
            gathered = JournalGathered(year, journal, totals)
            after = evolve(ledger, gathered)
            return [gathered, *(closed(after) if len(after.gathered) == ledger.journals else ())]


def evolve(ledger: Ledger, event: Event) -> Ledger:
    match event:
        case LedgerOpened(name, first_year, retained_earnings, journals):
            retained = LedgerAccount(retained_earnings, "equity", ())
            return Ledger(
                "open",
                name,
                first_year,
                retained_earnings,
                journals,
                {retained_earnings: retained},
                open_years=(first_year,),
            )
        case ChartExtended(accounts, commodities):
            return replace(
                ledger,
                accounts=extended(ledger.accounts, accounts),
                commodities={**ledger.commodities, **commodities},
            )
        case YearOpened(year):
            return replace(ledger, open_years=(*ledger.open_years, year))
        case YearClosing():
            return replace(ledger, closing=True)
        case JournalGathered(_, journal, totals):
            return replace(
                ledger,
                gathered=(*ledger.gathered, journal),
                totals=plus(ledger.totals, changes_of(totals)),
            )
        case YearClosed():
            # BalancesBroughtForward follows in the same commit.
            return ledger
        case BalancesBroughtForward():
            return Ledger(
                "open",
                event.name,
                event.first_year,
                event.retained_earnings,
                event.journals,
                {account.code: account for account in event.accounts},
                event.commodities,
                event.open_years,
                event.opening,
            )


def closed(ledger: Ledger) -> list[Event]:
    """The end of the year that every journal has closed, and the next one's beginning."""
    balances = plus(ledger.opening, changes_of(ledger.totals))
    earned = {
        account: of_account
        for account, of_account in balances.items()
        if ledger.accounts[account].type in OF_A_YEAR
    }
    result = sums(changes_of(earned))
    carried = plus(
        {account: balances[account] for account in balances if account not in earned},
        ((ledger.retained_earnings, amount, currency) for currency, amount in result.items()),
    )
    profit = {currency: -amount for currency, amount in result.items()}
    return [
        YearClosed(ledger.open_years[0], profit, earned),
        BalancesBroughtForward(
            ledger.name,
            ledger.first_year,
            ledger.retained_earnings,
            ledger.journals,
            # A dict that comes from a snapshot has lost its order. The event must not depend on it.
            tuple(account for _, account in sorted(ledger.accounts.items())),
            ledger.commodities,
            ledger.open_years[1:],
            carried,
        ),
    ]


def check_chart(
    accounts: tuple[LedgerAccount, ...], commodities: dict[str, int], ledger: Ledger
) -> None:
    """Refuses an extension that contradicts the chart or makes it too large to carry forward."""
    for code, digits in commodities.items():
        known_digits = digits_of(code, ledger)
        grows = code not in MINOR_DIGITS or code in ledger.commodities
        if known_digits not in (None, digits) and not (grows and digits > known_digits):
            raise Refused("commodity-differs", commodity=code, digits=known_digits)
    known = MINOR_DIGITS.keys() | ledger.commodities.keys() | commodities.keys()
    chart = ledger.accounts
    for account in accounts:
        known_account = chart.get(account.code, account)
        if known_account.type != account.type:
            raise Refused("account-type-differs", account=account.code, type=known_account.type)
        for currency in account.currencies:
            if currency not in known:
                raise Refused("unknown-commodity", commodity=currency)
        chart = extended(chart, (account,))
    currencies = [currency for account in chart.values() for currency in account.currencies]
    # Retained earnings may have a balance in each of the currencies, too.
    balances = len(currencies) + len(set(currencies))
    size = sum(
        len(account.code) + len((account.name or "").encode()) + 60 for account in chart.values()
    ) + sum(len(code) + 10 for code in ledger.commodities.keys() | commodities.keys())
    if balances > MOST_BALANCES or size > LARGEST_CHART:
        raise Refused("chart-full", balances=balances, size=size)


def check_next_year(year: int, ledger: Ledger) -> None:
    """Years follow one another, and few are open at a time."""
    if year <= ledger.open_years[-1]:
        raise Refused("year-exists", year=year)
    if year != ledger.open_years[-1] + 1:
        raise Refused("year-not-next", year=year, next=ledger.open_years[-1] + 1)
    if len(ledger.open_years) == MOST_OPEN_YEARS:
        raise Refused("earlier-year-open", year=ledger.open_years[0])


def check_close(year: int, today: str, ledger: Ledger) -> None:
    """Only the oldest open year can be closed, only once, and only after its last day."""
    check_open(year, ledger)
    if year != ledger.open_years[0]:
        raise Refused("earlier-year-open", year=ledger.open_years[0])
    if ledger.closing:
        raise Refused("year-closing", year=year)
    if today <= f"{year:04}-12-31":
        raise Refused("year-not-over", year=year, today=today)


def check_open(year: int, ledger: Ledger) -> None:
    if ledger.first_year <= year < ledger.open_years[0]:
        raise Refused("year-closed", year=year)
    if year not in ledger.open_years:
        raise Refused("year-not-open", year=year)


def check_entry(day: str, booked: Iterable[tuple[str, str]], ledger: Ledger) -> None:
    """Refuses an entry that the chart and the years do not allow; *booked* are its accounts
    and commodities. An entry that a ledger allows stays allowed as long as the year is open,
    so an old state of the ledger may be used to allow an entry.
    """
    check_open(int(day[:4]), ledger)
    for posting, (code, currency) in enumerate(booked):
        account = ledger.accounts.get(code)
        if account is None:
            raise Refused("unknown-account", posting=posting, account=code)
        if currency not in currencies_of(account, ledger):
            raise Refused("currency-not-kept", posting=posting, account=code, commodity=currency)


def currencies_of(account: LedgerAccount, ledger: Ledger) -> tuple[str, ...]:
    """The commodities of an account; retained earnings have those of all others."""
    if account.code != ledger.retained_earnings:
        return account.currencies
    return tuple(c for other in ledger.accounts.values() for c in other.currencies)


def digits_of(commodity: str, ledger: Ledger) -> int | None:
    """The number of decimals of a commodity; None if the ledger does not know it.

    The ledger's own number comes first, because ISO 4217 may add the code later.
    """
    return ledger.commodities.get(commodity, MINOR_DIGITS.get(commodity))


def declared(commodities: dict[str, int], ledger: Ledger) -> dict[str, int]:
    """*commodities* without the currencies of ISO 4217, whose amounts are stored in minor units."""
    return {
        code: digits
        for code, digits in commodities.items()
        if code not in MINOR_DIGITS or code in ledger.commodities
    }


def extended(
    chart: dict[str, LedgerAccount], accounts: Iterable[LedgerAccount]
) -> dict[str, LedgerAccount]:
    """The chart with *accounts*; a known account keeps its type and its name."""
    after = dict(chart)
    for account in accounts:
        known = after.get(account.code)
        after[account.code] = (
            account if known is None else with_currencies(known, account.currencies)
        )
    return after


def with_currencies(account: LedgerAccount, currencies: Iterable[str]) -> LedgerAccount:
    new = (currency for currency in currencies if currency not in account.currencies)
    return replace(account, currencies=(*account.currencies, *new))


decider = Decider(decide, evolve, initial=Ledger())

ledger = Aggregate("ledger", decider, codec, carries=(BalancesBroughtForward,))
