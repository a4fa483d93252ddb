"""Forgets a subject: its key is destroyed, then all that was made of its data is made anew.

1. The mark and the end of the key, in one write. From here on no process that looks at the table
   opens the subject's data, and none makes a new key.
2. The audit stream says so.
3. The rows of personal views are folded again. Snapshots, effects, archive, log and bus have only
   sealed data, which nothing opens any more.
4. Once no process can have the key in its memory (`SETTLES`), the rows are folded again. Until
   then a view that began before could write a row of what it had opened.
5. What the rows were before is removed from the stores: no query shows it, but a search index
   keeps it for a while. A row that was changed a moment ago has to wait for the next run.
6. Every application has rows of its own, and folds these. The last of them writes the report.

Each step can be repeated, and `unfinished` erasures are found again, so a run that dies anywhere
is completed by the next one. It goes on behind the last stream of step 4 that is done.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chalicelib.leftfold.erasure.auditing import Auditing
from chalicelib.leftfold.erasure.rewriting import Rewriting
from chalicelib.leftfold.erasure.streams import holds, pages_of, streams_of
from chalicelib.leftfold.kernel import Aggregate, AggregateId, Commit, Refused, View
from chalicelib.leftfold.kernel.commit import instant
from chalicelib.leftfold.kernel.personal import ERASED, values_at
from chalicelib.leftfold.kernel.repair import Repairs
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
from chalicelib.leftfold.subjects.keys import DataKeys, Erasure, Part
from chalicelib.leftfold.subjects.vault import KEY_AGE, Vault

# Nothing that was opened before the erasure is under way any longer: a key is used for KEY_AGE,
# a function runs for 15 minutes at most, and clocks differ by less than five.
SETTLES = timedelta(seconds=KEY_AGE) + timedelta(minutes=20)
ROWS = "rows of "
# OpenSearch keeps what a document was before for its replicas, and learns every half a minute how far
# these are.
STORES_LET_GO = timedelta(minutes=2)


class UnknownSubjectError(LookupError):
    """Nothing was ever held about a subject."""

    def __init__(self, subject: str) -> None:
        super().__init__(f"nothing is held about {subject}; it is of the form main/account:17")


@dataclass(frozen=True)
class Eraser:
    """Forgets subjects, each named with its tenant (`main/account:17`). Any number may run.

    *views* and *rows* are those of *application*. *repairs* are asked for a commit that cannot be
    decoded.
    """

    application: str
    keys: DataKeys
    vault: Vault
    events: EventStore
    log: Log
    aggregates: Mapping[str, Aggregate]
    views: Mapping[str, View]
    rows: Callable[[str], RowStore]
    auditing: Auditing
    clock: Callable[[], datetime]
    pause: Pause
    repairs: Repairs

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

    def unfinished(self) -> Iterator[Erasure]:
        """The erasures that have no report yet. No erasure is finished from here on without this
        application.
        """
        self.keys.join(self.application)
        yield from self.keys.unfinished()

    def run(self, erasure: Erasure) -> Mapping[str, Any] | None:
        """Goes through all that the subject's data is in here. Returns the report, or None while
        it is not time for it (`SETTLES`), or other applications have not done the same. Raises
        `Unavailable`.
        """
        if erasure.report is not None:
            return erasure.report
        self._record(RecordErasureBegun(erasure.subject, erasure.reason), erasure)
        if self.clock() < settled_at(erasure):
            for stream in streams_of(self.keys, self.events, erasure.subject):
                self._stream(stream, erasure.subject)
            return None
        self._settle(erasure.subject)
        return self._finish(erasure)

    def _settle(self, subject: str) -> None:
        """Folds the rows of all streams again, and keeps how far it is after each; then has the
        stores remove what the rows were before, once they can (`STORES_LET_GO`).
        """
        part = self.keys.parts(subject).get(self.application, Part(None, {}))
        if part.finished:
            return
        for stream in streams_of(self.keys, self.events, subject, part.through):
            counted = self._stream(stream, subject)
            is_changed = any(count for place, count in counted.items() if place.startswith(ROWS))
            changed = instant(self.clock()) if is_changed else part.changed
            places = Counter(part.places)
            places.update(counted)
            part = Part(stream, places, changed)
            self.keys.keep_part(subject, self.application, part)
        if part.changed and self.clock() < datetime.fromisoformat(part.changed) + STORES_LET_GO:
            return
        for view in self.views.values():
            if view.personal:
                self.rows(view.name).expunge()
        self.keys.keep_part(subject, self.application, part._replace(finished=True))

    def _finish(self, erasure: Erasure) -> Mapping[str, Any] | None:
        """Writes the report, once every application is done."""
        subject = erasure.subject
        parts = {name: p for name, p in self.keys.parts(subject).items() if p.finished}
        if not parts.keys() >= {self.application, *self.keys.applications()}:
            return None
        places = together([part.places for part in parts.values()])
        report = {
            "finishedAt": instant(self.clock()),
            "applications": sorted(parts),
            "places": places,
        }
        # The audit first: an erasure without a report is taken up again, an audit is not.
        self._record(RecordErased(subject, places), erasure)
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
                rewriting = Rewriting(
                    view,
                    self.rows(view.name),
                    self.events,
                    self.log,
                    self.vault,
                    self.pause,
                    self.repairs,
                )
                counted[f"{ROWS}{view.name}"] = rewriting.run(stream, commits, name)
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
        stream = audit.stream(key, subject.partition("/")[0])
        self.auditing.record(stream, command, by, command_id, f"subject {key}")


def settled_at(erasure: Erasure) -> datetime:
    """From when on no process can show what it opened before the erasure."""
    return datetime.fromisoformat(erasure.at) + SETTLES


def together(found: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """What several applications have found: each has rows of its own, and the same streams."""
    places: dict[str, int] = {}
    for part in found:
        for place, count in part.items():
            before = places.get(place, 0)
            places[place] = before + count if place.startswith(ROWS) else max(before, count)
    return dict(sorted(places.items()))


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
