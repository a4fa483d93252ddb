"""A law: however an account's rows are cut into files, each of them is booked once."""

from itertools import accumulate

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.http.conftest import Bank
from tests.tools.bank.wire import api_to
from tools.bank.bank_file import Line
from tools.bank.checking import check, wrong_histories
from tools.bank.histories import History, histories
from tools.bank.importing import import_all

pytestmark = pytest.mark.slow

# Few amounts and few days, so that rows are often alike and balances often the same.
ROWS = st.lists(st.tuples(st.sampled_from([-5, 5, 7]), st.integers(0, 2)), min_size=1, max_size=9)


def lines_of(rows: list[tuple[int, int]]) -> list[Line]:
    """The rows with days that do not fall, and the balance after each."""
    balances = accumulate(change for change, _ in rows)
    days = accumulate(later for _, later in rows)
    return [
        Line(
            number,
            f"t{number}",
            "a",
            f"2024-01-{1 + day:02}",
            "credit" if change > 0 else "debit",
            abs(change),
            balance,
        )
        for number, ((change, _), balance, day) in enumerate(
            zip(rows, balances, days, strict=True), 2
        )
    ]


def booked(bank: Bank) -> list[tuple[int, str]]:
    """The amounts and days of the account's bookings, in their order."""
    return [
        (
            event.body["amount"] * (1 if event.name == "account-credited" else -1),
            event.body["value_date"],
        )
        for commit in bank.stream()
        for event in commit.events
        if event.name in ("account-credited", "account-debited")
    ]


def history_of(lines: list[Line]) -> History:
    ((history,), rejected) = histories(lines, "CZK")
    assert rejected == []
    # Each file shall find room, also below zero.
    history.least_credit = 100_00
    return history


@settings(deadline=None, max_examples=50)
@given(ROWS, st.lists(st.tuples(st.integers(0, 8), st.integers(1, 9)), max_size=4))
def test_files_that_overlap_or_are_repeated_book_each_row_once(
    rows: list[tuple[int, int]], cuts: list[tuple[int, int]]
) -> None:
    lines, bank, reached = lines_of(rows), Bank(), 0
    assume(history_of(lines).lines == lines)
    for start, count in [*cuts, (0, len(lines)), (0, len(lines))]:
        # No file leaves a hole: that is refused, and another test's.
        first = min(start, reached)
        part = lines[first : first + count] or lines
        history = history_of(part)
        assume(history.lines == part)
        (done,) = import_all(api_to(bank), [history], lambda *_: None).accounts

        if done.rejected:
            assert "nobody can tell" in done.rejected[0].reason
            assert part != lines
        else:
            reached = max(reached, lines.index(part[-1]) + 1)
            assert [checked.agrees for checked in check(api_to(bank), [done])] == [True]
            assert wrong_histories(api_to(bank), [done]) == []
        assert booked(bank) == [(line.change, line.day) for line in lines[:reached]]
    assert reached == len(lines)
