"""`leftfold import` of bank files as its user meets it: files, messages, bookings."""

import gzip
import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest
from click.testing import CliRunner, Result

from tests.http.conftest import Bank
from tests.tools.bank.bank_files import HEADER, bank_file
from tests.tools.bank.served import served
from tools.__main__ import leftfold
from tools.console import WIDE, console_on

pytestmark = pytest.mark.slow

Run = Callable[..., Result]


@pytest.fixture
def run(bank: Bank, tmp_path: Path) -> Iterator[Run]:
    """Imports rows of a bank file, or a file, with options."""
    with served(bank) as url:

        def imported(*rows: str, file: Path | None = None, options: str = "") -> Result:
            path = file or bank_file(tmp_path, *rows)
            return CliRunner().invoke(
                leftfold, ["import", str(path), "--url", url, *options.split()]
            )

        yield imported


def balances(bank: Bank) -> dict[str, str]:
    bank.settle()
    return {item["accountId"]: item["balance"]["amount"] for item in bank.pages("/accounts")[0]}


def statements(bank: Bank, account: str) -> list[tuple[str, str]]:
    """The last day and the closing balance of each statement, the oldest first."""
    bank.settle()
    items = bank.get(f"/accounts/{account}/statements").json["items"]
    return [(item["through"], item["closingBalance"]["amount"]) for item in reversed(items)]


PACKED = gzip.compress(HEADER.encode(), mtime=0)
A = [
    "1,a,2024-01-05,credit,,100.00,100.00,salary",
    "2,a,2024-01-06,debit,,30.00,70.00,shop",
    "3,a,2024-02-07,debit,,20.00,50.00,rent",
]
B = ["4,b,2024-01-08,credit,,10.00,10.00"]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("2,a,2024-01-06,debit,,thirty,70.00,shop", "amount 'thirty' must be a plain decimal"),
        ("2,a,2024-01-06,debit,,31.00,70.00,shop", "balance_after 70.00 does not follow"),
        ("2,a,0224-01-06,debit,,30.00,70.00,shop", "must be in the years 1900 to 2199"),
    ],
)
def test_nothing_of_an_account_is_booked_or_closed_while_a_line_of_it_is_wrong(
    bank: Bank, run: Run, bad: str, message: str
) -> None:
    done = run(A[0], bad, A[2], *B, options="--statements 9")

    assert done.exit_code == 1
    assert message in done.output
    assert "account a: nothing is sent of its" in done.output
    assert "and no statement is closed: line 3 must be mended first; then run this again" in (
        done.output
    )
    assert balances(bank) == {"b": "10.00"}

    mended = run(*A, *B, options="--statements 9")

    assert mended.exit_code == 0
    assert balances(bank) == {"a": "50.00", "b": "10.00"}
    assert statements(bank, "a") == [("2024-01-31", "70.00"), ("2024-02-29", "50.00")]


def test_the_last_line_of_an_account_counts_as_well(bank: Bank, run: Run) -> None:
    assert run(*A[:2], A[2].replace("20.00", "x"), *B, options="--statements 9").exit_code == 1

    assert balances(bank) == {"b": "10.00"}


def test_a_line_that_may_be_of_any_account_holds_all_of_them(bank: Bank, run: Run) -> None:
    done = run(*A, "5,,2024-01-06,debit,,1.00,1.00", *B, options="--statements 9")

    assert done.exit_code == 1
    assert "nothing is imported: any account may be that of line 5; mend it" in done.output
    assert bank.written() == 0


def test_notes_tell_of_texts_that_were_cut(bank: Bank, run: Run) -> None:
    done = run(A[0], f"{A[1]}{'p' * 600}", '3,a,2024-02-07,debit,,20.00,50.00,"Kort\nref\t12"')

    assert done.exit_code == 0
    assert "note: line 3: purpose has 604 characters; 500 are kept" in done.output
    assert balances(bank) == {"a": "50.00"}


def test_an_open_quote_imports_nothing(bank: Bank, run: Run) -> None:
    done = run(A[0], A[1].replace("shop", '"shop'), A[2], *B)

    assert done.exit_code == 1
    assert "the quote that opens on line 3 is never closed: 3 lines (3 to 5)" in done.stderr
    assert bank.written() == 0


def test_a_file_with_the_newest_row_first_is_read_from_its_end(bank: Bank, run: Run) -> None:
    done = run(*reversed(A), *B)

    assert done.exit_code == 0
    assert (
        "note: line 2: account a has its rows in descending order (2024-02-07 to 2024-01-05);"
        " they are read from the end" in done.output
    )
    assert balances(bank) == {"a": "50.00", "b": "10.00"}
    assert run(*A, *B).exit_code == 0
    assert bank.written() == 4


def test_an_opening_balance_is_told_and_booked_if_it_is_wanted(bank: Bank, run: Run) -> None:
    rows = ["1,a,2024-01-05,debit,,30.00,970.00", "2,a,2024-01-06,credit,,100.00,1070.00"]

    refused = run(*rows)

    assert refused.exit_code == 1
    assert "an opening balance of 1000.00" in refused.output
    assert "--opening-balance" in refused.output
    assert bank.written() == 0
    for options in ("--opening-balance", "--opening-balance", ""):
        assert run(*rows, options=options).exit_code == 0
        assert balances(bank) == {"a": "1070.00"}
    assert bank.written() == 2


def test_the_next_months_file_goes_on_and_either_may_be_repeated(bank: Bank, run: Run) -> None:
    for rows in (A[:2], A[2:], A[:2], A[2:], A):
        assert run(*rows, options="--statements 1").exit_code == 0

    assert balances(bank) == {"a": "50.00"}
    assert statements(bank, "a") == [("2024-01-31", "70.00"), ("2024-02-29", "50.00")]


def test_a_month_that_is_not_over_stays_open(bank: Bank, run: Run) -> None:
    bank.clock.now = datetime.now(UTC)
    today = bank.clock.now.date().isoformat()

    done = run(*A, f"4,a,{today},credit,,1.00,51.00", options="--statements 1")

    assert done.exit_code == 0
    assert f"{today[:7]} is not over: no statement is closed for it" in done.output
    assert balances(bank) == {"a": "51.00"}
    assert statements(bank, "a")[:2] == [("2024-01-31", "70.00"), ("2024-02-29", "50.00")]
    assert all(through < today for through, _ in statements(bank, "a"))


def test_a_limit_leaves_room_for_the_months_to_come(bank: Bank, run: Run) -> None:
    overdrawn = "4,a,2024-03-01,debit,,80.00,-30.00"
    assert run(*A, options="--credit-limit 25.00").exit_code == 0

    done = run(overdrawn)

    assert done.exit_code == 1
    assert "needs a credit limit of 30.00, and the account was opened with 25.00" in done.output
    assert run(overdrawn.replace("80.00,-30.00", "70.00,-20.00")).exit_code == 0
    assert balances(bank) == {"a": "-20.00"}


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("bank.csv", HEADER.replace(",", ";"), "", "it looks as if ';' separates the columns"),
        ("bank.csv", HEADER.upper(), "", "its header reads 'TRANSACTION_ID,ACCOUNT_ID,"),
        ("bank.csv", f'"{HEADER}\n{A[0]},,', "", "the quote that opens on line 1 is never closed"),
        ("bank.csv", HEADER.encode("utf-16"), "", "is UTF-16, by its first bytes"),
        ("bank.csv", HEADER.encode("utf-16-le"), "", "line 1 holds a zero byte, as UTF-16 does"),
        ("bank.csv.gz", HEADER, "", "Not a gzipped file: it begins with b'transaction_id,a'"),
        ("bank.csv.gz", PACKED[:-9], "", "Compressed file ended"),
        (
            "bank.csv.gz",
            PACKED[:10] + b"\xff" * 40,
            "",
            "cannot be read: Error -3",
        ),
        ("bank.csv", "", "", "is empty"),
        ("bank.csv", HEADER, "--currency eur", "currency 'eur' is not a code of ISO 4217; EUR is"),
        ("bank.csv", HEADER, "--credit-limit much", "credit limit 'much' must be a plain decimal"),
        ("bank.csv", HEADER, "--credit-limit=-1", "credit limit '-1' must be from 0 to under"),
        ("bank.csv", f"{HEADER}\n{A[0]},,", "--url nowhere", "nowhere is not a URL of an API"),
    ],
)
def test_a_file_or_an_option_that_cannot_be_used_is_one_line_and_exit_code_1(
    run: Run, tmp_path: Path, name: str, content: str | bytes, options: str, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)

    done = run(file=path, options=options)

    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit)
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ")
    assert message in line


@pytest.mark.parametrize("number", ["1234567890" * 3 + "1", "9" * 5000, f"0.{'1' * 5000}"])
@pytest.mark.parametrize("column", [5, 6])
def test_a_number_of_many_digits_is_rejected_by_its_bound(
    bank: Bank, run: Run, number: str, column: int
) -> None:
    cells = A[0].split(",")
    cells[column] = number

    done = run(",".join(cells))

    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit)
    bounds = ("must be under 10000000000000.00", "must be at most 10000000000000000.00")
    fraction = "has more than the 2 decimals of CZK"
    assert (fraction if "." in number else bounds[column - 5]) in done.output
    assert bank.written() == 0


def test_what_goes_to_a_pipe_is_not_wrapped_or_cut_off(run: Run) -> None:
    account = "account-" * 8

    done = run(A[0].replace(",a,", f",{account},"))

    assert done.exit_code == 0
    (line,) = [text for text in done.output.splitlines() if "OK" in text]
    assert line.split() == [account, "1", "100.00", "100.00", "100.00", "OK"]


@pytest.mark.parametrize(("is_terminal", "width"), [(False, WIDE), (True, 80)])
def test_only_a_terminal_has_a_width(
    monkeypatch: pytest.MonkeyPatch, is_terminal: Literal[True, False], width: int
) -> None:
    class Stream(io.StringIO):
        def isatty(self) -> bool:
            return is_terminal

    monkeypatch.setenv("COLUMNS", "80")

    assert console_on(Stream()).width == width
