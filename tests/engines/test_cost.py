"""What a command and the relay cost, in calls and units."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from secrets import token_bytes
from time import time_ns
from uuid import uuid4

import pytest

from chalicelib.bank.account.domain import Book, Booking, codec, event_of
from chalicelib.leftfold.kernel import Commit
from chalicelib.leftfold.kernel.commit import traceparent_of
from chalicelib.leftfold.kernel.uuid7 import uuid7
from chalicelib.leftfold.relay.relay import wanted_of
from chalicelib.leftfold.relay.sequencer import entries_after
from chalicelib.leftfold.store.blocks import STREAMS_PER_BLOCK, pack, seal
from chalicelib.leftfold.store.events import DynamoEvents, item_size
from chalicelib.leftfold.store.memory import MemoryEvents
from chalicelib.leftfold.store.ports import Head, StreamEntry
from chalicelib.leftfold.subjects.vault import Vault
from chalicelib.leftfold.wiring.services import Services
from tests.clock import Clock
from tests.commits import commit
from tests.engines.deployment import Deployment, WallClock
from tests.engines.meter import Meter, begun
from tests.engines.shards import Shards
from tests.teller import OPENING, Teller, credit
from tools.tables import dynamodb_client

BATCH = 50
KEYS = [f"s{number}" for number in range(BATCH)]
# As the bank's own files have it.
BOOKING = Booking(
    "credit",
    70_000,
    "CZK",
    "1993-01-03",
    "collection from another bank",
    "household",
    "AB",
    "41403269",
)


@dataclass
class Metered:
    """A calm deployment with a meter on its one client, and its bus on kinesis-local."""

    url: str
    shards: Shards
    deployment: Deployment = field(init=False)
    meter: Meter = field(init=False)
    vault: Vault = field(init=False)

    def __post_init__(self) -> None:
        self.deployment = Deployment(self.url, seed=1, rate=0.0)
        # A process that has run before: it has unwrapped the stage's wrapping key.
        self.vault = self.deployment.services().vault
        self.do(OPENING, "earlier")
        self.meter = Meter(self.services().dynamodb, dynamodb_client(self.url))

    def services(self) -> Services:
        """The services of a function that has just been started."""
        services = self.deployment.relaying(None, self.shards.bus, self)
        services.__dict__["vault"] = self.vault
        return services

    def wake(self, function: str, _wanted: Mapping[str, int] = {}) -> None:
        """Nobody is there."""

    def do(self, command: object, key: str = "a") -> int:
        """Executes a command with a UUIDv7 key."""
        services = self.services()
        bank = Teller(services.events, "fold-1", WallClock(), services.pause, services.vault)
        command_id = uuid7(time_ns() // 1_000_000, token_bytes(10))
        return bank.do(command, key, command_id=command_id)

    def booked(self) -> list[Commit]:
        """One new booking on each of the accounts."""
        versions = [self.do(Book((BOOKING,)), key) for key in KEYS]
        return [
            self.services().events.range(f"main/account-{key}", version, version)[0]
            for key, version in zip(KEYS, versions, strict=True)
        ]

    def counted(self) -> dict[tuple[str, str], int]:
        """The calls since the last time, to both engines."""
        calls = dict(self.meter.calls) | {
            (operation, "bus"): n for operation, n in self.shards.faults.requests.items()
        }
        self.shards.faults.requests.clear()
        return calls


@pytest.fixture(scope="module")
def shards(kinesis_local: str) -> Iterator[Shards]:
    with Shards(kinesis_local, seed=1, rate=0.0) as made:
        yield made


@pytest.fixture
def metered(dynamodb_local: str, shards: Shards) -> Metered:
    return Metered(dynamodb_local, shards)


@pytest.mark.parametrize("size", [1023, 1024, 1025, 2048, 2049])
def test_the_engine_counts_one_items_units_as_aws_does(metered: Metered, size: int) -> None:
    key = {"aggregateId": {"S": "a"}}
    padded = key | {"pad": {"S": ""}}
    padded["pad"]["S"] = "x" * (size - item_size(padded))
    client, table = metered.services().dynamodb, f"{metered.deployment.stack}-streams"
    client.put_item(TableName=table, Item=padded)
    assert metered.meter.units == {("PutItem", "streams"): -(-size // 1024)}
    metered.meter.reset()
    client.get_item(TableName=table, Key=key, ConsistentRead=True)
    client.get_item(TableName=table, Key=key)
    assert metered.meter.units == {("GetItem", "streams"): 1.0 + 0.5}


def test_opening_an_account_is_one_put_of_one_unit_and_one_for_its_key(metered: Metered) -> None:
    metered.do(OPENING)
    assert metered.meter.calls == {("PutItem", "events"): 1, ("PutItem", "subjects"): 1}
    assert metered.meter.units == {("PutItem", "events"): 1, ("PutItem", "subjects"): 1}


def test_a_process_that_has_just_started_reads_two_keys_once(metered: Metered) -> None:
    """The stage's wrapping key, and that of the account's holder."""
    metered.do(OPENING)
    metered.vault = metered.deployment.services().vault
    metered.meter.reset()
    for calls in (2, 0):
        metered.do(Book((BOOKING,)))
        assert metered.meter.calls.pop(("BatchGetItem", "subjects"), 0) == calls
        assert metered.meter.calls == {("Query", "events"): 1, ("PutItem", "events"): 1}
        metered.meter.reset()


@pytest.mark.parametrize("earlier", [1, 10, 19])
def test_a_booking_is_one_query_and_one_put_of_one_unit(metered: Metered, earlier: int) -> None:
    metered.do(OPENING)
    for _ in range(earlier - 1):
        metered.do(credit(1))
    metered.meter.reset()
    metered.do(Book((BOOKING,)))
    assert metered.meter.calls == {("Query", "events"): 1, ("PutItem", "events"): 1}
    assert metered.meter.units["PutItem", "events"] == 1
    assert metered.meter.units["Query", "events"] <= 1.0


def lived(metered: Metered, earlier: int, every: timedelta) -> Clock:
    """An account that has taken *earlier* bookings, one *every* so often; made in memory, then
    copied. The clock after the last one.
    """
    made, clock = MemoryEvents(), Clock()
    bank = Teller(made, clock=clock, vault=metered.vault)
    bank.do(OPENING)
    for _ in range(earlier):
        clock.forward(seconds=every.total_seconds())
        bank.do(Book((BOOKING,)), command_id=str(uuid4()))
    # By a client that is not metered.
    table = DynamoEvents(dynamodb_client(metered.url), metered.deployment.settings.named("events"))
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(table.append, made.range("main/account-a", 1, earlier + 1))) == {None}
    return clock


def booked_by_a_random_key(
    metered: Metered, clock: Clock
) -> tuple[dict[tuple[str, str], int], float]:
    """The calls, and the units read, of one booking whose key is a UUIDv4."""
    services = metered.services()
    metered.meter.reset()
    bank = Teller(services.events, "fold-1", clock, services.pause, services.vault)
    bank.do(Book((BOOKING,)), command_id=str(uuid4()))
    return dict(metered.meter.calls), metered.meter.units["Query", "events"]


@pytest.mark.parametrize("earlier", [10, 300])
def test_a_random_key_costs_nothing_where_a_day_had_fewer_than_64_commands(
    metered: Metered, earlier: int
) -> None:
    clock = lived(metered, earlier, timedelta(minutes=24 * 60 / 62))
    calls, read = booked_by_a_random_key(metered, clock)
    assert calls == {("Query", "events"): 1, ("PutItem", "events"): 1}
    assert read <= 2.0


def test_a_random_key_costs_two_small_reads_for_each_64_commands_of_a_busy_day(
    metered: Metered,
) -> None:
    clock = lived(metered, 1_000, timedelta(seconds=86))
    calls, read = booked_by_a_random_key(metered, clock)
    # The commits, and version 1, which tells what is archived.
    assert calls == {("Query", "events"): 1 + 2 * 11, ("PutItem", "events"): 1}
    assert read <= 2.0 + 5.0 * 11


def test_a_relay_that_has_just_started_claims_the_head_and_reads_registry_and_mark(
    metered: Metered,
) -> None:
    opened(metered)
    commits = metered.booked()
    metered.meter.reset()
    relay(metered.services(), commits)
    assert metered.counted() == {
        ("BatchGetItem", "streams"): 1,
        ("GetItem", "log"): 1,
        ("UpdateItem", "log"): 1,
        ("PutItem", "bodies"): 1,
        ("TransactWriteItems", "streams"): 1,
        ("TransactWriteItems", "log"): 1,
        ("BatchGetItem", "policy-checkpoints"): 1,
        ("UpdateItem", "policy-checkpoints"): 1,
        ("PutRecords", "bus"): 1,
    }
    assert metered.meter.units["BatchGetItem", "streams"] == BATCH


def test_a_warm_relay_writes_and_reads_nothing(metered: Metered) -> None:
    services = opened(metered)
    commits = metered.booked()
    metered.meter.reset()
    relay(services, commits)
    assert metered.counted() == {
        ("PutItem", "bodies"): 1,
        ("TransactWriteItems", "streams"): 1,
        ("TransactWriteItems", "log"): 1,
        ("UpdateItem", "policy-checkpoints"): 1,
        ("PutRecords", "bus"): 1,
    }


def test_an_isolated_commit_needs_no_body_of_its_own(metered: Metered) -> None:
    services = opened(metered)
    commits = metered.booked()[:1]
    metered.meter.reset()
    relay(services, commits)
    assert metered.counted() == {
        ("TransactWriteItems", "streams"): 1,
        ("TransactWriteItems", "log"): 1,
        ("UpdateItem", "policy-checkpoints"): 1,
        ("PutRecords", "bus"): 1,
    }
    # A unit for link with body, for the head, and for the stream, each doubled in a transaction.
    units = metered.meter.units
    assert units["TransactWriteItems", "log"] == 4
    assert units["TransactWriteItems", "streams"] == 2


def test_a_full_block_pays_for_its_body_once(metered: Metered) -> None:
    """In the transaction with head and registry, every begun KB of it would cost two units."""
    commits = [
        commit(f"main/account-{n}")._replace(
            events=(codec.encode(event_of(BOOKING)),),
            command_id=(command_id := str(uuid4())),
            correlation_id=command_id,
            traceparent=traceparent_of(command_id),
        )
        for n in range(STREAMS_PER_BLOCK)
    ]
    block, head = seal(Head(), commits)
    log = metered.services().log
    log.put_body(block)
    moves = {id_: (StreamEntry(), after) for id_, after in entries_after(block).items()}
    assert log.append(block, Head(), head, moves)
    assert metered.counted() == {
        ("PutItem", "bodies"): 1,
        ("TransactWriteItems", "streams"): 1,
        ("TransactWriteItems", "log"): 1,
    }
    body = begun(len(pack(commits)) + 512)
    units = metered.meter.units
    # A unit for the link and a unit for the head, doubled, whatever the commits are.
    assert units["TransactWriteItems", "log"] == 4
    assert units["PutItem", "bodies"] <= body
    spent = units["PutItem", "bodies"] + units["TransactWriteItems", "log"]
    together = 2 * (1 + body)
    assert spent / STREAMS_PER_BLOCK < 0.15
    assert spent <= together * 2 / 3


def test_a_block_is_read_for_half_and_a_link_for_nearly_nothing(metered: Metered) -> None:
    """Bodies never change, so they are read eventually consistently, from many partitions."""
    services = opened(metered)
    commits = metered.booked()
    relay(services, commits)
    metered.meter.reset()
    (_, block) = services.log_table.blocks(0)
    assert {c.aggregate_id: c for c in block.commits} == {c.aggregate_id: c for c in commits}
    assert metered.meter.calls == {("Query", "log"): 1, ("BatchGetItem", "bodies"): 1}
    assert metered.meter.units["Query", "log"] == 1
    read = sum(-(-(len(pack(b.commits)) + 512) // 4096) / 2 for b in services.log_table.blocks(0))
    assert metered.meter.units["BatchGetItem", "bodies"] <= 2 * read
    metered.meter.reset()
    assert [b.commits for b in services.log_table.blocks(0, heard=("transfer",))] == [(), ()]
    assert metered.meter.calls == {("Query", "log"): 1}
    assert metered.meter.units == {("Query", "log"): 1}


def test_the_relay_writes_two_and_a_quarter_units_a_commit(metered: Metered) -> None:
    services = opened(metered)
    commits = metered.booked()
    metered.meter.reset()
    relay(services, commits)
    units = metered.meter.units
    assert units["TransactWriteItems", "streams"] == 2 * BATCH
    # The head and the link, doubled; and the body, which is its packed commits and some 100 bytes.
    assert units["TransactWriteItems", "log"] == 4
    assert units["PutItem", "bodies"] <= begun(len(pack(commits)) + 512)
    assert units["UpdateItem", "policy-checkpoints"] == 1
    assert 2.1 < sum(units.values()) / BATCH <= 2.3


def opened(metered: Metered) -> Services:
    """The accounts, logged; and the services of the relay that did it."""
    for key in KEYS:
        metered.do(OPENING, key)
    services = metered.services()
    opens = [services.events.range(f"main/account-{key}", 1, 1)[0] for key in KEYS]
    relay(services, opens)
    metered.counted()
    return services


def relay(services: Services, commits: list[Commit]) -> None:
    services.relay.run(wanted_of((c.aggregate_id, c.version) for c in commits), commits)
