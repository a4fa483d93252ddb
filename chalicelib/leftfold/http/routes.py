"""A route: the requests that it accepts, how it answers, and the problems it may have."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from marshmallow import Schema

from chalicelib.leftfold.access.callers import Caller, Scope
from chalicelib.leftfold.http.fields import NO_FIELDS
from chalicelib.leftfold.http.headers import Header
from chalicelib.leftfold.kernel import Aggregate
from chalicelib.leftfold.wiring.services import Services
from chalicelib.leftfold.wiring.tenants import TenantServices

# The Lambda function of the routes that may wait for long.
FEED = "feed"


@dataclass(frozen=True)
class Call:
    """A request that has been checked against its route, with its parts loaded.

    *key* is the path's {id}, *path* its other parts. *command_id* is the client's
    Idempotency-Key or a new id. *body_hash* distinguishes a retry from another command with
    the same *command_id*. *caller* is None on a route that is open to everybody.
    *house* are the services of all tenants, for operators' routes alone; others use `services`.
    """

    route: "Route"
    caller: Caller | None
    house: Services
    headers: Mapping[str, str]
    query: Mapping[str, Any]
    body: Mapping[str, Any]
    key: str
    path: Mapping[str, Any]
    command_id: str
    body_hash: str
    correlation_id: str
    traceparent: str | None = None

    @property
    def tenant(self) -> str:
        """The tenant for which the caller calls. Raises LookupError on an open route."""
        if self.caller is None or self.caller.tenant is None:
            raise LookupError(f"{self.route.name} has no caller of a tenant")
        return self.caller.tenant

    @property
    def is_of_house(self) -> bool:
        """Whether an operator of the house calls."""
        return self.caller is not None and self.caller.is_of_house

    @property
    def services(self) -> TenantServices:
        """What the caller's tenant may use of the application."""
        return TenantServices(self.house.in_log_of(self.tenant), self.tenant)

    def stream(self, aggregate: Aggregate, key: str | None = None) -> str:
        """The aggregate id of the caller's own aggregate *key*, by default that of the path."""
        return aggregate.stream(self.key if key is None else key, self.tenant)


@dataclass(frozen=True)
class Answer:
    """The answer of a route; *body* None is no content."""

    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200


@dataclass(frozen=True)
class Listing:
    """What leads a request to its route, whose code is imported only then (docs/adr/0053).

    It is one method on one path. A GET serves HEAD as well.

    Never rename a route: body hashes and the ids that the server chooses are derived from
    *name*, so a retry of an older request would be another command. The path may change.

    *scope* is what a caller's token must have; None opens the route to everybody.

    *is_watched* says that one may wait for another answer of a GET under /live, where it is answered
    again and again: not so where each answer is recorded, or asks every dependency.

    *function* names the Lambda function that API Gateway sends the requests to. A route that may
    wait for long has one that commands do not need.
    """

    method: str
    path: str
    name: str
    scope: Scope | None = field(kw_only=True)
    is_watched: bool = field(default=True, kw_only=True)
    function: str = field(default="api_handler", kw_only=True)

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that the route serves. A GET has a HEAD, which is answered without a body."""
        return ("GET", "HEAD") if self.method == "GET" else (self.method,)


@dataclass(frozen=True)
class Route(Listing):
    """A listing with all that serves and documents it.

    The request: *aggregate* is the one that the path's {id} names, and *parts*, *query* and
    *body* are the schemas of the path's other parts, the query string and the body. *heeds*
    are the request headers. A body may be left out if its schema has no fields.

    The response: *answer* makes it, and may raise `Problem` or an exception that `failures`
    knows; *problems* are the codes besides those that every route has. *returns* is the
    schema of the body, *status* the status, *gives* the response headers.
    """

    summary: str
    answer: Callable[[Call], Answer]
    returns: Schema
    status: int = 200
    gives: tuple[str, ...] = ()
    aggregate: Aggregate | None = None
    parts: Schema = NO_FIELDS
    query: Schema = NO_FIELDS
    body: Schema | None = None
    heeds: tuple[Header, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def has_optional_body(self) -> bool:
        """Whether the body has no fields and may be left out."""
        return self.body is not None and not self.body.fields
