"""JSON schemas (draft 7) of stored events, made from the dataclasses of their bodies."""

import dataclasses
import inspect
import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from chalicelib.domain import DOMAIN

from chalicelib.leftfold.kernel import AggregateId

Json = dict[str, Any]
SCALARS: dict[Any, Json] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    Any: {},
}


def body(kind: Any) -> Json:
    """The schema of what `to_json` makes of a *kind*. Raises TypeError for other types."""
    if dataclasses.is_dataclass(kind):
        return _object(kind)
    if kind in SCALARS:
        return SCALARS[kind]
    arguments = get_args(kind)
    match get_origin(kind):
        case origin if origin is Literal:
            return {"type": "string", "enum": list(arguments)}
        case origin if origin is tuple:
            return {"type": "array", "items": body(arguments[0])}
        case origin if origin is dict:
            return {"type": "object", "additionalProperties": body(arguments[1])}
        case origin if origin in (Union, types.UnionType):
            return {"anyOf": [body(argument) for argument in arguments]}
    raise TypeError(f"no schema is known for {kind!r}")


def _object(kind: Any) -> Json:
    """A field that holds its default None is not stored, so it is never null."""
    hints = get_type_hints(kind)
    fields = dataclasses.fields(kind)
    schema: Json = {
        "type": "object",
        "properties": {
            f.name: body(present(hints[f.name]) if f.default is None else hints[f.name])
            for f in fields
        },
        "required": [f.name for f in fields if is_required(f)],
        "additionalProperties": False,
    }
    return schema


def present(hint: Any) -> Any:
    """X of `X | None`."""
    return Union[tuple(a for a in get_args(hint) if a is not type(None))]  # noqa: UP007 - built


def is_required(field: "dataclasses.Field[Any]") -> bool:
    """Whether a body lacks something without the field; else it has a default."""
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def described(kind: type) -> Json:
    """The docstring of a class as the description of its schema, if it has one of its own."""
    says = inspect.getdoc(kind) or ""
    return {} if says.startswith(f"{kind.__name__}(") or not says else {"description": says}


def stored(name: str, version: int, held: Json) -> Json:
    """The schema of a stored event with a body like *held*."""
    return {
        "type": "object",
        "properties": {
            "name": {"const": name},
            "version": {"const": version},
            "body": held,
        },
        "required": ["name", "version", "body"],
        "additionalProperties": False,
    }


def envelope() -> Json:
    """The schema of a commit as the log keeps it (`Commit.to_line`)."""
    version = {"type": "integer", "minimum": 1}
    stream = {"type": "string", "pattern": "^[^/]+/[^/-]+-[A-Za-z0-9-]{1,64}$"}
    text = {"type": "string"}
    properties: Json = {
        "aggregateId": {
            **stream,
            "description": "The stream: <tenant>/<category>-<key>.",
            "examples": [str(AggregateId("main", next(iter(DOMAIN.aggregates)), "1"))],
        },
        "sequenceNumber": {**version, "description": "The version, dense in its stream."},
        "events": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "object", "required": ["name", "version", "body"]},
        },
        "commandId": text,
        "bodyHash": text,
        "at": {**text, "format": "date-time"},
        "actor": text,
        "correlationId": text,
        "deps": {
            "type": "array",
            "description": "What the decision read from other streams: stream and version.",
            "items": {"type": "array", "items": [stream, version], "minItems": 2, "maxItems": 2},
        },
        "epoch": version,
        "epochStart": {**version, "description": "The version with which the epoch begins."},
    }
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
