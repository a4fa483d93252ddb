"""A load costs the same however old the account is, and the archive on a real table."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from chalicelib.bank.account.domain import CloseStatement, account
from chalicelib.leftfold.archive.archiver import Archiver, Restore, Volume
from chalicelib.leftfold.archive.events import ArchivedEvents
from chalicelib.leftfold.kernel.uuid7 import uuid7
from chalicelib.leftfold.relay.sequencer import Sequencer
from chalicelib.leftfold.store.events import DynamoEvents
from chalicelib.leftfold.store.log import DynamoLog
from chalicelib.leftfold.store.memory import MemoryArchive, MemoryEvents
from tests.clock import Clock
from tests.engines.meter import Meter
from tests.teller import OPENING, Teller, credit
from tools.tables import create_tables, dynamodb_client, log_tables

EVERY = 10**9
# Three years of daily bookings: 36 epochs are closed. How many there are changes nothing else.
DAYS = 1_095


@dataclass
class Old:
    """Accounts on DynamoDB Local, with a meter, and their archive in memory."""

    url: str
    clock: Clock = field(default_factory=lambda: Clock(datetime(2016, 1, 1, tzinfo=UTC)))
    archive: MemoryArchive = field(default_factory=MemoryArchive)

    def __post_init__(self) -> None:
        client = dynamodb_client(self.url)
        stack = create_tables(client)
        self.events = ArchivedEvents(DynamoEvents(client, f"{stack}-events"), self.archive)
        self.meter = Meter(client, dynamodb_client(self.url))
        # What is not weighed.
        calm = dynamodb_client(self.url)
        self.table = DynamoEvents(calm, f"{stack}-events")
        self.log = DynamoLog(calm, log_tables(stack))

    def live(self, key: str, days: int) -> int:
        """So many daily bookings with a statement every 30 days; made in memory, then copied.

        The number of commits.
        """
        made = MemoryEvents()
        bank = Teller(made, clock=self.clock)
        bank.do(OPENING, key)
        for day in range(days):
            self.clock.forward(days=1)
            bank.do(credit(1), key, command_id=uuid7(self.clock.milliseconds, bytes(10)))
            if day % 30 == 29:
                bank.do(CloseStatement(self.clock.now.date().isoformat()), key)
        commits = made.range(account.stream(key, "main"), 1, EVERY)
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(self.table.append, commits)) == {None}
        return len(commits)

    def booking(self, key: str) -> tuple[dict[tuple[str, str], int], float]:
        """The calls and units of one booking with a UUIDv7 key."""
        self.clock.forward(days=1)
        self.meter.reset()
        key_id = uuid7(self.clock.milliseconds, bytes(10))
        Teller(self.events, clock=self.clock).do(credit(1), key, command_id=key_id)
        return dict(self.meter.calls), sum(self.meter.units.values())


@pytest.fixture
def old(dynamodb_local: str) -> Old:
    return Old(dynamodb_local)


def test_years_cost_a_load_nothing_before_and_after_they_are_archived(old: Old) -> None:
    stream = account.stream("old", "main")
    last = old.live("old", DAYS)
    # As far from its last statement, and old enough to remember 64 commands.
    old.live("new", 90 + DAYS % 30)
    cheap = {("Query", "events"): 1, ("PutItem", "events"): 1}
    new, before = old.booking("new"), old.booking("old")
    assert new[0] == cheap
    assert before == new
    lines = [commit.line for commit in old.events.range(stream, 1, EVERY)]

    list(Sequencer(old.events, old.log, lambda _: None, lambda _: None).sequence({stream: last}))
    old.clock.forward(days=2)
    archiver = Archiver(old.table, old.log, old.archive, old.clock)
    (candidate,) = archiver.candidates()
    moved = sum(archiver.run(*candidate, old.clock()), Volume())
    assert moved.items > 1_100
    assert moved.objects == 36
    assert moved.stored < moved.size / 5

    calls, units = old.booking("old")
    assert calls == cheap
    assert units <= new[1]
    archived = [commit.line for commit in old.events.range(stream, 1, EVERY)]
    assert archived[: len(lines)] == lines
    assert len(archived) == len(lines) + 1
    found = old.table.range(stream, 1, EVERY)
    assert len(found) < 30

    assert Restore(old.table, old.log, old.archive).run(stream, 35) == 62
    assert [c.line for c in old.events.range(stream, 1, EVERY)] == archived
    assert len(old.table.range(stream, 1, EVERY)) == len(found) + 62
