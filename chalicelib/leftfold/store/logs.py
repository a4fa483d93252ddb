"""The logs of a truth: one, or one for each group of tenants.

The number is a setting of the stage. It is recorded before the first commit is logged, and stays:
a tenant that changed its log would have its order in two of them.
"""

from collections.abc import Sequence
from zlib import crc32

from chalicelib.leftfold.store.ports import MAIN, Checkpoints

# Under this name the number of logs is kept beside the checkpoints of the first log.
RECORD = "logs"


class WrongLogsError(Exception):
    """The settings name another number of logs than the truth has."""


def log_names(count: int) -> tuple[str, ...]:
    """The names of *count* logs. A single log, and the first of several, is `main`."""
    return (MAIN, *(f"{MAIN}-{number}" for number in range(1, count)))


def log_of(aggregate_id: str, names: Sequence[str]) -> str:
    """The log of a stream: that of its tenant's group.

    Streams of one tenant are in one log, so its causes, its order and its rows are whole there.
    """
    tenant = aggregate_id.partition("/")[0]
    return names[crc32(tenant.encode()) % len(names)]


def recorded_logs(checkpoints: Checkpoints) -> int | None:
    """The number of logs that the truth has; None before its first commit is logged.

    *checkpoints* are those of the log `main`.
    """
    found = checkpoints.read(RECORD, [0])[0]
    return None if found == -1 else found


def record_logs(checkpoints: Checkpoints, count: int) -> None:
    """Records the number of logs, unless it is recorded. Raises `WrongLogsError`."""
    check_logs(recorded_logs(checkpoints) or checkpoints.begin(RECORD, 0, count), count)


def check_logs(recorded: int | None, count: int) -> None:
    """Raises `WrongLogsError` if another number of logs is recorded."""
    if recorded not in (None, count):
        raise WrongLogsError(
            f"the settings say that there are {count} logs, and this truth has {recorded} since"
            f" its first commit; set logs = {recorded} (infra/stages.toml) and deploy again. Another"
            " number needs a generation of its own: `leftfold generation create NAME --transform`"
        )
