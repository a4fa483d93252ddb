"""The entries of a ledger beside those of a book: posted, missing, or no longer in the book."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tools.api import Api, ApiError
from tools.bank.book import Book, BookEntry, said_by
from tools.bank.histories import idempotency_key

# Entries in one answer.
PAGE = 500
WHY_REVERSED = "Reversed, since it is no longer in the book"


@dataclass(frozen=True)
class LedgerEntry:
    """An entry of the ledger; *body* is as the API shows it."""

    body: dict[str, Any]

    @property
    def id(self) -> str:
        identity: str = self.body["entryId"]
        return identity

    @property
    def journal(self) -> str:
        return self.id.partition("-")[0]

    @property
    def version(self) -> int:
        return int(self.id.partition("-")[2])

    @property
    def year(self) -> int:
        return int(self.body["date"][:4])

    @property
    def said(self) -> str:
        return said_by(self.body)

    @property
    def reversal(self) -> dict[str, str]:
        """The body of POST …/entries/{id}/reversal. On the entry's own day the two cancel out."""
        return {"date": self.body["date"], "narration": WHY_REVERSED}

    def reversal_key(self, ledger: str) -> str:
        return idempotency_key(self.body["date"], "reversal", ledger, self.id)

    def __str__(self) -> str:
        return f'{self.body["date"]} "{self.body["narration"]}" (entry {self.id})'


@dataclass
class Comparison:
    """How the entries of a ledger differ from those of a book.

    *missing* are the book's entries that are not in the ledger, by year. *gone* are the
    ledger's entries that are not in the book. *undone* counts the entries that were reversed,
    by their content. *newest* has the version of each journal's newest entry.
    """

    missing: dict[int, list[BookEntry]] = field(default_factory=dict)
    gone: list[LedgerEntry] = field(default_factory=list)
    undone: Counter[str] = field(default_factory=Counter)
    newest: dict[str, int] = field(default_factory=dict)


def compare(book: Book, entries: Iterable[LedgerEntry]) -> Comparison:
    """The comparison of *book* with all *entries* of the ledger, in the order of each journal.

    Entries of equal content cannot be distinguished, so they are counted. Their order in the
    book does not matter, nor which of them are in the ledger.
    """
    all_entries = list(entries)
    found = Comparison(newest={entry.journal: entry.version for entry in all_entries})
    wanted = Counter(entry.said for of_year in book.years.values() for entry in of_year)
    reversals, reversed_ = undoing(all_entries, wanted)
    standing: dict[str, list[LedgerEntry]] = {}
    for entry in all_entries:
        if entry.id in reversed_:
            found.undone[entry.said] += 1
        elif entry.id not in reversals:
            standing.setdefault(entry.said, []).append(entry)
    for year, of_year in book.years.items():
        missing = [e for e in of_year if e.occurrence >= len(standing.get(e.said, ()))]
        if missing:
            found.missing[year] = missing
    found.gone = [entry for said, same in standing.items() for entry in same[wanted[said] :]]
    return found


def undoing(entries: list[LedgerEntry], wanted: Counter[str]) -> tuple[set[str], set[str]]:
    """The ids of reversals, and of the entries that they undo.

    A reversal that was reversed itself undoes nothing. A reversal that is in the book too is
    an entry like any other, and so is the entry that it reverses.
    """
    reversals: set[str] = set()
    undone: set[str] = set()
    # A reversal follows what it reverses, in the same journal.
    for entry in reversed(entries):
        reverses = entry.body["reverses"]
        if reverses is not None and entry.id not in undone and entry.said not in wanted:
            reversals.add(entry.id)
            undone.add(reverses)
    return reversals, undone


def entries_of(api: Api, ledger: str, journals: int) -> Iterator[LedgerEntry]:
    """All entries of the ledger, read from the streams of its journals, which are never behind."""
    path = f"/ledgers/{ledger}/entries"
    for journal in range(journals):
        page: dict[str, Any] = {}
        while not page or page["next"] is not None:
            after = {"cursor": page["next"]} if page else {}
            answer = api.page(path, journal=journal, limit=PAGE, **after)
            if not answer.ok:
                raise ApiError(f"{path}: {answer.reason}")
            page = answer.body
            yield from map(LedgerEntry, page["items"])
