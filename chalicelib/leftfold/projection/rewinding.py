"""The rows of partitioned views just before and just after a commit, by the views' own folds."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.leftfold.kernel import Commit, Row, View
from chalicelib.leftfold.kernel.repair import NO_REPAIRS, Repairs
from chalicelib.leftfold.projection.fold import PoisonError, fold, hears
from chalicelib.leftfold.store.ports import EventStore

if TYPE_CHECKING:
    from chalicelib.leftfold.projection.rows import StoredRow

# Commits of one stream that are folded for one answer.
MOST_COMMITS = 5_000
# One read takes few commits, because a commit may have 400 KB.
COMMITS_AT_ONCE = 100


class Rewound(NamedTuple):
    """A row before and after one event of a commit; None is no row."""

    view: str
    key: str
    event_index: int
    before: Row | None
    after: Row | None


class Failed(NamedTuple):
    """A view whose fold fails on the commit, or on one before it, as `PoisonError` says why."""

    view: str
    reason: str


def rewound(
    views: Sequence[View], events: EventStore, commit: Commit, repairs: Repairs = NO_REPAIRS
) -> Iterator[Rewound | Failed]:
    """The rows that each event of *commit* has changed in *views*, each view folded from its
    stream alone.

    Rows of ordered views mix streams, so they are left out, as are those of a view that would
    have to fold more than `MOST_COMMITS`. A view that shows positions shows versions here.
    No personal data is opened for it: its fields read `erased`.
    """
    for view in views:
        if view.order == "ordered" or not hears(view, commit.aggregate_id):
            continue
        first = beginning(view, commit)
        if commit.version - first >= MOST_COMMITS:
            continue
        try:
            yield from list(changes(view, events, first, commit, repairs))
        except PoisonError as failure:
            yield Failed(view.name, failure.reason)


def changes(
    view: View, events: EventStore, first: int, commit: Commit, repairs: Repairs
) -> Iterator[Rewound]:
    """The rows of *view* that *commit* has changed, folded from version *first* on.

    Raises `PoisonError`.
    """
    before: dict[str, StoredRow] = {}
    for earlier in commits_of(events, commit.aggregate_id, first, commit.version - 1):
        before |= fold(view, [(earlier.version, earlier.blind())], before, repairs)
    rows, blind = before, commit.blind()
    for index in range(len(blind.events)):
        # The events keep their places in the commit, which are in the keys of rows.
        upto = blind._replace(events=blind.events[: index + 1])
        after = fold(view, [(commit.version, upto)], before, repairs)
        for key, row in after.items():
            former = rows.get(key)
            if former is None or former.row != row.row:
                yield Rewound(view.name, key, index, former and former.row, row.row)
        rows = rows | after


def beginning(view: View, commit: Commit) -> int:
    """The version from which on the view needs the stream's commits for its rows."""
    if not view.accumulates:
        return commit.version
    if view.from_carried and commit.version > commit.epoch_start:
        return commit.epoch_start
    return 1


def commits_of(events: EventStore, aggregate_id: str, first: int, last: int) -> Iterator[Commit]:
    """The commits *first*..*last* of a stream, read lazily."""
    for start in range(first, last + 1, COMMITS_AT_ONCE):
        yield from events.range(aggregate_id, start, min(start + COMMITS_AT_ONCE - 1, last))
