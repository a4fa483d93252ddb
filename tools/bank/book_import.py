"""`leftfold import` of a book: its entries year by year, each year compared and closed."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from chalicelib.bank.ledger.balances import Balances, changes_of, plus
from chalicelib.bank.money import minor_units
from tools.api import Answered, Api, ApiError
from tools.bank.bank_file import Rejected
from tools.bank.book import Book, BookEntry, kept_digits, read_book
from tools.bank.histories import idempotency_key
from tools.bank.importing import WORKERS
from tools.bank.ledger_entries import Comparison, compare, entries_of
from tools.bank.terminal import differences_table, rejected_table, years_table
from tools.console import bar, console
from tools.files import FileError
from tools.signing_in import signed_in
from tools.texts import counted

# Accounts in one command; commodities in it, and currencies of an account in it.
ACCOUNTS, COMMODITIES = 100, 200
# Seconds: between two looks at a year that is being closed, and until its close is late.
LOOK, PATIENCE = 0.5, 300.0
# Entries that an error names.
NAMED = 3
# Refusals of a close that say that there is nothing left to ask for.
CLOSED_ALREADY = ("year-closed", "year-closing")
NOT_OVER = "it is not over; it can be closed from {}-01-01 on (UTC)"

Pause = Callable[[float], None]


class Difference(NamedTuple):
    """An account whose balance is not what the book says, in minor units."""

    year: int
    report: str
    account: str
    currency: str
    book: int
    ledger: int


@dataclass
class ImportedYear:
    """A year of the book: what was posted, whether it is closed, and what differs.

    *open_because* says why the year was not closed, if there is a reason.
    """

    year: int
    entries: int
    posted: int = 0
    closed: bool = False
    balances: int = 0
    differences: list[Difference] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    open_because: str | None = None

    @property
    def failed(self) -> bool:
        """Whether the ledger is not what the book says of this year."""
        return bool(self.rejected or self.differences)


@dataclass(frozen=True)
class Choices:
    """The options of an import: the ledger's journals when it is opened,
    whether the last year is closed, whether entries that left the book are reversed.
    """

    journals: int
    close_all: bool = False
    reverse_missing: bool = False


def import_book(url: str, path: Path, ledger: str, choices: Choices) -> bool:
    """Imports a book into the ledger of this id and compares each year; True if all agrees.

    Raises FileError and ApiError.
    """
    with Api(url, auth=signed_in(url)) as api:
        return import_through(api, path, ledger, choices)


def import_through(api: Api, path: Path, ledger: str, choices: Choices) -> bool:
    """`import_book` through an API that is there."""
    book = read_book(path)
    total = sum(map(len, book.years.values()))
    console.print(
        f"{path.name}: {counted(total, 'entry')}, {counted(len(book.accounts), 'account')}"
    )
    began = time.monotonic()
    importer = BookImport(api, book, ledger, choices, datetime.now(UTC).date())
    importer.open()
    comparison = importer.prepare()
    missing = sum(map(len, comparison.missing.values()))
    with bar("posting entries", missing) as progress:
        (task,) = progress.task_ids
        importer.posted = lambda: progress.advance(task)
        done = list(importer.years(comparison))
    for note in importer.notes:
        console.print(note, markup=False)
    rejected = [line for year in done for line in year.rejected]
    posted = sum(year.posted for year in done)
    console.print(
        f"{counted(posted, 'entry')} posted, {total - missing:,} were there already;"
        f" years compared and closed in {time.monotonic() - began:,.1f} s"
    )
    if rejected:
        console.print(f"{counted(len(rejected), 'entry')} rejected:", style="bold red")
        console.print(rejected_table(rejected))
    console.print(years_table(done))
    differences = [difference for year in done for difference in year.differences]
    if differences:
        console.print(differences_table(differences))
    for year in done:
        if year.open_because:
            console.print(f"{year.year} stays open: {year.open_because}", markup=False)
    waiting = sum(len(found) for year, found in comparison.missing.items() if year > done[-1].year)
    if waiting:
        blocks = next((year for year in done if not year.closed), done[-1])
        console.print(
            f"{waiting:,} entries of later years were not posted: they wait for {blocks.year}",
            style="bold red",
        )
    style = "bold red" if differences else "bold green"
    console.print(f"{len(differences):,} differences from Beancount's balances", style=style)
    return not differences and not rejected and not waiting


@dataclass
class BookImport:
    """A book on its way into a ledger; safe to be run again, and to be cut off at any moment.

    What the ledger holds already is not posted again. Each command's key is made of what it
    says, so two runs at once do nothing twice. *posted* is called after every entry, from
    many threads. *today* is the day in UTC; a year that is not over is never closed. The
    last year stays open, for more may come, unless the choice is to close all.

    *notes* name what differs between the ledger and the book.
    """

    api: Api
    book: Book
    ledger: str
    choices: Choices
    today: date
    posted: Callable[[], None] = lambda: None
    pause: Pause = time.sleep
    notes: list[str] = field(default_factory=list)
    _shown: Any = None

    def open(self) -> None:
        """Opens the ledger; one that is there must be able to become this book's."""
        book = self.book
        self.notes += book.notes
        opening = {
            "ledgerId": self.ledger,
            "name": book.name,
            "firstYear": book.first_year,
            "retainedEarnings": book.retained_earnings,
            "journals": self.choices.journals,
        }
        answer = self._sent("/ledgers", opening)
        if not answer.ok and answer.body["code"] != "ledger-exists":
            raise FileError(answer.reason)
        self._shown = self._query(f"/ledgers/{self.ledger}", minVersion=1)
        self._check_ledger()

    def _check_ledger(self) -> None:
        """Raises FileError, with the cause, for a ledger that cannot become this book's."""
        book, shown, ledger = self.book, self._shown, f"the ledger {self.ledger}"
        first = shown["firstYear"]
        cure = "import it into a new ledger, with another --ledger"
        if book.first_year < first:
            entry = book.years[book.first_year][0]
            raise FileError(
                f"line {entry.line}: the book has an entry of {entry.date}, and {ledger} begins"
                f" with {first}: no earlier year can be added to it; {cure}"
            )
        if book.first_year > first:
            raise FileError(
                f"{ledger} begins with {first}, and the book with {book.first_year}: give the"
                f" book its earlier years back, or {cure}"
            )
        if book.retained_earnings != shown["retainedEarnings"]:
            raise FileError(
                f"{ledger} closes its years to {shown['retainedEarnings']}, and the book to"
                f" {book.retained_earnings}: give the book its old options back, or {cure}"
            )
        types = {row["code"]: row["type"] for row in shown["accounts"]}
        for account in book.accounts:
            there = types.get(account.code, account.type)
            if there != account.type:
                raise FileError(
                    f"{account.code} is of type {account.type} in the book, and {there} in"
                    f" {ledger}: {cure}"
                )
        if book.name != shown["name"]:
            self.notes.append(
                f'{ledger} keeps its name "{shown["name"]}"; the title of the book is'
                f' "{book.name}" now'
            )

    def prepare(self) -> Comparison:
        """Compares ledger and book, and gives the ledger the book's chart of accounts.

        Entries that are no longer in the book are reversed, if that is the choice. Raises
        FileError, before anything is changed, if the ledger cannot become the book's.
        """
        comparison = compare(self.book, entries_of(self.api, self.ledger, self._shown["journals"]))
        closed = {year["year"] for year in self._shown["years"] if year["state"] != "open"}
        lost = [entry for entry in comparison.gone if entry.year in closed]
        late = [entry for year in closed for entry in comparison.missing.get(year, ())]
        if lost:
            raise FileError(
                f"the ledger {self.ledger} holds {described(lost)} that the book does not have, in a"
                " year that is closed: nothing was posted. A closed year stays as it is: give the"
                " book its old text back, and correct what is wrong by an entry of an open year"
            )
        if late:
            entries = [f'line {e.line}: {e.date} "{e.narration}"' for e in late]
            raise FileError(
                f"the book has {described(entries)} that the ledger {self.ledger} does not hold, in a"
                " year that is closed: nothing was posted. Give such an entry a date in an open"
                " year"
            )
        if comparison.gone and not self.choices.reverse_missing:
            raise FileError(
                f"the ledger {self.ledger} holds {described(comparison.gone)} that the book does not have:"
                " nothing was posted, for an entry that was edited would be there twice. Run"
                " this again with --reverse-missing to reverse what was edited in the book or"
                " left it, or add to the book what was posted by other means"
            )
        self._extend_chart()
        for entry in comparison.gone:
            path = f"/ledgers/{self.ledger}/entries/{entry.id}/reversal"
            answer = self.api.command(path, entry.reversal, entry.reversal_key(self.ledger))
            if answer.ok:
                self._saw(comparison.newest, answer)
            elif answer.body["code"] != "entry-reversed":
                raise FileError(f"{entry} cannot be reversed: {answer.reason}")
        if comparison.gone:
            self.notes.append(f"reversed {described(comparison.gone)}")
        return comparison

    def _extend_chart(self) -> None:
        """A commodity keeps the decimals that it has, or gets more."""
        book = self.book
        digits = {row["code"]: row["digits"] for row in self._shown["commodities"]}
        commodities = [
            {"code": code, "digits": max(used, digits.get(code, 0))}
            for code, used in sorted(book.commodities.items())
        ]
        accounts = [
            {
                "code": a.code,
                "type": a.type,
                "currencies": list(a.currencies[at : at + COMMODITIES]),
            }
            for a in book.accounts
            for at in range(0, len(a.currencies), COMMODITIES)
        ]
        # Every commodity comes before, or with, the first account that is kept in it.
        *first, last = batched(commodities, COMMODITIES) or [[]]
        parts = batched(accounts, ACCOUNTS)
        bodies = [
            *({"accounts": [], "commodities": some} for some in first),
            {"accounts": parts[0], "commodities": last},
            *({"accounts": some, "commodities": []} for some in parts[1:]),
        ]
        for body in bodies:
            answer = self._sent(f"/ledgers/{self.ledger}/accounts", body)
            if not answer.ok:
                raise FileError(answer.reason)

    def years(self, comparison: Comparison) -> Iterator[ImportedYear]:
        """Posts, compares and closes one year after the other, and stops where one cannot.

        A year of which anything was rejected or differs is not closed, for a close cannot be
        undone; the next run closes it. A year that is not over is not closed either, but the
        next one is opened beside it.
        """
        states = {year["year"]: year["state"] for year in self._shown["years"]}
        last, before_is_open = max(self.book.years), False
        for year, entries in self.book.years.items():
            if before_is_open and not self._opened(year):
                return
            done = ImportedYear(year, len(entries))
            self._post(comparison.missing.get(year, ()), comparison, done)
            stated = self.book.stated[year]
            said = stated.running if before_is_open else stated.trial
            self._compare(done, "trial balance", said, comparison.newest)
            done.closed = states.get(year) == "closed"
            if not done.closed and self._may_close(done, is_last=year == last):
                done.closed = self._close(done)
            if done.closed:
                self._compare(done, "closing balances", stated.closing, comparison.newest)
            yield done
            if done.failed:
                return
            before_is_open = not done.closed

    def _may_close(self, done: ImportedYear, *, is_last: bool) -> bool:
        """Whether a year is closed in this run; if not, `open_because` says why."""
        again = "once the book is mended, the next run closes it"
        if done.rejected:
            rejected = f"{len(done.rejected):,} of its entries were rejected"
            done.open_because = f"{rejected}; {again}"
        elif done.differences:
            done.open_because = f"its balances differ from the book's; {again}"
        elif done.year >= self.today.year:
            if not is_last or self.choices.close_all:
                done.open_because = NOT_OVER.format(done.year + 1)
        else:
            return not is_last or self.choices.close_all
        return False

    def _opened(self, year: int) -> bool:
        """Opens a year while the one before stays open; False if too many are open."""
        answer = self._sent(f"/ledgers/{self.ledger}/years", {"year": year})
        if answer.ok or answer.body["code"] == "year-exists":
            return True
        if answer.body["code"] == "earlier-year-open":
            return False
        raise FileError(answer.reason)

    def _post(
        self, entries: Sequence[BookEntry], comparison: Comparison, done: ImportedYear
    ) -> None:
        """Posts what the ledger does not hold yet."""
        path = f"/ledgers/{self.ledger}/entries"

        def post(entry: BookEntry) -> Answered:
            key = entry.key(self.ledger, comparison.undone[entry.said])
            answer = self.api.command(path, entry.body, key)
            self.posted()
            return answer

        with ThreadPoolExecutor(WORKERS) as threads:
            try:
                for entry, answer in zip(entries, threads.map(post, entries), strict=True):
                    if answer.ok:
                        self._saw(comparison.newest, answer)
                        done.posted += 1
                    else:
                        done.rejected.append(Rejected(entry.line, answer.reason))
            except BaseException:
                threads.shutdown(cancel_futures=True)
                raise

    def _saw(self, newest: dict[str, int], answer: Answered) -> None:
        """Notes the entry that a command made: every later report has to include it."""
        journal, version = answer.body["entryId"].split("-")
        newest[journal] = max(newest.get(journal, 0), int(version))

    def _close(self, done: ImportedYear) -> bool:
        """Closes the year and waits until it is closed.

        False if the year is not over by the server's clock; `open_because` says so.
        """
        year, path = done.year, f"/ledgers/{self.ledger}/years/{done.year}/close"
        answer = self._sent(path, {}, f"{year}-12-31")
        version = 1
        if answer.ok:
            version = answer.body["version"]
        elif answer.body["code"] == "year-not-over":
            done.open_because = NOT_OVER.format(year + 1)
            return False
        elif answer.body["code"] not in CLOSED_ALREADY:
            raise FileError(answer.reason)
        waited = 0.0
        while waited < PATIENCE:
            shown = self._query(f"/ledgers/{self.ledger}", minVersion=version)
            (state,) = (row["state"] for row in shown["years"] if row["year"] == year)
            if state == "closed":
                # The balances brought forward may not be in the trial balance yet.
                self._trial(f"{year + 1}-01-01", minVersion=shown["version"])
                return True
            self.pause(LOOK)
            waited += LOOK
        raise ApiError(f"{year} is still being closed; run this again to go on")

    def _compare(
        self, done: ImportedYear, report: str, said: Balances, newest: dict[str, int]
    ) -> None:
        """Compares a report with the book's; the report must include the entries *newest*."""
        opens = report != "trial balance"
        day = f"{done.year + 1}-01-01" if opens else f"{done.year}-12-31"
        for journal, version in newest.items():
            self._trial(day, minEntry=f"{journal}-{version}")
        lines = self._trial(day)["items"]
        shown = self._minor(lines, "opening" if opens else "balance")
        changes = [*changes_of(said), *((a, -n, c) for a, n, c in changes_of(shown))]
        done.balances += sum(map(len, said.values()))
        for account, by_currency in plus({}, changes).items():
            for currency in by_currency:
                book = said.get(account, {}).get(currency, 0)
                ledger = shown.get(account, {}).get(currency, 0)
                done.differences.append(
                    Difference(done.year, report, account, currency, book, ledger)
                )

    def _minor(self, lines: Iterable[Any], column: str) -> Balances:
        return plus(
            {},
            (
                (line["account"], minor_units(shown["amount"], kept_digits(code), code), code)
                for line in lines
                for shown in (line[column],)
                for code in (shown["currency"],)
            ),
        )

    def _trial(self, day: str, **fresh: Any) -> Any:
        return self._query(f"/ledgers/{self.ledger}/trial-balance", asOf=day, **fresh)

    def _query(self, path: str, **parameters: Any) -> Any:
        answer = self.api.query(path, **parameters)
        if not answer.ok:
            raise ApiError(f"{path}: {answer.reason}")
        return answer.body

    def _sent(self, path: str, body: dict[str, Any], day: str | None = None) -> Answered:
        """The answer to a command whose key is made of what it says."""
        key = idempotency_key(day or f"{self.book.first_year}-01-01", path, body)
        return self.api.command(path, body, key)


def described(entries: Sequence[object]) -> str:
    """The number of entries and the first of them, for people."""
    shown = "; ".join(map(str, entries[:NAMED]))
    more = "; …" if len(entries) > NAMED else ""
    noun = "entry" if len(entries) == 1 else "entries"
    return f"{len(entries):,} {noun} ({shown}{more})"


def batched(items: Sequence[Any], most: int) -> list[Sequence[Any]]:
    """*items* in their order, *most* at a time."""
    return [items[start : start + most] for start in range(0, len(items), most)]
