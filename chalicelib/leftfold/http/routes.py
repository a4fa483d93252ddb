"""A route: what it takes, what it answers, and how it can fail; the unit of the API."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from marshmallow import Schema

from chalicelib.leftfold.http.fields import NoFields
from chalicelib.leftfold.http.headers import Header
from chalicelib.leftfold.kernel import Aggregate
from chalicelib.leftfold.wiring.services import Services


@dataclass(frozen=True)
class Call:
    """A request that fits its route: checked, loaded and named.

    *key* is the path's {id}, *path* its other parts. *body_hash* tells a retry from another command that reuses
    *command_id*, which is the client's Idempotency-Key or a new id.
    """

    route: "Route"
    services: Services
    headers: Mapping[str, str]
    query: Mapping[str, Any]
    body: Mapping[str, Any]
    key: str
    path: Mapping[str, Any]
    command_id: str
    body_hash: str
    correlation_id: str
    traceparent: str | None = None


@dataclass(frozen=True)
class Answer:
    """What a route answers when all is well; *body* None is no content."""

    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200


@dataclass(frozen=True)
class Route:
    """One method on one path, and HEAD where that is GET: all that serves it, and all that documents it.

    *name* never changes, though the path may: what tells a retry from another command, and
    the ids that the server chooses, are hashes of it. tests/http/test_routes.py has the table.
    *answer* serves it and may raise `Problem` or what `failures` knows; *problems* are
    the codes of its own. *returns* shows the answer's body, *status* and *gives* its
    status and headers. *aggregate* says what the path's {id} names, *parts* what its other
    parts may be. *heeds* are request headers. A body that holds no field may be left out.
    """

    method: str
    path: str
    name: str
    summary: str
    answer: Callable[[Call], Answer]
    returns: Schema
    status: int = 200
    gives: tuple[str, ...] = ()
    aggregate: Aggregate | None = None
    parts: Schema = field(default_factory=NoFields)
    query: Schema = field(default_factory=NoFields)
    body: Schema | None = None
    heeds: tuple[Header, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def methods(self) -> tuple[str, ...]:
        """What the route serves: whoever has a GET has a HEAD, which is answered without a body."""
        return ("GET", "HEAD") if self.method == "GET" else (self.method,)

    @property
    def has_optional_body(self) -> bool:
        """Whether the body says nothing and may be left out."""
        return self.body is not None and not self.body.fields
