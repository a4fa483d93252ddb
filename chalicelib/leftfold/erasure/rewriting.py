"""Folds the rows again that may show data of a forgotten subject."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from chalicelib.leftfold.erasure.streams import holds, later_of
from chalicelib.leftfold.kernel import Commit, Row, View
from chalicelib.leftfold.kernel.repair import Repairs
from chalicelib.leftfold.projection.fold import Folding, PoisonError, hears, touched_by
from chalicelib.leftfold.projection.rows import NEVER, RowStore, Save, StoredRow
from chalicelib.leftfold.projection.runner import Pause, persistently
from chalicelib.leftfold.store.ports import EventStore, Log
from chalicelib.leftfold.subjects.opening import Opener

# Rows in one pass of a load and a save.
ROWS_AT_ONCE = 500


@dataclass(frozen=True)
class Rewriting:
    """Folds the rows of one personal view again from a stream, each at the position that it has.

    A view's rows depend on their stream alone, and a personal view sees no position, so the fold
    needs no log. A row that another runner changes meanwhile is loaded again. What a view has not
    folded yet is left to it.
    """

    view: View
    rows: RowStore
    events: EventStore
    log: Log
    opener: Opener
    pause: Pause
    repairs: Repairs

    def run(self, stream: str, commits: Sequence[Commit], subject: str) -> int:
        """Rewrites the rows of *stream*, which has these sealed *commits*; returns how many changed.

        Only rows that an event with data of *subject* has touched can show it. Raises
        `Unavailable`.
        """
        if not hears(self.view, stream):
            return 0
        keys = self._keys(commits, subject)
        changed = 0
        for start in range(0, len(keys), ROWS_AT_ONCE):
            some = keys[start : start + ROWS_AT_ONCE]
            once = partial(self._once, commits, some)
            changed += persistently(self.pause, self.view.name, once)
        if keys:
            self.rows.flush()
        return changed

    def _keys(self, commits: Sequence[Commit], subject: str) -> Sequence[str]:
        """The keys of the rows that the subject's data may be in."""
        keys: dict[str, None] = {}
        concerned = [commit for commit in commits if holds(commit, subject)]
        for commit, opened in zip(concerned, self.opener.opened(concerned), strict=True):
            try:
                touched = touched_by(self.view, NEVER.position, opened, self.repairs)
            except PoisonError:
                # The stream is parked in the view here, and its rows show nothing newer.
                break
            for key, recorded in touched:
                if subject in commit.events[recorded.event_index].sealed:
                    keys[key] = None
        return list(keys)

    def _once(self, commits: Sequence[Commit], keys: Sequence[str]) -> int | None:
        """One pass over some rows; None if another runner changed one of them."""
        stored = {key: row for key, row in self.rows.load(keys).items() if row.row is not None}
        if not stored:
            return 0
        # Read after the rows: no row then has a commit that the fold lacks.
        whole = [*commits, *later_of(self.events, commits[-1])]
        numbered = [(commit.version, commit) for commit in self.opener.opened(whole)]
        saves = [
            Save(key, row, old.position, old)
            for key, old, row in self._folded(numbered, stored)
            if row != old.row
        ]
        return len(saves) if not saves or not self.rows.save(saves) else None

    def _folded(
        self, commits: Sequence[tuple[int, Commit]], stored: Mapping[str, StoredRow]
    ) -> Sequence[tuple[str, StoredRow, Row | None]]:
        """Each row as it is stored, and as the commits make it that were folded into it.

        The fold counts versions as positions.
        """
        newest = commits[-1][0]
        touches = self._touches(commits)
        # What one commit alone has touched has no other, so it needs no look at the log.
        lasts = {
            key: newest if touches[key] == 1 else self._version_at(row.position)
            for key, row in stored.items()
        }
        folded: list[tuple[str, StoredRow, Row | None]] = []
        rows: dict[str, StoredRow] = {}
        stopped: set[str] = set()
        done = 0
        for last in sorted(set(lasts.values())):
            following = [numbered for numbered in commits if done < numbered[0] <= last]
            folding = Folding(self.view, following, stopped, self.repairs)
            rows |= folding.onto(rows)
            stopped |= folding.poisons.keys()
            done = last
            folded += [
                (key, stored[key], rows.get(key, NEVER).row)
                for key, at in lasts.items()
                if at == last
            ]
        return folded

    def _touches(self, commits: Sequence[tuple[int, Commit]]) -> Counter[str]:
        """How many commits touch each row."""
        touches: Counter[str] = Counter()
        for _, commit in commits:
            try:
                touched = touched_by(self.view, NEVER.position, commit, self.repairs)
            except PoisonError:
                break
            touches.update({key for key, _ in touched})
        return touches

    def _version_at(self, position: int) -> int:
        """The version, in its stream, of the commit at a position of the log."""
        for block in self.log.blocks(position, 1):
            return block.commits[position - block.first_position].version
        raise LookupError(f"the log has no position {position}")
