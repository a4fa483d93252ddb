"""The bank's own file with names and addresses: one holder is forgotten, and all else is as before.

A few accounts at the gate's share; all 988 by `pytest tests/erasure/test_bank_file.py`.
"""

import gzip
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from chalicelib.bank.account.domain import Book, Booking, CloseStatement, Open, account
from chalicelib.bank.account.views import balances, bookings, ranking, statements, totals
from chalicelib.bank.notices.policies import notify
from chalicelib.domain import DOMAIN
from chalicelib.leftfold.archive.archiver import Restore
from chalicelib.leftfold.commands.handler import CommandHandler
from chalicelib.leftfold.erasure.auditing import Auditing
from chalicelib.leftfold.erasure.erasing import SETTLES, Eraser
from chalicelib.leftfold.kernel import Commit
from chalicelib.leftfold.kernel.repair import NO_REPAIRS
from chalicelib.leftfold.policies.mailing import MemoryMailer
from chalicelib.leftfold.policies.work import PolicyWork
from chalicelib.leftfold.projection.memory import MemoryRows
from chalicelib.leftfold.projection.partitioned import PartitionedRunner
from chalicelib.leftfold.projection.replay import compare, replay
from chalicelib.leftfold.projection.rows import Save
from chalicelib.leftfold.store.events import item_of
from chalicelib.leftfold.store.memory import MemoryEffects, MemoryParking
from chalicelib.leftfold.subjects.audit import audit, key_of, with_engines_own
from chalicelib.leftfold.subjects.memory import MemoryKeys
from tests.archive.site import Stage
from tests.vaults import vault_of
from tools.bank.bank_file import read
from tools.bank.histories import History, histories
from tools.bootstrap import ROOT
from tools.verify import verify

pytestmark = pytest.mark.slow

VIEWS = (balances, ranking, bookings, statements, totals)


@dataclass
class Books:
    """Accounts of the file, archived and pruned up to the last statement, and all that shows them."""

    found: list[History]
    keys: MemoryKeys = field(default_factory=MemoryKeys)

    def __post_init__(self) -> None:
        self.site = Stage()
        self.now = 0.0
        self.vault = vault_of(self.keys, lambda: self.now)
        self.site.vault = self.vault
        for number, history in enumerate(self.found):
            self.open(number, history)
        self.site.settle()
        self.site.clock.forward(days=2)
        self.rows = {view.name: MemoryRows() for view in VIEWS}
        self.effects, self.mailer = MemoryEffects(self.site.clock), MemoryMailer()
        self.parking = MemoryParking()
        self.fill()
        self.notify()
        self.site.read_by_all()
        self.site.archive_all()
        assert self.site.prune() > 0

    def open(self, number: int, history: History) -> None:
        """An account with everything that the file says of it."""
        bank, key, lines = self.site.bank, history.account, 0
        name, address = f"Holder Quux{number}", f"quux{number}@example.com"
        bank.do(Open(name, "CZK", "current", history.credit_limit, address), key)
        for period in history.periods():
            for batch in period.batches():
                lines += len(batch)
                purpose = f"rent of Quux{number}, {lines}"
                booked = [
                    Booking(b.direction, b.amount, "CZK", b.day, purpose=purpose) for b in batch
                ]
                bank.do(Book(tuple(booked)), key)
            bank.do(CloseStatement(period.through or ""), key)

    def fill(self) -> None:
        """The rows of all views, as their functions have made them."""
        for view in VIEWS:
            made = replay(view, self.site.whole, lambda _: None, opener=self.vault).rows
            rows = self.rows[view.name]
            loaded = rows.load(list(made))
            rows.save([Save(k, row.row, row.position, loaded[k]) for k, row in made.items()])

    def notify(self) -> None:
        """The e-mails about all statements."""
        work = PolicyWork(
            notify,
            self.site.bank.handler,
            self.effects,
            self.mailer,
            "test",
            still,
            map,
            self.vault,
        )
        runner = PartitionedRunner(
            work, self.site.whole, self.site.checkpoints, self.parking, still
        )
        while runner.catch_up(100):
            pass

    def forget(self, subject: str) -> Mapping[str, int]:
        """The whole erasure; what was found."""
        events, clock = self.site.events, self.site.clock
        handler = CommandHandler(events, {audit.category: "fold"}, clock, still, self.vault)
        eraser = Eraser(
            "bank",
            self.keys,
            self.vault,
            events,
            self.site.whole,
            with_engines_own(DOMAIN.aggregates),
            {view.name: view for view in VIEWS},
            self.rows.__getitem__,
            Auditing(handler, clock),
            clock,
            still,
            NO_REPAIRS,
        )
        erasure = eraser.begin(subject, "operator:eve", "case-7")
        assert eraser.run(erasure) is None
        clock.forward(seconds=SETTLES.total_seconds())
        self.now += SETTLES.total_seconds()
        report = eraser.run(erasure)
        assert report is not None
        places: Mapping[str, int] = report["places"]
        return places

    def places(self) -> dict[str, bytes]:
        """Everything that is stored, by its place."""
        site = self.site
        found: dict[str, object] = {
            f"event {stream} {version}": item_of(item)
            for stream, items in site.table.everything().items()
            for version, item in items.items()
        }
        found |= {f"body {key}": [*map(lines_of, body)] for key, body in bodies_of(site)}
        found |= {f"link {link.first_position}": link for link in site.log._links}
        for name, rows in self.rows.items():
            found |= {f"row {name} {key}": row[:2] for key, row in rows.scan()}
        found |= {f"effect {key}": effect for key, effect in self.effects.stored.items()}
        found |= {f"parked {name} {stream}": why for name, stream, why in self.parking.all()}
        found |= {f"key {subject}": kept for subject, kept in self.keys._keys.items()}
        objects = {f"object {key}": unpacked(data) for key, data in site.archive._objects.items()}
        return {place: repr(data).encode() for place, data in found.items()} | objects


def bodies_of(site: Stage) -> Iterator[tuple[object, Sequence[Commit]]]:
    """The commits of each body, by its key."""
    for key, block in site.log._bodies.items():
        yield key, block.commits


def lines_of(commit: Commit) -> tuple[str, object]:
    """A commit with its snapshot."""
    return commit.line, commit.snapshot


def unpacked(data: bytes | bytearray) -> bytes:
    """An object's content."""
    return gzip.decompress(data) if data.startswith(b"\x1f\x8b") else bytes(data)


def still(_attempt: int) -> None:
    """Waits for nobody."""


@pytest.fixture(scope="module")
def books(share: float) -> Books:
    lines = read(ROOT / "examples" / "bank-transactions.csv.gz", "CZK").lines
    if share < 1:
        few = set(sorted({line.account for line in lines})[::200])
        lines = [line for line in lines if line.account in few]
    found, _ = histories(lines, "CZK", statements=len(lines))
    return Books(found)


def test_of_one_holder_nothing_is_left_and_of_all_others_everything(books: Books) -> None:
    key = books.found[3].account
    mine, subject = account.stream(key, "main"), f"main/account:{key}"
    words = (b"Quux3'", b"Quux3,", b"quux3@")
    before = books.places()
    shown = {place for place, data in before.items() if any(word in data for word in words)}
    history = books.site.history(mine)
    sums = balance_sheet(books)

    counted = books.forget(subject)

    after = books.places()
    assert [p for p, data in after.items() if any(word in data for word in words)] == []
    # Her rows alone were plain, and they and her key alone have changed.
    assert {place.split()[1] for place in shown} == {"balances", "ranking", "bookings"}
    assert all(place.startswith("row ") and mine in place for place in shown)
    changed = {place for place in before if after.get(place) != before[place]}
    assert changed == shown | {f"key {subject}"}
    told = audit.stream(key_of(subject), "main")
    assert {place for place in after if place not in before} == {
        f"event {told} {v}" for v in (1, 2)
    }
    assert counted["fields"] > counted["commits"] > 0
    assert balance_sheet(books) == sums
    assert books.site.history(mine) == history
    others = [email for email in books.mailer.sent if email.to != "quux3@example.com"]
    assert len(books.mailer.sent) > len(others) > 0

    books.site.settle()
    assert is_whole(books)
    # What was archived goes on being read, and comes back as it was archived: sealed.
    site = books.site
    site.clock.forward(days=2)
    site.archive_all()
    assert Restore(site.table, site.log, site.archive).run(mine) > 0
    assert site.history(mine) == history
    assert [p for p, data in books.places().items() if any(word in data for word in words)] == []
    assert is_whole(books)


def balance_sheet(books: Books) -> Mapping[str, object]:
    """What the bank owes, and to which account how much."""
    sums: dict[str, object] = {key: row.row for key, row in books.rows["totals"].scan()}
    for key, row in books.rows["balances"].scan():
        sums[key] = (row.row or {})["balance"]
    return sums


def is_whole(books: Books) -> bool:
    """Whether `verify` and `replay --check` of every view find nothing."""
    site = books.site
    broken = list(verify(site.events, site.whole, lambda _: None))
    fresh = vault_of(books.keys)
    differences = [
        difference
        for view in VIEWS
        for difference in compare(
            replay(view, site.whole, lambda _: None, opener=fresh).rows,
            books.rows[view.name].scan(),
        )
    ]
    return (broken, differences) == ([], [])
