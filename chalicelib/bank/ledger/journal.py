"""Journals: post an entry, close a year; the shards of a ledger.

An entry is one commit in one journal, so the load on a ledger is spread over all of its
journals. A journal knows nothing of the chart: `service.py` checks an entry against the chart
(`domain.check_entry`) before it sends the entry to a journal. Closing a year begins an epoch:
from then on the journal refuses entries of that year, and its totals of the year go to the
ledger.
"""

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from chalicelib.bank.ledger.balances import Balances, plus, sums
from chalicelib.leftfold.kernel import Aggregate, AggregateId, Codec, Decider, Refused

# The key of a journal is that of its ledger, a hyphen and a number of two digits at most.
LONGEST_LEDGER_KEY = 61
# A journal remembers each reversal for ever, in the event that carries it forward.
MOST_REVERSED = 10_000


@dataclass(frozen=True)
class Posting:
    """A change of one account; *amount* is above zero for a debit, below for a credit."""

    account: str
    amount: int
    currency: str


@dataclass(frozen=True)
class PostEntry:
    """*reverses* is the version of the entry, in this very journal, that it undoes."""

    date: str
    narration: str
    postings: tuple[Posting, ...]
    payee: str | None = None
    reverses: int | None = None


@dataclass(frozen=True)
class TurnDown:
    """An entry that the ledger refuses, with the reason. It is sent to the journal all the same,
    because only the journal knows whether an earlier attempt of the command was taken.
    """

    code: str
    facts: dict[str, Any]


@dataclass(frozen=True)
class CloseJournalYear:
    year: int


@dataclass(frozen=True)
class EntryPosted:
    date: str
    narration: str
    postings: tuple[Posting, ...]
    payee: str | None = None
    reverses: int | None = None


@dataclass(frozen=True)
class JournalYearClosed:
    """*totals* are the sums of the journal's entries of the year."""

    year: int
    totals: Balances


@dataclass(frozen=True)
class JournalCarriedForward:
    """The whole state of the journal after closing a year."""

    closed_through: int
    totals: dict[str, Balances]
    reversed: tuple[int, ...]


Command = PostEntry | TurnDown | CloseJournalYear
Event = EntryPosted | JournalYearClosed | JournalCarriedForward

# Names and versions are the storage format: add to this table, never edit it.
codec: Codec[Event] = Codec(
    {
        "entry-posted": EntryPosted,
        "journal-year-closed": JournalYearClosed,
        "journal-carried-forward": JournalCarriedForward,
    }
)


@dataclass(frozen=True)
class Journal:
    """*totals* are those of the years that are not closed, by year; *reversed* the versions
    of entries that were undone.
    """

    closed_through: int = 0
    totals: dict[str, Balances] = field(default_factory=dict)
    reversed: tuple[int, ...] = ()


def decide(command: Command, journal: Journal) -> list[Event]:
    match command:
        case PostEntry(date, narration, postings, payee, reverses):
            check_postings(postings)
            if int(date[:4]) <= journal.closed_through:
                raise Refused("year-closed", year=int(date[:4]))
            if reverses is not None and reverses in journal.reversed:
                raise Refused("entry-reversed")
            if reverses is not None and len(journal.reversed) == MOST_REVERSED:
                raise Refused("journal-full")
            return [EntryPosted(date, narration, postings, payee, reverses)]
        case TurnDown(code, facts):
            raise Refused(code, **facts)
        case CloseJournalYear(year):
            if year <= journal.closed_through:
                raise Refused("year-closed", year=year)
            open_years = {of: totals for of, totals in journal.totals.items() if int(of) > year}
            return [
                JournalYearClosed(year, journal.totals.get(str(year), {})),
                JournalCarriedForward(year, open_years, journal.reversed),
            ]


def evolve(journal: Journal, event: Event) -> Journal:
    match event:
        case EntryPosted(date, _, postings, _, reverses):
            year = date[:4]
            totals = plus(journal.totals.get(year, {}), map(change_of, postings))
            undone = () if reverses is None else (reverses,)
            return replace(
                journal,
                totals={**journal.totals, year: totals},
                reversed=(*journal.reversed, *undone),
            )
        case JournalYearClosed():
            # JournalCarriedForward follows in the same commit.
            return journal
        case JournalCarriedForward(closed_through, years, reversed_):
            return Journal(closed_through, years, reversed_)


def check_postings(postings: tuple[Posting, ...]) -> None:
    """An entry has two sides at least, and they balance in every commodity."""
    difference = sums(map(change_of, postings))
    if len(postings) < 2 or difference:
        raise Refused("unbalanced-entry", difference=difference)


def change_of(posting: Posting) -> tuple[str, int, str]:
    return posting.account, posting.amount, posting.currency


def undone(entry: EntryPosted, date: str, narration: str, version: int) -> PostEntry:
    """The command that reverses *entry*, which is at *version* of its journal."""
    postings = tuple(replace(posting, amount=-posting.amount) for posting in entry.postings)
    return PostEntry(date, narration, postings, entry.payee, reverses=version)


def journal_key(ledger: str, number: int) -> str:
    """The key of a ledger's journal."""
    return f"{ledger}-{number}"


def ledger_and_number(key: str) -> tuple[str, int]:
    """The inverse of `journal_key`."""
    ledger, _, number = key.rpartition("-")
    return ledger, int(number)


class EntryId(NamedTuple):
    """An entry within its ledger: its journal and its version there; 3-17 as text."""

    journal: int
    version: int

    def __str__(self) -> str:
        return f"{self.journal}-{self.version}"

    @classmethod
    def parse(cls, text: str) -> "EntryId":
        """The inverse of `str`."""
        number, _, version = text.partition("-")
        return cls(int(number), int(version))

    @classmethod
    def of(cls, journal: str, version: int) -> "EntryId":
        """The entry at *version* of the journal with this aggregate id."""
        _, number = ledger_and_number(AggregateId.parse(journal).key)
        return cls(number, version)


decider = Decider(decide, evolve, initial=Journal())

journal = Aggregate("journal", decider, codec, carries=(JournalCarriedForward,))
