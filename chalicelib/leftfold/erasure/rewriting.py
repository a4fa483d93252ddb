"""Folds the rows again that may show data of a forgotten subject."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from chalicelib.leftfold.kernel import Commit, Recorded, Row, View
from chalicelib.leftfold.projection.fold import PoisonError, hears, touched_by
from chalicelib.leftfold.projection.rows import NEVER, RowStore, Save, StoredRow
from chalicelib.leftfold.projection.runner import Pause, persistently
from chalicelib.leftfold.store.ports import Log
from chalicelib.leftfold.subjects.opening import Opener

# Rows in one pass of a load and a save.
ROWS_AT_ONCE = 500

# What the commits of a stream do to a row: the version and the event, the oldest first.
Touches = Sequence[tuple[int, Recorded]]


@dataclass(frozen=True)
class Rewriting:
    """Folds the rows of one personal view again from a stream, each at the position that it has.

    A view's rows depend on their stream alone, and a personal view sees no position, so the fold
    needs no log. A row that another runner changes meanwhile is loaded again. What a view has not
    folded yet is left to it.
    """

    view: View
    rows: RowStore
    log: Log
    opener: Opener
    pause: Pause

    def run(self, stream: str, commits: Sequence[Commit], subject: str) -> int:
        """Rewrites the rows of *stream*, which has these sealed *commits*; returns how many changed.

        Only rows that an event with data of *subject* has touched can show it. Raises
        `Unavailable`.
        """
        if not hears(self.view, stream):
            return 0
        touches = self._touches(commits, subject)
        keys = list(touches)
        changed = 0
        for start in range(0, len(keys), ROWS_AT_ONCE):
            some = {key: touches[key] for key in keys[start : start + ROWS_AT_ONCE]}
            changed += persistently(self.pause, self.view.name, partial(self._once, some))
        if keys:
            self.rows.flush()
        if changed:
            self.rows.expunge()
        return changed

    def _touches(self, commits: Sequence[Commit], subject: str) -> dict[str, Touches]:
        """What touches each row that the subject's data may be in."""
        touches: dict[str, list[tuple[int, Recorded]]] = {}
        concerned: set[str] = set()
        for commit, opened in zip(commits, self.opener.opened(commits), strict=True):
            try:
                touched = touched_by(self.view, NEVER.position, opened)
            except PoisonError:
                # The stream is parked in the view here, and its rows show nothing newer.
                break
            for key, recorded in touched:
                touches.setdefault(key, []).append((commit.version, recorded))
                if subject in commit.events[recorded.event_index].sealed:
                    concerned.add(key)
        return {key: found for key, found in touches.items() if key in concerned}

    def _once(self, touches: Mapping[str, Touches]) -> int | None:
        """One pass over some rows; None if another runner changed one of them."""
        stored = self.rows.load(list(touches))
        saves = [
            Save(key, row, old.position, old)
            for key, old in stored.items()
            if old.row is not None and (row := self._folded(key, touches[key], old)) != old.row
        ]
        return len(saves) if not saves or not self.rows.save(saves) else None

    def _folded(self, key: str, touches: Touches, stored: StoredRow) -> Row | None:
        """The row as the commits make it that were folded into it, up to its position."""
        last = touches[-1][0] if len(touches) == 1 else self._version_at(stored.position)
        row: Row | None = None
        for version, recorded in touches:
            if version <= last:
                row = self.view.fold(row if self.view.accumulates else None, recorded, key)
        return row

    def _version_at(self, position: int) -> int:
        """The version, in its stream, of the commit at a position of the log."""
        for block in self.log.blocks(position, 1):
            return block.commits[position - block.first_position].version
        raise LookupError(f"the log has no position {position}")
