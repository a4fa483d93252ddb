"""Commands: one way for all of them, from a table of what each takes and refuses."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from marshmallow import Schema

from chalicelib.leftfold.commands.handler import CommandRequest, VersionMismatchError
from chalicelib.leftfold.commands.loading import earliest_attempt
from chalicelib.leftfold.http.headers import (
    IDEMPOTENCY_KEY,
    IF_MATCH,
    etag,
    expected_versions,
)
from chalicelib.leftfold.http.problems import Problem
from chalicelib.leftfold.http.routes import Answer, Call, Route
from chalicelib.leftfold.kernel import Aggregate
from chalicelib.leftfold.store.ports import Unavailable

# Ids that the server chooses are UUIDs of this name space: never change it.
_NAMESPACE = UUID("6f2f0a3e-54f0-5d0f-9b5c-0f2b8a0c6f11")
_TENANT = "main"
# Until requests are authenticated.
_ACTOR, _AUTHORITY = "anonymous", "none"

HEEDED = (IDEMPOTENCY_KEY, IF_MATCH)
GIVEN = ("ETag", "Location")
OF_EVERY_COMMAND = (
    "version-mismatch",
    "commit-too-large",
    "key-reused",
    "contention",
    "outcome-unknown",
)


class Takes(NamedTuple):
    """A row of a context's table: a body, the command made of it, and its refusals.

    *check* raises `Problem` for a body that cannot be taken now.
    """

    summary: str
    body: Schema
    command: Callable[[Mapping[str, Any]], Any]
    refusals: tuple[str, ...]
    check: Callable[[Call], None] = lambda _call: None


def nothing(_call: Call) -> Mapping[str, Any]:
    """What the server adds to most bodies."""
    return {}


def opening_route(
    aggregate: Aggregate,
    path: str,
    takes: Takes,
    returns: Schema,
    status: int = 201,
    adds: Callable[[Call], Mapping[str, Any]] = nothing,
) -> Route:
    """POST *path* opens an aggregate; its id is the body's, or made of the key.

    *status* is 202 where opening it only begins what the client asked for. *adds* gives
    what the command needs beside the body, such as times.
    """

    def answer(call: Call) -> Answer:
        id_field = f"{aggregate.category}_id"
        key = call.body.get(id_field) or derived_id(call)
        command = takes.command({**call.body, **adds(call)})
        return execute(call, aggregate, key, command, opens=True)

    return Route(
        "POST",
        path,
        f"open_{aggregate.category}",
        takes.summary,
        answer,
        returns,
        status=status,
        gives=GIVEN,
        body=takes.body,
        heeds=HEEDED,
        problems=(*OF_EVERY_COMMAND, "key-required", *takes.refusals),
    )


def command_routes(
    aggregate: Aggregate, path: str, returns: Schema, table: Mapping[str, Takes]
) -> tuple[Route, ...]:
    """POST *path*/{id}/ACTION for each action of *table*."""

    def route(action: str, takes: Takes) -> Route:
        def answer(call: Call) -> Answer:
            takes.check(call)
            return execute(call, aggregate, call.key, takes.command(call.body))

        return Route(
            "POST",
            f"{path}/{{id}}/{action}",
            f"{aggregate.category}_{action}",
            takes.summary,
            answer,
            returns,
            gives=GIVEN,
            aggregate=aggregate,
            body=takes.body,
            heeds=HEEDED,
            problems=(*OF_EVERY_COMMAND, *takes.refusals),
        )

    return tuple(route(action, takes) for action, takes in table.items())


def execute(
    call: Call, aggregate: Aggregate, key: str, command: Any, *, opens: bool = False
) -> Answer:
    """Hands the command to the handler; a repeated one gives the same answer again."""
    request = request_of(
        call,
        aggregate,
        key,
        command,
        expected=expected_versions(call.headers.get(IF_MATCH.name), opens=opens),
        opens=opens,
    )
    try:
        version = perform(call, request)
    except VersionMismatchError as error:
        # A precondition counts only where the request would succeed without it.
        if error.version == 0 and not opens:
            raise Problem(f"{aggregate.category}-missing") from error
        raise
    return Answer(
        {f"{aggregate.category}Id": key, "version": version},
        {"ETag": etag(version), "Location": location(call.route, key)},
        call.route.status,
    )


def request_of(
    call: Call, aggregate: Aggregate, key: str, command: Any, **conditions: Any
) -> CommandRequest:
    """The command as the handler takes it; *conditions* are further fields of `CommandRequest`."""
    return CommandRequest(
        aggregate=aggregate,
        aggregate_id=aggregate.stream(key, _TENANT),
        command=command,
        command_id=call.command_id,
        body_hash=call.body_hash,
        actor=_ACTOR,
        authority=_AUTHORITY,
        correlation_id=call.correlation_id,
        traceparent=call.traceparent,
        may_repeat=IDEMPOTENCY_KEY.name in call.headers,
        **conditions,
    )


def perform(call: Call, request: CommandRequest) -> int:
    """The version that the command made, now or when it came first."""
    refuse_future_key(call)
    try:
        return call.services.handler.execute(request)
    except Unavailable as error:
        raise Problem(
            "outcome-unknown",
            "Send it again with this Idempotency-Key: it takes effect once.",
            idempotencyKey=call.command_id,
        ) from error


def refuse_future_key(call: Call) -> None:
    """A UUIDv7 of a clock that is far ahead would not be recognised when it comes again."""
    earliest = earliest_attempt(call.command_id)
    if earliest is not None and earliest > call.services.clock().timestamp():
        detail = "is a UUIDv7 of more than five minutes from now: the clock is wrong"
        raise Problem("invalid-header", errors=[{"header": IDEMPOTENCY_KEY.name, "detail": detail}])


def derived_id(call: Call) -> str:
    """The id of what a command opens without naming it: the same for every retry.

    It rests on the route's name, which never changes, and not on its path, which may.
    """
    client_key = call.headers.get(IDEMPOTENCY_KEY.name)
    if client_key is None:
        detail = "is required where the server chooses the id"
        errors = [{"header": IDEMPOTENCY_KEY.name, "detail": detail}]
        raise Problem("key-required", errors=errors)
    return str(uuid5(_NAMESPACE, f"{_TENANT} {call.route.name} {client_key}"))


def location(route: Route, key: str) -> str:
    """Where the aggregate is, relative to the route of its command.

    Relative, because nobody behind API Gateway knows how its stage or a custom domain
    prefixes the path.
    """
    _, varies, rest = route.path.partition("/{id}/")
    if varies:
        return "../" * len(rest.split("/")) + key
    return f"{route.path.rpartition('/')[2]}/{key}"
