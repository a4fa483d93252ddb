"""The whole history of one aggregate, from its stream."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from marshmallow import fields

from chalicelib.leftfold.http.cursors import after_of, cursor, whole
from chalicelib.leftfold.http.fields import LARGEST_VERSION, Pages, Shown
from chalicelib.leftfold.http.problems import Problem
from chalicelib.leftfold.http.routes import Answer, Call, Route
from chalicelib.leftfold.kernel import Aggregate, Codec, Commit
from chalicelib.leftfold.kernel.repair import Correction, Read, Repairs, read
from chalicelib.leftfold.store.ports import Streams
from chalicelib.leftfold.subjects.opening import Opener

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


class CorrectionShown(Shown):
    """Why an event is not read as it was stored: who proposed another reading, who approved it."""

    why = fields.String(required=True)
    by = fields.String(required=True)
    approved_by = fields.String(required=True)


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
    correction = fields.Nested(CorrectionShown, required=True, allow_none=True)
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
        stream = call.stream(aggregate)
        start = after_of(call, *CURSOR_PARTS) or (1, 0, 0)
        limit = call.query["limit"]
        commits = commits_from(call.services.events, call.services.vault, stream, start[0])
        events = (
            event
            for commit in commits
            for event in events_of(commit, aggregate.codec, shown, call.services.repairs)
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
        scope="queries",
        aggregate=aggregate,
        query=Pages(),
        problems=(missing, "bad-cursor", "unavailable"),
    )


def commits_from(
    store: Streams, opener: Opener, stream: str, first: int, last: int | None = None
) -> Iterator[Commit]:
    """The commits of a stream from version *first* to *last*, opened, and read lazily."""
    while last is None or first <= last:
        until = first + COMMITS_AT_ONCE - 1
        commits = store.range(stream, first, until if last is None else min(until, last))
        yield from opener.opened(commits)
        if len(commits) < COMMITS_AT_ONCE:
            return
        first += COMMITS_AT_ONCE


def events_of(
    commit: Commit, codec: Codec[Any], shown: BodyJson, repairs: Repairs
) -> Iterator[Json]:
    """The events of one commit, upcast, with facts of the commit."""
    for event in read(commit, codec, repairs):
        yield {
            "version": commit.version,
            "index": event.event_index,
            "part": event.part,
            **event_json(event, codec, shown),
            "at": commit.at,
            "actor": commit.actor,
            "correlationId": commit.correlation_id,
        }


def place_of(event: Json) -> tuple[int, ...]:
    """The place of an event in its stream's history."""
    return tuple(event[part] for part in PLACE)


def event_json(event: Read, codec: Codec[Any], shown: BodyJson) -> Json:
    """An event of a commit as it is read today."""
    current = codec.encode(event.event)
    return {
        "name": current.name,
        "eventVersion": current.version,
        "body": shown(current.body),
        "correction": correction_json(event.correction),
    }


def correction_json(correction: Correction | None) -> Json | None:
    """Why an event is not read as it was stored; None if it is."""
    if correction is None:
        return None
    _, why, by, approved_by = correction
    return {"why": why, "by": by, "approvedBy": approved_by}


def events_json(commit: Commit, codec: Codec[Any], shown: BodyJson, repairs: Repairs) -> list[Json]:
    """The events of a commit as they are read today."""
    return [event_json(event, codec, shown) for event in read(commit, codec, repairs)]
