"""Proves that a generation is the transform of the one before it, from the logs of both.

The earlier log says what the later streams must have, and the later log what they have. Both are
read once, block by block; what is kept grows with the number of streams, not of commits. Sums of
hashes do not depend on order, so lanes may be proved apart and added.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from chalicelib.leftfold.generations.copying import root_of
from chalicelib.leftfold.kernel import Boundaries, Commit, StoredEvent
from chalicelib.leftfold.kernel.commit import canonical
from chalicelib.leftfold.kernel.transform import TransformError
from chalicelib.leftfold.store.ports import Block, Log
from chalicelib.leftfold.subjects.opening import Opener

MODULUS = 2**128

# A number that a transform must not change, such as the sum of money: what an event adds to it.
Invariant = Callable[[StoredEvent], int]


class Sum(NamedTuple):
    """Commits, events and the sum of their hashes."""

    commits: int = 0
    events: int = 0
    hash: int = 0

    def add(self, hashed: int, events: int) -> "Sum":
        """The sum with one commit more."""
        return Sum(self.commits + 1, self.events + events, (self.hash + hashed) % MODULUS)


@dataclass
class Report:
    """What two logs have shown: the sum of every later stream, as it *should* be and as it *is*.

    *dropped* events of the earlier log became nothing, *native* commits were made by the later
    generation. *failed* are streams on which the transform fails. *before* and *after* are the
    declared invariants in the earlier events and in their copies.
    """

    should: dict[str, Sum] = field(default_factory=dict)
    has: dict[str, Sum] = field(default_factory=dict)
    streams: int = 0
    commits: int = 0
    events: int = 0
    dropped: int = 0
    native: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    before: dict[str, int] = field(default_factory=dict)
    after: dict[str, int] = field(default_factory=dict)

    def total(self) -> Sum:
        """The sum over all later streams as they are."""
        total = Sum()
        for each in self.has.values():
            total = Sum(
                total.commits + each.commits,
                total.events + each.events,
                (total.hash + each.hash) % MODULUS,
            )
        return total

    def differences(self) -> Iterator[str]:
        """Everything that is not as it should be, in words."""
        for stream in sorted(self.should.keys() | self.has.keys()):
            should, found = self.should.get(stream, Sum()), self.has.get(stream, Sum())
            if should.commits != found.commits:
                yield f"{stream} has {found.commits} copies, and should have {should.commits}"
            elif should != found:
                yield f"{stream} has {found.commits} copies, and some are not the transform"
        for stream, reason in sorted(self.failed.items()):
            yield f"{stream} cannot be transformed: {reason}"
        for name, number in self.before.items():
            if self.after.get(name, 0) != number:
                yield f"{name} was {number}, and is {self.after.get(name, 0)}"


def dry_run(
    giver: Log,
    boundaries: Boundaries,
    invariants: Mapping[str, Invariant],
    opener: Opener,
    told: Callable[[int], object] = lambda _commits: None,
) -> Report:
    """What the transforms would make of a log, with nothing written anywhere.

    *opener* opens personal data, as the copier does before a transform. The report's invariants are
    compared before and after. Raises `Unavailable`.
    """
    report = should_be(commits_of(giver.blocks(0), opener, told), boundaries, invariants)
    report.has = dict(report.should)
    return report


def prove(
    giver: Log,
    receiver: Log,
    boundaries: Boundaries,
    invariants: Mapping[str, Invariant],
    opener: Opener,
    told: Callable[[int], object] = lambda _commits: None,
) -> Report:
    """Compares the receiver's log with what the giver's should have become. Raises `Unavailable`.

    Both generations may be at work: what the one log has and the other one lacks is a difference
    only once everything is taken and logged. What the receiver has made itself is counted as
    *native*, and left out of both sides where it has gone to the giver and come back. *opener* opens
    personal data of both: what a transform has touched is sealed again, into another text. *told*
    gets the number of commits of each block, once it was read.
    """
    found = Report(after=dict.fromkeys(invariants, 0))
    natives: set[tuple[str, int]] = set()
    for commit in commits_of(receiver.blocks(0), opener, told):
        if commit.root is None:
            natives.add((commit.aggregate_id, commit.version))
            continue
        before = found.has.get(commit.aggregate_id, Sum())
        pairs = [(commit.root_index(i), event) for i, event in enumerate(commit.events)]
        found.has[commit.aggregate_id] = before.add(hashed(commit, pairs), len(pairs))
        add(found.after, commit.events, invariants)
    report = should_be(
        (c for c in commits_of(giver.blocks(0), opener, told) if c.root not in natives),
        boundaries,
        invariants,
    )
    report.has, report.after, report.native = found.has, found.after, len(natives)
    return report


def should_be(
    commits: Iterable[Commit], boundaries: Boundaries, invariants: Mapping[str, Invariant]
) -> Report:
    """What commits of the giver, in the order of their log, are to become."""
    report = Report(before=dict.fromkeys(invariants, 0), after=dict.fromkeys(invariants, 0))
    states: dict[str, Any] = {}
    for commit in commits:
        should_have(report, commit, boundaries, states, invariants)
    report.streams = len(states)
    return report


def commits_of(
    blocks: Iterator[Block], opener: Opener, told: Callable[[int], object]
) -> Iterator[Commit]:
    """The commits of blocks, in order, with their personal data opened."""
    for block in blocks:
        yield from opener.opened(block.commits)
        told(len(block.commits))


def should_have(
    report: Report,
    commit: Commit,
    boundaries: Boundaries,
    states: dict[str, Any],
    invariants: Mapping[str, Invariant],
) -> None:
    """Adds to the *report* what *commit* becomes. *states* are those of the transforms."""
    stream = commit.aggregate_id
    report.commits += 1
    report.events += len(commit.events)
    add(report.before, commit.events, invariants)
    try:
        made = boundaries.made(commit, states.get(stream, boundaries.initial(stream)))
    except TransformError as error:
        states.setdefault(stream, None)
        report.failed.setdefault(stream, str(error))
        return
    states[stream] = made.state
    become = [event for pairs in made.events.values() for _, event in pairs]
    report.dropped += not become and bool(commit.events)
    add(report.after, become, invariants)
    for target, pairs in made.events.items():
        before = report.should.get(target, Sum())
        report.should[target] = before.add(hashed(commit, pairs), len(pairs))


def add(
    sums: dict[str, int],
    events: "tuple[StoredEvent, ...] | list[StoredEvent]",
    invariants: Mapping[str, Invariant],
) -> None:
    """Adds what *events* say of each invariant."""
    for name, invariant in invariants.items():
        sums[name] = sums.get(name, 0) + sum(invariant(event) for event in events)


def hashed(commit: Commit, pairs: "list[tuple[int, StoredEvent]] | Any") -> int:
    """A hash of what a copy has to keep: root, command, body, time, who acted, and its events."""
    kept = [
        root_of(commit),
        commit.command_id,
        commit.body_hash,
        commit.at,
        commit.actor,
        commit.authority,
        commit.correlation_id,
        commit.traceparent,
        commit.tags,
        [(index, *event) for index, event in pairs],
    ]
    return int.from_bytes(hashlib.sha256(canonical(kept).encode()).digest()[:16], "big")
