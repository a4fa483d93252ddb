"""A stage with several logs, one for each group of tenants: its functions, in memory and on moto."""

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from chalicelib.domain import DOMAIN
from chalicelib.functions import handler
from chalicelib.leftfold.kernel import Commit
from chalicelib.leftfold.projection.memory import MemoryRows
from chalicelib.leftfold.projection.replay import compare, replay
from chalicelib.leftfold.relay.publisher import MARK
from chalicelib.leftfold.relay.relay import Relay, Relays
from chalicelib.leftfold.relay.waker import LambdaWaker
from chalicelib.leftfold.store.bus import LaneRecord
from chalicelib.leftfold.store.checkpoints import DynamoCheckpoints
from chalicelib.leftfold.store.logs import (
    WrongLogsError,
    log_names,
    log_of,
    record_logs,
    recorded_logs,
)
from chalicelib.leftfold.store.memory import (
    MemoryCheckpoints,
    MemoryEvents,
    MemoryLog,
    MemoryParking,
)
from chalicelib.leftfold.store.ports import Checkpoints, StreamEntry, Unavailable
from chalicelib.leftfold.wiring import process
from chalicelib.leftfold.wiring.parts import Parts
from chalicelib.leftfold.wiring.services import Services, side_by_side
from chalicelib.leftfold.wiring.settings import Settings
from tests.commits import commit
from tests.contracts import moto
from tests.functions.test_functions import SCHEDULED, Context, bus_event, stream_event
from tests.vaults import vault_of
from tools.operations import own_streams
from tools.tables import create_tables
from tools.verify import verify

NAMES = log_names(4)
TENANTS = [f"tenant{number}" for number in range(12)]
STREAMS = [f"{tenant}/account-a" for tenant in TENANTS]


class Bus:
    """A bus that keeps what was published."""

    def __init__(self) -> None:
        self.records: list[LaneRecord] = []

    def publish(self, records: Sequence[LaneRecord]) -> None:
        self.records += records


class Wakes:
    """A Lambda client that keeps the invocations."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def invoke(self, *, FunctionName: str, Payload: bytes, **_: Any) -> None:  # noqa: N803 - AWS's
        self.asked.append((FunctionName, json.loads(Payload)["log"]))


class Stage:
    """The services of a stage with four logs, in memory."""

    def __init__(self) -> None:
        self.bus, self.wakes, self.events = Bus(), Wakes(), MemoryEvents()
        self.rows = {name: MemoryRows() for name in DOMAIN.views}
        self.checkpoints = {name: MemoryCheckpoints() for name in NAMES}
        registry: dict[str, StreamEntry] = {}
        self.logs: dict[str, Any] = {name: MemoryLog(registry) for name in NAMES}
        client: Any = self.wakes
        self.services = Services(
            Settings({"LEFTFOLD_STACK": "test", "LEFTFOLD_LOGS": "4"}),
            DOMAIN,
            log=self.logs["main"],
            checkpoints=self.checkpoints["main"],
            parts_of=self.of,
            events=self.events,
            parking=MemoryParking(),
            bus=self.bus,
            lambda_client=client,
            rows=self.rows.__getitem__,
            vault=vault_of(),
            pause=lambda _: None,
            side_by_side=lambda act, items: [act(item) for item in items],
        )

    def of(self, name: str) -> Parts:
        return {"log": self.logs[name], "checkpoints": self.checkpoints[name]}

    def commit(self, *commits: Commit) -> None:
        for each in commits:
            assert self.events.append(each) is None
        handler("relay")(stream_event(*commits), Context())

    def brought(self, view: str) -> None:
        """Gives the view what the bus has."""
        handler(view)(bus_event(*(record.to_bytes() for record in self.bus.records)), Context())


@pytest.fixture
def stage() -> Iterator[Stage]:
    before = process._services
    made = Stage()
    process.use(made.services)
    yield made
    process._services = before


def streams_in(log: Any) -> set[str]:
    return {c.aggregate_id for block in log.blocks(0) for c in block.commits}


def test_each_tenant_is_in_one_log_and_the_tenants_are_spread_over_all() -> None:
    names = log_names(4)
    assert names == ("main", "main-1", "main-2", "main-3")
    assert {log_of(stream, names) for stream in STREAMS} == set(names)
    for tenant in TENANTS:
        assert len({log_of(f"{tenant}/{rest}", names) for rest in ("account-a", "x-b")}) == 1
    assert {log_of(stream, log_names(1)) for stream in STREAMS} == {"main"}
    # For ever: a tenant whose log changed would have its order in two.
    assert [log_of(stream, names)[-1] for stream in STREAMS] == list("1313n2n231n2")


def test_the_relay_logs_each_tenant_in_its_own_log_and_each_log_begins_at_0(stage: Stage) -> None:
    stage.commit(*(commit(stream) for stream in STREAMS))
    for name, log in stage.logs.items():
        assert streams_in(log) == {stream for stream in STREAMS if log_of(stream, NAMES) == name}
        assert [block.first_position for block in log.blocks(0)] == [0]
        end = log.head().next_position - 1
        assert stage.checkpoints[name].read(MARK, [0])[0] == end >= 0


def test_the_bus_brings_views_the_commits_of_all_logs_whose_positions_are_the_same(
    stage: Stage,
) -> None:
    stage.commit(*(commit(stream) for stream in STREAMS))
    stage.commit(*(commit(stream, 2) for stream in STREAMS))
    stage.brought("balances")
    rows = {key: stored.row for key, stored in stage.rows["balances"].scan()}
    assert {key: row and row["version"] for key, row in rows.items()} == dict.fromkeys(STREAMS, 2)
    for name, each in zip(NAMES, stage.services.in_each_log, strict=True):
        made = replay(DOMAIN.views["balances"], each.log, lambda _: None)
        own = own_streams(each)
        live = ((k, row) for k, row in stage.rows["balances"].scan() if own(k))
        assert list(compare(made.rows, live)) == []
        assert each.settings.log == name


def test_a_wake_names_the_log_that_has_grown_and_the_reader_follows_that(stage: Stage) -> None:
    stage.commit(*(commit(stream) for stream in STREAMS))
    image = {"log": {"S": "main-2#links"}, "categories": {"S": '["account"]'}}
    handler("log_grew")({"Records": [{"dynamodb": {"NewImage": image}}]}, Context())
    assert ("test-totals", "main-2") in stage.wakes.asked
    assert {log for _, log in stage.wakes.asked} == {"main-2"}
    handler("totals")({"Records": [], "log": "main-2", "wanted": {}}, Context())
    tenants = {key.partition("/")[0] for key, _ in stage.rows["totals"].scan()}
    assert tenants == {t for t in TENANTS if log_of(f"{t}/", NAMES) == "main-2"}
    handler("totals")({}, Context())
    assert {key.partition("/")[0] for key, _ in stage.rows["totals"].scan()} == set(TENANTS)


def test_the_sweeper_logs_lost_commits_of_every_log_and_wakes_readers_in_each(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    for stream in STREAMS:
        stage.events.append(commit(stream))
    handler("sweeper")(SCHEDULED, Context())
    assert {stream for log in stage.logs.values() for stream in streams_in(log)} == set(STREAMS)
    assert {(name, log) for name, log in stage.wakes.asked if name == "test-totals"} == {
        ("test-totals", log) for log in NAMES
    }
    out = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sum(line.get("view") == "totals" and "PositionsBehind" in line for line in out) == 4


def test_a_query_waits_in_the_log_of_its_tenant(stage: Stage) -> None:
    stage.commit(*(commit(stream) for stream in STREAMS))
    stage.brought("balances")
    view = DOMAIN.views["balances"]
    for stream in STREAMS:
        stage.services.in_log_of(stream).freshness.wait(view, stream, 1, seconds=0)


def test_each_log_keeps_what_it_promises_and_a_tenant_in_two_logs_is_found(stage: Stage) -> None:
    stage.commit(*(commit(stream) for stream in STREAMS))

    def broken(each: Services, log: Any) -> set[str]:
        found = verify(stage.events, log, lambda _: None, lambda _: None, own_streams(each))
        return {each.promise for each in found}

    for each in stage.services.in_each_log:
        assert broken(each, each.log) == set()
    first, second, *_ = stage.services.in_each_log
    assert "a tenant's commits are in its own log" in broken(first, second.log)


class Throttled(Relay):
    """A relay whose log takes nothing at the moment."""

    def run(self, *_: Any) -> int:
        raise Unavailable("throttled")


def test_a_relay_that_fails_in_one_log_does_not_stop_the_others(stage: Stage) -> None:
    relays = {each.settings.log: each.relay for each in stage.services.in_each_log}
    relays["main-1"] = Throttled(**vars(relays["main-1"]))
    for stream in STREAMS:
        stage.events.append(commit(stream))
    with pytest.raises(Unavailable, match="throttled"):
        Relays(relays, side_by_side).run(dict.fromkeys(STREAMS, 1))
    left = {stream for stream in STREAMS if log_of(stream, NAMES) == "main-1"}
    assert {s for log in stage.logs.values() for s in streams_in(log)} == set(STREAMS) - left


def test_another_number_of_logs_is_refused_before_anything_is_logged(stage: Stage) -> None:
    stage.commit(commit(STREAMS[0]))
    before = {name: log.head() for name, log in stage.logs.items()}
    later = Services(
        Settings({"LEFTFOLD_STACK": "test", "LEFTFOLD_LOGS": "2"}),
        DOMAIN,
        log=stage.logs["main"],
        checkpoints=stage.checkpoints["main"],
        events=stage.events,
    )
    process.use(later)
    with pytest.raises(WrongLogsError, match=r"there are 2 logs, and this truth has 4 .* logs = 4"):
        handler("relay")(stream_event(commit(STREAMS[1])), Context())
    with pytest.raises(WrongLogsError, match="there is work in the log 'main-3'"):
        handler("totals")({"Records": [], "log": "main-3"}, Context())
    assert {name: log.head() for name, log in stage.logs.items()} == before


@pytest.fixture(params=["memory", "dynamodb"])
def checkpoints(request: pytest.FixtureRequest) -> Iterator[Checkpoints]:
    if request.param == "memory":
        yield MemoryCheckpoints()
        return
    with moto.in_process():
        client = moto.client("dynamodb")
        yield DynamoCheckpoints(client, f"{create_tables(client)}-policy-checkpoints")


def test_the_number_of_logs_is_free_until_it_is_recorded(checkpoints: Checkpoints) -> None:
    assert recorded_logs(checkpoints) is None
    record_logs(checkpoints, 4)
    record_logs(checkpoints, 4)
    assert recorded_logs(checkpoints) == 4
    with pytest.raises(WrongLogsError):
        record_logs(checkpoints, 1)
    assert recorded_logs(checkpoints) == 4


def test_a_record_of_the_bus_says_of_which_log_it_is() -> None:
    record = LaneRecord("main-3", 1, 0, 0, -1, [(0, commit())])
    assert LaneRecord.from_bytes(record.to_bytes()) == record


def test_what_is_not_replaced_is_made_for_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", moto.REGION)
    settings = Settings({"LEFTFOLD_STACK": "there", "LEFTFOLD_LOGS": "2"})
    with moto.in_process():
        client = moto.client("dynamodb")
        create_tables(client, "there")
        services = Services(settings, DOMAIN, dynamodb=client, bus=Bus())
        streams = {log_of(stream, log_names(2)): stream for stream in STREAMS}
        for stream in streams.values():
            services.events.append(commit(stream))
        assert services.relays.run(dict.fromkeys(streams.values(), 1)) == 2
        for name, stream in streams.items():
            there = services.in_log_of(stream)
            assert there is services.in_log(name)
            assert streams_in(there.log) == {stream}
            assert [found for found, _ in there.log.registry()] == [stream]
            assert isinstance(there.waker, LambdaWaker)
            assert there.waker._log == name
            assert there.vault is services.vault
            assert there.in_log("main") is services
        kept = client.scan(TableName="there-policy-checkpoints")["Items"]
        assert {item["reader"]["S"] for item in kept} == {"main#logs", "main#bus", "main-1#bus"}


def test_a_mapping_of_settings_names_the_logs() -> None:
    assert Settings({}).logs == ("main",)
    assert Settings({}).log == "main"
    other: Mapping[str, str] = {"LEFTFOLD_LOGS": "3", "LEFTFOLD_STACK": "s"}
    assert Settings(other).in_log("main-2").log == "main-2"
    assert Settings(other).in_log("main-2").stack == "s"


def test_bytes_of_another_log_are_not_taken_for_this_one(stage: Stage) -> None:
    """Positions of two logs overlap, so a record is folded in its own log's order alone."""
    stage.commit(*(commit(stream) for stream in STREAMS))
    data = [record for record in stage.bus.records if record.log == "main-3"]
    assert data
    event = {
        "Records": [{"kinesis": {"data": b64encode(record.to_bytes()).decode()}} for record in data]
    }
    handler("balances")(event, Context())
    shown = {key for key, _ in stage.rows["balances"].scan()}
    assert shown == {stream for stream in STREAMS if log_of(stream, NAMES) == "main-3"}
