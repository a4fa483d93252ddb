"""A commit: the events of one command, and what identifies and orders them."""

import json
from datetime import UTC, datetime
from typing import Any, NamedTuple
from zlib import crc32

LANES = 64


def lane_of(aggregate_id: str) -> int:
    """The lane of a stream, 0..63: it fixes the stream's Kinesis shard for ever."""
    return crc32(aggregate_id.encode()) % LANES


class StoredEvent(NamedTuple):
    """An event as it is kept: a stored name, a schema version, a JSON body."""

    name: str
    version: int
    body: dict[str, Any]

    def as_read(self) -> "StoredEvent":
        """The event as a later load reads it: a dict comes back in the order of its keys."""
        return self._replace(body=json.loads(canonical(self.body)))


class Snapshot(NamedTuple):
    """A state as JSON, and the fingerprint of the fold that made it."""

    fingerprint: str
    state: Any

    def to_text(self) -> str:
        """JSON that keeps the order of every dict: a rule may rest on it."""
        return json.dumps(
            self._asdict(), separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )


class RecentCommand(NamedTuple):
    """What recognises an earlier command: hashes of its id and its body; *at* is when it
    was taken, in seconds since 1970.
    """

    command: bytes
    body: bytes
    at: int


class Archived(NamedTuple):
    """Where the beginning of a stream went: versions 1..*through* are in the archive, as the
    manifest at *key*, whose SHA-256 is *hash*, lists them. *restoring* is the version from
    which on they are being brought back, or 0.
    """

    through: int
    key: str
    hash: str
    restoring: int = 0


class Commit(NamedTuple):
    """1..n events that one command produced: one item, one version of its stream.

    *at* is UTC in ISO 8601 with milliseconds. *deps* is what the decision read from
    other streams, as (aggregate id, version). *recent_commands* are those of the
    commits just before this one, newest first; *snapshot* is the state after it.
    *archive* is there in a tombstone only: version 1 of a stream whose beginning is
    archived keeps its identity, and no events.
    """

    aggregate_id: str
    version: int
    events: tuple[StoredEvent, ...]
    command_id: str
    body_hash: str
    at: str
    actor: str
    correlation_id: str
    deps: tuple[tuple[str, int], ...] = ()
    epoch: int = 1
    epoch_start: int = 1
    snapshot: Snapshot | None = None
    recent_commands: tuple[RecentCommand, ...] | None = None
    archive: Archived | None = None

    def to_line(self) -> str:
        """The commit as the log keeps it: canonical JSON, without its snapshot."""
        return canonical(
            {
                "aggregateId": self.aggregate_id,
                "sequenceNumber": self.version,
                "events": [event._asdict() for event in self.events],
                "commandId": self.command_id,
                "bodyHash": self.body_hash,
                "at": self.at,
                "actor": self.actor,
                "correlationId": self.correlation_id,
                "deps": self.deps,
                "epoch": self.epoch,
                "epochStart": self.epoch_start,
            }
        )

    @classmethod
    def from_line(cls, line: str | bytes) -> "Commit":
        """The inverse of `to_line`."""
        return cls.from_json(json.loads(line))

    @classmethod
    def from_json(cls, held: dict[str, Any]) -> "Commit":
        """A commit from the parsed JSON of its line."""
        return cls(
            aggregate_id=held["aggregateId"],
            version=held["sequenceNumber"],
            events=events_from_json(held["events"]),
            command_id=held["commandId"],
            body_hash=held["bodyHash"],
            at=held["at"],
            actor=held["actor"],
            correlation_id=held["correlationId"],
            deps=tuple(map(tuple, held["deps"])),
            epoch=held["epoch"],
            epoch_start=held["epochStart"],
        )


def events_from_json(events: list[dict[str, Any]]) -> tuple[StoredEvent, ...]:
    """Stored events from the JSON list that a commit keeps of them."""
    return tuple([StoredEvent(e["name"], e["version"], e["body"]) for e in events])


def canonical(value: Any) -> str:
    """JSON with one form only: sorted keys, no spaces, so that equal means same bytes."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def instant(moment: datetime) -> str:
    """UTC in ISO 8601 with milliseconds: as text it sorts like the time itself."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
