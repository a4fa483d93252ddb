"""A book that is imported again: mended, edited, grown, or in a year that is not over."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from tests.clock import Clock
from tests.ledgers import Books
from tests.tools.bank.served import served
from tests.tools.bank.wire import api_to
from tools.__main__ import leftfold
from tools.api import Api
from tools.bank.book import Book, BookEntry, read_book
from tools.bank.book_import import BookImport, Choices, ImportedYear, import_through
from tools.bank.ledger_entries import LedgerEntry, compare
from tools.files import FileError

HEAD = """
2020-01-01 open Assets:Cash USD
2020-01-01 open Assets:Fund
2020-01-01 open Expenses:Food USD
2020-01-01 open Income:Pay USD
"""


def pay(day: str, amount: str = "100.00", says: str = '"Pay"') -> str:
    return f"{day} * {says}\n  Assets:Cash  {amount} USD\n  Income:Pay\n"


def meal(day: str, amount: str = "30.00", says: str = '"Shop" "bread"') -> str:
    return f"{day} * {says}\n  Expenses:Food  {amount} USD\n  Assets:Cash\n"


def shares(day: str, number: str, cost: str) -> str:
    return (
        f'{day} * "shares"\n  Assets:Fund  {number} ABC {{20.00 USD}}\n  Assets:Cash  -{cost} USD\n'
    )


@dataclass
class Desk:
    """Somebody who imports a book again and again into one ledger."""

    folder: Path
    books: Books = field(default_factory=Books)

    def book(self, *entries: str) -> Book:
        path = self.folder / "book.beancount"
        path.write_text(HEAD + "\n".join(entries))
        return read_book(path)

    def importing(self, book: Book, **choices: bool) -> list[ImportedYear]:
        importer = self.importer(book, self.books.clock().date(), **choices)
        importer.open()
        return list(importer.years(importer.prepare()))

    def importer(self, book: Book, today: date, **choices: bool) -> BookImport:
        return BookImport(
            self.api, book, "ada", Choices(2, **choices), today, pause=lambda _seconds: None
        )

    def refused(self, book: Book, **choices: bool) -> str:
        """The line that an import ends with that wrote nothing."""
        written = self.books.written()
        with pytest.raises(FileError) as caught:
            self.importing(book, **choices)
        assert self.books.written() == written
        said = str(caught.value)
        assert "\n" not in said
        return said

    @property
    def api(self) -> Api:
        return api_to(self.books)

    def entries(self) -> int:
        versions, _ = self.books.events.scan(0, 1, None, 10**6)
        return sum("/journal-" in stream for stream, _ in versions)

    def cash(self, day: str = "2025-12-31") -> str:
        self.books.settle()
        lines = self.books.get(f"/ledgers/ada/trial-balance?asOf={day}").json["items"]
        (amount,) = [
            line["balance"]["amount"]
            for line in lines
            if (line["account"], line["balance"]["currency"]) == ("Assets:Cash", "USD")
        ]
        assert isinstance(amount, str)
        return amount

    def years(self) -> dict[int, str]:
        self.books.settle()
        return {y["year"]: y["state"] for y in self.books.get("/ledgers/ada").json["years"]}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def agreed(years: list[ImportedYear]) -> bool:
    return not any(done.failed for done in years)


# --- no year is closed after a failure


def spoiled(book: Book, year: int) -> Book:
    """The book with an entry that the API rejects: its text has two lines."""
    first, *rest = book.years[year]
    book.years[year] = [first._replace(narration="bread\nand butter"), *rest]
    return book


TWO_YEARS = (meal("2023-02-01"), pay("2023-03-01"), meal("2024-01-05", "2.00"))


def test_a_year_of_which_an_entry_was_rejected_is_closed_by_the_run_with_the_mended_book(
    desk: Desk,
) -> None:
    (failed,) = desk.importing(spoiled(desk.book(*TWO_YEARS), 2023))

    assert [line.reason.split(":")[0] for line in failed.rejected] == ["invalid-body"]
    assert (failed.closed, failed.posted, desk.years()) == (False, 1, {2023: "open"})
    assert failed.open_because == (
        "1 of its entries were rejected; once the book is mended, the next run closes it"
    )

    mended = desk.importing(desk.book(*TWO_YEARS))

    assert agreed(mended)
    assert [(done.year, done.posted, done.closed) for done in mended] == [
        (2023, 1, True),
        (2024, 1, False),
    ]
    assert desk.cash() == "68.00"


def test_a_year_whose_balances_differ_is_not_closed(desk: Desk) -> None:
    book = desk.book(*TWO_YEARS)
    book.stated[2023].trial["Assets:Cash"] = {"USD": 1}

    (failed,) = desk.importing(book, close_all=True)

    assert (failed.closed, desk.years()) == (False, {2023: "open"})
    assert str(failed.open_because).startswith("its balances differ from the book's")
    assert agreed(desk.importing(desk.book(*TWO_YEARS)))
    assert desk.years() == {2023: "closed", 2024: "open"}


# --- a year that is not over


RUNNING = (pay("2025-06-01"), pay("2026-06-01", "1.00"), meal("2027-01-01", "5.00"))


def test_a_running_year_stays_open_and_the_next_one_is_opened_beside_it(desk: Desk) -> None:
    desk.books.clock = Clock(datetime(2026, 11, 26, tzinfo=UTC))
    desk.books.use(desk.books.events)

    done = desk.importing(desk.book(*RUNNING, pay("2028-01-01")), close_all=True)

    assert agreed(done)
    assert [(year.year, year.posted, year.closed) for year in done] == [
        (2025, 1, True),
        (2026, 1, False),
        (2027, 1, False),
    ]
    assert done[1].open_because == "it is not over; it can be closed from 2027-01-01 on (UTC)"
    assert desk.years() == {2025: "closed", 2026: "open", 2027: "open"}

    desk.books.clock.forward(days=36)
    later = desk.importing(desk.book(*RUNNING, pay("2028-01-01")))

    assert agreed(later)
    assert [(year.year, year.posted, year.closed) for year in later] == [
        (2025, 0, True),
        (2026, 0, True),
        (2027, 0, False),
        (2028, 1, False),
    ]


def test_a_year_that_is_over_here_and_not_at_the_server_stays_open(desk: Desk) -> None:
    importer = desk.importer(desk.book(*RUNNING), date(2027, 1, 1), close_all=True)
    importer.open()

    done = list(importer.years(importer.prepare()))

    assert [(year.year, year.closed) for year in done] == [
        (2025, True),
        (2026, False),
        (2027, False),
    ]
    assert "not over" in str(done[1].open_because)


# --- texts


@pytest.mark.parametrize(
    ("given", "folded"),
    [
        ('"Shop" "Card payment\nref 123"', '"Shop" "Card payment ref 123"'),
        ('"Shop\t12" "x"', '"Shop 12" "x"'),
        ('" Shop " "  a   b\r\n\n c "', '"Shop" "a b c"'),
        ('"bell\x07 \x85"', '"bell"'),
    ],
)
def test_white_space_in_a_text_costs_no_booking(desk: Desk, given: str, folded: str) -> None:
    assert agreed(desk.importing(desk.book(meal("2023-02-01", says=given)), close_all=True))

    again = desk.importing(desk.book(meal("2023-02-01", says=folded)), close_all=True)

    assert (agreed(again), again[0].posted, desk.cash()) == (True, 0, "-30.00")


def test_a_text_that_is_too_long_is_cut_with_a_note(desk: Desk) -> None:
    book = desk.book(meal("2023-02-01", says=f'"{"p" * 201}" "{"n" * 600}"'))

    assert agreed(desk.importing(book))
    assert book.notes == [
        "line 6: narration has 600 characters; 500 are kept",
        "line 6: payee has 201 characters; 200 are kept",
    ]


def test_what_is_left_of_text_that_was_not_utf_8_costs_no_booking(desk: Desk) -> None:
    book = desk.book(meal("2023-02-01", says='"K\N{REPLACEMENT CHARACTER}se"'))

    assert agreed(desk.importing(book))
    assert book.years[2023][0].narration == "K?se"


def test_a_transaction_that_moves_nothing_is_left_out_with_a_note(desk: Desk) -> None:
    book = desk.book(meal("2023-02-01"), '2023-03-01 * "note only"\n')
    assert len(book.years[2023]) == 1
    assert book.notes == ["line 10: a transaction that moves nothing is left out"]


# --- entries that were edited


def test_an_entry_that_was_edited_is_not_posted_twice(desk: Desk) -> None:
    desk.importing(desk.book(meal("2023-02-01", says='"Shop" "braed"')))
    edited = desk.book(meal("2023-02-01"))

    said = desk.refused(edited)

    assert 'holds 1 entry (2023-02-01 "braed" (entry ' in said
    assert "--reverse-missing" in said
    assert desk.cash() == "-30.00"

    done = desk.importing(edited, reverse_missing=True)

    assert (agreed(done), done[0].posted, desk.cash()) == (True, 1, "-30.00")
    written = desk.books.written()
    assert agreed(desk.importing(edited))
    assert desk.books.written() == written


def test_an_entry_that_is_edited_back_is_posted_again(desk: Desk) -> None:
    texts = ['"a"', '"b"', '"a"', '"b"', '"a"']
    for text in texts:
        book = desk.book(meal("2023-02-01", says=text), meal("2023-02-01", says='"c"'))
        assert agreed(desk.importing(book, reverse_missing=True))
        assert desk.cash() == "-60.00"
    assert desk.entries() == 2 + 2 * (len(texts) - 1)


def test_what_an_import_that_was_cut_off_reversed_is_not_reversed_again(desk: Desk) -> None:
    desk.importing(desk.book(meal("2023-02-01", says='"a"'), meal("2023-02-02", says='"b"')))
    edited = desk.book(meal("2023-02-01", says='"c"'), meal("2023-02-02", says='"d"'))
    importer = desk.importer(edited, date(2026, 1, 1), reverse_missing=True)
    importer.open()
    # Both are reversed, and nothing is posted.
    importer.prepare()

    done = desk.importing(edited)

    assert (agreed(done), done[0].posted, desk.cash()) == (True, 2, "-60.00")


def test_two_imports_at_once_do_nothing_twice(desk: Desk) -> None:
    desk.importing(desk.book(meal("2023-02-01", says='"a"'), pay("2023-03-01")))
    edited = desk.book(meal("2023-02-01", says='"b"'), *[pay("2023-03-01")] * 2)
    one, other = (desk.importer(edited, date(2026, 1, 1), reverse_missing=True) for _ in range(2))
    one.open()
    other.open()
    # Both have seen the ledger before either posts; the second finds the old entry reversed.
    of_one, of_other = one.prepare(), other.prepare()

    done = [*one.years(of_one), *other.years(of_other)]

    assert agreed(done)
    # Two at first, a reversal, and two more.
    assert (desk.entries(), desk.cash()) == (5, "170.00")


@pytest.mark.parametrize(
    "edited",
    [
        '2023-02-01 ! "Shop" "bread" #tag ^link\n  who: "Bo"\n  Expenses:Food  30.00 USD\n  Assets:Cash\n',
        '2023-02-01 * "Shop" "bread"\n  Assets:Cash  -30.00 USD\n  Expenses:Food\n',
        '2023-02-01 * "Shop" "bread"\n  Expenses:Food  30 USD\n  Assets:Cash  -30.0 USD\n',
        '; moved down\n\n2023-02-01 * "Shop"   "bread "\n  Expenses:Food  30.00 USD\n  Assets:Cash\n',
    ],
)
def test_an_edit_that_changes_no_posted_fact_posts_nothing(desk: Desk, edited: str) -> None:
    other = pay("2023-03-01")
    desk.importing(desk.book(meal("2023-02-01"), other))
    written = desk.books.written()

    assert agreed(desk.importing(desk.book(other, edited)))

    assert desk.books.written() == written


def test_entries_that_say_the_same_are_counted(desk: Desk) -> None:
    def of(count: int) -> Book:
        return desk.book(pay("2023-01-01"), *[meal("2023-02-01")] * count)

    desk.importing(of(2))
    assert [done.posted for done in desk.importing(of(3))] == [1]
    assert "holds 2 entries" in desk.refused(of(1))
    assert agreed(desk.importing(of(1), reverse_missing=True))
    assert desk.cash() == "70.00"
    assert [done.posted for done in desk.importing(of(3))] == [2]
    assert desk.cash() == "10.00"


def test_nothing_is_changed_for_an_edit_in_a_closed_year(desk: Desk) -> None:
    desk.importing(desk.book(*TWO_YEARS))
    edited = desk.book(meal("2023-02-01", "31.00"), *TWO_YEARS[1:])

    for reverse_missing in (False, True):
        said = desk.refused(edited, reverse_missing=reverse_missing)
        assert "in a year that is closed: nothing was posted" in said

    added = desk.refused(desk.book(*TWO_YEARS, pay("2023-12-31")))
    assert 'line 18: 2023-12-31 "Pay"' in added
    assert "does not hold, in a year that is closed" in added
    assert agreed(desk.importing(desk.book(*TWO_YEARS)))


def test_what_was_posted_by_other_means_is_told_and_not_touched(desk: Desk) -> None:
    book = desk.book(meal("2023-02-01"))
    desk.importing(book)
    body = {**book.years[2023][0].body, "narration": "by hand"}
    assert desk.books.post("/ledgers/ada/entries", body).status == 201

    assert '"by hand"' in desk.refused(book)


def test_a_reversal_by_hand_that_the_book_has_as_an_entry_is_that_entry(desk: Desk) -> None:
    book = desk.book(meal("2023-02-01"))
    desk.importing(book)
    (entry,) = (e for n in (0, 1) for e in listed(desk, n))
    path = f"/ledgers/ada/entries/{entry['entryId']}/reversal"
    assert desk.books.post(path, {"date": "2023-04-01", "narration": "oops"}).status == 201
    back = '2023-04-01 * "Shop" "oops"\n  Expenses:Food  -30.00 USD\n  Assets:Cash\n'

    (done,) = desk.importing(desk.book(meal("2023-02-01"), back))

    assert (done.failed, done.posted, desk.cash()) == (False, 0, "0.00")


def test_an_entry_whose_reversal_was_reversed_is_there(desk: Desk) -> None:
    book = desk.book(meal("2023-02-01"))
    desk.importing(book)
    (entry,) = (e for n in (0, 1) for e in listed(desk, n))
    undone = entry["entryId"]
    for _ in range(2):
        path = f"/ledgers/ada/entries/{undone}/reversal"
        answer = desk.books.post(path, {"date": "2023-04-01", "narration": "oops"})
        undone = answer.json["entryId"]

    (done,) = desk.importing(book)

    assert (done.failed, done.posted, desk.cash()) == (False, 0, "-30.00")


def listed(desk: Desk, journal: int) -> list[dict[str, object]]:
    items: list[dict[str, object]] = desk.books.get(f"/ledgers/ada/entries?journal={journal}").json[
        "items"
    ]
    return items


def ledger_entry(said: BookEntry, version: int, reverses: int | None = None) -> LedgerEntry:
    undone = None if reverses is None else f"0-{reverses}"
    payee = {"payee": said.payee}
    return LedgerEntry({**said.body, **payee, "entryId": f"0-{version}", "reverses": undone})


ENTRIES = [BookEntry(n, "2023-01-01", name, None, (), 0) for n, name in enumerate("abc")]


def of_entries(chosen: list[BookEntry]) -> list[BookEntry]:
    """A book's year, whose entries count those before them that say the same."""
    return [
        replace_occurrence(entry, sum(other.said == entry.said for other in chosen[:index]))
        for index, entry in enumerate(chosen)
    ]


def replace_occurrence(entry: BookEntry, occurrence: int) -> BookEntry:
    return entry._replace(occurrence=occurrence)


@given(st.lists(st.lists(st.sampled_from(ENTRIES), max_size=5), max_size=6))
def test_a_ledger_that_follows_every_edit_holds_the_book_and_uses_no_key_twice(
    editions: list[list[BookEntry]],
) -> None:
    journal: list[LedgerEntry] = []
    keys: set[str] = set()
    for edition in editions:
        book = Book("", "", [], {}, {2023: of_entries(edition)}, None, [])  # type: ignore[arg-type]
        comparison = compare(book, journal)
        for gone in comparison.gone:
            undoing = BookEntry(0, "2023-01-01", "undone", None, (), 0)
            journal.append(ledger_entry(undoing, len(journal) + 1, gone.version))
        for entry in comparison.missing.get(2023, []):
            key = entry.key("ada", comparison.undone[entry.said])
            assert key not in keys
            keys.add(key)
            journal.append(ledger_entry(entry, len(journal) + 1))
        after = compare(book, journal)
        assert (after.missing, after.gone) == ({}, [])


# --- a book that grows


def test_a_book_may_use_finer_amounts_later(desk: Desk) -> None:
    first = (shares("2023-02-02", "10", "200.00"), shares("2024-02-02", "10", "200.00"))
    assert agreed(desk.importing(desk.book(*first)))

    grown = desk.importing(desk.book(*first, shares("2024-06-02", "0.125", "2.50")))

    assert agreed(grown)
    assert [done.posted for done in grown] == [0, 1]
    shown = desk.books.get("/ledgers/ada").json["commodities"]
    assert shown == [{"code": "ABC", "digits": 3}]
    assert agreed(desk.importing(desk.book(*first), reverse_missing=True))


def test_a_book_may_use_fewer_decimals_than_its_ledger(desk: Desk) -> None:
    book = desk.book(shares("2023-02-02", "10", "200.00"))
    desk.importer(book, date(2026, 1, 1)).open()
    body = {"accounts": [], "commodities": [{"code": "ABC", "digits": 5}]}
    assert desk.books.post("/ledgers/ada/accounts", body).status == 200

    assert agreed(desk.importing(book))

    shown = desk.books.get("/ledgers/ada").json["commodities"]
    assert shown == [{"code": "ABC", "digits": 5}]


def test_a_ledger_keeps_the_name_that_its_first_book_gave_it(desk: Desk) -> None:
    desk.importing(desk.book('option "title" "Ada"', meal("2023-02-01")))
    retitled = desk.book('option "title" "Ada & Bo"', meal("2023-02-01"))
    importer = desk.importer(retitled, date(2026, 1, 1))

    importer.open()

    assert importer.notes == [
        'the ledger ada keeps its name "Ada"; the title of the book is "Ada & Bo" now'
    ]
    assert agreed(list(importer.years(importer.prepare())))


def later(book: Book) -> Book:
    return replace(book, years={2024: book.years[2024]})


@pytest.mark.parametrize(
    ("made", "cause"),
    [
        (
            lambda desk: desk.book(meal("2022-12-31"), *TWO_YEARS),
            "line 6: the book has an entry of 2022-12-31, and the ledger ada begins with 2023",
        ),
        (
            lambda desk: later(desk.book(*TWO_YEARS)),
            "the ledger ada begins with 2023, and the book with 2024",
        ),
        (
            lambda desk: desk.book('option "account_previous_earnings" "Kept"', *TWO_YEARS),
            "closes its years to Equity:Earnings:Previous, and the book to Equity:Kept",
        ),
        (
            lambda desk: retyped(desk.book(*TWO_YEARS)),
            "Assets:Cash is of type liability in the book, and asset in the ledger ada",
        ),
    ],
)
def test_what_keeps_a_book_out_of_a_ledger_is_named(
    desk: Desk, made: Callable[[Desk], Book], cause: str
) -> None:
    desk.importing(desk.book(*TWO_YEARS))

    said = desk.refused(made(desk))

    assert cause in said
    assert "--ledger" in said


def retyped(book: Book) -> Book:
    first, *rest = book.accounts
    return replace(book, accounts=[first._replace(type="liability"), *rest])


# --- messages


def test_only_what_was_posted_is_counted(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.book(*TWO_YEARS)
    path = desk.folder / "book.beancount"
    assert import_through(desk.api, path, "ada", Choices(2))
    assert "3 entries posted, 0 were there already;" in capsys.readouterr().out

    assert import_through(desk.api, path, "ada", Choices(2))
    assert "0 entries posted, 3 were there already;" in capsys.readouterr().out


def test_entries_that_wait_for_a_year_make_the_import_fail(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.book(*[pay(f"{year}-01-01") for year in (9000, 9001, 9003, 9003)])

    assert not import_through(desk.api, desk.folder / "book.beancount", "ada", Choices(2))

    shown = capsys.readouterr().out
    assert "9000 stays open: it is not over" in shown
    assert "2 entries of later years were not posted: they wait for 9000" in shown


@pytest.mark.slow
def test_the_command_stops_at_an_edited_entry_and_says_what_to_do(desk: Desk) -> None:
    path = str(desk.folder / "book.beancount")
    with served(desk.books) as url:

        def imports(*options: str) -> Result:
            where = ["--url", url, "--ledger", "ada", "--journals", "2"]
            return CliRunner().invoke(leftfold, ["import", path, *where, *options])

        desk.book(meal("2023-02-01", says='"braed"'))
        assert imports().exit_code == 0
        desk.book(meal("2023-02-01", says='"bread"'))

        stopped = imports()

        assert (stopped.exit_code, type(stopped.exception)) == (1, SystemExit)
        (line,) = (text for text in stopped.stderr.splitlines() if text.startswith("Error: "))
        assert "--reverse-missing" in line
        assert imports("--reverse-missing").exit_code == 0
        assert imports().exit_code == 0
    assert desk.cash() == "-30.00"


def test_a_book_of_more_commodities_than_one_command_takes_is_imported(desk: Desk) -> None:
    gifts = "".join(
        f"  Assets:Fund  1 F{number}\n  Expenses:Rest  -1 F{number}\n" for number in range(201)
    )
    book = desk.book("2020-01-01 open Expenses:Rest\n", f'2020-01-02 * "gifts"\n{gifts}')

    (year,) = desk.importing(book)

    assert (year.posted, year.failed) == (1, False)
    assert len(desk.books.get("/ledgers/ada").json["commodities"]) == 201
