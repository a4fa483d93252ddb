"""JSON schemas (draft 7) of stored events, made from the dataclasses of their bodies."""

import dataclasses
import inspect
import types
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, NewType, Union, get_args, get_origin, get_type_hints

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.kernel import AggregateId
from chalicelib.leftfold.kernel.aggregate import AGGREGATE_ID
from chalicelib.leftfold.kernel.commit import FORMAT, TRACEPARENT

Json = dict[str, Any]
SCALARS: dict[Any, Json] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    Decimal: {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?(E[+-][0-9]+)?$"},
    date: {"type": "string", "format": "date"},
    datetime: {"type": "string", "format": "date-time"},
}


def body(kind: Any) -> Json:
    """The schema of what `to_json` makes of a *kind*. Raises TypeError for other types."""
    if isinstance(kind, NewType):
        return body(kind.__supertype__)
    if kind in SCALARS:
        return SCALARS[kind]
    if isinstance(kind, type) and get_origin(kind) is None:
        if issubclass(kind, Enum):
            return _one_of(*(member.value for member in kind))
        if dataclasses.is_dataclass(kind):
            return _object(kind, {f.name: default_of(f) for f in dataclasses.fields(kind)})
        if issubclass(kind, tuple) and hasattr(kind, "_field_defaults"):
            defaults = dict.fromkeys(get_type_hints(kind), REQUIRED)
            return _object(kind, defaults | kind._field_defaults)
    if get_origin(kind) in GENERIC:
        return GENERIC[get_origin(kind)](*get_args(kind))
    raise TypeError(f"no schema is known for {kind!r}")


def _one_of(*values: Any) -> Json:
    kinds = {type(value) for value in values}
    kind = SCALARS[kinds.pop()] if len(kinds) == 1 else {}
    return {**kind, "enum": list(values)}


def _tuple(*kinds: Any) -> Json:
    if kinds[1:] == (...,):
        return {"type": "array", "items": body(kinds[0])}
    fixed = {"items": [body(kind) for kind in kinds], "additionalItems": False} if kinds else {}
    return {"type": "array", **fixed, "minItems": len(kinds), "maxItems": len(kinds)}


def _set(kind: Any) -> Json:
    return {"type": "array", "items": body(kind), "uniqueItems": True}


def _dict(key: Any, value_schema: Any) -> Json:
    names: Json = {} if key is str else {"propertyNames": _key(key)}
    return {"type": "object", **names, "additionalProperties": body(value_schema)}


def _key(kind: Any) -> Json:
    """The schema of a dict's key: of a text as it is, of anything else as JSON in a text."""
    if kind is int:
        return {"pattern": "^(0|-?[1-9][0-9]*)$"}
    schema = body(kind)
    return schema if schema.get("type") == "string" else {"type": "string"}


def _union(*kinds: Any) -> Json:
    return {"anyOf": [body(kind) for kind in kinds]}


GENERIC: dict[Any, Callable[..., Json]] = {
    Literal: _one_of,
    Union: _union,
    types.UnionType: _union,
    tuple: _tuple,
    frozenset: _set,
    dict: _dict,
}
# Stands for the default that a field has not.
REQUIRED = object()


def _object(kind: Any, defaults: dict[str, Any]) -> Json:
    """A field that holds its default None is not stored, so it is never null."""
    hints = get_type_hints(kind)
    schema: Json = {
        "type": "object",
        "properties": {
            name: body(present(hints[name]) if default is None else hints[name])
            for name, default in defaults.items()
        },
        "required": [name for name, default in defaults.items() if default is REQUIRED],
        "additionalProperties": False,
    }
    return schema


def present(hint: Any) -> Any:
    """X of `X | None`."""
    return Union[tuple(a for a in get_args(hint) if a is not type(None))]  # noqa: UP007 - built


def default_of(field: "dataclasses.Field[Any]") -> Any:
    """The default that a body may leave out, or `REQUIRED`."""
    if field.default_factory is not dataclasses.MISSING:
        return ...
    return REQUIRED if field.default is dataclasses.MISSING else field.default


def described(kind: type) -> Json:
    """The docstring of a class as the description of its schema, if it has one of its own."""
    says = inspect.getdoc(kind) or ""
    return {} if says.startswith(f"{kind.__name__}(") or not says else {"description": says}


def stored(name: str, version: int, value_schema: Json) -> Json:
    """The schema of a stored event with a body like *value_schema*."""
    return {
        "type": "object",
        "properties": {
            "name": {"const": name},
            "version": {"const": version},
            "body": value_schema,
        },
        "required": ["name", "version", "body"],
        "additionalProperties": False,
    }


def envelope() -> Json:
    """The schema of a commit as the log keeps it (`Commit.line`)."""
    version = {"type": "integer", "minimum": 1}
    stream = {"type": "string", "pattern": f"^{AGGREGATE_ID}$"}
    text = {"type": "string"}
    origin = {"type": "array", "items": [stream, version], "minItems": 2, "maxItems": 2}
    copied: Json = {
        "root": {**origin, "description": "Of a copy: the first commit that it descends from."},
        "source": {**origin, "description": "Of a copy: the commit that it was copied from."},
    }
    properties: Json = {
        "format": {"const": FORMAT, "description": "The version of this format."},
        "kind": {"enum": ["commit", "copy"]},
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
        "authority": {**text, "description": "The right by which the actor acted."},
        "correlationId": text,
        "traceparent": {
            **text,
            "pattern": f"^{TRACEPARENT}$",
            "description": "The W3C Trace Context of the request.",
        },
        "tags": {
            "type": "array",
            "items": text,
            "description": "Several streams can be asked for by a tag.",
            "examples": [["customer:17"]],
        },
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
        "properties": properties | copied,
        "required": list(properties),
        "additionalProperties": False,
    }
