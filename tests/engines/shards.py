"""The bus on kinesis-local: four shards, read each on its own and in any order."""

from collections.abc import Iterator
from random import Random
from threading import Event
from time import sleep
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from uuid import uuid4

import boto3
from botocore.config import Config
from chalicelib.leftfold.wiring.services import Services
from chalicelib.leftfold.wiring.settings import Settings

from chalicelib.leftfold.kernel import LANES
from chalicelib.leftfold.relay.kinesis import KinesisBus, hash_key
from chalicelib.leftfold.store.bus import LaneRecord
from tests.engines.faults import Faults
from tests.engines.transport import POLL

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

SHARDS = 4


class Shard(NamedTuple):
    """The lanes that hash into a shard, and the shards that it was made of."""

    lanes: range
    parents: frozenset[str]


class Shards:
    """A stream of its own, which ends with its context: kinesis-local has 50 shards in all.

    *places* are (lane, shard) of all records that were read.
    """

    def __init__(self, url: str, seed: int, rate: float) -> None:
        self.faults = Faults(seed, rate)
        self.places: set[tuple[int, str]] = set()
        self._random = Random(seed)
        self._calm = kinesis_client(url)
        self._stream = f"t{uuid4().hex[:12]}"
        self._calm.create_stream(StreamName=self._stream, ShardCount=SHARDS)
        self._wait()
        failing = kinesis_client(url)
        self.faults.into(failing)
        pause = Services(Settings({})).pause
        self.bus = KinesisBus(failing, self._stream, pause)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._calm.delete_stream(StreamName=self._stream)

    def shards(self) -> dict[str, Shard]:
        """All shards that the stream has had, by id."""
        return {
            shard["ShardId"]: Shard(
                lanes_of(shard["HashKeyRange"]),
                frozenset(
                    shard[name]
                    for name in ("ParentShardId", "AdjacentParentShardId")
                    if name in shard
                ),
            )
            for shard in self._listed()
        }

    def split(self) -> None:
        """Splits the first open shard in two."""
        shard = self._open()[0]
        lanes = lanes_of(shard["HashKeyRange"])
        self._calm.split_shard(
            StreamName=self._stream,
            ShardToSplit=shard["ShardId"],
            NewStartingHashKey=str(hash_key(lanes[len(lanes) // 2])),
        )
        self._wait()

    def merge(self) -> None:
        """Merges the last two open shards."""
        *_, first, second = self._open()
        self._calm.merge_shards(
            StreamName=self._stream,
            ShardToMerge=first["ShardId"],
            AdjacentShardToMerge=second["ShardId"],
        )
        self._wait()

    def records(self, ended: Event) -> Iterator[list[LaneRecord]]:
        """Everything in all shards, page by page, until nothing more comes after *ended*.

        A child may be read before its parents.
        """
        iterators: dict[str, str | None] = {}
        while True:
            is_last = ended.is_set()
            for shard in self._listed():
                if shard["ShardId"] not in iterators:
                    iterators[shard["ShardId"]] = self._calm.get_shard_iterator(
                        StreamName=self._stream,
                        ShardId=shard["ShardId"],
                        ShardIteratorType="TRIM_HORIZON",
                    )["ShardIterator"]
            found = False
            reading = [shard_id for shard_id, iterator in iterators.items() if iterator]
            for shard_id in self._random.sample(reading, len(reading)):
                page = self._calm.get_records(
                    ShardIterator=iterators[shard_id] or "", Limit=self._random.randint(1, 500)
                )
                iterators[shard_id] = page.get("NextShardIterator")
                records = [LaneRecord.from_bytes(record["Data"]) for record in page["Records"]]
                self.places |= {(record.lane, shard_id) for record in records}
                found = found or bool(records)
                yield records
            if not found:
                if is_last:
                    return
                ended.wait(POLL)

    def _listed(self) -> list[Any]:
        return [*self._calm.list_shards(StreamName=self._stream)["Shards"]]

    def _open(self) -> list[Any]:
        """The shards that take records, by their place in the key space."""
        taking = [
            shard
            for shard in self._listed()
            if "EndingSequenceNumber" not in shard["SequenceNumberRange"]
        ]
        return sorted(taking, key=lambda shard: int(shard["HashKeyRange"]["StartingHashKey"]))

    def _wait(self) -> None:
        while self._status() != "ACTIVE":
            sleep(POLL)

    def _status(self) -> str:
        answer = self._calm.describe_stream_summary(StreamName=self._stream)
        return answer["StreamDescriptionSummary"]["StreamStatus"]


def lanes_of(hash_keys: Any) -> range:
    """The lanes whose place in the key space lies in the range."""
    first, last = int(hash_keys["StartingHashKey"]), int(hash_keys["EndingHashKey"])
    inside = [lane for lane in range(LANES) if first <= hash_key(lane) <= last]
    return range(inside[0], inside[-1] + 1)


def kinesis_client(url: str) -> "KinesisClient":
    """A client for kinesis-local, as the services' own is made."""
    return boto3.client(
        "kinesis",
        endpoint_url=url,
        region_name="eu-central-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106 - engines take any
        config=Config(
            retries={"mode": "standard", "total_max_attempts": 4}, max_pool_connections=32
        ),
    )
