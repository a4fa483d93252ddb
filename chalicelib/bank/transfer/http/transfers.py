"""Transfers over HTTP: requested, followed step by step, and traced."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from marshmallow import fields, pre_dump, validate

from chalicelib.bank.account.domain import account
from chalicelib.bank.events import body_json
from chalicelib.bank.fields import MoneyField
from chalicelib.bank.transfer.domain import Cancel, Order, RequestTransfer, transfer
from chalicelib.bank.transfer.views import STATE_AFTER, STATES, STEPS
from chalicelib.leftfold.http.commands import Takes, command_routes, opening_route
from chalicelib.leftfold.http.fields import (
    NoFields,
    Pages,
    Shown,
    Strict,
    day,
    email,
    key,
    min_version,
    text,
)
from chalicelib.leftfold.http.headers import IF_NONE_MATCH
from chalicelib.leftfold.http.history import event_json
from chalicelib.leftfold.http.queries import (
    FRESHNESS,
    document,
    found,
    not_shown,
    sorting,
    wait_until_fresh,
)
from chalicelib.leftfold.http.routes import Answer, Call, Route
from chalicelib.leftfold.kernel import AggregateId, Commit
from chalicelib.leftfold.kernel.commit import instant

if TYPE_CHECKING:
    from chalicelib.leftfold.projection.search import SearchRows

# How long the source may take to be debited.
UNTIL_DEBITED = timedelta(minutes=5)
# More commits than a transfer has in its own stream and in both accounts.
LONGEST_TRACE = 100
SORTS = ("-requestedAt", "requestedAt")
# Whose commits belong to a transfer.
TRACED = {aggregate.category: aggregate for aggregate in (account, transfer)}


class TransferBody(Strict):
    """What is to be moved; *notify* is told of the completed transfer by e-mail.

    Without a transferId, the server chooses one.
    """

    transfer_id = key()
    source = key(required=True)
    target = key(required=True)
    amount = MoneyField(least=1, required=True)
    value_date = day(required=True)
    purpose = text(500)
    notify = email()


class TransferChanged(Shown):
    """A command's answer: the version that it made."""

    transfer_id = key(required=True)
    version = fields.Integer(required=True)


class StepShown(Shown):
    """Something that happened to a transfer, and the state that it led to."""

    step = fields.String(required=True, validate=validate.OneOf(list(STEPS.values())))
    at = fields.String(required=True, metadata={"format": "date-time"})
    state = fields.String(required=True, validate=validate.OneOf(STATES))


def time(**options: Any) -> fields.String:
    """An instant, None while it has not come."""
    return fields.String(
        required=True, allow_none=True, metadata={"format": "date-time"}, **options
    )


class TransferShown(Shown):
    """A transfer as it stands at *version*; *reason* is the code of an account's refusal,
    *deadline* until when the next step is expected.
    """

    transfer_id = key(required=True)
    source = key(required=True)
    target = key(required=True)
    amount = MoneyField(required=True)
    value_date = day(required=True)
    purpose = fields.String(required=True, allow_none=True)
    state = fields.String(required=True, validate=validate.OneOf(STATES))
    reason = fields.String(required=True, allow_none=True)
    requested_at = time()
    debited_at = time()
    credited_at = time()
    refunded_at = time()
    ended_at = time()
    deadline = time()
    version = fields.Integer(required=True)


class TransferDocument(TransferShown):
    """A transfer with all its steps; *position* is its place in the log."""

    steps = fields.List(fields.Nested(StepShown), required=True)
    position = fields.Integer(required=True)

    @pre_dump
    def with_steps(self, row: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        return {**row, "steps": list(steps(row))}


class TransferList(Shown):
    """A page of transfers."""

    items = fields.List(fields.Nested(TransferShown), required=True)
    next = fields.String(required=True, allow_none=True)
    total = fields.Integer(required=True)


class StreamVersion(Shown):
    """A commit by its place: its stream, and its version there."""

    stream = fields.String(required=True)
    version = fields.Integer(required=True)


class TracedEvent(Shown):
    """An event in the current version of its name."""

    name = fields.String(required=True)
    event_version = fields.Integer(required=True)
    body = fields.Dict(keys=fields.String(), required=True)


class TracedCommit(StreamVersion):
    """A commit of a transfer or of one of its accounts; *causes* are the commits that led
    to it.
    """

    position = fields.Integer(required=True)
    at = fields.String(required=True, metadata={"format": "date-time"})
    actor = fields.String(required=True)
    correlation_id = fields.String(required=True)
    causes = fields.List(fields.Nested(StreamVersion), required=True)
    events = fields.List(fields.Nested(TracedEvent), required=True)


class Trace(Shown):
    """All commits of a transfer, in the order of the log."""

    transfer_id = key(required=True)
    commits = fields.List(fields.Nested(TracedCommit), required=True)


class TransferQuery(Strict):
    """What a transfer can be asked for."""

    min_version = min_version()


class TransfersQuery(Pages):
    """Which transfers to find; *account* is the source or the target."""

    state = fields.String(validate=validate.OneOf(STATES))
    account = key()
    sort = fields.String(validate=validate.OneOf(SORTS), load_default="-requestedAt")


def request(body: Mapping[str, Any]) -> RequestTransfer:
    """The request, from the loaded body and its deadline."""
    order = Order(
        body["source"],
        body["target"],
        body["amount"].minor,
        body["amount"].currency,
        body["value_date"],
        body.get("purpose"),
        body.get("notify"),
    )
    return RequestTransfer(order, body["deadline"])


def deadline(call: Call) -> Mapping[str, Any]:
    """Until when the source has to be debited."""
    return {"deadline": instant(call.services.clock() + UNTIL_DEBITED)}


def steps(row: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """What happened to a transfer, one after the other."""
    state = ""
    for step, at in zip(row["steps"], row["stepTimes"], strict=True):
        state = STATE_AFTER.get(step, state)
        yield {"step": step, "at": at, "state": state}


def show(call: Call) -> Answer:
    """The transfer and its steps."""
    return document(call, "transfers", transfer, TransferDocument())


def search(call: Call) -> Answer:
    """The transfers that meet every condition given."""
    return found(
        call,
        "transfers",
        list(conditions(call.query)),
        sorting(call.query["sort"], first=()),
        TransferShown(),
    )


def conditions(query: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """OpenSearch's filters, one for each parameter that was given."""
    if "state" in query:
        yield {"term": {"state": query["state"]}}
    if "account" in query:
        sides = [{"term": {side: query["account"]}} for side in ("source", "target")]
        yield {"bool": {"should": sides}}


def trace(call: Call) -> Answer:
    """All commits that belong to a transfer: the view knows where, the streams have them."""
    wait_until_fresh(call, "traces", transfer, call.key)
    rows = cast("SearchRows", call.services.rows("traces"))
    query = {"bool": {"filter": [{"term": {"transferId": call.key}}]}}
    places = rows.find(query, [{"position": "asc"}], None, LONGEST_TRACE).rows
    if not places:
        raise not_shown(call, "transfer-missing")
    commits = [
        commit_json(commit, place["position"])
        for place in places
        for commit in call.services.events.range(
            place["aggregateId"], place["version"], place["version"]
        )
    ]
    return Answer({"transferId": call.key, "commits": commits})


def commit_json(commit: Commit, position: int) -> dict[str, Any]:
    """A commit with its place in the log, its causes and its events."""
    codec = TRACED[AggregateId.parse(commit.aggregate_id).category].codec
    return {
        "stream": commit.aggregate_id,
        "version": commit.version,
        "position": position,
        "at": commit.at,
        "actor": commit.actor,
        "correlationId": commit.correlation_id,
        "causes": [{"stream": stream, "version": version} for stream, version in commit.deps],
        "events": [event_json(stored, codec, body_json) for stored in commit.events],
    }


missing = ("transfer-missing",)

routes: tuple[Route, ...] = (
    opening_route(
        transfer,
        "/transfers",
        Takes(
            "Request a transfer, whose steps follow",
            TransferBody(),
            request,
            ("transfer-exists", "same-account"),
        ),
        TransferChanged(),
        status=202,
        adds=deadline,
    ),
    *command_routes(
        transfer,
        "/transfers",
        TransferChanged(),
        {
            "cancel": Takes(
                "Cancel a transfer before money has left the source",
                NoFields(),
                lambda _: Cancel(),
                (*missing, "transfer-under-way", "transfer-ended"),
            ),
        },
    ),
    Route(
        "GET",
        "/transfers/{id}",
        "show_transfer",
        "A transfer, and each of its steps",
        show,
        TransferDocument(),
        gives=("ETag",),
        aggregate=transfer,
        query=TransferQuery(),
        heeds=(IF_NONE_MATCH,),
        problems=(*missing, *FRESHNESS),
    ),
    Route(
        "GET",
        "/transfers/{id}/trace",
        "trace_transfer",
        "All commits of a transfer across aggregates, in the order of the log",
        trace,
        Trace(),
        aggregate=transfer,
        query=TransferQuery(),
        problems=(*missing, *FRESHNESS),
    ),
    Route(
        "GET",
        "/transfers",
        "search_transfers",
        "Transfers by state and account; `stuck` are those that need people",
        search,
        TransferList(),
        query=TransfersQuery(),
        problems=("bad-cursor", "unavailable"),
    ),
)
