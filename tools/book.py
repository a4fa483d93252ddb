"""Reading a Beancount book with Beancount's own library: entries, and what it reports.

Every posting is taken in its units: an account's balance in shares, hours or dollars is
what Beancount shows for it. Where an entry exchanges one commodity for another, by cost or
by price, what it leaves in each of them goes to the book's account for conversions, so
that it balances in every commodity, exactly. The costs of lots, tags, links, documents
and prices are left out.
"""

import gzip
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.bank.ledger.balances import Balances, plus, sums
from chalicelib.bank.money import MINOR_DIGITS, decimal
from tools.files import FileError
from tools.histories import idempotency_key

if TYPE_CHECKING:
    from beancount.core.account_types import AccountTypes
    from beancount.core.data import Transaction

SUFFIXES = (".beancount", ".bean")
# What a ledger's commodities can have.
MOST_DIGITS = 8
ERRORS_SHOWN = 3
_CODE = re.compile(r"[A-Za-z0-9:_-]{1,120}")
_COMMODITY = re.compile(r"[A-Z]([A-Z0-9'._-]{0,22}[A-Z0-9])?")
_LONGEST_NARRATION, _LONGEST_PAYEE = 500, 200


class BookAccount(NamedTuple):
    """An account of the book: its code, its type as ledgers have it, what it is kept in."""

    code: str
    type: str
    currencies: tuple[str, ...]


class BookEntry(NamedTuple):
    """A transaction: *line* is its place in the file, *postings* are (account, minor units,
    commodity), *occurrence* counts those before it that say the same.
    """

    line: int
    date: str
    narration: str
    payee: str | None
    postings: tuple[tuple[str, int, str], ...]
    occurrence: int


class Stated(NamedTuple):
    """What Beancount says of a year: every account's balance on its last day, income and
    expenses being the year's alone; and the same once these are closed to equity.
    """

    trial: Balances
    closing: Balances


@dataclass
class Book:
    """A book as a ledger takes it; *digits* are those of its commodities."""

    name: str
    retained_earnings: str
    accounts: list[BookAccount]
    digits: dict[str, int]
    years: dict[int, list[BookEntry]]
    stated: dict[int, Stated]

    @property
    def first_year(self) -> int:
        return min(self.years)

    @property
    def commodities(self) -> dict[str, int]:
        """Those that are not of ISO 4217."""
        return {code: n for code, n in self.digits.items() if code not in MINOR_DIGITS}

    def key_of(self, ledger: str, entry: BookEntry) -> str:
        """The Idempotency-Key of an entry: the same in every run, wherever it is in the file."""
        return idempotency_key(entry.date, "entry", ledger, self.body_of(entry), entry.occurrence)

    def body_of(self, entry: BookEntry) -> dict[str, Any]:
        """The body of POST /ledgers/{id}/entries."""
        said = {"payee": entry.payee} if entry.payee else {}
        return {
            "date": entry.date,
            "narration": entry.narration,
            **said,
            "postings": [
                {
                    "account": account,
                    "amount": {"amount": decimal(minor, self.digits[code]), "currency": code},
                }
                for account, minor, code in entry.postings
            ],
        }


def is_book(path: Path) -> bool:
    """Whether a file's name says that it is a Beancount book."""
    return path.name.removesuffix(".gz").endswith(SUFFIXES)


def read_book(path: Path) -> Book:
    """The book in *path*, plain or gzipped. Raises `FileError` for what Beancount refuses,
    and for what no ledger can hold.
    """
    from beancount import loader
    from beancount.core import data
    from beancount.parser import options as untyped

    # The library has types, but not for its options.
    book_options: Any = untyped
    if path.suffix == ".gz":
        entries, errors, options = loader.load_string(gzip.decompress(path.read_bytes()).decode())
    else:
        entries, errors, options = loader.load_file(str(path))
    if errors:
        told = "; ".join(error.message for error in errors[:ERRORS_SHOWN])
        raise FileError(f"{path}: Beancount finds {len(errors)} errors: {told}")
    transactions = list(data.filter_txns(entries))
    if not transactions:
        raise FileError(f"{path} has no transaction")
    digits = digits_of(transactions)
    retained, _, _ = book_options.get_previous_accounts(options)
    _, conversions = book_options.get_current_accounts(options)
    years: dict[int, list[BookEntry]] = {}
    for entry in taken(transactions, digits, conversions):
        years.setdefault(int(entry.date[:4]), []).append(entry)
    # A year without an entry has to be opened and closed, too.
    years = {year: years.get(year, []) for year in range(min(years), max(years) + 1)}
    reports = Reports(
        entries, book_options.get_account_types(options), retained, conversions, digits
    )
    return Book(
        name=options["title"] or path.name,
        retained_earnings=retained,
        accounts=accounts_of(years, reports.types),
        digits=digits,
        years=years,
        stated={year: Stated(reports.trial(year), reports.closing(year)) for year in years},
    )


def digits_of(transactions: Iterable["Transaction"]) -> dict[str, int]:
    """Each commodity's number of decimals: that of ISO 4217, else the most that are used."""
    digits: dict[str, int] = {}
    for transaction in transactions:
        for posting in transaction.postings:
            number, code = units_of(posting)
            if _COMMODITY.fullmatch(code) is None:
                line = transaction.meta["lineno"]
                raise FileError(f"line {line}: a ledger has no commodity {code}")
            used = max(0, -int(number.normalize().as_tuple().exponent))
            most = MINOR_DIGITS.get(code, MOST_DIGITS)
            if used > most:
                line = transaction.meta["lineno"]
                raise FileError(f"line {line}: {number} {code} has more than {most} decimals")
            digits[code] = MINOR_DIGITS.get(code, max(digits.get(code, 0), used))
    return digits


def taken(
    transactions: Iterable["Transaction"], digits: dict[str, int], conversions: str
) -> Iterator[BookEntry]:
    """The entries of the book, in its order."""
    seen: Counter[tuple[object, ...]] = Counter()
    for transaction in transactions:
        postings = [
            (posting.account, minor(number, digits[code]), code)
            for posting in transaction.postings
            for number, code in (units_of(posting),)
        ]
        left = sums(postings)
        postings += [(conversions, -amount, code) for code, amount in sorted(left.items())]
        payee = (transaction.payee or "")[:_LONGEST_PAYEE].strip() or None
        narration = (transaction.narration or "")[:_LONGEST_NARRATION].strip() or payee or "-"
        said = (transaction.date.isoformat(), narration, payee, tuple(postings))
        if len(postings) > 1:
            yield BookEntry(transaction.meta["lineno"], *said, seen[said])
            seen[said] += 1


def accounts_of(years: dict[int, list[BookEntry]], types: "AccountTypes") -> list[BookAccount]:
    """The accounts that are booked, each with all that it is booked in."""
    kinds = {
        types.assets: "asset",
        types.liabilities: "liability",
        types.equity: "equity",
        types.income: "income",
        types.expenses: "expense",
    }
    currencies: dict[str, dict[str, None]] = {}
    for entries in years.values():
        for entry in entries:
            for account, _, code in entry.postings:
                currencies.setdefault(account, {})[code] = None
    for account in currencies:
        if _CODE.fullmatch(account) is None:
            raise FileError(f"account {account} has more than letters, digits, :, _ and -")
    return [
        BookAccount(account, kinds[account.partition(":")[0]], tuple(held))
        for account, held in sorted(currencies.items())
    ]


@dataclass(frozen=True)
class Reports:
    """What Beancount itself makes of the book, in units.

    *conversions* gets the opposite of what its balances add up to in each commodity.
    """

    entries: list[Any]
    types: "AccountTypes"
    retained: str
    conversions: str
    digits: dict[str, int]

    def trial(self, year: int) -> Balances:
        """The balances at the year's end, of which all years before are closed."""
        from beancount.ops import summarize

        cleared, _ = summarize.clear(self.entries, date(year, 1, 1), self.types, self.retained)
        return self._balances(summarize.truncate(cleared, date(year + 1, 1, 1)))

    def closing(self, year: int) -> Balances:
        """The balances at the year's end, after its own close."""
        from beancount.ops import summarize

        end = date(year + 1, 1, 1)
        of_year = summarize.truncate(self.entries, end)
        return self._balances(summarize.clear(of_year, end, self.types, self.retained)[0])

    def _balances(self, entries: list[Any]) -> Balances:
        from beancount.core import convert, realization

        # The library has types, but not for these two.
        accounts: Any = realization
        changes = [
            (real.account, minor(number, self.digits[code]), code)
            for real in accounts.iter_children(accounts.realize(entries))
            for position in real.balance.reduce(convert.get_units)
            for number, code in (units_of(position),)
        ]
        left = sums(changes)
        return plus({}, [*changes, *((self.conversions, -n, code) for code, n in left.items())])


def units_of(held: Any) -> tuple[Decimal, str]:
    """The number and the commodity of a posting or a position; a loaded book has them all."""
    return held.units.number, held.units.currency


def minor(number: Decimal, digits: int) -> int:
    """Minor units of a number that has no more than these digits."""
    return int(number.scaleb(digits))
