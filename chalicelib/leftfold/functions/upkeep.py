"""What has to be done now and then, and hurries nobody."""

from datetime import datetime, timedelta
from typing import Any

from chalicelib.leftfold.archive.archiver import GRACE, Archiver
from chalicelib.leftfold.archive.epochs import DamagedArchiveError
from chalicelib.leftfold.commands.loading import BrokenStreamError
from chalicelib.leftfold.functions.sources import time_left
from chalicelib.leftfold.metrics import emit
from chalicelib.leftfold.projection.rows import KEEP_DELETED
from chalicelib.leftfold.store.ports import StreamEntry, Unavailable
from chalicelib.leftfold.wiring.process import services
from chalicelib.leftfold.wiring.services import Services

# Longer than a month: where epochs are closed monthly, the newest closed one stays in the table.
ARCHIVED_AFTER = timedelta(days=35)
# The archiver's note: the stream that it began last, or "" at the end of the registry.
READER = "archiver"
# Lambda ends a function after 15 minutes; what is left is done tomorrow. Milliseconds that
# are kept for a step that has begun, and for the log besides.
TIME_TO_STOP = 60_000
TIME_FOR_THE_LOG = 240_000


def purge(_event: Any) -> None:
    """Removes old tombstones from OpenSearch, which has no time to live.

    A view that fails keeps no other from being purged; it is raised at the end.
    """
    held = services()
    before = held.clock() - KEEP_DELETED
    errors: list[Exception] = []
    for view in held.views.values():
        if view.store == "search":
            try:
                emit("DeletedRowsPurged", held.search_rows(view.name).purge(before), view=view.name)
            except Exception as error:  # noqa: BLE001 - raised below
                errors.append(error)
    if errors:
        raise ExceptionGroup("not all views could be purged", errors)


def archive(event: Any) -> None:
    """Moves closed epochs and old blocks of the log from their tables to the archive.

    Where time is over before the last stream, the next run goes on. Whatever the streams
    come to, the log is pruned; what went wrong is raised at the end.
    """
    held = services()
    before = held.clock() - ARCHIVED_AFTER
    errors: list[Exception] = []
    for part in (archive_epochs, prune_log):
        try:
            part(held, before, event)
        except Exception as error:  # noqa: BLE001 - raised below
            errors.append(error)
    if errors:
        raise ExceptionGroup("not all could be archived", errors)


def archive_epochs(held: Services, before: datetime, event: Any) -> None:
    """Moves closed epochs, stream by stream, from where the last run was.

    A stream that cannot be archived is told and left; all others are done. A stream that is
    busy, as when the relay is at its entry in the registry, is tried again at the end.
    """
    archiver = held.archiver(GRACE)
    busy: list[str] = []
    for aggregate_id, entry in archiver.candidates(held.checkpoints.note(READER) or None):
        if not is_time_for_epochs(event):
            break
        try:
            # Before it is done: a stream that ends the process each time holds up no other.
            held.checkpoints.write_note(READER, aggregate_id)
            archive_stream(archiver, aggregate_id, entry, before, event)
        except Unavailable:
            busy.append(aggregate_id)
    else:
        held.checkpoints.write_note(READER, "")
    for aggregate_id, entry in archiver.log.streams(busy).items():
        try:
            archive_stream(archiver, aggregate_id, entry, before, event)
        except Unavailable as error:
            emit("StreamsNotArchived", 1, reason=f"{aggregate_id}: {error}")


def archive_stream(
    archiver: Archiver, aggregate_id: str, entry: StreamEntry, before: datetime, event: Any
) -> None:
    """Moves a stream's closed epochs, as many as there is time for. Raises `Unavailable`."""
    try:
        for moved in archiver.run(aggregate_id, entry, before):
            emit("CommitsArchived", moved.items, bytes=moved.size)
            if not is_time_for_epochs(event):
                return
    except (BrokenStreamError, DamagedArchiveError) as error:
        emit("StreamsNotArchived", 1, reason=str(error))


def prune_log(held: Services, before: datetime, event: Any) -> None:
    """Moves old blocks of the log, as many as there is time for."""
    for pruned in held.pruner.run(before):
        emit("BlocksArchived", pruned.items, bytes=pruned.size)
        if time_left(event) < TIME_TO_STOP:
            return


def is_time_for_epochs(event: Any) -> bool:
    """Whether there is time for another step, and for the log after it."""
    return time_left(event) >= TIME_TO_STOP + TIME_FOR_THE_LOG
