"""The event model as an AsyncAPI 3.0 document: what goes over the bus and into the log."""

from collections.abc import Iterable
from typing import Any

from chalicelib.leftfold.kernel.announcer import type_of
from tools.event_model import Event, Listener, Model, Step
from tools.event_model_schemas import body, described, envelope, stored

Json = dict[str, Any]
# The place of an event in the log or in its stream, as a text that sorts.
PLACE = r"^[0-9]{15}\.[0-9]{5}\.[0-9]{3}$"
LOG = "log"
OUTSIDE = "announcements"
INFO: Json = {
    "title": "Leftfold",
    "version": "1.0.0",
    "description": (
        "The commits of all streams, as the relay writes them into the log and publishes them,"
        " and who reads them. Made from the code by `leftfold event-model`. A message is a"
        " commit with at least one event of the message's name and version: a commit is"
        " atomic, and is read as a whole. Every message comes at least once; positions in the"
        " log order them."
    ),
}
BUS_SAYS = (
    "A Kinesis record is gzipped JSON: lane, firstPosition, lastPosition, previousInLane and"
    " commits, pairs of a position and a commit's line. Its partition key is the lane,"
    " crc32(aggregateId) mod 64. A record whose commits are null was too large: its reader"
    " takes them from the log."
)
LOG_SAYS = (
    "Blocks of gzipped JSON lines in a DynamoDB table, one line a commit, at dense positions"
    " from 0. Followers are woken when it grows, and read on from where they were."
)
OUTSIDE_SAYS = (
    "An event bus of Amazon EventBridge. Each event's detail is a CloudEvent in structured mode, its"
    " detail-type is the CloudEvent's type. Every announcement comes at least once, under the same"
    " id, and in no order. `sequence` orders those of one source; `previous` is the `revision` of"
    " the announcement before it in its stream (the subject), so that a gap shows. Personal fields"
    " read `erased`. Amounts are in minor units. Data that is too large for EventBridge is left"
    " out: `dataref` is the path of the commit in the API."
)


def document(model: Model) -> Json:
    """The whole document."""
    announced = tuple(
        dict.fromkeys(event for step in model.steps if step.announces for event in step.hears)
    )
    categories: dict[str, list[Event]] = {}
    for event in model.events:
        categories.setdefault(event.category, []).append(event)
    channels = {
        **{
            bus(category): channel(
                "{stack}-bus", f"Commits of {category} on the bus", BUS_SAYS, events
            )
            for category, events in categories.items()
        },
        LOG: channel("{stack}-log", "All commits in their one order", LOG_SAYS, model.events),
        **(outside(announced) if announced else {}),
    }
    return {
        "asyncapi": "3.0.0",
        "info": INFO,
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations(model, categories),
        "components": {
            "messages": {
                **{label(event): message(event) for event in model.events},
                **{announcement(event): told(event) for event in announced},
            },
            "schemas": {
                "commit": envelope(),
                **({"announcement": cloud_event()} if announced else {}),
                **{
                    f"commit-of-{category}": commit_of(events)
                    for category, events in categories.items()
                },
                **{
                    label(event): {
                        **described(event.kind),
                        **stored(event.name, event.version, body(event.kind)),
                    }
                    for event in model.events
                },
            },
        },
    }


def outside(events: Iterable[Event]) -> Json:
    """The channel of announcements to other systems."""
    made = channel("{stage}-announcements", "What other systems are told of", OUTSIDE_SAYS, ())
    return {
        OUTSIDE: {
            **made,
            "parameters": {
                "stage": {"description": "The name of the stage.", "default": "leftfold"}
            },
            "messages": {
                announcement(e): ref("components", "messages", announcement(e)) for e in events
            },
        }
    }


def announcement(event: Event) -> str:
    """The name of the message that tells others of an event."""
    return f"{type_of(event.category, event.name)}.v{event.version}"


def told(event: Event) -> Json:
    """A CloudEvent that tells others of an event."""
    return {
        "name": type_of(event.category, event.name),
        "title": event.name,
        "contentType": "application/cloudevents+json",
        "correlationId": {"location": "$message.payload#/correlationid"},
        "tags": [{"name": event.category}],
        "payload": {
            "allOf": [
                ref("components", "schemas", "announcement"),
                {
                    "properties": {
                        "type": {"const": type_of(event.category, event.name)},
                        "eventversion": {"const": event.version},
                        "data": body(event.kind),
                    }
                },
            ]
        },
    }


def cloud_event() -> Json:
    """The schema of an announcement."""
    text: Json = {"type": "string", "minLength": 1}
    place: Json = {"type": "string", "pattern": PLACE}
    members: Json = {
        "specversion": {"const": "1.0"},
        "id": text,
        "source": {**text, "description": "The log: `urn:leftfold:<truth>:<log>`."},
        "type": text,
        "subject": {**text, "description": "The stream."},
        "time": {"type": "string", "format": "date-time"},
        "sequence": {
            **place,
            "description": "The position in the log, and the event among those of its commit.",
        },
        "revision": {**place, "description": "The version in the stream, and the event."},
        "previous": {
            **place,
            "description": "The revision that was announced before; none for a stream's first.",
        },
        "tenant": text,
        "eventversion": {"type": "integer", "minimum": 1},
        "correlationid": text,
        "traceparent": text,
        "datacontenttype": {"const": "application/json"},
        "dataref": {"type": "string", "format": "uri-reference"},
        "data": {"type": "object"},
    }
    optional = {"previous", "traceparent", "data"}
    return {
        "type": "object",
        "properties": members,
        "required": [name for name in members if name not in optional],
    }


def bus(category: str) -> str:
    """The channel of a category on the bus."""
    return f"bus-{category}"


def label(event: Event) -> str:
    """The name of an event's message and schema."""
    return f"{event.name}.v{event.version}"


def ref(*path: str) -> Json:
    """A reference within the document."""
    return {"$ref": "/".join(("#", *path))}


def channel(address: str, title: str, says: str, events: Iterable[Event]) -> Json:
    """The channel of messages with *events*."""
    return {
        "address": address,
        "title": title,
        "description": says,
        "parameters": {
            "stack": {"description": "The CloudFormation stack.", "default": "leftfold"}
        },
        "messages": {label(event): ref("components", "messages", label(event)) for event in events},
    }


def message(event: Event) -> Json:
    """A commit of the category that has the event among its own."""
    schema = ref("components", "schemas", label(event))
    return {
        "name": label(event),
        "title": event.name,
        "contentType": "application/json",
        "correlationId": {"location": "$message.payload#/correlationId"},
        "tags": [{"name": event.category}],
        "payload": {
            "allOf": [
                ref("components", "schemas", f"commit-of-{event.category}"),
                {"properties": {"events": {"contains": schema}}},
            ]
        },
    }


def commit_of(events: Iterable[Event]) -> Json:
    """A commit with events of one category; an older version's body is read by upcasts."""
    known: list[Json] = []
    for event in events:
        known.append(ref("components", "schemas", label(event)))
        known += [
            stored(event.name, older, {"type": "object"}) for older in range(1, event.version)
        ]
    return {
        "allOf": [
            ref("components", "schemas", "commit"),
            {"properties": {"events": {"items": {"anyOf": known}}}},
        ]
    }


def operations(model: Model, categories: Iterable[str]) -> Json:
    """The relay sends; each view and policy receives what it hears."""
    found = {
        "relay-log": operation("send", LOG, model.events, "The relay writes every commit."),
        **{
            f"relay-{bus(category)}": operation(
                "send",
                bus(category),
                [event for event in model.events if event.category == category],
                f"The relay publishes every commit of {category}.",
            )
            for category in categories
        },
    }
    for view in model.views:
        for name in channels_of(view):
            heard = [e for e in view.hears if name in (LOG, bus(e.category))]
            says = f"The {view.about.order} view {view.name} makes its rows."
            found[f"view-{view.name}-{name}"] = operation("receive", name, heard, says)
    for step in model.steps:
        if step.announces:
            sent = [ref("channels", OUTSIDE, "messages", announcement(e)) for e in step.hears]
            says = f"The announcer {step.name} tells other systems."
            found[f"announcer-{step.name}"] = {
                **operation("send", OUTSIDE, (), says),
                "messages": sent,
            }
        if step.hears:
            found[f"policy-{step.name}-{LOG}"] = operation("receive", LOG, step.hears, acts(step))
    return found


def channels_of(view: Listener) -> tuple[str, ...]:
    """The channel from which a view reads."""
    if view.about.fed == "log":
        return (LOG,)
    return tuple(dict.fromkeys(bus(event.category) for event in view.hears))


def acts(step: Step) -> str:
    """A description of the commands and e-mails that a policy sends."""
    sent = [f"{command.name} to {command.category}" for command in step.sends]
    if step.announces:
        return f"The announcer {step.name} tells other systems of these events."
    return (
        f"The policy {step.name} sends {', '.join([*sent, *(['e-mail'] if step.mails else [])])}."
    )


def operation(action: str, name: str, events: Iterable[Event], says: str) -> Json:
    """The operation that sends or receives messages with *events* on the channel *name*."""
    return {
        "action": action,
        "channel": ref("channels", name),
        "summary": says,
        "messages": [ref("channels", name, "messages", label(event)) for event in events],
    }
