"""The OpenAPI 3.1 document, made from the routes and schemas that serve the requests."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow.fields import Field

from chalicelib.leftfold.access.callers import SCOPES, granted
from chalicelib.leftfold.http.api import Api
from chalicelib.leftfold.http.fields import KEY, ComponentField
from chalicelib.leftfold.http.headers import CORRELATION_ID, TRACEPARENT
from chalicelib.leftfold.http.problems import MEDIA_TYPE, Kind
from chalicelib.leftfold.http.routes import Route

Json = dict[str, Any]

OF_EVERY_ROUTE = ("invalid-query", "invalid-header", "internal-error", "address-moved")
# With a token, also the problems of fetching the keys that verify it.
OF_EVERY_TOKEN = (
    "token-missing",
    "token-expired",
    "token-invalid",
    "scope-missing",
    "tenant-missing",
    "too-many-requests",
    "unavailable",
)
OF_EVERY_SIGNATURE = (
    "forbidden",
    "role-unknown",
    "scope-missing",
    "too-many-requests",
    "unavailable",
)
OF_EVERY_BODY = (
    "malformed-body",
    "body-too-large",
    "unsupported-media-type",
    "invalid-body",
)

SECURITY, SIGNED = "token", "sigv4"
REDIRECTED = 308

CALLERS = {
    SECURITY: """Every request needs an access token, except where an operation says otherwise: a JSON Web
Token of the issuer with which the service was deployed, sent as `Authorization: Bearer TOKEN`. The
operation names the scope that the token must have. The token's tenant decides which aggregates there
are: those of another tenant do not exist.""",
    SIGNED: """Every request must be signed with AWS Signature Version 4 for the service `execute-api`,
except where an operation says otherwise, with the credentials of an IAM role that the service knows.
The operation names the scope that the role must have there. The role's tenant decides which aggregates
there are: those of another tenant do not exist.""",
}

PROMISES = """Every path with a GET serves HEAD as well: the same status and headers, and no body.

A GET reads views, which follow the commands with a short delay. A command returns the version
that it made. A GET with that version as `minVersion` shows the version, or a later one: the document
of an aggregate at once as a rule, a list as soon as its view has come there, for which it waits up to
five seconds. A GET without `minVersion` may answer 404 for an aggregate that was just opened.

Every GET that needs a scope has a twin under `/live`, such as `/live/accounts/42`. `/log`,
`/health/dependencies` and `/subjects/{id}/data` have none. With `If-None-Match` and `wait`, up to
20 seconds, the twin answers as soon as it has another answer than the one with that ETag, and else
with 304. An answer of the twin always has an ETag.

`/log` and the twins serve a few requests of a tenant at a time, and a few of its requests may wait for
`minVersion`. One more is answered at once with 429 `too-many-requests`, and nothing was read: send it
again after `Retry-After`, or ask the query itself, without `/live`.

A command with an `Idempotency-Key` takes effect once, however often it is sent to the aggregate of
its path. Any key is recognised for at least 24 hours, and while fewer than 64 commands came after
it. A UUIDv7 is recognised for ever. On an aggregate with more than 64 commands a day, keys that
are no UUIDv7 make commands slower, because the server cannot know how far back to look for them.
A key that was used for another command, another resource within the aggregate, or another body is
refused with 422 `key-reused`, and the command has no effect.

A request to the address of a generation of the service that another one has replaced is answered
with 308 `address-moved`. `Location` is the same resource at the new address, which is another host:
most clients follow it without their token, so send the request there yourself, and keep the address.

A request body is JSON (RFC 8259) in UTF-8 of at most 512 KiB. It is refused with 400
`malformed-body` if an object repeats a name, if a number has more than 19 digits or is too large
for a float, if a text is not Unicode, or if values are nested more than 20 deep."""

RESPONSE_HEADERS: dict[str, Json] = {
    "ETag": {
        "description": "The aggregate's version, for If-Match and If-None-Match; with -erased where"
        " a forgotten subject's data was",
        "schema": {"type": "string", "pattern": '^"[0-9]+(-erased)?"$'},
    },
    "Location": {
        "description": "The URL of the aggregate, relative to that of the request, or of what has moved",
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "Retry-After": {
        "description": "Seconds to wait before the request is sent again",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    },
    CORRELATION_ID.name: {
        "description": "The X-Correlation-Id of the request, or the one that the server made",
        "schema": CORRELATION_ID.schema,
    },
}


def problem_schema(codes: Iterable[str]) -> Json:
    """The schema of a problem whose code is one of *codes*."""
    return {
        "type": "object",
        "description": "A problem (RFC 9457). The meaning of a `code` never changes; other members are facts.",
        "required": ["type", "title", "status", "code"],
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "code": {"type": "string", "enum": sorted(codes)},
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


def document(api: Api, *, signed: bool = False) -> Json:
    """The OpenAPI document of *api*, whose requests are *signed*, or have tokens."""
    security = SIGNED if signed else SECURITY
    marshmallow = MarshmallowPlugin(schema_name_resolver=component_name)
    spec = APISpec(
        title="Leftfold",
        version="1",
        openapi_version="3.1.0",
        info={"description": f"{api.description}\n\n{CALLERS[security]}\n\n{PROMISES}"},
        # Relative to this document's URL, because only the client knows that.
        servers=[{"url": "."}],
        plugins=[marshmallow],
    )
    if marshmallow.converter is not None:  # APISpec has set it
        marshmallow.converter.add_attribute_function(  # type: ignore[no-untyped-call]
            component_reference(spec)
        )
    spec.components.schema("Problem", problem_schema(api.problems))
    spec.components.security_scheme(security, security_scheme(signed=signed))
    for path, of_path in groupby(sorted(api.routes, key=path_of), key=path_of):
        operations = {r.method.lower(): operation(r, api.problems, security) for r in of_path}
        spec.path(path, operations=operations)
    return spec.to_dict()


def security_scheme(*, signed: bool) -> Json:
    """How a request shows its right. Where tokens come from depends on the deployment."""
    names = ", ".join(f"`{granted(scope)}`" for scope in SCOPES)
    if signed:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": f"AWS Signature Version 4. Scopes of roles: {names}.",
            "x-amazon-apigateway-authtype": "awsSigv4",
        }
    return {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": f"An access token of the service's issuer. Scopes: {names}.",
    }


def path_of(route: Route) -> str:
    """The path of a route: the operations of one path are listed together."""
    return route.path


def component_name(schema: Any) -> str:
    """The name of a schema's class."""
    kind = schema if isinstance(schema, type) else type(schema)
    return kind.__name__


def operation(route: Route, problems: Mapping[str, Kind], security: str) -> Json:
    """One method of a path, secured by the scheme *security*."""
    described: Json = {
        "operationId": route.name,
        "summary": route.summary,
        "parameters": list(parameters(route)),
        "security": [] if route.scope is None else [{security: [granted(route.scope)]}],
        "responses": {
            str(route.status): success(route),
            **failures(
                route, problems, OF_EVERY_TOKEN if security == SECURITY else OF_EVERY_SIGNATURE
            ),
        },
    }
    if route.body is not None:
        described["requestBody"] = {
            "required": not route.has_optional_body,
            "content": {"application/json": {"schema": route.body}},
        }
    return described


def parameters(route: Route) -> Iterator[Json]:
    """The parameters of a route in its path, its query string and its headers."""
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
    for header in (CORRELATION_ID, TRACEPARENT, *route.heeds):
        yield {
            "in": "header",
            "name": header.name,
            "required": False,
            "description": header.description,
            "schema": header.schema,
        }


def success(route: Route) -> Json:
    """The response of a request that succeeds."""
    return {
        "description": route.summary,
        "headers": response_headers(*route.gives),
        "content": {"application/json": {"schema": route.returns}},
    }


def failures(route: Route, problems: Mapping[str, Kind], of_callers: Iterable[str]) -> Json:
    """The problems that a route can answer with, by status; *of_callers* are those of access."""
    codes = {*OF_EVERY_ROUTE, *route.problems}
    codes |= set(of_callers if route.scope is not None else ())
    codes |= {"no-such-route"} if route.parts.fields else set()
    codes |= set(OF_EVERY_BODY if route.body is not None else ())
    by_status: dict[int, list[str]] = {}
    for code in sorted(codes):
        by_status.setdefault(problems[code].status, []).append(code)
    described = {str(status): failure(same, problems) for status, same in by_status.items()}
    if "If-None-Match" in {header.name for header in route.heeds}:
        described["304"] = {
            "description": "The client has this version already",
            "headers": response_headers(*route.gives),
        }
    return described


def failure(codes: list[str], problems: Mapping[str, Kind]) -> Json:
    """The problems of one status."""
    named = ["Location"] if problems[codes[0]].status == REDIRECTED else []
    named += (
        ["Retry-After"] if any(problems[code].retry_after is not None for code in codes) else []
    )
    description = "; ".join(f"`{code}`: {problems[code].title}" for code in codes)
    narrowed = {"properties": {"code": {"enum": codes}}}
    return {
        "description": description,
        "headers": response_headers(*named),
        "content": {
            MEDIA_TYPE: {"schema": {"allOf": [{"$ref": "#/components/schemas/Problem"}, narrowed]}}
        },
    }


def response_headers(*names: str) -> Json:
    """The header that every response has, and those called *names*."""
    return {
        name: {**RESPONSE_HEADERS[name], "required": True} for name in (CORRELATION_ID.name, *names)
    }


def component_reference(spec: APISpec) -> Callable[..., Json]:
    """A function for apispec: it refers to a field's component, and adds that to *spec* once."""

    def reference(_converter: Any, field: Field[Any], **_: Any) -> Json:
        if not isinstance(field, ComponentField):
            return {}
        if field.component not in spec.components.schemas:
            spec.components.schema(field.component, field.component_schema())
        return {"$ref": f"#/components/schemas/{field.component}"}

    return reference
