"""Decodes the lane records in an event of Kinesis."""

from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from chalicelib.leftfold.kernel import LANES, lane_of
from chalicelib.leftfold.metrics import emit
from chalicelib.leftfold.store.bus import LaneRecord


def by_log(records: Iterable[dict[str, Any]]) -> Mapping[str, Sequence[LaneRecord]]:
    """The lane records of each log."""
    found: dict[str, list[LaneRecord]] = {}
    for record in decoded(records):
        found.setdefault(record.log, []).append(record)
    return found


def decoded(records: Iterable[dict[str, Any]]) -> Iterator[LaneRecord]:
    """The lane records. A broken one is skipped: its lane has a gap, which the log fills."""
    for record in records:
        try:
            read = LaneRecord.from_bytes(b64decode(record["kinesis"]["data"]))
            check(read)
        except Exception as error:  # noqa: BLE001 - a broken record may raise anything
            emit("BrokenRecords", 1, reason=f"{type(error).__name__}: {error}")
        else:
            yield read


def check(record: LaneRecord) -> None:
    """Raises an exception, of any type, for a record that no relay makes."""
    lane, first, last = record.lane, record.first_position, record.last_position
    commits = record.commits or ()
    positions = sorted({first, last}) if record.commits is None else [p for p, _ in commits]
    numbers = [record.previous_in_lane, *positions]
    if not isinstance(record.log, str):
        raise TypeError("a log has a name")
    if any(type(number) is not int for number in (lane, first, last, *numbers)):
        raise TypeError("lane and positions must be integers")
    if numbers != sorted(set(numbers)) or (positions[0], positions[-1]) != (first, last):
        raise ValueError(f"the positions {numbers} do not ascend from {first} to {last}")
    if lane not in range(LANES) or any(lane_of(c.aggregate_id) != lane for _, c in commits):
        raise ValueError(f"a commit is not of lane {lane}, or there is no such lane")
