from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tools.bank_files import bank_file, credits_of
from tools.bank_file import Direction, Line, read
from tools.bootstrap import ROOT
from tools.histories import (
    BATCH,
    History,
    booking_key,
    differing_alone,
    histories,
    idempotency_key,
    opening_key,
)


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

    def told(history: History) -> list[tuple[int, str | None, int, int]]:
        return [(len(p.lines), p.through, p.opening, p.closing) for p in history.periods()]

    assert told(a) == [
        (1, "2019-11-30", 0, 5),
        (0, "2019-12-31", 5, 5),
        (1, "2020-01-31", 5, 12),
        (0, "2020-02-29", 12, 12),
    ]
    assert told(b) == [(1, "2020-02-29", 0, 1)]
