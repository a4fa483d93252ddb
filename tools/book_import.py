"""`leftfold import` of a book: its entries year by year, each year closed and compared."""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from chalicelib.bank.ledger.balances import Balances, changes_of, plus
from chalicelib.bank.money import minor_units
from tools.api import Answered, Api, ApiError
from tools.bank_file import Rejected
from tools.book import Book, BookEntry, read_book
from tools.files import FileError
from tools.histories import idempotency_key
from tools.importing import WORKERS
from tools.terminal import bar, console, differences_table, rejected_table, years_table

# Accounts in one command.
ACCOUNTS = 100
# Seconds: between two looks at a year that is being closed, and until its close is late.
LOOK, PATIENCE = 0.5, 300.0
# How a ledger refuses the chart of a book that it was not made of.
OF_ANOTHER_BOOK = ("ledger-exists", "account-type-differs", "commodity-differs", "key-reused")

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
    """A year of the book: what was posted, whether it was closed, and what differs."""

    year: int
    entries: int
    closed: bool = False
    balances: int = 0
    differences: list[Difference] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


def import_book(
    url: str, path: Path, ledger: str, journals: int, *, close_all: bool = False
) -> bool:
    """Imports a book into the ledger of this id and compares each year; True if all agrees.

    Raises FileError and ApiError.
    """
    book = read_book(path)
    total = sum(map(len, book.years.values()))
    console.print(f"{path.name}: {total:,} entries, {len(book.accounts)} accounts")
    began = time.monotonic()
    with Api(url) as api, bar("posting entries", total) as progress:
        (task,) = progress.task_ids
        importer = BookImport(
            api, book, ledger, lambda: progress.advance(task), close_all=close_all
        )
        importer.open(journals)
        done = list(importer.years())
    seconds = time.monotonic() - began
    console.print(f"{total:,} entries posted, years closed and compared in {seconds:,.1f} s")
    rejected = [line for year in done for line in year.rejected]
    if rejected:
        console.print(f"{len(rejected):,} entries rejected:", style="bold red")
        console.print(rejected_table(rejected))
    console.print(years_table(done))
    differences = [difference for year in done for difference in year.differences]
    if differences:
        console.print(differences_table(differences, book.digits))
    style = "bold red" if differences else "bold green"
    console.print(f"{len(differences):,} differences from Beancount's balances", style=style)
    return not differences and not rejected


@dataclass
class BookImport:
    """A book on its way into a ledger; safe to be run again, and to be cut off at any moment.

    Each command's key is made of what it says, so what an earlier run has done is answered
    and not done again. *posted* is called after every entry, from many threads. The last
    year stays open, for more may come, unless *close_all* says that all has come.
    """

    api: Api
    book: Book
    ledger: str
    posted: Callable[[], None] = lambda: None
    pause: Pause = time.sleep
    close_all: bool = False

    def open(self, journals: int) -> None:
        """Opens the ledger with the book's chart."""
        book = self.book
        opening = {
            "ledgerId": self.ledger,
            "name": book.name,
            "firstYear": book.first_year,
            "retainedEarnings": book.retained_earnings,
            "journals": journals,
        }
        self._command("/ledgers", opening)
        commodities = [{"code": c, "digits": n} for c, n in sorted(book.commodities.items())]
        for start in range(0, len(book.accounts), ACCOUNTS):
            accounts = [
                {"code": a.code, "type": a.type, "currencies": list(a.currencies)}
                for a in book.accounts[start : start + ACCOUNTS]
            ]
            body = {"accounts": accounts, "commodities": commodities if start == 0 else []}
            self._command(f"/ledgers/{self.ledger}/accounts", body)

    def years(self) -> Iterator[ImportedYear]:
        """Posts, compares and closes one year after the other."""
        last = max(self.book.years)
        for year, entries in self.book.years.items():
            done = ImportedYear(year, len(entries))
            newest = self._post(entries, done)
            self._compare(done, "trial balance", f"{year}-12-31", newest)
            if year != last or self.close_all:
                self._close(year)
                done.closed = True
                self._compare(done, "closing balances", f"{year + 1}-01-01", newest)
            yield done

    def _post(self, entries: Iterable[BookEntry], done: ImportedYear) -> dict[str, int]:
        """The newest version that each journal got."""
        newest: dict[str, int] = {}

        def post(entry: BookEntry) -> Answered:
            path = f"/ledgers/{self.ledger}/entries"
            key = self.book.key_of(self.ledger, entry)
            answer = self.api.command(path, self.book.body_of(entry), key)
            self.posted()
            return answer

        with ThreadPoolExecutor(WORKERS) as threads:
            try:
                for entry, answer in zip(entries, threads.map(post, entries), strict=True):
                    if answer.ok:
                        journal, version = answer.body["entryId"].split("-")
                        newest[journal] = max(newest.get(journal, 0), int(version))
                    else:
                        done.rejected.append(Rejected(entry.line, answer.reason))
            except BaseException:
                threads.shutdown(cancel_futures=True)
                raise
        return newest

    def _close(self, year: int) -> None:
        path = f"/ledgers/{self.ledger}/years/{year}/close"
        version = self._command(path, {}, f"{year}-12-31")
        waited = 0.0
        while waited < PATIENCE:
            shown = self._query(f"/ledgers/{self.ledger}", minVersion=version)
            (state,) = (held["state"] for held in shown["years"] if held["year"] == year)
            if state == "closed":
                # The balances brought forward may not be in the trial balance yet.
                self._trial(f"{year + 1}-01-01", minVersion=shown["version"])
                return
            self.pause(LOOK)
            waited += LOOK
        raise ApiError(f"{year} is still being closed; run this again to go on")

    def _compare(self, done: ImportedYear, report: str, day: str, newest: dict[str, int]) -> None:
        """Holds a report against the book's; *newest* are the entries it must have seen."""
        for journal, version in newest.items():
            self._trial(day, minEntry=f"{journal}-{version}")
        lines = self._trial(day)["items"]
        opens = report != "trial balance"
        stated = self.book.stated[done.year]
        said = stated.closing if opens else stated.trial
        shown = self._minor(lines, "opening" if opens else "balance")
        changes = [*changes_of(said), *((a, -n, c) for a, n, c in changes_of(shown))]
        done.balances += sum(map(len, said.values()))
        for account, held in plus({}, changes).items():
            for currency in held:
                book = said.get(account, {}).get(currency, 0)
                ledger = shown.get(account, {}).get(currency, 0)
                done.differences.append(
                    Difference(done.year, report, account, currency, book, ledger)
                )

    def _minor(self, lines: Iterable[Any], column: str) -> Balances:
        return plus(
            {},
            (
                (line["account"], minor_units(held["amount"], self.book.digits[code], code), code)
                for line in lines
                for held in (line[column],)
                for code in (held["currency"],)
            ),
        )

    def _trial(self, day: str, **fresh: Any) -> Any:
        return self._query(f"/ledgers/{self.ledger}/trial-balance", asOf=day, **fresh)

    def _query(self, path: str, **parameters: Any) -> Any:
        answer = self.api.query(path, **parameters)
        if not answer.ok:
            raise ApiError(f"{path}: {answer.reason}")
        return answer.body

    def _command(self, path: str, body: dict[str, Any], day: str | None = None) -> int:
        """The version that the command made."""
        key = idempotency_key(day or f"{self.book.first_year}-01-01", path, body)
        answer = self.api.command(path, body, key)
        if not answer.ok:
            cure = f": the ledger {self.ledger} is not one that this book made; name another"
            raise FileError(
                answer.reason + (cure if answer.body["code"] in OF_ANOTHER_BOOK else "")
            )
        version: int = answer.body["version"]
        return version
