"""Queries: documents, lists, cursors, and reading what was written."""

from itertools import pairwise
from urllib.parse import quote

import pytest

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.store.ports import ParkedStream
from chalicelib.leftfold.store.readers import checkpoint_key
from tests.http.conftest import Bank
from tests.http.gateway import Answer
from tests.http.samples import booking, czk, directed, opening
from tests.issuer import SUBJECT


def funded(bank: Bank, balances: dict[str, str]) -> None:
    for key, balance in balances.items():
        bank.open(key)
        bank.post(f"/accounts/{key}/credits", booking(balance))
    bank.settle()


# --- the balance document


def test_the_document_has_what_the_contract_says(bank: Bank) -> None:
    bank.open(limit="50.00")
    bank.post("/accounts/a/debits", booking("20.50"))
    bank.settle()
    answer = bank.get("/accounts/a")
    assert answer.status == 200
    assert answer.headers["ETag"] == '"2"'
    assert answer.json == {
        "accountId": "a",
        "owner": "Ada",
        "kind": "current",
        "currency": "CZK",
        "status": "open",
        "balance": czk("-20.50"),
        "creditLimit": czk("50.00"),
        "statements": 0,
        "version": 2,
    }


@pytest.mark.parametrize("tags", ['"1"', 'W/"1"', '"7", "1"', "*"])
def test_a_document_that_the_client_has_is_not_sent_again(bank: Bank, tags: str) -> None:
    bank.open()
    bank.settle()
    answer = bank.get("/accounts/a", if_none_match=tags)
    assert (answer.status, answer.text, answer.headers["ETag"]) == (304, "", '"1"')
    # It would be of an empty text, which is no JSON.
    assert "Content-Type" not in answer.headers


@pytest.mark.parametrize("tags", ['"2"', '"01"', '"11"'])
def test_a_document_that_the_client_has_not_is_sent(bank: Bank, tags: str) -> None:
    bank.open()
    bank.settle()
    assert bank.get("/accounts/a", if_none_match=tags).status == 200


def test_an_account_that_no_view_shows_is_missing(bank: Bank) -> None:
    answer = bank.get("/accounts/a")
    assert (answer.status, answer.code) == (404, "account-missing")


# --- minVersion


def test_a_view_that_has_seen_the_version_answers(bank: Bank) -> None:
    bank.open()
    bank.settle()
    for url in (
        "/accounts/a?",
        "/accounts?account=a&",
        "/bookings?account=a&",
        "/totals?account=a&",
    ):
        assert bank.get(f"{url}minVersion=1").status == 200
    assert bank.waited == 0


def test_a_document_shows_what_was_just_written_before_its_view_does(bank: Bank) -> None:
    bank.open()
    opened = bank.get("/accounts/a?minVersion=1")
    assert (opened.status, opened.headers["ETag"]) == (200, '"1"')
    bank.settle()
    bank.post("/accounts/a/credits", booking("5.00"))
    bank.sequence()
    bank.post("/accounts/a/freeze")
    answer = bank.get("/accounts/a?minVersion=3")
    assert (answer.json["balance"], answer.json["status"]) == (czk("5.00"), "frozen")
    assert answer.headers["ETag"] == '"3"'
    assert bank.get("/accounts/a?minVersion=3", if_none_match='"3"').status == 304
    assert bank.get("/accounts/a").headers["ETag"] == '"1"'
    assert bank.waited == 0
    bank.settle()
    assert bank.get("/accounts/a").json == answer.json


def test_a_document_with_a_version_that_nobody_has_written_is_waited_for(bank: Bank) -> None:
    bank.open()
    assert bank.get("/accounts/a?minVersion=2").code == "view-behind"
    assert bank.waited == pytest.approx(5.0)


@pytest.mark.parametrize(
    "url", ["/accounts?account=a&", "/bookings?account=a&", "/totals?account=a&"]
)
def test_a_view_that_stays_behind_is_waited_for_and_given_up(bank: Bank, url: str) -> None:
    bank.open()
    bank.settle()
    bank.post("/accounts/a/freeze")
    answer = bank.get(f"{url}minVersion=2")
    assert (answer.status, answer.code) == (503, "view-behind")
    assert answer.headers["Retry-After"] == "1"
    assert bank.waited == pytest.approx(5.0)


def test_a_parked_stream_is_told_at_once(bank: Bank) -> None:
    bank.open()
    bank.parking.park("balances", "main/account-a", ParkedStream(0, 0, "no row for it"))
    answer = bank.get("/accounts/a?minVersion=1")
    assert (answer.status, answer.code) == (503, "view-parked")
    assert bank.waited == 0


def test_nobody_waits_for_an_account_that_was_never_opened(bank: Bank) -> None:
    assert bank.get("/accounts/a?minVersion=1").code == "account-missing"
    assert bank.get("/bookings?account=a&minVersion=1").code == "account-missing"
    assert bank.waited == 0


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("/accounts/a", "account-missing"),
        ("/accounts/a/statements", "account-missing"),
        ("/accounts/a/statements/1", "statement-missing"),
        ("/transfers/t", "transfer-missing"),
        ("/transfers/t/trace", "transfer-missing"),
        ("/ledgers/l", "ledger-missing"),
    ],
)
def test_what_is_not_shown_yet_is_missing_and_the_answer_says_how_to_wait(
    bank: Bank, url: str, code: str
) -> None:
    bank.open()
    bank.post("/accounts/a/statements", {"through": "2025-12-31"})
    order = {"source": "a", "target": "b", "amount": czk("1.00"), "valueDate": "2026-01-01"}
    bank.post("/transfers", {"transferId": "t", **order})
    bank.post(
        "/ledgers", {"ledgerId": "l", "name": "L", "firstYear": 2025, "retainedEarnings": "RE"}
    )
    answer = bank.get(url)
    assert (answer.status, answer.code) == (404, code)
    assert "minVersion" in answer.json["detail"]
    if url not in ("/accounts/a", "/transfers/t"):
        # The row of a personal view needs no log, and is folded ahead of it.
        assert bank.get(f"{url}?minVersion=1").code == "view-behind"
        bank.settle()
    assert bank.get(f"{url}?minVersion=1").status == 200


def test_what_is_missing_after_all_views_have_come_there_is_missing(bank: Bank) -> None:
    bank.open()
    bank.settle()
    answer = bank.get("/accounts/a/statements/7?minVersion=1")
    assert (answer.code, "detail" in answer.json) == ("statement-missing", False)


def test_a_list_of_statements_waits_for_both_views_that_it_is_made_of(bank: Bank) -> None:
    bank.open()
    bank.post("/accounts/a/statements", {"through": "2025-12-31"})
    bank.settle()
    key = checkpoint_key(DOMAIN.views["balances"], "main/account-a")
    bank.checkpoints.move("balances", key, 1, 0)
    answer = bank.get("/accounts/a/statements?minVersion=2")
    assert (answer.status, answer.code) == (503, "view-behind")


@pytest.mark.parametrize(
    ("url", "parameter"),
    [
        ("/accounts?minVersion=1", "account"),
        ("/bookings?minVersion=1", "account"),
        ("/totals?minVersion=1", "account"),
        ("/totals?account=a", "minVersion"),
    ],
)
def test_a_list_needs_to_know_whose_version_is_meant(bank: Bank, url: str, parameter: str) -> None:
    assert bank.get(url).parameters == [parameter]


# --- the ranking


def test_accounts_are_ranked_by_balance(bank: Bank) -> None:
    funded(bank, {"a": "10.00", "b": "30.00", "c": "20.00", "d": "20.00"})
    assert ids(bank.get("/accounts?currency=CZK")) == ["b", "c", "d", "a"]
    assert ids(bank.get("/accounts?sort=balance")) == ["a", "c", "d", "b"]
    assert bank.get("/accounts?limit=1").json["total"] == 4


def test_balances_are_compared_within_a_currency_only(bank: Bank) -> None:
    for key, currency in (("a", "JPY"), ("b", "CZK"), ("c", "JPY")):
        bank.open(key, currency)
    body = {"amount": {"amount": "9", "currency": "JPY"}, "valueDate": "1993-01-03"}
    bank.post("/accounts/c/credits", body)
    bank.settle()
    assert ids(bank.get("/accounts")) == ["b", "c", "a"]
    assert ids(bank.get("/accounts?currency=JPY")) == ["c", "a"]


def test_the_ranking_is_filtered_by_status_and_account(bank: Bank) -> None:
    funded(bank, {"a": "1.00", "b": "2.00"})
    bank.post("/accounts/b/freeze")
    bank.settle()
    assert ids(bank.get("/accounts?status=frozen")) == ["b"]
    assert ids(bank.get("/accounts?status=open")) == ["a"]
    assert ids(bank.get("/accounts?account=a")) == ["a"]


def test_pages_follow_one_another_though_accounts_are_added(bank: Bank) -> None:
    funded(bank, {f"a{n}": "5.00" for n in range(5)})
    first = bank.get("/accounts?limit=2")
    funded(bank, {"a00": "9.00", "a11": "5.00", "z": "1.00"})
    rest = bank.get(f"/accounts?limit=2&cursor={first.json['next']}")
    assert ids(first) == ["a0", "a1"]
    assert ids(rest) == ["a11", "a2"]


@pytest.mark.parametrize("sort", ["balance", "-balance"])
@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_pages_hold_everything_once(bank: Bank, sort: str, limit: int) -> None:
    funded(bank, {f"a{n}": f"{n % 3}.50" for n in range(7)})
    found = bank.pages(f"/accounts?sort={sort}&limit={limit}")
    keys = [item["accountId"] for page in found for item in page]
    assert sorted(keys) == [f"a{n}" for n in range(7)]
    assert all(len(page) == limit for page in found[:-1])


# --- parameters


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("min=1.00", "currency"),
        ("max=1.00", "currency"),
        ("currency=JPY&min=1.5", "min"),
        ("currency=CZK&max=1.001", "max"),
        ("currency=CZK&min=x", "min"),
        ("currency=CZK&min=NaN", "min"),
        ("currency=CZK&min=1e400", "min"),
        ("currency=czk", "currency"),
        ("from=1993-02-29", "from"),
        ("to=19930103", "to"),
        ("sort=owner", "sort"),
        ("sort=", "sort"),
        ("q=", "q"),
        ("q=%20", "q"),
        ("q=%00", "q"),
        (f"q={'x' * 201}", "q"),
        ("account=a%2Fb", "account"),
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=-1", "limit"),
        ("limit=1.0", "limit"),
        ("limit=1_0", "limit"),
        ("limit=%D9%A3", "limit"),
        ("limit=", "limit"),
        ("limit=9" + "9" * 5000, "limit"),
        ("limit=true", "limit"),
        ("limit=1&limit=1", "limit"),
        ("unknown=1", "unknown"),
        ("Limit=1", "Limit"),
        ("from_=1993-01-01", "from_"),
        ("min_version=1", "min_version"),
        ("account=a&minVersion=0", "minVersion"),
        ("account=a&minVersion=1e400", "minVersion"),
    ],
)
def test_a_wrong_parameter_is_named(bank: Bank, query: str, parameter: str) -> None:
    answer = bank.get(f"/bookings?{query}")
    assert (answer.status, answer.code) == (400, "invalid-query")
    assert set(answer.parameters) == {parameter}


# --- cursors


@pytest.mark.parametrize(
    "cursor",
    ["x", "%", "AAAA", "bnVsbA", "W10", "WzEsMl0", "W251bGwsbnVsbF0", "ä", "e30", "[" * 99],
)
@pytest.mark.parametrize("url", ["/accounts", "/bookings", "/accounts/a/events"])
def test_what_is_no_cursor_is_refused(bank: Bank, url: str, cursor: str) -> None:
    bank.open()
    answer = bank.get(f"{url}?cursor={quote(cursor)}")
    assert (answer.status, answer.code) == (400, "bad-cursor")
    assert answer.parameters == ["cursor"]


@pytest.mark.parametrize("other", ["sort=balance", "currency=CZK", "status=open"])
def test_a_cursor_is_of_its_own_query(bank: Bank, other: str) -> None:
    funded(bank, {"a": "1.00", "b": "2.00"})
    cursor = bank.get("/accounts?limit=1").json["next"]
    assert bank.get(f"/accounts?limit=1&{other}&cursor={cursor}").code == "bad-cursor"
    assert bank.get(f"/bookings?cursor={cursor}").code == "bad-cursor"
    assert bank.get(f"/accounts?limit=5&cursor={cursor}").status == 200


def test_a_cursor_of_one_history_is_not_of_another(bank: Bank) -> None:
    for key in ("a", "b"):
        bank.open(key)
        bank.post(f"/accounts/{key}/freeze")
    cursor = bank.get("/accounts/a/events?limit=1").json["next"]
    assert bank.get(f"/accounts/b/events?cursor={cursor}").code == "bad-cursor"


# --- the history


def test_the_history_has_every_event_in_order(bank: Bank) -> None:
    bank.open(limit="5.00")
    body = {"bookings": [directed("credit", "1.50"), directed("debit", "0.50", purpose="x")]}
    bank.post("/accounts/a/bookings", body, x_correlation_id="c")
    bank.post("/accounts/a/freeze")
    items = bank.get("/accounts/a/events").json["items"]
    assert [(i["version"], i["index"], i["name"]) for i in items] == [
        (1, 0, "account-opened"),
        (2, 0, "account-credited"),
        (2, 1, "account-debited"),
        (3, 0, "account-frozen"),
    ]
    assert items[0]["body"]["creditLimit"] == czk("5.00")
    assert items[2] == {
        "version": 2,
        "index": 1,
        "part": 0,
        "name": "account-debited",
        "correction": None,
        "eventVersion": 1,
        "body": {
            "amount": czk("0.50"),
            "currency": "CZK",
            "valueDate": "1993-01-03",
            "purpose": "x",
        },
        "at": "2026-01-01T00:00:00.000Z",
        "actor": SUBJECT,
        "correlationId": "c",
    }


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_pages_of_the_history_go_on_within_a_commit(bank: Bank, limit: int) -> None:
    bank.open()
    for size in [3, 1, *[2] * 30]:
        bookings = [directed("credit", "1.00")] * size
        bank.post("/accounts/a/bookings", {"bookings": bookings})
    found = [i for p in bank.pages(f"/accounts/a/events?limit={limit}") for i in p]
    places = [(item["version"], item["index"]) for item in found]
    assert len(places) == 1 + 3 + 1 + 60
    assert all(a < b for a, b in pairwise(places))


def test_the_history_of_nobody_is_missing(bank: Bank) -> None:
    assert bank.get("/accounts/a/events").code == "account-missing"


# --- the totals


def test_totals_are_by_currency(bank: Bank) -> None:
    bank.open("a")
    bank.open("j", "JPY")
    bank.post("/accounts/a/credits", booking("7.00"))
    bank.post("/accounts/a/debits", booking("2.00"))
    bank.settle()
    answer = bank.get("/totals?account=a&minVersion=3")
    assert [item["currency"] for item in answer.json["items"]] == ["CZK", "JPY"]
    assert bank.get("/totals?currency=CZK").json == {
        "items": [
            {
                "currency": "CZK",
                "accounts": 1,
                "bookings": 2,
                "credits": czk("7.00"),
                "debits": czk("2.00"),
                "balance": czk("5.00"),
                "last": {"accountId": "a", "version": 3},
            }
        ],
        "next": None,
    }
    assert bank.get("/totals?currency=EUR").json["items"] == []


def ids(answer: Answer) -> list[str]:
    return [item["accountId"] for item in answer.json["items"]]


def test_new_accounts_are_open(bank: Bank) -> None:
    bank.post("/accounts", opening(accountId="a"))
    bank.settle()
    assert bank.get("/accounts/a").json["status"] == "open"
