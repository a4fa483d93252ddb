"""What has to be done now and then, and hurries nobody."""

from datetime import timedelta
from typing import Any

from chalice.app import Blueprint

from chalicelib.leftfold.archive.archiver import GRACE, Moved
from chalicelib.leftfold.archive.epochs import DamagedArchiveError
from chalicelib.leftfold.commands.loading import BrokenStreamError
from chalicelib.leftfold.metrics import emit
from chalicelib.leftfold.projection.rows import KEEP_TOMBSTONES
from chalicelib.leftfold.wiring import services

# Statements are closed by the month: so the newest closed one is still in the table.
ARCHIVED_AFTER = timedelta(days=35)
# The archiver's note: the stream that it did last, or "".
READER = "archiver"
# Lambda ends a function after 15 minutes; what is left is done tomorrow.
TIME_TO_STOP = 60_000

functions = Blueprint(__name__)


@functions.schedule("rate(1 day)", name="purge")
def purge(_event: Any) -> None:
    """Removes old tombstones from OpenSearch, which has no time to live."""
    held = services()
    before = held.clock() - KEEP_TOMBSTONES
    for view in held.views.values():
        if view.store == "search":
            emit("TombstonesPurged", held.search_rows(view.name).purge(before), view=view.name)


@functions.schedule("rate(1 day)", name="archive")
def archive(event: Any) -> None:
    """Moves closed epochs and old blocks of the log from their tables to the archive.

    A stream that cannot be archived is told and left; all others are done. Where time is
    over before the last one, the next run goes on.
    """
    held = services()
    before = held.clock() - ARCHIVED_AFTER
    archiver = held.archiver(GRACE)
    moved, done = Moved(), held.checkpoints.note(READER)
    for aggregate_id, entry in archiver.candidates(done or None):
        if time_left(event) < TIME_TO_STOP:
            break
        done = aggregate_id
        try:
            moved += archiver.run(aggregate_id, entry, before)
        except (BrokenStreamError, DamagedArchiveError) as error:
            emit("StreamsNotArchived", 1, reason=str(error))
    else:
        done = None
    held.checkpoints.write_note(READER, done or "")
    emit("CommitsArchived", moved.items, bytes=moved.size)
    for pruned in held.pruner.run(before):
        emit("BlocksArchived", pruned.items, bytes=pruned.size)
        if time_left(event) < TIME_TO_STOP:
            break


def time_left(event: Any) -> int:
    """Milliseconds until Lambda ends the function."""
    left: int = event.context.get_remaining_time_in_millis()
    return left
