from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.http.conftest import Bank
from tests.tools.bank.bank_files import bank_file, credits_of
from tests.tools.bank.wire import api_to
from tools.api import REQUEST_ATTEMPTS, Api, ApiError
from tools.bank.bank_file import read
from tools.bank.checking import (
    Totals,
    check,
    totals,
    wait_for_views,
    wrong_histories,
    wrong_statements,
)
from tools.bank.histories import BATCH, histories
from tools.bank.import_file import agrees
from tools.bank.importing import Import, import_all

ROWS = [*credits_of("a", 2 * BATCH + 1), *credits_of("b", 3), *credits_of("c", 1)]


def imported(api: Api, path: Path, workers: int = 8, *, statements: int = 0) -> Import:
    found, _ = histories(read(path, "CZK").lines, "CZK", statements=statements)
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
    with pytest.raises(ApiError, match=f"gave no answer in {REQUEST_ATTEMPTS} attempts"):
        imported(api_to(bank, refuses=lambda _: True), bank_file(tmp_path, *ROWS))


def test_a_text_of_any_kind_costs_no_booking(bank: Bank, tmp_path: Path) -> None:
    rows = credits_of("a", 3)
    rows[0] += ',"Kort\nref 12",,'
    rows[1] += f",{'long' * 200},,"
    rows[2] += ",tab\tand \x07 bell,,"

    done = imported(api_to(bank), bank_file(tmp_path, *rows))

    assert done.rejected == []
    assert balances(bank) == {"a": "3.00"}
    (booked,) = bank.vault.opened(bank.stream()[1:])
    assert [event.body["purpose"] for event in booked.events] == [
        "Kort ref 12",
        ("long" * 200)[:500],
        "tab and bell",
    ]


def test_what_the_server_refuses_stops_its_account_before_the_batch(
    bank: Bank, tmp_path: Path
) -> None:
    path = bank_file(tmp_path, *credits_of("a", 2 * BATCH), *credits_of("b", 1))
    found, _ = histories(read(path, "CZK").lines, "CZK", statements=1)
    found[0].lines[BATCH + 1] = replace(found[0].lines[BATCH + 1], operation="x" * 101)

    done = import_all(api_to(bank), found, lambda *_: None)

    a, b = done.accounts
    assert (len(a.booked), len(b.booked), a.closed) == (BATCH, 1, [])
    assert a.rejected[0][:2] == (
        BATCH + 3,
        "operation must have at least 1 and at most 100 characters",
    )
    assert {line[:2] for line in a.rejected[1:]} == {
        (number, f"line {BATCH + 3} was refused")
        for number in range(BATCH + 2, 2 * BATCH + 2)
        if number != BATCH + 3
    }


def test_a_file_that_was_mended_goes_on_where_it_stopped(bank: Bank, tmp_path: Path) -> None:
    path = bank_file(tmp_path, *credits_of("a", 2 * BATCH))
    found, _ = histories(read(path, "CZK").lines, "CZK")
    found[0].lines[BATCH + 1] = replace(found[0].lines[BATCH + 1], operation="x" * 101)
    import_all(api_to(bank), found, lambda *_: None)

    done = imported(api_to(bank), path)

    assert done.rejected == []
    assert balances(bank) == {"a": f"{2 * BATCH}.00"}
    assert bank.written() == 3


@pytest.mark.parametrize("before", [1, 5, BATCH, BATCH + 5])
def test_a_file_that_grew_books_its_new_rows_alone(bank: Bank, tmp_path: Path, before: int) -> None:
    imported(api_to(bank), bank_file(tmp_path, *credits_of("a", before)))
    path = bank_file(tmp_path, *credits_of("a", BATCH + 10))

    done = imported(api_to(bank), path)
    again = imported(api_to(bank), path)

    assert done.rejected == again.rejected == []
    assert balances(bank) == {"a": f"{BATCH + 10}.00"}
    assert wrong_histories(api_to(bank), done.accounts) == []
    assert wrong_histories(api_to(bank), again.accounts) == []


@pytest.mark.parametrize("last", range(1, 9))
@pytest.mark.parametrize("fault", ["refuses", "loses"])
def test_a_file_that_grew_may_be_cut_off_and_repeated(
    bank: Bank, tmp_path: Path, last: int, fault: str
) -> None:
    imported(api_to(bank), bank_file(tmp_path, *credits_of("a", BATCH + 5)))
    path = bank_file(tmp_path, *credits_of("a", 3 * BATCH))
    with suppress(ApiError):
        imported(api_to(bank, **{fault: lambda sent: sent >= last}), path, workers=1)

    done = imported(api_to(bank), path)

    assert done.rejected == []
    assert balances(bank) == {"a": f"{3 * BATCH}.00"}


JANUARY = ["1,a,2024-01-05,credit,,100.00,100.00,salary", "2,a,2024-01-06,debit,,30.00,70.00,shop"]
FEBRUARY = ["3,a,2024-02-05,credit,,100.00,170.00,salary"]


@pytest.mark.parametrize("overlap", [0, 1, 2])
def test_the_next_months_file_goes_on_after_the_last_row(
    bank: Bank, tmp_path: Path, overlap: int
) -> None:
    imported(api_to(bank), bank_file(tmp_path, *JANUARY))
    path = bank_file(tmp_path, *JANUARY[2 - overlap :], *FEBRUARY)

    done = imported(api_to(bank), path)
    again = imported(api_to(bank), path)

    assert done.rejected == again.rejected == []
    assert [account.known for account in done.accounts] == [overlap]
    assert balances(bank) == {"a": "170.00"}
    assert all(checked.agrees for checked in check(api_to(bank), again.accounts))
    assert wrong_histories(api_to(bank), again.accounts) == []


@pytest.mark.parametrize("first", [0, 1])
def test_a_file_whose_rows_all_are_booked_is_compared_with_what_came_after(
    bank: Bank, tmp_path: Path, first: int
) -> None:
    imported(api_to(bank), bank_file(tmp_path, *JANUARY))
    imported(api_to(bank), bank_file(tmp_path, *FEBRUARY))
    written = bank.written()

    done = imported(api_to(bank), bank_file(tmp_path, *JANUARY[first:]))

    assert (done.rejected, bank.written()) == ([], written)
    bank.settle()
    assert [checked.agrees for checked in check(api_to(bank), done.accounts)] == [True]
    (account,) = done.accounts
    assert (account.earlier, len(account.booked), account.later) == (first, 2 - first, 1)
    assert wrong_histories(api_to(bank), done.accounts) == []


@pytest.mark.parametrize(
    ("rows", "number", "reason"),
    [
        # A month is missing in between.
        (
            ["9,a,2024-03-05,credit,,1.00,171.00"],
            2,
            (
                "the file begins at 170.00 before 2024-03-05,"
                " and the account stands at 70.00 after its last booking of 2024-01-06: "
            ),
        ),
        # An amount that was booked is another one now.
        (
            ["1,a,2024-01-05,credit,,100.00,100.00", "2,a,2024-01-06,debit,,40.00,60.00"],
            3,
            "the account has a debit of 30.00 on 2024-01-06 in the place of this row: ",
        ),
        (
            ["1,a,2024-01-05,credit,,101.00,101.00"],
            2,
            "the account has a credit of 100.00 on 2024-01-05 in the place of this row: ",
        ),
        # A file of the time before, whose end is where the account stands.
        (
            ["7,a,2023-01-05,credit,,10.00,80.00", "8,a,2023-01-06,debit,,10.00,70.00"],
            2,
            "the file begins at 70.00 before 2023-01-05, and the account stands at 70.00",
        ),
    ],
)
def test_a_file_that_does_not_follow_changes_nothing_and_says_where(
    bank: Bank, tmp_path: Path, rows: list[str], number: int, reason: str
) -> None:
    imported(api_to(bank), bank_file(tmp_path, *JANUARY))
    written = bank.written()

    done = imported(api_to(bank), bank_file(tmp_path, *rows), statements=1)

    assert bank.written() == written
    assert done.rejected[0].number == number
    assert done.rejected[0].reason.startswith(reason)
    assert "not where this file leads" in done.rejected[0].reason


def test_words_that_were_mended_after_the_import_stay_as_they_were_booked(
    bank: Bank, tmp_path: Path
) -> None:
    imported(api_to(bank), bank_file(tmp_path, *JANUARY))
    written = bank.written()

    done = imported(api_to(bank), bank_file(tmp_path, JANUARY[0], f"{JANUARY[1]}ping"))

    assert (done.rejected, bank.written()) == ([], written)
    assert done.accounts[0].notes == [(3, "is booked already, in other words, which stay")]


TWICE = ["1,a,2024-01-05,credit,,10.00,10.00,sale", "2,a,2024-01-05,debit,,10.00,0.00,payout"]


def test_rows_which_say_what_is_booked_are_not_taken_for_it_if_their_ids_differ(
    bank: Bank, tmp_path: Path
) -> None:
    imported(api_to(bank), bank_file(tmp_path, *TWICE))
    written = bank.written()
    others = ["3" + TWICE[0][1:], "4" + TWICE[1][1:]]

    done = imported(api_to(bank), bank_file(tmp_path, *others))

    assert bank.written() == written
    assert "from transactions with other ids perhaps" in done.rejected[0].reason
    whole = imported(api_to(bank), bank_file(tmp_path, *TWICE, *others))
    assert whole.rejected == []
    assert len(bank.stream()[1].events) + len(bank.stream()[2].events) == 4


def test_a_file_of_another_currency_is_refused(bank: Bank, tmp_path: Path) -> None:
    bank.open("a", "EUR")

    done = imported(api_to(bank), bank_file(tmp_path, *JANUARY))

    assert done.rejected[0].reason == "the account is kept in EUR, the file is in CZK"
    assert bank.written() == 1


def test_a_row_below_the_credit_limit_is_found_before_anything_is_sent(
    bank: Bank, tmp_path: Path
) -> None:
    imported(api_to(bank), bank_file(tmp_path, *JANUARY))
    written = bank.written()
    rows = ["3,a,2024-02-05,credit,,1.00,71.00", "4,a,2024-02-06,debit,,80.00,-9.00"]

    done = imported(api_to(bank), bank_file(tmp_path, *rows))

    assert bank.written() == written
    assert [line[:2] for line in done.rejected] == [
        (3, "needs a credit limit of 9.00, and the account was opened with 0.00"),
        (2, "line 3 was refused"),
    ]


OPENING = ["1,a,2024-01-05,debit,,30.00,970.00,shop", "2,a,2024-01-06,credit,,100.00,1070.00,pay"]


def test_a_file_that_begins_at_a_balance_says_so_and_opens_nothing(
    bank: Bank, tmp_path: Path
) -> None:
    done = imported(api_to(bank), bank_file(tmp_path, *OPENING))

    assert bank.written() == 0
    assert done.rejected[0].reason == (
        "balance_after implies an opening balance of 1000.00, and the account has nothing yet;"
        " import what came before it first, or book it with --opening-balance"
    )


@pytest.mark.parametrize("sign", ["", "-"])
def test_an_opening_balance_is_a_booking_of_its_own(bank: Bank, tmp_path: Path, sign: str) -> None:
    amount = {"": ("970.00", "1070.00"), "-": ("-1030.00", "-930.00")}[sign]
    rows = [row.replace(row.split(",")[6], amount[n]) for n, row in enumerate(OPENING)]
    found, _ = histories(read(bank_file(tmp_path, *rows), "CZK").lines, "CZK", statements=1)

    for _ in range(2):
        done = import_all(api_to(bank), found, lambda *_: None, opening_balance=True)

        assert done.rejected == []
        assert balances(bank) == {"a": amount[1]}
        assert wrong_histories(api_to(bank), done.accounts) == []
        assert wrong_statements(api_to(bank), done.accounts) == []
    opening = bank.stream()[1].events[0]
    assert opening.name == ("account-debited" if sign else "account-credited")
    assert (opening.body["amount"], opening.body["operation"]) == (100_000, "opening-balance")


def test_an_opening_balance_and_rows_that_leave_it_as_it_is_are_known_again(
    bank: Bank, tmp_path: Path
) -> None:
    rows = ["1,a,2024-01-05,debit,,30.00,970.00", "2,a,2024-01-05,credit,,30.00,1000.00"]
    found, _ = histories(read(bank_file(tmp_path, *rows), "CZK").lines, "CZK")
    import_all(api_to(bank), found, lambda *_: None, opening_balance=True)
    written = bank.written()

    done = import_all(api_to(bank), found, lambda *_: None, opening_balance=True)

    assert (done.rejected, bank.written()) == ([], written)


def test_an_account_that_others_book_onto_is_looked_at_anew(bank: Bank, tmp_path: Path) -> None:
    imported(api_to(bank), bank_file(tmp_path, *credits_of("a", 5)))
    path = bank_file(tmp_path, *credits_of("a", 2 * BATCH))

    def other(sent: int) -> bool:
        if sent == 4:
            # Another run of the same import comes in between.
            imported(api_to(bank), bank_file(tmp_path, *credits_of("a", BATCH)))
        return False

    done = imported(api_to(bank, refuses=other), path, workers=1)

    assert done.rejected == []
    assert balances(bank) == {"a": f"{2 * BATCH}.00"}


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


def test_statements_go_on_with_the_next_months_file(bank: Bank, tmp_path: Path) -> None:
    imported(api_to(bank), bank_file(tmp_path, *JANUARY), statements=1)
    path = bank_file(tmp_path, *FEBRUARY)

    for _ in range(2):
        done = imported(api_to(bank), path, statements=1)

        assert done.rejected == []
        assert wrong_statements(api_to(bank), done.accounts) == []
    assert bank.written() == 3 + 2


def test_a_row_for_a_statement_that_is_closed_is_not_booked(bank: Bank, tmp_path: Path) -> None:
    imported(api_to(bank), bank_file(tmp_path, *JANUARY), statements=1)
    written = bank.written()
    late = "3,a,2024-01-31,debit,,1.00,69.00"

    done = imported(api_to(bank), bank_file(tmp_path, *JANUARY, late), statements=1)

    assert bank.written() == written
    assert done.rejected == [
        (
            4,
            "the statement through 2024-01-31 was closed after 2 rows of this file and not after 3",
            "a",
        )
    ]


def test_a_value_date_of_the_month_before_costs_no_row(bank: Bank, tmp_path: Path) -> None:
    rows = [
        "1,a,2024-01-31,credit,,5.00,5.00",
        "2,a,2024-02-01,credit,,7.00,12.00",
        "3,a,2024-01-31,credit,,1.00,13.00",
        "4,a,2024-02-02,credit,,1.00,14.00",
    ]

    done = imported(api_to(bank), bank_file(tmp_path, *rows), statements=1)

    assert done.rejected == []
    assert balances(bank) == {"a": "14.00"}
    assert wrong_statements(api_to(bank), done.accounts) == []
    assert [len(period.lines) for period in done.accounts[0].closed] == [1, 3]
