"""How long a request may begin calls of AWS, so that its answer is ours and not API Gateway's."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from chalicelib.leftfold.store.ports import Unavailable

# Seconds. API Gateway waits 29 for an answer, from before a cold start of up to 3. An attempt of
# a call that begins in time ends within 4 (`clients`), so the last one ends at 28.
LAST_CALL = 21.0

_until: ContextVar[float | None] = ContextVar("until", default=None)


class OutOfTimeError(Unavailable):
    """The request has no time for another attempt of a call: nobody would wait for its outcome."""


@contextmanager
def time_for_calls(seconds: float) -> Iterator[None]:
    """Inside, no attempt of a call begins after *seconds*."""
    before = _until.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _until.reset(before)


def check_time(**_event: Any) -> None:
    """Before each attempt of a call: raises `OutOfTimeError` if it would begin too late."""
    until = _until.get()
    if until is not None and time.monotonic() > until:
        raise OutOfTimeError("the request has no time for another call")
