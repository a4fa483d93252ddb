"""Transfers over HTTP: requested, cancelled, and followed step by step."""

from collections.abc import Iterable, Mapping
from typing import Any

from marshmallow import fields, pre_dump, validate

from chalicelib.bank.http.fields import MoneyField
from chalicelib.bank.transfer.domain import (
    Cancel,
    Order,
    RequestTransfer,
    debit_deadline,
    transfer,
)
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
from chalicelib.leftfold.http.queries import (
    FRESHNESS,
    document,
    found,
    sorting,
)
from chalicelib.leftfold.http.routes import Answer, Call, Route

SORTS = ("-requestedAt", "requestedAt")


class TransferBody(Strict):
    """The money to be moved; *notify* gets an e-mail about the completed transfer.

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
    """A step of a transfer, and the state that it led to."""

    step = fields.String(required=True, validate=validate.OneOf(list(STEPS.values())))
    at = fields.String(required=True, metadata={"format": "date-time"})
    state = fields.String(required=True, validate=validate.OneOf(STATES))


def time(**options: Any) -> fields.String:
    """An instant; None while its step has not been taken."""
    return fields.String(
        required=True, allow_none=True, metadata={"format": "date-time"}, **options
    )


class TransferShown(Shown):
    """A transfer as it stands at *version*; *reason* is the code of an account's refusal,
    *deadline* the instant by which the next step is expected.
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
    """A transfer with all its steps."""

    steps = fields.List(fields.Nested(StepShown), required=True)

    @pre_dump
    def with_steps(self, row: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        return {**row, "steps": list(steps(row))}


class TransferList(Shown):
    """A page of transfers."""

    items = fields.List(fields.Nested(TransferShown), required=True)
    next = fields.String(required=True, allow_none=True)
    total = fields.Integer(required=True)


class TransferQuery(Strict):
    """The parameters of a transfer's document and of its trace."""

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
    """The deadline of a transfer that is requested now."""
    return {"deadline": debit_deadline(call.services.clock())}


def steps(row: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """The steps of a transfer, in their order."""
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
    """A filter of OpenSearch for each parameter that was given."""
    if "state" in query:
        yield {"term": {"state": query["state"]}}
    if "account" in query:
        sides = [{"term": {side: query["account"]}} for side in ("source", "target")]
        yield {"bool": {"should": sides}}


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
        scope="queries",
        gives=("ETag",),
        aggregate=transfer,
        query=TransferQuery(),
        heeds=(IF_NONE_MATCH,),
        problems=(*missing, *FRESHNESS),
    ),
    Route(
        "GET",
        "/transfers",
        "search_transfers",
        "Transfers by state and account; `stuck` are those that need people",
        search,
        TransferList(),
        scope="queries",
        query=TransfersQuery(),
        problems=("bad-cursor", "unavailable"),
    ),
)
