"""Problems (RFC 9457): every way a request can fail, by a code that never changes."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from chalicelib.leftfold.kernel import ToFact, to_json

MEDIA_TYPE = "application/problem+json"
ERRORS_SHOWN = 20


class Kind(NamedTuple):
    """What all problems of one code share; *retry_after* is in seconds."""

    status: int
    title: str
    retry_after: int | None = None


# Clients branch on the codes: add to this table, never rename.
PROBLEMS: dict[str, Kind] = {
    # the request
    "malformed-body": Kind(400, "The body is not JSON as RFC 8259 and we have it"),
    "invalid-body": Kind(400, "The body has fields that are missing, unknown or wrong"),
    "invalid-query": Kind(400, "A query parameter is unknown, repeated or wrong"),
    "invalid-header": Kind(400, "A header has a value that it cannot have"),
    "key-required": Kind(400, "This request needs an Idempotency-Key"),
    "bad-cursor": Kind(400, "The cursor is not one of this query's"),
    "no-such-route": Kind(404, "There is nothing at this path"),
    "method-not-allowed": Kind(405, "This path does not take this method"),
    "body-too-large": Kind(413, "The body is too large"),
    "unsupported-media-type": Kind(415, "The body must be application/json"),
    # commands
    "version-mismatch": Kind(412, "The aggregate is at another version than If-Match"),
    "commit-too-large": Kind(413, "The command's events are too large for one commit"),
    "key-reused": Kind(422, "The Idempotency-Key was used for another command"),
    "contention": Kind(503, "Other commands were faster; nothing was written", 1),
    "outcome-unknown": Kind(503, "The command may have taken effect", 1),
    # queries
    "unavailable": Kind(503, "The storage did not answer", 1),
    "view-behind": Kind(503, "The view has not reached minVersion yet", 1),
    "view-parked": Kind(503, "The view waits for an operator", 60),
    "unhealthy": Kind(503, "Something that the service depends on is not well", 5),
    # ourselves
    "internal-error": Kind(500, "Something went wrong on our side"),
}


class Problem(Exception):  # noqa: N818 - RFC 9457's word
    """An answer that says what is wrong; *code* is one of the application's problems.

    *errors* say where: each has a `pointer` (RFC 6901) into the body, or the name of a
    `parameter` or `header`, and a `detail`. *facts* become members of the answer.
    """

    def __init__(
        self,
        code: str,
        detail: str | None = None,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        **facts: Any,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail
        self.errors = errors
        self.facts = facts
        self.headers = headers or {}


def body_of(problem: Problem, kind: Kind) -> dict[str, Any]:
    """The JSON of a problem's answer."""
    said = {} if problem.detail is None else {"detail": problem.detail}
    where = {"errors": list(problem.errors[:ERRORS_SHOWN])} if problem.errors else {}
    return {
        "type": f"/problems/{problem.code}",
        "title": kind.title,
        "status": kind.status,
        "code": problem.code,
        **said,
        **where,
        **{name: fact_json(fact) for name, fact in problem.facts.items()},
    }


def headers_of(problem: Problem, kind: Kind) -> dict[str, str]:
    """The headers of a problem's answer."""
    retry = {} if kind.retry_after is None else {"Retry-After": str(kind.retry_after)}
    return {"Content-Type": MEDIA_TYPE, **retry, **problem.headers}


def fact_json(fact: Any) -> Any:
    """The JSON of a fact of a refusal."""
    return fact.to_fact() if isinstance(fact, ToFact) else to_json(fact)
