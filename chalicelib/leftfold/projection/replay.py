"""Folds views again from the whole log, and compares them with the live ones."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from chalicelib.leftfold.archive.segments import SegmentedLog
from chalicelib.leftfold.kernel import Commit, View
from chalicelib.leftfold.kernel.commit import canonical
from chalicelib.leftfold.kernel.repair import NO_REPAIRS, Repairs
from chalicelib.leftfold.projection.fold import Body, Folding, fold_quickly, hears
from chalicelib.leftfold.projection.rows import NEVER, StoredRow
from chalicelib.leftfold.projection.runner import opened_by, seen
from chalicelib.leftfold.store.ports import Log, Unavailable
from chalicelib.leftfold.subjects.opening import CLOSED, Opener


class Replayed(NamedTuple):
    """A view folded from the log up to *position*.

    *stopped* has the reason of each failure by its scope, which is parked in the live view.
    """

    rows: Mapping[str, StoredRow]
    position: int
    stopped: Mapping[str, str]


class Difference(NamedTuple):
    """A row that differs live and replayed; both are canonical JSON."""

    key: str
    replayed: str
    live: str


def replay(
    view: View,
    log: Log,
    progress: Callable[[int], None],
    repairs: Repairs = NO_REPAIRS,
    opener: Opener = CLOSED,
) -> Replayed:
    """Folds the whole log, with only the view's rows in memory.

    *progress* is called with each position that is reached. *opener* opens the commits of a
    personal view. Raises `Unavailable`.
    """
    end = log.head().next_position - 1
    rows: dict[str, StoredRow] = {}
    stopped: dict[str, str] = {}
    following = 0
    # One block at a time: it is freed at once, before the garbage collector has to look at it.
    for block in log.blocks(0, heard=view.categories):
        # A page of blocks is not read atomically: a later one may be seen before an earlier one.
        if block.first_position > following:
            break
        commits = opened_by(view, block.commits, opener)
        take(view, block.first_position, commits, rows, stopped, repairs)
        following = block.next_position
        progress(following - 1)
    position = following - 1
    if position < end:
        raise Unavailable(f"the log does not show position {position + 1}")
    return Replayed(rows, position, stopped)


def replay_range(
    view: View,
    log: Log,
    first: int,
    last: int,
    *,
    repairs: Repairs = NO_REPAIRS,
    opener: Opener = CLOSED,
) -> Replayed:
    """Folds the positions from *first* to before *last* alone.

    If the view does not accumulate or has a merge, and nothing fails, the rows of all ranges
    `together` are those of the whole log. Raises `Unavailable`.
    """
    rows: dict[str, StoredRow] = {}
    stopped: dict[str, str] = {}
    following = first
    for block in log.blocks(first, heard=view.categories):
        if block.first_position > following:
            break
        within = slice(following - block.first_position, last - block.first_position)
        commits = opened_by(view, block.commits[within], opener)
        take(view, following, commits, rows, stopped, repairs)
        following = block.next_position
        if following >= last:
            return Replayed(rows, last - 1, stopped)
    raise Unavailable(f"the log does not show position {following}")


def together(view: View, parts: Iterable[Replayed]) -> Replayed:
    """What ranges that follow one another make; of two rows that a view cannot merge, the later."""
    rows: dict[str, StoredRow] = {}
    stopped: dict[str, str] = {}
    position = -1
    for part in parts:
        rows |= {
            key: merged(view, key, rows.get(key, NEVER), row) for key, row in part.rows.items()
        }
        stopped |= part.stopped
        position = part.position
    return Replayed(rows, position, stopped)


def merged(view: View, key: str, earlier: StoredRow, later: StoredRow) -> StoredRow:
    """The row of earlier and of later commits, without a token."""
    if view.merge is None or earlier.row is None or later.row is None:
        return later
    return StoredRow(view.merge(earlier.row, later.row, key), later.position)


def take(
    view: View,
    first: int,
    commits: Sequence[Commit],
    rows: dict[str, StoredRow],
    stopped: dict[str, str],
    repairs: Repairs,
) -> None:
    """Folds *commits*, which begin at position *first*, into *rows*.

    What fails is in *stopped* by its scope.
    """
    if not stopped and isinstance(commits, Body) and commits.fold(view, first, rows):
        return
    done = 0 if stopped else fold_quickly(view, first, commits, rows)
    if done < len(commits):
        left = enumerate(commits[done:], first + done)
        take_slowly(view, left, rows, stopped, repairs)


def take_slowly(
    view: View,
    commits: Iterable[tuple[int, Commit]],
    rows: dict[str, StoredRow],
    stopped: dict[str, str],
    repairs: Repairs,
) -> None:
    """As `take`, of commits at any positions."""
    folding = Folding(view, commits, stopped, repairs)
    rows |= folding.onto(rows)
    stopped |= {scope: str(poison) for scope, poison in folding.poisons.items()}


class NotFromLiveError(Exception):
    """The view shows data that only closed epochs have."""

    def __init__(self, view: str) -> None:
        super().__init__(f"the rows of {view} cannot be made from live epochs alone")


def replay_live(
    view: View,
    log: SegmentedLog,
    progress: Callable[[int], None],
    repairs: Repairs = NO_REPAIRS,
    opener: Opener = CLOSED,
) -> Replayed:
    """Folds the live epochs only: the live remainders of segments, then the table's blocks.

    The rows of a view that is *from_carried* are the same as from `replay`. Raises
    `NotFromLiveError` for any other view, and `Unavailable`.
    """
    if not view.from_carried:
        raise NotFromLiveError(view.name)
    # Remainders are read before the registry, so that none lacks an epoch that the registry
    # has as live. The log is read last, so that it shows every epoch that the registry has.
    remains = log.live()
    epochs = {stream: entry.epoch for stream, entry in log.registry()}
    end = log.head().next_position - 1
    rows: dict[str, StoredRow] = {}
    stopped: dict[str, str] = {}
    position = -1
    for following, commits in remains:
        # Some epochs of a remainder may have been closed since it was written.
        live = [
            (at, commit)
            for at, commit in commits
            if hears(view, commit.aggregate_id)
            and commit.epoch >= epochs.get(commit.aggregate_id, 1)
        ]
        take_slowly(view, seen(view, live, opener), rows, stopped, repairs)
        position = following - 1
        progress(position)
    if position < end:
        raise Unavailable(f"the log does not show position {position + 1}")
    return Replayed(rows, position, stopped)


def compare(
    replayed: Mapping[str, StoredRow], live: Iterable[tuple[str, StoredRow]]
) -> Iterator[Difference]:
    """The rows whose bytes or positions differ; a missing row is "null" at position -1.

    A deleted row that is missing live is no difference, because deleted rows are purged.
    """
    seen: set[str] = set()
    for key, row in live:
        seen.add(key)
        yield from _difference(key, replayed.get(key, NEVER), row)
    for key, row in replayed.items():
        if key not in seen and row.row is not None:
            yield from _difference(key, row, NEVER)


def _difference(key: str, replayed: StoredRow, live: StoredRow) -> Iterator[Difference]:
    texts = _text(replayed), _text(live)
    if texts[0] != texts[1]:
        yield Difference(key, *texts)


def _text(row: StoredRow) -> str:
    return canonical({"position": row.position, "row": row.row})
