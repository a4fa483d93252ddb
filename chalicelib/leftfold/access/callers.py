"""A caller: who asks, for which tenant, and what they may do."""

import re
from dataclasses import dataclass
from typing import Literal, get_args

# What a route asks for: to change, to read, to follow the log, to operate the system.
Scope = Literal["commands", "queries", "feed", "operate"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
# The name of this API in scopes: Cognito writes them as <resource server>/<scope>.
RESOURCE = "leftfold"
# The tenant of operators who belong to the house and to no tenant.
HOUSE = "*"
# A tenant's name is a part of every key. One spelling only: no case, no accents, no separators.
TENANT = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")


class TokenError(Exception):
    """The token proves nothing; the text says why, for the log alone."""


class TokenExpiredError(TokenError):
    """The token was good once."""


class TooManyRequestsError(Exception):
    """The tenant has sent more requests than its share; *wait* is in seconds."""

    def __init__(self, wait: int) -> None:
        super().__init__(f"too many requests; wait {wait} s")
        self.wait = wait


@dataclass(frozen=True)
class Caller:
    """Who calls, as a verified token has it.

    *subject* is the person or the machine, *client* the application through which they call.
    *tenant* is None if the token names none, and `HOUSE` for an operator of the house.
    """

    subject: str
    client: str
    tenant: str | None
    scopes: frozenset[str]

    def may(self, scope: Scope) -> bool:
        """Whether the token has *scope*."""
        return granted(scope) in self.scopes


def granted(scope: Scope) -> str:
    """The name of *scope* in a token: "leftfold/commands"."""
    return f"{RESOURCE}/{scope}"
