"""Proves that a generation is the transform of the one before it, from the logs of both.

The earlier log says what the later streams must have, and the later log what they have. Both are
read once, block by block; what is kept grows with the number of streams, not of commits. Sums of
hashes do not depend on order, so lanes may be proved apart and added.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
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
    """Commits, events, the sum of their hashes, and what they add to each invariant."""

    commits: int = 0
    events: int = 0
    hash: int = 0
    numbers: tuple[int, ...] = ()

    def __add__(self, other: "Sum") -> "Sum":  # type: ignore[override]
        numbers = zip_longest(self.numbers, other.numbers, fillvalue=0)
        return Sum(
            self.commits + other.commits,
            self.events + other.events,
            (self.hash + other.hash) % MODULUS,
            tuple(one + more for one, more in numbers),
        )


@dataclass
class Report:
    """What two logs have shown: the sum of every later stream, as it *should* be and as it *has* it.

    *dropped* events of the earlier log became nothing, *native* commits were made by the later
    generation. *failed* are streams on which the transform fails. *before* and `after` are the
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

    def total(self) -> Sum:
        """The sum over all later streams as they are."""
        return sum(self.has.values(), Sum())

    @property
    def after(self) -> dict[str, int]:
        """The invariants in the copies."""
        numbers = zip_longest(self.before, self.total().numbers, fillvalue=0)
        return {str(name): int(number) for name, number in numbers}

    def differing(self) -> list[str]:
        """The later streams that are not as they should be."""
        streams = self.should.keys() | self.has.keys()
        return sorted(s for s in streams if self.should.get(s) != self.has.get(s))

    def difference(self, stream: str) -> str:
        """How a stream differs, in words."""
        should, found = self.should.get(stream, Sum()), self.has.get(stream, Sum())
        if should.commits != found.commits:
            return f"{stream} has {found.commits} copies, and should have {should.commits}"
        return f"{stream} has {found.commits} copies, and some are not the transform"

    def differences(self) -> Iterator[str]:
        """Everything that is not as it should be, in words."""
        yield from map(self.difference, self.differing())
        for stream, reason in sorted(self.failed.items()):
            yield f"{stream} cannot be transformed: {reason}"
        yield from changed_numbers(self.before, self.after)


def changed_numbers(before: Mapping[str, int], after: Mapping[str, int]) -> Iterator[str]:
    """The invariants that a transform has changed, in words."""
    for name, number in before.items():
        if after[name] != number:
            yield f"{name} was {number}, and is {after[name]}"


def dry_run(
    logs: Iterable[Log],
    boundaries: Boundaries,
    invariants: Mapping[str, Invariant],
    opener: Opener,
    told: Callable[[int], object] = lambda _commits: None,
) -> Report:
    """What the transforms would make of a truth's logs, with nothing written anywhere.

    *opener* opens personal data, as the copier does before a transform. The report's invariants are
    compared before and after. Raises `Unavailable`.
    """
    report = Report(before=dict.fromkeys(invariants, 0))
    states: dict[str, Any] = {}
    blocks = (block for log in logs for block in log.blocks(0))
    for commit in commits_of(blocks, opener, told):
        should_have(report, commit, boundaries, states, invariants)
    report.streams = len(states)
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
    report = Report(before=dict.fromkeys(invariants, 0))
    natives: set[tuple[str, int]] = set()
    for commit in commits_of(receiver.blocks(0), opener, told):
        if commit.root is None:
            natives.add((commit.aggregate_id, commit.version))
        else:
            is_there(report, commit, invariants)
    report.native = len(natives)
    states: dict[str, Any] = {}
    for commit in commits_of(giver.blocks(0), opener, told):
        if commit.root not in natives:
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


def is_there(report: Report, copy: Commit, invariants: Mapping[str, Invariant]) -> None:
    """Adds a *copy* that the receiver has to the *report*."""
    pairs = [(copy.root_index(i), event) for i, event in enumerate(copy.events)]
    stream = copy.aggregate_id
    report.has[stream] = report.has.get(stream, Sum()) + sum_of(copy, pairs, invariants)


def should_have(
    report: Report,
    commit: Commit,
    boundaries: Boundaries,
    states: dict[str, Any],
    invariants: Mapping[str, Invariant],
    is_mine: Callable[[str], bool] = lambda _stream: True,
) -> None:
    """Adds to the *report* what *commit* becomes. *states* are those of the transforms.

    *is_mine* tells the streams of the report: an earlier stream is counted, and a later one is
    summed, in the report that has it.
    """
    stream = commit.aggregate_id
    if counted := is_mine(stream):
        report.commits += 1
        report.events += len(commit.events)
        for name, invariant in invariants.items():
            report.before[name] += sum(map(invariant, commit.events))
    try:
        made = boundaries.made(commit, states.get(stream, boundaries.initial(stream)))
    except TransformError as error:
        states.setdefault(stream, None)
        if counted:
            report.failed.setdefault(stream, str(error))
        return
    states[stream] = made.state
    if counted:
        report.dropped += bool(commit.events) and not any(made.events.values())
    for target, pairs in made.events.items():
        if is_mine(target):
            before = report.should.get(target, Sum())
            report.should[target] = before + sum_of(commit, pairs, invariants)


def sum_of(
    commit: Commit,
    pairs: Sequence[tuple[int, StoredEvent]],
    invariants: Mapping[str, Invariant],
) -> Sum:
    """The sum of one copy: of *commit*, or what it becomes. *pairs* are its events by their indexes."""
    numbers = tuple(sum(one(event) for _, event in pairs) for one in invariants.values())
    return Sum(1, len(pairs), hashed(commit, pairs), numbers)


def hashed(commit: Commit, pairs: Sequence[tuple[int, StoredEvent]]) -> int:
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
