"""Requests that no route serves: 404 for an unknown path, 405 for an unknown method.

A catch-all resource brings them from API Gateway, which would otherwise answer 403 by itself.
"""

from collections.abc import Iterable, Mapping

from chalice.app import Request
from marshmallow import EXCLUDE, Schema

from chalicelib.leftfold.http.browsers import preflight
from chalicelib.leftfold.http.problems import Problem
from chalicelib.leftfold.http.routes import Answer, Call, Listing, Route

METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
PATHS = ("/", "/{proxy+}")


def unserved(listings: Iterable[Listing], request: Request) -> Route:
    """A route that answers *request* with its problem."""
    path = "/" + (request.uri_params or {}).get("proxy", "").rstrip("/")
    here = (listing.methods for listing in listings if leads(listing.path, path))
    allowed = sorted({method for methods in here for method in methods})

    def answer(call: Call) -> Answer:
        if allowed and request.method == "OPTIONS" and asks_first(request.headers):
            sites = call.house.settings.cors_origins
            if request.headers["origin"] in sites:
                return Answer(None, preflight(allowed), 204)
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
        scope=None,
        query=Schema(unknown=EXCLUDE),
    )


def asks_first(headers: Mapping[str, str]) -> bool:
    """Whether a browser asks if it may send a request (a preflight of CORS)."""
    return "origin" in headers and "access-control-request-method" in headers


def leads(template: str, path: str) -> bool:
    """Whether *path* matches a route's path, in which a {part} matches any text."""
    parts, given = template.split("/"), path.split("/")
    return len(parts) == len(given) and all(
        part[:1] == "{" or part == text for part, text in zip(parts, given, strict=True)
    )
