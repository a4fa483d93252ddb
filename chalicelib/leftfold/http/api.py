"""The API of a domain, and how Chalice serves it."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module

from chalice.app import Blueprint, IAMAuthorizer, Request, Response
from marshmallow import INCLUDE, Schema

from chalicelib.leftfold.http import console, health, repairing, subjects, upkeep
from chalicelib.leftfold.http import live as twins
from chalicelib.leftfold.http.feed import feed_route
from chalicelib.leftfold.http.operating import operating_routes
from chalicelib.leftfold.http.problems import PROBLEMS, Kind
from chalicelib.leftfold.http.respond import respond
from chalicelib.leftfold.http.routes import Answer, Call, Route
from chalicelib.leftfold.http.unserved import METHODS, PATHS, unserved
from chalicelib.leftfold.kernel import Domain
from chalicelib.leftfold.kernel.context import by_name
from chalicelib.leftfold.repair.domain import repair
from chalicelib.leftfold.subjects.audit import with_engines_own
from chalicelib.leftfold.wiring.process import services
from chalicelib.leftfold.wiring.settings import Settings

# The route that answers a request.
RouteOf = Callable[[Request], Route]


@dataclass(frozen=True)
class Api:
    """All routes of an application, and all problems that it answers with, by code.

    *description* is the first sentence of the OpenAPI document.
    """

    routes: tuple[Route, ...]
    problems: Mapping[str, Kind]
    description: str


def api_of(domain: Domain, description: str) -> Api:
    """The routes and problems of all contexts, and those of the engine.

    Raises ValueError if two of them define a problem of one code.
    """
    modules = [import_module(context.http) for context in domain.contexts if context.http]
    problems = by_name(
        (code, kind)
        for table in (PROBLEMS, *(module.problems for module in modules))
        for code, kind in table.items()
    )

    bodies = by_name(shown for module in modules for shown in getattr(module, "bodies", {}).items())

    aggregates = with_engines_own(domain.aggregates)

    def describe(call: Call) -> Answer:
        # Imported here, so that no other route waits for apispec.
        from chalicelib.leftfold.http.openapi import document

        return Answer(document(api, signed=bool(call.house.settings.roles)))

    routes = (
        *(route for module in modules for route in module.routes),
        feed_route(aggregates, bodies),
        *operating_routes({**aggregates, repair.category: repair}, bodies),
        *repairing.routes,
        *upkeep.routes,
        *health.routes,
        *subjects.routes,
        Route(
            "GET",
            "/openapi.json",
            "describe_api",
            "This OpenAPI document",
            describe,
            Schema.from_dict({}, name="OpenApi")(unknown=INCLUDE),
            scope=None,
        ),
    )
    api = Api(routes, problems, description)
    return api


def blueprint(api: Api) -> Blueprint:
    """One Chalice view for each route of *api*, and one for the requests that no route serves.

    Where the environment has a table of roles, as it has when Chalice packages such a stage, API
    Gateway lets a request reach a route with a scope only if it is signed.
    """
    views = Blueprint(__name__)
    signed = IAMAuthorizer() if Settings(os.environ).roles else None

    def add(
        path: str,
        methods: Sequence[str],
        name: str,
        route_of: RouteOf,
        authorizer: IAMAuthorizer | None = None,
    ) -> None:
        def view(**_path: str) -> Response:
            request = views.current_request
            return respond(route_of(request), request, api.problems)

        view.__name__ = name
        # An empty list of content types leaves their check to `accept`.
        views.route(
            path, methods=list(methods), name=name, content_types=[], authorizer=authorizer
        )(view)

    def add_file(path: str) -> None:
        def view(**_path: str) -> Response:
            request = views.current_request
            served = None if services().settings.moved_to else console.serve(request)
            missing = partial(unserved, api.routes)
            return served or respond(missing(request), request, api.problems)

        view.__name__ = "console"
        views.route(path, methods=list(console.METHODS), name="console", content_types=[])(view)

    for route in api.routes:
        add(route.path, route.methods, route.name, always(route), route.scope and signed)
    add(twins.PATH, METHODS, "live", partial(twins.live, api.routes), signed)
    for path in console.PATHS:
        add_file(path)
    for path in PATHS:
        add(path, METHODS, "unserved", partial(unserved, api.routes))
    return views


def always(route: Route) -> RouteOf:
    """The function that returns *route* for every request."""
    return lambda _request: route
