"""The function `purge`, which removes old deleted rows from OpenSearch once a day."""

from typing import Any

from chalicelib.leftfold.metrics import emit
from chalicelib.leftfold.projection.rows import KEEP_DELETED
from chalicelib.leftfold.wiring.process import services


def purge(_event: Any, _context: Any) -> None:
    """Removes old deleted rows from OpenSearch, which has no time to live.

    A failure in one view does not stop the others; all failures are raised at the end.
    """
    current = services()
    before = current.clock() - KEEP_DELETED
    errors: list[Exception] = []
    for view in current.views.values():
        if view.store == "search":
            try:
                purged = current.search_rows(view.name).purge(before)
                emit("DeletedRowsPurged", purged, view=view.name)
            except Exception as error:  # noqa: BLE001 - raised below
                errors.append(error)
    if errors:
        raise ExceptionGroup("not all views could be purged", errors)
