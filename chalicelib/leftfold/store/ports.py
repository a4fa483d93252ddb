"""What the machinery asks of its storage: small protocols, each with a contract suite.

Every adapter raises `Unavailable` when the storage refused for load, failed or did not
answer in time. After a write that means: the effect is unknown.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple, Protocol

from chalicelib.leftfold.kernel import LANES, Commit

# Longer than a sending takes: who finds an older claim may take it that its owner died.
CLAIM = timedelta(seconds=30)


class Unavailable(Exception):  # noqa: N818 - it says what the storage is
    """The storage did not answer: a read failed, a write may have taken effect."""


class ContendedError(Unavailable):
    """A transaction on the same item was in the way: nothing was written."""


class StreamAdvancedError(Exception):
    """The other stream that a commit depends on has gone further; nothing was written."""

    def __init__(self, key: "StreamVersion") -> None:
        super().__init__("{}: version {} is there already".format(*key))


class CommitTooLargeError(Exception):
    """A commit over DynamoDB's 400 KB for one item; nothing was sent."""


class MalformedCommitError(ValueError):
    """A write that nobody may ask for; nothing was sent (`checks`)."""


class StreamVersion(NamedTuple):
    """A version of a stream, whether or not it is there yet."""

    aggregate_id: str
    version: int


class Page(NamedTuple):
    """Commits of one stream, newest first; *more* says that older ones may exist."""

    commits: Sequence[Commit]
    more: bool


class EventStore(Protocol):
    """The streams: one item a commit."""

    def append(self, commit: Commit, unless: StreamVersion | None = None) -> Commit | None:
        """Writes *commit* if its version is free, in one call.

        Returns None when it was written, else the commit that holds the version. If the
        item would be too large, its snapshot is left out; raises `CommitTooLargeError` if
        it still is. With *unless*, a key in another stream, it is a transaction, which
        also asks that nothing is there; raises `StreamAdvancedError` if something is, and
        `ContendedError` if another call on these items is under way. Raises
        `MalformedCommitError` for a commit that no stream can have.

        One conditional write sees one item, so a hole below the version is not looked for.
        Who appends has read the version before: the command handler, whose load stops at a
        hole, and `Restore`, which puts back what was there. A commit above a hole is held
        back from the log, with an alarm, and `leftfold verify` names it.
        """

    def newest(
        self,
        aggregate_id: str,
        *,
        limit: int | None = None,
        below: int | None = None,
        consistent: bool = False,
    ) -> Page:
        """One page of at most *limit* commits, those with versions under *below*."""

    def range(self, aggregate_id: str, first: int, last: int) -> Sequence[Commit]:
        """The commits *first*..*last* that exist, ascending, read consistently."""

    def scan(
        self, segment: int, segments: int, after: str | None, limit: int
    ) -> tuple[Sequence[tuple[str, int]], str | None]:
        """(aggregate id, version) of up to *limit* items of one of *segments* slices.

        *after* is the mark that the last call returned; a None mark ends the slice.
        """


class EventTable(EventStore, Protocol):
    """The events table as the archiver sees it: the one key where commits can leave it."""

    def page(self, aggregate_id: str, first: int, last: int) -> Sequence[Commit]:
        """The beginning of the commits *first*..*last* that exist: those that fit one answer
        of about a megabyte, ascending, read consistently. It is empty only if none exists.
        """

    def replace(self, held: Commit, by: Commit) -> bool:
        """Puts *by* for version 1 if that still is as *held* was read; False if it is not.

        Raises `MalformedCommitError` if *by* is not version 1 of the stream by the same command.
        """

    def delete(self, tombstone: Commit, versions: Collection[int]) -> bool:
        """Deletes up to 99 *versions* if version 1 still is *tombstone*, or nothing.

        A version that is not there is no mistake; False means that the tombstone is another.
        Raises `MalformedCommitError` for more than 99, or one that the tombstone does not archive.
        """


class Archive(Protocol):
    """Objects that are written once and never changed."""

    def put(self, key: str, data: bytes) -> bool:
        """Writes the object if there is none; False if something is there."""

    def get(self, key: str) -> bytes | None:
        """The object's bytes; None if there is none."""


class Block(NamedTuple):
    """A link of the log: commits at *first_position* .. *next_position* - 1.

    *previous_in_lane* gives, for each lane that the block touches, the position of the
    lane's last commit before the block, or -1.
    """

    first_position: int
    next_position: int
    previous_hash: str
    hash: str
    previous_in_lane: Mapping[int, int]
    commits: Sequence[Commit]


class Head(NamedTuple):
    """The end of the log: where the next block goes, and each lane's last position."""

    next_position: int = 0
    hash: str = ""
    lanes: tuple[int, ...] = (-1,) * LANES


class StreamEntry(NamedTuple):
    """What the log knows of a stream: the version it expects *next*, the *position* of
    the last logged commit, and the epoch that commit belongs to. Versions up to
    *archived_through* are in the archive, and gone from the events table.
    """

    next: int = 1
    position: int = -1
    epoch: int = 1
    archived_through: int = 0


class Segment(NamedTuple):
    """Blocks in the archive: positions *first_position* .. *next_position* - 1, whole at
    *key*, and at *live_key* only the commits whose epoch was live when it was written.

    The hashes are SHA-256 in hex over the objects.
    """

    first_position: int
    next_position: int
    key: str
    hash: str
    live_key: str
    live_hash: str


class Log(Protocol):
    """The one total order, as chained blocks, and the registry of all streams."""

    def head(self) -> Head:
        """The end of the log, read consistently."""

    def streams(self, aggregate_ids: Collection[str]) -> dict[str, StreamEntry]:
        """The registry's entries, read consistently; an unknown stream is left out."""

    def append(
        self,
        block: Block,
        head: Head,
        next_head: Head,
        streams: Mapping[str, tuple[StreamEntry, StreamEntry]],
    ) -> bool:
        """Writes block, head and registry in one transaction, or nothing.

        It holds only if the log's head still is *head* and each stream's `next` is that
        of the first of its two entries; False means that someone was faster. What the
        registry knows of the archive stays as it is.
        """

    def blocks(self, position: int, limit: int | None = None) -> Iterator[Block]:
        """Blocks in order, from the one that holds *position*, read consistently."""

    def registry(self, after: str | None = None) -> Iterator[tuple[str, StreamEntry]]:
        """Every stream that the log knows, in an order of its own; those behind *after*."""

    def mark_archived(self, aggregate_id: str, before: int, through: int) -> bool:
        """Sets `archived_through` to *through* if it still is *before*."""

    def delete(self, first_positions: Collection[int]) -> None:
        """Deletes the blocks that begin there; the head stays."""

    def add_segment(self, segment: Segment) -> bool:
        """Notes where blocks have gone; False if one with that first position is noted."""

    def segments(self) -> Iterator[Segment]:
        """All segments in order, read consistently."""

    def segment_with(self, position: int) -> Segment | None:
        """The segment that holds *position*, if there is one, read consistently."""


class Checkpoints(Protocol):
    """How far each reader has come: the position of the last commit it has done with."""

    def read(self, reader: str, keys: Collection[int]) -> dict[int, int]:
        """Each key's position, read consistently; -1 where there is none.

        A partitioned view has a key for each lane; anything else uses key 0.
        """

    def move(self, reader: str, key: int, old: int, new: int) -> bool:
        """Sets the key to *new* if it still is *old*; False if it is not."""

    def note(self, reader: str) -> str | None:
        """A text that the reader left for its next run, where a position says too little."""

    def write_note(self, reader: str, text: str) -> None:
        """Leaves *text*; the last writer wins, so it may only save work."""


class ParkedStream(NamedTuple):
    """A parked stream: commits from position *first* to *last* wait; *reason* says why."""

    first: int
    last: int
    reason: str


class Parking(Protocol):
    """Streams on which a view or a policy failed: one parked stream for each (reader, stream)."""

    def find(self, view: str, aggregate_ids: Collection[str]) -> dict[str, ParkedStream]:
        """The parked streams of those streams that are parked, read consistently."""

    def park(self, view: str, aggregate_id: str, parked_stream: ParkedStream) -> bool:
        """Parks the stream; False if it is parked already."""

    def extend(self, view: str, aggregate_id: str, last: int) -> bool:
        """Raises the parked stream's *last* to at least *last*; False if there is no parked stream."""

    def release(self, view: str, aggregate_id: str, last: int) -> bool:
        """Removes the parked stream if its *last* still is *last*; False if it is not."""

    def all(self, view: str | None = None) -> Iterator[tuple[str, str, ParkedStream]]:
        """(view, aggregate id, parked stream) of everything parked, or of one view."""


class EffectKey(NamedTuple):
    """The step that decided an effect: a policy, the event that it reacted to, and the name of
    the reaction. Positions of the log are not in it, because a copy of the log has others.
    """

    policy: str
    aggregate_id: str
    version: int
    event_index: int
    name: str


class Planned(NamedTuple):
    """A recorded effect, as it was decided first; *answer* once it is done.

    *mine* says that it is the asker's to send: nobody else will until the claim ends.
    """

    effect: Mapping[str, Any]
    answer: str | None
    mine: bool


class Effects(Protocol):
    """The ledger of effects outside the system: decided once, then done with an answer."""

    def plan(self, key: EffectKey, effect: Mapping[str, Any], owner: str) -> Planned:
        """Records *effect*, unless one is recorded at *key*, and claims it for *owner*.

        A claim ends after `CLAIM`; an owner may claim again what is its own.
        """

    def finish(self, key: EffectKey, answer: str) -> None:
        """Records the *answer*; the first one stays."""


class Waker(Protocol):
    """Wakes functions; a wake may be lost, and nothing depends on one."""

    def wake(self, function: str, wanted: Mapping[str, int] = {}, /) -> None:
        """Asks *function* ("relay", or a reader's name) to look for work, without waiting.

        *wanted* tells the relay the versions of streams that someone waits for.
        """
