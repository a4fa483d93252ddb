"""The ultimate smoke test of a change: what a later generation shows is what the earlier one shows."""

from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.wiring import process
from tests.generations.site import Site, truth_of
from tests.http.conftest import Bank
from tests.http.samples import booking, czk

ORDER = {"source": "a", "target": "b", "amount": czk("4.00"), "valueDate": "2026-01-31"}


@pytest.fixture
def banks() -> Iterator[tuple[Bank, Bank]]:
    """A bank at work, and one with its streams copied as they are."""
    before = process._services
    blue = Bank()
    for key in "abc":
        blue.open(key)
        for amount in ("5.00", "7.50"):
            assert blue.post(f"/accounts/{key}/credits", booking(amount)).status == 200
    assert blue.post("/accounts/a/debits", booking("1.00")).status == 200
    closing = {"through": "1993-01-31"}
    assert blue.post("/accounts/c/statements", closing).status in (200, 201)
    assert blue.post("/transfers", {**ORDER, "transferId": "t"}).status == 202
    blue.act()
    green = Bank()
    green.vault = blue.vault
    green.use(green.events)
    site: Any = Site(
        blue=truth_of("blue", blue.events, blue.log, first=True),  # type: ignore[arg-type]
        green=truth_of("green", green.events, green.log),  # type: ignore[arg-type]
    )
    site.copy()
    green.settle()
    yield blue, green
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
    banks: tuple[Bank, Bank],
) -> None:
    blue, green = banks
    rows = {view: shown(blue, view) for view in DOMAIN.views}
    assert {view: shown(green, view) for view in DOMAIN.views} == rows
    full = {"balances", "ranking", "bookings", "statements", "totals", "transfers", "traces"}
    assert {view for view in full if rows[view]} == full
