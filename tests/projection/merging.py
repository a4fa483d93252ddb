"""The law of views that merge: any cuts of a history make the rows of the whole history."""

from collections.abc import Sequence
from itertools import pairwise

from chalicelib.leftfold.kernel import Recorded, View
from chalicelib.leftfold.kernel.commit import canonical
from chalicelib.leftfold.projection.replay import merged
from chalicelib.leftfold.projection.rows import NEVER, StoredRow

Rows = dict[str, StoredRow]


def folded(view: View, history: Sequence[Recorded]) -> Rows:
    """The rows of a history, from nothing."""
    rows: Rows = {}
    for recorded in history:
        for key in view.keys(recorded):
            former = rows.get(key, NEVER).row
            rows[key] = StoredRow(view.fold(former, recorded, key), recorded.position)
    return rows


def merged_from(view: View, history: Sequence[Recorded], cuts: Sequence[int]) -> Rows:
    """The rows of the parts between *cuts*, put together in order."""
    rows: Rows = {}
    places = [0, *sorted(min(cut, len(history)) for cut in cuts), len(history)]
    for first, last in pairwise(places):
        for key, row in folded(view, history[first:last]).items():
            rows[key] = merged(view, key, rows.get(key, NEVER), row)
    return rows


def check_law(view: View, history: Sequence[Recorded], cuts: Sequence[int]) -> None:
    """Fails if the rows differ by a byte or a position."""
    whole, parts = (
        {key: (canonical(row.row), row.position) for key, row in rows.items()}
        for rows in (folded(view, history), merged_from(view, history, cuts))
    )
    assert parts == whole
