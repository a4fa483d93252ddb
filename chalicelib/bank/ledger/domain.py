"""Ledgers: open, extend the chart, open a year, close it, gather what the journals hold.

A ledger keeps the chart of accounts and the balances with which its oldest open year
began; its entries are in its journals (journal.py). A year is an epoch: its end carries
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
# What a year earns: closed to retained earnings at its end.
OF_A_YEAR: tuple[Type, ...] = ("income", "expense")

# What carries a ledger or a journal forward must fit one commit of 400 KB: the chart, and
# a balance for each commodity of each account in each of two open years.
MOST_BALANCES = 1_000
LARGEST_CHART = 60_000
MOST_OPEN_YEARS = 2
MOST_JOURNALS, USUAL_JOURNALS = 64, 16
# The decimals in which amounts of a declared commodity are kept, and the most that it can
# have. They do not depend on how many it has, so those can grow and no amount changes.
COMMODITY_DIGITS = 8
# A posting of it is below ten thousand million, and fits a 64-bit integer.
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
    """*retained_earnings* becomes the code of the equity account that takes what years earn."""

    name: str
    first_year: int
    retained_earnings: str
    journals: int = USUAL_JOURNALS


@dataclass(frozen=True)
class ExtendChart:
    """More accounts, more currencies for those that are there, and, by code and number of
    decimals, more *commodities* beside the currencies of ISO 4217, or more decimals for them.
    """

    accounts: tuple[LedgerAccount, ...]
    commodities: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class OpenYear:
    year: int


@dataclass(frozen=True)
class CloseYear:
    """*today* is the day, in UTC, on which the command is given: a year ends before it is closed."""

    year: int
    today: str


@dataclass(frozen=True)
class Gather:
    """What the journal *journal* holds of the year that is being closed."""

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
    """*closed* are the balances of income and expenses that went to retained earnings;
    *profit* is what they add up to in each commodity, above zero where it was earned.
    """

    year: int
    profit: dict[str, int]
    closed: Balances


@dataclass(frozen=True)
class BalancesBroughtForward:
    """All that the ledger is when its oldest open year begins: the state, whole."""

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
    is *closing*, *gathered* are the journals that have closed it, *totals* what they hold.
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
            # What carries the ledger forward follows in the same commit.
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
        account: held
        for account, held in balances.items()
        if ledger.accounts[account].type in OF_A_YEAR
    }
    result = sums(changes_of(earned))
    carried = plus(
        {account: held for account, held in balances.items() if account not in earned},
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
            # A dict that comes from a snapshot has lost its order: the event is the same all the same.
            tuple(account for _, account in sorted(ledger.accounts.items())),
            ledger.commodities,
            ledger.open_years[1:],
            carried,
        ),
    ]


def check_chart(
    accounts: tuple[LedgerAccount, ...], commodities: dict[str, int], ledger: Ledger
) -> None:
    """Refuses what contradicts the chart, and what would make it too large to carry."""
    for code, digits in commodities.items():
        known_digits = digits_of(code, ledger)
        grows = code not in MINOR_DIGITS or code in ledger.commodities
        if known_digits not in (None, digits) and not (grows and digits > known_digits):
            raise Refused("commodity-differs", commodity=code, digits=known_digits)
    known = MINOR_DIGITS.keys() | ledger.commodities.keys() | commodities.keys()
    chart = ledger.accounts
    for account in accounts:
        held = chart.get(account.code, account)
        if held.type != account.type:
            raise Refused("account-type-differs", account=account.code, type=held.type)
        for currency in account.currencies:
            if currency not in known:
                raise Refused("unknown-commodity", commodity=currency)
        chart = extended(chart, (account,))
    held_by = [currency for account in chart.values() for currency in account.currencies]
    # Retained earnings may have a balance in each of them, too.
    balances = len(held_by) + len(set(held_by))
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
    """Refuses an entry that the chart and the years do not allow; *booked* are its
    accounts and commodities. What a ledger allows, it allows as long as the year is open:
    a state that others have left behind may be asked.
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
    """How many decimals a commodity has; None if the ledger does not know it.

    What the ledger declared comes first: ISO 4217 may take up the code later.
    """
    return ledger.commodities.get(commodity, MINOR_DIGITS.get(commodity))


def declared(commodities: dict[str, int], ledger: Ledger) -> dict[str, int]:
    """*commodities* without the currencies of ISO 4217: their amounts are kept in minor units."""
    return {
        code: digits
        for code, digits in commodities.items()
        if code not in MINOR_DIGITS or code in ledger.commodities
    }


def extended(
    chart: dict[str, LedgerAccount], accounts: Iterable[LedgerAccount]
) -> dict[str, LedgerAccount]:
    """The chart with *accounts*; one that is there already keeps its type and its name."""
    after = dict(chart)
    for account in accounts:
        held = after.get(account.code)
        after[account.code] = account if held is None else with_currencies(held, account)
    return after


def with_currencies(held: LedgerAccount, account: LedgerAccount) -> LedgerAccount:
    new = tuple(c for c in account.currencies if c not in held.currencies)
    return replace(held, currencies=(*held.currencies, *new))


decider = Decider(decide, evolve, initial=Ledger())

ledger = Aggregate("ledger", decider, codec, module=__name__, carries=(BalancesBroughtForward,))
