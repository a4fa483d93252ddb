"""Looks again at a difference that may only be late, before it counts as wrong."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

PAUSE = timedelta(seconds=0.5)
PATIENCE = timedelta(seconds=30)

Key = TypeVar("Key")
Pause = Callable[[float], None]


def remaining(
    look: Callable[[], dict[Key, int]],
    pause: Pause = time.sleep,
    patience: timedelta = PATIENCE,
) -> dict[Key, int]:
    """The result of *look*, once it is empty or *patience* has passed in pauses."""
    found = look()
    for _ in range(patience // PAUSE):
        if not found:
            break
        pause(PAUSE.total_seconds())
        found = look()
    return found
