"""What operators do about a commit that code cannot read (docs/adr/0022)."""

from typing import Any

from marshmallow import fields, validate

from chalicelib.leftfold.http.fields import LARGEST_VERSION, Shown, Strict
from chalicelib.leftfold.http.headers import IDEMPOTENCY_KEY
from chalicelib.leftfold.http.operating import (
    CommitParts,
    OfTenant,
    ReaderParts,
    known_reader,
    operated_tenant,
)
from chalicelib.leftfold.http.problems import Problem
from chalicelib.leftfold.http.routes import Answer, Call, Route
from chalicelib.leftfold.kernel import AggregateId, StoredEvent
from chalicelib.leftfold.kernel.aggregate import is_of
from chalicelib.leftfold.repair.domain import MOST_EVENTS, Repaired
from chalicelib.leftfold.repair.service import Asked

REFUSALS = ("repair-pending", "repair-decided", "repair-missing", "repair-needs-another")

Json = dict[str, Any]


class StoredEventBody(Strict):
    """An event as it is stored."""

    name = fields.String(required=True, validate=validate.Length(1, 200))
    version = fields.Integer(
        required=True, strict=True, validate=validate.Range(1, LARGEST_VERSION)
    )
    body = fields.Dict(keys=fields.String(), required=True)


class CorrectionBody(Strict):
    """The stored event *index* of the commit is read as *readsAs*: as one, several or none."""

    index = fields.Integer(strict=True, validate=validate.Range(0, LARGEST_VERSION), load_default=0)
    reads_as = fields.List(
        fields.Nested(StoredEventBody), required=True, validate=validate.Length(0, MOST_EVENTS)
    )
    why = fields.String(required=True, validate=validate.Length(1, 1000))


class SkipBody(Strict):
    """The reader passes over the commit on which it has parked *stream*."""

    stream = fields.String(required=True, validate=validate.Length(1, 200))
    why = fields.String(required=True, validate=validate.Length(1, 1000))


class DecisionBody(Strict):
    """Decides about the repair *of*: in effect, or withdrawn."""

    of = fields.String(required=True, validate=validate.Length(1, 200))
    approve = fields.Boolean(required=True)


class RepairShown(Shown):
    """A repair; *approvedBy* is null until it is in effect."""

    of = fields.String(required=True)
    why = fields.String(required=True)
    by = fields.String(required=True)
    approved_by = fields.String(required=True, allow_none=True)
    reads_as = fields.List(fields.Nested(StoredEventBody), required=True)


class RepairList(Shown):
    """All repairs of a commit."""

    stream = fields.String(required=True)
    version = fields.Integer(required=True)
    items = fields.List(fields.Nested(RepairShown), required=True)


def correct_event(call: Call) -> Answer:
    """Proposes what an event is read as that cannot be read itself."""
    stream, version = commit_of(call)
    reads_as = [
        StoredEvent(part["name"], part["version"], part["body"]) for part in call.body["reads_as"]
    ]
    asked = Asked(by(call), call.body["why"], call.command_id)
    repairer = call.house.repairer
    state = repairer.correct(stream, version, call.body["index"], reads_as, asked)
    return Answer(repairs_json(stream, version, state), status=201)


def skip_commit(call: Call) -> Answer:
    """Proposes that a reader passes over the commit on which it has parked a stream."""
    name, stream = known_reader(call), call.body["stream"]
    if not call.is_of_house and not is_of(call.tenant, stream):
        raise Problem("repair-not-parked")
    asked = Asked(by(call), call.body["why"], call.command_id)
    state = call.house.in_log_of(stream).repairer.skip(call.house.stored_name(name), stream, asked)
    return Answer(repairs_json(state.stream, state.version, state), status=201)


def decide_repair(call: Call) -> Answer:
    """Puts a repair into effect, or takes it back."""
    stream, version = commit_of(call)
    repairer, asked = call.house.repairer, Asked(by(call), "", call.command_id)
    decide = repairer.approve if call.body["approve"] else repairer.withdraw
    state = decide(stream, version, call.body["of"], asked)
    return Answer(repairs_json(stream, version, state))


def list_repairs(call: Call) -> Answer:
    """All repairs of a commit, also those that are not in effect."""
    stream, version = commit_of(call)
    state = call.house.repairer.state(stream, version)
    return Answer(repairs_json(stream, version, state))


def commit_of(call: Call) -> tuple[str, int]:
    """The stream and the version that the path names. Raises `Problem`."""
    stream = AggregateId(operated_tenant(call), call.path["category"], call.path["key"])
    return str(stream), call.path["version"]


def by(call: Call) -> str:
    """Who asks for it."""
    if call.caller is None:
        raise LookupError(f"{call.route.name} asks for no token")
    return call.caller.subject


def repairs_json(stream: str, version: int, state: Repaired) -> Json:
    """The repairs of a commit as clients see them."""
    return {
        "stream": stream,
        "version": version,
        "items": [
            {
                "of": of,
                "why": one.why,
                "by": one.by,
                "approvedBy": one.approved_by,
                "readsAs": [
                    {"name": part.name, "version": part.version, "body": part.body}
                    for part in (read.stored for read in one.reads_as)
                ],
            }
            for of, one in state.proposals.items()
        ],
    }


routes: tuple[Route, ...] = (
    Route(
        "GET",
        "/streams/{category}/{key}/commits/{version}/repairs",
        "list_repairs",
        "What was proposed and decided about a commit that cannot be read",
        list_repairs,
        RepairList(),
        scope="operate",
        parts=CommitParts(),
        query=OfTenant(),
        problems=("house-only", "unavailable"),
    ),
    Route(
        "POST",
        "/streams/{category}/{key}/commits/{version}/corrections",
        "correct_event",
        "Propose what an event is read as that cannot be read itself",
        correct_event,
        RepairList(),
        scope="operate",
        status=201,
        parts=CommitParts(),
        query=OfTenant(),
        body=CorrectionBody(),
        heeds=(IDEMPOTENCY_KEY,),
        problems=(
            *(
                "house-only",
                "repair-event-missing",
                "repair-not-needed",
                "repair-unreadable",
                *REFUSALS,
            ),
            *("key-reused", "contention", "outcome-unknown"),
        ),
    ),
    Route(
        "POST",
        "/streams/{category}/{key}/commits/{version}/decisions",
        "decide_repair",
        "Put a repair into effect, or take it back",
        decide_repair,
        RepairList(),
        scope="operate",
        parts=CommitParts(),
        query=OfTenant(),
        body=DecisionBody(),
        heeds=(IDEMPOTENCY_KEY,),
        problems=("house-only", *REFUSALS, "key-reused", "contention", "outcome-unknown"),
    ),
    Route(
        "POST",
        "/readers/{reader}/skips",
        "skip_commit",
        "Propose that a reader passes over the commit on which it has parked a stream",
        skip_commit,
        RepairList(),
        scope="operate",
        status=201,
        parts=ReaderParts(),
        body=SkipBody(),
        heeds=(IDEMPOTENCY_KEY,),
        problems=(
            *("reader-missing", "repair-not-parked", *REFUSALS),
            *("key-reused", "contention", "outcome-unknown"),
        ),
    ),
)
