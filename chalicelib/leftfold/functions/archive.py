"""The function `archive`, which moves closed epochs and old blocks to S3 once a day."""

from datetime import datetime, timedelta
from typing import Any

from chalicelib.leftfold.archive.archiver import GRACE, READER, Archiver
from chalicelib.leftfold.archive.epochs import DamagedArchiveError
from chalicelib.leftfold.commands.loading import BrokenStreamError
from chalicelib.leftfold.errors import told
from chalicelib.leftfold.functions.budgets import FOR_A_STEP, FOR_THE_LOG, time_left
from chalicelib.leftfold.metrics import emit
from chalicelib.leftfold.store.ports import StreamEntry, Unavailable
from chalicelib.leftfold.wiring.process import services
from chalicelib.leftfold.wiring.services import Services

# Over a month, so that the newest closed epoch stays in the table where one is closed monthly.
ARCHIVED_AFTER = timedelta(days=35)


def archive(_event: Any, context: Any) -> None:
    """Moves closed epochs and old blocks of the log from their tables to the archive.

    If time is over before the last stream, the next run goes on from there. The log is pruned
    even if streams fail; all failures are raised at the end.
    """
    current = services()
    before = current.clock() - ARCHIVED_AFTER
    errors: list[Exception] = []
    # All logs have one registry, which is read once.
    parts = [(archive_epochs, current), *((prune_log, each) for each in current.in_each_log)]
    for part, of in parts:
        try:
            part(of, before, context)
        except Exception as error:  # noqa: BLE001 - raised below
            errors.append(error)
    if errors:
        raise ExceptionGroup("not all could be archived", errors)


def archive_epochs(current: Services, before: datetime, context: Any) -> None:
    """Moves closed epochs, stream by stream, from where the last run ended.

    A stream that cannot be archived is skipped, and a metric names it. A stream is busy while
    the relay changes its entry in the registry; busy streams are tried again at the end.
    """
    archiver = current.archiver(GRACE)
    busy: list[str] = []
    for aggregate_id, entry in archiver.candidates(current.checkpoints.note(READER) or None):
        if not is_time_for_epochs(context):
            break
        try:
            # Noted before the work, so that a stream that ends the process each time does not
            # stop the others.
            current.checkpoints.write_note(READER, aggregate_id)
            archive_stream(archiver, aggregate_id, entry, before, context)
        except Unavailable:
            busy.append(aggregate_id)
    else:
        current.checkpoints.write_note(READER, "")
    for aggregate_id, entry in archiver.log.streams(busy).items():
        try:
            archive_stream(archiver, aggregate_id, entry, before, context)
        except Unavailable as error:
            emit("StreamsNotArchived", 1, reason=f"{aggregate_id}: {error}")


def archive_stream(
    archiver: Archiver, aggregate_id: str, entry: StreamEntry, before: datetime, context: Any
) -> None:
    """Moves a stream's closed epochs while there is time. Raises `Unavailable`."""
    try:
        for moved in archiver.run(aggregate_id, entry, before):
            emit("CommitsArchived", moved.items, bytes=moved.size)
            if not is_time_for_epochs(context):
                return
    except (BrokenStreamError, DamagedArchiveError) as error:
        emit("StreamsNotArchived", 1, reason=told(error))


def prune_log(current: Services, before: datetime, context: Any) -> None:
    """Moves old blocks of the log while there is time."""
    for pruned in current.pruner.run(before):
        emit("BlocksArchived", pruned.items, bytes=pruned.size)
        if time_left(context) < FOR_A_STEP:
            return


def is_time_for_epochs(context: Any) -> bool:
    """Whether there is time for another step, and for the log after it."""
    return time_left(context) >= FOR_A_STEP + FOR_THE_LOG
