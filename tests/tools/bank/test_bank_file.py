import gzip
from pathlib import Path

import pytest
from marshmallow import validate

from chalicelib.bank.account.http.accounts import BookingBody
from tests.tools.bank.bank_files import HEADER, bank_file
from tools.bank.bank_file import LONGEST, Line, read
from tools.bootstrap import ROOT
from tools.files import FileError

GOOD = "t1,a-1,2020-01-31,credit,cash,900.00,900.00,rent,AB,123"


def test_a_row_becomes_a_line_in_minor_units(tmp_path: Path) -> None:
    file = read(bank_file(tmp_path, GOOD), "CZK")

    assert (file.rejected, file.notes) == ([], [])
    assert file.lines == [
        Line(2, "t1", "a-1", "2020-01-31", "credit", 90000, 90000, "cash", "rent", "AB", "123")
    ]


def test_an_empty_field_is_no_value(tmp_path: Path) -> None:
    (line,) = read(bank_file(tmp_path, "t1,a,2020-01-31,debit, ,1.00,-1.00,,,"), "CZK").lines

    assert (line.operation, line.purpose, line.counterparty_bank) == (None, None, None)


def test_a_gzipped_file_reads_like_a_plain_one(tmp_path: Path) -> None:
    plain = bank_file(tmp_path, GOOD)
    packed = tmp_path / "bank.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))

    assert read(packed, "CZK") == read(plain, "CZK")


def test_a_row_in_another_currency_is_rejected_where_the_file_tells_its_currencies(
    tmp_path: Path,
) -> None:
    rows = [
        f"t{n},a-{n},2020-01-31,credit,,1.00,1.00,,,,{c}" for n, c in enumerate(["CZK", "EUR", ""])
    ]
    path = bank_file(tmp_path, *rows, header=f"{HEADER},currency")

    file = read(path, "CZK")

    assert [line.account for line in file.lines] == ["a-0", "a-2"]
    reason = "currency 'EUR' is not CZK, in which this file is imported"
    assert file.rejected == [(3, reason, "a-1")]


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
        ("t1,a,2020-01-31,credit,,0.00,1.00", "amount 0.00 must be above zero"),
        ("t1,a,2020-01-31,credit,,-1.00,1.00", "amount -1.00 must be above zero"),
        (
            "t1,a,2020-01-31,credit,,1.00,x",
            "balance_after 'x' must be a plain decimal like \"700.00\"",
        ),
        ("t1,a,2020-01-31,credit,,1.00,1.00,,,,,", "has 12 columns, not 10"),
        (
            "t1,a,2020-01-31,credit,\N{REPLACEMENT CHARACTER},1.00,1.00",
            "operation has U+FFFD, which stands where a program before could not read a character",
        ),
        (
            "t1,a,2020-01-31,credit,,10000000000000.00,1.00",
            "amount 10000000000000.00 must be under 10000000000000.00",
        ),
        (
            f"t1,a,2020-01-31,credit,,{'1234567890' * 3}1,1.00",
            "amount 1234567890123456789012345678901 must be under 10000000000000.00",
        ),
        (
            f"t1,a,2020-01-31,credit,,1.00,{'1234567890' * 3}1",
            "balance_after 1234567890123456789012345678901 must be at most 10000000000000000.00",
        ),
        (
            f"t1,a,2020-01-31,credit,,1.00,-{'9' * 5000}",
            "balance_after -9999999999999999999…9999999999 must be above -10000000000000.00",
        ),
        (
            f"t1,a,2020-01-31,credit,,1.{'0' * 30},1.00",
            f"amount '1.{'0' * 30}' has more than the 2 decimals of CZK",
        ),
        (
            "t1,a,0224-01-31,credit,,1.00,1.00",
            "date '0224-01-31' must be in the years 1900 to 2199",
        ),
        (
            "t1,a,2240-01-31,credit,,1.00,1.00",
            "date '2240-01-31' must be in the years 1900 to 2199",
        ),
        ('t1,a,2020-01-31,credit,"a"b,1.00,1.00', "is not CSV: ',' expected after '\"'"),
    ],
)
def test_a_bad_line_is_rejected_alone(tmp_path: Path, row: str, reason: str) -> None:
    file = read(bank_file(tmp_path, GOOD, row, GOOD.replace("t1", "t2")), "CZK")

    assert [line.number for line in file.lines] == [2, 4]
    assert [line[:2] for line in file.rejected] == [(3, reason)]


def test_bytes_that_are_not_utf_8_cost_their_own_line(tmp_path: Path) -> None:
    path = bank_file(tmp_path, GOOD, GOOD.replace("t1", "t2").replace("rent", "n?jem"))
    path.write_bytes(path.read_bytes().replace(b"n?jem", b"n\xe1jem"))

    file = read(path, "CZK")

    assert [line.number for line in file.lines] == [2]
    assert file.rejected == [(3, "is not UTF-8: purpose has the byte 0xE1", "a-1")]


def test_a_transaction_that_comes_twice_is_taken_once(tmp_path: Path) -> None:
    file = read(bank_file(tmp_path, GOOD, GOOD), "CZK")

    assert [line.number for line in file.lines] == [2]
    assert file.rejected == [(3, "transaction t1 is on line 2 already", "a-1")]


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = bank_file(tmp_path, header=HEADER.replace("purpose", "why"))

    with pytest.raises(FileError, match=r"has no column purpose; examples/README\.md lists"):
        read(path, "CZK")


def test_a_file_that_is_not_gzip_is_said_to_be_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "bank.csv.gz"
    path.write_text("plain")

    with pytest.raises(FileError, match=r"bank\.csv\.gz cannot be read: Not a gzipped file"):
        read(path, "CZK")


@pytest.mark.slow
def test_the_example_has_no_line_to_reject() -> None:
    file = read(ROOT / "examples" / "bank-transactions.csv.gz", "CZK")

    assert len(file.lines) == 37_595
    assert (file.rejected, file.notes) == ([], [])


def test_texts_are_folded_to_one_line(tmp_path: Path) -> None:
    rows = [
        't1,a,2020-01-05,credit,cash\tbox,1.00,1.00,"Kort\n  ref 12\x1b",A\tB,"1\r2"',
        "t2,a,2020-01-06,credit,,1.00,2.00",
    ]

    file = read(bank_file(tmp_path, *rows), "CZK")

    first = file.lines[0]
    assert (first.operation, first.purpose) == ("cash box", "Kort ref 12")
    assert (first.counterparty_bank, first.counterparty_account) == ("A B", "1 2")
    assert (file.rejected, file.notes) == ([], [])


def test_a_row_has_the_number_of_its_first_line(tmp_path: Path) -> None:
    rows = ['t1,a,2020-01-05,credit,,1.00,1.00,"Kort\nref\n12"', "t2,a,2020-01-06,credit,,x,2.00"]

    file = read(bank_file(tmp_path, *rows), "CZK")

    assert [line.number for line in file.lines] == [2]
    assert [line.number for line in file.rejected] == [5]


def test_a_text_that_is_too_long_is_cut_with_a_note(tmp_path: Path) -> None:
    row = f"t1,a,2020-01-05,credit,{'o' * 101},1.00,1.00,{'p' * 600},{'b' * 100},{'c' * 100}"

    file = read(bank_file(tmp_path, row), "CZK")

    assert file.lines[0].purpose == "p" * 500
    assert file.lines[0].operation == "o" * 100
    assert file.rejected == []
    assert file.notes == [
        (2, "operation has 101 characters; 100 are kept"),
        (2, "purpose has 600 characters; 500 are kept"),
    ]


def test_the_longest_texts_are_those_of_the_api() -> None:
    schema = BookingBody()

    for name, longest in LONGEST.items():
        (length,) = [v for v in schema.fields[name].validators if isinstance(v, validate.Length)]
        assert length.max == longest


OPEN_QUOTE = """\
1,q,2024-01-05,credit,,100.00,100.00,a,,
2,q,2024-01-06,debit,,30.00,70.00,"nails,,
3,q,2024-01-07,debit,,20.00,50.00,rent,,
4,r,2024-01-08,credit,,10.00,10.00,{},,
"""


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            OPEN_QUOTE.format("x"),
            (
                "the quote that opens on line 3 is never closed: 3 lines (3 to 5) cannot be read,"
                " and nothing is imported"
            ),
        ),
        # The next quote closes it, and what follows is no CSV.
        (OPEN_QUOTE.format('"x"'), "line 3 is not closed before line 5: 3 lines (3 to 5)"),
        # It closes it where a column ends.
        (OPEN_QUOTE.format('",x"'), "line 3 is not closed before line 5: 3 lines (3 to 5)"),
        # It closes it so that the columns are as many as they must be.
        (
            OPEN_QUOTE.replace("70.00,", "").format('",x').removesuffix(",\n") + "\n",
            "line 3 is not closed before line 5: 3 lines (3 to 5)",
        ),
        # On the last line of the file, and behind a text of several lines that is closed.
        ('1,q,2024-01-05,credit,,1.00,1.00,"a', "line 2 is never closed: 1 line (2 to 2)"),
        ('1,q,2024-01-05,credit,"x\ny",1.00,1.00,"a\n', "line 3 is never closed: 2 lines (2 to 3)"),
    ],
)
def test_a_quote_that_is_not_closed_is_told_by_the_line_where_it_opens(
    tmp_path: Path, rows: str, message: str
) -> None:
    path = tmp_path / "bank.csv"
    path.write_text(f"{HEADER}\n{rows}")

    with pytest.raises(FileError) as failed:
        read(path, "CZK")

    assert message in str(failed.value)


def test_a_row_on_several_lines_may_have_a_column_too_many(tmp_path: Path) -> None:
    row = 't2,a-1,2020-02-01,credit,,1.00,901.00,"one\ntwo",AB,1,2'

    file = read(bank_file(tmp_path, GOOD, row, GOOD.replace("t1", "t3")), "CZK")

    assert file.rejected == [(3, "has 11 columns, not 10", "a-1")]
    assert [line.number for line in file.lines] == [2, 5]


def test_an_open_quote_in_the_header_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="the quote that opens on line 1 is never closed: 3 lines"):
        read(bank_file(tmp_path, GOOD, GOOD, header=f'"{HEADER}'), "CZK")


def test_a_field_beyond_what_csv_can_hold_is_rejected(tmp_path: Path) -> None:
    file = read(
        bank_file(tmp_path, GOOD, f"t2,a,2020-01-05,credit,,1.00,1.00,{'x' * 200_000}"), "CZK"
    )

    assert file.rejected == [(3, "is not CSV: field larger than field limit (131072)", None)]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (
            HEADER.replace(",", ";"),
            (
                "its header reads 'transaction_id;account_id;date;direction;operation;amount;"
                "balance_after;purpose;counterparty_bank;counterparty_account';"
                " it looks as if ';' separates the columns, and a comma must"
            ),
        ),
        (HEADER.replace(",", "\t"), "it looks as if a tab separates the columns"),
        (
            HEADER.replace("_", " ").title(),
            (
                "its header reads 'Transaction Id,Account Id,Date,Direction,Operation,Amount,"
                "Balance After,Purpose,Counterparty Bank,Counterparty Account';"
                " names of columns have small letters and underscores"
            ),
        ),
        (HEADER.replace("purpose", "why"), "has no column purpose; examples/README.md lists"),
        (f"{HEADER},amount", "has the column amount more than once"),
        ("x" * 5000, f"its header reads '{'x' * 200}' and so on"),
    ],
)
def test_a_header_that_is_not_as_it_must_be_is_told_as_it_was_read(
    tmp_path: Path, header: str, message: str
) -> None:
    with pytest.raises(FileError) as failed:
        read(bank_file(tmp_path, header=header), "CZK")

    assert message in str(failed.value)
    assert "\n" not in str(failed.value)


def test_an_empty_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "bank.csv"
    path.write_text("")

    with pytest.raises(FileError, match="is empty"):
        read(path, "CZK")


def test_a_file_in_utf_16_is_told(tmp_path: Path) -> None:
    path = bank_file(tmp_path, GOOD)
    path.write_bytes(path.read_text().encode("utf-16"))

    with pytest.raises(FileError, match="is UTF-16, by its first bytes; save it as UTF-8"):
        read(path, "CZK")


@pytest.mark.parametrize(
    ("currency", "message"),
    [
        ("eur", "currency 'eur' is not a code of ISO 4217; EUR is"),
        ("XXX", "currency 'XXX' is not a code of ISO 4217"),
    ],
)
def test_a_currency_that_is_none_is_told_once(tmp_path: Path, currency: str, message: str) -> None:
    with pytest.raises(FileError) as failed:
        read(bank_file(tmp_path, GOOD), currency)

    assert str(failed.value) == message


@pytest.mark.parametrize(
    ("row", "account"),
    [
        ("t2,a-1,2020-02-01,credit,,bad,901.00", "a-1"),
        ("t2,other,2020-02-01,credit,,bad,901.00", "other"),
        ("t2,a-1,2020-02-01,credit,,1.00,901.00,bread, milk,,", "a-1"),
        # With a column too many before it, what stands in its place is no account of the file.
        ("t,2,a-1,2020-02-01,credit,,1.00,901.00,,,", None),
        ('t2,a-1,2020-02-01,credit,"a"b,1.00,901.00', "a-1"),
        ("t2,,2020-02-01,credit,,1.00,901.00", None),
        ("total", None),
    ],
)
def test_a_rejected_line_tells_its_account_if_that_is_certain(
    tmp_path: Path, row: str, account: str | None
) -> None:
    path = tmp_path / "bank.csv"
    path.write_text(
        f"{HEADER}\n{GOOD}\n{row}{',' * (9 - row.count(','))}\n"
        if row != "total"
        else f"{HEADER}\n{GOOD}\ntotal\n"
    )

    (rejected,) = read(path, "CZK").rejected

    assert rejected.account == account
