"""Proves a change by workers that may be killed, while both generations are at work.

A proof ends where the logs ended when it began, so every worker reads the same. The later streams
are proved in shards, each by any worker: what it has seen so far is kept in the archive, and the
next one goes on from there. A stream whose sums differ is looked at again in its own items, because
it may have been on its way (docs/adr/0040).
"""

import gzip
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from chalicelib.leftfold.commands.loading import owns
from chalicelib.leftfold.generations.copying import Copying, Truth, end_of, root_of
from chalicelib.leftfold.generations.proof import (
    Invariant,
    Report,
    Sum,
    changed_numbers,
    hashed,
    is_there,
    should_have,
)
from chalicelib.leftfold.kernel import Commit, lane_of
from chalicelib.leftfold.kernel.commit import canonical
from chalicelib.leftfold.kernel.transform import TransformError
from chalicelib.leftfold.store.ports import Archive, Checkpoints, Log, Unavailable
from chalicelib.leftfold.subjects.opening import Opener

READER = "prover"
# Shards of a proof, each with its lanes of later streams; part of a proof's name for its parts.
SHARDS = 8
# What a worker has seen is kept so often in a proof, and at least so many commits lie between.
KEPT, LEAST = 16, 50_000
# Differences of a shard that its result lists, and how often a stream is looked at before it has one.
LISTED, LOOKS = 1_000, 3
COMMITS_AT_ONCE = 100


Root = tuple[str, int]


class NotTheTransformError(Exception):
    """A later stream has what its sources do not become."""


class Proof(NamedTuple):
    """What is proved: all up to where the logs of *giver* and *receiver*, by name, ended when it began.

    *name* is the folder of its parts in the archive, and *switch* the number of the last switch.
    """

    name: str
    switch: int
    giver: Mapping[str, int]
    receiver: Mapping[str, int]

    @property
    def commits(self) -> int:
        """The commits that a worker reads for each shard."""
        return sum(self.giver.values()) + sum(self.receiver.values())


@dataclass
class Seen:
    """What a worker has seen of a shard: the logs of both, by name, before these positions.

    *natives* are the versions that the receiver has made itself, as runs of each stream.
    """

    receiver: dict[str, int] = field(default_factory=dict)
    giver: dict[str, int] = field(default_factory=dict)
    report: Report = field(default_factory=Report)
    states: dict[str, Any] = field(default_factory=dict)
    natives: dict[str, list[list[int]]] = field(default_factory=dict)

    @property
    def commits(self) -> int:
        """How many commits were read."""
        return sum(self.giver.values()) + sum(self.receiver.values())

    def made_here(self, commit: Commit) -> None:
        """Notes a commit that is the receiver's own. A log has those of a stream in order."""
        runs = self.natives.setdefault(commit.aggregate_id, [])
        if runs and runs[-1][1] + 1 == commit.version:
            runs[-1][1] = commit.version
        else:
            runs.append([commit.version, commit.version])

    def is_from_here(self, commit: Commit) -> bool:
        """Whether a commit of the giver is a copy of one that is the receiver's own."""
        stream, version = root_of(commit)
        return any(first <= version <= last for first, last in self.natives.get(stream, ()))

    def packed(self) -> bytes:
        """What was seen, for the archive."""
        return gzip.compress(canonical(asdict(self)).encode(), 1, mtime=0)

    @classmethod
    def unpacked(cls, data: bytes) -> "Seen":
        """The inverse of `packed`."""
        members = json.loads(gzip.decompress(data))
        report = members.pop("report")
        for sums in (report["should"], report["has"]):
            for stream, (commits, events, hash_, numbers) in sums.items():
                sums[stream] = Sum(commits, events, hash_, tuple(numbers))
        return cls(report=Report(**report), **members)


@dataclass
class Found:
    """What a proof, or one shard of it, has found.

    *total* sums the later streams. *settled* streams differed in the logs and were the same when
    they were looked at again; those *under_way* lack commits that they are still to get.
    """

    streams: int = 0
    total: Sum = field(default_factory=Sum)
    earlier_streams: int = 0
    earlier_commits: int = 0
    earlier_events: int = 0
    dropped: int = 0
    native: int = 0
    settled: int = 0
    under_way: int = 0
    before: dict[str, int] = field(default_factory=dict)
    after: dict[str, int] = field(default_factory=dict)
    differing: int = 0
    differences: list[str] = field(default_factory=list)

    def __add__(self, other: "Found") -> "Found":
        return Found(
            self.streams + other.streams,
            self.total + other.total,
            self.earlier_streams + other.earlier_streams,
            self.earlier_commits + other.earlier_commits,
            self.earlier_events + other.earlier_events,
            self.dropped + other.dropped,
            self.native + other.native,
            self.settled + other.settled,
            self.under_way + other.under_way,
            added(self.before, other.before),
            added(self.after, other.after),
            self.differing + other.differing,
            [*self.differences, *other.differences],
        )

    def all_differences(self) -> list[str]:
        """Everything that is not as it should be, in words; of streams a limited number."""
        return [*self.differences, *changed_numbers(self.before, self.after)]

    @classmethod
    def from_json(cls, text: str | bytes) -> "Found":
        """The inverse of its canonical JSON."""
        members = json.loads(text)
        commits, events, hash_, numbers = members.pop("total")
        return cls(total=Sum(commits, events, hash_, tuple(numbers)), **members)


def added(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    """The sums of two mappings, by name."""
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}


@dataclass(frozen=True)
class Prover:
    """Proves that the receiver of *copying* is the transform of its giver.

    *checkpoints* are the later generation's, and *archive* is where parts and results are kept.
    *opener* opens personal data of both: what a transform has touched is sealed again, into another
    text. *pause* waits before a stream is looked at again. Every call raises `Unavailable`.
    """

    copying: Copying
    invariants: Mapping[str, Invariant]
    opener: Opener
    archive: Archive
    checkpoints: Checkpoints
    pause: Callable[[int], None]

    def begun(self, name: str, switch: int, *, afresh: bool = False) -> Proof:
        """The proof that is under way for this switch, or a new one of this *name*."""
        text = self.checkpoints.note(READER)
        noted = Proof(**json.loads(text)) if text else None
        if noted is not None and noted.switch == switch and not afresh:
            return noted
        # The receiver is read first: what its log has, the giver's has too, unless it is its own.
        receiver = ends_of(self.copying.receiver)
        proof = Proof(name, switch, ends_of(self.copying.giver), receiver)
        self.checkpoints.write_note(READER, canonical(proof._asdict()))
        return proof

    def ended(self) -> None:
        """The next proof is a new one."""
        self.checkpoints.write_note(READER, "")

    def found(self, proof: Proof) -> Found | None:
        """What all shards have found; None while one is not proved."""
        total = Found()
        for shard in range(SHARDS):
            data = self.archive.get(result_key(proof, shard))
            if data is None:
                return None
            total += Found.from_json(data)
        return total

    def run(
        self,
        proof: Proof,
        shard: int,
        goes_on: Callable[[], bool] = lambda: True,
        told: Callable[[int], object] = lambda _commits: None,
    ) -> bool:
        """Proves a shard, from where the last worker has left it, until *goes_on* says no.

        Whether its result is kept. Two workers at one shard do no harm. *told* gets the number of
        commits of each block, once it was read.
        """
        if self.archive.get(result_key(proof, shard)) is not None:
            return True
        seen = self._kept(proof, shard)
        told(seen.commits)
        every = max(LEAST, proof.commits // KEPT)
        since = 0
        for commits in self._read(proof, shard, seen):
            told(commits)
            since += commits
            stops = not goes_on()
            if stops or since >= every:
                self._keep(proof, shard, seen)
                since = 0
            if stops:
                return False
        found = self._found(seen)
        self.archive.put(result_key(proof, shard), canonical(asdict(found)).encode())
        return True

    def _kept(self, proof: Proof, shard: int) -> Seen:
        """What the last worker at this shard has kept."""
        note = self.checkpoints.note(f"{READER}-{shard}")
        kept = json.loads(note) if note else {}
        data = self.archive.get(kept["key"]) if kept.get("proof") == proof.name else None
        if data is not None:
            return Seen.unpacked(data)
        return Seen(report=Report(before=dict.fromkeys(self.invariants, 0)))

    def _keep(self, proof: Proof, shard: int, seen: Seen) -> None:
        # Every worker sees the same up to these positions, so whoever has kept it, has kept this.
        read = f"{sum(seen.receiver.values())}-{sum(seen.giver.values())}"
        key = f"{proof.name}/shard-{shard}/{read}.json.gz"
        self.archive.put(key, seen.packed())
        note = {"proof": proof.name, "key": key}
        self.checkpoints.write_note(f"{READER}-{shard}", canonical(note))

    def _read(self, proof: Proof, shard: int, seen: Seen) -> Iterator[int]:
        """Reads the logs of both on; the commits of each block, once *seen* has them."""
        giver, receiver = self.copying.giver, self.copying.receiver
        for name, end in proof.receiver.items():
            for following, commits in between(receiver.logs[name], seen.receiver.get(name, 0), end):
                self._take_receiver(shard, seen, commits)
                read, seen.receiver[name] = following - seen.receiver.get(name, 0), following
                yield read
        for name, end in proof.giver.items():
            for following, commits in between(giver.logs[name], seen.giver.get(name, 0), end):
                self._take_giver(shard, seen, commits)
                read, seen.giver[name] = following - seen.giver.get(name, 0), following
                yield read

    def _take_receiver(self, shard: int, seen: Seen, commits: Iterable[Commit]) -> None:
        copies = []
        for commit in commits:
            if commit.root is None:
                seen.made_here(commit)
                seen.report.native += is_of(commit.aggregate_id, shard)
            elif is_of(commit.aggregate_id, shard):
                copies.append(commit)
        for copy in self.opener.opened(copies):
            is_there(seen.report, copy, self.invariants)

    def _take_giver(self, shard: int, seen: Seen, commits: Iterable[Commit]) -> None:
        boundaries = self.copying.boundaries
        mine = [
            commit
            for commit in commits
            if not seen.is_from_here(commit)
            and any(
                is_of(stream, shard)
                for stream in (commit.aggregate_id, *boundaries.feeds(commit.aggregate_id))
            )
        ]
        for commit in self.opener.opened(mine):
            begins = commit.version == 1 and is_of(commit.aggregate_id, shard)
            seen.report.streams += begins
            should_have(
                seen.report,
                commit,
                boundaries,
                seen.states,
                self.invariants,
                lambda stream: is_of(stream, shard),
            )

    def _found(self, seen: Seen) -> Found:
        """The result of a shard, once the streams that differ were looked at again."""
        report = seen.report
        found = Found(
            earlier_streams=report.streams,
            earlier_commits=report.commits,
            earlier_events=report.events,
            dropped=report.dropped,
            native=report.native,
            before=report.before,
        )
        for stream in report.differing():
            wrong = self._look_again(stream)
            if wrong:
                found.differing += 1
                found.differences += [f"{report.difference(stream)}: {wrong}"]
                continue
            # It has what it should have by now, or is to get it: so far its sums are those.
            report.has[stream] = report.should.get(stream, Sum())
            found.settled += wrong is None
            found.under_way += wrong is not None
        for stream, reason in sorted(report.failed.items()):
            found.differing += 1
            found.differences += [f"{stream} cannot be transformed: {reason}"]
        del found.differences[LISTED:]
        found.streams = len(report.has)
        found.total = report.total()
        found.after = report.after
        return found

    def _look_again(self, target: str) -> str | None:
        """What is wrong with a later stream, by its own items and those of its sources.

        None if it is right, "" if it is right so far and its sources have more for it.
        """
        wrong = look(self.copying, self.opener, target)
        for attempt in range(1, LOOKS):
            if not wrong:
                break
            self.pause(attempt)
            wrong = look(self.copying, self.opener, target)
        return wrong


def look(copying: Copying, opener: Opener, target: str) -> str | None:
    """What is wrong with a later stream, as it is now. None for nothing, "" if it is to get more."""
    # The receiver's end is read first: if it has the stream, the giver adds nothing behind that.
    end = end_of(copying.receiver, target)
    try:
        natives, copies = natives_and_copies(stream_of(copying.receiver, target), opener)
        lacks = [
            hole
            for source in copying.boundaries.sources(target)
            for hole in holes(copying, opener, source, target, natives, copies)
        ]
    except NotTheTransformError as error:
        return str(error)
    if copies:
        stream, version = next(iter(copies))
        return f"it has version {version} of {stream}, which no source has"
    if not lacks:
        return None
    has = end.newest is not None and owns([end.newest], end.bar)
    return f"it was taken, and lacks {lacks[0]}" if has else ""


def natives_and_copies(
    commits: Sequence[Commit], opener: Opener
) -> tuple[set[Root], dict[Root, int]]:
    """The roots of a later stream's own commits, and the hashes of its copies by their roots.

    Raises `NotTheTransformError`.
    """
    natives: set[Root] = set()
    copies: dict[Root, int] = {}
    for commit in opener.opened(commits):
        root = root_of(commit)
        if root in natives or root in copies:
            raise NotTheTransformError(f"version {commit.version} is there twice")
        if commit.root is None:
            natives.add(root)
        else:
            pairs = [(commit.root_index(i), event) for i, event in enumerate(commit.events)]
            copies[root] = hashed(commit, pairs)
    return natives, copies


def holes(
    copying: Copying,
    opener: Opener,
    source: str,
    target: str,
    natives: set[Root],
    copies: dict[Root, int],
) -> list[str]:
    """The commits of *source*, behind the last that *target* has, that it lacks. Those that it has
    are taken out of *copies*. Raises `NotTheTransformError`.
    """
    state = copying.boundaries.initial(source)
    found: list[str] = []
    for commit in opener.opened(stream_of(copying.giver, source)):
        root, what = root_of(commit), f"version {commit.version} of {source}"
        if root in natives:
            continue
        try:
            made = copying.boundaries.made(commit, state)
        except TransformError as error:
            raise NotTheTransformError(str(error)) from error
        state = made.state
        if root not in copies:
            found.append(what)
        elif found:
            raise NotTheTransformError(f"it lacks {found[0]}, and has a later one")
        elif copies.pop(root) != hashed(commit, made.events[target]):
            raise NotTheTransformError(f"{what} has become something else")
    return found


def stream_of(truth: Truth, aggregate_id: str) -> Sequence[Commit]:
    """All commits of a stream, archived ones too."""
    last = end_of(truth, aggregate_id).version
    firsts = range(1, last + 1, COMMITS_AT_ONCE)
    return [
        commit
        for first in firsts
        for commit in truth.events.range(
            aggregate_id, first, min(last, first + COMMITS_AT_ONCE - 1)
        )
    ]


def between(log: Log, first: int, end: int) -> Iterator[tuple[int, Sequence[Commit]]]:
    """The commits from position *first* to before *end*, by blocks, each with the position behind it.

    Raises `Unavailable` if the log does not show one of them yet.
    """
    following = first
    for block in log.blocks(first) if first < end else ():
        if block.first_position > following:
            break
        start, following = following - block.first_position, min(block.next_position, end)
        yield following, block.commits[start : following - block.first_position]
        if following == end:
            return
    if following < end:
        raise Unavailable(f"the log does not show position {following}")


def ends_of(truth: Truth) -> Mapping[str, int]:
    """Where each of a truth's logs ends."""
    return {name: log.head().next_position for name, log in truth.logs.items()}


def is_of(stream: str, shard: int) -> bool:
    """Whether a stream is of a shard."""
    return lane_of(stream) % SHARDS == shard


def result_key(proof: Proof, shard: int) -> str:
    """Where the archive has what a shard has found."""
    return f"{proof.name}/shard-{shard}/found.json"
