"""Loading a stream: its state, and which commands it has already taken.

The usual load is one descending Query of K + 1 commits. It stops at the newest snapshot
that the running fold made, or at the start of the live epoch.

One of any K + 1 commits remembers the 64 commands before it, so one page tells the last 65
commands at least. Only a retry that may be of an older command looks further back. It reads
one more page below the oldest command that it knows of: a commit whose command a later commit
remembers is not read.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

from chalicelib.leftfold.kernel import Aggregate, Commit, RecentCommand
from chalicelib.leftfold.store.ports import EventStore

# A snapshot is due once a load has folded K commits; about the optimum sqrt(80 s/e)
# for a state of s = 2 KB and commits of e = 350 bytes.
SNAPSHOT_EVERY = 20
RECENT_COMMANDS = 64
# How long, in seconds, a command is recognised whose id tells no time: a day.
WINDOW = 24 * 60 * 60
# How far, in seconds, a client's clock and ours may be apart.
CLOCK_SKEW = 300

_UUID_WITH_TIME = 7


class BrokenStreamError(Exception):
    """A consistent read met a hole: something else than Leftfold changed the table."""


@dataclass(frozen=True)
class Loaded:
    """A stream as it was read.

    *commands* are the newest ones without a hole, newest first: the first of them made
    *version*. *folded* counts the commits after the snapshot that *state* began with.
    """

    version: int
    state: Any
    epoch: int = 1
    epoch_start: int = 1
    folded: int = 0
    commands: Sequence[RecentCommand] = ()
    consistent: bool = False

    def version_of(self, command_id: str) -> tuple[int, bytes] | None:
        """The version that this command made and the hash of its body, if known."""
        wanted = command_hash(command_id)
        for age, known in enumerate(self.commands):
            if known.command == wanted:
                return self.version - age, known.body
        return None


def load(
    events: EventStore,
    aggregate: Aggregate,
    aggregate_id: str,
    *,
    fingerprint: str,
    consistent: bool = False,
) -> Loaded:
    """The state of a stream, and the newest of its commands: the last 65 at least.

    Eventually consistent while one page is enough for the state. A hole, or a second page,
    means reading again consistently: two pages may come from different replicas, and a
    hole below the head would pass the append's condition.
    """
    page = events.newest(aggregate_id, limit=SNAPSHOT_EVERY + 1, consistent=consistent)
    commits = list(page.commits)
    while not is_dense(commits, more=page.more) or (
        page.more and base_of(commits, fingerprint) is None
    ):
        if not consistent:
            return load(events, aggregate, aggregate_id, fingerprint=fingerprint, consistent=True)
        if not page.more:
            raise BrokenStreamError(f"{aggregate_id} has a hole")
        page = events.newest(aggregate_id, below=commits[-1].version, consistent=True)
        commits += page.commits
    return loaded_from(commits, aggregate, fingerprint, consistent=consistent)


def looked_back(
    events: EventStore, aggregate_id: str, loaded: Loaded, *, since: int, checked: int = 0
) -> Loaded:
    """*loaded* with its commands back to *since*, in seconds since 1970.

    Those of versions up to *checked* may be left out: an earlier load had them. A page is as
    small as the first one, because one of its commits remembers 64 commands more. Where none
    did, as in the archive, the next page is as large as it may be.
    """
    known = list(loaded.commands)
    limit: int | None = SNAPSHOT_EVERY + 1
    while (oldest := loaded.version - len(known) + 1) > checked + 1 and known[-1].at >= since:
        page = events.newest(aggregate_id, limit=limit, below=oldest, consistent=True).commits
        if not page and oldest <= loaded.epoch_start:
            break
        if not page or page[0].version != oldest - 1 or not is_dense(page, more=True):
            raise BrokenStreamError(f"{aggregate_id} has a hole below version {oldest}")
        remembered = known_commands(page)
        known += remembered
        limit = SNAPSHOT_EVERY + 1 if len(remembered) > len(page) else None
    return replace(loaded, commands=known)


def look_back_to(command_id: str, now: datetime) -> int:
    """From when on an earlier attempt of a command can have been taken, by our clocks, in
    seconds since 1970. An id that tells no time is looked for through `WINDOW`.
    """
    earliest = earliest_attempt(command_id)
    return int(now.timestamp()) - WINDOW - CLOCK_SKEW if earliest is None else earliest


def earliest_attempt(command_id: str) -> int | None:
    """When a command with this id can have been taken at the earliest, by our clocks, in
    seconds since 1970; None if the id, not being a UUIDv7, does not tell.
    """
    try:
        key = UUID(command_id)
    except ValueError:
        return None
    return (key.int >> 80) // 1000 - CLOCK_SKEW if key.version == _UUID_WITH_TIME else None


def is_dense(commits: Sequence[Commit], *, more: bool) -> bool:
    """Whether versions follow one another down to the live epoch, or to a page's end."""
    if not commits:
        return True
    ends_well = more or commits[-1].version <= commits[0].epoch_start
    return ends_well and all(a.version == b.version + 1 for a, b in pairwise(commits))


def base_of(commits: Sequence[Commit], fingerprint: str) -> int | None:
    """The index of the commit that the fold can begin with: its snapshot, or its epoch."""
    for index, commit in enumerate(commits):
        if commit.snapshot is not None and commit.snapshot.fingerprint == fingerprint:
            return index
        if commit.version == commit.epoch_start:
            return index
    return None


def known_commands(commits: Sequence[Commit]) -> list[RecentCommand]:
    """The commands of *commits* and of those before them that they still remember."""
    known = [
        RecentCommand(command_hash(c.command_id), bytes.fromhex(c.body_hash), seconds(c.at))
        for c in commits
    ]
    for age in range(len(commits) - 1, -1, -1):
        recent = commits[age].recent_commands
        if recent is not None:
            return known + list(recent[len(commits) - age - 1 :])
    return known


def loaded_from(
    commits: Sequence[Commit], aggregate: Aggregate, fingerprint: str, *, consistent: bool
) -> Loaded:
    """Folds *commits*, newest first, from their base."""
    decider, codec = aggregate.decider, aggregate.codec
    if not commits:
        return Loaded(0, decider.initial, consistent=consistent)
    base = base_of(commits, fingerprint)
    if base is None:
        raise BrokenStreamError(commits[0].aggregate_id)
    state, unfolded = decider.initial, base + 1
    snapshot = commits[base].snapshot
    if snapshot is not None and snapshot.fingerprint == fingerprint:
        state, unfolded = aggregate.from_snapshot(snapshot.state), base
    newest = commits[0]
    return Loaded(
        version=newest.version,
        state=decider.fold(
            (codec.decode(e) for c in reversed(commits[:unfolded]) for e in c.events), state
        ),
        epoch=newest.epoch,
        epoch_start=newest.epoch_start,
        folded=unfolded,
        commands=known_commands(commits),
        consistent=consistent,
    )


def command_hash(command_id: str) -> bytes:
    """16 bytes that stand for a command id."""
    return hashlib.sha256(command_id.encode()).digest()[:16]


def seconds(at: str) -> int:
    """A commit's time in whole seconds since 1970."""
    return int(datetime.fromisoformat(at).timestamp())
