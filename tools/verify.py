"""Checks on a deployment what the log promises, from its first position to its last."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from chalicelib.leftfold.kernel import LANES, Commit, lane_of
from chalicelib.leftfold.store.blocks import categories_of, hash_of
from chalicelib.leftfold.store.checks import is_commit_key
from chalicelib.leftfold.store.ports import Block, EventStore, Head, Log, StreamEntry
from tools.polling import Pause, remaining
from tools.texts import counted

PARTS = 8
PAGE = 1_000


class Broken(NamedTuple):
    """A promise that does not hold: which, and where."""

    promise: str
    where: str


@dataclass
class Fold:
    """The log as far as it was read: what its head and its registry should be."""

    next_position: int = 0
    hash: str = ""
    lanes: list[int] = field(default_factory=lambda: [-1] * LANES)
    format: int = 1
    streams: dict[str, StreamEntry] = field(default_factory=dict)

    def take(self, block: Block) -> Iterator[Broken]:
        """Checks *block* against all before it, and goes on from it."""
        where = f"the block at {block.first_position}"
        if block.first_position != self.next_position:
            yield Broken("positions are dense", f"{where} follows {self.next_position - 1}")
        if block.next_position - block.first_position != len(block.commits):
            yield Broken(
                "positions are dense", f"{where} has {counted(len(block.commits), 'commit')}"
            )
        if block.previous_hash != self.hash or hash_of(block) != block.hash:
            yield Broken("the blocks are a chain", where)
        if block.categories != categories_of(block.commits):
            yield Broken("a block names the categories that it holds", where)
        touched = {lane_of(commit.aggregate_id) for commit in block.commits}
        if block.previous_in_lane != {lane: self.lanes[lane] for lane in touched}:
            yield Broken("a block names its lanes' positions before it", where)
        for position, commit in enumerate(block.commits, block.first_position):
            yield from self._commit(position, commit)
        self.next_position, self.hash = block.next_position, block.hash
        self.format = max(self.format, block.format)

    def _commit(self, position: int, commit: Commit) -> Iterator[Broken]:
        where = f"version {commit.version} of {commit.aggregate_id} at {position}"
        expected = self.next_of(commit.aggregate_id)
        if commit.version != expected:
            yield Broken("streams are dense and in order", f"{where}, not {expected}")
        for stream, version in commit.deps:
            if self.next_of(stream) <= version:
                yield Broken("causes come first", f"{where} before {version} of {stream}")
        self.streams[commit.aggregate_id] = StreamEntry(commit.version + 1, position, commit.epoch)
        self.lanes[lane_of(commit.aggregate_id)] = position

    def next_of(self, stream: str) -> int:
        """The version that the log expects next."""
        return self.streams.get(stream, StreamEntry()).next


def every(_stream: str) -> bool:
    """Whether a stream is in the only log: every stream is."""
    return True


def verify(
    events: EventStore,
    log: Log,
    progress: Callable[[int], None],
    pause: Pause = time.sleep,
    own: Callable[[str], bool] = every,
) -> Iterator[Broken]:
    """The promises that are broken, also while commands go on; *progress* is called with each position.

    *own* tells which streams are in this log, where there are others. Commits that are not logged
    yet get 30 s to be. Memory grows with the number of streams, not of commits. Raises `Unavailable`.
    """
    # Read before the log, so that the log must have it by now, or get it soon.
    committed, strays = newest_versions(events)
    for stream, version in strays:
        yield Broken("every item is a commit's", f"version {version} of {stream!r}")
    head = log.head()
    fold = Fold()
    for block in log.blocks(0):
        if block.first_position >= head.next_position:
            break
        yield from fold.take(block)
        yield from otherwise_committed(block, events)
        for commit in block.commits:
            if not own(commit.aggregate_id):
                where = f"version {commit.version} of {commit.aggregate_id}"
                yield Broken("a tenant's commits are in its own log", where)
        progress(fold.next_position)
    if Head(fold.next_position, fold.hash, tuple(fold.lanes), fold.format) != head:
        yield Broken("the head is the log's end", f"at position {fold.next_position}")
    yield from compare_registry(fold, log)
    yield from never_logged({s: v for s, v in committed.items() if own(s)}, fold, log, pause)


def newest_versions(events: EventStore) -> tuple[dict[str, int], list[tuple[str, int]]]:
    """The newest version of every stream in the events table, and keys that no commit has."""
    newest: dict[str, int] = {}
    strays: list[tuple[str, int]] = []
    for part in range(PARTS):
        after: str | None = None
        while True:
            keys, after = events.scan(part, PARTS, after, PAGE)
            for stream, version in keys:
                if is_commit_key(stream, version):
                    newest[stream] = max(version, newest.get(stream, 0))
                else:
                    strays.append((stream, version))
            if after is None:
                break
    return newest, strays


def compare_registry(fold: Fold, log: Log) -> Iterator[Broken]:
    """Entries that the log does not account for; what was logged since is left out."""
    promise = "the registry is the fold of the log"
    missing = set(fold.streams)
    for stream, listed in log.registry():
        missing.discard(stream)
        # The log does not say what is archived.
        entry = listed._replace(archived_through=0)
        if entry.position < fold.next_position and entry != fold.streams.get(stream):
            yield Broken(promise, f"{stream} has {entry}, not {fold.streams.get(stream)}")
    for stream in sorted(missing):
        yield Broken(promise, f"{stream} is not in it")


def otherwise_committed(block: Block, events: EventStore) -> Iterator[Broken]:
    """Commits of the log that are not in their streams, or not as they are logged."""
    logged: dict[str, list[Commit]] = {}
    for commit in block.commits:
        logged.setdefault(commit.aggregate_id, []).append(commit)
    for stream, commits in logged.items():
        stored = {
            commit.version: commit.line
            for commit in events.range(stream, commits[0].version, commits[-1].version)
        }
        for commit in commits:
            if stored.get(commit.version) != commit.line:
                where = f"version {commit.version} of {stream}"
                yield Broken("what is logged is committed", where)


def never_logged(committed: dict[str, int], fold: Fold, log: Log, pause: Pause) -> Iterator[Broken]:
    """Streams whose commits are older than the check and still are not logged."""
    late = {stream for stream, version in committed.items() if fold.next_of(stream) <= version}

    def unlogged() -> dict[str, int]:
        """The version that the log lacks, of each stream that it lacks one of."""
        entries = log.streams(late)
        following = {stream: entries.get(stream, StreamEntry()).next for stream in late}
        return {s: version for s, version in following.items() if version <= committed[s]}

    for stream, version in sorted(remaining(unlogged, pause).items()):
        yield Broken("what is committed is logged", f"{stream} from version {version}")
