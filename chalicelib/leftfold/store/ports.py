"""The ports of the engine to its storage: small protocols, each with a contract suite.

Every adapter raises `Unavailable` if the storage is throttled, fails or does not answer in
time. After a write nobody knows then whether it took effect. An adapter raises
`CallRefusedError` if the storage refuses the call for good. No error of botocore or
opensearchpy passes a port.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

from chalicelib.leftfold.kernel import LANES, Bar, Commit

# The name of the log in a deployment that has one. A log's name is in the keys of all its items.
MAIN = "main"

# The newest format of a block and of the log's head that this engine knows.
BLOCK_FORMAT = 1

# So many blocks without their commits count as one block with them, in the limit of a read.
PASSED = 32

# Longer than it takes to send an e-mail: the owner of an older claim has died.
CLAIM = timedelta(seconds=30)


class Unavailable(Exception):  # noqa: N818 - the name says how the storage is
    """The storage did not answer: a read has failed, a write may have taken effect."""


class ContendedError(Unavailable):
    """Another transaction on the same items was under way. Nothing was written."""


class CallRefusedError(Exception):
    """A service refused a call for a lasting reason, such as a missing permission or table.

    The same call would be refused again. *code* is the service's name of the error.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class StreamAdvancedError(Exception):
    """The other stream that a commit depends on has advanced. Nothing was written."""

    def __init__(self, key: "StreamVersion") -> None:
        super().__init__("the stream {} has version {} already".format(*key))


class BarredError(Exception):
    """A bar has the key of a commit: another generation owns the stream. Nothing was written."""

    def __init__(self, bar: Bar) -> None:
        super().__init__(f"{bar.aggregate_id} has the bar of switch {bar.switch} at {bar.version}")
        self.bar = bar


class CommitTooLargeError(Exception):
    """A commit is larger than DynamoDB's 400 KB for one item. Nothing was sent."""


class MalformedCommitError(ValueError):
    """The arguments of a write are wrong (`checks`). Nothing was sent."""


class StreamVersion(NamedTuple):
    """The key of a commit, whether or not the commit exists yet."""

    aggregate_id: str
    version: int


class Page(NamedTuple):
    """Commits of one stream, newest first; *more* says that older ones may exist. *bar* is the bar
    behind them, if there is one and the page begins with the newest item.
    """

    commits: Sequence[Commit]
    more: bool
    bar: Bar | None = None


class Streams(Protocol):
    """The commits of streams, to read."""

    def newest(
        self,
        aggregate_id: str,
        *,
        limit: int | None = None,
        below: int | None = None,
        consistent: bool = False,
    ) -> Page:
        """One page of at most *limit* items with versions below *below*, newest first."""

    def range(self, aggregate_id: str, first: int, last: int) -> Sequence[Commit]:
        """The commits *first*..*last* that exist, ascending, read consistently."""


class EventStore(Streams, Protocol):
    """The streams. Each commit is one item."""

    def append(self, commit: Commit, unless: StreamVersion | None = None) -> Commit | None:
        """Writes *commit* if its version is free, in one call.

        Returns None if it was written, or else the commit that has the version already. An
        item that would be too large is written without its snapshot. Raises
        `CommitTooLargeError` if it still is too large, `MalformedCommitError` for a commit
        that no stream can contain, and `BarredError` if a bar has the version.

        *unless* is a key in another stream. With it the append is a transaction, which also
        requires that no commit and no bar has that key. It raises `StreamAdvancedError` if one has, and
        `ContendedError` if another call on these items is under way.

        A conditional write sees one item, so `append` does not notice a hole below the
        version. Its callers have read the version before: the command handler, whose load
        stops at a hole, and `Restore`, which puts archived commits back. The relay does not
        log a commit above a hole and raises an alarm, and `leftfold verify` names the stream.
        """

    def scan(
        self, part: int, parts: int, after: str | None, limit: int
    ) -> tuple[Sequence[tuple[str, int]], str | None]:
        """The keys, (aggregate id, version), of up to *limit* items of one of *parts* parts,
        without those of bars.

        Also returns where the page ends: the next call takes it as *after*. It is None at the
        end of the part.
        """


class EventTable(EventStore, Protocol):
    """The events table for the archiver, which alone deletes commits from it."""

    def page(self, aggregate_id: str, first: int, last: int) -> Sequence[Commit]:
        """The first of the commits *first*..*last* that exist, as many as fit into an answer of
        about a megabyte, ascending, read consistently. It is empty only if none exists.
        """

    def replace(self, old: Commit, new: Commit) -> bool:
        """Writes *new* over version 1 if that still is *old*; False if it is not.

        Raises `MalformedCommitError` if *new* is not version 1 of the same stream and command.
        """

    def delete(self, tombstone: Commit, versions: Collection[int]) -> bool:
        """Deletes up to 99 *versions* if version 1 still is *tombstone*; else False, and nothing.

        A version that does not exist is no error. Raises `MalformedCommitError` for more than
        99 versions, or for one that the tombstone does not cover.
        """


class GenerationTable(EventTable, Protocol):
    """The events table for those who hand streams from one generation to another (docs/adr/0028)."""

    def put_copy(self, copy: Commit, over: Bar | None = None) -> Commit | None:
        """Writes *copy* if its key is free, or still has the bar *over*.

        Returns and raises as `append` does.
        """

    def bar(self, bar: Bar) -> bool:
        """Puts the bar if its key is free; False if a commit or another bar has it."""

    def mark(self, aggregate_id: str, version: int, switch: int) -> bool:
        """Marks the copy at this key with the number of a switch; False if there is no copy."""

    def remove_bar(self, bar: Bar) -> bool:
        """Takes the bar away if it still is this one; False if it is not."""


class Archive(Protocol):
    """Objects that are written once and never changed."""

    def put(self, key: str, data: bytes) -> bool:
        """Writes the object if there is none under *key*; False if there is one."""

    def get(self, key: str) -> bytes | None:
        """The object's bytes; None if there is none."""


class Block(NamedTuple):
    """A block of the log: the commits at *first_position* .. *next_position* - 1.

    The *commits*, with *previous_in_lane*, are the block's body. All else is its link in the
    chain. *previous_in_lane* gives, for each lane that the block touches, the position of the
    lane's last commit before the block, or -1. *categories* are those of the commits, sorted.
    *hash* covers the hash of the block before, and all of the block.
    """

    first_position: int
    next_position: int
    previous_hash: str
    hash: str
    categories: tuple[str, ...]
    previous_in_lane: Mapping[int, int]
    commits: Sequence[Commit]
    format: int = BLOCK_FORMAT


class Head(NamedTuple):
    """The end of the log: the next position, the last block's hash, each lane's last position.

    *format* is the highest of all blocks before it: an engine that does not know one of them
    appends nothing behind it. *claimed* is the name under which the caller has claimed the head,
    if it has (`Log.claim`).
    """

    next_position: int = 0
    hash: str = ""
    lanes: tuple[int, ...] = (-1,) * LANES
    format: int = 1
    claimed: str = ""


class StreamEntry(NamedTuple):
    """The registry's entry of a stream.

    *next* is the version that is logged next. *position* and *epoch* are those of the last
    logged commit. Versions up to *archived_through* are in the archive, and are deleted from
    the events table.
    """

    next: int = 1
    position: int = -1
    epoch: int = 1
    archived_through: int = 0


class Segment(NamedTuple):
    """An archived segment: the blocks of the positions *first_position* .. *next_position* - 1.

    The object at *key* contains the whole blocks. The object at *live_key* contains only the
    commits whose epoch was live when it was written. The hashes are SHA-256 in hex over the
    objects.
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
        """The registry's entries, read consistently; an unknown stream is left out.

        The registry is the same for all logs of a truth, and each stream is in one of them.
        """

    def claim(self, owner: str, now: datetime, until: datetime) -> Head | None:
        """Claims the head for *owner* until then, and returns it; None if another has a claim.

        Whoever has not claimed a head that is claimed cannot append to it, so relays that race
        take turns. The next append ends the claim. A claim that has ended at *now* may be taken
        over: clocks decide who waits, never what is written. An empty log cannot be claimed.
        """

    def put_body(self, block: Block) -> None:
        """Puts the body of *block* under its position and hash, where no reader looks for it yet.

        Whoever appends a block has put its body before. A body whose block was not appended is
        an orphan: it stays until the blocks at its position are deleted.
        """

    def append(
        self,
        block: Block,
        head: Head,
        next_head: Head,
        streams: Mapping[str, tuple[StreamEntry, StreamEntry]],
    ) -> bool:
        """Writes the block's link, head and registry in one transaction, or nothing.

        The transaction's condition: the log's head still is *head*, claimed as it says or not at
        all, and each stream's `next`
        is that of the first of its two entries. False means that another relay was faster.
        An entry's `archived_through` stays as it is.
        """

    def blocks(
        self, position: int, limit: int | None = None, heard: Collection[str] | None = None
    ) -> Iterator[Block]:
        """Blocks in order, from the one that holds *position*, read consistently.

        A block of whose categories none is *heard* may come without its commits. *limit* is a
        number of blocks; a read also ends after `PASSED` times as many without commits. A
        block whose body is deleted is left out: it is in a segment.
        """

    def registry(
        self,
        after: str | None = None,
        *,
        part: int = 0,
        parts: int = 1,
        every_log: bool = False,
    ) -> Iterator[tuple[str, StreamEntry]]:
        """Every stream of this log in the registry, or of *every_log* of the truth, in an order of its
        own; with *after*, those behind it.

        Only one of *parts* parts is read. A stream is in one of them for as long as there are so
        many, and *after* is a stream of the same part. So whoever notes where it stands in a part
        notes the number of parts, too.
        """

    def mark_archived(self, aggregate_id: str, before: int, through: int) -> bool:
        """Sets `archived_through` to *through* if it still is *before*."""

    def mend(self, head: Head, streams: Mapping[str, StreamEntry | None]) -> None:
        """Sets the head, and entries of the registry, whatever they are; None takes an entry away.

        Only for tables that nobody else uses, such as restored ones: nothing is compared.
        """

    def delete(self, first_positions: Collection[int]) -> None:
        """Deletes the blocks that begin at these positions, with all bodies there, orphans too.

        The bodies of a block go before its link, so a delete that was killed can go on. The
        head stays.
        """

    def add_segment(self, segment: Segment) -> bool:
        """Adds the segment to the list; False if one with its first position is listed."""

    def segments(self) -> Iterator[Segment]:
        """All segments in order, read consistently."""

    def segment_with(self, position: int) -> Segment | None:
        """The segment that holds *position*, if there is one, read consistently."""


class Checkpoints(Protocol):
    """The position up to which each reader has done everything, for each of its checkpoint keys."""

    def read(self, reader: str, keys: Collection[int]) -> dict[int, int]:
        """Each key's position, read consistently; -1 where there is none.

        A partitioned view has a key for each lane; anything else uses key 0.
        """

    def begin(self, reader: str, key: int, position: int) -> int:
        """Sets the key to *position* if it was never set; the position at which it is."""

    def move(self, reader: str, key: int, old: int, new: int) -> bool:
        """Sets the key to *new* if it still is *old*; False if it is not."""

    def note(self, reader: str) -> str | None:
        """The text that the reader left for its next run; None if there is none."""

    def write_note(self, reader: str, text: str) -> None:
        """Leaves *text* for the next run. The last writer wins, so a note may only save work."""


class ParkedStream(NamedTuple):
    """A parked stream: commits from position *first* to *last* wait; *reason* says why."""

    first: int
    last: int
    reason: str


class Parking(Protocol):
    """Streams on which a view or a policy has failed. *view* is the name of either."""

    def find(self, view: str, aggregate_ids: Collection[str]) -> dict[str, ParkedStream]:
        """The parked streams among *aggregate_ids*, read consistently."""

    def park(self, view: str, aggregate_id: str, parked_stream: ParkedStream) -> bool:
        """Parks the stream; False if it is parked already."""

    def extend(self, view: str, aggregate_id: str, last: int) -> bool:
        """Raises the parked stream's *last* to at least *last*; False if the stream is not parked."""

    def release(self, view: str, aggregate_id: str, last: int) -> bool:
        """Ends the parking if the parked stream's *last* still is *last*; False if it is not."""

    def all(self, view: str | None = None) -> Iterator[tuple[str, str, ParkedStream]]:
        """(view, aggregate id, parked stream) of all parked streams, or of those of one view."""


class EffectKey(NamedTuple):
    """The key of an effect: the policy, the event that it reacted to, and the name of the
    reaction. A position of the log is not part of it, because a copy of the log has others.
    """

    policy: str
    aggregate_id: str
    version: int
    event_index: int
    name: str


class Planned(NamedTuple):
    """A recorded effect, as it was decided first. *answer* is None until the effect is done.

    *mine* says that the caller has the claim: until it ends, no other run sends the effect.
    """

    effect: Mapping[str, Any]
    answer: str | None
    mine: bool


class Effects(Protocol):
    """The ledger of effects outside the system: decided once, then done with an answer."""

    def plan(self, key: EffectKey, effect: Mapping[str, Any], owner: str) -> Planned:
        """Records *effect*, unless one is recorded under *key*, and claims it for *owner*.

        A claim ends after `CLAIM`. Its owner may claim it again.
        """

    def finish(self, key: EffectKey, answer: str) -> None:
        """Records the *answer*. Only the first answer counts."""

    def find(self, key: EffectKey) -> Planned | None:
        """What is recorded under *key*, read consistently; None if nothing is. Claims nothing."""


class RequestCounts(Protocol):
    """How many requests each tenant has sent, by the second at which a window began."""

    def add(self, tenant: str, window: int, count: int) -> int:
        """Adds to the count of a window and returns all of it. Raises `Unavailable`."""


class Seats(Protocol):
    """The seats of rooms, numbered from 0. A seat has one holder until that one leaves it, or its time
    is over. All times are in milliseconds. Every method raises `Unavailable`.
    """

    def take(
        self, room: str, seat: int, holder: str, now: int, until: int
    ) -> Mapping[int, int] | None:
        """Gives a seat to *holder* if it is free *now*, or is *holder*'s by a call whose answer was
        lost; then it is free again after *until*. Else it changes nothing and returns after which time
        each seat of the room is free, as far as somebody has it.
        """

    def leave(self, room: str, seat: int, holder: str) -> None:
        """Frees a seat, unless it is *holder*'s no more."""


SECRET_BYTES = 64


class Secrets(Protocol):
    """Random secrets that all processes of a truth share."""

    def secret(self, name: str) -> bytes:
        """`SECRET_BYTES` random bytes: made at the first call, and the same ever after."""


class Waker(Protocol):
    """Wakes functions. A wake may be lost: nothing depends on it."""

    def wake(self, function: str, wanted: Mapping[str, int] = {}, /) -> None:
        """Asks *function* ("relay", or a reader's name) to look for work, without waiting.

        *wanted* gives the relay the versions of streams that a reader waits for, and a reader
        the parked streams that it is to redrive, by their last positions.
        """
