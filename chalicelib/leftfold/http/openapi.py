"""The OpenAPI 3.1 description of the routes, from the very schemas that serve them."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow.fields import Field

from chalicelib.bank.fields import MoneyField
from chalicelib.bank.money import LARGEST_AMOUNT, LARGEST_BALANCE, MINOR_DIGITS
from chalicelib.leftfold.http.fields import KEY
from chalicelib.leftfold.http.headers import CORRELATION_ID
from chalicelib.leftfold.http.problems import MEDIA_TYPE, PROBLEMS
from chalicelib.leftfold.http.routes import Route

Json = dict[str, Any]

OF_EVERY_ROUTE = ("invalid-query", "invalid-header", "internal-error")
OF_EVERY_BODY = (
    "malformed-body",
    "body-too-large",
    "unsupported-media-type",
    "invalid-body",
)

# Digits, minor units included.
LONGEST_AMOUNT = len(str(LARGEST_AMOUNT - 1))
LONGEST_BALANCE = len(str(LARGEST_BALANCE))
# By the least that they take; None: whatever there is to show.
MONEY_NAMES = {None: "Money", 0: "MoneyNotNegative", 1: "MoneyAboveZero"}

DESCRIPTION = """A bank's back office, event-sourced.

Every GET answers HEAD as well: with the same status and headers, and without a body.

What a GET shows comes from views, which follow the commands a moment later. A command answers
with the version that it made. A GET with `minVersion` of that version waits, up to five seconds,
until its view shows the version. A GET without it may answer 404 for an aggregate that was just
opened.

A command is taken once, however often it is sent, by its `Idempotency-Key` within the aggregate
of its path. Any key is recognised for at least 24 hours, and while fewer than 64 commands came
after it. A UUIDv7 is recognised for ever, and is looked for in the time since it was made alone:
on an aggregate with more than 64 commands a day, other keys make commands slower. A key that was
used for another command, another resource within the aggregate, or another body is refused with
422 `key-reused`, and nothing is done."""

RESPONSE_HEADERS: dict[str, Json] = {
    "ETag": {
        "description": "The aggregate's version, for If-Match and If-None-Match",
        "schema": {"type": "string", "pattern": '^"[0-9]+"$'},
    },
    "Location": {
        "description": "Where the aggregate is, relative to the request's URL",
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "Retry-After": {
        "description": "Seconds to wait before the next attempt",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    },
    CORRELATION_ID.name: {
        "description": "The request's X-Correlation-Id, or the one made for it",
        "schema": CORRELATION_ID.schema,
    },
}

PROBLEM: Json = {
    "type": "object",
    "description": "RFC 9457. What `code` means never changes; other members are facts.",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "enum": sorted(PROBLEMS)},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["detail"],
                "properties": {
                    "pointer": {"type": "string", "format": "json-pointer"},
                    "parameter": {"type": "string"},
                    "header": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}


def document(routes: Iterable[Route]) -> Json:
    """The description of *routes*."""
    marshmallow = MarshmallowPlugin(schema_name_resolver=component_name)
    spec = APISpec(
        title="Leftfold",
        version="1",
        openapi_version="3.1.0",
        info={"description": DESCRIPTION},
        # Relative to this document, because only the client knows where it found it.
        servers=[{"url": "."}],
        plugins=[marshmallow],
    )
    if marshmallow.converter is not None:  # APISpec has made it
        marshmallow.converter.add_attribute_function(  # type: ignore[no-untyped-call]
            money_reference
        )
    spec.components.schema("Problem", PROBLEM)
    for least, name in MONEY_NAMES.items():
        spec.components.schema(name, money_schema(least))
    for path, of_path in groupby(sorted(routes, key=path_of), key=path_of):
        spec.path(path, operations={r.method.lower(): operation(r) for r in of_path})
    return spec.to_dict()


def path_of(route: Route) -> str:
    """By what operations are grouped."""
    return route.path


def component_name(schema: Any) -> str:
    """A schema's name: that of its class."""
    kind = schema if isinstance(schema, type) else type(schema)
    return kind.__name__


def operation(route: Route) -> Json:
    """One method of a path."""
    described: Json = {
        "operationId": route.name,
        "summary": route.summary,
        "parameters": list(parameters(route)),
        "responses": {str(route.status): success(route), **failures(route)},
    }
    if route.body is not None:
        described["requestBody"] = {
            "required": not route.has_optional_body,
            "content": {"application/json": {"schema": route.body}},
        }
    return described


def parameters(route: Route) -> Iterator[Json]:
    """What a path, a query string and headers may hold."""
    if route.aggregate is not None:
        yield {
            "in": "path",
            "name": "id",
            "required": True,
            "description": f"The id of the {route.aggregate.category}",
            "schema": {"type": "string", "pattern": KEY.pattern},
        }
    yield {"in": "path", "schema": route.parts}
    yield {"in": "query", "schema": route.query}
    for header in (CORRELATION_ID, *route.heeds):
        yield {
            "in": "header",
            "name": header.name,
            "required": False,
            "description": header.description,
            "schema": header.schema,
        }


def success(route: Route) -> Json:
    """The answer when all is well."""
    return {
        "description": route.summary,
        "headers": response_headers(*route.gives),
        "content": {"application/json": {"schema": route.returns}},
    }


def failures(route: Route) -> Json:
    """The problems that a route can answer with, by status."""
    codes = {*OF_EVERY_ROUTE, *route.problems}
    codes |= {"no-such-route"} if route.parts.fields else set()
    codes |= set(OF_EVERY_BODY if route.body is not None else ())
    by_status: dict[int, list[str]] = {}
    for code in sorted(codes):
        by_status.setdefault(PROBLEMS[code].status, []).append(code)
    described = {str(status): failure(held) for status, held in by_status.items()}
    if "If-None-Match" in {header.name for header in route.heeds}:
        described["304"] = {
            "description": "The client has this version already",
            "headers": response_headers(*route.gives),
        }
    return described


def failure(codes: list[str]) -> Json:
    """The problems of one status."""
    retried = any(PROBLEMS[code].retry_after is not None for code in codes)
    told = "; ".join(f"`{code}`: {PROBLEMS[code].title}" for code in codes)
    narrowed = {"properties": {"code": {"enum": codes}}}
    return {
        "description": told,
        "headers": response_headers(*(["Retry-After"] if retried else [])),
        "content": {
            MEDIA_TYPE: {"schema": {"allOf": [{"$ref": "#/components/schemas/Problem"}, narrowed]}}
        },
    }


def response_headers(*names: str) -> Json:
    """Headers that are always there, and *names*."""
    return {
        name: {**RESPONSE_HEADERS[name], "required": True} for name in (CORRELATION_ID.name, *names)
    }


def money_reference(_converter: Any, field: Field[Any], **_: Any) -> Json:
    """Which of the MONEY schemas a field is."""
    if not isinstance(field, MoneyField):
        return {}
    return {"$ref": f"#/components/schemas/{MONEY_NAMES[field.least]}"}


def money_schema(least: int | None) -> Json:
    """MONEY: how many decimals an amount may have depends on its currency."""
    return {"anyOf": [money_of(digits, least) for digits in (0, 2, 3)]}


def money_of(digits: int, least: int | None) -> Json:
    """MONEY in the currencies that have *digits* decimals."""
    sign, longest = ("-?", LONGEST_BALANCE) if least is None else ("", LONGEST_AMOUNT)
    currencies = sorted(code for code, held in MINOR_DIGITS.items() if held == digits)
    part = rf"(\.[0-9]{{1,{digits}}})?" if digits else ""
    amount: Json = {
        "type": "string",
        "pattern": f"^{sign}[0-9]{{1,{longest - digits}}}{part}$",
    }
    if least:
        amount["not"] = {"pattern": r"^[0.]+$"}
    return {
        "type": "object",
        "required": ["amount", "currency"],
        "additionalProperties": False,
        "properties": {
            "amount": amount,
            "currency": {"type": "string", "enum": currencies},
        },
    }
