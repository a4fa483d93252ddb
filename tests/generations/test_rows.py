"""The ultimate smoke test of a change: what a later generation shows is what the earlier one shows."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.wiring import process
from tests.generations.site import Site, truth_of
from tests.http.conftest import Bank
from tests.http.samples import booking, czk
from tests.http.test_ledgers import entry, with_chart
from tests.teller import OPENING, credit
from tools.proving import Rows, RowsFound

KEY = "main/account-b"
ORDER = {"source": "a", "target": "b", "amount": czk("4.00"), "valueDate": "2026-01-31"}


class Both:
    """A bank at work, and one with its streams copied as they are."""

    def __init__(self) -> None:
        self.blue = Bank()
        for key in "abc":
            self.blue.open(key)
            for amount in ("5.00", "7.50"):
                assert self.blue.post(f"/accounts/{key}/credits", booking(amount)).status == 200
        assert self.blue.post("/accounts/a/debits", booking("1.00")).status == 200
        closing = {"through": "1993-01-31"}
        assert self.blue.post("/accounts/c/statements", closing).status in (200, 201)
        assert self.blue.post("/transfers", {**ORDER, "transferId": "t"}).status == 202
        self.blue.act()
        with_chart(self.blue)
        assert self.blue.post("/ledgers/a/entries", entry()).status == 201
        self.blue.settle()
        self.green = Bank()
        self.green.vault = self.blue.vault
        self.site: Any = Site(
            blue=truth_of("blue", self.blue.events, self.blue.log, first=True),  # type: ignore[arg-type]
            green=truth_of("green", self.green.events, self.green.log),  # type: ignore[arg-type]
        )
        self.site.copy()
        self.settle(self.green)

    @staticmethod
    def settle(bank: Bank) -> None:
        """Brings everything of a bank into its log and its views."""
        bank.use(bank.events)
        bank.settle()

    def compared(self, view: str, *, behind: bool = False) -> RowsFound:
        """What `verify` finds in the rows of a view."""
        return Rows(
            DOMAIN.views[view],
            self.site.blue,
            self.site.green,
            self.blue.rows[view],
            self.green.rows[view],
            self.site.boundaries,
            self.blue.vault,
            lambda _stream, _position: behind,
        ).compared()


@pytest.fixture
def both() -> Iterator[Both]:
    before = process._services
    yield Both()
    process._services = before


def shown(bank: Bank, view: str) -> dict[str, Any]:
    """The rows of a view, without the positions that they were made at, and without which commit of
    several streams was the last one: their order among each other is another one in a copy's log.
    """
    rows = {key: stored.row for key, stored in bank.rows[view].scan() if stored.row is not None}
    if DOMAIN.views[view].order == "ordered":
        return {key: {k: v for k, v in row.items() if k != "last"} for key, row in rows.items()}
    return rows


def test_every_row_of_every_view_is_the_same_in_a_generation_that_was_copied_as_it_is(
    both: Both,
) -> None:
    rows = {view: shown(both.blue, view) for view in DOMAIN.views}
    assert {view: shown(both.green, view) for view in DOMAIN.views} == rows
    assert all(rows.values()), {view for view in rows if not rows[view]}
    for view, each in DOMAIN.views.items():
        if each.order == "partitioned":
            found = both.compared(view)
            assert found == RowsFound(view, "the rows of the earlier generation", len(rows[view]))


def test_rows_of_what_was_written_in_either_generation_since_are_no_difference(both: Both) -> None:
    # Blue's view shows it, and green has no copy of it yet.
    blue, green = (
        replace(both.site.teller(name), vault=both.blue.vault) for name in ("blue", "green")
    )
    blue.do(credit(200), "b")
    blue.do(OPENING, "new")
    both.settle(both.blue)
    found = both.compared("balances")
    assert (found.rows, found.under_way, found.differing) == (4, 2, 0)
    # Green has logged the copies, and its view has not passed them.
    both.site.copy()
    both.site.log(both.site.green)
    found = both.compared("balances", behind=True)
    assert (found.rows, found.under_way, found.differing) == (4, 2, 0)
    both.settle(both.green)
    assert both.compared("balances").under_way == 0
    both.site.switch()
    both.site.take_all()
    green.do(credit(5), "a")
    both.settle(both.green)
    found = both.compared("balances")
    assert (found.went_on, found.under_way, found.differing) == (1, 0, 0)


def test_a_row_with_another_byte_is_named(both: Both) -> None:
    rows: Any = both.green.rows["balances"]
    item = rows._items[KEY]
    rows._items[KEY] = item._replace(text=item.text.replace("CZK", "EUR"))
    assert both.compared("balances").differences == [
        f"balances: the row {KEY} is not what the earlier stream makes of it"
    ]


def test_a_row_that_is_missing_is_named(both: Both) -> None:
    rows: Any = both.green.rows["balances"]
    del rows._items[KEY]
    found = both.compared("balances")
    assert (found.rows, found.differences) == (3, [f"balances: the row {KEY} is missing"])
