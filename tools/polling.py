"""Looks again at a difference that may only be late, before it counts as wrong."""

import time
from collections.abc import Callable
from typing import TypeVar

PAUSE = 0.5
LOOKS = 60

Key = TypeVar("Key")
Pause = Callable[[float], None]


def remaining(look: Callable[[], dict[Key, int]], pause: Pause = time.sleep) -> dict[Key, int]:
    """The result of *look*, once it is empty or 30 s of pauses have passed."""
    found = look()
    for _ in range(LOOKS):
        if not found:
            break
        pause(PAUSE)
        found = look()
    return found
