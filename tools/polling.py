"""Looking again at what only may be late, before it is called wrong."""

import time
from collections.abc import Callable
from typing import TypeVar

PAUSE = 0.5
LOOKS = 60

Key = TypeVar("Key")
Pause = Callable[[float], None]


def remaining(look: Callable[[], dict[Key, int]], pause: Pause = time.sleep) -> dict[Key, int]:
    """What *look* finds, once that is nothing or 30 s of pauses have passed."""
    found = look()
    for _ in range(LOOKS):
        if not found:
            break
        pause(PAUSE)
        found = look()
    return found
