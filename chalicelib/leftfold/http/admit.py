"""Lets a request in: verifies its token, and that the token has the scope of its route."""

import re
from collections.abc import Mapping

from chalicelib.leftfold.access.callers import (
    Caller,
    TokenError,
    TokenExpiredError,
    TooManyRequestsError,
    granted,
)
from chalicelib.leftfold.http.problems import Problem
from chalicelib.leftfold.http.routes import Route
from chalicelib.leftfold.wiring.services import Services

_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/=-]+)", re.IGNORECASE)


def admit(route: Route, headers: Mapping[str, str], services: Services) -> Caller | None:
    """Who calls; None on a route that is open to everybody. Raises `Problem` and `Unavailable`.

    The token is looked at before anything else of the request, so a stranger learns nothing.
    """
    if route.scope is None:
        return None
    caller = caller_of(headers.get("authorization"), services)
    if not caller.may(route.scope):
        needed = granted(route.scope)
        challenge = f'Bearer error="insufficient_scope", scope="{needed}"'
        raise Problem("scope-missing", headers={"WWW-Authenticate": challenge}, scope=needed)
    if caller.tenant is None:
        raise Problem("tenant-missing")
    if not caller.is_of_house:
        admit_one_more(caller.tenant, services)
    return caller


def admit_one_more(tenant: str, services: Services) -> None:
    """Counts a request of a tenant. Raises `Problem` if the tenant has had its share."""
    try:
        services.fairness.admit(tenant)
    except TooManyRequestsError as error:
        raise Problem("too-many-requests", headers={"Retry-After": str(error.wait)}) from error


def caller_of(authorization: str | None, services: Services) -> Caller:
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
