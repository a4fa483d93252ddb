"""A book of Beancount's in a ledger: every balance of every year is Beancount's own."""

import gzip
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.ledgers import Books
from tests.tools.bank.wire import Loses, api_to
from tools.__main__ import leftfold
from tools.api import ApiError
from tools.bank.book import Book, BookAccount, is_book, read_book
from tools.bank.book_import import BookImport, Choices, Difference, ImportedYear
from tools.bootstrap import ROOT
from tools.files import FileError

EXAMPLE = ROOT / "examples" / "example.beancount.gz"
SMALL = """
option "title" "Ada's book"
2020-01-01 open Assets:Cash USD
2020-01-01 open Assets:Shares
2020-01-01 open Income:Pay
2020-01-01 open Expenses:Food
2020-01-01 open Income:Gains

2020-02-01 * "Employer" "Pay"
  Assets:Cash  1000.00 USD
  Income:Pay

2020-03-01 * "Shares"
  Assets:Shares  3.123 XYZ {100.00 USD}
  Assets:Cash  -312.30 USD

2020-03-01 * "Bread"
  Expenses:Food  2.50 USD
  Assets:Cash

2020-03-01 * "Bread"
  Expenses:Food  2.50 USD
  Assets:Cash

2022-01-01 * "Sale"
  Assets:Shares  -1 XYZ {100.00 USD}
  Assets:Cash  120.00 USD
  Income:Gains
"""


@pytest.fixture
def small(tmp_path: Path) -> Book:
    return read_book(file_of(tmp_path, SMALL))


def file_of(folder: Path, text: str) -> Path:
    path = folder / "book.beancount"
    path.write_text(text)
    return path


def imported(
    books: Books, book: Book, *, close_all: bool = False, **faults: Loses
) -> list[ImportedYear]:
    importer = BookImport(
        api_to(books, **faults),
        book,
        "ada",
        Choices(journals=4, close_all=close_all),
        today=books.clock().date(),
        pause=lambda _seconds: None,
    )
    importer.open()
    return list(importer.years(importer.prepare()))


def differing(years: list[ImportedYear]) -> list[Difference]:
    return [difference for year in years for difference in year.differences]


def test_an_exchange_balances_in_each_commodity(small: Book) -> None:
    shares = small.years[2020][1]
    assert shares.postings == (
        ("Assets:Shares", 312300000, "XYZ"),
        ("Assets:Cash", -31230, "USD"),
        ("Equity:Conversions:Current", 31230, "USD"),
        ("Equity:Conversions:Current", -312300000, "XYZ"),
    )
    amounts = [posting["amount"]["amount"] for posting in shares.body["postings"]]
    assert amounts == ["3.123", "-312.30", "312.30", "-3.123"]


def test_a_book_has_its_accounts_with_what_they_are_kept_in(small: Book) -> None:
    assert small.commodities == {"XYZ": 3}
    assert small.retained_earnings == "Equity:Earnings:Previous"
    assert small.accounts[:2] == [
        BookAccount("Assets:Cash", "asset", ("USD",)),
        BookAccount("Assets:Shares", "asset", ("XYZ",)),
    ]


def test_entries_that_say_the_same_have_keys_of_their_own(small: Book) -> None:
    keys = [entry.key("ada", 0) for entries in small.years.values() for entry in entries]
    assert len(set(keys)) == len(keys) == 5


def test_a_year_without_an_entry_is_a_year_of_the_book(small: Book) -> None:
    assert {year: len(entries) for year, entries in small.years.items()} == {
        2020: 4,
        2021: 0,
        2022: 1,
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2020-01-01 open Assets:Cash\n", "has no transaction that moves anything"),
        (SMALL + "2020-01-01 nonsense\n", "Beancount finds 1 errors"),
        (SMALL.replace("2.50 USD", "2.505 USD"), "2.505 USD has more than 2 decimals"),
        (SMALL.replace("Assets:Cash", "Assets:Kässe"), "has more than letters"),
        (SMALL.replace("XYZ", "/XYZ"), "line 13: a ledger has no commodity /XYZ"),
    ],
)
def test_what_no_ledger_can_hold_is_told(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(FileError, match=reason):
        read_book(file_of(tmp_path, text))


OPEN = """2023-01-01 open Assets:Cash
2023-01-01 open Expenses:Food
"""


def text_of(*postings: str, day: str = "2023-02-02", says: str = "z") -> str:
    return f'{OPEN}{day} * "{says}"\n' + "".join(f"  {posting}\n" for posting in postings)


def moved(amount: str) -> str:
    return text_of(f"Assets:Cash  {amount}", f"Expenses:Food  -{amount}")


WRONG: dict[str, tuple[bytes, str]] = {
    "empty.beancount": (b"", "has no transaction that moves anything"),
    "without-postings.beancount": (text_of().encode(), "has no transaction that moves anything"),
    "zero.beancount": (text_of("Assets:Cash 0.00 USD").encode(), "moves anything"),
    "elided.beancount": (text_of("Assets:Cash").encode(), "moves anything"),
    "plain.beancount.gz": (b"hello", "Not a gzipped file"),
    "cut.beancount.gz": (gzip.compress(moved("1 USD").encode())[:-9], "cannot be read"),
    "latin1.beancount": (text_of(says="caf\xe9").encode("latin-1"), "line 3 holds the byte 0xE9"),
    "latin1.beancount.gz": (
        gzip.compress(text_of(says="caf\xe9").encode("latin-1")),
        "line 3 holds the byte 0xE9",
    ),
    "utf16.beancount": (moved("1 USD").encode("utf-16"), "is UTF-16"),
    "utf16.beancount.gz": (gzip.compress(moved("1 USD").encode("utf-16")), "is UTF-16"),
    "year.beancount": (
        moved("1 USD").replace("2023", "0224").encode(),
        "line 3: 0224-02-02 is in no year of a ledger, which are 1000 to 9998",
    ),
    "last-year.beancount": (
        moved("1 USD").replace("2023", "9999").encode(),
        "line 3: 9999-02-02 is in no year of a ledger",
    ),
    "31-digits.beancount": (
        moved(f"{'1' * 31} USD").encode(),
        f"line 3: {'1' * 31}.00 USD is too large: a posting is under 10000000000000.00",
    ),
    "elided-31-digits.beancount": (
        text_of(f"Assets:Cash  {'1' * 31} USD", "Expenses:Food").encode(),
        "line 3",
    ),
    "large.beancount": (
        moved("10000000000000.00 USD").encode(),
        "line 3: 10000000000000.00 USD is too large",
    ),
    "large-commodity.beancount": (
        moved("10000000000 ABC").encode(),
        "line 3: 10000000000 ABC is too large: a posting is under 10000000000",
    ),
    "large-exchange.beancount": (
        text_of(
            "Assets:Cash  9000000000 ABC @@ 1 USD",
            "Assets:Cash  9000000000 ABC @@ 1 USD",
            "Expenses:Food  -2 USD",
        ).encode(),
        "line 3: -18000000000 ABC is too large",
    ),
    "31-decimals.beancount": (
        text_of(f"Assets:Cash  1.{'1' * 30} USD", "Expenses:Food").encode(),
        "a number of over 28 digits",
    ),
    "9-decimals.beancount": (moved("0.000000001 ABC").encode(), "has more than 8 decimals"),
    "501-postings.beancount": (
        text_of(*["Assets:Cash  1 USD"] * 500, "Expenses:Food  -500 USD").encode(),
        "line 3: an entry has 500 postings at most",
    ),
    "plugin.beancount": (b'plugin "no_such"\n', "Error importing"),
    "include.beancount": (b'include "no-such"\n', "does not match any files"),
    "junk.beancount": (b"\x01\x02{}[]<<<\n\n:::", "Beancount finds"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_a_book_is_told_in_one_line(tmp_path: Path, name: str) -> None:
    content, message = WRONG[name]
    (tmp_path / name).write_bytes(content)
    where = ["--url", "http://127.0.0.1:9", "--ledger", "ada"]

    done = CliRunner().invoke(leftfold, ["import", str(tmp_path / name), *where])

    assert (done.exit_code, type(done.exception), done.stdout) == (1, SystemExit, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ")
    assert message in line


@pytest.mark.parametrize(
    "text",
    [
        moved("9999999999999.99 USD"),
        moved("9999999999.99999999 ABC"),
        text_of(*["Assets:Cash  1 USD"] * 499, "Expenses:Food  -499 USD"),
        moved("1 USD").replace("2023", "9998"),
        moved("1 USD").replace("2023", "1000"),
        moved("0.00 USD"),
    ],
)
def test_the_largest_and_the_smallest_that_a_ledger_takes_is_imported(
    tmp_path: Path, text: str
) -> None:
    years = imported(Books(), read_book(file_of(tmp_path, text)))

    assert [(done.posted, done.rejected, done.differences) for done in years] == [(1, [], [])]


def test_a_book_with_a_byte_order_mark_and_one_that_includes_another_are_read(
    tmp_path: Path,
) -> None:
    marked, including = tmp_path / "marked.beancount", tmp_path / "including.beancount"
    marked.write_text(moved("1 USD"), encoding="utf-8-sig")
    including.write_text('include "book.beancount"\n')
    file_of(tmp_path, moved("1 USD"))

    assert read_book(marked).years == read_book(including).years


def test_no_number_is_rounded_on_its_way(tmp_path: Path) -> None:
    text = moved("1234567890.12345678 ABC")
    ((entry,),) = read_book(file_of(tmp_path, text)).years.values()
    assert entry.body["postings"][0]["amount"]["amount"] == "1234567890.12345678"


def test_a_year_far_ahead_costs_nothing_to_read(tmp_path: Path) -> None:
    text = f'{moved("1 USD")}9998-01-01 * "z"\n  Assets:Cash  1 USD\n  Expenses:Food\n'
    book = read_book(file_of(tmp_path, text))
    assert (len(book.years), len(book.stated)) == (9998 - 2023 + 1, 0)


def test_a_book_is_known_by_its_name() -> None:
    assert is_book(EXAMPLE)
    assert not is_book(Path("bank.csv.gz"))


@pytest.mark.slow
def test_the_example_has_beancounts_balances_at_the_end_of_every_year() -> None:
    book = read_book(EXAMPLE)

    years = imported(Books(), book, close_all=True)

    assert differing(years) == []
    assert [(done.year, done.entries, done.closed) for done in years] == [
        (2020, 345, True),
        (2021, 389, True),
        (2022, 383, True),
        (2023, 396, True),
        (2024, 216, True),
    ]
    assert all(done.balances > 40 for done in years)


def test_importing_again_writes_nothing(small: Book) -> None:
    books = Books()
    first = imported(books, small)
    written = books.written()

    again = imported(books, small)

    assert differing(first) == []
    assert [done.posted for done in first] == [4, 0, 1]
    assert again == [replace(done, posted=0) for done in first]
    assert books.written() == written


@pytest.mark.parametrize("last", range(1, 34, 2))
def test_an_import_that_was_cut_off_is_finished_by_the_next(small: Book, last: int) -> None:
    books = Books()
    with pytest.raises(ApiError):
        imported(books, small, loses=lambda sent: sent >= last)

    years = imported(books, small)

    assert differing(years) == []
    assert [done.rejected for done in years] == [[], [], []]
    entries = books.events.scan(0, 1, None, 10**6)[0]
    assert sum("/journal-" in stream for stream, _ in entries) == 5 + 2 * 4


def test_a_ledger_of_another_book_is_left_alone(small: Book, tmp_path: Path) -> None:
    books = Books()
    imported(books, small)
    written = books.written()
    foreign = SMALL.replace("2.50 USD", "2.60 USD").replace("Expenses:Food", "Expenses:Rent")
    other = read_book(file_of(tmp_path, foreign))

    with pytest.raises(FileError, match=r"holds 2 entries .* that the book does not have"):
        imported(books, other)

    assert books.written() == written


def test_a_refusal_that_another_ledger_would_give_too_tells_only_itself(small: Book) -> None:
    small.accounts[0] = small.accounts[0]._replace(type="wealth")

    with pytest.raises(FileError, match=r"invalid-body: /accounts/0/type [^;]*$") as caught:
        imported(Books(), small)

    assert "--ledger" not in str(caught.value)


def test_a_balance_that_differs_is_found(small: Book) -> None:
    small.stated[2021].closing["Assets:Cash"] = {"USD": 1}

    years = imported(Books(), small)

    assert differing(years) == [
        Difference(2021, "closing balances", "Assets:Cash", "USD", 1, 68270)
    ]
