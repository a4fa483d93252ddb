"""The API: every route, on one Blueprint."""

from collections.abc import Callable

from chalice.app import Blueprint, Response
from marshmallow import INCLUDE, Schema

from chalicelib.leftfold.http import (
    accounts,
    bookings,
    health,
    history,
    ledgers,
    reports,
    statements,
    totals,
    transfers,
)
from chalicelib.leftfold.http.respond import respond
from chalicelib.leftfold.http.routes import Answer, Call, Route
from chalicelib.leftfold.http.unserved import METHODS, PATHS, unserved


def describe(_call: Call) -> Answer:
    """The description of all routes; what makes it is imported only here."""
    from chalicelib.leftfold.http.openapi import document

    return Answer(document(ROUTES))


ROUTES: tuple[Route, ...] = (
    *accounts.routes,
    *statements.routes,
    *history.routes,
    *bookings.routes,
    *totals.routes,
    *transfers.routes,
    *ledgers.routes,
    *reports.routes,
    *health.routes,
    Route(
        "GET",
        "/openapi.json",
        "describe_api",
        "This description",
        describe,
        Schema.from_dict({}, name="OpenApi")(unknown=INCLUDE),
    ),
)

api = Blueprint(__name__)


def add(path: str, methods: tuple[str, ...], view: Callable[..., Response]) -> None:
    """Gives a path to Chalice, which leaves the check of media types to `accept`."""
    name = view.__name__
    api.route(path, methods=list(methods), name=name, content_types=[])(view)


def view_of(route: Route) -> Callable[..., Response]:
    """The function by which Chalice serves *route*."""

    def view(**_path: str) -> Response:
        return respond(route, api.current_request)

    view.__name__ = route.name
    return view


def view_of_the_rest() -> Response:
    """The function by which Chalice serves everything else."""
    request = api.current_request
    return respond(unserved(ROUTES, request), request)


for served in ROUTES:
    add(served.path, served.methods, view_of(served))
for rest in PATHS:
    add(rest, METHODS, view_of_the_rest)
