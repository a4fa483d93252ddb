"""What all runners share: slices of the log, work on commits, trying again."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, TypeVar

from chalicelib.leftfold.kernel import Commit, View
from chalicelib.leftfold.projection.fold import Folding, PoisonError, hears
from chalicelib.leftfold.projection.rows import RowRejectedError, RowStore, Save
from chalicelib.leftfold.store.ports import Block, Unavailable
from chalicelib.leftfold.store.readers import Reader

PASS_ATTEMPTS = 8
# About what one batch of rows should cost: a megabyte or two, a second or two.
SLICE_EVENTS = 2_000

Pause = Callable[[int], None]
T = TypeVar("T")


class OvertakenError(Unavailable):
    """Others changed the same rows or checkpoints each time: they do the work."""


class Slice(NamedTuple):
    """The log from position *first* to *last*: those of its commits that are wanted."""

    first: int
    last: int
    commits: Sequence[tuple[int, Commit]]


def slices(
    blocks: Iterable[Block],
    first: int,
    last: int | None = None,
    wanted: Callable[[Commit], bool] = lambda _: True,
    size: int | None = None,
) -> Iterator[Slice]:
    """*blocks* from position *first* to *last*, in slices of about *size* events,
    or `SLICE_EVENTS`.

    The end may lie beyond *last*, at the end of its block. A hole ends it all: a page
    of blocks is not read at one moment, so a later block can be seen before an earlier.
    """
    commits: list[tuple[int, Commit]] = []
    following, events = first, 0
    for block in blocks:
        if block.first_position > following:
            break
        for position, commit in enumerate(block.commits, block.first_position):
            if position >= following and wanted(commit):
                commits.append((position, commit))
                events += len(commit.events)
        following = block.next_position
        if events >= (size or SLICE_EVENTS):
            yield Slice(first, following - 1, commits)
            first, commits, events = following, [], 0
        if last is not None and following > last:
            break
    if following > first:
        yield Slice(first, following - 1, commits)


class Outcome(NamedTuple):
    """What became of commits that were to be taken.

    *done* says that every commit that could be taken was: its rows are saved and visible,
    or what it leads to was done. *poisons* are the failures by scope, *rejected* the
    reasons why a store will not take rows, by stream: then nothing is certain of the others.
    """

    done: bool
    poisons: Mapping[str, PoisonError]
    rejected: Mapping[str, str]


class Work(Reader, Protocol):
    """What a partitioned reader does about commits: rows for a view, commands for a policy.

    Its name is the reader's, under which its checkpoints and parked streams are kept.
    """

    @property
    def size(self) -> int | None:
        """About how many events to take before checkpoints move; None: `SLICE_EVENTS`."""

    def hears(self, aggregate_id: str) -> bool:
        """Whether it listens to the stream's category."""

    def take(self, commits: Sequence[tuple[int, Commit]]) -> Outcome:
        """Takes commits in order. What was taken before is taken again without harm."""


@dataclass(frozen=True)
class ViewWork:
    """`Work` of a view."""

    view: View
    rows: RowStore
    size: int | None = None

    @property
    def name(self) -> str:
        return self.view.name

    @property
    def fed(self) -> Literal["bus", "log"]:
        return self.view.fed

    def hears(self, aggregate_id: str) -> bool:
        return hears(self.view, aggregate_id)

    def take(self, commits: Sequence[tuple[int, Commit]]) -> Outcome:
        return project(self.view, self.rows, commits)


def project(view: View, rows: RowStore, commits: Iterable[tuple[int, Commit]]) -> Outcome:
    """One pass: load the rows that *commits* touch, fold, save, make visible.

    Must begin after the checkpoint was read: a row is then never older than it.
    """
    folding = Folding(view, commits)
    keys = folding.keys
    loaded = rows.load(keys) if keys and view.accumulates else {}
    changed = folding.onto(loaded)
    saves = [
        Save(key, row, position, loaded[key] if view.accumulates else None)
        for key, (row, position, _) in changed.items()
    ]
    try:
        conflicts = rows.save(saves) if saves else set()
    except RowRejectedError as error:
        streams = folding.streams
        rejected = {streams[key]: reason for key, reason in error.reasons.items()}
        return Outcome(done=False, poisons=folding.poisons, rejected=rejected)
    # Also when nothing was saved: an earlier pass may have died before it came to this.
    if keys and not conflicts:
        rows.flush()
    return Outcome(done=not conflicts, poisons=folding.poisons, rejected={})


def persistently(pause: Pause, what: str, once: Callable[[], T | None]) -> T:
    """What *once* returns when it is not None; it is called up to `PASS_ATTEMPTS` times.

    None means that others were faster. After the last attempt raises `OvertakenError`.
    """
    for attempt in range(1, PASS_ATTEMPTS + 1):
        if (result := once()) is not None:
            return result
        pause(attempt)
    raise OvertakenError(f"{what}: others were faster {PASS_ATTEMPTS} times")
