"""Parts that all runners share: slices of the log, work on commits, repeated passes."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, TypeVar

from chalicelib.leftfold.kernel import Commit, View
from chalicelib.leftfold.kernel.repair import NO_REPAIRS, Repairs
from chalicelib.leftfold.projection.fold import Body, Folding, PoisonError, hears, scope_of
from chalicelib.leftfold.projection.rows import RowRejectedError, RowStore, Save
from chalicelib.leftfold.store.ports import Block, Unavailable
from chalicelib.leftfold.store.readers import Reader
from chalicelib.leftfold.subjects.opening import CLOSED, Opener

PASS_ATTEMPTS = 8
# Events in a slice: about one or two megabytes of rows, saved in one or two seconds.
SLICE_EVENTS = 2_000

Pause = Callable[[int], None]
T = TypeVar("T")


class OvertakenError(Unavailable):
    """Other runners changed the same rows or checkpoints on each attempt; they do the work."""

    is_impersonal = True


class Slice(NamedTuple):
    """The log from position *first* to *last*; *commits* are the wanted ones of them."""

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
    """*blocks* from position *first* to *last*, in slices of about *size* or `SLICE_EVENTS` events.

    The last slice may go beyond *last*, to the end of its block. A hole ends the slices: a page
    of blocks is not read atomically, so a later block may be seen before an earlier one.
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
    """The outcome of work on commits.

    *done* is true if the work of every commit that did not fail is done: its rows are saved and
    visible, or its commands are sent. *poisons* are the failures by scope. *rejected* are the
    reasons for which a store does not accept rows, by stream; other rows may be unsaved then.
    """

    done: bool
    poisons: Mapping[str, PoisonError]
    rejected: Mapping[str, str]


class Work(Reader, Protocol):
    """The work of a partitioned reader on commits: a view saves rows, a policy sends commands.

    Checkpoints and parked streams are stored under its stored name, which is the reader's.
    """

    @property
    def size(self) -> int | None:
        """About how many events to take between moves of a checkpoint; None is `SLICE_EVENTS`."""

    def hears(self, aggregate_id: str) -> bool:
        """Whether the reader listens to the stream's category."""

    def scope(self, aggregate_id: str) -> str:
        """What is parked if the reader fails on a commit of the stream: the stream itself, or all
        that its tenant has, if the reader needs that in one order.
        """

    def take(self, commits: Sequence[tuple[int, Commit]]) -> Outcome:
        """Does the work of commits, in order. To repeat work that was done has no effect."""


@dataclass(frozen=True)
class ViewWork:
    """`Work` of a view. *opener* opens the commits of a personal one."""

    view: View
    rows: RowStore
    size: int | None = None
    opener: Opener = CLOSED
    repairs: Repairs = NO_REPAIRS

    @property
    def name(self) -> str:
        return self.view.name

    @property
    def categories(self) -> Collection[str]:
        return self.view.categories

    @property
    def stored_name(self) -> str:
        return self.view.stored_name

    @property
    def fed(self) -> Literal["bus", "log"]:
        return self.view.fed

    def hears(self, aggregate_id: str) -> bool:
        return hears(self.view, aggregate_id)

    def scope(self, aggregate_id: str) -> str:
        return scope_of(self.view, aggregate_id)

    def take(self, commits: Sequence[tuple[int, Commit]]) -> Outcome:
        """Folds commits into rows.

        Raises `RowRejectedError` if a store refuses a row of an ordered view: the fold has checked
        it, so the check is wrong, and nothing may be parked for it.
        """
        commits = seen(self.view, commits, self.opener)
        outcome = project(self.view, self.rows, commits, self.repairs)
        if outcome.rejected and self.view.order == "ordered":
            raise RowRejectedError(outcome.rejected)
        return outcome


def seen(
    view: View, commits: Sequence[tuple[int, Commit]], opener: Opener
) -> Sequence[tuple[int, Commit]]:
    """The commits as the view may see them: opened if it is personal. Raises `Unavailable`."""
    return opened_at(opener, commits) if view.personal else commits


def opened_by(view: View, commits: Sequence[Commit], opener: Opener) -> Sequence[Commit]:
    """The commits as the view may see them: opened if it is personal. Raises `Unavailable`."""
    if isinstance(commits, Body) and not (view.personal and commits.is_sealed):
        return commits
    return opener.opened(commits) if view.personal else [commit.blind() for commit in commits]


def opened_at(
    opener: Opener, commits: Sequence[tuple[int, Commit]]
) -> Sequence[tuple[int, Commit]]:
    """The commits, by position, with their personal data opened. Raises `Unavailable`."""
    opened = opener.opened([commit for _, commit in commits])
    return [(at, commit) for (at, _), commit in zip(commits, opened, strict=True)]


def project(
    view: View,
    rows: RowStore,
    commits: Iterable[tuple[int, Commit]],
    repairs: Repairs = NO_REPAIRS,
) -> Outcome:
    """One pass: loads the rows that *commits* touch, folds, saves, and makes them visible.

    The caller reads the checkpoint first, so no loaded row is older than the checkpoint.
    """
    folding = Folding(view, commits, repairs=repairs)
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
    # Also if nothing was saved: an earlier pass may have died between its save and its flush.
    if keys and not conflicts:
        rows.flush()
    return Outcome(done=not conflicts, poisons=folding.poisons, rejected={})


def persistently(pause: Pause, reader: str, once: Callable[[], T | None]) -> T:
    """The first result of *once* that is not None, in up to `PASS_ATTEMPTS` calls.

    None means that another runner was faster. Raises `OvertakenError` after the last attempt.
    """
    for attempt in range(1, PASS_ATTEMPTS + 1):
        if (result := once()) is not None:
            return result
        pause(attempt)
    raise OvertakenError(f"{reader}: other runners were faster {PASS_ATTEMPTS} times")
