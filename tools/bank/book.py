"""Reading a Beancount book with Beancount's own library: entries, and what it reports.

Every posting is taken in its units: an account's balance in shares, hours or dollars is
what Beancount shows for it. Where an entry exchanges one commodity for another, by cost or
by price, what it leaves in each of them goes to the book's account for conversions, so
that it balances in every commodity, exactly. The costs of lots, tags, links, documents
and prices are left out. White space in texts is folded, and a text that is too long is cut.

All that no ledger can hold is found here, before anything is posted.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.bank.ledger.balances import Balances, plus, sums
from chalicelib.bank.ledger.domain import COMMODITY_DIGITS, LARGEST_OF_COMMODITY
from chalicelib.bank.money import LARGEST_AMOUNT, MINOR_DIGITS, decimal
from tools.bank.histories import idempotency_key
from tools.files import FileError, read_text
from tools.texts import fitted

if TYPE_CHECKING:
    from beancount.core.account_types import AccountTypes
    from beancount.core.data import Transaction

SUFFIXES = (".beancount", ".bean")
ERRORS_SHOWN, LONGEST_ERROR, LINE_END = 3, 200, "\n"
# The bounds of a ledger: accounts, commodities, years, postings of an entry, lengths of texts.
_CODE = re.compile(r"[A-Za-z0-9:_-]{1,120}")
_COMMODITY = re.compile(r"[A-Z]([A-Z0-9'._-]{0,22}[A-Z0-9])?")
_YEARS = range(1000, 9999)
_MOST_POSTINGS = 500
_LONGEST_NAME, _LONGEST_NARRATION, _LONGEST_PAYEE = 200, 500, 200
# The replacement for bytes that an earlier program could not read as text.
_UNDECODED = "\N{REPLACEMENT CHARACTER}"


class BookAccount(NamedTuple):
    """An account of the book: its code, its type as ledgers have it, what it is kept in."""

    code: str
    type: str
    currencies: tuple[str, ...]


class BookEntry(NamedTuple):
    """A transaction: *line* is its line in the file, *postings* are (account, minor units,
    commodity), *occurrence* counts those before it that say the same.
    """

    line: int
    date: str
    narration: str
    payee: str | None
    postings: tuple[tuple[str, int, str], ...]
    occurrence: int

    @property
    def body(self) -> dict[str, Any]:
        """The body of POST /ledgers/{id}/entries; it does not depend on the rest of the book."""
        said = {"payee": self.payee} if self.payee else {}
        return {
            "date": self.date,
            "narration": self.narration,
            **said,
            "postings": [
                {
                    "account": account,
                    "amount": {"amount": amount_text(minor, code), "currency": code},
                }
                for account, minor, code in self.postings
            ],
        }

    @property
    def said(self) -> str:
        """The content of the entry as a text. Entries of equal text cannot be distinguished."""
        return said_by(self.body)

    def key(self, ledger: str, undone: int) -> str:
        """The entry's Idempotency-Key: the same in every run, wherever it is in the file.

        *undone* counts the entries of the ledger that say the same and were reversed: the
        key of one that was reversed is not used again.
        """
        return idempotency_key(self.date, "entry", ledger, self.said, self.occurrence + undone)


class Stated(NamedTuple):
    """Beancount's report of a year: every account's balance on its last day, income and
    expenses being the year's alone; and the same once these are closed to equity.

    *running* is as *trial*, with the income and expenses of the year before, too: that is
    what a ledger shows while that year is not closed.
    """

    trial: Balances
    running: Balances
    closing: Balances


class StatedYears(dict[int, Stated]):
    """Beancount's report of each year, calculated at the first use."""

    def __init__(self, of: Callable[[int], Stated]) -> None:
        super().__init__()
        self._of = of

    def __missing__(self, year: int) -> Stated:
        return self.setdefault(year, self._of(year))


@dataclass
class Book:
    """A book as a ledger takes it.

    *commodities* are those that are not of ISO 4217, with the most decimals that the book
    uses. *notes* name what a ledger does not get as the book has it.
    """

    name: str
    retained_earnings: str
    accounts: list[BookAccount]
    commodities: dict[str, int]
    years: dict[int, list[BookEntry]]
    stated: StatedYears
    notes: list[str]

    @property
    def first_year(self) -> int:
        return min(self.years)


def is_book(path: Path) -> bool:
    """Whether a file's name says that it is a Beancount book."""
    return path.name.removesuffix(".gz").endswith(SUFFIXES)


def read_book(path: Path) -> Book:
    """The book in *path*, plain or gzipped. Raises `FileError` for what Beancount refuses,
    and for what no ledger can hold.
    """
    from beancount.core import data
    from beancount.parser import options as untyped

    # The library has types, but not for its options.
    book_options: Any = untyped
    entries, options = loaded(path)
    transactions = list(data.filter_txns(entries))
    commodities = commodities_of(transactions)
    retained, _, _ = book_options.get_previous_accounts(options)
    _, conversions = book_options.get_current_accounts(options)
    notes: list[str] = []
    years: dict[int, list[BookEntry]] = {}
    for entry in taken(transactions, conversions, notes):
        years.setdefault(int(entry.date[:4]), []).append(entry)
    if not years:
        raise FileError(f"{path} has no transaction that moves anything: there is nothing to post")
    # A year without an entry has to be opened and closed, too.
    years = {year: years.get(year, []) for year in range(min(years), max(years) + 1)}
    reports = Reports(entries, book_options.get_account_types(options), retained, conversions)
    return Book(
        name=fitted(options["title"], _LONGEST_NAME).text or path.name,
        retained_earnings=retained,
        accounts=accounts_of(years, reports.types),
        commodities=commodities,
        years=years,
        stated=StatedYears(reports.stated),
        notes=notes,
    )


def loaded(path: Path) -> tuple[list[Any], dict[str, Any]]:
    """The book's entries and options, as Beancount reads them. Raises `FileError`."""
    from beancount import loader
    from beancount.core import data

    text = read_text(path)
    try:
        # Only a file that Beancount itself can open may include others.
        if text.encode() == path.read_bytes():
            entries, errors, options = loader.load_file(str(path))
        else:
            entries, errors, options = loader.load_string(text)
    except ArithmeticError as error:
        raise FileError(
            f"{path}: Beancount cannot calculate with a number of over 28 digits"
        ) from error
    if errors:
        # Beancount cannot add up a number of over 28 digits, and reports another error then.
        check_sizes(data.filter_txns(entries))
        lines = "; ".join(error_line(error, path) for error in errors[:ERRORS_SHOWN])
        raise FileError(f"{path}: Beancount finds {len(errors)} errors: {lines}")
    return entries, options


def error_line(error: Any, path: Path) -> str:
    """An error of Beancount's in one line, without the traceback that some have."""
    says, _, trace = error.message.partition("Traceback (most recent call last):")
    text = fitted(f"{says} {trace.strip().rpartition(LINE_END)[2]}", LONGEST_ERROR).text
    source = error.source or {}
    file = Path(source.get("filename", path))
    # Neither a text that was unpacked nor Beancount itself has a file's name.
    other = f"{file.name} " if file.name not in {path.name, "<string>", "<load>"} else ""
    return f"{other}line {source['lineno']}: {text}" if source.get("lineno") else text


def commodities_of(transactions: Iterable["Transaction"]) -> dict[str, int]:
    """The commodities beside ISO 4217's, with the most decimals that are used of each."""
    digits: dict[str, int] = {}
    for transaction in transactions:
        for posting in transaction.postings:
            number, code = units_of(posting)
            line = transaction.meta["lineno"]
            if _COMMODITY.fullmatch(code) is None:
                raise FileError(f"line {line}: a ledger has no commodity {code}")
            used = len(f"{number:f}".partition(".")[2].rstrip("0"))
            if used > kept_digits(code):
                raise FileError(
                    f"line {line}: {number} {code} has more than {kept_digits(code)} decimals"
                )
            check_size(minor_of(number, code), code, line)
            if code not in MINOR_DIGITS:
                digits[code] = max(digits.get(code, 0), used)
    return digits


def check_sizes(transactions: Iterable["Transaction"]) -> None:
    """Refuses what is too large among transactions that may be wrong in other ways."""
    for transaction in transactions:
        for posting in transaction.postings:
            number, code = units_of(posting)
            if isinstance(number, Decimal):
                check_size(minor_of(number, code), code, transaction.meta["lineno"])


def check_size(minor: int, code: str, line: int) -> None:
    """Refuses an amount that no posting can have."""
    largest = LARGEST_AMOUNT if code in MINOR_DIGITS else LARGEST_OF_COMMODITY
    if abs(minor) >= largest:
        posted, bound = amount_text(minor, code), amount_text(largest, code)
        raise FileError(f"line {line}: {posted} {code} is too large: a posting is under {bound}")


def taken(
    transactions: Iterable["Transaction"], conversions: str, notes: list[str]
) -> Iterator[BookEntry]:
    """The entries of the book, in its order; *notes* gets what is left out of them."""
    seen: Counter[str] = Counter()
    for transaction in transactions:
        line, day = transaction.meta["lineno"], transaction.date.isoformat()
        postings = [
            (posting.account, minor_of(number, code), code)
            for posting in transaction.postings
            for number, code in (units_of(posting),)
        ]
        left = sums(postings)
        postings += [(conversions, -amount, code) for code, amount in sorted(left.items())]
        if len(postings) < 2:
            notes.append(f"line {line}: a transaction that moves nothing is left out")
            continue
        if transaction.date.year not in _YEARS:
            years = f"{_YEARS[0]} to {_YEARS[-1]}"
            raise FileError(f"line {line}: {day} is in no year of a ledger, which are {years}")
        if len(postings) > _MOST_POSTINGS:
            raise FileError(f"line {line}: an entry has {_MOST_POSTINGS} postings at most")
        for _, minor, code in postings:
            check_size(minor, code, line)
        texts = []
        for name, given, longest in (
            ("narration", transaction.narration, _LONGEST_NARRATION),
            ("payee", transaction.payee, _LONGEST_PAYEE),
        ):
            text = fitted((given or "").replace(_UNDECODED, "?"), longest)
            texts.append(text.text)
            if text.was_cut:
                notes.append(f"line {line}: {text.note(name)}")
        narration, payee = texts
        entry = BookEntry(line, day, narration or payee or "-", payee or None, tuple(postings), 0)
        yield entry._replace(occurrence=seen[entry.said])
        seen[entry.said] += 1


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
        BookAccount(account, kinds[account.partition(":")[0]], tuple(codes))
        for account, codes in sorted(currencies.items())
    ]


@dataclass(frozen=True)
class Reports:
    """Beancount's own report of the book, in units.

    *conversions* gets the opposite of what its balances add up to in each commodity.
    """

    entries: list[Any]
    types: "AccountTypes"
    retained: str
    conversions: str

    def stated(self, year: int) -> Stated:
        return Stated(self.trial(year, year), self.trial(year - 1, year), self.closing(year))

    def trial(self, first: int, year: int) -> Balances:
        """The balances at the year's end, when all years before *first* are closed."""
        from beancount.ops import summarize

        cleared, _ = summarize.clear(self.entries, date(first, 1, 1), self.types, self.retained)
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
            (real.account, minor_of(number, code), code)
            for real in accounts.iter_children(accounts.realize(entries))
            for position in real.balance.reduce(convert.get_units)
            for number, code in (units_of(position),)
        ]
        left = sums(changes)
        return plus({}, [*changes, *((self.conversions, -n, code) for code, n in left.items())])


def units_of(posting: Any) -> tuple[Decimal, str]:
    """The number and the commodity of a posting or a position; a loaded book has them all."""
    return posting.units.number, posting.units.currency


def said_by(body: dict[str, Any]) -> str:
    """The content of an entry's body, in which the order of the postings does not count."""
    postings = sorted(
        (posting["account"], posting["amount"]["currency"], plain(posting["amount"]["amount"]))
        for posting in body["postings"]
    )
    return json.dumps([body["date"], body["narration"], body.get("payee"), postings])


def kept_digits(code: str) -> int:
    """In how many decimals a ledger keeps amounts of a commodity."""
    return MINOR_DIGITS.get(code, COMMODITY_DIGITS)


def minor_of(number: Decimal, code: str) -> int:
    """Minor units of a number that has no more decimals than the ledger keeps; exact."""
    whole, _, part = f"{number:f}".partition(".")
    digits = kept_digits(code)
    return int(whole + part[:digits].ljust(digits, "0"))


def amount_text(minor: int, code: str) -> str:
    """Minor units as a decimal; of a commodity, with no more decimals than it takes."""
    text = decimal(minor, kept_digits(code))
    return text if code in MINOR_DIGITS else plain(text)


def plain(text: str) -> str:
    """A decimal without zeros at its end: 2.50 is 2.5, and 100 is 100."""
    return text.rstrip("0").rstrip(".") if "." in text else text
