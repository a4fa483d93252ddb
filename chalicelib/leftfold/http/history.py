"""The whole history of one aggregate, from its stream."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from marshmallow import fields

from chalicelib.leftfold.http.cursors import after_of, cursor, whole
from chalicelib.leftfold.http.fields import LARGEST_VERSION, Pages, Shown
from chalicelib.leftfold.http.problems import Problem
from chalicelib.leftfold.http.routes import Answer, Call, Route
from chalicelib.leftfold.kernel import Aggregate, Codec, Commit, StoredEvent
from chalicelib.leftfold.store.ports import EventStore
from chalicelib.leftfold.subjects.vault import Opener

# One read takes few commits, because a commit may have 400 KB and a page seldom needs more.
COMMITS_AT_ONCE = 25

Json = dict[str, Any]
BodyJson = Callable[[Json], Json]


# A cursor's values: a version of the stream, an event index in its commit, a part of the event.
CURSOR_PARTS = (whole(1, LARGEST_VERSION), whole(0, LARGEST_VERSION), whole(0, LARGEST_VERSION))
PLACE = ("version", "index", "part")


class StreamVersion(Shown):
    """A commit by its stream and its version there."""

    stream = fields.String(required=True)
    version = fields.Integer(required=True)


class EventShown(Shown):
    """An event, upcast to the current version of its name, with facts of its commit."""

    version = fields.Integer(required=True)
    index = fields.Integer(required=True)
    part = fields.Integer(
        required=True,
        metadata={"description": "Above 0 for what an upcast made of one stored event besides."},
    )
    name = fields.String(required=True)
    event_version = fields.Integer(required=True)
    body = fields.Dict(keys=fields.String(), required=True)
    at = fields.String(required=True, metadata={"format": "date-time"})
    actor = fields.String(required=True)
    correlation_id = fields.String(required=True)


class EventList(Shown):
    """A page of the history."""

    items = fields.List(fields.Nested(EventShown), required=True)
    next = fields.String(required=True, allow_none=True)


def history_route(aggregate: Aggregate, path: str, summary: str, shown: BodyJson) -> Route:
    """GET *path*/{id}/events lists all events of one aggregate, the oldest first, in pages.

    *shown* makes the body that clients see of a stored one.
    """
    missing = f"{aggregate.category}-missing"

    def answer(call: Call) -> Answer:
        stream = aggregate.stream(call.key)
        start = after_of(call, *CURSOR_PARTS) or (1, 0, 0)
        limit = call.query["limit"]
        commits = commits_from(call.services.events, call.services.vault, stream, start[0])
        events = (
            event
            for commit in commits
            for event in events_of(commit, aggregate.codec, shown)
            if place_of(event) >= tuple(start)
        )
        page = list(islice(events, limit + 1))
        if not page and start[0] == 1:
            raise Problem(missing)
        ahead = page[limit:]
        return Answer(
            {
                "items": page[:limit],
                "next": cursor(call, list(place_of(ahead[0]))) if ahead else None,
            }
        )

    return Route(
        "GET",
        f"{path}/{{id}}/events",
        f"list_{aggregate.category}_events",
        summary,
        answer,
        EventList(),
        aggregate=aggregate,
        query=Pages(),
        problems=(missing, "bad-cursor", "unavailable"),
    )


def commits_from(
    store: EventStore, opener: Opener, stream: str, first: int, last: int | None = None
) -> Iterator[Commit]:
    """The commits of a stream from version *first* to *last*, opened, and read lazily."""
    while last is None or first <= last:
        until = first + COMMITS_AT_ONCE - 1
        commits = store.range(stream, first, until if last is None else min(until, last))
        yield from opener.opened(commits)
        if len(commits) < COMMITS_AT_ONCE:
            return
        first += COMMITS_AT_ONCE


def events_of(commit: Commit, codec: Codec[Any], shown: BodyJson) -> Iterator[Json]:
    """The events of one commit, upcast, with facts of the commit."""
    for index, stored in enumerate(commit.events):
        for part, event in enumerate(events_json(stored, codec, shown)):
            yield {
                "version": commit.version,
                "index": index,
                "part": part,
                **event,
                "at": commit.at,
                "actor": commit.actor,
                "correlationId": commit.correlation_id,
            }


def place_of(event: Json) -> tuple[int, ...]:
    """The place of an event in its stream's history."""
    return tuple(event[part] for part in PLACE)


def events_json(stored: StoredEvent, codec: Codec[Any], shown: BodyJson) -> Iterator[Json]:
    """The events as which *stored* is read today."""
    for current in map(codec.encode, codec.decode(stored)):
        yield {
            "name": current.name,
            "eventVersion": current.version,
            "body": shown(current.body),
        }
