"""The API of a domain: the routes and problems of its contexts and the engine's own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module

from chalice.app import Blueprint, Response
from marshmallow import INCLUDE, Schema

from chalicelib.leftfold.http import health
from chalicelib.leftfold.http.problems import PROBLEMS, Kind
from chalicelib.leftfold.http.respond import respond
from chalicelib.leftfold.http.routes import Answer, Call, Route
from chalicelib.leftfold.http.unserved import METHODS, PATHS, unserved
from chalicelib.leftfold.kernel import Domain
from chalicelib.leftfold.kernel.context import by_name


@dataclass(frozen=True)
class Api:
    """Everything that clients can ask for, and every way in which a request can fail.

    *description* is one sentence for the OpenAPI document.
    """

    routes: tuple[Route, ...]
    problems: Mapping[str, Kind]
    description: str


def api_of(domain: Domain, description: str) -> Api:
    """The API of all contexts. Raises ValueError if two define a problem of one code."""
    modules = [import_module(context.http) for context in domain.contexts if context.http]
    problems = by_name(
        (code, kind)
        for held in (PROBLEMS, *(module.problems for module in modules))
        for code, kind in held.items()
    )

    def describe(_call: Call) -> Answer:
        # Only this route needs apispec.
        from chalicelib.leftfold.http.openapi import document

        return Answer(document(api))

    routes = (
        *(route for module in modules for route in module.routes),
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
    api = Api(routes, problems, description)
    return api


def blueprint(api: Api) -> Blueprint:
    """The routes of *api* as Chalice serves them."""
    served = Blueprint(__name__)

    def add(path: str, methods: tuple[str, ...], name: str, route: Callable[[], Route]) -> None:
        """Gives a path to Chalice, which leaves the check of media types to `accept`."""

        def view(**_path: str) -> Response:
            return respond(route(), served.current_request, api.problems)

        view.__name__ = name
        served.route(path, methods=list(methods), name=name, content_types=[])(view)

    def serve(route: Route) -> None:
        add(route.path, route.methods, route.name, lambda: route)

    for each in api.routes:
        serve(each)
    for path in PATHS:
        add(path, METHODS, "unserved", lambda: unserved(api.routes, served.current_request))
    return served
