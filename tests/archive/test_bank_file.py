"""The bank's own file: every month of every account closed, archived, and the same as before."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pytest

from chalicelib.bank.account.domain import (
    Book,
    Booking,
    CloseStatement,
    Credited,
    Debited,
    Open,
    account,
)
from chalicelib.bank.account.views import (
    balances,
    bookings,
    ranking,
    statement_id,
    statements,
    totals,
)
from chalicelib.leftfold.projection.replay import replay, replay_live
from chalicelib.leftfold.projection.rows import StoredRow
from tests.archive.site import Stage
from tests.commits import events_in
from tools.bank.bank_file import read
from tools.bank.histories import History, Period, histories
from tools.bootstrap import ROOT

pytestmark = pytest.mark.slow

Row = tuple[str, int, str]
Rows = dict[str, Mapping[str, StoredRow]]


@dataclass
class Books:
    """The file, or a *share* of its accounts, in a bank over memory, month after month."""

    share: float
    site: Stage = field(default_factory=Stage)
    found: list[History] = field(default_factory=list)
    statements: dict[str, list[Period]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lines = read(ROOT / "examples" / "bank-transactions.csv.gz", "CZK").lines
        found, _ = histories(lines, "CZK", statements=len(lines))
        self.found = found[:: max(1, round(1 / self.share))]
        bank = self.site.bank
        for history in self.found:
            key, closed = history.account, self.statements.setdefault(history.account, [])
            bank.do(Open(key, "CZK", "current", history.credit_limit), key)
            for period in history.periods():
                for batch in period.batches():
                    booked = [Booking(ln.direction, ln.amount, "CZK", ln.day) for ln in batch]
                    bank.do(Book(tuple(booked)), key)
                bank.do(CloseStatement(period.through or ""), key)
                closed.append(period)
        self.site.settle()

    def bookings(self, history: History) -> Iterator[Row]:
        """What an account's events say was booked."""
        for commit in self.site.events.range(account.stream(history.account, "main"), 1, 10**6):
            for event in events_in(commit, account.codec):
                if isinstance(event, Credited | Debited):
                    yield type(event).__name__, event.amount, event.value_date


@pytest.fixture(scope="module")
def books(share: float) -> Books:
    return Books(share)


@pytest.fixture(scope="module")
def before(books: Books) -> Rows:
    return rows_of(books.site)


def rows_of(site: Stage) -> Rows:
    """What the log makes of each view of accounts."""
    views = (balances, ranking, bookings, statements, totals)
    return {
        view.name: replay(view, site.whole, lambda _: None, opener=site.vault).rows
        for view in views
    }


def test_every_statement_opens_with_the_banks_own_balance(books: Books, before: Rows) -> None:
    wanted = {
        statement_id(account.stream(key, "main"), number): (
            p.through,
            p.opening,
            p.closing,
            len(p.lines),
        )
        for key, periods in books.statements.items()
        for number, p in enumerate(periods, 1)
    }
    shown = {
        key: tuple(
            (stored.row or {})[name]
            for name in ("through", "openingBalance", "closingBalance", "bookingCount")
        )
        for key, stored in before[statements.name].items()
    }
    assert shown == wanted
    # What the periods say is what the bank says: its balance after the last row before.
    for history in books.found:
        after = {line.day: line.balance_after for line in history.lines}
        for period in books.statements[history.account]:
            days = [day for day in after if day <= str(period.through)]
            assert period.closing == (after[max(days)] if days else 0)


def test_archived_and_pruned_it_is_the_same_and_only_live_epochs_are_left(
    books: Books, before: Rows
) -> None:
    site = books.site
    site.clock.forward(days=2)
    site.read_by_all()
    moved = site.archive_all()
    assert site.prune() > 0

    assert len(site.table.scan(0, 1, None, 10**6)[0]) == 2 * len(books.found)
    assert moved.objects == sum(map(len, books.statements.values()))
    for history in books.found:
        said = {"credit": "Credited", "debit": "Debited"}
        rows = [(said[line.direction], line.amount, line.day) for line in history.lines]
        assert list(books.bookings(history)) == rows
    for view in (balances, ranking):
        assert (
            replay_live(view, site.whole, lambda _: None, opener=site.vault).rows
            == before[view.name]
        )
    assert rows_of(site) == before
