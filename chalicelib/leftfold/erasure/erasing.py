"""Forgets a subject: its key is destroyed, then all that was made of its data is made anew.

1. The mark and the end of the key, in one write. From here on no process that looks at the table
   opens the subject's data, and none makes a new key.
2. The audit stream says so.
3. The rows of personal views are folded again. Snapshots, effects, archive, log and bus have only
   sealed data, which nothing opens any more.
4. Once no process can have the key in its memory (`SETTLES`), the rows are folded again and the
   report is written. Until then a view that began before could write a row of what it had opened.

Each step can be repeated, and `unfinished` erasures are found again, so a run that dies anywhere
is completed by the next one.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chalicelib.leftfold.commands.handler import CommandHandler, CommandRequest, body_hash
from chalicelib.leftfold.erasure.rewriting import Rewriting
from chalicelib.leftfold.kernel import Aggregate, AggregateId, Commit, Refused, View
from chalicelib.leftfold.kernel.commit import instant
from chalicelib.leftfold.kernel.personal import ERASED, values_at
from chalicelib.leftfold.projection.rows import RowStore
from chalicelib.leftfold.projection.runner import Pause
from chalicelib.leftfold.store.ports import EventStore, Log
from chalicelib.leftfold.subjects.audit import (
    Command,
    RecordDataRead,
    RecordErased,
    RecordErasureBegun,
    audit,
    key_of,
)
from chalicelib.leftfold.subjects.keys import DataKeys, Erasure
from chalicelib.leftfold.subjects.vault import KEY_AGE, Vault

# Nothing that was opened before the erasure is under way any longer: a key is used for KEY_AGE,
# a function runs for 15 minutes at most, and clocks differ by less than five.
SETTLES = timedelta(seconds=KEY_AGE) + timedelta(minutes=20)
COMMITS_AT_ONCE = 100
AUTHORITY = "operate"


class UnknownSubjectError(LookupError):
    """Nothing was ever held about a subject."""

    def __init__(self, subject: str) -> None:
        super().__init__(f"nothing is held about {subject}; it is of the form main/account:17")


@dataclass(frozen=True)
class Eraser:
    """Forgets subjects, each named with its tenant (`main/account:17`). Any number may run."""

    keys: DataKeys
    vault: Vault
    events: EventStore
    log: Log
    aggregates: Mapping[str, Aggregate]
    views: Mapping[str, View]
    rows: Callable[[str], RowStore]
    handler: CommandHandler
    clock: Callable[[], datetime]
    pause: Pause

    def begin(self, subject: str, by: str, case: str) -> Erasure:
        """Destroys the subject's key, for ever. Returns the subject's first erasure.

        Raises `UnknownSubjectError`, and `Unavailable`: then it is unknown whether the subject
        is forgotten, and the same call answers it.
        """
        erasure = self.keys.erase(Erasure(subject, instant(self.clock()), by, case))
        if erasure is None:
            raise UnknownSubjectError(subject)
        self.vault.drop(subject)
        return erasure

    def run(self, erasure: Erasure) -> Mapping[str, Any] | None:
        """Goes through all that the subject's data is in. Returns the report, or None if it is
        not time for it yet (`SETTLES`). Raises `Unavailable`.
        """
        if erasure.report is not None:
            return erasure.report
        subject = erasure.subject
        self._record(RecordErasureBegun(subject, erasure.reason), erasure)
        counted: Counter[str] = Counter()
        for stream in streams_of(self.keys, self.events, subject):
            counted.update(self._stream(stream, subject))
        if self.clock() < settled_at(erasure):
            return None
        report = {"finishedAt": instant(self.clock()), "places": dict(sorted(counted.items()))}
        # The audit first: an erasure without a report is taken up again, an audit is not.
        self._record(RecordErased(subject, dict(counted)), erasure)
        self.keys.finish(subject, report)
        return report

    def _stream(self, stream: str, subject: str) -> Mapping[str, int]:
        """Folds the rows of a stream again, and counts what of the subject is in it."""
        name = subject.partition("/")[2]
        commits = [commit for page in pages_of(self.events, stream) for commit in page]
        counted = {
            "streams": 1,
            "commits": sum(holds(commit, name) for commit in commits),
            "fields": sum(fields_of(self.aggregates, commit, name) for commit in commits),
            "snapshots": sum(
                c.snapshot is not None and name in c.snapshot.subjects for c in commits
            ),
        }
        for view in self.views.values():
            if view.personal:
                rewriting = Rewriting(view, self.rows(view.name), self.log, self.vault, self.pause)
                counted[f"rows of {view.name}"] = rewriting.run(stream, commits, name)
        return counted

    def record_read(self, subject: str, by: str, request_id: str) -> None:
        """Adds to the subject's audit stream that *by* was shown its data, on a request."""
        self._execute(RecordDataRead(subject), subject, by, request_id)

    def _record(self, command: Command, erasure: Erasure) -> None:
        """Adds to the subject's audit stream, once for each erasure and kind of command."""
        command_id = f"{type(command).__name__} {erasure.subject} {erasure.at}"
        # Another run has recorded it long ago: its command id is no longer looked for.
        with suppress(Refused):
            self._execute(command, erasure.subject, erasure.by, command_id)

    def _execute(self, command: Command, subject: str, by: str, command_id: str) -> None:
        key = key_of(subject)
        self.handler.execute(
            CommandRequest(
                audit,
                audit.stream(key, subject.partition("/")[0]),
                command,
                command_id,
                body_hash(type(command).__name__, command_id),
                actor=by,
                correlation_id=f"subject {key}",
                authority=AUTHORITY,
            )
        )


def settled_at(erasure: Erasure) -> datetime:
    """From when on no process can show what it opened before the erasure."""
    return datetime.fromisoformat(erasure.at) + SETTLES


def streams_of(keys: DataKeys, events: EventStore, subject: str) -> Iterator[str]:
    """The streams with data of a subject: those that were noted, and the one of its name."""
    tenant, _, name = subject.partition("/")
    category, _, key = name.partition(":")
    own = str(AggregateId(tenant, category, key))
    if events.newest(own, limit=1, consistent=True).commits:
        yield own
    yield from keys.streams(subject)


def pages_of(events: EventStore, stream: str) -> Iterator[Sequence[Commit]]:
    """The commits of a stream, the oldest first, read consistently."""
    first = 1
    while commits := events.range(stream, first, first + COMMITS_AT_ONCE - 1):
        yield commits
        first += COMMITS_AT_ONCE


def holds(commit: Commit, subject: str) -> bool:
    """Whether a sealed commit has data of the subject."""
    return any(subject in event.sealed for event in commit.events)


def fields_of(aggregates: Mapping[str, Aggregate], commit: Commit, subject: str) -> int:
    """How many fields of a sealed commit are in the subject's texts."""
    codec = aggregates[AggregateId.parse(commit.aggregate_id).category].codec
    return sum(
        owner[path[-1]] == ERASED
        for event in commit.events
        if subject in event.sealed
        for field in codec.personal(event.name)
        for path, owner in values_at(event.body, field.path)
    )
