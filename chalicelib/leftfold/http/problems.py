"""Problems (RFC 9457): every way a request can fail, by a code that never changes."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from chalicelib.leftfold.kernel import ToFact, to_json

MEDIA_TYPE = "application/problem+json"
ERRORS_SHOWN = 20


class Kind(NamedTuple):
    """The status and title of all problems with one code; *retry_after* is in seconds."""

    status: int
    title: str
    retry_after: int | None = None


# Clients branch on the codes: add to this table, never rename.
PROBLEMS: dict[str, Kind] = {
    # the request
    "malformed-body": Kind(
        400, "The request body is not valid JSON (RFC 8259, with the restrictions in the docs)"
    ),
    "invalid-body": Kind(400, "The request body has fields that are missing, unknown or invalid"),
    "invalid-query": Kind(400, "A query parameter is unknown, repeated or invalid"),
    "invalid-header": Kind(400, "A request header has an invalid value"),
    "key-required": Kind(400, "This request needs an Idempotency-Key header"),
    "bad-cursor": Kind(400, "The cursor does not belong to this query"),
    "no-such-route": Kind(404, "No resource has this path"),
    "method-not-allowed": Kind(405, "This path does not support this method"),
    "body-too-large": Kind(413, "The request body is too large"),
    "unsupported-media-type": Kind(
        415, "The request body must have the media type application/json"
    ),
    # access
    "token-missing": Kind(401, "This request needs an access token: Authorization: Bearer TOKEN"),
    "token-expired": Kind(401, "The access token has expired; get another one"),
    "token-invalid": Kind(401, "The access token is not valid here"),
    "scope-missing": Kind(403, "The access token, or the role, does not allow this request"),
    "tenant-missing": Kind(403, "The access token names no tenant that this request is for"),
    "role-unknown": Kind(403, "The IAM role that signed this request may not call this API"),
    "forbidden": Kind(403, "The request is not allowed"),
    "house-only": Kind(403, "Only an operator of the house may do this"),
    "too-many-requests": Kind(429, "There are too many requests at the moment", 1),
    # commands
    "version-mismatch": Kind(412, "The aggregate is at a version that If-Match does not allow"),
    "commit-too-large": Kind(413, "The events of this command are too large for one commit"),
    "subject-erased": Kind(
        409, "The command has personal data of a subject that was forgotten; nothing was written"
    ),
    "key-reused": Kind(422, "This Idempotency-Key was used for another command"),
    "contention": Kind(503, "Other commands changed the aggregate first; nothing was written", 1),
    "outcome-unknown": Kind(
        503, "The storage did not confirm the command; it may have taken effect", 1
    ),
    # personal data
    "subject-missing": Kind(404, "Nothing is held about this subject"),
    "erasure-missing": Kind(404, "This subject was not forgotten"),
    # generations
    "address-moved": Kind(308, "The service has another address"),
    "id-moved": Kind(308, "This id has become another one"),
    "id-gone": Kind(410, "This id has become several others, or one of another kind"),
    "not-active": Kind(503, "This generation of the service takes no commands yet", 5),
    "stream-moved": Kind(503, "The aggregate is on its way to another generation", 1),
    # queries
    "stream-missing": Kind(404, "There is no such stream, or no such version of it"),
    "no-such-position": Kind(404, "The log has not reached this position"),
    "repair-event-missing": Kind(404, "There is no such commit, or no such event in it"),
    "repair-not-needed": Kind(409, "The event can be read: append an event that puts it right"),
    "repair-unreadable": Kind(422, "What the event is to be read as does not fit"),
    "repair-not-parked": Kind(409, "The reader has not parked this stream"),
    "repair-pending": Kind(409, "A repair of it was proposed already, and waits"),
    "repair-decided": Kind(409, "A repair of it is in effect, and stays"),
    "repair-missing": Kind(404, "No such repair was proposed"),
    "repair-needs-another": Kind(403, "Another person has to approve the repair"),
    "reader-missing": Kind(404, "There is no view and no policy of this name"),
    "unavailable": Kind(503, "The storage did not answer", 1),
    "view-behind": Kind(503, "The view has not reached minVersion yet", 1),
    "view-parked": Kind(503, "The view has failed on this aggregate and waits for an operator", 60),
    "unhealthy": Kind(503, "A dependency of the service does not answer", 5),
    # the server
    "internal-error": Kind(500, "The server failed unexpectedly"),
}


class Problem(Exception):  # noqa: N818 - RFC 9457's word
    """A request that fails; *code* is one of the application's problems.

    Each of *errors* names the wrong part of the request by a `pointer` (RFC 6901) into the
    body, a `parameter` or a `header`, and has a `detail`. *facts* become members of the
    answer.
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
    detail = {} if problem.detail is None else {"detail": problem.detail}
    errors = {"errors": list(problem.errors[:ERRORS_SHOWN])} if problem.errors else {}
    return {
        "type": f"/problems/{problem.code}",
        "title": kind.title,
        "status": kind.status,
        "code": problem.code,
        **detail,
        **errors,
        **{name: fact_json(fact) for name, fact in problem.facts.items()},
    }


def headers_of(problem: Problem, kind: Kind) -> dict[str, str]:
    """The headers of a problem's answer."""
    retry = {} if kind.retry_after is None else {"Retry-After": str(kind.retry_after)}
    return {"Content-Type": MEDIA_TYPE, **retry, **problem.headers}


def fact_json(fact: Any) -> Any:
    """The JSON of one fact, such as an amount or an id."""
    return fact.to_fact() if isinstance(fact, ToFact) else to_json(fact)
