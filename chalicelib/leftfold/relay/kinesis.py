"""The bus on Kinesis. A lane always has the same hash key, and so the same shard."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.leftfold.kernel import LANES
from chalicelib.leftfold.store.bus import LaneRecord
from chalicelib.leftfold.store.ports import Unavailable

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

# Quotas of PutRecords: 500 records and 5 MB in one call (Kinesis developer guide).
CALL_RECORDS, CALL_BYTES = 500, 5_000_000
PUT_ATTEMPTS = 8


class KinesisBus:
    """`Bus` on one Kinesis stream. *pause* takes the number of the attempt that has failed, and
    waits before the next one.
    """

    def __init__(self, client: "KinesisClient", stream: str, pause: Callable[[int], None]) -> None:
        self._client = client
        self._stream = stream
        self._pause = pause

    def publish(self, records: Sequence[LaneRecord]) -> None:
        for entries in calls_of([entry_of(record) for record in records]):
            self._put(entries)

    def _put(self, entries: list[dict[str, Any]]) -> None:
        for attempt in range(1, PUT_ATTEMPTS + 1):
            try:
                answer = self._client.put_records(
                    StreamName=self._stream, Records=cast("Any", entries)
                )
            except (BotoCoreError, ClientError) as error:
                # A missing permission is `Unavailable` too, because the log does not wait for the bus.
                raise Unavailable(str(error)) from error
            # Some records may fail while others succeed, so a retry may change their order.
            # Readers order them by position.
            entries = [
                entry
                for entry, result in zip(entries, answer["Records"], strict=True)
                if "ErrorCode" in result
            ]
            if not entries:
                return
            self._pause(attempt)
        raise Unavailable(f"the stream {self._stream} did not take {len(entries)} records")


def entry_of(record: LaneRecord) -> dict[str, Any]:
    """The record as an entry of PutRecords."""
    return {
        "Data": record.to_bytes(),
        "PartitionKey": str(record.lane),
        "ExplicitHashKey": str(hash_key(record.lane)),
    }


def hash_key(lane: int) -> int:
    """The lane's hash key: lanes divide the 2**128 hash keys of Kinesis evenly."""
    return lane * 2**128 // LANES


def calls_of(entries: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """*entries* in order, in groups that fit into one call."""
    call: list[dict[str, Any]] = []
    size = 0
    for entry in entries:
        added = len(entry["Data"]) + len(entry["PartitionKey"])
        if call and (len(call) == CALL_RECORDS or size + added > CALL_BYTES):
            yield call
            call, size = [], 0
        call.append(entry)
        size += added
    if call:
        yield call
