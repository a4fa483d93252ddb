"""What a booking costs from the command to the last view: docs/cost.md is made of these figures."""

from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from io import StringIO
from random import Random

import pytest

from chalicelib.bank.account.domain import Book, account
from chalicelib.domain import DOMAIN
from chalicelib.leftfold.functions.sweeper import measure
from chalicelib.leftfold.kernel import Commit
from chalicelib.leftfold.kernel.uuid7 import uuid7
from chalicelib.leftfold.relay.relay import wanted_of
from chalicelib.leftfold.store.blocks import pack
from chalicelib.leftfold.store.bus import LaneRecord
from chalicelib.leftfold.store.events import item_of, item_size
from chalicelib.leftfold.wiring.services import Services
from tests.clock import Clock
from tests.engines.deployment import Deployment
from tests.engines.meter import Meter
from tests.engines.run import Bell
from tests.engines.test_cost import BOOKING
from tests.teller import OPENING, Teller
from tools.bank.costs import (
    BLOCK,
    BODY_ALONE,
    BUSY,
    ISOLATED,
    ITEM,
    MINUTE,
    PASSING,
    SHARE,
    Use,
    followers,
)
from tools.tables import dynamodb_client

KEYS = [f"s{number}" for number in range(BLOCK)]
READS = {"GetItem", "BatchGetItem", "Query", "Scan"}


@dataclass
class Bus:
    """A bus that keeps what it was given."""

    records: list[LaneRecord] = field(default_factory=list)

    def publish(self, records: Sequence[LaneRecord]) -> None:
        self.records += records


@dataclass
class Metered:
    """A deployment whose processes have all run before, with a meter on their one client.

    Command ids and times are the same in each run, so that each run packs the same bytes.
    """

    url: str
    bus: Bus = field(default_factory=Bus)

    def __post_init__(self) -> None:
        self.deployment = Deployment(self.url, seed=1, rate=0.0)
        self.random, self.clock = Random(1), Clock()
        self.vault = self.deployment.services().vault
        self.warm = {name: self.services() for name in ("relay", *DOMAIN.views, *DOMAIN.policies)}
        self.meter = Meter(self.warm["relay"].dynamodb, dynamodb_client(self.url))
        for key in KEYS:
            self.do(OPENING, key)
        self.log([1] * BLOCK)
        self.catch_up()

    def services(self) -> Services:
        services = self.deployment.relaying(None, self.bus, Bell([]))
        services.__dict__["vault"] = self.vault
        return services

    def do(self, command: object, key: str) -> int:
        self.clock.forward(seconds=1)
        services = self.services()
        bank = Teller(services.events, "fold-1", self.clock, services.pause, self.vault)
        at = int(self.clock().timestamp() * 1000)
        return bank.do(command, key, command_id=uuid7(at, self.random.randbytes(10)))

    def log(self, versions: Sequence[int]) -> list[Commit]:
        """Relays the *versions* of the first accounts."""
        services = self.warm["relay"]
        commits = [
            services.events.range(f"main/{account.category}-{key}", version, version)[0]
            for key, version in zip(KEYS, versions, strict=False)
        ]
        self.bus.records.clear()
        self.meter.reset()
        services.relay.run(wanted_of((c.aggregate_id, c.version) for c in commits), commits)
        return commits

    def catch_up(self) -> None:
        for name in (*DOMAIN.views, *DOMAIN.policies):
            self.read(name)

    def read(self, name: str) -> None:
        """The reader *name* takes what is in the log."""
        while self.warm[name].reader(name).catch_up(8):
            pass

    def took(self, function: str, **besides: int) -> Use:
        """What was taken since the meter was reset."""
        calls, units = self.meter.calls, self.meter.units
        reads = sum(n for (operation, _), n in units.items() if operation in READS)
        written = [table for operation, table in calls if operation == "TransactWriteItems"]
        alone = sum(n for (operation, _), n in calls.items() if operation != "TransactWriteItems")
        use = Use(
            function, reads, sum(units.values()) - reads, alone, int(bool(written)), **besides
        )
        self.meter.reset()
        return use

    def taken_by(self, commands: int) -> Iterator[Use]:
        """What each function takes of so many bookings in one block."""
        versions = []
        for key in KEYS[:commands]:
            self.meter.reset()
            versions.append(self.do(Book((BOOKING,)), key))
            yield self.took("api")
        self.log(versions)
        records = list(self.bus.records)
        yield self.took("relay", records=len(records))
        hearing = [r for r in self.warm["relay"].readers if account.category in r.categories]
        yield Use("log_grew", 0, 0, 0, wakes=sum(r.fed == "log" for r in hearing))
        for reader in hearing:
            if reader.fed == "bus":
                self.warm[reader.name].reader(reader.name).handle(records)
            else:
                self.read(reader.name)
            searches = 2 * (getattr(reader, "store", "") == "search")
            yield self.took(reader.name, searches=searches)


@dataclass
class Measured:
    """One deployment's figures, in the order in which they were measured."""

    isolated: tuple[Use, ...]
    deaf: dict[str, Use]
    sweep: Use
    busy: tuple[Use, ...]
    sizes: tuple[int, int, int]


@pytest.fixture(scope="module")
def measured(dynamodb_local: str) -> Measured:
    metered = Metered(dynamodb_local)
    isolated = tuple(metered.taken_by(1))
    deaf = {}
    for name in sorted(set(followers()) - {use.function for use in isolated}):
        metered.read(name)
        deaf[name] = metered.took(PASSING.function)
    sweeper = metered.services()
    sweeper.sweeper.run()
    metered.meter.reset()
    sweeper.sweeper.run()
    with redirect_stdout(StringIO()):
        measure(sweeper)
    sweep = metered.took(MINUTE.function)
    (commit,) = metered.log([metered.do(Book((BOOKING,)), KEYS[0])])
    metered.catch_up()
    busy = tuple(metered.taken_by(BLOCK))
    block = list(metered.warm["relay"].log.blocks(0))[-1]
    sizes = item_size(item_of(commit)), len(pack([commit])), len(pack(block.commits)) // BLOCK
    return Measured(isolated, deaf, sweep, busy, sizes)


def test_the_page_has_what_an_isolated_booking_takes(measured: Measured) -> None:
    assert measured.isolated == ISOLATED


def test_the_page_has_what_a_block_of_bookings_takes(measured: Measured) -> None:
    taken, stated = list(measured.busy), list(BUSY)
    relay = [use.function for use in stated].index("relay")
    # Another zlib may pack a body into a KB more or less.
    assert abs(taken[relay].writes - stated[relay].writes) <= 1
    taken[relay] = replace(taken[relay], writes=stated[relay].writes)
    assert taken == stated


def test_the_page_has_what_a_follower_takes_that_hears_nothing(measured: Measured) -> None:
    assert measured.deaf.keys() == set(followers()) - {use.function for use in ISOLATED}
    for took in measured.deaf.values():
        assert took == PASSING


def test_the_page_has_what_a_sweep_takes(measured: Measured) -> None:
    assert measured.sweep == MINUTE


def test_the_page_has_the_bytes_that_stay(measured: Measured) -> None:
    for size, stated in zip(measured.sizes, (ITEM, BODY_ALONE, SHARE), strict=True):
        assert stated - 50 <= size <= stated + 50
