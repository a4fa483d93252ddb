"""A ledger's service without HTTP: it refuses what HTTP refuses, and posts what HTTP posts."""

from typing import Any

import pytest

from chalicelib.bank.ledger import service
from chalicelib.bank.ledger.domain import (
    CloseYear,
    ExtendChart,
    LedgerAccount,
    OpenLedger,
    ledger,
)
from chalicelib.bank.ledger.journal import EntryId, Posting
from chalicelib.bank.ledger.service import (
    SHEET_ORDER,
    AmountError,
    Draft,
    Ledgers,
    Line,
    Reversal,
    add_through,
    ledgers_of,
)
from chalicelib.bank.ledger.views import postings
from chalicelib.leftfold.commands.handler import CommandRequest, KeyReusedError, body_hash
from chalicelib.leftfold.kernel import Refused, Row
from chalicelib.leftfold.projection.rows import Save
from chalicelib.leftfold.projection.tenant_rows import TenantRows
from chalicelib.leftfold.wiring import process
from chalicelib.leftfold.wiring.tenants import TenantServices
from tests.http.findable import FindableRows
from tests.ledgers import Books

STREAM = "main/ledger-a"
CHART = (
    LedgerAccount("Assets:Cash", "asset", ("USD", "XYZ")),
    LedgerAccount("Income:Pay", "income", ("USD", "XYZ")),
)


def request(command: Any, command_id: str = "c", stream: str = STREAM) -> CommandRequest:
    return CommandRequest(
        ledger, stream, command, command_id, body_hash(command_id, {}), "ada", "corr"
    )


@pytest.fixture
def books() -> Books:
    """A ledger with its chart, 2020 open, and nothing that came over HTTP."""
    made = Books()
    execute = process.services().handler.execute
    execute(request(OpenLedger("Ada", 2020, "Equity:R", 3), "a"))
    execute(request(ExtendChart(CHART, {"XYZ": 3}), "b"))
    return made


@pytest.fixture
def ledgers(books: Books) -> Ledgers:
    del books  # It puts its services under the process.
    return ledgers_of(TenantServices(process.services(), "main"))


def draft(*lines: tuple[str, str, str], date: str = "2020-05-01") -> Draft:
    made = (Line(account, {"amount": text, "currency": code}) for account, text, code in lines)
    return Draft(date, "pay", tuple(made))


def pay(amount: str = "70.00", code: str = "USD", date: str = "2020-05-01") -> Draft:
    lines = (("Assets:Cash", amount, code), ("Income:Pay", f"-{amount}", code))
    return draft(*lines, date=date)


def body_of(asked: Draft) -> dict[str, Any]:
    """What a client sends over HTTP to ask for the same entry."""
    lines = [{"account": line.account, "amount": line.amount} for line in asked.lines]
    return {"date": asked.date, "narration": asked.narration, "postings": lines}


def test_an_entry_is_posted_without_http(ledgers: Ledgers) -> None:
    posted = ledgers.post(request(pay()))
    assert ledgers.entry(STREAM, posted).posted.postings == (
        Posting("Assets:Cash", 7_000, "USD"),
        Posting("Income:Pay", -7_000, "USD"),
    )


def test_an_entry_has_one_id_whichever_way_it_comes(books: Books, ledgers: Ledgers) -> None:
    answer = books.post("/ledgers/a/entries", body_of(pay()), idempotency_key="one")
    posted = EntryId.parse(answer.json["entryId"])
    other = ledgers.post(request(pay(), "other"))
    assert ledgers.entry(STREAM, posted).posted == ledgers.entry(STREAM, other).posted
    with pytest.raises(KeyReusedError):
        ledgers.post(request(pay("71.00"), "one"))


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (pay(date="2021-01-01"), "year-not-open"),
        (pay(date="2019-12-31"), "year-not-open"),
        (pay(code="EUR"), "currency-not-kept"),
        (pay(code="ABC"), "unknown-commodity"),
        (draft(("Assets:Bank", "1", "USD"), ("Income:Pay", "-1", "USD")), "unknown-account"),
        (draft(("Assets:Cash", "2", "USD"), ("Income:Pay", "-1", "USD")), "unbalanced-entry"),
        (draft(("Assets:Cash", "0", "USD")), "unbalanced-entry"),
    ],
)
def test_an_entry_that_http_refuses_is_refused_alike_without_http(
    books: Books, ledgers: Ledgers, asked: Draft, code: str
) -> None:
    written = books.written()
    with pytest.raises(Refused) as refusal:
        ledgers.post(request(asked))
    assert refusal.value.code == code
    assert books.written() == written
    if len(asked.lines) > 1:
        assert books.post("/ledgers/a/entries", body_of(asked)).code == code


@pytest.mark.parametrize(
    ("asked", "line", "reason"),
    [
        (pay("1.001"), 0, "has more than the 2 decimals of USD"),
        (pay("1.0001", "XYZ"), 0, "has more than the 3 decimals of XYZ"),
        (draft(("Assets:Cash", "1", "USD"), ("Income:Pay", "1e3", "USD")), 1, "a plain decimal"),
        (draft(("Assets:Cash", "1", "USD"), ("Income:Pay", "-1" + "0" * 15, "USD")), 1, "under"),
    ],
)
def test_an_amount_that_http_refuses_is_refused_alike_without_http(
    books: Books, ledgers: Ledgers, asked: Draft, line: int, reason: str
) -> None:
    written = books.written()
    with pytest.raises(AmountError, match=reason) as error:
        ledgers.post(request(asked))
    assert error.value.line == line
    assert books.written() == written
    answer = books.post("/ledgers/a/entries", body_of(asked))
    assert (answer.code, answer.pointers) == (
        "invalid-body",
        [f"/postings/{line}/amount/amount"],
    )


@pytest.mark.parametrize("day", ["2020-02-30", "20200201", "2020-W05-1", "soon"])
def test_a_draft_is_of_a_day_of_the_calendar(day: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        pay(date=day)
    with pytest.raises(ValueError, match=r".+"):
        Reversal(EntryId(0, 1), day, "mistake")


def test_a_ledger_that_is_not_there_takes_no_entry(ledgers: Ledgers) -> None:
    with pytest.raises(Refused, match="ledger-missing"):
        ledgers.post(request(pay(), stream="main/ledger-b"))
    with pytest.raises(Refused, match="entry-missing"):
        ledgers.reverse(
            request(Reversal(EntryId(0, 1), "2020-06-01", "mistake"), stream="main/ledger-b")
        )


def test_an_entry_is_reversed_once_in_its_own_journal_without_http(ledgers: Ledgers) -> None:
    posted = ledgers.post(request(pay()))
    reversal = Reversal(posted, "2020-06-01", "mistake")
    reversed_ = ledgers.reverse(request(reversal, "d"))
    assert reversed_.journal == posted.journal
    assert ledgers.entry(STREAM, reversed_).posted.reverses == posted.version
    with pytest.raises(Refused, match="entry-reversed"):
        ledgers.reverse(request(reversal, "e"))


def test_a_repeated_entry_is_found_taken_also_when_its_year_is_closed(
    books: Books, ledgers: Ledgers
) -> None:
    posted = ledgers.post(request(pay()))
    process.services().handler.execute(request(CloseYear(2020, "2021-01-01"), "f"))
    books.settle()
    assert ledgers.post(request(pay())) == posted
    with pytest.raises(Refused, match="year-closed"):
        ledgers.post(request(pay(), "g"))


def test_a_chart_that_has_grown_since_it_was_read_is_read_again(ledgers: Ledgers) -> None:
    ledgers.post(request(pay()))
    rent = LedgerAccount("Expenses:Rent", "expense", ("USD",))
    process.services().handler.execute(request(ExtendChart((rent,)), "h"))
    posted = ledgers.post(
        request(draft(("Expenses:Rent", "1", "USD"), ("Assets:Cash", "-1", "USD")), "i")
    )
    assert ledgers.entry(STREAM, posted).posted.postings[0].account == "Expenses:Rent"


def test_a_report_is_computed_without_http(books: Books, ledgers: Ledgers) -> None:
    ledgers.post(request(pay()))
    books.settle()
    moved = ledgers.moved_until(STREAM, ledgers.newest(STREAM), 2020, "2020-12-31")
    assert [(line.account, line.debits, line.credits) for line in moved.lines()] == [
        ("Assets:Cash", 7_000, 0),
        ("Income:Pay", 0, 7_000),
    ]
    assert moved.differences() == {}


@pytest.mark.parametrize("at_once", [1, 2, 3, 5, 100])
def test_the_balance_before_a_page_has_all_postings_through_its_last_and_none_behind_it(
    monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """However many of them one search reads."""
    monkeypatch.setattr(service, "READ_AT_ONCE", at_once)
    stored = FindableRows(postings)
    amounts = [(1, "USD"), (20, "USD"), (300, "XYZ"), (4_000, "USD"), (50_000, "XYZ")]
    stored.save(
        [
            Save(f"main/journal-a-0/{n}", posted(n, *amount), n, None)
            for n, amount in enumerate(amounts)
        ]
    )
    rows: Any = TenantRows(stored, "main")
    every: Any = {"bool": {"filter": []}}
    places = rows.find(every, SHEET_ORDER, None, 100).sorts
    for count, last in enumerate(places, 1):
        running = {"USD": 1_000_000}
        add_through(last, running, rows, every)
        sums = {"USD": 1_000_000}
        for amount, currency in amounts[:count]:
            sums[currency] = sums.get(currency, 0) + amount
        assert running == sums
    # A last one that is gone meanwhile ends nothing too early.
    running = {}
    add_through(["2030-01-01"], running, rows, every)
    assert running == {"USD": 4_021, "XYZ": 50_300}


def posted(version: int, amount: int, currency: str) -> Row:
    """The row of a posting."""
    return {
        "date": "2020-01-01",
        "postedAt": "2020-01-01T00:00:00.000Z",
        "journal": 0,
        "version": version,
        "index": 0,
        "amount": amount,
        "currency": currency,
    }
