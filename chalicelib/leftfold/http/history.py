"""The whole history of an account, from its stream."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from marshmallow import fields

from chalicelib.bank.account.domain import account
from chalicelib.bank.fields import money
from chalicelib.bank.money import Money
from chalicelib.leftfold.http.cursors import cursor, place, whole
from chalicelib.leftfold.http.fields import LARGEST_VERSION, Pages, Shown, camel
from chalicelib.leftfold.http.problems import Problem
from chalicelib.leftfold.http.routes import Answer, Call, Route
from chalicelib.leftfold.kernel import Codec, Commit, StoredEvent
from chalicelib.leftfold.store.ports import EventStore

# A page seldom needs more commits than this; a commit may have 400 KB.
COMMITS_AT_ONCE = 25
# Which members of events are amounts, in the currency that stands beside them.
MONEY = frozenset(
    {
        "amount",
        "credit_limit",
        "balance",
        "opening_balance",
        "closing_balance",
        "credits",
        "debits",
        "minimum_payment",
    }
)


# The place of a page: a version of the stream, and an event of its commit.
PLACE = (whole(1, LARGEST_VERSION), whole(0, LARGEST_VERSION))


class EventShown(Shown):
    """An event in the current version of its name, and the commit that holds it."""

    version = fields.Integer(required=True)
    index = fields.Integer(required=True)
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


def history(call: Call) -> Answer:
    """A page of events, oldest first, as the running code reads them."""
    stream = account.stream(call.key)
    version, index = place(call, *PLACE) or (1, 0)
    limit = call.query["limit"]
    events = events_from(call.services.events, stream, version, index)
    page = list(islice(events, limit + 1))
    if not page and version == 1:
        raise Problem("account-missing")
    ahead = page[limit:]
    return Answer(
        {
            "items": page[:limit],
            "next": cursor(call, [ahead[0]["version"], ahead[0]["index"]]) if ahead else None,
        }
    )


def events_from(
    store: EventStore, stream: str, version: int, index: int
) -> Iterator[dict[str, Any]]:
    """The events of a stream from a place in it, read as they are asked for."""
    for commit in commits_from(store, stream, version):
        shown = list(events_of(commit))
        yield from shown[index if commit.version == version else 0 :]


def commits_from(
    store: EventStore, stream: str, first: int, last: int | None = None
) -> Iterator[Commit]:
    """The commits of a stream from version *first* to *last*, read as they are asked for."""
    while last is None or first <= last:
        until = first + COMMITS_AT_ONCE - 1
        commits = store.range(stream, first, until if last is None else min(until, last))
        yield from commits
        if len(commits) < COMMITS_AT_ONCE:
            return
        first += COMMITS_AT_ONCE


def events_of(commit: Commit) -> Iterator[dict[str, Any]]:
    """The events of one commit, in the current version of their names."""
    for index, stored in enumerate(commit.events):
        yield {
            "version": commit.version,
            "index": index,
            **event_json(stored, account.codec),
            "at": commit.at,
            "actor": commit.actor,
            "correlationId": commit.correlation_id,
        }


def event_json(stored: StoredEvent, codec: Codec[Any]) -> dict[str, Any]:
    """An event in the current version of its name."""
    current = codec.encode(codec.decode(stored))
    return {
        "name": current.name,
        "eventVersion": current.version,
        "body": body_json(current.body),
    }


def body_json(body: dict[str, Any]) -> dict[str, Any]:
    """An event's body with amounts as MONEY and names in camel case."""
    currency = body.get("currency", "")
    return {
        camel(name): money(Money(held, currency)) if name in MONEY else member_json(held)
        for name, held in body.items()
    }


def member_json(held: Any) -> Any:
    """A member that is no amount; objects have amounts of their own."""
    if isinstance(held, list):
        return [member_json(item) for item in held]
    return body_json(held) if isinstance(held, dict) else held


routes: tuple[Route, ...] = (
    Route(
        "GET",
        "/accounts/{id}/events",
        "list_account_events",
        "The whole history of an account",
        history,
        EventList(),
        aggregate=account,
        query=Pages(),
        problems=("account-missing", "bad-cursor", "unavailable"),
    ),
)
