"""Adapters of the ports over dicts, for simulations and tests. They are no mocks.

Each call is atomic, also among threads, and takes effect at once. Tests wrap an adapter to
make it fail.
"""

import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from threading import Lock
from typing import Any
from zlib import crc32

from chalicelib.leftfold.kernel import Bar, Commit
from chalicelib.leftfold.store.blocks import limited
from chalicelib.leftfold.store.checks import (
    check_append,
    check_bar,
    check_copy,
    check_delete,
    check_replace,
)
from chalicelib.leftfold.store.events import (
    commit_from_item,
    fitting_item,
    is_surely_small,
    item_of,
    item_size,
)
from chalicelib.leftfold.store.ports import (
    CLAIM,
    SECRET_BYTES,
    BarredError,
    Block,
    EffectKey,
    Head,
    Page,
    ParkedStream,
    Planned,
    Segment,
    StreamAdvancedError,
    StreamEntry,
    StreamVersion,
)

# The size of one answer, as with DynamoDB.
PAGE_BYTES = 1024 * 1024


class OwnLock:
    """The lock of one adapter. A deep copy of the adapter gets a lock of its own."""

    def __init__(self) -> None:
        self._lock = Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def __deepcopy__(self, _: object) -> "OwnLock":
        return OwnLock()


class Unread:
    """A commit that was written and not read yet, so not decoded. Raises `CommitTooLargeError`.

    Its item is made at once if it may be too large, and is kept only if the commit has a snapshot or
    progress, which a writer might change: all else is in the commit as text, or cannot change.
    """

    __slots__ = ("_commit", "_item")

    def __init__(self, commit: Commit) -> None:
        item = None if is_surely_small(commit) else fitting_item(commit)
        self._commit = commit
        self._item = item if commit.snapshot or commit.progress else None

    def read(self) -> Commit:
        """The commit as its item says it."""
        return commit_from_item(self._item or fitting_item(self._commit))


class MemoryEvents:
    """`GenerationTable` in memory. Commits pass through their items, so encoding and limits are real."""

    def __init__(self) -> None:
        # By stream and version: a Bar, a Commit, or what `Unread` keeps of one that nobody has read.
        self._streams: dict[str, dict[int, Any]] = {}
        self._lock = OwnLock()

    def _at(self, aggregate_id: str, version: int) -> Any:
        """The Commit or Bar at this key, or None. A commit is decoded once, when it is read first."""
        found = self._streams.get(aggregate_id, {}).get(version)
        if isinstance(found, Unread):
            found = self._streams[aggregate_id][version] = found.read()
        return found

    def everything(self) -> dict[str, dict[int, Any]]:
        """What is stored, by stream and version, for whoever compares or changes it by hand."""
        for aggregate_id, stream in self._streams.items():
            for version in stream:
                self._at(aggregate_id, version)
        return self._streams

    def append(self, commit: Commit, unless: StreamVersion | None = None) -> Commit | None:
        check_append(commit, unless)
        written = Unread(commit)
        with self._lock:
            stream = self._streams.setdefault(commit.aggregate_id, {})
            if commit.version in stream:
                return holder(self._at(commit.aggregate_id, commit.version))
            if unless and unless.version in self._streams.get(unless.aggregate_id, {}):
                raise StreamAdvancedError(unless)
            stream[commit.version] = written
            return None

    def newest(
        self,
        aggregate_id: str,
        *,
        limit: int | None = None,
        below: int | None = None,
        consistent: bool = False,  # noqa: ARG002 - memory has one replica
    ) -> Page:
        with self._lock:
            stream = self._streams.get(aggregate_id, {})
            versions = sorted((v for v in stream if below is None or v < below), reverse=True)
            taken = [self._at(aggregate_id, v) for v in versions[:limit]]
            bar = next((item for item in taken[:1] if isinstance(item, Bar)), None)
            return Page(commits_in(taken), more=len(taken) < len(versions), bar=bar)

    def range(self, aggregate_id: str, first: int, last: int) -> Sequence[Commit]:
        with self._lock:
            stream = self._streams.get(aggregate_id, {})
            chosen = [v for v in sorted(stream) if first <= v <= last]
            return commits_in(self._at(aggregate_id, v) for v in chosen)

    def page(self, aggregate_id: str, first: int, last: int) -> Sequence[Commit]:
        found = self.range(aggregate_id, first, last)
        sizes = accumulate(item_size(item_of(commit)) for commit in found)
        fitting = sum(size <= PAGE_BYTES for size in sizes)
        return found[: max(1, fitting)]

    def scan(
        self, part: int, parts: int, after: str | None, limit: int
    ) -> tuple[Sequence[tuple[str, int]], str | None]:
        with self._lock:
            keys = sorted(
                (aggregate_id, version)
                for index, aggregate_id in enumerate(sorted(self._streams))
                if index % parts == part
                for version, item in self._streams[aggregate_id].items()
                if not isinstance(item, Bar)
            )
            start = 0 if after is None else int(after)
            page = keys[start : start + limit]
            end = start + len(page)
            return page, str(end) if end < len(keys) else None

    def replace(self, old: Commit, new: Commit) -> bool:
        check_replace(old, new)
        with self._lock:
            if not is_still(self._at(old.aggregate_id, old.version), old):
                return False
            self._streams[old.aggregate_id][old.version] = Unread(new)
            return True

    def delete(self, tombstone: Commit, versions: Collection[int]) -> bool:
        check_delete(tombstone, versions)
        with self._lock:
            if not is_still(self._at(tombstone.aggregate_id, tombstone.version), tombstone):
                return False
            for version in versions:
                self._streams[tombstone.aggregate_id].pop(version, None)
            return True

    def put_copy(self, copy: Commit, over: Bar | None = None) -> Commit | None:
        check_copy(copy, over)
        written = Unread(copy)
        with self._lock:
            stream = self._streams.setdefault(copy.aggregate_id, {})
            if stream.get(copy.version, over) != over:
                return holder(self._at(copy.aggregate_id, copy.version))
            stream[copy.version] = written
            return None

    def bar(self, bar: Bar) -> bool:
        check_bar(bar)
        with self._lock:
            stream = self._streams.setdefault(bar.aggregate_id, {})
            return stream.setdefault(bar.version, bar) is bar

    def mark(self, aggregate_id: str, version: int, switch: int) -> bool:
        check_bar(Bar(aggregate_id, version, switch))
        with self._lock:
            found = self._at(aggregate_id, version)
            if not isinstance(found, Commit) or found.kind != "copy":
                return False
            self._streams[aggregate_id][version] = found._replace(mark=switch)
            return True

    def remove_bar(self, bar: Bar) -> bool:
        with self._lock:
            stream = self._streams.get(bar.aggregate_id, {})
            if stream.get(bar.version) != bar:
                return False
            del stream[bar.version]
            return True


def holder(item: Commit | Bar) -> Commit:
    """The commit that has a key already. Raises `BarredError` if a bar has it."""
    if isinstance(item, Bar):
        raise BarredError(item)
    return item


def commits_in(items: Iterable[Commit | Bar]) -> list[Commit]:
    """The commits among *items*."""
    return [item for item in items if isinstance(item, Commit)]


def is_still(found: Commit | Bar | None, expected: Commit) -> bool:
    """Whether version 1 is as it was read."""
    return isinstance(found, Commit) and (found.command_id, found.archive) == (
        expected.command_id,
        expected.archive,
    )


class MemoryArchive:
    """`Archive` in memory."""

    def __init__(self) -> None:
        self._objects: dict[str, bytearray] = {}

    def put(self, key: str, data: bytes) -> bool:
        # Two equal values of type bytes can be one object, two bytearrays cannot.
        own = bytearray(data)
        return self._objects.setdefault(key, own) is own

    def get(self, key: str) -> bytes | None:
        data = self._objects.get(key)
        return None if data is None else bytes(data)


class MemoryLog:
    """`Log` in memory. Logs of one truth are given the same registry, *streams*."""

    def __init__(self, streams: dict[str, StreamEntry] | None = None) -> None:
        self._head = Head()
        # Who has claimed the head, and until when.
        self._claim: tuple[str, datetime] | None = None
        # Links, which are blocks without their bodies.
        self._links: list[Block] = []
        self._bodies: dict[tuple[int, str], Block] = {}
        self._streams: dict[str, StreamEntry] = {} if streams is None else streams
        # Those of the registry that are of this log, where it is shared.
        self._own: set[str] | None = None if streams is None else set()
        self._segments: dict[int, Segment] = {}
        self._lock = OwnLock()

    def head(self) -> Head:
        with self._lock:
            return self._head

    def streams(self, aggregate_ids: Collection[str]) -> dict[str, StreamEntry]:
        with self._lock:
            return {id_: self._streams[id_] for id_ in aggregate_ids if id_ in self._streams}

    def claim(self, owner: str, now: datetime, until: datetime) -> Head | None:
        with self._lock:
            if self._head == Head():
                return self._head
            if self._claim and self._claim[0] != owner and self._claim[1] >= now:
                return None
            self._claim = owner, until
            return self._head._replace(claimed=owner)

    def put_body(self, block: Block) -> None:
        with self._lock:
            self._bodies[block.first_position, block.hash] = block

    def append(
        self,
        block: Block,
        head: Head,
        next_head: Head,
        streams: Mapping[str, tuple[StreamEntry, StreamEntry]],
    ) -> bool:
        with self._lock:
            entries = {id_: self._streams.get(id_, StreamEntry()) for id_ in streams}
            claimed = self._claim[0] if self._claim else ""
            if head != self._head._replace(claimed=claimed) or any(
                entries[id_].next != before.next for id_, (before, _) in streams.items()
            ):
                return False
            self._head, self._claim = next_head, None
            self._links.append(block._replace(previous_in_lane={}, commits=()))
            if self._own is not None:
                self._own.update(streams)
            for id_, (_, after) in streams.items():
                self._streams[id_] = after._replace(archived_through=entries[id_].archived_through)
            return True

    def blocks(
        self, position: int, limit: int | None = None, heard: Collection[str] | None = None
    ) -> Iterator[Block]:
        with self._lock:
            found = [link for link in self._links if link.next_position > position]
            found = [b for link in found if (b := self._whole(link, heard)) is not None]
        yield from limited(found, limit)

    def _whole(self, link: Block, heard: Collection[str] | None) -> Block | None:
        """The block of a link, without its commits if none is *heard*; None if they are deleted."""
        if heard is not None and not set(heard).intersection(link.categories):
            return link
        body = self._bodies.get((link.first_position, link.hash))
        if body is None:
            return None
        return link._replace(previous_in_lane=body.previous_in_lane, commits=body.commits)

    def registry(
        self,
        after: str | None = None,
        *,
        part: int = 0,
        parts: int = 1,
        every_log: bool = False,
    ) -> Iterator[tuple[str, StreamEntry]]:
        with self._lock:
            own = self._streams if self._own is None or every_log else self._own
            found = [
                (id_, self._streams[id_])
                for id_ in sorted(own)
                if id_ > (after or "") and crc32(id_.encode()) % parts == part
            ]
        yield from found

    def mark_archived(self, aggregate_id: str, before: int, through: int) -> bool:
        with self._lock:
            entry = self._streams.get(aggregate_id)
            if entry is None or entry.archived_through != before:
                return False
            self._streams[aggregate_id] = entry._replace(archived_through=through)
            return True

    def mend(self, head: Head, streams: Mapping[str, StreamEntry | None]) -> None:
        with self._lock:
            self._head, self._claim = head, None
            for id_, entry in streams.items():
                self._streams.pop(id_, None)
                if entry is not None:
                    self._streams[id_] = entry
            if self._own is not None:
                self._own = (self._own | streams.keys()) & self._streams.keys()

    def delete(self, first_positions: Collection[int]) -> None:
        with self._lock:
            gone = set(first_positions)
            self._bodies = {key: body for key, body in self._bodies.items() if key[0] not in gone}
            self._links = [link for link in self._links if link.first_position not in gone]

    def add_segment(self, segment: Segment) -> bool:
        with self._lock:
            if segment.first_position in self._segments:
                return False
            self._segments[segment.first_position] = segment
            return True

    def segments(self) -> Iterator[Segment]:
        with self._lock:
            found = [segment for _, segment in sorted(self._segments.items())]
        yield from found

    def segment_with(self, position: int) -> Segment | None:
        holding = (s for s in self.segments() if s.first_position <= position < s.next_position)
        return next(holding, None)


class MemoryCheckpoints:
    """`Checkpoints` in memory."""

    def __init__(self) -> None:
        self._positions: dict[tuple[str, int], int] = {}
        self._notes: dict[str, str] = {}
        self._lock = OwnLock()

    def read(self, reader: str, keys: Collection[int]) -> dict[int, int]:
        with self._lock:
            return {key: self._positions.get((reader, key), -1) for key in keys}

    def begin(self, reader: str, key: int, position: int) -> int:
        with self._lock:
            return self._positions.setdefault((reader, key), position)

    def move(self, reader: str, key: int, old: int, new: int) -> bool:
        with self._lock:
            if self._positions.get((reader, key), -1) != old:
                return False
            self._positions[reader, key] = new
            return True

    def note(self, reader: str) -> str | None:
        with self._lock:
            return self._notes.get(reader)

    def write_note(self, reader: str, text: str) -> None:
        with self._lock:
            self._notes[reader] = text


class MemoryParking:
    """`Parking` in memory."""

    def __init__(self) -> None:
        self._parked: dict[tuple[str, str], ParkedStream] = {}
        self._lock = OwnLock()

    def find(self, view: str, aggregate_ids: Collection[str]) -> dict[str, ParkedStream]:
        with self._lock:
            return {
                aggregate_id: self._parked[view, aggregate_id]
                for aggregate_id in aggregate_ids
                if (view, aggregate_id) in self._parked
            }

    def park(self, view: str, aggregate_id: str, parked_stream: ParkedStream) -> bool:
        with self._lock:
            if (view, aggregate_id) in self._parked:
                return False
            self._parked[view, aggregate_id] = parked_stream
            return True

    def extend(self, view: str, aggregate_id: str, last: int) -> bool:
        with self._lock:
            parked = self._parked.get((view, aggregate_id))
            if parked is None:
                return False
            self._parked[view, aggregate_id] = parked._replace(last=max(parked.last, last))
            return True

    def release(self, view: str, aggregate_id: str, last: int) -> bool:
        with self._lock:
            parked = self._parked.get((view, aggregate_id))
            if parked is None or parked.last != last:
                return False
            del self._parked[view, aggregate_id]
            return True

    def all(self, view: str | None = None) -> Iterator[tuple[str, str, ParkedStream]]:
        with self._lock:
            found = list(self._parked.items())
        for (parking_view, aggregate_id), parked_stream in found:
            if view in (None, parking_view):
                yield parking_view, aggregate_id, parked_stream


@dataclass
class StoredEffect:
    """A record of the ledger of effects in memory. Its claim by *owner* ends at *until*."""

    effect: Mapping[str, Any]
    owner: str
    until: datetime
    answer: str | None = None


class MemoryEffects:
    """`Effects` in memory, over *stored*; *now* gives the time of a claim."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.stored: dict[EffectKey, StoredEffect] = {}
        self._now = now
        self._lock = OwnLock()

    def plan(self, key: EffectKey, effect: Mapping[str, Any], owner: str) -> Planned:
        with self._lock:
            now = self._now()
            stored = self.stored.setdefault(key, StoredEffect(effect, owner, now + CLAIM))
            mine = stored.answer is None and (stored.owner == owner or stored.until < now)
            if mine:
                stored.owner, stored.until = owner, now + CLAIM
            return Planned(stored.effect, stored.answer, mine=mine)

    def finish(self, key: EffectKey, answer: str) -> None:
        with self._lock:
            stored = self.stored[key]
            stored.answer = stored.answer or answer

    def find(self, key: EffectKey) -> Planned | None:
        with self._lock:
            stored = self.stored.get(key)
            return None if stored is None else Planned(stored.effect, stored.answer, mine=False)


class MemorySecrets:
    """`Secrets` in memory."""

    def __init__(self) -> None:
        self._made: dict[str, bytes] = {}

    def secret(self, name: str) -> bytes:
        return self._made.setdefault(name, secrets.token_bytes(SECRET_BYTES))


class MemorySeats:
    """`Seats` in memory."""

    def __init__(self) -> None:
        self._taken: dict[str, dict[int, tuple[str, int]]] = {}
        self._lock = OwnLock()

    def take(
        self, room: str, seat: int, holder: str, now: int, until: int
    ) -> Mapping[int, int] | None:
        with self._lock:
            taken = self._taken.setdefault(room, {})
            holding, end = taken.get(seat, (holder, 0))
            if holding != holder and end >= now:
                return {number: end for number, (_, end) in taken.items()}
            taken[seat] = (holder, until)
            return None

    def leave(self, room: str, seat: int, holder: str) -> None:
        with self._lock:
            taken = self._taken.get(room, {})
            if taken.get(seat, ("", 0))[0] == holder:
                del taken[seat]


class MemoryRequestCounts:
    """`RequestCounts` in memory."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, int], int] = {}
        self._lock = OwnLock()

    def add(self, tenant: str, window: int, count: int) -> int:
        with self._lock:
            total = self._counts.get((tenant, window), 0) + count
            self._counts[tenant, window] = total
            return total
