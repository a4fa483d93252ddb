"""Verifies access tokens: JSON Web Tokens (RFC 7519) that one issuer has signed."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import jwt

from chalicelib.leftfold.access.callers import (
    TENANT,
    Caller,
    TokenError,
    TokenExpiredError,
)
from chalicelib.leftfold.access.keys import Keys, UnknownKeyError

# Seconds by which the issuer's clock may differ from ours.
LEEWAY = 30
# API Gateway takes 10 KB of headers in all.
LONGEST = 8_192
TOKEN_KINDS = ("jwt", "at+jwt", "application/at+jwt")
# Visible ASCII. Names with a colon after these words are those of the engine itself.
_SUBJECT = re.compile(r"(?!(?:policy|deadline):)[!-~]{1,255}")
_CLIENT = re.compile(r"[!-~]{1,255}")
# JSON's numbers are whole up to here, and some have no end.
_NO_TIME = 2**53


@dataclass(frozen=True)
class Tokens:
    """Verifies the access tokens of *issuer* that are meant for one of *audience*.

    A token names its audience in `aud` (RFC 9068), and one of Cognito's in `client_id`.
    *tenant_claim* is the name of the claim that has the tenant.
    """

    issuer: str
    audience: Collection[str]
    tenant_claim: str
    keys: Keys
    clock: Callable[[], datetime]

    def caller(self, token: str) -> Caller:
        """Who calls with *token*.

        Raises `TokenError`, and `Unavailable` if the issuer's keys cannot be fetched.
        """
        if len(token) > LONGEST:
            raise TokenError("the token is too long")
        claims = self._verified(token)
        self._check_times(claims)
        if claims.get("token_use", "access") != "access":
            raise TokenError("the token is no access token")
        if not self._is_for_us(claims):
            raise TokenError("the token is for another audience")
        subject, client = claims["sub"], claims.get("client_id") or claims.get("azp")
        if _SUBJECT.fullmatch(subject) is None:
            raise TokenError("the subject cannot be recorded")
        if not isinstance(client, str) or _CLIENT.fullmatch(client) is None:
            raise TokenError("the token names no client")
        return Caller(
            subject, client, tenant_of(claims.get(self.tenant_claim)), frozenset(scopes(claims))
        )

    def _verified(self, token: str) -> Mapping[str, Any]:
        """The claims of a token with a good signature. Its times and audience are not checked."""
        try:
            header = jwt.get_unverified_header(token)
            kind, key_id = header.get("typ", "JWT"), header.get("kid")
            if not isinstance(kind, str) or kind.lower() not in TOKEN_KINDS:
                raise TokenError("the token is of another kind")
            if not isinstance(key_id, str):
                raise TokenError("the token names no key")
            key = self.keys.find(key_id)
            # Only the key's own algorithm: the one in the header is the stranger's choice.
            claims: Mapping[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                issuer=self.issuer,
                options={
                    "require": ["exp", "iss", "sub"],
                    # By our own clock and audiences, below.
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                    "verify_aud": False,
                },
            )
        except (jwt.PyJWTError, UnknownKeyError, RecursionError) as error:
            raise TokenError(f"{type(error).__name__}: {error}") from error
        return claims

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        now = self.clock().timestamp()
        if now >= seconds(claims, "exp") + LEEWAY:
            raise TokenExpiredError("the token has expired")
        for name in ("nbf", "iat"):
            if name in claims and seconds(claims, name) > now + LEEWAY:
                raise TokenError("the token is not yet valid")

    def _is_for_us(self, claims: Mapping[str, Any]) -> bool:
        named = claims.get("aud", claims.get("client_id"))
        audiences = named if isinstance(named, list) else [named]
        return any(isinstance(one, str) and one in self.audience for one in audiences)


def seconds(claims: Mapping[str, Any], name: str) -> float:
    """A time in a token, in seconds since 1970. Raises `TokenError`."""
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TokenError(f"{name} is no time")
    # No comparison with "not a number" is true.
    if not abs(value) < _NO_TIME:
        raise TokenError(f"{name} is no time")
    return value


def tenant_of(claim: object) -> str | None:
    """The tenant that a token names; None if it names none, or one whose name cannot be used."""
    if not isinstance(claim, str):
        return None
    return claim if TENANT.fullmatch(claim) else None


def scopes(claims: Mapping[str, Any]) -> Iterator[str]:
    """The scopes of a token: a text with spaces in `scope` (RFC 9068), a list in Okta's `scp`."""
    for name in ("scope", "scp"):
        match claims.get(name):
            case str() as text:
                yield from text.split(" ")
            case list() as listed:
                yield from (one for one in listed if isinstance(one, str))
