"""Copies: what a commit of one generation becomes in a stream of the next.

A copy keeps the command's id, body, time, actor and trace, and the root, so that a retry is
recognised and a workflow's step has the same name everywhere. Every stream that a commit's stream
feeds gets a copy of it, also where no event goes (docs/adr/0028).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from chalicelib.leftfold.errors import where
from chalicelib.leftfold.kernel import Aggregate, AggregateId, Bar, Boundaries, Commit, StoredEvent
from chalicelib.leftfold.kernel.transform import TransformError
from chalicelib.leftfold.store.events import fitting_item
from chalicelib.leftfold.store.logs import log_of
from chalicelib.leftfold.store.ports import (
    MAIN,
    CallRefusedError,
    CommitTooLargeError,
    EventStore,
    GenerationTable,
    Log,
    StreamVersion,
    Unavailable,
)
from chalicelib.leftfold.subjects.vault import Vault

AT_ONCE = 25


class SeveralLogsError(TransformError):
    """The sources of a merged stream are in several logs, which have no order with each other."""

    def __init__(self, target: str, sources: Iterable[str]) -> None:
        super().__init__(
            f"{target} is merged from {', '.join(sources)}, which are in several logs: only streams"
            " of tenants of one log can be merged"
        )


class NotCopiedYetError(Exception):
    """A commit has to wait for another: the commit *source* is not in the stream *target* yet."""

    def __init__(self, target: str, source: StreamVersion) -> None:
        super().__init__(f"version {source[1]} of {source[0]} is not in {target} yet")
        self.target = target
        self.source = source


@dataclass(frozen=True)
class Truth:
    """The truth of one generation. *first* says that no earlier generation can have a stream that
    this one has not. *events* reads through the archive. *sequence* asks its relay to log streams
    up to versions; it may do nothing. *log* is the log `main`, and *others* are those of the other
    groups of tenants, by name.
    """

    name: str
    table: GenerationTable
    events: EventStore
    log: Log
    sequence: Callable[[Mapping[str, int]], object]
    first: bool = False
    others: Mapping[str, Log] = field(default_factory=dict)

    @cached_property
    def logs(self) -> Mapping[str, Log]:
        """All logs by name, in the order of their numbers. Asked for with each copy."""
        return {MAIN: self.log, **self.others}

    def log_name(self, aggregate_id: str) -> str:
        """The name of the log that a stream is in."""
        return log_of(aggregate_id, tuple(self.logs))

    def log_with(self, aggregate_id: str) -> Log:
        """The log that a stream is in."""
        return self.logs[self.log_name(aggregate_id)]


class End(NamedTuple):
    """The end of a stream, read consistently: its newest commit, and the bar behind it."""

    newest: Commit | None
    bar: Bar | None

    @property
    def version(self) -> int:
        """The newest commit's version; 0 for none."""
        return self.newest.version if self.newest else 0


def end_of(truth: Truth, aggregate_id: str) -> End:
    """The end of a stream."""
    page = truth.table.newest(aggregate_id, limit=2, consistent=True)
    return End(page.commits[0] if page.commits else None, page.bar)


def root_of(commit: Commit) -> tuple[str, int]:
    """The first commit that this one descends from: itself, unless it is a copy."""
    return commit.root or (commit.aggregate_id, commit.version)


def is_same(one: Commit, other: Commit) -> bool:
    """Whether two commits at one key are the same one, as itself or as a copy."""
    return root_of(one) == root_of(other)


def reason_of(error: Exception) -> str:
    """Why a commit cannot be transformed: with a message only if that has no personal data."""
    is_told = isinstance(error, TransformError | CommitTooLargeError)
    return str(error) if is_told else where(error)


@dataclass(frozen=True)
class Copying:
    """Makes copies of commits of *giver* for streams of *receiver*, whose code has *aggregates*.

    *failed* is called with a commit that is copied as it is, because the transform fails on it and
    its stream cannot wait any more. *vault* opens personal data for a transform, and seals it again;
    what a transform does not touch is copied with its texts unchanged.
    """

    giver: Truth
    receiver: Truth
    boundaries: Boundaries
    aggregates: Mapping[str, Aggregate]
    vault: Vault
    failed: Callable[[Commit, str], None] = lambda _commit, _reason: None

    def copy(
        self,
        commit: Commit,
        target: str,
        before: Commit | None,
        position: int | None,
        *,
        waits: bool,
    ) -> Commit:
        """The copy of *commit* in the stream *target*, behind its commit *before*.

        *position* is that of the commit in its log, if it is known. *waits* says that the stream can
        wait if the transform fails: then raises `TransformError`. If it cannot, the events are
        copied as they are. Raises `NotCopiedYetError`, `Unavailable` and `CallRefusedError`.
        """
        if self.boundaries.stays(commit.aggregate_id):
            made = [(commit.root_index(i), event) for i, event in enumerate(commit.events)]
            return self._copy(
                commit, target, made, commit.epoch, commit.epoch_start, None, position
            )
        merged = self.is_merged(target)
        version = (before.version if before else 0) + 1 if merged else commit.version
        state = self._state(commit, before, merged=merged)

        def made_of(
            events: Sequence[tuple[int, StoredEvent]], state: Any, *, begins: bool
        ) -> Commit:
            epoch, start = (before.epoch, before.epoch_start) if before else (1, 1)
            if begins:
                epoch, start = epoch + (version > 1), version
            copy = self._copy(commit, target, events, epoch, start, state, position)
            codec = self.aggregates[AggregateId.parse(target).category].codec
            copy = self.vault.seal(codec, copy, leave_out=True)
            addressed = commit.addressed
            if merged and commit.aggregate_id != target:
                addressed = addressed or commit.aggregate_id
            # Another order, or other commands: what a source lists does not hold here.
            recent = None if merged else copy.recent_commands
            return copy._replace(version=version, addressed=addressed, recent_commands=recent)

        try:
            all_made = self.boundaries.made(self.vault.opened([commit])[0], state)
            events, state = list(all_made.events[target]), all_made.state
            begins = self._begins(target, events) and not merged
            copy = made_of(events, state, begins=begins)
            # One that has become too large for the table is no copy.
            fitting_item(copy)
        except (NotCopiedYetError, Unavailable, CallRefusedError):
            # The transform is not at fault: the copy is made later.
            raise
        except Exception as error:
            reason = reason_of(error)
            if waits:
                raise TransformError(reason) from error
            self.failed(commit, reason)
            return made_of(self._opaque(commit, target), state, begins=False)
        return copy

    def is_merged(self, target: str) -> bool:
        """Whether a later stream has several sources. Raises `SeveralLogsError`."""
        sources = self.boundaries.sources(target)
        check_sources(target, sources, tuple(self.giver.logs))
        return len(sources) > 1

    def _copy(  # noqa: PLR0913, PLR0917 - what differs between copies
        self,
        commit: Commit,
        target: str,
        made: Sequence[tuple[int, StoredEvent]],
        epoch: int,
        epoch_start: int,
        progress: Any,
        position: int | None,
    ) -> Commit:
        indexes = tuple(index for index, _ in made)
        return commit._replace(
            aggregate_id=target,
            events=tuple(event for _, event in made),
            deps=tuple(self._causes(commit, target)),
            epoch=epoch,
            epoch_start=epoch_start,
            snapshot=None,
            root=root_of(commit),
            source=(commit.aggregate_id, commit.version),
            position=position,
            indexes=() if indexes == tuple(range(len(indexes))) else indexes,
            mark=0,
            progress=progress,
        )

    def _state(self, commit: Commit, before: Commit | None, *, merged: bool) -> Any:
        """The transform's state before *commit*: its target keeps it beside the copy before."""
        if merged or before is None:
            return self.boundaries.initial(commit.aggregate_id)
        return before.progress

    def _begins(self, target: str, made: Sequence[tuple[int, StoredEvent]]) -> bool:
        """Whether green's own writer would begin an epoch with these events.

        Raises an error of any kind for an event that green's code cannot read.
        """
        aggregate = self.aggregates[AggregateId.parse(target).category]
        read = [event for _, stored in made for event in aggregate.codec.decode(stored)]
        return aggregate.begins_epoch(read)

    def _opaque(self, commit: Commit, target: str) -> list[tuple[int, StoredEvent]]:
        """The events as they are, in one of the streams that the commit feeds."""
        if target != self.boundaries.feeds(commit.aggregate_id)[0]:
            return []
        return [(commit.root_index(i), event) for i, event in enumerate(commit.events)]

    def _causes(self, commit: Commit, target: str) -> list[StreamVersion]:
        """The commit's causes, where they are now. Those in its own stream need no mention, and what
        has come to a tenant of another log has no order with it.
        """
        causes: dict[StreamVersion, None] = {}
        own = self.receiver.log_name(target)
        for stream, version in commit.deps:
            for fed in self.boundaries.feeds(stream):
                if fed == target or self.receiver.log_name(fed) != own:
                    continue
                merged = len(self.boundaries.sources(fed)) > 1
                at = self._version_in(fed, StreamVersion(stream, version)) if merged else version
                causes[StreamVersion(fed, at)] = None
        return list(causes)

    def _version_in(self, merged: str, source: StreamVersion) -> int:
        """The version that a commit has in a merged stream."""
        below: int | None = None
        while True:
            page = self.receiver.events.newest(
                merged, limit=AT_ONCE, below=below, consistent=True
            ).commits
            for commit in page:
                if commit.source == source:
                    return commit.version
            if not page or page[-1].version == 1:
                raise NotCopiedYetError(merged, source)
            below = page[-1].version


def check_sources(target: str, sources: Sequence[str], names: Sequence[str]) -> None:
    """Raises `SeveralLogsError` if the *sources* of a later stream are in several of the logs *names*."""
    if len({log_of(source, names) for source in sources}) > 1:
        raise SeveralLogsError(target, sources)


def several_logs(
    boundaries: Boundaries, aggregate_ids: Iterable[str], names: Sequence[str]
) -> Iterator[str]:
    """What is wrong with the boundaries for these earlier streams, which are in the logs *names*."""
    if len(names) == 1:
        return
    for aggregate_id in aggregate_ids:
        for target in boundaries.feeds(aggregate_id):
            try:
                check_sources(target, boundaries.sources(target), names)
            except SeveralLogsError as error:
                yield str(error)
