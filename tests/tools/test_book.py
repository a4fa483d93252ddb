"""A book of Beancount's in a ledger: every balance of every year is Beancount's own."""

from pathlib import Path

import pytest

from tests.ledgers import Books
from tests.tools.wire import Loses, api_to
from tools.api import ApiError
from tools.book import Book, BookAccount, is_book, read_book
from tools.book_import import BookImport, Difference, ImportedYear
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
    api = api_to(books, **faults)
    importer = BookImport(api, book, "ada", pause=lambda _seconds: None, close_all=close_all)
    importer.open(journals=4)
    return list(importer.years())


def differing(years: list[ImportedYear]) -> list[Difference]:
    return [difference for year in years for difference in year.differences]


def test_an_exchange_balances_in_each_commodity(small: Book) -> None:
    shares = small.years[2020][1]
    assert shares.postings == (
        ("Assets:Shares", 3123, "XYZ"),
        ("Assets:Cash", -31230, "USD"),
        ("Equity:Conversions:Current", 31230, "USD"),
        ("Equity:Conversions:Current", -3123, "XYZ"),
    )


def test_a_book_has_its_accounts_with_what_they_are_kept_in(small: Book) -> None:
    assert small.commodities == {"XYZ": 3}
    assert small.retained_earnings == "Equity:Earnings:Previous"
    assert small.accounts[:2] == [
        BookAccount("Assets:Cash", "asset", ("USD",)),
        BookAccount("Assets:Shares", "asset", ("XYZ",)),
    ]


def test_entries_that_say_the_same_have_keys_of_their_own(small: Book) -> None:
    keys = [small.key_of("ada", entry) for entries in small.years.values() for entry in entries]
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
        ("2020-01-01 open Assets:Cash\n", "has no transaction"),
        (SMALL + "2020-01-01 nonsense\n", "Beancount finds 1 errors"),
        (SMALL.replace("2.50 USD", "2.505 USD"), "2.505 USD has more than 2 decimals"),
        (SMALL.replace("Assets:Cash", "Assets:Kässe"), "has more than letters"),
        (SMALL.replace("XYZ", "/XYZ"), "line 13: a ledger has no commodity /XYZ"),
    ],
)
def test_what_no_ledger_can_hold_is_told(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(FileError, match=reason):
        read_book(file_of(tmp_path, text))


def test_a_book_is_known_by_its_name() -> None:
    assert is_book(EXAMPLE)
    assert not is_book(Path("bank.csv.gz"))


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
    assert again == first
    assert books.written() == written


@pytest.mark.parametrize("last", range(1, 24, 2))
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
    other = read_book(file_of(tmp_path, SMALL.replace("Ada's", "Bo's")))

    with pytest.raises(FileError, match="is not one that this book made"):
        imported(books, other)


def test_a_refusal_that_another_ledger_would_give_too_tells_only_itself(small: Book) -> None:
    small.accounts[0] = small.accounts[0]._replace(type="wealth")

    with pytest.raises(FileError, match=r"invalid-body: /accounts/0/type [^;]*$") as caught:
        imported(Books(), small)

    assert "name another" not in str(caught.value)


def test_a_balance_that_differs_is_found(small: Book) -> None:
    small.stated[2021].closing["Assets:Cash"] = {"USD": 1}

    years = imported(Books(), small)

    assert differing(years) == [
        Difference(2021, "closing balances", "Assets:Cash", "USD", 1, 68270)
    ]
