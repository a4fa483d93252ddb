"""What can be found, in memory and in OpenSearch alike."""

from typing import Any
from uuid import uuid4

import pytest

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.projection.search import SearchRows, connect
from tests.application import still
from tests.http.conftest import Bank
from tests.http.samples import booking, czk, directed


@pytest.fixture(
    scope="module",
    params=["memory", pytest.param("opensearch", marks=pytest.mark.engine("opensearch"))],
)
def searched(request: pytest.FixtureRequest) -> Bank:
    """Two accounts of six bookings, and one in yen."""
    bank = Bank()
    if request.param == "opensearch":
        client = connect(request.getfixturevalue("opensearch"))
        for view in ("ranking", "bookings"):
            name = f"http-{uuid4()}-{view}"
            bank.rows[view] = SearchRows(client, name, DOMAIN.views[view], bank.clock, still)
    for key, currency in (("a", "CZK"), ("b", "CZK"), ("c", "JPY")):
        bank.open(key, currency)
    many = [
        directed("credit", "100.00", valueDate="1993-01-01", operation="cash-deposit"),
        directed("debit", "10.00", valueDate="1993-01-02", purpose="rent of May"),
        directed("debit", "20.00", valueDate="1993-01-03", counterpartyBank="Rent AG"),
    ]
    for key in ("a", "b"):
        bank.post(f"/accounts/{key}/bookings", {"bookings": many})
    yen = {"amount": {"amount": "8", "currency": "JPY"}}
    bank.post("/accounts/c/credits", booking() | yen | {"valueDate": "1993-01-04"})
    bank.settle()
    return bank


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", 7),
        ("account=a", 3),
        ("account=nobody", 0),
        ("from=1993-01-02", 5),
        ("from=1993-01-02&to=1993-01-02", 2),
        ("to=1992-12-31", 0),
        ("currency=CZK&min=10.00", 6),
        ("currency=CZK&min=10.01&max=99.99", 2),
        ("currency=CZK&max=20", 4),
        ("currency=EUR", 0),
        ("q=rent", 4),
        ("q=rent%20may", 2),
        ("q=cash&account=b", 1),
    ],
)
def test_all_conditions_must_hold(searched: Bank, query: str, found: int) -> None:
    answer = searched.get(f"/bookings?{query}")
    assert (len(answer.json["items"]), answer.json["total"]) == (found, found)


def test_a_booking_is_shown_with_its_place(searched: Bank) -> None:
    assert searched.get("/bookings?account=a&q=may").json["items"] == [
        {
            "accountId": "a",
            "version": 2,
            "index": 1,
            "bookedAt": "2026-01-01T00:00:00.000Z",
            "direction": "debit",
            "amount": czk("10.00"),
            "valueDate": "1993-01-02",
            "operation": None,
            "purpose": "rent of May",
            "counterpartyBank": None,
            "counterpartyAccount": None,
        }
    ]


@pytest.mark.parametrize(
    ("sort", "field"),
    [
        ("valueDate", "valueDate"),
        ("-valueDate", "valueDate"),
        ("amount", "amount"),
        ("-amount", "amount"),
    ],
)
def test_bookings_are_sorted_over_all_pages(searched: Bank, sort: str, field: str) -> None:
    found = [i for p in searched.pages(f"/bookings?sort={sort}&limit=2") for i in p]
    assert len({(i["accountId"], i["version"], i["index"]) for i in found}) == 7
    if field == "amount":
        assert found[-1]["amount"]["currency"] == "JPY"
        values: list[Any] = [float(item["amount"]["amount"]) for item in found[:-1]]
    else:
        values = [item[field] for item in found]
    assert values == sorted(values, reverse=sort.startswith("-"))


@pytest.mark.parametrize("limit", [1, 2, 3])
@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("sort=-balance", ["a", "b", "c"]),
        ("sort=balance", ["a", "b", "c"]),
        ("currency=JPY", ["c"]),
        ("status=open&account=b", ["b"]),
        ("status=closed", []),
    ],
)
def test_accounts_are_ranked_over_all_pages(
    searched: Bank, query: str, keys: list[str], limit: int
) -> None:
    found = searched.pages(f"/accounts?{query}&limit={limit}")
    assert [item["accountId"] for page in found for item in page] == keys


@pytest.mark.parametrize(
    "words", ["-", "*", "rent AND", '"', "a:b", "(", "may~", "^", "\\", "🏦", "rent%20%20"]
)
def test_words_have_no_syntax(searched: Bank, words: str) -> None:
    assert searched.get(f"/bookings?q={words}".replace(" ", "%20")).status == 200


def test_dates_of_any_year_can_be_found(searched: Bank) -> None:
    for year in ("0001", "9999"):
        assert searched.get(f"/bookings?from={year}-01-01&to={year}-12-31").status == 200
