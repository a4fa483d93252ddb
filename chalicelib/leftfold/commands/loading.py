"""Loads a stream: its state, and the commands that it has taken already.

The usual load is one descending Query of K + 1 commits. It goes back to the newest snapshot
that the running fold made, or to the start of the live epoch.

One of any K + 1 commits lists the 64 commands before it, so one page names at least the last
65 commands. Only a retry that may be older than these looks further back. It then reads one
more page, below the oldest command that it knows. A commit is not read if a later one lists
its command.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple
from uuid import UUID

from chalicelib.leftfold.kernel import Aggregate, Bar, Commit, RecentCommand
from chalicelib.leftfold.kernel.repair import NO_REPAIRS, Repairs, read
from chalicelib.leftfold.store.ports import Streams
from chalicelib.leftfold.subjects.opening import CLOSED, Opener
from chalicelib.leftfold.subjects.vault import opened_state, subjects_of, tenant_of

# K: a snapshot is due once a load has folded so many commits. It is about the optimum
# sqrt(80 s/e) for a state of s = 2 KB and commits of e = 350 bytes.
SNAPSHOT_EVERY = 20
RECENT_COMMANDS = 64
# How long, in seconds, a command is recognised if its id contains no time: a day.
WINDOW = 24 * 60 * 60
# How far, in seconds, a client's clock may differ from ours.
CLOCK_SKEW = 300

_UUID_WITH_TIME = 7


class BrokenStreamError(Exception):
    """A consistent read met a hole: something other than Leftfold has changed the table."""

    is_impersonal = True


@dataclass(frozen=True)
class Loaded:
    """A stream as it was read.

    *commands* are the newest commands without a hole, newest first: the first of them made
    *version*. *folded* is the number of commits that were folded after the snapshot. *subjects*
    are those whose data the state may have. No commit with events follows the version
    *eventful*, as far as the read shows. *owned* says that this generation writes the stream, as
    far as the stream's own items tell (`owns`); *barred* that the newest item is a bar.
    """

    version: int
    state: Any
    epoch: int = 1
    epoch_start: int = 1
    folded: int = 0
    commands: Sequence[RecentCommand] = ()
    consistent: bool = False
    subjects: frozenset[str] = frozenset()
    eventful: int = 0
    owned: bool = True
    barred: bool = False

    def version_of(self, command_id: str, addressed: str | None = None) -> tuple[int, bytes] | None:
        """The version of this command's commit, and the hash of its body; None if it is not known.

        *addressed* is the stream that the command was sent to, if that has become this one.
        """
        wanted = command_hash(lookup_id(command_id, addressed))
        for age, known in enumerate(self.commands):
            if known.command == wanted:
                return self.version - age, known.body
        return None


def load(  # noqa: PLR0913 - each is a fact about the read
    events: Streams,
    aggregate: Aggregate,
    aggregate_id: str,
    *,
    fingerprint: str,
    vault: Opener = CLOSED,
    consistent: bool = False,
    below: int | None = None,
    repairs: Repairs = NO_REPAIRS,
) -> Loaded:
    """The state of a stream, and the newest of its commands: at least the last 65. With *below*,
    the stream as it was before that version.

    The read is eventually consistent while one page is enough for the state. After a hole, or
    for a second page, the stream is read again consistently: two pages may come from different
    replicas, and an append above a hole would meet its condition.
    """
    page = events.newest(aggregate_id, limit=SNAPSHOT_EVERY + 1, below=below, consistent=consistent)
    commits, page_bar = list(page.commits), page.bar
    base = base_of(commits, fingerprint, vault)
    while not is_dense(commits, more=page.more) or (page.more and base is None):
        if not consistent:
            return load(
                events,
                aggregate,
                aggregate_id,
                fingerprint=fingerprint,
                vault=vault,
                consistent=True,
                below=below,
                repairs=repairs,
            )
        if not page.more:
            raise BrokenStreamError(f"{aggregate_id} has a hole")
        page = events.newest(aggregate_id, below=commits[-1].version, consistent=True)
        commits += page.commits
        base = base_of(commits, fingerprint, vault)
    loaded = loaded_from(commits, base, aggregate, vault, repairs, consistent=consistent)
    if owns(commits, page_bar):
        return loaded
    return replace(loaded, owned=False, barred=page_bar is not None)


def owns(commits: Sequence[Commit], bar: Bar | None) -> bool:
    """Whether a generation writes a stream of these commits, newest first, and this bar.

    The newest item says so: a commit that was made here, or a copy with a mark. What it does not
    say is to which generation a stream without items belongs.
    """
    return bar is None and (not commits or commits[0].root is None or commits[0].mark > 0)


def looked_back(
    events: Streams, aggregate_id: str, loaded: Loaded, *, since: int, checked: int = 0
) -> Loaded:
    """*loaded* with its commands back to *since*, in seconds since 1970.

    Commands of versions up to *checked* may be missing: an earlier load had them. A page is as
    small as the first one, because one of its commits lists 64 commands more. If none did, as
    in the archive, the next page is as large as possible.
    """
    known = list(loaded.commands)
    limit: int | None = SNAPSHOT_EVERY + 1
    while (oldest := loaded.version - len(known) + 1) > checked + 1 and known[-1].at >= since:
        page = events.newest(aggregate_id, limit=limit, below=oldest, consistent=True).commits
        if not page and oldest <= loaded.epoch_start:
            break
        if not page or page[0].version != oldest - 1 or not is_dense(page, more=True):
            raise BrokenStreamError(f"{aggregate_id} has a hole below version {oldest}")
        older = known_commands(page)
        known += older
        limit = SNAPSHOT_EVERY + 1 if len(older) > len(page) else None
    return replace(loaded, commands=known)


def look_back_to(command_id: str, now: datetime) -> int:
    """The earliest time, in seconds since 1970, to which a load looks back for a command id.

    If the id contains no time, it is `WINDOW` before *now*.
    """
    earliest = earliest_attempt(command_id)
    return int(now.timestamp()) - WINDOW - CLOCK_SKEW if earliest is None else earliest


def earliest_attempt(command_id: str) -> int | None:
    """The earliest time, in seconds since 1970, at which a command with this id was taken.

    It is None if the id is not a UUIDv7, which alone contains a time.
    """
    try:
        key = UUID(command_id)
    except ValueError:
        return None
    return (key.int >> 80) // 1000 - CLOCK_SKEW if key.version == _UUID_WITH_TIME else None


def is_dense(commits: Sequence[Commit], *, more: bool) -> bool:
    """Whether the versions follow one another down to the live epoch's start, or to the page's end."""
    if not commits:
        return True
    ends_well = more or commits[-1].version <= commits[0].epoch_start
    return ends_well and all(a.version == b.version + 1 for a, b in pairwise(commits))


class Base(NamedTuple):
    """The commit with which a fold begins: its place, and the state and subjects of its snapshot.

    *written* is None if the fold begins with the commit's own events.
    """

    at: int
    written: tuple[Any, tuple[str, ...]] | None = None


def base_of(commits: Sequence[Commit], fingerprint: str, vault: Opener) -> Base | None:
    """The newest commit with which the fold can begin, if there is one.

    It begins the epoch, or has a snapshot by the running fold. A snapshot with data of a
    forgotten subject does not open, and is passed over like that of another fold.
    """
    for index, commit in enumerate(commits):
        snapshot = commit.snapshot
        if snapshot is not None and snapshot.fingerprint == fingerprint:
            opens, state = opened_state(vault, commit, snapshot)
            if opens:
                return Base(index, (state, snapshot.subjects))
        if commit.version == commit.epoch_start:
            return Base(index)
    return None


def known_commands(commits: Sequence[Commit]) -> list[RecentCommand]:
    """The commands of *commits*, and the commands before them that one of them lists."""
    ids = (lookup_id(c.command_id, c.addressed) for c in commits)
    known = [
        RecentCommand(command_hash(id_), bytes.fromhex(c.body_hash), seconds(c.at))
        for id_, c in zip(ids, commits, strict=True)
    ]
    for age in range(len(commits) - 1, -1, -1):
        recent = commits[age].recent_commands
        if recent is not None:
            return known + list(recent[len(commits) - age - 1 :])
    return known


def loaded_from(
    commits: Sequence[Commit],
    base: Base | None,
    aggregate: Aggregate,
    vault: Opener,
    repairs: Repairs,
    *,
    consistent: bool,
) -> Loaded:
    """The stream of *commits*, which are newest first: folded from their *base* (`base_of`)."""
    decider, codec = aggregate.decider, aggregate.codec
    if not commits:
        return Loaded(0, decider.initial, consistent=consistent)
    if base is None:
        raise BrokenStreamError(
            f"{commits[0].aggregate_id} has no commit that a fold can begin with"
        )
    state, unfolded = decider.initial, base.at + 1
    subjects: frozenset[str] = frozenset()
    if base.written is not None:
        written, known = base.written
        state, unfolded, subjects = aggregate.from_snapshot(written), base.at, frozenset(known)
    newest, sealed = commits[0], commits[:unfolded]
    # Asked before the commits are opened: whoever is forgotten between the two is named in vain.
    # The other way round a state would have data of a subject that is not named.
    present = vault.present(tenant_of(newest), subjects_of(sealed))
    opened = vault.opened(sealed)
    return Loaded(
        version=newest.version,
        state=decider.fold(
            (event.event for commit in reversed(opened) for event in read(commit, codec, repairs)),
            state,
        ),
        epoch=newest.epoch,
        epoch_start=newest.epoch_start,
        folded=unfolded,
        commands=known_commands(commits),
        consistent=consistent,
        # What a forgotten subject's events say is `erased` in the state.
        subjects=subjects | present,
        eventful=eventful_of(commits),
    )


def eventful_of(commits: Sequence[Commit]) -> int:
    """The newest version with events among *commits*, which are newest first; 0 if the whole
    stream has none. A copy may be without, because its events went to another stream.
    """
    oldest = commits[-1].version
    return next((c.version for c in commits if c.events), 0 if oldest == 1 else oldest)


def lookup_id(command_id: str, addressed: str | None) -> str:
    """What a command is found by. Where several streams became one, two commands to two of them may
    have the same id, and nothing else tells them apart.
    """
    return command_id if addressed is None else f"{addressed} {command_id}"


def command_hash(command_id: str) -> bytes:
    """A hash of a command id, of 16 bytes."""
    return hashlib.sha256(command_id.encode()).digest()[:16]


def seconds(at: str) -> int:
    """A commit's time in whole seconds since 1970."""
    return int(datetime.fromisoformat(at).timestamp())
