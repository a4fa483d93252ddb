"""A caller: who asks, for which tenant, and what they may do."""

import re
from dataclasses import dataclass
from typing import Literal, get_args

# What a route asks for: to change, to read, to follow the log, to operate the system.
Scope = Literal["commands", "queries", "feed", "operate"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
# The name of this API in scopes: Cognito writes them as <resource server>/<scope>.
RESOURCE = "leftfold"
# Beside `operate`: the right of the house, to operate for all tenants.
HOUSE = f"{RESOURCE}/house"
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
    *tenant* is None if the token names none.
    """

    subject: str
    client: str
    tenant: str | None
    scopes: frozenset[str]

    def may(self, scope: Scope) -> bool:
        """Whether the token has *scope*."""
        return granted(scope) in self.scopes

    @property
    def is_of_house(self) -> bool:
        """Whether an operator of the house calls, and not one of a tenant."""
        return self.may("operate") and HOUSE in self.scopes


def granted(scope: Scope) -> str:
    """The name of *scope* in a token: "leftfold/commands"."""
    return f"{RESOURCE}/{scope}"
