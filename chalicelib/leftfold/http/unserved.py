"""What no route serves: 404 for the path, 405 for the method.

API Gateway hands it to us through a catch-all resource, also where the path has a route
but not of this method; without that it would answer 403 in words of its own.
"""

from collections.abc import Iterable
from typing import NoReturn

from chalice.app import Request
from marshmallow import EXCLUDE, Schema

from chalicelib.leftfold.http.problems import Problem
from chalicelib.leftfold.http.routes import Call, Route

METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
PATHS = ("/", "/{proxy+}")


def unserved(routes: Iterable[Route], request: Request) -> Route:
    """A route that says what is wrong with *request*."""
    path = "/" + (request.uri_params or {}).get("proxy", "").rstrip("/")
    here = (route.methods for route in routes if leads(route.path, path))
    allowed = sorted({method for methods in here for method in methods})

    def answer(_call: Call) -> NoReturn:
        if allowed:
            raise Problem("method-not-allowed", headers={"Allow": ", ".join(allowed)})
        raise Problem("no-such-route")

    return Route(
        request.method,
        request.path,
        "unserved",
        "What no route serves",
        answer,
        Schema(),
        query=Schema(unknown=EXCLUDE),
    )


def leads(template: str, path: str) -> bool:
    """Whether *path* is one of those that a route's path stands for."""
    parts, given = template.split("/"), path.split("/")
    return len(parts) == len(given) and all(
        part[:1] == "{" or part == held for part, held in zip(parts, given, strict=True)
    )
