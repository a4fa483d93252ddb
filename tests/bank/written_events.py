"""Fixtures of the bank's events: `python -m tests.bank.written_events` writes those that are missing.

Each history is a stream. The first event of each name in it becomes the fixture of its version,
after the events that came before it.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chalicelib.bank.account.domain import (
    Book,
    Booking,
    Close,
    CloseStatement,
    Freeze,
    Open,
    Unfreeze,
    account,
)
from chalicelib.bank.ledger.domain import (
    CloseYear,
    ExtendChart,
    Gather,
    LedgerAccount,
    OpenLedger,
    OpenYear,
    ledger,
)
from chalicelib.bank.ledger.journal import CloseJournalYear, PostEntry, Posting, journal
from chalicelib.bank.transfer.domain import (
    Cancel,
    Order,
    RecordCredited,
    RecordDebited,
    RecordRefunded,
    RefuseCredit,
    RefuseDebit,
    RequestTransfer,
    TimeOut,
    transfer,
)
from chalicelib.leftfold.kernel import Aggregate, StoredEvent
from tools.bootstrap import ROOT
from tools.schemas import FIXTURES, EventVersion, Json, text_of

DAY, NEXT_DAY = "2026-01-01", "2026-01-31"
ORDER = Order("1", "2", 500, "CZK", DAY, "rent", "ada@example.org")
ASKED = RequestTransfer(ORDER, "2026-01-02T00:00:00.000Z")
CHART = (
    LedgerAccount("1-cash", "asset", ("CZK",), "Cash"),
    LedgerAccount("4-sales", "income", ("CZK",)),
    LedgerAccount("3-retained", "equity", ("CZK", "BEAN")),
)
SALE = (Posting("1-cash", 700, "CZK"), Posting("4-sales", -700, "CZK"))

HISTORIES: tuple[tuple[Aggregate, tuple[Any, ...]], ...] = (
    (
        account,
        (
            Open("Ada Lovelace", "CZK", "current", 10_000, "ada@example.org"),
            Book(
                (
                    Booking("credit", 1_500, "CZK", DAY, "cash", "salary", "0800", "19-123"),
                    Booking("debit", 500, "CZK", DAY, "card"),
                )
            ),
            CloseStatement(NEXT_DAY),
            Freeze(),
            Unfreeze(),
            Book((Booking("debit", 1_000, "CZK", "2026-02-01"),)),
            Close(),
        ),
    ),
    (transfer, (ASKED, RecordDebited(2), RecordCredited(3))),
    (transfer, (ASKED, RefuseDebit("insufficient-funds"))),
    (
        transfer,
        (
            ASKED,
            RecordDebited(2),
            TimeOut("debited"),
            RefuseCredit("account-closed"),
            RecordRefunded(4),
        ),
    ),
    (transfer, (ASKED, Cancel(), RecordDebited(2), RecordRefunded(3))),
    (transfer, (ASKED, TimeOut("requested"))),
    (
        ledger,
        (
            OpenLedger("Books", 2025, "3-retained", 1),
            ExtendChart(CHART, {"BEAN": 2}),
            OpenYear(2026),
            CloseYear(2025, NEXT_DAY),
            Gather(2025, 0, {"1-cash": {"CZK": 700}, "4-sales": {"CZK": -700}}),
        ),
    ),
    (journal, (PostEntry("2025-03-01", "Sale", SALE, "Bob"), CloseJournalYear(2025))),
)


def fixtures() -> Iterator[tuple[EventVersion, Json]]:
    """The fixture of each event that the histories have."""
    for aggregate, commands in HISTORIES:
        state, written = aggregate.decider.initial, list[StoredEvent]()
        for command in commands:
            for event in aggregate.decider.decide(command, state):
                state = aggregate.decider.evolve(state, event)
                stored = aggregate.codec.encode(event)
                where = EventVersion(aggregate.category, stored.name, stored.version)
                earlier = [before._asdict() for before in written]
                yield where, {"earlier": earlier, "event": stored._asdict()}
                written.append(stored)


def write(root: Path = ROOT) -> None:
    for event, fixture in fixtures():
        path = root / FIXTURES / event.file
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_text(text_of(json.loads(json.dumps(fixture))))


if __name__ == "__main__":
    write()
