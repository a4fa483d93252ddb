"""A commit: the events of one command, and what identifies and orders them."""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from json.encoder import encode_basestring
from typing import Any, Literal, NamedTuple
from zlib import crc32

LANES = 64
# The newest format of a commit that this engine reads, and the one that it writes
# (docs/adr/0015).
FORMAT = 1

# W3C Trace Context: version, trace id, parent id, flags; neither id is all zeros.
TRACEPARENT = r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
_traceparent = re.compile(TRACEPARENT)
# Made once: `json.dumps` makes an encoder for each call, which takes as long as a small value. To look for
# values that contain themselves takes a third of a small one; their depth is refused anyway.
_canonical = json.JSONEncoder(
    sort_keys=True,
    separators=(",", ":"),
    ensure_ascii=False,
    allow_nan=False,
    check_circular=False,
)
# What a tag is of, and its key: `customer:17`.
TAG = "[a-z][a-z0-9-]{0,63}:[A-Za-z0-9-]{1,64}"
_tag = re.compile(TAG)

Kind = Literal["commit", "copy", "tombstone", "bar"]

_UNSEALED: Mapping[str, str] = {}


class UnknownFormatError(Exception):
    """A commit of a format, of a kind or with members that this engine does not know: a newer
    engine wrote it. What stands on it must wait for that engine; nothing was written.
    """

    is_impersonal = True


def lane_of(aggregate_id: str) -> int:
    """The lane of a stream, 0..63: it fixes the stream's Kinesis shard for ever."""
    return crc32(aggregate_id.encode()) % LANES


class StoredEvent(NamedTuple):
    """An event as it is kept: a stored name, a schema version, a JSON body.

    *sealed* has the values of its personal fields, encrypted, by their subject. The body has
    the text `erased` in their places: whoever has not opened the event reads that.
    """

    name: str
    version: int
    body: dict[str, Any]
    sealed: Mapping[str, str] = _UNSEALED

    def to_json(self) -> dict[str, Any]:
        """The event as the members of a JSON object; *sealed* is there only if anything is."""
        members = {"name": self.name, "version": self.version, "body": self.body}
        return members | {"sealed": dict(self.sealed)} if self.sealed else members

    def as_read(self) -> "StoredEvent":
        """The event as a later load reads it: a dict comes back in the order of its keys."""
        return self._replace(body=json.loads(canonical(self.body)))


class Snapshot(NamedTuple):
    """A state as JSON, and the fingerprint of the fold that made it.

    If the state has personal data, *subjects* names whose, and *state* is a text that only the
    keys of all of them open.
    """

    fingerprint: str
    state: Any
    subjects: tuple[str, ...] = ()

    def to_text(self) -> str:
        """JSON that keeps the order of every dict: a rule may rest on it."""
        members: dict[str, Any] = {"fingerprint": self.fingerprint, "state": self.state}
        if self.subjects:
            members["subjects"] = self.subjects
        return json.dumps(members, separators=(",", ":"), ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_text(cls, text: str) -> "Snapshot":
        """The inverse of `to_text`."""
        members = json.loads(text)
        return cls(**{**members, "subjects": tuple(members.get("subjects", ()))})


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


class Bar(NamedTuple):
    """What stands at the key behind the newest commit of a stream that another generation owns.

    It is no commit: nothing is appended there, and no log has it. *switch* is the number of the
    switch that put it there (docs/adr/0028).
    """

    aggregate_id: str
    version: int
    switch: int


class CommitFields(NamedTuple):
    """The fields of a `Commit`, which says what each of them is."""

    aggregate_id: str
    version: int
    events: tuple[StoredEvent, ...]
    command_id: str
    body_hash: str
    at: str
    actor: str
    authority: str
    correlation_id: str
    traceparent: str
    tags: tuple[str, ...] = ()
    deps: tuple[tuple[str, int], ...] = ()
    epoch: int = 1
    epoch_start: int = 1
    snapshot: Snapshot | None = None
    recent_commands: tuple[RecentCommand, ...] | None = None
    archive: Archived | None = None
    root: tuple[str, int] | None = None
    source: tuple[str, int] | None = None
    format: int = FORMAT
    position: int | None = None
    indexes: tuple[int, ...] = ()
    addressed: str | None = None
    mark: int = 0
    progress: Any = None


class Commit(CommitFields):
    """1..n events that one command produced: one item, one version of its stream.

    *at* is UTC in ISO 8601 with milliseconds. *actor* is who acted, *authority* the right by
    which they did. *traceparent* is the W3C header of the request that led to the commit, also
    through policies. *tags* are of the form `customer:17`. *deps* is what the decision read from
    other streams, as (aggregate id, version). *recent_commands* are those of the
    commits just before this one, newest first; *snapshot* is the state after it.
    *archive* is there in a tombstone only: version 1 of a stream whose beginning is
    archived keeps its identity, and no events. *root* and *source* are there in a copy only,
    as (aggregate id, version): the first commit that it descends from, and the one that it was
    copied from. *format* is that of the line: a commit that was read is written as it was.

    More of what only a copy has: *position* is that of its source in the log of the source's
    generation, None if that was not logged yet. *indexes* are the event indexes that the events
    have in the root, where they differ from their own. *addressed* is the stream that the command
    was sent to, where several streams became the copy's. *mark* is the number of the switch with
    which the copy's generation took the stream over, 0 for none. *progress* is the state of the
    transform behind this commit. A line has neither mark nor progress.
    """

    @property
    def origin(self) -> tuple[str, int]:
        """The commit that this one descends from first: its root, or itself."""
        return self.root or (self.aggregate_id, self.version)

    def blind(self) -> "Commit":
        """The commit without its sealed values: its personal fields read `erased`."""
        if not any(event.sealed for event in self.events):
            return self
        return self._replace(events=tuple(StoredEvent(*event[:3]) for event in self.events))

    @property
    def kind(self) -> Kind:
        """The kind under which the commit is stored: a commit, a copy or a tombstone."""
        if self.archive is not None:
            return "tombstone"
        return "commit" if self.root is None else "copy"

    @cached_property
    def events_text(self) -> str:
        """The events as canonical JSON: in the commit's item, and in its line. Made once."""
        return canonical([event.to_json() for event in self.events])

    @cached_property
    def line(self) -> str:
        """The commit as the log keeps it: canonical JSON, without its snapshot.

        Made once: on its way into the log it is measured, hashed, packed and published. Written
        member by member, in the order of their names: an encoder that sorts takes four times as
        long.
        """
        text = encode_basestring
        addressed = indexes = position = root = source = ""
        if self.root is not None:
            addressed = member("addressed", self.addressed)
            indexes = member("indexes", self.indexes or None)
            position = member("position", self.position)
            root = member("root", self.root)
            source = member("source", self.source)
        return (
            f'{{"actor":{text(self.actor)},{addressed}'
            f'"aggregateId":{text(self.aggregate_id)},'
            f'"at":{text(self.at)},'
            f'"authority":{text(self.authority)},'
            f'"bodyHash":{text(self.body_hash)},'
            f'"commandId":{text(self.command_id)},'
            f'"correlationId":{text(self.correlation_id)},'
            f'"deps":{canonical(self.deps) if self.deps else "[]"},'
            f'"epoch":{self.epoch},'
            f'"epochStart":{self.epoch_start},'
            f'"events":{self.events_text},'
            f'"format":{self.format},{indexes}'
            f'"kind":"{self.kind}",{position}{root}'
            f'"sequenceNumber":{self.version},{source}'
            f'"tags":{canonical(self.tags) if self.tags else "[]"},'
            f'"traceparent":{text(self.traceparent)}}}'
        )

    @classmethod
    def from_line(cls, line: str | bytes) -> "Commit":
        """The inverse of `line`. Raises `UnknownFormatError`."""
        return cls.from_json(json.loads(line))

    @classmethod
    def from_json(cls, members: dict[str, Any]) -> "Commit":
        """A commit from the parsed JSON of its line. Raises `UnknownFormatError`.

        A member that this engine does not know is never dropped: the line that is made of the
        commit again must have the hash that was taken of it.
        """
        if members.get("format") != FORMAT or not members.keys() <= MEMBERS:
            raise unknown_line(members)
        root, source = members.get("root"), members.get("source")
        if members["kind"] != ("commit" if root is None else "copy"):
            raise unknown_line(members)
        if root is None and members.keys() & OF_COPIES:
            raise unknown_line(members)
        return cls(
            aggregate_id=members["aggregateId"],
            version=members["sequenceNumber"],
            events=events_from_json(members["events"]),
            command_id=members["commandId"],
            body_hash=members["bodyHash"],
            at=members["at"],
            actor=members["actor"],
            authority=members["authority"],
            correlation_id=members["correlationId"],
            traceparent=members["traceparent"],
            tags=tuple(members["tags"]),
            deps=tuple(map(tuple, members["deps"])),
            epoch=members["epoch"],
            epoch_start=members["epochStart"],
            root=None if root is None else (root[0], root[1]),
            source=None if source is None else (source[0], source[1]),
            position=members.get("position"),
            indexes=tuple(members.get("indexes", ())),
            addressed=members.get("addressed"),
            format=members["format"],
        )

    def root_index(self, event_index: int) -> int:
        """The index that an event of this commit has in its root."""
        return self.indexes[event_index] if self.indexes else event_index


# Members that only the line of a copy has.
OF_COPIES = frozenset(["root", "source", "position", "indexes", "addressed"])

# The members of a line of format 1.
MEMBERS = frozenset(
    [
        "format",
        "kind",
        "aggregateId",
        "sequenceNumber",
        "events",
        "commandId",
        "bodyHash",
        "at",
        "actor",
        "authority",
        "correlationId",
        "traceparent",
        "tags",
        "deps",
        "epoch",
        "epochStart",
        *OF_COPIES,
    ]
)


def unknown_line(members: dict[str, Any]) -> UnknownFormatError:
    """The error of a line that this engine cannot read whole."""
    return UnknownFormatError(
        f"version {members.get('sequenceNumber')} of {members.get('aggregateId')} is of format"
        f" {members.get('format')!r} and kind {members.get('kind')!r}, with the unknown members"
        f" {sorted(members.keys() - MEMBERS)}: this engine reads format {FORMAT}, so a newer one is"
        " needed"
    )


def events_from_json(events: list[dict[str, Any]]) -> tuple[StoredEvent, ...]:
    """Stored events from the JSON list that a commit keeps of them.

    Raises `UnknownFormatError` for an event that has more members.
    """
    stored = tuple(
        [
            StoredEvent(e["name"], e["version"], e["body"], e.get("sealed", _UNSEALED))
            for e in events
        ]
    )
    for event in events:
        if len(event) > len(StoredEvent._fields) - ("sealed" not in event):
            raise UnknownFormatError(
                f"an event has the members {sorted(event)}: this engine knows"
                f" {list(StoredEvent._fields)}, so a newer one is needed"
            )
    return stored


def member(name: str, value: Any) -> str:
    """A member that only some lines have, with the comma after it; no text for None."""
    return "" if value is None else f'"{name}":{canonical(value)},'


def is_traceparent(text: str) -> bool:
    """Whether this is the `traceparent` of a trace, by W3C Trace Context."""
    return _traceparent.fullmatch(text) is not None


def traceparent_of(command_id: str) -> str:
    """The traceparent of a command whose request came without one.

    It is made of the id, so that a retry belongs to the same trace.
    """
    digest = hashlib.sha256(f"traceparent {command_id}".encode()).hexdigest()
    return f"00-{digest[:32]}-{digest[32:48]}-00"


def is_tag(text: str) -> bool:
    """Whether a commit can have this tag."""
    return _tag.fullmatch(text) is not None


def canonical(value: Any) -> str:
    """JSON with one form only: sorted keys, no spaces, so that equal means same bytes."""
    return _canonical.encode(value)


def instant(moment: datetime) -> str:
    """UTC in ISO 8601 with milliseconds: as text it sorts like the time itself."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
