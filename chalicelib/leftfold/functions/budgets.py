"""Time budgets: how long before its time-out a Lambda function begins nothing more."""

from typing import Any

# Milliseconds that remain for work that has begun.
FOR_A_SLICE = 20_000
FOR_A_COMMAND = 20_000
# The sweeper's last page, then the wakes and measurements of all readers.
FOR_THE_READERS = 20_000
# A page of the copier: up to sixteen blocks of commits, each a write; a hundred streams of the taker.
FOR_COPIES = 60_000
# One step of the archiver or the pruner. Lambda ends them after 15 minutes, and the next day's
# run goes on.
FOR_A_STEP = 60_000
# The archiver leaves this to the pruner besides.
FOR_THE_LOG = 240_000


def time_left(context: Any) -> int:
    """Milliseconds until Lambda ends the invocation of *context*."""
    left: int = context.get_remaining_time_in_millis()
    return left
