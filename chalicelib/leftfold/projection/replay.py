"""Views folded anew from the whole log, and how they differ from the live ones."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from chalicelib.leftfold.archive.segments import SegmentedLog
from chalicelib.leftfold.kernel import View
from chalicelib.leftfold.kernel.commit import canonical
from chalicelib.leftfold.projection.fold import Folding, hears
from chalicelib.leftfold.projection.rows import NEVER, StoredRow
from chalicelib.leftfold.projection.runner import slices
from chalicelib.leftfold.store.ports import Log, Unavailable


class Replayed(NamedTuple):
    """A view as the log makes it, up to *position*.

    *stopped* tells what it failed on, by stream; for an ordered view, which stops
    whole, the stream is "".
    """

    rows: Mapping[str, StoredRow]
    position: int
    stopped: Mapping[str, str]


class Difference(NamedTuple):
    """A row that is not what the log makes of it: both as canonical JSON."""

    key: str
    replayed: str
    live: str


def replay(view: View, log: Log, progress: Callable[[int], None]) -> Replayed:
    """Folds the whole log; only the view's rows are held in memory.

    *progress* is told each position that was reached. Raises `Unavailable`.
    """
    end = log.head().next_position - 1
    rows: dict[str, StoredRow] = {}
    stopped: dict[str, str] = {}
    position = -1
    # Block by block: there is no call to save, and what is let go of at once costs the
    # garbage collector nothing.
    for _, position, commits in slices(
        log.blocks(0), 0, wanted=lambda commit: hears(view, commit.aggregate_id), size=1
    ):
        folding = Folding(view, commits, stopped)
        rows |= folding.onto(rows)
        stopped |= {scope: str(poison) for scope, poison in folding.poisons.items()}
        progress(position)
    if position < end:
        raise Unavailable(f"the log does not show position {position + 1}")
    return Replayed(rows, position, stopped)


class NotFromLiveError(Exception):
    """The view shows what only closed epochs hold."""

    def __init__(self, view: str) -> None:
        super().__init__(f"the rows of {view} cannot be made from live epochs alone")


def replay_live(view: View, log: SegmentedLog, progress: Callable[[int], None]) -> Replayed:
    """Folds only the live epochs: what segments kept of them, then the table's blocks.

    The rows of a view that is made *from_carried* are those of `replay`. Raises
    `NotFromLiveError` for any other view, and `Unavailable`.
    """
    if not view.from_carried:
        raise NotFromLiveError(view.name)
    # Remainders, then the registry, then the log: so no remainder lacks what the registry
    # holds for live, and the log shows every epoch that the registry knows.
    remains = log.live()
    epochs = {stream: entry.epoch for stream, entry in log.registry()}
    end = log.head().next_position - 1
    rows: dict[str, StoredRow] = {}
    stopped: dict[str, str] = {}
    position = -1
    for following, commits in remains:
        # A remainder was written earlier: some of its epochs are closed by now.
        live = [
            (at, commit)
            for at, commit in commits
            if hears(view, commit.aggregate_id)
            and commit.epoch >= epochs.get(commit.aggregate_id, 1)
        ]
        folding = Folding(view, live, stopped)
        rows |= folding.onto(rows)
        stopped |= {scope: str(poison) for scope, poison in folding.poisons.items()}
        position = following - 1
        progress(position)
    if position < end:
        raise Unavailable(f"the log does not show position {position + 1}")
    return Replayed(rows, position, stopped)


def compare(
    replayed: Mapping[str, StoredRow], live: Iterable[tuple[str, StoredRow]]
) -> Iterator[Difference]:
    """The rows whose bytes or positions differ; one that is not there is "null" at -1.

    A tombstone that is no longer there is no difference: tombstones are purged.
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
