import gzip
from pathlib import Path

import pytest

from tests.tools.bank_files import HEADER, bank_file
from tools.bank_file import Line, read
from tools.bootstrap import ROOT
from tools.files import FileError

GOOD = "t1,a-1,2020-01-31,credit,cash,900.00,900.00,rent,AB,123"


def test_a_row_becomes_a_line_in_minor_units(tmp_path: Path) -> None:
    lines, rejected = read(bank_file(tmp_path, GOOD), "CZK")

    assert rejected == []
    assert lines == [
        Line(2, "t1", "a-1", "2020-01-31", "credit", 90000, 90000, "cash", "rent", "AB", "123")
    ]


def test_an_empty_field_is_no_value(tmp_path: Path) -> None:
    (line,), _ = read(bank_file(tmp_path, "t1,a,2020-01-31,debit, ,1.00,-1.00,,,"), "CZK")

    assert (line.operation, line.purpose, line.counterparty_bank) == (None, None, None)


def test_a_gzipped_file_reads_like_a_plain_one(tmp_path: Path) -> None:
    plain = bank_file(tmp_path, GOOD)
    packed = tmp_path / "bank.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))

    assert read(packed, "CZK") == read(plain, "CZK")


def test_columns_may_come_in_any_order_and_with_others(tmp_path: Path) -> None:
    names = [*reversed(HEADER.split(",")), "branch"]
    row = [*reversed(GOOD.split(",")), "Prague"]
    path = tmp_path / "bank.csv"
    path.write_text(f"{','.join(names)}\n{','.join(row)}\n")

    assert read(path, "CZK") == read(bank_file(tmp_path, GOOD), "CZK")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("t1,,2020-01-31,credit,,1.00,1.00", "account_id is missing"),
        (
            "t1,a_1,2020-01-31,credit,,1.00,1.00",
            "account_id 'a_1' must be 1 to 64 letters, digits and hyphens",
        ),
        (",a,2020-01-31,credit,,1.00,1.00", "transaction_id is missing"),
        (
            "t1,a,2020-02-30,credit,,1.00,1.00",
            "date '2020-02-30' must be a day like \"1993-01-03\"",
        ),
        ("t1,a,20200131,credit,,1.00,1.00", "date '20200131' must be a day like \"1993-01-03\""),
        ("t1,a,2020-01-31,Credit,,1.00,1.00", "direction 'Credit' must be credit or debit"),
        (
            "t1,a,2020-01-31,credit,,1e2,1.00",
            "amount '1e2' must be a plain decimal like \"700.00\"",
        ),
        ("t1,a,2020-01-31,credit,,,1.00", "amount '' must be a plain decimal like \"700.00\""),
        (
            "t1,a,2020-01-31,credit,,1.001,1.00",
            "amount '1.001' has more than the 2 decimals of CZK",
        ),
        ("t1,a,2020-01-31,credit,,0.00,1.00", "amount 0.00 must be above zero and not absurd"),
        ("t1,a,2020-01-31,credit,,-1.00,1.00", "amount -1.00 must be above zero and not absurd"),
        (
            "t1,a,2020-01-31,credit,,1.00,x",
            "balance_after 'x' must be a plain decimal like \"700.00\"",
        ),
        ("t1,a,2020-01-31,credit,,1.00,1.00,,,,,", "has 12 columns, not 10"),
        ("t1,a,2020-01-31,credit,\N{REPLACEMENT CHARACTER},1.00,1.00", "is not UTF-8"),
        ('t1,a,2020-01-31,credit,"a"b,1.00,1.00', "is not CSV: ',' expected after '\"'"),
    ],
)
def test_a_bad_line_is_rejected_alone(tmp_path: Path, row: str, reason: str) -> None:
    lines, rejected = read(bank_file(tmp_path, GOOD, row, GOOD.replace("t1", "t2")), "CZK")

    assert [line.number for line in lines] == [2, 4]
    assert rejected == [(3, reason)]


def test_bytes_that_are_not_utf_8_cost_their_own_line(tmp_path: Path) -> None:
    path = bank_file(tmp_path, GOOD, GOOD.replace("t1", "t2").replace("rent", "n?jem"))
    path.write_bytes(path.read_bytes().replace(b"n?jem", b"n\xe1jem"))

    lines, rejected = read(path, "CZK")

    assert [line.number for line in lines] == [2]
    assert rejected == [(3, "is not UTF-8")]


def test_a_transaction_that_comes_twice_is_taken_once(tmp_path: Path) -> None:
    lines, rejected = read(bank_file(tmp_path, GOOD, GOOD), "CZK")

    assert [line.number for line in lines] == [2]
    assert rejected == [(3, "transaction t1 is on line 2 already")]


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = bank_file(tmp_path, header=HEADER.replace("purpose", "why"))

    with pytest.raises(FileError, match=r"has no column purpose; examples/README\.md lists"):
        read(path, "CZK")


def test_a_file_that_is_not_gzip_is_said_to_be_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "bank.csv.gz"
    path.write_text("plain")

    with pytest.raises(FileError, match=r"bank\.csv\.gz cannot be read: Not a gzipped file"):
        read(path, "CZK")


def test_the_example_has_no_line_to_reject() -> None:
    lines, rejected = read(ROOT / "examples" / "bank-transactions.csv.gz", "CZK")

    assert len(lines) == 37_595
    assert rejected == []
