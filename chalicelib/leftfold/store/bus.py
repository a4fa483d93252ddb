"""The bus: commits of one block that share a lane, as one Kinesis record.

Order and completeness never depend on the bus. A reader that notices a gap, or a record
without commits, reads the commits from the log.
"""

import gzip
import json
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from chalicelib.leftfold.kernel import Commit
from chalicelib.leftfold.kernel.commit import canonical

RECORD_LIMIT = 256 * 1024
# A shard takes 1,000 records and a megabyte in a second, so to compress a smaller record gains nothing.
PLAIN = 1_000
GZIP = b"\x1f\x8b"


class LaneRecord(NamedTuple):
    """*commits* are (position, commit), ascending, or None if they are too large for a record.

    *log* is the name of the log whose positions they are.
    *previous_in_lane* is the position of the lane's last commit before the record, or -1.
    """

    log: str
    lane: int
    first_position: int
    last_position: int
    previous_in_lane: int
    commits: Sequence[tuple[int, Commit]] | None

    def to_bytes(self) -> bytes:
        """The record's data, within `RECORD_LIMIT`."""
        if self.commits is not None:
            pairs = ",".join([f"[{position},{commit.line}]" for position, commit in self.commits])
            data = self._encoded(f"[{pairs}]")
            if len(data) <= RECORD_LIMIT:
                return data
        return self._encoded("null")

    @classmethod
    def from_bytes(cls, data: bytes) -> "LaneRecord":
        """The inverse of `to_bytes`."""
        is_packed = data.startswith(GZIP)
        record: dict[str, Any] = json.loads(gzip.decompress(data) if is_packed else data)
        lines = record["commits"]
        return cls(
            log=record["log"],
            lane=record["lane"],
            first_position=record["firstPosition"],
            last_position=record["lastPosition"],
            previous_in_lane=record["previousInLane"],
            commits=None
            if lines is None
            else [(position, Commit.from_json(line)) for position, line in lines],
        )

    def _encoded(self, commits: str) -> bytes:
        data = (
            f'{{"log":{canonical(self.log)},"lane":{self.lane},'
            f'"firstPosition":{self.first_position},"lastPosition":{self.last_position},'
            f'"previousInLane":{self.previous_in_lane},"commits":{commits}}}'
        ).encode()
        return data if len(data) <= PLAIN else gzip.compress(data, compresslevel=1, mtime=0)


class Bus(Protocol):
    """Publishes lane records, each at least once, in no certain order."""

    def publish(self, records: Sequence[LaneRecord]) -> None:
        """Sends all *records*; raises `Unavailable` if some could not be sent."""
