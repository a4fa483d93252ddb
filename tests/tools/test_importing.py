from pathlib import Path

import pytest

from tests.http.conftest import Bank
from tests.tools.bank_files import bank_file, credits_of
from tests.tools.wire import api_to
from tools.api import ATTEMPTS, Api, ApiError
from tools.bank_file import read
from tools.checking import Totals, check, totals, wait_for_views, wrong_histories, wrong_statements
from tools.histories import BATCH, histories
from tools.import_file import agrees
from tools.importing import Import, import_all

ROWS = [*credits_of("a", 2 * BATCH + 1), *credits_of("b", 3), *credits_of("c", 1)]


def imported(api: Api, path: Path, workers: int = 8, *, statements: int = 0) -> Import:
    lines, _ = read(path, "CZK")
    found, _ = histories(lines, "CZK", statements=statements)
    return import_all(api, found, lambda *_: None, workers)


def balances(bank: Bank) -> dict[str, str]:
    bank.settle()
    (page,) = bank.pages("/accounts?limit=500")
    return {item["accountId"]: item["balance"]["amount"] for item in page}


def test_every_row_is_booked_in_batches(bank: Bank, tmp_path: Path) -> None:
    done = imported(api_to(bank), bank_file(tmp_path, *ROWS))

    assert done.rows == len(ROWS)
    assert done.rejected == []
    assert [account.version for account in done.accounts] == [4, 2, 2]
    assert balances(bank) == {"a": "201.00", "b": "3.00", "c": "1.00"}


def test_importing_again_writes_nothing(bank: Bank, tmp_path: Path) -> None:
    path = bank_file(tmp_path, *ROWS)
    first = imported(api_to(bank), path)
    written = bank.written()

    again = imported(api_to(bank), path)

    assert bank.written() == written
    assert again.accounts == first.accounts


@pytest.mark.parametrize("last", range(1, 9))
def test_an_import_that_was_cut_off_is_finished_by_the_next(
    bank: Bank, tmp_path: Path, last: int
) -> None:
    path = bank_file(tmp_path, *ROWS)
    with pytest.raises(ApiError):
        imported(api_to(bank, loses=lambda sent: sent >= last), path, workers=1)

    imported(api_to(bank), path)

    assert balances(bank) == {"a": "201.00", "b": "3.00", "c": "1.00"}
    assert bank.written() == 4 + 2 + 2


def test_lost_answers_book_nothing_twice(bank: Bank, tmp_path: Path) -> None:
    path = bank_file(tmp_path, *ROWS)

    done = imported(api_to(bank, loses=lambda sent: sent % 2 == 1), path)

    assert done.rejected == []
    assert bank.written() == 4 + 2 + 2


def test_a_gateway_that_is_overloaded_is_asked_again(bank: Bank, tmp_path: Path) -> None:
    done = imported(
        api_to(bank, refuses=lambda sent: sent % 3 != 0), bank_file(tmp_path, *ROWS), workers=1
    )

    assert done.rows == len(ROWS)


def test_an_api_that_stays_away_is_given_up(bank: Bank, tmp_path: Path) -> None:
    with pytest.raises(ApiError, match=f"gave no answer in {ATTEMPTS} attempts"):
        imported(api_to(bank, refuses=lambda _: True), bank_file(tmp_path, *ROWS))


def test_a_line_that_the_server_refuses_costs_only_itself(bank: Bank, tmp_path: Path) -> None:
    rows = credits_of("a", 3)
    rows[1] += f",{'long' * 200},,"

    done = imported(api_to(bank), bank_file(tmp_path, *rows))

    assert [line.number for line in done.accounts[0].booked] == [2, 4]
    (refused,) = done.rejected
    assert refused.number == 3
    assert refused.reason.startswith("purpose ")


def test_refused_lines_are_refused_alike_by_the_next_import(bank: Bank, tmp_path: Path) -> None:
    rows = credits_of("a", 3)
    rows[1] += f",{'long' * 200},,"
    path = bank_file(tmp_path, *rows)
    first = imported(api_to(bank), path)
    written = bank.written()

    again = imported(api_to(bank), path)

    assert (again.rejected, bank.written()) == (first.rejected, written)


def test_a_file_that_was_changed_since_books_no_row_twice(bank: Bank, tmp_path: Path) -> None:
    imported(api_to(bank), bank_file(tmp_path, *credits_of("a", BATCH + 5)))
    written = bank.written()

    done = imported(api_to(bank), bank_file(tmp_path, *credits_of("a", BATCH + 10)))

    assert bank.written() == written
    assert len(done.accounts[0].booked) == BATCH
    assert {line.number for line in done.rejected} == set(range(BATCH + 2, BATCH + 12))
    assert "the account is at version 3, not where this file leads" in done.rejected[0].reason


def test_a_frozen_account_is_told_for_every_line(bank: Bank, tmp_path: Path) -> None:
    path = bank_file(tmp_path, *credits_of("a", BATCH + 1))
    bank.open("a")
    assert bank.post("/accounts/a/freeze").status == 200

    done = imported(api_to(bank), path)

    assert len(done.rejected) == BATCH + 1
    assert done.rows == 0


def test_all_accounts_agree_after_an_import(bank: Bank, tmp_path: Path) -> None:
    api = api_to(bank)
    done = imported(api, bank_file(tmp_path, *ROWS))
    wait_for_views(api, done.accounts)

    checked = check(api, done.accounts)

    assert [(c.account, c.rows, c.bank, c.agrees) for c in checked] == [
        ("a", 201, 20100, True),
        ("b", 3, 300, True),
        ("c", 1, 100, True),
    ]
    assert totals(api, "CZK") == Totals(3, 205, 20500)


def test_a_balance_that_differs_from_the_banks_is_found(bank: Bank, tmp_path: Path) -> None:
    api = api_to(bank)
    rows = [*credits_of("a", 1), "x,a,2020-01-31,credit,,bad,9.00", *credits_of("b", 1)]
    done = imported(api, bank_file(tmp_path, *rows[:1], rows[2]))
    done.accounts[0].history.stated = 900

    checked = check(api, done.accounts)

    assert [(c.account, c.document, c.search, c.agrees) for c in checked] == [
        ("a", 100, 100, False),
        ("b", 100, 100, True),
    ]


def test_totals_of_a_currency_that_nobody_has_are_none(bank: Bank) -> None:
    assert totals(api_to(bank), "EUR") is None


def test_a_fresh_deployment_has_the_totals_of_the_file(bank: Bank, tmp_path: Path) -> None:
    api = api_to(bank)
    done = imported(api, bank_file(tmp_path, *ROWS))

    assert agrees(api, done.accounts, "CZK", fresh=True)


def test_totals_that_differ_from_the_file_are_told_and_count_if_it_is_fresh(
    bank: Bank, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bank.open("not-in-the-file")
    api = api_to(bank)
    done = imported(api, bank_file(tmp_path, *ROWS))

    assert agrees(api, done.accounts, "CZK", fresh=False)
    assert not agrees(api, done.accounts, "CZK", fresh=True)

    assert capsys.readouterr().out.splitlines()[-2:] == [
        "totals of the whole bank: 4 accounts, 205 bookings, 205.00 CZK",
        "the file's: 3 accounts, 205 bookings, 205.00 CZK",
    ]


def test_a_file_without_a_row_has_totals_of_nothing(bank: Bank) -> None:
    assert agrees(api_to(bank), [], "CZK", fresh=True)


MONTHS = [
    "1,a,2019-11-30,credit,,5.00,5.00",
    "2,a,2020-01-01,credit,,7.00,12.00",
    "3,b,2019-12-03,credit,,1.00,1.00",
]


def test_each_months_statement_has_the_banks_balances(bank: Bank, tmp_path: Path) -> None:
    api = api_to(bank)
    done = imported(api, bank_file(tmp_path, *MONTHS), statements=9)

    assert done.rejected == []
    assert [account.version for account in done.accounts] == [1 + 2 + 3, 1 + 1 + 2]
    assert wrong_statements(api, done.accounts) == []


def test_a_statement_that_is_not_as_the_bank_says_is_found(bank: Bank, tmp_path: Path) -> None:
    api = api_to(bank)
    done = imported(api, bank_file(tmp_path, *MONTHS), statements=9)
    done.accounts[0].closed[1] = done.accounts[0].closed[1]._replace(opening=499)

    assert wrong_statements(api, done.accounts) == [
        "account a: 3 statements differ from 3 of the file"
    ]


@pytest.mark.parametrize("last", range(1, 10))
def test_an_import_with_statements_that_was_cut_off_is_finished_by_the_next(
    bank: Bank, tmp_path: Path, last: int
) -> None:
    path = bank_file(tmp_path, *MONTHS)
    with pytest.raises(ApiError):
        imported(api_to(bank, loses=lambda sent: sent >= last), path, 1, statements=9)

    done = imported(api_to(bank), path, statements=9)

    assert done.rejected == []
    assert bank.written() == 6 + 4
    assert wrong_statements(api_to(bank), done.accounts) == []


def test_statements_cannot_be_closed_behind_an_import_without_them(
    bank: Bank, tmp_path: Path
) -> None:
    path = bank_file(tmp_path, *MONTHS)
    imported(api_to(bank), path)

    done = imported(api_to(bank), path, statements=9)

    assert "not where this file leads" in done.rejected[0].reason


def test_the_events_of_an_account_are_the_rows_in_order(bank: Bank, tmp_path: Path) -> None:
    api = api_to(bank)
    done = imported(api, bank_file(tmp_path, *ROWS), statements=9)
    assert wrong_histories(api, done.accounts) == []

    done.accounts[0].booked.reverse()

    assert wrong_histories(api, done.accounts) == [
        "account a: its events are not the 201 rows of the file"
    ]
