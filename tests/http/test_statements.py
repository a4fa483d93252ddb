"""Statements: closed, listed, and shown with what was booked in them."""

import pytest

from tests.http.conftest import Bank
from tests.http.samples import booking, czk


def closed(bank: Bank, through: str, key: str = "a") -> int:
    answer = bank.post(f"/accounts/{key}/statements", {"through": through})
    assert answer.status == 200, answer.text
    version: int = answer.json["version"]
    return version


def test_a_statement_has_its_bookings_and_the_next_one_goes_on_from_it(bank: Bank) -> None:
    bank.open()
    for amount in ("70.00", "30.00"):
        bank.post("/accounts/a/credits", booking(amount))
    closed(bank, "2025-11-30")
    bank.post("/accounts/a/debits", booking("25.00"))
    closed(bank, "2025-12-31")
    bank.settle()
    first, second = (bank.get(f"/accounts/a/statements/{n}").json for n in (1, 2))
    assert (first["from"], first["through"]) == (None, "2025-11-30")
    assert (first["openingBalance"], first["closingBalance"]) == (czk("0.00"), czk("100.00"))
    assert [b["amount"] for b in first["bookings"]] == [czk("70.00"), czk("30.00")]
    assert (second["from"], second["through"]) == ("2025-12-01", "2025-12-31")
    assert (second["openingBalance"], second["closingBalance"]) == (czk("100.00"), czk("75.00"))
    assert [(b["direction"], b["amount"]) for b in second["bookings"]] == [("debit", czk("25.00"))]
    assert bank.get("/accounts/a").json["balance"] == czk("75.00")
    assert bank.get("/accounts/a").json["statements"] == 2


def test_the_bookings_of_a_statement_come_in_pages(bank: Bank) -> None:
    bank.open()
    for amount in range(1, 8):
        bank.post("/accounts/a/credits", booking(f"{amount}.00"))
    closed(bank, "2025-12-31")
    bank.settle()
    seen, url = [], "/accounts/a/statements/1?limit=3"
    while True:
        page = bank.get(url).json
        seen.append([b["amount"]["amount"] for b in page["bookings"]])
        if page["next"] is None:
            break
        url = f"/accounts/a/statements/1?limit=3&cursor={page['next']}"
    assert seen == [["1.00", "2.00", "3.00"], ["4.00", "5.00", "6.00"], ["7.00"]]


def test_statements_are_listed_from_the_newest_down(bank: Bank) -> None:
    bank.open()
    for month in range(1, 6):
        closed(bank, f"2025-{month:02}-28")
    bank.settle()
    pages = bank.pages("/accounts/a/statements?limit=2")
    assert [[item["number"] for item in page] for page in pages] == [[5, 4], [3, 2], [1]]
    assert bank.get("/accounts/a/statements").json["total"] == 5


def test_a_period_is_closed_once_and_an_empty_one_may_be(bank: Bank) -> None:
    bank.open()
    closed(bank, "2025-11-30")
    for day in ("2025-11-30", "2025-11-01"):
        answer = bank.post("/accounts/a/statements", {"through": day})
        assert (answer.status, answer.code) == (409, "period-closed")
        assert (answer.json["statement"], answer.json["until"]) == (1, "2025-11-30")
    closed(bank, "2025-12-01")


def test_a_statement_is_closed_once_however_often_its_command_is_sent(bank: Bank) -> None:
    bank.open()
    for _ in range(3):
        answer = bank.post(
            "/accounts/a/statements", {"through": "2025-11-30"}, idempotency_key="close-11"
        )
        assert (answer.status, answer.json["version"]) == (200, 2)
    assert bank.written() == 2


@pytest.mark.parametrize("day", ["2999-01-02", "9999-12-31", "2025-02-30", "20250131", ""])
def test_a_day_to_come_or_none_ends_no_period(bank: Bank, day: str) -> None:
    bank.open()
    answer = bank.post("/accounts/a/statements", {"through": day})
    assert (answer.status, answer.code, answer.pointers) == (400, "invalid-body", ["/through"])
    assert bank.written() == 1


@pytest.mark.parametrize("number", ["2", "0", "-1", "one", "1.0", "999999999999"])
def test_a_statement_that_is_not_there_is_missing(bank: Bank, number: str) -> None:
    bank.open()
    closed(bank, "2025-12-31")
    bank.settle()
    assert bank.get(f"/accounts/a/statements/{number}").status == 404


def test_an_account_without_a_statement_has_an_empty_list_that_ends(bank: Bank) -> None:
    bank.open()
    bank.settle()
    shown = bank.get("/accounts/a/statements").json
    assert shown == {"items": [], "next": None, "total": 0}


def test_what_is_not_there_has_no_statements(bank: Bank) -> None:
    assert bank.get("/accounts/nobody/statements").code == "account-missing"
    assert bank.get("/accounts/nobody/statements/1").code == "statement-missing"
    assert bank.post("/accounts/nobody/statements", {"through": "2025-12-31"}).status == 404


@pytest.mark.parametrize("through", ["2026-01-01", "2026-01-02"])
def test_an_account_closed_by_the_end_of_its_last_statement_has_one_more_of_that_day(
    bank: Bank, through: str
) -> None:
    bank.clock.forward(hours=11)  # 1 January 2026 still, and somewhere the second has begun
    bank.open()
    closed(bank, through)
    assert bank.post("/accounts/a/close").status == 200
    bank.settle()
    shown = bank.get("/accounts/a/statements").json["items"]
    assert [(s["number"], s["from"], s["through"]) for s in shown] == [
        (2, through, through),
        (1, None, through),
    ]


def test_closing_an_account_closes_its_last_statement(bank: Bank) -> None:
    bank.open()
    assert bank.post("/accounts/a/close").status == 200
    bank.settle()
    last = bank.get("/accounts/a/statements/1").json
    assert (last["from"], last["through"]) == (None, "2026-01-01")
    assert bank.post("/accounts/a/statements", {"through": "2026-01-01"}).code == "account-closed"
    assert bank.get("/accounts/a").json["status"] == "closed"
