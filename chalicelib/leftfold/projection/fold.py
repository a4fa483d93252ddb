"""Folds commits into the rows of a view; pure, and the same code live and in a replay."""

from abc import abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from chalicelib.leftfold.errors import where
from chalicelib.leftfold.kernel import AggregateId, Codec, Commit, Recorded, Row, View
from chalicelib.leftfold.kernel.aggregate import is_of
from chalicelib.leftfold.kernel.repair import NO_REPAIRS, Repairs, read, repair_of
from chalicelib.leftfold.projection.rows import NEVER, StoredRow, check_key, text_of
from chalicelib.leftfold.store.ports import Unavailable

REASON_LENGTH = 1_000

# Keys of the rows that a commit touches, each with the event that touches the row.
Touched = list[tuple[str, Recorded]]


class PoisonError(Exception):
    """A view failed on a commit, which could not be decoded or not be folded."""

    is_impersonal = True

    def __init__(self, aggregate_id: str, position: int, reason: str) -> None:
        super().__init__(f"{aggregate_id} at position {position}: {reason}")
        self.aggregate_id = aggregate_id
        self.position = position
        self.reason = reason


class Folding:
    """One fold of commits into the rows of a view, in two steps.

    The constructor finds the *keys* of the rows that the commits touch. A runner loads these
    rows, and `onto` folds the commits into them.

    A commit that fails is in *poisons* by its scope. Neither it nor a later commit of its scope
    is folded into a row. `scope_of` says what the scope is. *stopped* are scopes that have failed
    earlier. A commit that fails, and that the view is to pass over by *repairs*, touches no row.
    """

    def __init__(
        self,
        view: View,
        commits: Iterable[tuple[int, Commit]],
        stopped: Collection[str] = (),
        repairs: Repairs = NO_REPAIRS,
    ) -> None:
        self.poisons: dict[str, PoisonError] = {}
        self._view = view
        self._repairs = repairs
        self._touches: list[tuple[str, int, Touched]] = []
        self._commits: dict[int, Commit] = {}
        for position, commit in commits:
            scope = scope_of(view, commit.aggregate_id)
            if scope in self.poisons or scope in stopped:
                continue
            try:
                touched = touched_by(view, position, commit, repairs)
            except PoisonError as poison:
                self.poisons[scope] = poison
                continue
            if touched:
                self._commits[position] = commit
                self._touches.append((scope, position, touched))

    @property
    def keys(self) -> set[str]:
        """The keys of the rows that the commits touch."""
        return {key for _, _, touched in self._touches for key, _ in touched}

    @property
    def streams(self) -> dict[str, str]:
        """The stream that touched each row last, by the row's key."""
        return {
            key: recorded.aggregate_id
            for _, _, touched in self._touches
            for key, recorded in touched
        }

    def onto(self, rows: Mapping[str, StoredRow]) -> dict[str, StoredRow]:
        """The rows that the commits change, without tokens; *rows* is not modified.

        A commit at or below a row's position is in that row already and is skipped.
        """
        changed: dict[str, StoredRow] = {}
        failed: set[str] = set()
        for scope, position, touched in self._touches:
            if scope in failed:
                continue
            try:
                folded = self._fold(position, touched, rows, changed)
            except Exception as error:  # noqa: BLE001 - a view may raise anything
                if self._is_skipped(self._commits[position]):
                    continue
                # This commit comes before the one of the scope, if any, that could not be decoded.
                self.poisons[scope] = poison(
                    touched[0][1].aggregate_id, position, error, private=self._view.personal
                )
                failed.add(scope)
                continue
            for key, row in folded.items():
                changed[key] = StoredRow(row, position)
        return changed

    def _fold(
        self,
        position: int,
        touched: Touched,
        rows: Mapping[str, StoredRow],
        changed: Mapping[str, StoredRow],
    ) -> dict[str, Row | None]:
        fold, accumulates = self._view.fold, self._view.accumulates
        folded: dict[str, Row | None] = {}
        for key, recorded in touched:
            if key in folded:
                former = folded[key]
            else:
                stored = changed.get(key) or rows.get(key, NEVER)
                if position <= stored.position:
                    continue
                former = stored.row
            folded[key] = fold(former if accumulates else None, recorded, key)
        if self._view.order == "ordered":
            # A row that no store accepts stops its tenant here: no later row may be saved.
            for key, row in folded.items():
                text_of(key, row)
        return folded

    def _is_skipped(self, commit: Commit) -> bool:
        return self._view.stored_name in repair_of(commit, self._repairs).skipped_by


class Body(Sequence[Commit]):
    """The commits of a block, which a view folds all together before they are made."""

    @property
    @abstractmethod
    def is_sealed(self) -> bool:
        """Whether an event may have a sealed value."""

    @abstractmethod
    def fold(self, view: View, first: int, rows: dict[str, StoredRow]) -> bool:
        """Folds all commits, which begin at position *first*, into *rows*.

        False, with *rows* as they were, if the view may fail on one: then they are to be folded
        one by one. A personal view may fail on what is sealed; others read `erased` there.
        """


def fold_quickly(
    view: View, first: int, commits: Sequence[Commit], rows: dict[str, StoredRow]
) -> int:
    """Folds *commits*, which begin at position *first*, into *rows*, up to the first on which the
    view fails; how many it has passed.

    Nothing of the commit that fails is in a row. `Folding` does the same with it as with any, and
    knows what to make of a failure.
    """
    for position, commit in enumerate(commits, first):
        codec = view.codecs.get(category_of(commit.aggregate_id))
        if codec is None:
            continue
        try:
            made = _made_of(view, codec, position, commit, rows)
        except Exception:  # noqa: BLE001 - a view may raise anything
            return position - first
        for key, row in made.items():
            rows[key] = StoredRow(row, position)
    return len(commits)


def _made_of(
    view: View,
    codec: Codec[Any],
    position: int,
    commit: Commit,
    rows: Mapping[str, StoredRow],
) -> dict[str, Row | None]:
    """The rows that a commit changes, if the view does not fail on it."""
    aggregate_id, version, at = commit.aggregate_id, commit.version, commit.at
    keys_of, fold, accumulates = view.keys, view.fold, view.accumulates
    shown = NEVER.position if view.personal else position
    made: dict[str, Row | None] = {}
    for index, stored in enumerate(commit.events):
        for part, event in enumerate(codec.decode(stored)):
            recorded = Recorded(aggregate_id, version, index, at, shown, event, part)
            for key in dict.fromkeys(keys_of(recorded)):
                if key in made:
                    former = made[key]
                else:
                    if key != aggregate_id:
                        check_own(view, aggregate_id, key)
                    stored_row = rows.get(key, NEVER)
                    if position <= stored_row.position:
                        continue
                    former = stored_row.row
                made[key] = fold(former if accumulates else None, recorded, key)
    if view.order == "ordered":
        for key, row in made.items():
            text_of(key, row)
    return made


def fold(
    view: View,
    commits: Iterable[tuple[int, Commit]],
    rows: Mapping[str, StoredRow],
    repairs: Repairs = NO_REPAIRS,
) -> dict[str, StoredRow]:
    """The rows that *commits*, as (position, commit), change. Raises `PoisonError`."""
    folding = Folding(view, commits, repairs=repairs)
    changed = folding.onto(rows)
    for failure in folding.poisons.values():
        raise failure
    return changed


def scope_of(view: View, aggregate_id: str) -> str:
    """How far a failure on a commit of the stream reaches: no later commit of its scope is folded.

    It is the stream. For an ordered view, whose rows mix the streams of a tenant, it is all that the
    tenant has: "main/". A row is of one scope.
    """
    if view.order == "partitioned":
        return aggregate_id
    return aggregate_id[: aggregate_id.index("/") + 1]


def hears(view: View, aggregate_id: str) -> bool:
    """Whether the view listens to the stream's category."""
    return category_of(aggregate_id) in view.codecs


# The same streams come again and again; without a cache, parsing takes a tenth of a fold.
@lru_cache(maxsize=16_384)
def category_of(aggregate_id: str) -> str:
    """The category of a stream."""
    return AggregateId.parse(aggregate_id).category


def touched_by(view: View, position: int, commit: Commit, repairs: Repairs = NO_REPAIRS) -> Touched:
    """(key, event) for each row that each event of the commit touches.

    The list is empty for a category that the view does not listen to, and for a commit that
    the view cannot read and is to pass over. The commit of a personal view has been opened.
    Raises `PoisonError` and `Unavailable`.
    """
    aggregate_id = commit.aggregate_id
    codec = view.codecs.get(category_of(aggregate_id))
    if codec is None:
        return []
    touched: Touched = []
    try:
        for recorded in seen_by(view, codec, position, commit, repairs):
            # A view may return a key twice, as for an event with the same key on two sides.
            for key in dict.fromkeys(view.keys(recorded)):
                check_own(view, aggregate_id, key)
                touched.append((key, recorded))
    except Unavailable:
        raise
    except Exception as error:
        if view.stored_name in repair_of(commit, repairs).skipped_by:
            return []
        raise poison(aggregate_id, position, error, private=view.personal) from error
    return touched


def seen_by(
    view: View, codec: Codec[Any], position: int, commit: Commit, repairs: Repairs
) -> Iterator[Recorded]:
    """The commit's events as the view sees them.

    A view that is not personal reads `erased` in personal fields. A personal view sees no
    position: its rows can be folded again from a stream, which has none.
    """
    if view.personal:
        return recorded_of(codec, NEVER.position, commit, repairs)
    return recorded_of(codec, position, commit.blind(), repairs)


def recorded_of(
    codec: Codec[Any], position: int, commit: Commit, repairs: Repairs = NO_REPAIRS
) -> Iterator[Recorded]:
    """The commit's events, recorded at *position* of the log."""
    for index, part, event, _ in read(commit, codec, repairs):
        yield Recorded(
            commit.aggregate_id,
            commit.version,
            index,
            commit.at,
            position,
            event,
            part,
        )


def poison(
    aggregate_id: str, position: int, error: Exception, *, private: bool = False
) -> PoisonError:
    """The failure with a reason for people, cut to the length that a parked stream stores.

    The reason of a *private* one says where the code failed, and not why, unless its class has
    `is_impersonal`: the message of an exception may have personal data, which no erasure would
    find in a parked stream.
    """
    hidden = private and not getattr(error, "is_impersonal", False)
    reason = where(error) if hidden else f"{type(error).__name__}: {error}"
    return PoisonError(aggregate_id, position, reason[:REASON_LENGTH])


def check_own(view: View, aggregate_id: str, key: str) -> None:
    """Raises ValueError for a key that no store accepts, or that is not of the stream."""
    check_key(key)
    if view.order == "partitioned" and not key.startswith(aggregate_id):
        raise ValueError(f"{key!r} does not begin with the aggregate's id")
    if not is_of(AggregateId.parse(aggregate_id).tenant, key):
        raise ValueError(f"{key!r} does not begin with the aggregate's tenant")
