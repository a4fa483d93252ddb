"""The rows that the events of ledgers and journals make."""

from typing import Any

from chalicelib.bank.ledger.domain import (
    BalancesBroughtForward,
    ChartExtended,
    JournalGathered,
    LedgerAccount,
    LedgerOpened,
    YearClosed,
    YearClosing,
    YearOpened,
)
from chalicelib.bank.ledger.journal import (
    EntryPosted,
    JournalCarriedForward,
    JournalYearClosed,
    Posting,
)
from chalicelib.bank.ledger.views import ledgers, postings, trial_balance
from chalicelib.leftfold.kernel import Recorded, Row, View

LEDGER, JOURNAL = "main/ledger-a-b", "main/journal-a-b-3"
opened = LedgerOpened("Ada", 2020, "Equity:Retained", 2)
cash = LedgerAccount("Cash", "asset", ("USD",), "Cash in hand")
opening = {"Cash": {"USD": 50}, "Equity:Retained": {"USD": -50}}
forward = BalancesBroughtForward("Ada", 2020, "Equity:Retained", 2, (cash,), {}, (2021,), opening)
entry = EntryPosted(
    "2020-05-01",
    "pay",
    (Posting("Cash", 70, "USD"), Posting("Pay", -100, "USD"), Posting("Cash", 30, "USD")),
    payee="Employer",
)
back = EntryPosted(
    "2020-05-02", "mistake", (Posting("Cash", -70, "USD"), Posting("Pay", 70, "USD")), reverses=1
)


def rows(view: View, stream: str, *events: Any) -> dict[str, Row | None]:
    """The view's rows after *events*, one commit each."""
    made: dict[str, Row | None] = {}
    for position, event in enumerate(events):
        recorded = Recorded(stream, position + 1, 0, "2026-01-01T00:00:00.000Z", position, event)
        for key in view.keys(recorded):
            made[key] = view.fold(made.get(key), recorded, key)
    return made


def ledger_after(*events: Any) -> Row:
    row = rows(ledgers, LEDGER, opened, *events)[LEDGER]
    assert row is not None
    return row


def test_a_ledger_row_shows_the_ledger_as_it_stands() -> None:
    assert ledger_after(ChartExtended((cash,), {"XYZ": 3})) == {
        "ledgerId": "a-b",
        "name": "Ada",
        "firstYear": 2020,
        "retainedEarnings": "Equity:Retained",
        "journals": 2,
        "commodities": {"XYZ": 3},
        "accounts": {
            "Equity:Retained": {"type": "equity", "name": None, "currencies": []},
            "Cash": {"type": "asset", "name": "Cash in hand", "currencies": ["USD"]},
        },
        "years": [{"year": 2020, "state": "open", "gathered": 0, "profit": {}}],
        "version": 2,
    }


def test_a_ledger_row_follows_the_chart() -> None:
    more = LedgerAccount("Cash", "asset", ("EUR", "USD"), "Till")
    row = ledger_after(ChartExtended((cash,), {}), ChartExtended((more,), {}))
    assert row["accounts"]["Cash"] == {
        "type": "asset",
        "name": "Cash in hand",
        "currencies": ["USD", "EUR"],
    }


def test_a_ledger_row_follows_its_years() -> None:
    closing = (YearClosing(2020, 2), YearOpened(2021), JournalGathered(2020, 1, {}))
    assert ledger_after(*closing)["years"] == [
        {"year": 2020, "state": "closing", "gathered": 1, "profit": {}},
        {"year": 2021, "state": "open", "gathered": 0, "profit": {}},
    ]
    closed = (JournalGathered(2020, 0, {}), YearClosed(2020, {"USD": 50}, {}), forward)
    assert ledger_after(*closing, *closed)["years"][0] == {
        "year": 2020,
        "state": "closed",
        "gathered": 2,
        "profit": {"USD": 50},
    }


def test_entries_are_added_up_by_day_and_by_month() -> None:
    made = rows(trial_balance, JOURNAL, entry, back, JournalYearClosed(2020, {}))
    assert made == {
        f"{LEDGER}/days/2020-05-01": {"Cash": {"USD": [100, 0]}, "Pay": {"USD": [0, 100]}},
        f"{LEDGER}/days/2020-05-02": {"Cash": {"USD": [0, 70]}, "Pay": {"USD": [70, 0]}},
        f"{LEDGER}/months/2020-05": {"Cash": {"USD": [100, 70]}, "Pay": {"USD": [70, 100]}},
    }


def test_a_year_begins_with_the_balances_brought_forward() -> None:
    made = rows(trial_balance, LEDGER, opened, YearClosing(2020, 2), forward)
    assert made == {f"{LEDGER}/openings/2021": opening}


def test_each_posting_is_a_document_of_its_own() -> None:
    made = rows(postings, JOURNAL, entry, back, JournalCarriedForward(2020, {}, ()))
    assert list(made) == [
        f"{JOURNAL}/{version:010}/{index:03}"
        for version, index in ((1, 0), (1, 1), (1, 2), (2, 0), (2, 1))
    ]
    assert made[f"{JOURNAL}/0000000001/001"] == {
        "ledgerId": "a-b",
        "entryId": "3-1",
        "journal": 3,
        "version": 1,
        "index": 1,
        "postedAt": "2026-01-01T00:00:00.000Z",
        "date": "2020-05-01",
        "account": "Pay",
        "amount": -100,
        "currency": "USD",
        "narration": "pay",
        "payee": "Employer",
        "reverses": None,
    }
    reversal = made[f"{JOURNAL}/0000000002/000"]
    assert reversal is not None
    assert reversal["reverses"] == "3-1"


def test_every_field_of_a_posting_has_a_type() -> None:
    made = rows(postings, JOURNAL, entry)
    assert all(row is not None and row.keys() == postings.fields.keys() for row in made.values())
