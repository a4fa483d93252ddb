"""Ledgers over HTTP: from the chart to the balance sheet."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import combinations
from typing import Any, TypeVar
from uuid import uuid4

import pytest

from app import API
from chalicelib.bank.ledger.amounts import amount, minor_of
from chalicelib.bank.ledger.domain import (
    LARGEST_CHART,
    LARGEST_OF_COMMODITY,
    CloseYear,
    ExtendChart,
    Ledger,
    LedgerAccount,
    OpenLedger,
    OpenYear,
    decide,
)
from chalicelib.bank.ledger.http.entries import POSTINGS_SHOWN
from chalicelib.domain import DOMAIN
from chalicelib.leftfold.kernel import Refused
from chalicelib.leftfold.projection.search import SearchRows, connect
from tests.application import still
from tests.clock import Clock
from tests.http.conftest import Bank
from tests.http.gateway import Answer
from tests.ledgers import Books

B = TypeVar("B", bound=Bank)
TODAY = "2026-01-01"
CHART = {
    "accounts": [
        {"code": "Assets:Cash", "type": "asset", "currencies": ["USD", "XYZ"], "name": "Cash"},
        {"code": "Liabilities:Loan", "type": "liability", "currencies": ["USD"]},
        {"code": "Equity:Trade", "type": "equity", "currencies": ["USD", "XYZ"]},
        {"code": "Income:Pay", "type": "income", "currencies": ["USD"]},
        {"code": "Expenses:Food", "type": "expense", "currencies": ["USD"]},
    ],
    "commodities": [{"code": "XYZ", "digits": 3}],
}


def usd(amount: str, currency: str = "USD") -> dict[str, str]:
    return {"amount": amount, "currency": currency}


def posting(account: str, amount: str, currency: str = "USD") -> dict[str, Any]:
    return {"account": account, "amount": usd(amount, currency)}


def entry(date: str = "2020-05-01", amount: str = "70.00", **changes: Any) -> dict[str, Any]:
    """An entry of pay in cash."""
    postings = [posting("Assets:Cash", amount), posting("Income:Pay", negated(amount))]
    return {"date": date, "narration": "pay", "postings": postings, **changes}


def meal(date: str, amount: str) -> dict[str, Any]:
    postings = [posting("Expenses:Food", amount), posting("Assets:Cash", negated(amount))]
    return {"date": date, "narration": "meal", "payee": "Bo's", "postings": postings}


def negated(amount: str) -> str:
    return amount[1:] if amount.startswith("-") else f"-{amount}"


@pytest.fixture
def books() -> Books:
    """A ledger with its chart, 2020 open."""
    return with_chart(Books())


@pytest.fixture(
    params=["memory", pytest.param("opensearch", marks=pytest.mark.engine("opensearch"))]
)
def searched(request: pytest.FixtureRequest) -> Books:
    """Two years, with the postings where they can be found."""
    made = Books()
    if request.param == "opensearch":
        client = connect(request.getfixturevalue("opensearch"))
        name = f"http-{uuid4()}-postings"
        made.rows["postings"] = SearchRows(
            client, name, DOMAIN.views["postings"], made.clock, still
        )
    return with_two_years(with_chart(made))


def with_chart(made: B) -> B:
    opening = {"ledgerId": "a", "name": "Ada", "firstYear": 2020, "retainedEarnings": "Equity:R"}
    assert made.post("/ledgers", {**opening, "journals": 3}).status == 201
    assert made.post("/ledgers/a/accounts", CHART).status == 200
    return made


def posted(books: Books, body: dict[str, Any], **headers: str) -> str:
    """The id of the entry that was posted."""
    answer = books.post("/ledgers/a/entries", body, **headers)
    assert answer.status == 201, answer.text
    entry_id: str = answer.json["entryId"]
    assert answer.headers["Location"] == f"entries/{entry_id}"
    return entry_id


def close(books: Books, year: int) -> None:
    answer = books.post(f"/ledgers/a/years/{year}/close")
    assert (answer.status, answer.headers["Location"]) == (202, "../../../a")
    books.settle()


def refused(answer: Answer, code: str, status: int = 409) -> Any:
    assert (answer.status, answer.code) == (status, code)
    return answer.json


# --- chart and years


def test_a_ledger_shows_its_chart_and_its_years(books: Books) -> None:
    books.settle()
    answer = books.get("/ledgers/a?minVersion=2")
    assert answer.headers["ETag"] == '"2"'
    shown = answer.json
    assert shown["accounts"][0] == {
        "code": "Assets:Cash",
        "type": "asset",
        "name": "Cash",
        "currencies": ["USD", "XYZ"],
    }
    assert {a["code"] for a in shown["accounts"]} >= {"Equity:R", "Income:Pay"}
    assert shown["commodities"] == [{"code": "XYZ", "digits": 3}]
    assert shown["years"] == [{"year": 2020, "state": "open", "journalsClosed": 0, "profit": []}]
    assert books.get("/ledgers/a", if_none_match='"2"').status == 304


def test_a_ledger_has_16_journals_and_an_id_of_the_server_by_default(books: Books) -> None:
    opening = {"name": "Bo", "firstYear": 2020, "retainedEarnings": "R"}
    refused(books.post("/ledgers", opening), "key-required", 400)
    made = books.post("/ledgers", opening, idempotency_key="bo")
    books.settle()
    assert books.get(f"/ledgers/{made.json['ledgerId']}").json["journals"] == 16
    refused(books.post("/ledgers", {**opening, "ledgerId": "a"}), "ledger-exists")


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"ledgerId": "x" * 62}, "/ledgerId"),
        ({"firstYear": 999}, "/firstYear"),
        ({"firstYear": "2020"}, "/firstYear"),
        ({"journals": 65}, "/journals"),
        ({"journals": 1.5}, "/journals"),
        ({"journals": True}, "/journals"),
        ({"retainedEarnings": "a b"}, "/retainedEarnings"),
        ({"currency": "USD"}, "/currency"),
    ],
)
def test_an_opening_must_be_right(books: Books, changes: dict[str, Any], pointer: str) -> None:
    opening = {"name": "Bo", "firstYear": 2020, "retainedEarnings": "R", "ledgerId": "b"}
    answer = books.post("/ledgers", {**opening, **changes})
    assert (answer.code, answer.pointers) == ("invalid-body", [pointer])


def test_years_are_opened_one_after_the_other(books: Books) -> None:
    refused(books.post("/ledgers/a/years", {"year": 2022}), "year-not-next")
    assert books.post("/ledgers/a/years", {"year": 2021}).json == {"ledgerId": "a", "version": 3}
    refused(books.post("/ledgers/a/years", {"year": 2022}), "earlier-year-open")


def test_a_whole_number_may_be_written_with_a_point(books: Books) -> None:
    # To JSON Schema, and so to the description, 2021.0 is an integer.
    assert books.post("/ledgers/a/years", {"year": 2021.0}).json == {"ledgerId": "a", "version": 3}


@pytest.mark.parametrize("path", ["accounts", "years", "entries", "entries/0-1/reversal"])
def test_a_ledger_that_is_not_there_takes_nothing(books: Books, path: str) -> None:
    bodies = {"accounts": CHART, "years": {"year": 2021}, "entries": entry()}
    body = bodies.get(path, {"date": "2020-01-01", "narration": "x"})
    answer = books.post(f"/ledgers/b/{path}", body)
    code = "entry-missing" if "reversal" in path else "ledger-missing"
    refused(answer, code, 404)


@pytest.mark.parametrize("year", ["0", "20", "20200", "2O20", "next"])
def test_what_cannot_be_a_year_is_none(books: Books, year: str) -> None:
    refused(books.post(f"/ledgers/a/years/{year}/close"), "no-such-route", 404)


@pytest.mark.parametrize("entry_id", ["1", "1-0", "-1", "100-1", "1-1-1", "a-1"])
def test_what_cannot_be_an_entry_is_none(books: Books, entry_id: str) -> None:
    refused(books.get(f"/ledgers/a/entries/{entry_id}"), "no-such-route", 404)


def test_a_year_is_closed_once_its_last_day_has_ended_in_utc() -> None:
    books = Books(clock=Clock(datetime(2020, 12, 31, 23, 59, 59, tzinfo=UTC)))
    with_chart(books)
    problem = refused(books.post("/ledgers/a/years/2020/close"), "year-not-over")
    assert (problem["year"], problem["today"]) == (2020, "2020-12-31")
    books.clock.forward(seconds=1)
    close(books, 2020)
    assert [y["state"] for y in books.get("/ledgers/a").json["years"]] == ["closed", "open"]


def test_an_entry_that_was_never_posted_is_missing(books: Books) -> None:
    refused(books.get("/ledgers/a/entries/2-7"), "entry-missing", 404)


# --- entries


def test_an_entry_is_shown_as_it_was_posted(books: Books) -> None:
    body = entry(payee="Employer")
    entry_id = posted(books, body)
    assert books.get(f"/ledgers/a/entries/{entry_id}").json == {
        "ledgerId": "a",
        "entryId": entry_id,
        "postedAt": "2026-01-01T00:00:00.000Z",
        "reverses": None,
        **body,
    }


def test_a_repeated_entry_is_answered_alike_also_when_its_year_is_closed(books: Books) -> None:
    key = "01941f29-7c00-7000-8000-000000000001"
    entry_id = posted(books, entry(), idempotency_key=key)
    assert posted(books, entry(), idempotency_key=key) == entry_id
    close(books, 2020)
    assert posted(books, entry(), idempotency_key=key) == entry_id
    refused(books.post("/ledgers/a/entries", entry()), "year-closed")
    other = books.post("/ledgers/a/entries", entry(amount="1.00"), idempotency_key=key)
    refused(other, "key-reused", 422)


def test_entries_spread_over_the_journals(books: Books) -> None:
    entries = {posted(books, entry(), idempotency_key=f"entry-{n}") for n in range(30)}
    assert {entry_id.split("-")[0] for entry_id in entries} == {"0", "1", "2"}


def test_an_entry_names_which_state_of_the_ledger_allowed_it(books: Books) -> None:
    journal, version = posted(books, entry()).split("-")
    (commit,) = books.events.range(f"main/journal-a-{journal}", int(version), int(version))
    assert commit.deps == (("main/ledger-a", 2),)


def test_an_unbalanced_entry_is_refused_with_the_difference(books: Books) -> None:
    postings = [posting("Assets:Cash", "70.00"), posting("Income:Pay", "-69.99")]
    problem = refused(
        books.post("/ledgers/a/entries", entry(postings=postings)), "unbalanced-entry"
    )
    assert problem["difference"] == [usd("0.01")]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"date": "2021-01-01"}, "year-not-open"),
        ({"date": "2019-12-31"}, "year-not-open"),
        (
            {"postings": [posting("Assets:Bank", "1"), posting("Income:Pay", "-1")]},
            "unknown-account",
        ),
        (
            {"postings": [posting("Assets:Cash", "1", "EUR"), posting("Income:Pay", "-1", "EUR")]},
            "currency-not-kept",
        ),
        (
            {"postings": [posting("Assets:Cash", "1", "ABC"), posting("Income:Pay", "-1", "ABC")]},
            "unknown-commodity",
        ),
    ],
)
def test_an_entry_must_fit_the_ledger(books: Books, changes: dict[str, Any], code: str) -> None:
    refused(books.post("/ledgers/a/entries", entry(**changes)), code)


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"date": "2020-02-30"}, "/date"),
        ({"narration": " "}, "/narration"),
        ({"postings": [posting("Assets:Cash", "1")]}, "/postings"),
        ({"postings": [posting("a b", "1"), posting("c", "-1")]}, "/postings/0/account"),
        ({"postings": [posting("a", "1e3"), posting("c", "-1")]}, "/postings/0/amount/amount"),
        (
            {"postings": [posting("a", "1"), posting("c", "-1.001")]},
            "/postings/1/amount/amount",
        ),
        (
            {"postings": [posting("a", "1"), posting("c", "9" * 18)]},
            "/postings/1/amount/amount",
        ),
        (
            {"postings": [posting("a", "1"), posting("c", "1", "usd")]},
            "/postings/1/amount/currency",
        ),
    ],
)
def test_an_entry_must_be_right(books: Books, changes: dict[str, Any], pointer: str) -> None:
    answer = books.post("/ledgers/a/entries", entry(**changes))
    assert (answer.code, answer.pointers) == ("invalid-body", [pointer])


def test_a_chart_that_grew_since_it_was_read_is_read_again(books: Books) -> None:
    posted(books, entry())
    rent = {"code": "Expenses:Rent", "type": "expense", "currencies": ["USD"]}
    assert books.post("/ledgers/a/accounts", {"accounts": [rent]}).status == 200
    postings = [posting("Expenses:Rent", "1.00"), posting("Assets:Cash", "-1.00")]
    posted(books, entry(postings=postings))


# --- commodities


def trade(amount: str, date: str = "2020-05-01") -> dict[str, Any]:
    """An entry that puts XYZ into cash."""
    cash, other = posting("Assets:Cash", amount, "XYZ"), posting("Equity:Trade", "0", "XYZ")
    other["amount"]["amount"] = negated(amount)
    return {"date": date, "narration": "trade", "postings": [cash, other]}


def grown(books: Books, digits: int) -> Answer:
    body = {"accounts": [], "commodities": [{"code": "XYZ", "digits": digits}]}
    return books.post("/ledgers/a/accounts", body)


def test_a_commodity_that_gets_more_decimals_keeps_what_was_booked(books: Books) -> None:
    before = posted(books, trade("10.125"))
    close(books, 2020)
    refused(grown(books, 2), "commodity-differs")
    finer = books.post("/ledgers/a/entries", trade("0.00005", "2021-05-01"))
    assert (finer.code, finer.pointers) == ("invalid-body", ["/postings/0/amount/amount"])

    assert grown(books, 5).status == 200
    posted(books, trade("0.00005", "2021-05-01"))
    books.settle()

    shown = books.get(f"/ledgers/a/entries/{before}").json["postings"][0]["amount"]
    assert shown == usd("10.12500", "XYZ")
    trial = books.get("/ledgers/a/trial-balance?asOf=2021-12-31").json
    assert [(i["opening"], i["balance"]) for i in trial["items"]] == [
        (usd("10.12500", "XYZ"), usd("10.12505", "XYZ")),
        (usd("-10.12500", "XYZ"), usd("-10.12505", "XYZ")),
    ]


def test_an_entry_is_taken_as_it_is_meant_whichever_decimals_were_read(books: Books) -> None:
    # The first entry leaves the ledger's state behind, with three decimals.
    posted(books, trade("1"))
    assert grown(books, 5).status == 200
    entries = [posted(books, trade(amount)) for amount in ("10", "0.5", "0.00001", "10.000")]
    shown = [books.get(f"/ledgers/a/entries/{e}").json["postings"][0]["amount"] for e in entries]
    assert [amount["amount"] for amount in shown] == ["10.00000", "0.50000", "0.00001", "10.00000"]


def test_an_amount_is_never_rounded_by_decimals_that_were_read_before() -> None:
    assert amount(1, "XYZ", {"XYZ": 3}) == usd("0.00000001", "XYZ")
    assert amount(-150_000_000, "XYZ", {"XYZ": 0}) == usd("-1.5", "XYZ")
    assert amount(150_000_000, "XYZ", {"XYZ": 3}) == usd("1.500", "XYZ")
    assert amount(100_000_000, "XYZ", {"XYZ": 0}) == usd("1", "XYZ")
    assert amount(150, "USD", {}) == usd("1.50")


@pytest.mark.parametrize("digits", [0, 3, 8])
@pytest.mark.parametrize("sign", ["", "-"])
def test_an_amount_of_a_commodity_has_a_bound_that_its_error_names(digits: int, sign: str) -> None:
    largest = "9999999999" + (f".{'9' * digits}" if digits else "")
    kept = minor_of(usd(sign + largest, "XYZ"), {"XYZ": digits})
    assert kept is not None
    assert abs(kept) < LARGEST_OF_COMMODITY
    bound = "10000000000" + (f".{'0' * digits}" if digits else "")
    with pytest.raises(ValueError, match=f"^must be under {bound}$"):
        minor_of(usd(sign + bound, "XYZ"), {"XYZ": digits})


# --- the entries of a journal


def entries_of(books: Books, journal: int, limit: int = 500) -> list[list[dict[str, Any]]]:
    return books.pages(f"/ledgers/a/entries?journal={journal}&limit={limit}")


def test_the_entries_of_all_journals_are_those_that_were_posted(books: Books) -> None:
    made = [posted(books, entry(amount=f"{n}.00"), idempotency_key=f"e-{n}") for n in range(1, 40)]
    made.append(reversed_(books, made[3]).json["entryId"])
    close(books, 2020)
    made.append(posted(books, trade("1.5", "2021-05-01")))

    listed = [one for journal in range(3) for page in entries_of(books, journal, 5) for one in page]

    assert sorted(one["entryId"] for one in listed) == sorted(made)
    for one in listed:
        assert one == books.get(f"/ledgers/a/entries/{one['entryId']}").json


@pytest.mark.slow
def test_a_page_of_entries_has_few_enough_postings_for_an_answer(books: Books) -> None:
    wide = [posting("Assets:Cash", "1.00")] * 250 + [posting("Income:Pay", "-1.00")] * 250
    for n in range(45):
        posted(books, entry(postings=wide), idempotency_key=f"wide-{n}")
    pages = [page for journal in range(3) for page in entries_of(books, journal)]
    assert sum(map(len, pages)) == 45
    assert max(map(len, pages)) == POSTINGS_SHOWN / 500


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("", "journal"),
        ("journal=-1", "journal"),
        ("journal=64", "journal"),
        ("journal=3", "journal"),
    ],
)
def test_entries_are_those_of_a_journal_that_the_ledger_has(
    books: Books, query: str, parameter: str
) -> None:
    answer = books.get(f"/ledgers/a/entries?{query}")
    assert (answer.code, answer.parameters) == ("invalid-query", [parameter])


def test_a_ledger_that_is_not_there_has_no_entries(books: Books) -> None:
    refused(books.get("/ledgers/b/entries?journal=0"), "ledger-missing", 404)
    assert entries_of(books, 0) == [[]]


# --- reversals


def reversed_(books: Books, entry_id: str, date: str = "2020-06-01") -> Answer:
    body = {"date": date, "narration": "mistake"}
    return books.post(f"/ledgers/a/entries/{entry_id}/reversal", body)


def test_an_entry_is_reversed_once_in_its_own_journal(books: Books) -> None:
    entry_id = posted(books, entry())
    answer = reversed_(books, entry_id)
    reversal = answer.json["entryId"]
    assert answer.headers["Location"] == f"../{reversal}"
    shown = books.get(f"/ledgers/a/entries/{reversal}").json
    assert shown["reverses"] == entry_id
    assert shown["postings"] == [posting("Assets:Cash", "-70.00"), posting("Income:Pay", "70.00")]
    refused(reversed_(books, entry_id), "entry-reversed")


def test_a_key_that_reversed_one_entry_reverses_no_other(books: Books) -> None:
    # Of four entries, two are in one of the three journals.
    ids = sorted(posted(books, entry(amount=f"{number}.00")) for number in range(10, 14))
    (one, other), *_ = (
        (a, b) for a, b in combinations(ids, 2) if a.partition("-")[0] == b.partition("-")[0]
    )
    body = {"date": "2020-06-01", "narration": "a mistake"}
    urls = [f"/ledgers/a/entries/{entry_id}/reversal" for entry_id in (one, other)]
    first = books.post(urls[0], body, idempotency_key="job-1")
    written = books.written()
    refused(books.post(urls[1], body, idempotency_key="job-1"), "key-reused", 422)
    again = books.post(urls[0], body, idempotency_key="job-1")
    assert again.json == first.json
    assert books.written() == written
    assert books.post(urls[1], body, idempotency_key="job-2").status == 201


def test_an_entry_of_a_closed_year_is_reversed_in_an_open_one(books: Books) -> None:
    entry_id = posted(books, entry())
    close(books, 2020)
    refused(reversed_(books, entry_id), "year-closed")
    assert reversed_(books, entry_id, "2021-01-01").status == 201
    refused(reversed_(books, entry_id, "2021-01-01"), "entry-reversed")
    close(books, 2021)
    refused(reversed_(books, entry_id, "2022-01-01"), "entry-reversed")


# --- the close


def test_a_year_is_closed_and_its_profit_shown(books: Books) -> None:
    posted(books, entry())
    posted(books, meal("2020-06-01", "20.00"))
    close(books, 2020)
    assert books.get("/ledgers/a").json["years"] == [
        {"year": 2020, "state": "closed", "journalsClosed": 3, "profit": [usd("50.00")]},
        {"year": 2021, "state": "open", "journalsClosed": 0, "profit": []},
    ]
    refused(books.post("/ledgers/a/years/2020/close"), "year-closed")


def test_a_key_that_closed_one_year_closes_no_other(books: Books) -> None:
    first = books.post("/ledgers/a/years/2020/close", idempotency_key="job-2")
    books.act()
    refused(books.post("/ledgers/a/years/2021/close", idempotency_key="job-2"), "key-reused", 422)
    assert books.post("/ledgers/a/years/2020/close", idempotency_key="job-2").json == first.json
    states = [year["state"] for year in books.get("/ledgers/a").json["years"]]
    assert states == ["closed", "open"]


def test_a_close_that_is_under_way_is_shown_and_not_begun_again(books: Books) -> None:
    assert books.post("/ledgers/a/years/2020/close").status == 202
    super(Books, books).settle()
    books.runner("close_journals").catch_up(1)
    assert books.get("/ledgers/a").json["years"][0]["state"] == "closing"
    refused(books.post("/ledgers/a/years/2020/close"), "year-closing")
    refused(books.post("/ledgers/a/years/2021/close"), "earlier-year-open")
    refused(books.post("/ledgers/a/years/2022/close"), "year-not-open")


# --- reports


@pytest.fixture
def two_years(books: Books) -> Books:
    return with_two_years(books)


def with_two_years(books: Books) -> Books:
    """70 earned and 20 eaten in 2020, which is closed; in 2021, 5 earned, 1 lent, a trade."""
    posted(books, entry("2020-12-31"))
    posted(books, meal("2020-01-01", "20.00"))
    close(books, 2020)
    posted(books, entry("2021-01-01", "5.00"))
    loan = [posting("Assets:Cash", "1.00"), posting("Liabilities:Loan", "-1.00")]
    posted(books, entry("2021-03-15", postings=loan))
    trade = [
        posting("Assets:Cash", "0.125", "XYZ"),
        posting("Equity:Trade", "-0.125", "XYZ"),
        posting("Assets:Cash", "-2.00"),
        posting("Equity:Trade", "2.00"),
    ]
    posted(books, entry("2021-03-16", postings=trade))
    books.settle()
    return books


def balances(books: Books, as_of: str, column: str = "balance") -> dict[tuple[str, str], str]:
    answer = books.get(f"/ledgers/a/trial-balance?asOf={as_of}")
    assert answer.json["differences"] == []
    return {
        (line["account"], line[column]["currency"]): line[column]["amount"]
        for line in answer.json["items"]
    }


def test_a_trial_balance_is_that_of_its_day(two_years: Books) -> None:
    assert balances(two_years, "2020-01-01") == {
        ("Assets:Cash", "USD"): "-20.00",
        ("Expenses:Food", "USD"): "20.00",
    }
    assert balances(two_years, "2020-12-31") == {
        ("Assets:Cash", "USD"): "50.00",
        ("Expenses:Food", "USD"): "20.00",
        ("Income:Pay", "USD"): "-70.00",
    }
    assert balances(two_years, "2021-01-01") == {
        ("Assets:Cash", "USD"): "55.00",
        ("Equity:R", "USD"): "-50.00",
        ("Income:Pay", "USD"): "-5.00",
    }
    assert balances(two_years, "2021-03-15")["Assets:Cash", "USD"] == "56.00"
    assert balances(two_years, "2030-01-01")["Assets:Cash", "XYZ"] == "0.125"
    assert balances(two_years, "2019-12-31") == {}


def test_a_trial_balance_has_openings_debits_and_credits(two_years: Books) -> None:
    shown = two_years.get("/ledgers/a/trial-balance?asOf=2021-12-31").json
    assert (shown["since"], shown["asOf"]) == ("2021-01-01", "2021-12-31")
    assert shown["items"][0] == {
        "account": "Assets:Cash",
        "type": "asset",
        "name": "Cash",
        "opening": usd("50.00"),
        "debits": usd("6.00"),
        "credits": usd("2.00"),
        "balance": usd("54.00"),
    }


def test_a_year_that_is_not_closed_counts_in_the_next(books: Books) -> None:
    books.post("/ledgers/a/years", {"year": 2021})
    posted(books, entry("2020-05-01"))
    posted(books, entry("2021-05-01", "5.00"))
    books.settle()
    assert balances(books, "2021-12-31")["Income:Pay", "USD"] == "-75.00"


def test_a_balance_sheet_has_two_equal_sides(two_years: Books) -> None:
    shown = two_years.get("/ledgers/a/balance-sheet?asOf=2021-12-31").json
    assert shown["assets"] == [
        {"account": "Assets:Cash", "name": "Cash", "amount": usd("54.00")},
        {"account": "Assets:Cash", "name": "Cash", "amount": usd("0.125", "XYZ")},
    ]
    assert [line["amount"] for line in shown["liabilities"]] == [usd("1.00")]
    assert [(line["account"], line["amount"]) for line in shown["equity"]] == [
        ("Equity:R", usd("50.00")),
        ("Equity:Trade", usd("-2.00")),
        ("Equity:Trade", usd("0.125", "XYZ")),
    ]
    assert shown["profit"] == [usd("5.00")]
    assert shown["totalAssets"] == shown["totalLiabilitiesAndEquity"]
    assert shown["totalAssets"] == [usd("54.00"), usd("0.125", "XYZ")]


def test_an_income_statement_is_that_of_a_year_whether_closed_or_not(two_years: Books) -> None:
    assert two_years.get("/ledgers/a/income-statement?year=2020").json == {
        "ledgerId": "a",
        "year": 2020,
        "income": [{"account": "Income:Pay", "name": None, "amount": usd("70.00")}],
        "expenses": [{"account": "Expenses:Food", "name": None, "amount": usd("20.00")}],
        "profit": [usd("50.00")],
    }
    assert two_years.get("/ledgers/a/income-statement?year=2021").json["profit"] == [usd("5.00")]
    assert two_years.get("/ledgers/a/income-statement?year=2022").json["profit"] == []


def sheet(books: Books, query: str) -> Any:
    answer = books.get(f"/ledgers/a/postings?account=Assets%3ACash&{query}")
    assert answer.status == 200, answer.text
    return answer.json


def test_an_account_sheet_runs_from_the_opening_balance(searched: Books) -> None:
    shown = sheet(searched, "from=2021-01-01&to=2021-12-31")
    assert shown["opening"] == [usd("50.00")]
    assert [(line["date"], line["amount"], line["balance"]) for line in shown["items"]] == [
        ("2021-01-01", usd("5.00"), usd("55.00")),
        ("2021-03-15", usd("1.00"), usd("56.00")),
        ("2021-03-16", usd("0.125", "XYZ"), usd("0.125", "XYZ")),
        ("2021-03-16", usd("-2.00"), usd("54.00")),
    ]
    assert (shown["next"], shown["total"]) == (None, 4)
    later = sheet(searched, "from=2021-03-16&to=2021-03-16")
    assert later["opening"] == [usd("56.00")]
    assert [line["balance"]["amount"] for line in later["items"]] == ["0.125", "54.00"]


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_no_day_is_too_early_or_too_late_to_ask_for(two_years: Books, day: str) -> None:
    assert sheet(two_years, f"from={day}&to={day}")["total"] == 0
    late = day > "2021"
    assert (balances(two_years, day) != {}) == late
    assert (two_years.get(f"/ledgers/a/balance-sheet?asOf={day}").json["assets"] != []) == late


def test_an_account_sheets_pages_go_on_with_the_balance(searched: Books) -> None:
    query = "from=2021-01-01&to=2021-12-31"
    whole = sheet(searched, query)["items"]
    first = sheet(searched, f"{query}&limit=3")
    second = sheet(searched, f"{query}&limit=3&cursor={first['next']}")
    assert first["items"] + second["items"] == whole
    assert second["next"] is None
    other = f"from=2021-01-02&to=2021-12-31&cursor={first['next']}"
    refused(searched.get(f"/ledgers/a/postings?account=Assets%3ACash&{other}"), "bad-cursor", 400)


def test_an_account_sheet_of_many_commodities_has_pages_too(searched: Books) -> None:
    codes = [f"COMMODITY{n}" for n in range(100)]
    shares = {"code": "Assets:Shares", "type": "asset", "currencies": codes}
    commodities = [{"code": code, "digits": 0} for code in codes]
    chart = {"accounts": [shares], "commodities": commodities}
    assert searched.post("/ledgers/a/accounts", chart).status == 200
    for day in ("2021-05-01", "2021-05-02"):
        postings = [posting("Assets:Shares", "1000000", code) for code in codes]
        postings += [posting("Equity:R", "-1000000", code) for code in codes]
        posted(searched, entry(day, postings=postings))
    searched.settle()
    path = "/ledgers/a/postings?account=Assets:Shares&from=2021-01-01&to=2021-12-31"
    pages = searched.pages(f"{path}&limit=70")
    assert [len(page) for page in pages] == [70, 70, 60]
    lines = [line for page in pages for line in page]
    assert lines == searched.get(f"{path}&limit=500").json["items"]
    assert {line["balance"]["amount"] for line in lines[100:]} == {"2000000"}


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("postings?account=x&from=2020-01-01&to=2021-01-01", "to"),
        ("postings?account=x&from=2020-01-01", "to"),
        ("postings?account=x&from=2020-01-01&to=2020-01-01", "account"),
        ("postings?from=2020-01-01&to=2020-01-01", "account"),
        ("trial-balance?asOf=2020-13-01", "asOf"),
        ("trial-balance?minEntry=1", "minEntry"),
        ("income-statement?year=20", "year"),
        ("income-statement", "year"),
    ],
)
def test_a_report_must_be_asked_for_rightly(books: Books, query: str, parameter: str) -> None:
    answer = books.get(f"/ledgers/a/{query}")
    assert (answer.code, answer.parameters) == ("invalid-query", [parameter])


REPORTS = (
    "trial-balance?",
    "balance-sheet?",
    "income-statement?year=2020&",
    "postings?account=Assets:Cash&from=2020-01-01&to=2020-12-31&",
)


@pytest.mark.parametrize("report", REPORTS)
def test_a_report_waits_for_a_version_and_for_an_entry(books: Books, report: str) -> None:
    entry_id = posted(books, entry())
    refused(books.get(f"/ledgers/a/{report}minEntry={entry_id}"), "view-behind", 503)
    refused(books.get(f"/ledgers/a/{report}minVersion=2"), "view-behind", 503)
    books.settle()
    assert books.get(f"/ledgers/a/{report}minVersion=2&minEntry={entry_id}").status == 200
    refused(books.get(f"/ledgers/a/{report}minEntry=0-99"), "entry-missing", 404)
    refused(books.get(f"/ledgers/b/{report}"), "ledger-missing", 404)
    refused(books.get(f"/ledgers/b/{report}minVersion=1"), "ledger-missing", 404)


def test_a_report_is_that_of_today_by_default(two_years: Books) -> None:
    assert two_years.get("/ledgers/a/trial-balance").json["asOf"] == "2026-01-01"


def test_every_route_of_a_ledger_names_it() -> None:
    of_ledgers = [route for route in API.routes if route.path.startswith("/ledgers/")]
    assert len(of_ledgers) == 12
    assert all("ledger-missing" in route.problems for route in of_ledgers)


LEDGER = Ledger("open", "Ada", 2020, "R", 1, {"A": LedgerAccount("A", "asset", ("USD",))})
LEDGERS = [
    Ledger(),
    replace(LEDGER, open_years=(2021,)),
    replace(LEDGER, open_years=(2021, 2022)),
    replace(LEDGER, open_years=(2021, 2022), closing=True),
]
COMMANDS: list[tuple[str, Any]] = [
    ("", OpenLedger("Ada", 2020, "R")),
    ("/{id}/accounts", ExtendChart((LedgerAccount("A", "income", ("USD",)),))),
    ("/{id}/accounts", ExtendChart((LedgerAccount("A", "asset", ("ABC",)),))),
    ("/{id}/accounts", ExtendChart((), {"USD": 3})),
    ("/{id}/accounts", ExtendChart((LedgerAccount("B" * LARGEST_CHART, "asset", ()),))),
    *(("/{id}/years", OpenYear(year)) for year in range(2019, 2025)),
    *(("/{id}/years/{year}/close", CloseYear(year, TODAY)) for year in range(2019, 2025)),
    ("/{id}/years/{year}/close", CloseYear(2021, "2021-12-31")),
]


@pytest.mark.parametrize(("path", "command"), COMMANDS)
@pytest.mark.parametrize("state", LEDGERS)
def test_every_refusal_of_the_rules_is_described_for_its_route(
    path: str, command: Any, state: Ledger
) -> None:
    (route,) = (r for r in API.routes if (r.method, r.path) == ("POST", f"/ledgers{path}"))
    assert refusal_of(command, state) in {None, *route.problems}


def refusal_of(command: Any, state: Ledger) -> str | None:
    try:
        decide(command, state)
    except Refused as refusal:
        return refusal.code
    return None
