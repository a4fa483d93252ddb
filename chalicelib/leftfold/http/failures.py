"""Which problem a client gets for an exception of the layers below."""

from collections.abc import Callable, Mapping
from typing import Any

from chalicelib.leftfold.access.callers import TooManyRequestsError
from chalicelib.leftfold.commands.handler import (
    ContentionError,
    KeyReusedError,
    VersionMismatchError,
)
from chalicelib.leftfold.commands.owning import IdMovedError, MovedError, NotActiveError
from chalicelib.leftfold.http.problems import Kind, Problem
from chalicelib.leftfold.kernel import Refused
from chalicelib.leftfold.projection.freshness import NotYetError, ViewParkedError
from chalicelib.leftfold.store.ports import CommitTooLargeError, Unavailable

FORESEEN: dict[type[Exception], Callable[[Any], Problem]] = {
    Problem: lambda problem: problem,
    TooManyRequestsError: lambda e: Problem(
        "too-many-requests", headers={"Retry-After": str(e.wait)}
    ),
    VersionMismatchError: lambda e: Problem("version-mismatch", version=e.version),
    KeyReusedError: lambda _: Problem("key-reused"),
    ContentionError: lambda _: Problem("contention", "Send the command again."),
    CommitTooLargeError: lambda _: Problem(
        "commit-too-large", "Send fewer changes in one command."
    ),
    IdMovedError: lambda e: Problem("id-gone", places=[to.aggregate_id for to in e.successors]),
    MovedError: lambda _: Problem("stream-moved", "Nothing was written. Send the command again."),
    NotActiveError: lambda _: Problem("not-active", "Nothing was written. Send it again later."),
    Unavailable: lambda _: Problem("unavailable", "Send the request again."),
    NotYetError: lambda _: Problem("view-behind", "Send the request again."),
    ViewParkedError: lambda _: Problem(
        "view-parked", "The view failed on an event of this aggregate."
    ),
}


def problem_of(error: Exception, kinds: Mapping[str, Kind]) -> Problem:
    """The problem of an exception.

    `internal-error` stands for an unknown exception, and for a code that is not in *kinds*.
    """
    problem = foreseen(error)
    return problem if problem is not None and problem.code in kinds else Problem("internal-error")


def foreseen(error: Exception) -> Problem | None:
    """The problem of an exception that the API knows; None for any other."""
    if isinstance(error, Refused):
        return Problem(error.code, **error.facts)
    for kind, problem in FORESEEN.items():
        if isinstance(error, kind):
            return problem(error)
    return None
