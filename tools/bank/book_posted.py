"""What a ledger holds of a book: which entries are there, are missing, or are no longer in the book."""

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
class HeldEntry:
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
        """The body of POST …/entries/{id}/reversal: on its own day, so that no day shows it."""
        return {"date": self.body["date"], "narration": WHY_REVERSED}

    def reversal_key(self, ledger: str) -> str:
        return idempotency_key(self.body["date"], "reversal", ledger, self.id)

    def __str__(self) -> str:
        return f'{self.body["date"]} "{self.body["narration"]}" (entry {self.id})'


@dataclass
class Held:
    """The ledger's entries beside the book's.

    *missing* are those of the book that the ledger does not hold, by year, *gone* those of
    the ledger that the book does not have. *undone* counts, by what they say, the ones that
    were reversed; *newest* has each journal's newest version that is an entry.
    """

    missing: dict[int, list[BookEntry]] = field(default_factory=dict)
    gone: list[HeldEntry] = field(default_factory=list)
    undone: Counter[str] = field(default_factory=Counter)
    newest: dict[str, int] = field(default_factory=dict)


def held_of(book: Book, entries: Iterable[HeldEntry]) -> Held:
    """*entries* are all that the ledger has, in the order of each journal.

    Entries that say the same cannot be told apart, so they are counted: it does not matter
    in which order the book has them, nor which of them the ledger holds.
    """
    all_held = list(entries)
    held = Held(newest={entry.journal: entry.version for entry in all_held})
    wanted = Counter(entry.said for of_year in book.years.values() for entry in of_year)
    reversals, reversed_ = undoing(all_held, wanted)
    standing: dict[str, list[HeldEntry]] = {}
    for entry in all_held:
        if entry.id in reversed_:
            held.undone[entry.said] += 1
        elif entry.id not in reversals:
            standing.setdefault(entry.said, []).append(entry)
    for year, of_year in book.years.items():
        missing = [e for e in of_year if e.occurrence >= len(standing.get(e.said, ()))]
        if missing:
            held.missing[year] = missing
    held.gone = [entry for said, same in standing.items() for entry in same[wanted[said] :]]
    return held


def undoing(entries: list[HeldEntry], wanted: Counter[str]) -> tuple[set[str], set[str]]:
    """The ids of reversals, and of the entries that they undo.

    A reversal that was reversed itself undoes nothing. One that the book has as an entry of
    its own is such an entry, and so is what it reverses.
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


def entries_of(api: Api, ledger: str, journals: int) -> Iterator[HeldEntry]:
    """All entries of the ledger, from its journals' streams: no view can be behind."""
    path = f"/ledgers/{ledger}/entries"
    for journal in range(journals):
        page: dict[str, Any] = {}
        while not page or page["next"] is not None:
            after = {"cursor": page["next"]} if page else {}
            answer = api.page(path, journal=journal, limit=PAGE, **after)
            if not answer.ok:
                raise ApiError(f"{path}: {answer.reason}")
            page = answer.body
            yield from map(HeldEntry, page["items"])
