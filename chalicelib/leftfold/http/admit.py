"""Lets a request in: verifies who sends it, and that they have the scope of its route."""

import re
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from chalice.app import Request

from chalicelib.leftfold.access.callers import (
    Caller,
    TokenError,
    TokenExpiredError,
    granted,
)
from chalicelib.leftfold.http.problems import Problem
from chalicelib.leftfold.http.routes import FEED, Call, Route
from chalicelib.leftfold.wiring.services import Services

if TYPE_CHECKING:
    from chalicelib.leftfold.access.roles import Roles

_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/=-]+)", re.IGNORECASE)


def admit(route: Route, request: Request, services: Services) -> Caller | None:
    """Who calls; None on a route that is open to everybody. Raises `Problem`, `Unavailable` and
    `TooManyRequestsError`.

    The caller is looked at before anything else of the request, so a stranger learns nothing. They
    show a token, or have signed the request: a deployment takes one of the two and not the other.
    """
    if route.scope is None:
        return None
    caller = caller_of(request, services)
    if not caller.may(route.scope):
        needed = granted(route.scope)
        challenge = f'Bearer error="insufficient_scope", scope="{needed}"'
        headers = {} if services.roles else {"WWW-Authenticate": challenge}
        raise Problem("scope-missing", headers=headers, scope=needed)
    if caller.tenant is None:
        raise Problem("tenant-missing")
    if not caller.is_of_house:
        services.fairness.admit(caller.tenant)
    return caller


def seated(call: Call) -> AbstractContextManager[None]:
    """Surrounds what the function `feed` does for *call*: a seat of its tenant, unless the house calls.

    Raises `TooManyRequestsError` where it begins, if the tenant has no seat left.
    """
    if call.route.function != FEED or call.is_of_house:
        return nullcontext()
    return call.house.feed_seats.seat(call.tenant)


def caller_of(request: Request, services: Services) -> Caller:
    """Who sends a request. Raises `Problem` and `Unavailable`."""
    if services.roles is None:
        return bearer_of(request.headers.get("authorization"), services)
    return signer_of(request, services.roles)


def signer_of(request: Request, roles: "Roles") -> Caller:
    """Who has signed a request, as API Gateway says beside it, where no client can. Raises `Problem`."""
    from chalicelib.leftfold.access.roles import UnknownRoleError

    identity = (request.context or {}).get("identity") or {}
    try:
        return roles.caller(identity.get("userArn"))
    except UnknownRoleError as error:
        raise Problem("role-unknown") from error


def bearer_of(authorization: str | None, services: Services) -> Caller:
    """Who sends this `Authorization` header. Raises `Problem` and `Unavailable`."""
    if authorization is None:
        raise Problem("token-missing", headers={"WWW-Authenticate": "Bearer"})
    challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    bearer = _BEARER.fullmatch(authorization)
    if bearer is None:
        raise Problem("token-invalid", headers=challenge)
    try:
        return services.tokens.caller(bearer[1])
    except TokenExpiredError as error:
        raise Problem("token-expired", headers=challenge) from error
    except TokenError as error:
        raise Problem("token-invalid", headers=challenge) from error
