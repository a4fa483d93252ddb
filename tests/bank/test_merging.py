"""Each view that says that its rows can be merged: any split makes the rows of the sequential fold."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.bank.account.domain import Closed, Credited, Debited, Frozen, Opened
from chalicelib.bank.ledger.journal import EntryPosted, Posting
from chalicelib.domain import DOMAIN
from chalicelib.leftfold.kernel import Recorded
from tests.bank.test_ledger_views import JOURNAL, LEDGER, forward, opened
from tests.projection.merging import check_law

AT = "2026-01-01T00:00:00.000Z"
MERGING = {name: view for name, view in DOMAIN.views.items() if view.merge is not None}
amounts = st.integers(1, 10**12)
codes = st.sampled_from(["CZK", "EUR"])
dates = st.sampled_from(["2026-01-01", "2026-01-31", "2026-02-01"])
bookings = st.builds(Credited, amounts, codes, dates) | st.builds(Debited, amounts, codes, dates)
openings = st.builds(Opened, st.just("Ada"), codes, st.just("current"), st.just(0))
account = st.tuples(
    st.sampled_from(["main/account-a", "main/account-b", "other/account-a"]),
    bookings | openings | st.sampled_from([Frozen(), Closed()]),
)
postings = st.builds(
    Posting, st.sampled_from(["Cash", "Pay", "Rent"]), st.integers(-(10**9), 10**9), codes
)
entries = st.builds(
    EntryPosted, dates, st.just("pay"), st.lists(postings, min_size=1, max_size=3).map(tuple)
)
ledger = st.tuples(st.just(JOURNAL), entries) | st.sampled_from(
    [(LEDGER, opened), (LEDGER, forward)]
)
HISTORIES = {"totals": account, "trial_balance": ledger}


def test_every_view_that_merges_is_tried_here() -> None:
    assert HISTORIES.keys() == MERGING.keys()


@pytest.mark.parametrize("name", HISTORIES)
@given(data=st.data())
def test_any_split_makes_the_rows_of_the_whole(name: str, data: st.DataObject) -> None:
    told: list[tuple[str, Any]] = data.draw(st.lists(HISTORIES[name], max_size=12))
    history = [
        Recorded(stream, number + 1, 0, AT, number, event)
        for number, (stream, event) in enumerate(told)
    ]
    check_law(MERGING[name], history, data.draw(st.lists(st.integers(0, 12), max_size=3)))
