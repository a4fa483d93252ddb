"""The AsyncAPI 3.0 document: every event that is stored, and how it travels."""

import dataclasses
import types
from collections.abc import Collection, Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from chalicelib.kernel import Aggregate, Policy, View

Json = dict[str, Any]

TYPES: dict[Any, Json] = {
    Any: {},
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
}
# How the commits of a category travel: what a channel of each kind is.
CARRIERS = {
    "events": "New commits, by the stream of the events table: at least once, in no order.",
    "log": "Blocks of the log, read by position: each commit once, causes first.",
    "bus": "The commits of a block that share a lane, by Kinesis: at least once.",
}
ADDRESSES = {"events": "{stack}-events", "log": "{stack}-log", "bus": "{stack}-bus"}
PROTOCOLS = {"events": "dynamodb-streams", "log": "dynamodb", "bus": "kinesis"}


def asyncapi(
    aggregates: Mapping[str, Aggregate],
    views: Collection[View],
    policies: Collection[Policy],
) -> Json:
    """The document, made from codecs, views and policies."""
    channels = {
        f"{carrier}.{category}": channel(carrier, aggregate)
        for carrier in CARRIERS
        for category, aggregate in aggregates.items()
    }
    operations: Json = {}
    for category in aggregates:
        operations[f"append.{category}"] = operation(
            "send", "events", category, "The command handler appends what a command led to."
        )
        operations[f"sequence.{category}"] = operation(
            "receive", "events", category, "The relay brings new commits into the log."
        )
        for carrier in ("log", "bus"):
            operations[f"relay.{carrier}.{category}"] = operation(
                "send", carrier, category, f"The relay hands on commits by the {carrier}."
            )
    for view in views:
        for category in view.codecs:
            operations[f"view.{view.name}.{category}"] = operation(
                "receive", view.fed, category, f"The view {view.name} folds them into rows."
            )
    for policy in policies:
        for aggregate in policy.hears:
            operations[f"policy.{policy.name}.{aggregate.category}"] = operation(
                "receive", "log", aggregate.category, f"The policy {policy.name} acts on them."
            )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Leftfold",
            "version": "1.0.0",
            "description": "Events as they are stored; amounts are integers of minor units,"
            " dates and instants are in ISO 8601. Made by `leftfold event-model`.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": {
                message_id(category, name): message(aggregate, name)
                for category, aggregate in aggregates.items()
                for name in aggregate.codec.events
            }
        },
    }


def message_id(category: str, event: str) -> str:
    """The name of a message among all components."""
    return f"{category}.{event}"


def channel(carrier: str, aggregate: Aggregate) -> Json:
    """The commits of a category by one of the carriers."""
    category = aggregate.category
    return {
        "address": ADDRESSES[carrier],
        "title": f"{category} by {PROTOCOLS[carrier]}",
        "description": CARRIERS[carrier],
        "parameters": {"stack": {"description": "The name of the CloudFormation stack."}},
        "messages": {
            name: {"$ref": f"#/components/messages/{message_id(category, name)}"}
            for name in aggregate.codec.events
        },
    }


def operation(action: str, carrier: str, category: str, summary: str) -> Json:
    """What somebody does with a channel."""
    reference = f"#/channels/{carrier}.{category}"
    return {"action": action, "channel": {"$ref": reference}, "summary": summary}


def message(aggregate: Aggregate, name: str) -> Json:
    """An event in the current version of its name."""
    codec = aggregate.codec
    kind = codec.events[name]
    version = 1 + sum(upcast[0] == name for upcast in codec.upcasts)
    payload = {
        "type": "object",
        "required": ["name", "version", "body"],
        "properties": {
            "name": {"const": name},
            "version": {"const": version},
            "body": schema(kind),
        },
    }
    told = kind.__doc__ or ""
    # A dataclass without a docstring gets its signature for one.
    summary = {} if told.startswith(f"{kind.__name__}(") else {"summary": " ".join(told.split())}
    return {"name": name, "title": kind.__name__, **summary, "payload": payload}


def schema(kind: Any) -> Json:
    """The JSON schema of what `to_json` makes of a *kind*."""
    origin, arguments = get_origin(kind), get_args(kind)
    if dataclasses.is_dataclass(kind):
        return dataclass_schema(kind)
    if origin in (Union, types.UnionType):
        return {"oneOf": [{"type": "null"} if a is type(None) else schema(a) for a in arguments]}
    if origin is tuple:
        return {"type": "array", "items": schema(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema(arguments[1])}
    return {"enum": list(arguments)} if origin is Literal else TYPES[kind]


def dataclass_schema(kind: Any) -> Json:
    """The JSON schema of a dataclass; only a field that holds its default None is left out."""
    hints, fields = get_type_hints(kind), dataclasses.fields(kind)
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [f.name for f in fields if f.default is not None],
        "properties": {f.name: schema(hints[f.name]) for f in fields},
    }
