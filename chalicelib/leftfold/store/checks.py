"""Checks of the event store's arguments, which every adapter makes before it sends anything.

A check looks at the call alone and reads nothing, so it cannot see a hole below a version.
The caller of `append` must know that there is none (docs/architecture.md, "Data").
"""

import re
from collections.abc import Collection, Iterator
from datetime import datetime

from chalicelib.leftfold.kernel import Archived, Bar, Commit, RecentCommand
from chalicelib.leftfold.kernel.aggregate import is_aggregate_id
from chalicelib.leftfold.kernel.commit import FORMAT, is_tag, is_traceparent
from chalicelib.leftfold.store.ports import MalformedCommitError, StreamVersion

# A transaction takes 100 items, and the tombstone is one of them.
MOST_DELETED = 99

EPOCH = "1970-01-01T00:00:00.000Z"
# The fields of a commit from its root on are those of a copy, and of the format.
ROOT = Commit._fields.index("root")
NO_COPY = tuple(Commit._field_defaults[name] for name in Commit._fields[ROOT:])
_BODY_HASH = re.compile("[0-9a-f]{16}")
_AT = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3}Z")


def check_append(commit: Commit, unless: StreamVersion | None) -> None:
    """Raises `MalformedCommitError` if *commit* or *unless* cannot be in any stream."""
    check_commit(commit)
    if commit.archive is not None:
        raise MalformedCommitError(
            f"{commit_key(commit)} is a tombstone, which only `replace` writes"
        )
    if unless is not None and not is_commit_key(*unless):
        raise MalformedCommitError(
            f"{unless} is not the key of a commit: the condition would always be true"
        )
    if unless == commit_key(commit):
        raise MalformedCommitError(
            f"{unless} is the commit's own key; name another stream, or leave the condition out"
        )


def check_copy(copy: Commit, over: Bar | None) -> None:
    """Raises `MalformedCommitError` if *copy* is none, or cannot be in place of the bar *over*."""
    check_append(copy, None)
    if copy.root is None:
        raise MalformedCommitError(f"{commit_key(copy)} has no root: it is no copy")
    if over is not None and (over.aggregate_id, over.version) != commit_key(copy):
        raise MalformedCommitError(f"{commit_key(copy)} is not at the key of {over}")


def check_bar(bar: Bar) -> None:
    """Raises `MalformedCommitError` if no stream can have the bar."""
    if not is_commit_key(bar.aggregate_id, bar.version) or bar.switch < 1:
        raise MalformedCommitError(f"{bar} is no bar: versions and switches begin at 1")


def check_replace(old: Commit, new: Commit) -> None:
    """Raises `MalformedCommitError` if *new* is not version 1 of *old*'s stream and command."""
    check_commit(new)
    identity = (old.aggregate_id, old.version, old.command_id)
    if new.version != 1 or (new.aggregate_id, new.version, new.command_id) != identity:
        raise MalformedCommitError(
            f"{commit_key(new)} of command {new.command_id!r} cannot replace {commit_key(old)} of"
            f" command {old.command_id!r}: only version 1 is replaced, and keeps its command"
        )


def check_delete(tombstone: Commit, versions: Collection[int]) -> None:
    """Raises `MalformedCommitError` if a version is not archived, or if there are too many."""
    through = tombstone.archive.through if tombstone.archive else 0
    live = sorted(version for version in versions if not 2 <= version <= through)
    if live or len(versions) > MOST_DELETED:
        raise MalformedCommitError(
            f"{commit_key(tombstone)} covers versions up to {through}: of {len(versions)} to delete,"
            f" {live[:5]} are not among 2..{through}; at most {MOST_DELETED} are deleted at once"
        )


def check_commit(commit: Commit) -> None:
    """Raises `MalformedCommitError` for a commit that a reader could not use, now or later."""
    for fault in _faults(commit):
        raise MalformedCommitError(f"{commit_key(commit)}: {fault}")


def is_commit_key(aggregate_id: str, version: int) -> bool:
    """Whether a commit can have this key."""
    return version >= 1 and is_aggregate_id(aggregate_id)


def commit_key(commit: Commit) -> StreamVersion:
    """The key of the commit: its stream and its version."""
    return StreamVersion(commit.aggregate_id, commit.version)


def _faults(commit: Commit) -> Iterator[str]:
    version, epoch, start = commit.version, commit.epoch, commit.epoch_start
    if version < 1:
        yield "versions begin at 1"
    if not is_aggregate_id(commit.aggregate_id):
        yield "an aggregate id is <tenant>/<category>-<key>, the key [A-Za-z0-9-]{1,64}"
    if not 1 <= epoch <= start <= version or (epoch == 1) != (start == 1):
        yield f"epoch {epoch} cannot begin with version {start}"
    if not commit.command_id or not _BODY_HASH.fullmatch(commit.body_hash):
        yield "a command has an id, and a hash of its body: 16 hexadecimal digits"
    if not _is_instant(commit.at):
        yield f"{commit.at!r} is not a time since 1970 in UTC with milliseconds"
    yield from _faults_of_origin(commit)
    if commit.deps and not all(_can_be_a_cause(commit, StreamVersion(*c)) for c in commit.deps):
        yield f"it cannot depend on each of {commit.deps}"
    if any(not event.name or event.version < 1 for event in commit.events):
        yield "an event has a name, and a version from 1 on"
    recent = commit.recent_commands
    if recent and (len(recent) >= version or not all(map(_is_remembered, recent))):
        yield "its recent commands are malformed, or more than the commits before it"
    if commit.archive and not _is_tombstone(commit, commit.archive):
        yield f"{commit.archive} does not make it a tombstone: it has events, or is not version 1"


def _faults_of_origin(commit: Commit) -> Iterator[str]:
    """What is wrong with what the commit says of where it comes from."""
    if commit.format != FORMAT:
        yield f"this engine writes format {FORMAT}, not {commit.format}"
    if not commit.actor or not commit.authority:
        yield "a commit says who acted, and by which authority"
    if not is_traceparent(commit.traceparent):
        yield f"{commit.traceparent!r} is no W3C traceparent"
    tags = commit.tags
    if tags and (len(set(tags)) < len(tags) or not all(map(is_tag, tags))):
        yield f"{tags} are not different tags of the form customer:17"
    if commit[ROOT:] != NO_COPY:
        yield from _faults_of_copy(commit)


def _faults_of_copy(commit: Commit) -> Iterator[str]:
    """What is wrong with what only a copy has."""
    origins = (commit.root, commit.source)
    if any(origins) and not all(origin and is_commit_key(*origin) for origin in origins):
        yield f"a copy has a root and a source, not {origins}"
    numbered = commit.position is not None or commit.progress is not None
    if commit.root is None and (numbered or commit.indexes or commit.addressed or commit.mark):
        yield "only a copy has a position, indexes, a stream that was addressed, a mark or progress"
    if commit.indexes and len(commit.indexes) != len(commit.events):
        yield f"{len(commit.events)} events cannot have the indexes {commit.indexes}"
    if len(set(commit.indexes)) < len(commit.indexes) or min(commit.indexes, default=0) < 0:
        yield f"{commit.indexes} are not different indexes"
    if (commit.position or 0) < 0 or commit.mark < 0:
        yield "positions begin at 0, and switches at 1"
    if commit.addressed is not None and not is_aggregate_id(commit.addressed):
        yield f"{commit.addressed!r} is no stream that a command was sent to"


def _can_be_a_cause(commit: Commit, cause: StreamVersion) -> bool:
    """Whether *cause* can be logged before the commit. If not, its stream is blocked for ever."""
    own = cause.aggregate_id == commit.aggregate_id
    return is_commit_key(*cause) and not (own and cause.version >= commit.version)


def _is_tombstone(commit: Commit, archive: Archived) -> bool:
    return commit.version == 1 and not commit.events and 0 <= archive.restoring <= archive.through


def _is_instant(at: str) -> bool:
    if not _AT.fullmatch(at):
        return False
    try:
        datetime.fromisoformat(at)
    except ValueError:
        return False
    # As texts, instants sort like times.
    return at >= EPOCH


def _is_remembered(recent: RecentCommand) -> bool:
    return len(recent.command) == 16 and len(recent.body) == 8 and 0 <= recent.at < 2**32
