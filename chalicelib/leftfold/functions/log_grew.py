"""The function `log_grew`, which the log table's stream starts."""

from typing import Any

from chalicelib.leftfold.wiring.process import services


def log_grew(_event: Any, _context: Any) -> None:
    """Wakes every follower of every application. No other function reads the log table's stream."""
    for follower in services().followers:
        services().waker.wake(follower)
