"""The Lambda functions, called with the events that AWS sends."""

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from chalicelib.domain import DOMAIN
from chalicelib.functions import handler
from chalicelib.leftfold.generations.memory import MemoryControl
from chalicelib.leftfold.kernel import LANES, Commit, RecentCommand, Snapshot, UnknownFormatError
from chalicelib.leftfold.projection.memory import MemoryRows
from chalicelib.leftfold.relay.kinesis import CALL_BYTES, KinesisBus, calls_of, hash_key
from chalicelib.leftfold.relay.publisher import Published, Publisher
from chalicelib.leftfold.relay.relay import Relay
from chalicelib.leftfold.relay.sequencer import Sequencer
from chalicelib.leftfold.store.applications import MemoryApplications
from chalicelib.leftfold.store.bus import LaneRecord
from chalicelib.leftfold.store.events import item_of
from chalicelib.leftfold.store.memory import (
    MemoryArchive,
    MemoryCheckpoints,
    MemoryEvents,
    MemoryLog,
    MemoryParking,
)
from chalicelib.leftfold.store.ports import ContendedError, ParkedStream, StreamEntry, Unavailable
from chalicelib.leftfold.store.readers import Reader, ends_of
from chalicelib.leftfold.wiring import process
from chalicelib.leftfold.wiring.services import Services
from chalicelib.leftfold.wiring.settings import Settings
from tests.commits import commit
from tests.vaults import vault_of

READERS = [*DOMAIN.views, *DOMAIN.policies]
SCHEDULED = {
    "version": "0",
    "id": "e",
    "account": "a",
    "region": "eu-central-1",
    "time": "2026-01-01T00:00:00Z",
    "source": "aws.events",
    "detail-type": "Scheduled Event",
    "resources": [],
    "detail": {},
}


class Bus:
    """A bus that keeps what was published."""

    def __init__(self) -> None:
        self.records: list[LaneRecord] = []

    def publish(self, records: list[LaneRecord]) -> None:
        self.records += records


class Door:
    """A waker that keeps who was woken."""

    def __init__(self) -> None:
        self.woken: list[str] = []

    def wake(self, function: str, _wanted: Mapping[str, int] = {}) -> None:
        self.woken.append(function)


class Purged(MemoryRows):
    """Rows that keep what they were asked to purge."""

    before: datetime | None = None

    def purge(self, before: datetime) -> int:
        self.before = before
        return 3


class Context:
    """Lambda's context, with time left."""

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


class Functions:
    """The services in memory, and the events that AWS would send."""

    def __init__(self) -> None:
        self.events, self.log = MemoryEvents(), MemoryLog()
        self.checkpoints, self.parking = MemoryCheckpoints(), MemoryParking()
        self.bus, self.door = Bus(), Door()
        self.rows = {name: Purged() for name in DOMAIN.views}
        pause = lambda _attempt: None  # noqa: E731 - nothing to wait for
        self.services = Services(
            Settings({"LEFTFOLD_STACK": "test"}),
            DOMAIN,
            events=self.events,
            log=self.log,
            checkpoints=self.checkpoints,
            parking=self.parking,
            waker=self.door,
            applications=MemoryApplications(active="test"),
            control=MemoryControl(),
            rows=self.rows.__getitem__,
            search_rows=self.rows.__getitem__,
            vault=vault_of(),
            clock=lambda: datetime(2026, 1, 1, 0, 1, tzinfo=UTC),
            relay=Relay(
                Sequencer(self.events, self.log, pause, pause),
                Publisher(self.log, self.bus, self.checkpoints),  # type: ignore[arg-type]
                pause,
            ),
        )

    def write(self, *commits: Commit) -> None:
        for each in commits:
            assert self.events.append(each) is None

    def logged(self) -> int:
        return self.log.head().next_position


@pytest.fixture
def site() -> Iterator[Functions]:
    made = Functions()
    before = process._services
    process.use(made.services)
    yield made
    process._services = before


KEYS = ("aggregateId", "sequenceNumber")


def stream_event(*commits: Commit, name: str = "INSERT") -> dict[str, Any]:
    """What a DynamoDB stream delivers; bytes are base64 text in it."""

    def plain(value: dict[str, Any]) -> dict[str, Any]:
        return {kind: b64encode(v).decode() if kind == "B" else v for kind, v in value.items()}

    return {
        "Records": [
            {
                "eventName": name,
                "eventSourceARN": "arn:test",
                "dynamodb": {
                    "Keys": {name: item_of(c)[name] for name in KEYS},
                    "NewImage": {k: plain(v) for k, v in item_of(c).items()},
                },
            }
            for c in commits
        ]
    }


def bus_event(*data: bytes) -> dict[str, Any]:
    return {"Records": [{"kinesis": {"data": b64encode(each).decode()}} for each in data]}


def metrics(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [line for line in lines(capsys) if "_aws" in line]


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Everything that was logged since the last time."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_relay_logs_and_publishes_the_images_of_inserts(site: Functions) -> None:
    heavy = commit(
        version=2,
        snapshot=Snapshot("f", {"balance": 1}),
        recent_commands=(RecentCommand(b"c" * 16, b"b" * 8, 1),),
    )
    site.write(commit(), heavy)
    handler("relay")(stream_event(commit(), heavy), Context())
    assert site.logged() == 2
    assert len(site.bus.records) == 1


def test_an_image_of_version_0_is_counted_and_not_logged(
    site: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    site.write(commit("main/account-b"))
    handler("relay")(stream_event(commit(version=0), commit("main/account-b")), Context())
    assert site.logged() == 1
    (unreadable,) = (m for m in metrics(capsys) if "UnreadableCommits" in m)
    assert unreadable["UnreadableCommits"] == 1
    assert unreadable["reason"].endswith("version=0): versions begin at 1")


def test_the_relay_passes_over_what_is_not_a_new_commit(site: Functions) -> None:
    site.write(commit())
    handler("relay")(stream_event(commit(), name="REMOVE"), Context())
    handler("relay")(stream_event(commit(), name="MODIFY"), Context())
    assert site.logged() == 0


def test_an_image_that_is_no_commit_is_counted_and_holds_up_nobody_else(
    site: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    site.write(commit("main/account-b"))
    event = stream_event(commit(), commit("main/account-b"))
    del event["Records"][0]["dynamodb"]["NewImage"]["events"]
    handler("relay")(event, Context())
    assert site.logged() == 1
    (unreadable,) = (m for m in metrics(capsys) if "UnreadableCommits" in m)
    assert (unreadable["UnreadableCommits"], unreadable["reason"]) == (
        1,
        "('main/account-a', 1): KeyError('events')",
    )


def test_an_image_that_a_newer_engine_wrote_stops_the_relay_before_it_writes(
    site: Functions,
) -> None:
    site.write(commit("main/account-b"))
    event = stream_event(commit(), commit("main/account-b"))
    event["Records"][0]["dynamodb"]["NewImage"]["format"] = {"N": "2"}
    with pytest.raises(UnknownFormatError, match="is of format 2"):
        handler("relay")(event, Context())
    assert site.logged() == 0


def test_a_ring_makes_the_relay_log_what_it_asks_for(site: Functions) -> None:
    site.write(commit(), commit(version=2))
    handler("relay")({"Records": [], "wanted": {"main/account-a": 2}}, Context())
    assert site.logged() == 2


def test_a_ring_makes_the_relay_publish_what_is_left(site: Functions) -> None:
    site.write(commit())
    list(site.services.relay.sequencer.sequence({"main/account-a": 1}))
    handler("relay")({"Records": []}, Context())
    assert len(site.bus.records) == 1


def test_a_view_folds_what_the_bus_brings(site: Functions) -> None:
    site.write(commit(), commit(version=2))
    handler("relay")(stream_event(commit(), commit(version=2)), Context())
    handler("balances")(bus_event(*(r.to_bytes() for r in site.bus.records)), Context())
    row = site.rows["balances"].load(["main/account-a"])["main/account-a"].row
    assert row is not None
    assert (row["balance"], row["version"]) == (1, 2)


def test_a_ring_makes_a_view_take_what_it_lacks_from_the_log(site: Functions) -> None:
    site.write(commit())
    handler("relay")(stream_event(commit()), Context())
    handler("balances")({"Records": []}, Context())
    assert site.rows["balances"].load(["main/account-a"])["main/account-a"].row is not None


def test_a_record_that_cannot_be_read_is_passed_over_and_counted(
    site: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    site.write(commit(), commit(version=2))
    handler("relay")(stream_event(commit()), Context())
    handler("relay")(stream_event(commit(version=2)), Context())
    capsys.readouterr()
    _lost, second = (record.to_bytes() for record in site.bus.records)
    handler("balances")(bus_event(b"no gzip", second[:20], second), Context())
    row = site.rows["balances"].load(["main/account-a"])["main/account-a"].row
    assert row is not None
    assert row["version"] == 2
    assert [m["BrokenRecords"] for m in metrics(capsys)] == [1, 1]


def grown(*links: tuple[str, ...]) -> dict[str, Any]:
    """What the log table's stream brings of new blocks, by their categories."""
    images = [
        {"log": {"S": "main#links"}, "categories": {"S": json.dumps(categories)}}
        for categories in links
    ]
    return {"Records": [{"dynamodb": {"NewImage": image}} for image in images]}


@pytest.mark.parametrize(
    "links", [(), (("account",),), (("account",), ("transfer",)), (("account", "transfer"),)]
)
def test_the_growing_log_wakes_those_that_follow_it_and_hear_of_it(
    site: Functions, links: tuple[tuple[str, ...], ...]
) -> None:
    handler("log_grew")(grown(*links), Context())
    categories = {category for link in links for category in link}
    followers: list[Reader] = [view for view in DOMAIN.views.values() if view.fed == "log"]
    followers += DOMAIN.policies.values()
    hearing = [each.name for each in followers if categories.intersection(each.categories)]
    assert site.door.woken == hearing
    assert ("totals" in site.door.woken) == ("account" in categories)
    assert "balances" not in site.door.woken


def test_a_new_head_and_a_new_segment_wake_nobody(site: Functions) -> None:
    records = [{"dynamodb": {"NewImage": {"hash": {"S": "h"}}}}, {"dynamodb": {}}]
    handler("log_grew")({"Records": records}, Context())
    assert site.door.woken == []


def test_an_ordered_view_follows_the_log(site: Functions) -> None:
    site.write(commit(), commit("main/account-b", 1))
    handler("relay")(stream_event(commit(), commit("main/account-b", 1)), Context())
    handler("totals")({}, Context())
    row = site.rows["totals"].load(["main/CZK"])["main/CZK"].row
    assert row is not None
    assert row["accounts"] == 2


def test_the_sweeper_tells_how_far_each_reader_is_behind_and_what_is_parked(
    site: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    site.write(commit(at="2026-01-01T00:00:00.000Z"))
    site.parking.park("ranking", "main/account-z", ParkedStream(0, 0, "why"))
    handler("sweeper")(SCHEDULED, Context())
    reported = metrics(capsys)
    assert {m["SweptCommits"] for m in reported if "SweptCommits" in m} == {1}
    hearing = {reader.name for reader in site.services.readers if "account" in reader.categories}
    assert hearing
    assert {m["view"]: m["PositionsBehind"] for m in reported if "PositionsBehind" in m} == {
        name: int(name in hearing) for name in READERS
    }
    assert {m["view"]: m["OldestWaits"] for m in reported if "OldestWaits" in m} == {
        name: 60.0 if name in hearing else 0.0 for name in READERS
    }
    assert {m["view"]: m["StreamsParked"] for m in reported if "StreamsParked" in m}["ranking"] == 1
    assert set(site.door.woken) == set(READERS)


def test_old_tombstones_are_purged_from_the_search_views(site: Functions) -> None:
    handler("purge")(SCHEDULED, Context())
    week_ago = site.services.clock() - timedelta(days=7)
    assert {name for name, rows in site.rows.items() if rows.before == week_ago} == {
        name for name, view in DOMAIN.views.items() if view.store == "search"
    }


def test_a_search_view_that_cannot_be_purged_keeps_no_other_from_it(site: Functions) -> None:
    class Down(Purged):
        def purge(self, _before: datetime) -> int:
            raise Unavailable("search")

    searched = [name for name, view in DOMAIN.views.items() if view.store == "search"]
    site.rows[searched[0]] = Down()
    with pytest.raises(ExceptionGroup, match="not all views could be purged"):
        handler("purge")(SCHEDULED, Context())
    assert [name for name in searched if site.rows[name].before is None] == searched[:1]


def test_a_setting_that_is_missing_is_named() -> None:
    with pytest.raises(LookupError, match="LEFTFOLD_STACK"):
        Settings({}).named("events")


# --- Kinesis


def test_a_lane_always_has_the_same_place_of_the_key_space() -> None:
    places = [hash_key(lane) for lane in range(LANES)]
    assert places == sorted(set(places))
    assert (places[0], places[-1]) == (0, 63 * 2**122)


def test_records_are_put_with_their_lanes_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        client = boto3.client("kinesis", region_name="eu-central-1")
        client.create_stream(StreamName="bus", ShardCount=2)
        low, high = (LaneRecord("main", lane, 0, 0, -1, [(0, commit())]) for lane in (0, 63))
        KinesisBus(client, "bus", lambda _attempt: None).publish([low, high])
        shards = client.list_shards(StreamName="bus")["Shards"]
        found = []
        for shard in shards:
            start = client.get_shard_iterator(
                StreamName="bus", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            records = client.get_records(ShardIterator=start)["Records"]
            found.append([LaneRecord.from_bytes(record["Data"]).lane for record in records])
    assert found == [[0], [63]]


def test_a_call_takes_500_records_and_5_mb() -> None:
    entry = {"Data": b"x" * 100, "PartitionKey": "1"}
    assert [len(call) for call in calls_of([entry] * 1_100)] == [500, 500, 100]
    large = {"Data": b"x" * (CALL_BYTES // 3), "PartitionKey": "1"}
    assert [len(call) for call in calls_of([large] * 5)] == [2, 2, 1]
    assert list(calls_of([])) == []


def test_what_was_closed_long_ago_leaves_the_tables(
    site: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    stream, damaged = "main/account-a", "main/account-b"
    for each in (stream, damaged):
        old = [commit(each, 1), commit(each, 2)]
        live = commit(each, 3, epoch=2, epoch_start=3)
        site.write(*(c._replace(at="2025-01-01T00:00:00.000Z") for c in (*old, live)))
    site.services.relay.run({stream: 3, damaged: 3})
    stores = MemoryArchive()
    stores.put("epochs/tenant=main/category=account/b/000001-1-2.jsonl.gz", b"x")
    parts = {"event_table": site.events, "log_table": site.log, "archive": stores}
    site.services.__dict__.update(parts)
    for reader in site.services.readers:
        for key, end in ends_of(reader, site.log.head()).items():
            site.checkpoints.move(reader.name, key, -1, end)

    handler("archive")(SCHEDULED, Context())

    assert [c.version for c in site.events.range(stream, 1, 9)] == [1, 3]
    assert [c.version for c in site.events.range(damaged, 1, 9)] == [1, 2, 3]
    assert list(site.log.blocks(0)) == []
    reported = metrics(capsys)
    assert [m["CommitsArchived"] for m in reported if "CommitsArchived" in m] == [2]
    (kept,) = (m for m in reported if "StreamsNotArchived" in m)
    assert kept["StreamsNotArchived"] == 1
    assert kept["reason"].startswith("an object cannot be unpacked: ")
    assert [m["BlocksArchived"] for m in reported if "BlocksArchived" in m] == [1]


def test_an_archive_whose_time_was_over_goes_on_where_it_was(site: Functions) -> None:
    """Or it would never come to the streams at the registry's end."""

    class Short(Context):
        """It is asked before each stream and after each of its steps."""

        def __init__(self, asked: int) -> None:
            self.left = iter([*[300_000] * asked, *[299_999] * 9])

        def get_remaining_time_in_millis(self) -> int:
            return next(self.left)

    streams = [f"main/account-{name}" for name in "abc"]
    for each in streams:
        old = [commit(each, 1), commit(each, 2, epoch=2, epoch_start=2)]
        site.write(*(c._replace(at="2025-01-01T00:00:00.000Z") for c in old))
    site.services.relay.run(dict.fromkeys(streams, 2))
    parts = {"event_table": site.events, "log_table": site.log, "archive": MemoryArchive()}
    site.services.__dict__.update(parts)

    def archived(run: Short) -> list[bool]:
        handler("archive")(SCHEDULED, run)
        return [site.events.range(each, 1, 1)[0].archive is not None for each in streams]

    assert archived(Short(1)) == [True, False, False]
    site.log.mark_archived(streams[0], 1, 0)
    assert archived(Short(1)) == [True, True, False]
    assert archived(Short(9)) == [True, True, True]
    assert site.log.streams(streams[:1])[streams[0]].archived_through == 0
    handler("archive")(SCHEDULED, Short(9))
    assert site.log.streams(streams[:1])[streams[0]].archived_through == 1


def closed_long_ago(site: Functions, *names: str, **parts: Any) -> list[str]:
    """Streams with a closed epoch of one commit, which every reader has done with."""
    streams = [f"main/account-{name}" for name in names]
    for each in streams:
        old = [commit(each, 1), commit(each, 2, epoch=2, epoch_start=2)]
        site.write(*(c._replace(at="2025-01-01T00:00:00.000Z") for c in old))
    site.services.relay.run(dict.fromkeys(streams, 2))
    for reader in [*site.services.readers, Published()]:
        for key, end in ends_of(reader, site.log.head()).items():
            site.checkpoints.move(reader.name, key, -1, end)
    made = {"event_table": site.events, "log_table": site.log, "archive": MemoryArchive()}
    site.services.__dict__.update(made | parts)
    return streams


def are_archived(site: Functions, streams: list[str]) -> list[bool]:
    return [site.events.range(each, 1, 1)[0].archive is not None for each in streams]


class BusyLog(MemoryLog):
    """A log whose relay is at a stream's registry entry, so many times."""

    busy: Counter[str]

    def mark_archived(self, aggregate_id: str, before: int, through: int) -> bool:
        if self.busy[aggregate_id]:
            self.busy[aggregate_id] -= 1
            raise ContendedError("TransactionConflictException")
        return super().mark_archived(aggregate_id, before, through)


def busy_log(site: Functions, **times: int) -> BusyLog:
    """The site's log, which is busy with these streams so many times."""
    log = BusyLog()
    log.__dict__.update(site.log.__dict__)
    log.busy = Counter({f"main/account-{name}": number for name, number in times.items()})
    return log


def test_a_stream_that_was_busy_is_archived_in_the_same_run(
    site: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    """The relay logs its newest commit in the very moment that the registry is told."""
    streams = closed_long_ago(site, *"abc")
    log = busy_log(site, b=1)
    site.services.__dict__.update(log_table=log)
    handler("archive")(SCHEDULED, Context())
    assert are_archived(site, streams) == [True, True, True]
    assert {entry.archived_through for entry in log.streams(streams).values()} == {1}
    assert list(log.blocks(0)) == []
    assert not any("StreamsNotArchived" in reported for reported in metrics(capsys))


def test_a_stream_that_stays_busy_is_told_and_holds_up_nothing(
    site: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    streams = closed_long_ago(site, *"abc")
    log = busy_log(site, a=9)
    site.services.__dict__.update(log_table=log)
    handler("archive")(SCHEDULED, Context())
    entries = log.streams(streams)
    assert [entries[stream].archived_through for stream in streams] == [0, 1, 1]
    assert list(log.blocks(0)) == []
    (reason,) = [
        reported["reason"] for reported in metrics(capsys) if "StreamsNotArchived" in reported
    ]
    assert reason == f"{streams[0]}: TransactionConflictException"


def test_the_log_is_pruned_though_no_stream_could_be_read(site: Functions) -> None:
    class Unread(BusyLog):
        def registry(self, *_: Any, **_part: Any) -> Iterator[tuple[str, StreamEntry]]:
            raise Unavailable("the registry")

    closed_long_ago(site, "a")
    log = Unread()
    log.__dict__.update(site.log.__dict__)
    site.services.__dict__.update(log_table=log)
    with pytest.raises(ExceptionGroup, match="not all could be archived"):
        handler("archive")(SCHEDULED, Context())
    assert list(log.blocks(0)) == []


def test_the_streams_are_archived_though_the_log_could_not_be_pruned(site: Functions) -> None:
    streams = closed_long_ago(site, "a")
    site.services.archive.put("segments/main/000000000000.jsonl.gz", b"something else")
    with pytest.raises(ExceptionGroup, match="not all could be archived"):
        handler("archive")(SCHEDULED, Context())
    assert are_archived(site, streams) == [True]


def test_a_stream_that_ends_the_process_each_time_holds_up_no_other(site: Functions) -> None:
    class Deadly(MemoryEvents):
        def page(self, aggregate_id: str, first: int, last: int) -> Sequence[Commit]:
            if aggregate_id == "main/account-b":
                raise SystemExit("out of memory")
            return super().page(aggregate_id, first, last)

    streams = closed_long_ago(site, *"abc")
    table = Deadly()
    table._streams = site.events._streams
    site.services.__dict__.update(event_table=table)
    with pytest.raises(SystemExit):
        handler("archive")(SCHEDULED, Context())
    assert are_archived(site, streams) == [True, False, False]
    handler("archive")(SCHEDULED, Context())
    assert are_archived(site, streams) == [True, False, True]
    # Another day its turn comes again.
    site.services.__dict__.update(event_table=site.events)
    handler("archive")(SCHEDULED, Context())
    assert are_archived(site, streams) == [True, True, True]


def test_epochs_leave_time_for_the_log(site: Functions) -> None:
    class AlmostOver(Context):
        def get_remaining_time_in_millis(self) -> int:
            return 299_999

    streams = closed_long_ago(site, "a")
    handler("archive")(SCHEDULED, AlmostOver())
    assert are_archived(site, streams) == [False]
    assert list(site.log.blocks(0)) == []


def test_an_archive_whose_time_is_over_leaves_the_rest(site: Functions) -> None:
    class Late(Context):
        def get_remaining_time_in_millis(self) -> int:
            return 59_000

    site.write(commit(), commit(version=2, epoch=2, epoch_start=2))
    site.services.relay.run({"main/account-a": 2})
    parts = {"event_table": site.events, "log_table": site.log, "archive": MemoryArchive()}
    site.services.__dict__.update(parts)
    handler("archive")(SCHEDULED, Late())
    assert [c.archive for c in site.events.range("main/account-a", 1, 2)] == [None, None]
