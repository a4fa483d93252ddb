"""What the layers below raise, as the problem that a client gets."""

from collections.abc import Callable
from typing import Any

from chalicelib.leftfold.commands.handler import (
    ContentionError,
    KeyReusedError,
    VersionMismatchError,
)
from chalicelib.leftfold.http.problems import PROBLEMS, Problem
from chalicelib.leftfold.kernel import Refused
from chalicelib.leftfold.projection.freshness import NotYetError, ViewParkedError
from chalicelib.leftfold.store.ports import CommitTooLargeError, Unavailable

FORESEEN: dict[type[Exception], Callable[[Any], Problem]] = {
    Problem: lambda problem: problem,
    VersionMismatchError: lambda e: Problem("version-mismatch", version=e.version),
    KeyReusedError: lambda _: Problem("key-reused"),
    ContentionError: lambda _: Problem("contention", "Send the command again."),
    CommitTooLargeError: lambda _: Problem("commit-too-large", "Send fewer bookings at once."),
    Unavailable: lambda _: Problem("unavailable", "Try again."),
    NotYetError: lambda _: Problem("view-behind", "Ask again."),
    ViewParkedError: lambda _: Problem("view-parked", "The view failed on one of the events."),
}


def problem_of(error: Exception) -> Problem:
    """The problem that *error* is; `internal-error` for what nobody foresaw."""
    if isinstance(error, Refused) and error.code in PROBLEMS:
        return Problem(error.code, **error.facts)
    for kind, problem in FORESEEN.items():
        if isinstance(error, kind):
            return problem(error)
    return Problem("internal-error")
