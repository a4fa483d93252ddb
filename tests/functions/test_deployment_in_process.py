"""The services of a deployment, made from its settings alone, on moto."""

import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from chalicelib.bank.account.domain import account
from chalicelib.domain import DOMAIN
from chalicelib.leftfold.commands.handler import CommandRequest
from chalicelib.leftfold.policies.mailing import NoMailer, SesMailer
from chalicelib.leftfold.projection.documents import DynamoRows
from chalicelib.leftfold.projection.search import SearchRows
from chalicelib.leftfold.relay.kinesis import PUT_ATTEMPTS, KinesisBus
from chalicelib.leftfold.store.blocks import lane_records, seal
from chalicelib.leftfold.store.ports import Head, ParkedStream, Unavailable
from chalicelib.leftfold.wiring.services import Services
from chalicelib.leftfold.wiring.settings import Settings
from tests.commits import commit
from tests.contracts import moto
from tests.teller import OPENING
from tools.tables import create_tables

STREAM = account.stream("a", "main")
NOWHERE = {"LEFTFOLD_SEARCH_SCHEME": "http", "LEFTFOLD_SEARCH_ENDPOINT": "127.0.0.1:1"}


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", moto.REGION)
    with moto.in_process():
        create_tables(moto.client("dynamodb"), "there")
        where = {"LocationConstraint": moto.REGION}
        moto.client("s3").create_bucket(Bucket="there-archive", CreateBucketConfiguration=where)
        moto.client("kinesis").create_stream(StreamName="there-bus", ShardCount=1)
        kms = moto.client("kms")
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        kms.create_alias(AliasName="alias/there-personal-data", TargetKeyId=key)
        yield Services(Settings({"LEFTFOLD_STACK": "there", **NOWHERE}), DOMAIN)


def opened(services: Services) -> int:
    """The version of an account that was opened."""
    return services.handler.execute(
        CommandRequest(
            aggregate=account,
            aggregate_id=STREAM,
            command=OPENING,
            command_id="opening",
            body_hash="00" * 8,
            actor="test",
            correlation_id="test",
        )
    )


def test_a_command_comes_through_the_log_and_the_bus_into_a_view(services: Services) -> None:
    """Each part is at the table, the stream or the bucket of its name, and finds the others."""
    assert opened(services) == 1
    services.relay.run({STREAM: 1})
    assert services.log.streams([STREAM])[STREAM].next == 2
    shard = moto.client("kinesis").describe_stream(StreamName="there-bus")["StreamDescription"]
    iterator = moto.client("kinesis").get_shard_iterator(
        StreamName="there-bus",
        ShardId=shard["Shards"][0]["ShardId"],
        ShardIteratorType="TRIM_HORIZON",
    )
    records = moto.client("kinesis").get_records(ShardIterator=iterator["ShardIterator"])
    assert len(records["Records"]) == 1
    while services.reader("balances").catch_up(100):
        pass
    (stored,) = services.rows("balances").load([STREAM]).values()
    assert stored.row is not None
    assert stored.row["version"] == 1


def test_what_the_log_is_followed_by_alone_is_an_ordered_view(services: Services) -> None:
    opened(services)
    services.relay.run({STREAM: 1})
    while services.reader("totals").catch_up(100):
        pass
    assert [row.row for _, row in services.rows("totals").scan() if row.row]


@pytest.mark.slow
def test_all_that_answers_is_well_and_the_search_is_told(services: Services) -> None:
    health = dict(services.health())
    search = health.pop("search")
    assert set(health.values()) == {True}
    assert {"events", "log", "streams", "view-checkpoints", "view-parked"} <= health.keys()
    assert str(search).startswith("Unavailable: ")


def test_all_applications_of_a_stage_have_the_same_keys(services: Services) -> None:
    opened(services)
    named = {"LEFTFOLD_STACK": "there--new", "LEFTFOLD_TRUTH": "there", "LEFTFOLD_STAGE": "there"}
    later = Services(Settings({**named, **NOWHERE}), DOMAIN)
    (stored,) = later.events.range(STREAM, 1, 1)
    assert stored.events[0].sealed
    assert not later.vault.opened([stored])[0].events[0].sealed


def test_notes_parked_streams_effects_and_objects_are_kept(services: Services) -> None:
    services.checkpoints.write_note("sweeper", "here")
    assert services.checkpoints.note("sweeper") == "here"
    assert services.parking.park("balances", STREAM, ParkedStream(1, 1, "why"))
    assert [found for _, found, _ in services.parking.all()] == [STREAM]
    assert services.archive.put("key", b"data")
    assert services.archive.get("key") == b"data"


def test_a_views_rows_are_where_it_says(services: Services) -> None:
    kinds = {"search": SearchRows, "documents": DynamoRows}
    for name, view in DOMAIN.views.items():
        assert isinstance(services.rows(name), kinds[view.store])
        assert services.rows(name) is services.rows(name)


@pytest.mark.slow
def test_a_deployment_sends_if_it_has_a_sender(services: Services) -> None:
    assert isinstance(services.mailer, NoMailer)
    named = Settings({"LEFTFOLD_STACK": "there", "LEFTFOLD_MAIL_FROM": "bank@example.com"})
    mailer = Services(named, DOMAIN).mailer
    assert isinstance(mailer, SesMailer)


def test_a_bucket_may_have_any_name(services: Services) -> None:
    assert services.settings.archive == "there-archive"
    assert Settings({"LEFTFOLD_STACK": "s", "LEFTFOLD_ARCHIVE": "b"}).archive == "b"
    assert Settings({"LEFTFOLD_SEARCH_ENDPOINT": "e"}).search_url == "https://e"
    assert Settings({"LEFTFOLD_STACK": "s"}).named("trial_balance") == "s-trial-balance"


def test_a_pause_is_short_at_first_and_never_longer_than_a_second(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Full jitter: those who met each other once do not meet again."""
    bounds: list[tuple[float, float]] = []

    def drawn(least: float, most: float) -> float:
        bounds.append((least, most))
        return most / 2

    slept: list[float] = []
    monkeypatch.setattr(random, "uniform", drawn)
    monkeypatch.setattr(time, "sleep", slept.append)
    for attempt in range(1, 10):
        services.pause(attempt)
    assert bounds == [(0, most) for most in (0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.0, 1.0, 1.0)]
    assert slept == [most / 2 for _, most in bounds]


def test_an_id_is_a_uuid7_of_now_and_no_other(services: Services) -> None:
    before = int(time.time() * 1000)
    made = [UUID(services.new_id()) for _ in range(100)]
    assert len(set(made)) == 100
    assert all(each.version == 7 for each in made)
    assert all(before <= each.int >> 80 <= time.time() * 1000 for each in made)


def test_the_clock_is_in_utc(services: Services) -> None:
    assert services.clock().tzinfo is UTC
    assert abs((services.clock() - datetime.now(UTC)).total_seconds()) < 60


class Shards:
    """Kinesis as it answers PutRecords: each call refuses the records that it is told."""

    def __init__(self, *refusals: set[int]) -> None:
        self._refusals = list(refusals)
        self.calls: list[list[bytes]] = []

    def put_records(self, StreamName: str, Records: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - AWS's names
        assert StreamName == "bus"
        self.calls.append([record["Data"] for record in Records])
        refused = self._refusals.pop(0) if self._refusals else set()
        error = {"ErrorCode": "ProvisionedThroughputExceededException"}
        return {"Records": [error if n in refused else {} for n in range(len(Records))]}


def records() -> Any:
    block, _ = seal(Head(), [commit(f"main/account-{n}") for n in range(4)])
    return lane_records(block)


def test_only_the_records_that_a_shard_refused_are_put_again() -> None:
    shards: Any = Shards({1, 3}, {0})
    pauses: list[int] = []
    sent = records()
    KinesisBus(shards, "bus", pauses.append).publish(sent)
    whole = [record.to_bytes() for record in sent]
    assert shards.calls == [whole, [whole[1], whole[3]], [whole[1]]]
    assert pauses == [1, 2]


def test_records_that_a_shard_goes_on_refusing_are_left_to_the_log() -> None:
    shards: Any = Shards(*PUT_ATTEMPTS * [{0}])
    pauses: list[int] = []
    with pytest.raises(Unavailable, match="bus did not take 1 records"):
        KinesisBus(shards, "bus", pauses.append).publish(records())
    assert len(shards.calls) == PUT_ATTEMPTS == len(pauses)
