"""The close of a year: each journal closes it, and the ledger gathers their totals."""

from collections.abc import Iterable

from chalicelib.bank.ledger.domain import Gather, YearClosing, ledger
from chalicelib.bank.ledger.journal import (
    CloseJournalYear,
    JournalYearClosed,
    journal,
    journal_key,
    ledger_and_number,
)
from chalicelib.leftfold.kernel import Policy, Reaction, Recorded


def close_each_journal(recorded: Recorded) -> Iterable[Reaction]:
    """One command for each journal, also for one that never took an entry."""
    if isinstance(recorded.event, YearClosing):
        year, journals = recorded.event.year, recorded.event.journals
        for number in range(journals):
            yield Reaction(journal, journal_key(recorded.key, number), CloseJournalYear(year))


def gather_journal(recorded: Recorded) -> Iterable[Reaction]:
    """A journal's totals of the year go to its ledger."""
    if isinstance(recorded.event, JournalYearClosed):
        key, number = ledger_and_number(recorded.key)
        gather = Gather(recorded.event.year, number, recorded.event.totals)
        yield Reaction(ledger, key, gather)


# Neither command is ever refused. No other command closes a journal's year or gathers its
# totals, and a repeated command is recognised by its id.
close_journals = Policy("close_journals", (ledger,), close_each_journal)
gather_year = Policy("gather_year", (journal,), gather_journal)
