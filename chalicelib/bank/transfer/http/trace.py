"""The trace of a transfer over HTTP: its commits in all streams, in the order of the log."""

from typing import Any

from marshmallow import fields

from chalicelib.bank.account.domain import account
from chalicelib.bank.http.event_bodies import body_json
from chalicelib.bank.transfer.domain import transfer
from chalicelib.bank.transfer.http.transfers import TransferQuery
from chalicelib.leftfold.http.fields import Shown, key
from chalicelib.leftfold.http.history import CorrectionShown, StreamVersion, events_json
from chalicelib.leftfold.http.queries import FRESHNESS, not_shown, wait_until_fresh
from chalicelib.leftfold.http.routes import Answer, Call, Route
from chalicelib.leftfold.kernel import AggregateId, Commit
from chalicelib.leftfold.kernel.repair import Repairs

# More commits than a transfer has in its own stream and in both accounts.
LONGEST_TRACE = 100
# The aggregates whose commits may belong to a transfer.
TRACED = {aggregate.category: aggregate for aggregate in (account, transfer)}


class TracedEvent(Shown):
    """An event in the current version of its name."""

    correction = fields.Nested(CorrectionShown, required=True, allow_none=True)
    name = fields.String(required=True)
    event_version = fields.Integer(required=True)
    body = fields.Dict(keys=fields.String(), required=True)


class TracedCommit(StreamVersion):
    """A commit of a transfer or of one of its accounts; *causes* are the commits that led
    to it.
    """

    at = fields.String(required=True, metadata={"format": "date-time"})
    actor = fields.String(required=True)
    correlation_id = fields.String(required=True)
    causes = fields.List(fields.Nested(StreamVersion), required=True)
    events = fields.List(fields.Nested(TracedEvent), required=True)


class Trace(Shown):
    """All commits of a transfer, in the order of the log."""

    transfer_id = key(required=True)
    commits = fields.List(fields.Nested(TracedCommit), required=True)


def trace(call: Call) -> Answer:
    """All commits that belong to a transfer. The view names them, and the streams have them."""
    wait_until_fresh(call, "traces", transfer, call.key)
    rows = call.services.rows("traces")
    query = {"bool": {"filter": [{"term": {"transferId": call.key}}]}}
    traced = rows.find(query, [{"position": "asc"}], None, LONGEST_TRACE).rows
    if not traced:
        raise not_shown(call, "transfer-missing")
    events, vault = call.services.events, call.services.vault
    commits = [
        commit_json(commit, call.services.repairs)
        for row in traced
        for commit in vault.opened(events.range(row["aggregateId"], row["version"], row["version"]))
    ]
    return Answer({"transferId": call.key, "commits": commits})


def commit_json(commit: Commit, repairs: Repairs) -> dict[str, Any]:
    """A commit with its causes and its events."""
    codec = TRACED[AggregateId.parse(commit.aggregate_id).category].codec
    return {
        "stream": commit.aggregate_id,
        "version": commit.version,
        "at": commit.at,
        "actor": commit.actor,
        "correlationId": commit.correlation_id,
        "causes": [{"stream": stream, "version": version} for stream, version in commit.deps],
        "events": events_json(commit, codec, body_json, repairs),
    }


routes: tuple[Route, ...] = (
    Route(
        "GET",
        "/transfers/{id}/trace",
        "trace_transfer",
        "All commits of a transfer across aggregates, in the order of the log",
        trace,
        Trace(),
        scope="queries",
        aggregate=transfer,
        query=TransferQuery(),
        problems=("transfer-missing", *FRESHNESS),
    ),
)
