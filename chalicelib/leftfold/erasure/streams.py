"""Where data of a subject is: its streams, and the commits of these."""

from collections.abc import Iterator, Sequence

from chalicelib.leftfold.kernel import AggregateId, Commit
from chalicelib.leftfold.store.ports import EventStore
from chalicelib.leftfold.subjects.keys import DataKeys

COMMITS_AT_ONCE = 100


def streams_of(
    keys: DataKeys, events: EventStore, subject: str, after: str | None = None
) -> Iterator[str]:
    """The streams with data of a subject: the one of its name, and those that were noted, in order.

    With *after*, those that come after that one.
    """
    tenant, _, name = subject.partition("/")
    category, _, key = name.partition(":")
    own = str(AggregateId(tenant, category, key))
    if after is None and events.newest(own, limit=1, consistent=True).commits:
        yield own
    for stream in keys.streams(subject):
        if after in (None, own) or stream > after:
            yield stream


def pages_of(events: EventStore, stream: str, first: int = 1) -> Iterator[Sequence[Commit]]:
    """The commits of a stream from version *first*, the oldest first, read consistently."""
    while commits := events.range(stream, first, first + COMMITS_AT_ONCE - 1):
        yield commits
        first += COMMITS_AT_ONCE


def holds(commit: Commit, subject: str) -> bool:
    """Whether a sealed commit has data of the subject."""
    return any(subject in event.sealed for event in commit.events)


def later_of(events: EventStore, commit: Commit) -> Iterator[Commit]:
    """The commits of the same stream after *commit*."""
    for page in pages_of(events, commit.aggregate_id, commit.version + 1):
        yield from page
