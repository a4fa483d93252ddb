"""A page of a list reads one row more than it shows: that tells whether there is another."""

from typing import Any

import pytest

from chalicelib.domain import DOMAIN
from tests.http.conftest import Bank
from tests.http.findable import FindableRows
from tests.http.samples import booking


class Reads(FindableRows):
    """Rows that remember how many were asked for."""

    def __init__(self, view: Any) -> None:
        super().__init__(view)
        self.sizes: list[int] = []

    def find(self, tenant: str, query: Any, sort: Any, after: Any, size: int) -> Any:
        self.sizes.append(size)
        return super().find(tenant, query, sort, after, size)


@pytest.fixture
def bank() -> Bank:
    bank = Bank()
    bank.rows = {name: Reads(view) for name, view in DOMAIN.views.items()}
    bank.use(bank.events)
    return bank


def sizes(bank: Bank) -> list[int]:
    """How many rows each search since the last look has asked for."""
    stores = [rows for rows in bank.rows.values() if isinstance(rows, Reads)]
    found = [size for rows in stores for size in rows.sizes]
    for rows in stores:
        rows.sizes.clear()
    return found


@pytest.mark.parametrize("url", ["/accounts", "/bookings"])
def test_a_list_asks_for_one_row_more_than_its_limit(bank: Bank, url: str) -> None:
    bank.open()
    bank.post("/accounts/a/credits", booking("1.00"))
    bank.settle()
    assert bank.get(f"{url}?limit=7").status == 200
    assert sizes(bank) == [8]
    bank.get(url)
    assert sizes(bank) == [51]


def test_the_postings_of_an_account_ask_for_one_more_than_their_limit(bank: Bank) -> None:
    ledger = {"ledgerId": "l", "name": "L", "firstYear": 2025, "retainedEarnings": "Equity:R"}
    assert bank.post("/ledgers", ledger).status == 201
    account = {"code": "Assets:Cash", "type": "asset", "currencies": ["USD"]}
    assert bank.post("/ledgers/l/accounts", {"accounts": [account]}).status == 200
    bank.settle()
    answer = bank.get(
        "/ledgers/l/postings?account=Assets:Cash&from=2025-01-01&to=2025-12-31&limit=7"
    )
    assert answer.status == 200, answer.text
    assert sizes(bank) == [8]
