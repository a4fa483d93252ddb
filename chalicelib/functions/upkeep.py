"""What has to be done now and then, and hurries nobody."""

from typing import Any

from chalice.app import Blueprint

from chalicelib.metrics import emit
from chalicelib.projection.rows import KEEP_TOMBSTONES
from chalicelib.wiring import services

functions = Blueprint(__name__)


@functions.schedule("rate(1 day)", name="purge")
def purge(_event: Any) -> None:
    """Removes old tombstones from OpenSearch, which has no time to live."""
    held = services()
    before = held.clock() - KEEP_TOMBSTONES
    for view in held.views.values():
        if view.store == "search":
            emit("TombstonesPurged", held.search_rows(view.name).purge(before), view=view.name)
