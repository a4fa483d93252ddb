"""The API of a domain, and how Chalice serves it."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from functools import cached_property, partial
from importlib import import_module
from types import ModuleType
from typing import Any

from chalice.app import Blueprint, IAMAuthorizer, Request, Response
from marshmallow import INCLUDE, Schema

from chalicelib.leftfold.http import console
from chalicelib.leftfold.http import live as twins
from chalicelib.leftfold.http.problems import PROBLEMS, Kind
from chalicelib.leftfold.http.respond import RouteOf, respond
from chalicelib.leftfold.http.routes import Answer, Call, Listing, Route
from chalicelib.leftfold.http.unserved import METHODS, PATHS, unserved
from chalicelib.leftfold.kernel import Aggregate, Domain
from chalicelib.leftfold.kernel.context import by_name
from chalicelib.leftfold.wiring.process import services
from chalicelib.leftfold.wiring.settings import Settings

# The parts of the API that the engine has: those that need the whole domain, and modules.
LOG, OPERATING, DESCRIPTION = "log", "operating", "description"
OF_ENGINE = (
    *(LOG, OPERATING),
    *(f"{__package__}.{name}" for name in ("repairing", "upkeep", "health", "subjects")),
    DESCRIPTION,
)
# Lambda's variable says how it has begun to make a process, and its value for one that a request waits for.
BEGUN_BY, REQUEST = "AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"


class Api:
    """All routes of an application, and all problems that it answers with, by code.

    Its parts are the `http` modules of the contexts, and those of the engine. A request is led to
    its route by the route's listing, and its part is imported then, if no request was before
    (docs/adr/0053). The listings and problems of a packaged application are in *index*; of another
    one all parts are imported at once.

    *description* is the first sentence of the OpenAPI document. Raises ValueError if two parts
    define a problem of one code, or if two routes of a part have one name.
    """

    def __init__(
        self, domain: Domain, description: str, index: Mapping[str, Any] | None = None
    ) -> None:
        self.description = description
        self._domain = domain
        self._imported: dict[str, Mapping[str, Route]] = {}
        listed = index["api"] if index else self.index()
        # Each listing with its part.
        self.listings: Mapping[Listing, str] = {
            Listing(**listing): part for part, listing in listed["routes"]
        }
        self.problems: Mapping[str, Kind] = {
            code: Kind(*kind) for code, kind in listed["problems"].items()
        }

    @property
    def routes(self) -> Sequence[Route]:
        """All routes. Imports all parts."""
        return [self.route(listing) for listing in self.listings]

    def import_all(self) -> None:
        """Imports all parts."""
        for part in self.listings.values():
            self._part(part)

    def route(self, listing: Listing) -> Route:
        """The route of a listing. Imports its part."""
        return self._part(self.listings[listing])[listing.name]

    def index(self) -> Mapping[str, Any]:
        """What a package knows of the API before any part is imported, as JSON."""
        parts = [*self._contexts, *OF_ENGINE]
        tables = [PROBLEMS, *(module.problems for module in self._contexts.values())]
        return {
            "problems": by_name(item for table in tables for item in table.items()),
            "routes": [
                (part, asdict(listing_of(route)))
                for part in parts
                for route in self._part(part).values()
            ],
        }

    def _part(self, name: str) -> Mapping[str, Route]:
        """The routes of a part by their names."""
        if name not in self._imported:
            self._imported[name] = by_name((route.name, route) for route in self._made(name))
        return self._imported[name]

    def _made(self, part: str) -> Iterable[Route]:
        if part == LOG:
            from chalicelib.leftfold.http.feed import feed_route

            return [feed_route(self._aggregates, self._bodies)]
        if part == OPERATING:
            from chalicelib.leftfold.http.operating import operating_routes
            from chalicelib.leftfold.repair.domain import repair

            aggregates = {**self._aggregates, repair.category: repair}
            return operating_routes(aggregates, self._bodies)
        if part == DESCRIPTION:
            return [self._description_route()]
        routes: Iterable[Route] = import_module(part).routes
        return routes

    def _description_route(self) -> Route:
        def describe(call: Call) -> Answer:
            # Imported here, so that no other route waits for apispec.
            from chalicelib.leftfold.http.openapi import document

            return Answer(document(self, signed=bool(call.house.settings.roles)))

        return Route(
            "GET",
            "/openapi.json",
            "describe_api",
            "This OpenAPI document",
            describe,
            Schema.from_dict({}, name="OpenApi")(unknown=INCLUDE),
            scope=None,
        )

    @cached_property
    def _contexts(self) -> Mapping[str, ModuleType]:
        """The `http` modules of the contexts, by their paths."""
        return {c.http: import_module(c.http) for c in self._domain.contexts if c.http}

    @cached_property
    def _bodies(self) -> Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]]:
        """By category, what makes the body that clients see of a stored one."""
        return by_name(
            shown
            for module in self._contexts.values()
            for shown in getattr(module, "bodies", {}).items()
        )

    @cached_property
    def _aggregates(self) -> Mapping[str, Aggregate]:
        from chalicelib.leftfold.subjects.audit import with_engines_own

        return with_engines_own(self._domain.aggregates)


def listing_of(route: Route) -> Listing:
    """The listing that leads to *route*."""
    return Listing(**{one.name: getattr(route, one.name) for one in fields(Listing)})


def blueprint(api: Api) -> Blueprint:
    """One Chalice view for each route of *api*, and one for the requests that no route serves.

    Where the environment has a table of roles, as it has when Chalice packages such a stage, API
    Gateway lets a request reach a route with a scope only if it is signed.

    A process that is made ready before a request comes (docs/adr/0048) imports all parts, so that
    no request waits for one.
    """
    if os.environ.get(BEGUN_BY, REQUEST) != REQUEST:
        api.import_all()
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
            return respond(route_of, views.current_request, api.problems)

        view.__name__ = name
        # An empty list of content types leaves their check to `accept`.
        views.route(
            path, methods=list(methods), name=name, content_types=[], authorizer=authorizer
        )(view)

    def add_file(path: str) -> None:
        def view(**_path: str) -> Response:
            request = views.current_request
            served = None if services().settings.moved_to else console.serve(request)
            missing = partial(unserved, api.listings)
            return served or respond(missing, request, api.problems)

        view.__name__ = "console"
        views.route(path, methods=list(console.METHODS), name="console", content_types=[])(view)

    for listing in api.listings:
        found = partial(found_by, api, listing)
        add(listing.path, listing.methods, listing.name, found, listing.scope and signed)
    add(twins.PATH, METHODS, "live", partial(twins.live, api.listings, api.route), signed)
    for path in console.PATHS:
        add_file(path)
    for path in PATHS:
        add(path, METHODS, "unserved", partial(unserved, api.listings))
    return views


def found_by(api: Api, listing: Listing, _request: Request) -> Route:
    """The route of *listing*, for every request."""
    return api.route(listing)
