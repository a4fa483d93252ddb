from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tools.bank.bank_files import bank_file, credits_of
from tools.bank.bank_file import Direction, Line, Rejected, read
from tools.bank.histories import (
    BATCH,
    History,
    batches,
    booking_key,
    differing_alone,
    histories,
    idempotency_key,
    last_month_before,
    months,
    opening_key,
)
from tools.bootstrap import ROOT


def line(number: int, change: int, after: int, account: str = "a") -> Line:
    direction: Direction = "credit" if change > 0 else "debit"
    return Line(number, f"t{number}", account, "2020-01-31", direction, abs(change), after)


def test_rows_are_told_apart_by_account_in_the_files_order() -> None:
    found, rejected = histories([line(2, 5, 5), line(3, 7, 7, "b"), line(4, -2, 3)], "CZK")

    assert [(h.account, [row.number for row in h.lines]) for h in found] == [
        ("a", [2, 4]),
        ("b", [3]),
    ]
    assert rejected == []


def test_a_balance_that_does_not_follow_costs_its_line_and_not_those_after_it() -> None:
    (found,), rejected = histories([line(2, 500, 500), line(3, 1, 700), line(4, 1, 701)], "CZK")

    assert [row.number for row in found.lines] == [2, 4]
    assert rejected == [(3, "balance_after 7.00 does not follow: 5.00 becomes 5.01", "a")]
    assert found.stated == 701


def test_the_credit_limit_is_what_the_lowest_balance_needs() -> None:
    (found,), _ = histories([line(2, -5, -5), line(3, -7, -12), line(4, 20, 8)], "CZK")

    assert found.credit_limit == 12
    assert found.opening["creditLimit"] == {"amount": "0.12", "currency": "CZK"}


def test_an_account_that_is_never_below_zero_needs_no_credit() -> None:
    (found,), _ = histories([line(2, 5, 5)], "CZK")

    assert found.credit_limit == 0


def test_batches_are_cut_alike_however_many_accounts_are_imported(tmp_path: Path) -> None:
    rows = credits_of("a", 2 * BATCH + 1)
    whole, _ = histories(read(bank_file(tmp_path, *rows, *credits_of("b", 1)), "CZK").lines, "CZK")
    alone, _ = histories(read(bank_file(tmp_path, *rows), "CZK").lines, "CZK")

    def keys(history: History) -> list[str]:
        return [booking_key("a", batch, "CZK") for batch in next(history.periods()).batches()]

    assert [len(batch) for batch in next(alone[0].periods()).batches()] == [BATCH, BATCH, 1]
    assert keys(alone[0]) == keys(whole[0])
    assert opening_key(alone[0]) == opening_key(whole[0])


@pytest.mark.parametrize("change", ["transaction", "amount", "account"])
def test_a_key_is_of_account_transactions_and_contents(change: str) -> None:
    before = [line(2, 5, 5)]
    after = {
        "transaction": ("a", [line(3, 5, 5)]),
        "amount": ("a", [line(2, 6, 6)]),
        "account": ("b", before),
    }[change]

    assert booking_key(*after, "CZK") != booking_key("a", before, "CZK")


def test_a_key_is_not_of_the_place_in_the_file() -> None:
    there = Line(99, "t2", "a", "2020-01-31", "credit", 5, 5)

    assert booking_key("a", [there], "CZK") == booking_key("a", [line(2, 5, 5)], "CZK")


@given(st.dates())
def test_a_key_is_a_uuid_7_older_than_any_deployment(day: object) -> None:
    key = UUID(idempotency_key(str(day), "x"))

    assert key.version == 7
    assert key.int >> 80 <= 1_735_689_600_000  # 2025-01-01


def test_a_key_has_the_time_of_the_value_date() -> None:
    assert UUID(idempotency_key("1993-01-01", "x")).int >> 80 == 725_846_400_000


@pytest.mark.slow
def test_the_rules_alone_give_the_banks_balance_after_every_row_of_the_example() -> None:
    file = read(ROOT / "examples" / "bank-transactions.csv.gz", "CZK")
    found, rejected = histories(file.lines, "CZK")

    assert rejected == []
    assert len(found) == 988
    assert sum(history.stated for history in found) == 31_347_559_40
    assert [bad for history in found for bad in differing_alone(history)] == []


def test_rows_behind_a_rejected_one_differ() -> None:
    (found,), _ = histories([line(2, 500, 500), line(3, 1, 700), line(4, 1, 701)], "CZK")

    assert [row.number for row in differing_alone(found)] == [4]


def test_months_without_rows_are_closed_too() -> None:
    rows = [
        Line(2, "t2", "a", "2019-11-30", "credit", 5, 5),
        Line(3, "t3", "a", "2020-01-01", "credit", 7, 12),
        Line(4, "t4", "b", "2020-02-03", "credit", 1, 1),
    ]
    (a, b), _ = histories(rows, "CZK", statements=9)

    def periods_of(history: History) -> list[tuple[int, str | None, int, int]]:
        return [(len(p.lines), p.through, p.opening, p.closing) for p in history.periods()]

    assert periods_of(a) == [
        (1, "2019-11-30", 0, 5),
        (0, "2019-12-31", 5, 5),
        (1, "2020-01-31", 5, 12),
        (0, "2020-02-29", 12, 12),
    ]
    assert periods_of(b) == [(1, "2020-02-29", 0, 1)]


def dated(number: int, day: str, change: int, after: int, account: str = "a") -> Line:
    return replace(line(number, change, after, account), day=day)


def test_a_line_behind_a_rejected_one_is_not_said_to_differ() -> None:
    bad = Rejected(3, "amount is missing", "a")
    rows = [line(2, 5, 5), line(4, 1, 9), line(5, 1, 11)]

    (found,), rejected = histories(rows, "CZK", rejected=[bad])

    assert [row.number for row in rejected] == [5]
    assert found.withheld == "line 3 and 1 more must be mended first"


@pytest.mark.parametrize(
    ("rows", "newest_first"),
    [
        # The balances tell, whatever the days are.
        ([dated(2, "2024-01-09", 50, 100), dated(3, "2024-01-08", 50, 50)], True),
        ([dated(2, "2024-01-08", 50, 50), dated(3, "2024-01-08", 50, 100)], False),
        ([dated(2, "2024-01-08", 50, 100), dated(3, "2024-01-08", 50, 50)], True),
        ([dated(2, "2024-01-09", 50, 50), dated(3, "2024-01-08", 50, 100)], False),
        # They follow both ways, and the days tell.
        ([dated(2, "2024-01-08", 50, 50), dated(3, "2024-01-09", -50, 0)], False),
        ([dated(2, "2024-01-09", 50, 50), dated(3, "2024-01-08", -50, 0)], True),
        # Neither decides.
        ([dated(2, "2024-01-08", 50, 50), dated(3, "2024-01-08", -50, 0)], False),
        ([dated(2, "2024-01-08", 50, 50)], False),
    ],
)
def test_rows_are_taken_oldest_first(rows: list[Line], newest_first: bool) -> None:  # noqa: FBT001
    (found,), rejected = histories(rows, "CZK")

    assert rejected == []
    assert found.newest_first == newest_first
    assert found.lines == (rows[::-1] if newest_first else rows)
    assert found.stated == found.lines[-1].balance_after


def test_an_account_that_does_not_tell_its_order_has_that_of_the_others() -> None:
    rows = [
        dated(2, "2024-01-08", 50, 50),
        dated(3, "2024-01-08", -50, 0),
        dated(4, "2024-01-09", 50, 100, "b"),
        dated(5, "2024-01-08", 50, 50, "b"),
    ]

    (a, b), rejected = histories(rows, "CZK")

    assert (a.newest_first, b.newest_first, rejected) == (True, True, [])


def test_a_wrong_line_of_a_file_with_the_newest_row_first_is_told_as_such() -> None:
    rows = [line(2, 1, 8), line(3, 1, 7), line(4, 1, 9), line(5, 5, 5)]

    (found,), rejected = histories(rows, "CZK")

    assert found.newest_first
    assert [row.number for row in rejected] == [3, 4]


def test_the_balance_before_the_first_row_is_known_from_it() -> None:
    (found,), rejected = histories([line(2, -30, 970), line(3, 100, 1070)], "CZK")

    assert (found.before, found.credit_limit, rejected) == (1000, 0, [])
    opening, *rest = found.with_opening_balance().lines
    assert (opening.change, opening.balance_after, opening.number) == (1000, 1000, 2)
    assert rest == found.lines
    assert differing_alone(found) == []


def test_a_balance_before_the_first_row_may_need_credit() -> None:
    (found,), _ = histories([line(2, -30, -130), line(3, 500, 370)], "CZK")

    assert (found.before, found.credit_limit) == (-100, 130)
    assert found.with_opening_balance().lines[0].change == -100


def test_no_statement_is_closed_for_a_month_that_is_not_over() -> None:
    rows = [dated(2, "2024-01-31", 5, 5), dated(3, "2024-02-01", 7, 12)]

    (found,), _ = histories(rows, "CZK", statements=1, over="2024-01")

    assert [(p.through, p.opening, p.closing, p.first, p.end) for p in found.periods()] == [
        ("2024-01-31", 0, 5, 0, 1),
        (None, 5, 12, 1, 2),
    ]


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 9)), min_size=1, max_size=12))
def test_every_row_is_in_one_period_whatever_its_value_date(rows: list[tuple[int, int]]) -> None:
    balances = list(accumulate(change for _, change in rows))
    lines = [
        dated(n, f"2024-{month:02}-10", change, balances[n])
        for n, (month, change) in enumerate(rows)
    ]
    history = History("a", "CZK", lines, balances[-1], "2024-03")

    periods = list(history.periods())

    assert [row for period in periods for row in period.lines] == lines
    assert [p.first for p in periods] == [0, *(p.end for p in periods[:-1])]
    for p in periods:
        assert p.closing == p.opening + sum(row.change for row in p.lines)
    throughs = [p.through for p in periods if p.through]
    assert throughs == sorted(set(throughs))


def test_a_batch_of_long_texts_is_cut_by_its_bytes() -> None:
    long = "\N{GRINNING FACE}" * 500
    rows = [replace(line(n, 1, n), purpose=long) for n in range(1, BATCH + 1)]

    cut = list(batches(rows))

    assert len(cut) > 1
    assert [row for batch in cut for row in batch] == rows
    assert list(batches(rows)) == cut


def test_months_end_even_with_the_last_one_of_the_calendar() -> None:
    assert list(months("9999-11", "9999-12")) == ["9999-11", "9999-12"]


@pytest.mark.parametrize(
    ("day", "month"),
    [("2024-03-01", "2024-02"), ("2024-01-31", "2023-12"), ("2024-12-31", "2024-11")],
)
def test_the_last_month_that_is_over_is_the_one_before(day: str, month: str) -> None:
    assert last_month_before(day) == month
