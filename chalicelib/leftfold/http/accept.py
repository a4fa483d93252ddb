"""Lets a request in, checks it against its route, and makes a `Call` of it."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from chalice.app import Request
from marshmallow import Schema, ValidationError

from chalicelib.leftfold.commands.handler import body_hash
from chalicelib.leftfold.http.admit import admit
from chalicelib.leftfold.http.body import escaped, parse
from chalicelib.leftfold.http.fields import KEY
from chalicelib.leftfold.http.headers import CORRELATION_ID, IDEMPOTENCY_KEY, TRACEPARENT
from chalicelib.leftfold.http.problems import Problem
from chalicelib.leftfold.http.routes import Call, Route
from chalicelib.leftfold.kernel import Aggregate
from chalicelib.leftfold.wiring.services import Services

_JSON = "application/json"


def accept(route: Route, request: Request, services: Services, correlation_id: str) -> Call:
    """The call that *request* is; raises `Problem` if it does not fit *route*."""
    caller = admit(route, request, services)
    for header in (CORRELATION_ID, TRACEPARENT, *route.heeds):
        header.check(request.headers)
    key = path_key(route.aggregate, request.uri_params)
    path = path_parts(route.parts, request.uri_params)
    query = loaded_query(route.query, request.query_params)
    given = body_of(route, request)
    return Call(
        route=route,
        caller=caller,
        house=services,
        headers=request.headers,
        query=query,
        body={} if route.body is None else loaded_body(route.body, given),
        key=key,
        path=path,
        command_id=request.headers.get(IDEMPOTENCY_KEY.name) or services.new_id(),
        body_hash=body_hash(route.name, given, path),
        correlation_id=correlation_id,
        traceparent=request.headers.get(TRACEPARENT.name),
    )


def path_key(aggregate: Aggregate | None, path: Mapping[str, str] | None) -> str:
    """The path's {id}, which API Gateway leaves percent-encoded. Raises `Problem`."""
    if aggregate is None:
        return ""
    key = unquote((path or {})["id"])
    if KEY.fullmatch(key) is None:
        raise Problem(
            f"{aggregate.category}-missing", "An id has 1 to 64 letters, digits and hyphens."
        )
    return key


def path_parts(schema: Schema, path: Mapping[str, str] | None) -> Any:
    """The path's other parts, loaded by *schema*. Raises `Problem` if one of them is wrong."""
    given = {name: unquote(part) for name, part in (path or {}).items()}
    try:
        return schema.load({name: given[name] for name in schema.fields})
    except ValidationError as error:
        raise Problem(
            "no-such-route", "A part of the path has a value that no resource has."
        ) from error


def body_of(route: Route, request: Request) -> Any:
    """The JSON value of the request's body; {} where the route needs none. Raises `Problem`."""
    if route.body is None or (route.has_optional_body and not request.raw_body):
        return {}
    media_type, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().replace('"', "")
    if media_type.strip().lower() != _JSON or charset not in ("", "charset=utf-8"):
        raise Problem(
            "unsupported-media-type",
            errors=[{"header": "Content-Type", "detail": f"must be {_JSON}"}],
        )
    raw = request.raw_body
    return parse(raw.encode() if isinstance(raw, str) else raw)


def loaded_body(schema: Schema, given: Any) -> Any:
    """A JSON value, loaded by *schema*. Raises `Problem`."""
    try:
        return schema.load(given)
    except ValidationError as error:
        errors = [{"pointer": at, "detail": detail} for at, detail in pointers(error.messages)]
        raise Problem("invalid-body", errors=errors) from error


def loaded_query(schema: Schema, given: Any) -> Any:
    """The query string, loaded by *schema*. Raises `Problem`, also for a repeated name."""
    values = {} if given is None else {name: given.getlist(name) for name in given}
    repeated = [name for name, texts in values.items() if len(texts) > 1]
    if repeated:
        raise wrong_parameters({name: ["is given more than once"] for name in repeated})
    try:
        return schema.load({name: texts[-1] for name, texts in values.items()})
    except ValidationError as error:
        raise wrong_parameters(error.messages_dict) from error


def wrong_parameters(messages: Mapping[str, list[str]]) -> Problem:
    """The problem of a query string, with an error for each detail of each parameter."""
    errors = [
        {"parameter": name, "detail": detail}
        for name, details in messages.items()
        for detail in details
    ]
    return Problem("invalid-query", errors=errors)


def pointers(messages: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """(JSON pointer, detail) of each error in the messages of a `ValidationError`."""
    if isinstance(messages, dict):
        for name, inner in messages.items():
            # marshmallow keeps errors of a whole object under "_schema".
            yield from pointers(inner, at if name == "_schema" else f"{at}/{escaped(name)}")
    else:
        for detail in messages:
            yield at, detail
