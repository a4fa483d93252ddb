"""Routes of commands, made from a context's table of bodies, commands and refusals."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from marshmallow import Schema

from chalicelib.leftfold.commands.handler import CommandRequest, VersionMismatchError
from chalicelib.leftfold.commands.loading import earliest_attempt
from chalicelib.leftfold.commands.owning import IdMovedError
from chalicelib.leftfold.http.headers import (
    IDEMPOTENCY_KEY,
    IF_MATCH,
    etag,
    expected_versions,
)
from chalicelib.leftfold.http.problems import Problem
from chalicelib.leftfold.http.routes import Answer, Call, Route
from chalicelib.leftfold.kernel import Aggregate, AggregateId
from chalicelib.leftfold.store.ports import Unavailable

# Never change this name space. The ids that the server chooses are UUIDs in it, so under another
# one a retry of an older request would open a second aggregate.
_NAMESPACE = UUID("6f2f0a3e-54f0-5d0f-9b5c-0f2b8a0c6f11")

HEEDED = (IDEMPOTENCY_KEY, IF_MATCH)
GIVEN = ("ETag", "Location")
OF_EVERY_COMMAND = (
    "version-mismatch",
    "commit-too-large",
    "subject-erased",
    "key-reused",
    "contention",
    "outcome-unknown",
    "id-moved",
    "id-gone",
    "not-active",
    "stream-moved",
)


class Takes(NamedTuple):
    """One command of a context: its body, how the command is made, and its refusals' codes.

    *check* may refuse a call by a `Problem` before its command is made.
    """

    summary: str
    body: Schema
    command: Callable[[Mapping[str, Any]], Any]
    refusals: tuple[str, ...]
    check: Callable[[Call], None] = lambda _call: None


def nothing(_call: Call) -> Mapping[str, Any]:
    """Adds no member: most commands are made of the body alone."""
    return {}


def opening_route(
    aggregate: Aggregate,
    path: str,
    takes: Takes,
    returns: Schema,
    status: int = 201,
    adds: Callable[[Call], Mapping[str, Any]] = nothing,
) -> Route:
    """POST *path* opens an aggregate, whose id the body names or `derived_id` makes.

    *status* is 202 where the opening only begins a workflow. *adds* returns members that the
    command needs beside the body, such as times.
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
        scope="commands",
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
            scope="commands",
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
    """Executes the command. A repeated command gets the answer of the first one."""
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
    except IdMovedError as moved:
        return elsewhere(call, aggregate, request, moved)
    return Answer(
        {f"{aggregate.category}Id": key, "version": version},
        {"ETag": etag(version), "Location": location(call.route, key)},
        call.route.status,
    )


def elsewhere(
    call: Call, aggregate: Aggregate, request: CommandRequest, moved: IdMovedError
) -> Answer:
    """The answer to a command whose aggregate has another id now.

    A command that was taken gets its first answer, at its place today. For another one raises
    `Problem`, with the place to send it to. A client that follows it drops no header, for it
    stays on the host. It is told of places of its own tenant alone.
    """
    successors = [
        p for p in moved.successors if AggregateId.parse(p.aggregate_id).tenant == call.tenant
    ]
    found = call.services.found_in(request, successors)
    keys = [AggregateId.parse(successor.aggregate_id) for successor in successors]
    same = [
        id_.key
        for id_ in keys
        if id_._replace(key="") == AggregateId(call.tenant, aggregate.category, "")
    ]
    if found is not None:
        key = AggregateId.parse(found[0]).key
        answered = {f"{aggregate.category}Id": key, "version": found[1]}
        headers = {"ETag": etag(found[1]), "Location": location(call.route, key)}
        return Answer(answered, headers, call.route.status)
    if len(keys) != 1 or not same or "/{id}/" not in call.route.path:
        raise IdMovedError(request.aggregate_id, successors)
    action = call.route.path.partition("/{id}/")[2]
    raise Problem("id-moved", headers={"Location": f"{location(call.route, same[0])}/{action}"})


def request_of(
    call: Call, aggregate: Aggregate, key: str, command: Any, **conditions: Any
) -> CommandRequest:
    """The command and its request data; *conditions* are further fields of `CommandRequest`.

    The actor is the token's subject. The authority names the scope and the client: a policy and
    a deadline have others, so a commit shows whether people or the system made it.
    """
    if call.caller is None:
        raise LookupError(f"{call.route.name} takes commands and asks for no token")
    return CommandRequest(
        aggregate=aggregate,
        aggregate_id=call.stream(aggregate, key),
        command=command,
        command_id=call.command_id,
        body_hash=call.body_hash,
        actor=call.caller.subject,
        authority=f"commands:{call.caller.client}",
        correlation_id=call.correlation_id,
        traceparent=call.traceparent,
        may_repeat=IDEMPOTENCY_KEY.name in call.headers,
        **conditions,
    )


def perform(call: Call, request: CommandRequest) -> int:
    """The version that the command made, now or at its first attempt. Raises `Problem`."""
    refuse_future_key(call)
    try:
        return call.services.execute(request)
    except Unavailable as error:
        raise Problem(
            "outcome-unknown",
            "Send the command again with this Idempotency-Key. It takes effect once.",
            idempotencyKey=call.command_id,
        ) from error


def refuse_future_key(call: Call) -> None:
    """Raises `Problem` for a UUIDv7 key from the future: a retry of it would not be recognised."""
    earliest = earliest_attempt(call.command_id)
    if earliest is not None and earliest > call.services.clock().timestamp():
        detail = "is a UUIDv7 from the future; the clock of its maker is wrong"
        raise Problem("invalid-header", errors=[{"header": IDEMPOTENCY_KEY.name, "detail": detail}])


def derived_id(call: Call) -> str:
    """The id of an aggregate that a body does not name: the same for every retry.

    The id is a hash of the tenant, of the client's key and of the route's name, which never changes. The
    route's path may change.
    """
    client_key = call.headers.get(IDEMPOTENCY_KEY.name)
    if client_key is None:
        detail = "is required, because the body has no id"
        errors = [{"header": IDEMPOTENCY_KEY.name, "detail": detail}]
        raise Problem("key-required", errors=errors)
    return str(uuid5(_NAMESPACE, f"{call.tenant} {call.route.name} {client_key}"))


def location(route: Route, key: str) -> str:
    """The aggregate's URL, relative to that of its command.

    An absolute URL is not known behind API Gateway, whose stage or custom domain prefixes
    the path.
    """
    _, is_under_id, rest = route.path.partition("/{id}/")
    if is_under_id:
        return "../" * len(rest.split("/")) + key
    return f"{route.path.rpartition('/')[2]}/{key}"
