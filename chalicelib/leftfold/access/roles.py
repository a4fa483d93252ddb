"""Callers whose requests API Gateway has verified by AWS's signature: IAM roles, and what each may do."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from chalicelib.leftfold.access.callers import RESOURCE, SCOPES, TENANT, Caller

# What a role may be granted: the scopes of routes, and to operate for all tenants.
RIGHTS = (*SCOPES, "house")
# A role's path is no part of a session's ARN, so it is none of its name here.
_ROLE = re.compile(r"arn:[a-z-]+:iam::([0-9]{12}):role/(?:[!-~]+/)?([A-Za-z0-9+=,.@_-]{1,64})")
_SESSION = re.compile(
    r"arn:([a-z-]+):sts::([0-9]{12}):assumed-role"
    r"/([A-Za-z0-9+=,.@_-]{1,64})/([A-Za-z0-9+=,.@_-]{2,64})"
)


class UnknownRoleError(Exception):
    """No role of the table calls; the text says who does, for the log alone."""


class Grant(NamedTuple):
    """What a role may do, and for which tenant; *scopes* are named as in a token."""

    tenant: str
    scopes: frozenset[str]


@dataclass(frozen=True)
class Roles:
    """The roles that may call, by account and name: "111122223333/importer"."""

    grants: Mapping[str, Grant]

    def caller(self, arn: object) -> Caller:
        """Who calls, of whom API Gateway says that it is *arn*. Raises `UnknownRoleError`.

        The subject is the role, which AWS vouches for. The name of the session is chosen by whoever
        assumes the role, so one person can have several; it is recorded as the client.
        """
        found = _SESSION.fullmatch(arn) if isinstance(arn, str) else None
        if found is None:
            raise UnknownRoleError(f"{arn!r} is no session of a role")
        partition, account, role, session = found.groups()
        grant = self.grants.get(f"{account}/{role}")
        if grant is None:
            raise UnknownRoleError(f"the role {role} of {account} is not in the table")
        subject = f"arn:{partition}:iam::{account}:role/{role}"
        return Caller(subject, session, grant.tenant, grant.scopes)


def roles_of(text: str) -> Mapping[str, Grant]:
    """The table that `text_of` has written."""
    return {name: grant_of(granted) for name, granted in json.loads(text or "{}").items()}


def text_of(table: Mapping[str, str]) -> str:
    """A table, from a role's ARN to "TENANT RIGHT…", as one short text.

    Raises ValueError for an ARN, a tenant or a right that cannot be.
    """
    made: dict[str, str] = {}
    for arn, granted in table.items():
        found = _ROLE.fullmatch(arn)
        if found is None:
            raise ValueError(f"{arn!r} is no ARN of a role: arn:aws:iam::111122223333:role/NAME")
        name = "/".join(found.groups())
        if name in made:
            raise ValueError(f"{arn!r} names a role that is in the table already")
        grant_of(granted)
        made[name] = granted
    return json.dumps(made, separators=(",", ":")) if made else ""


def grant_of(text: str) -> Grant:
    """What "TENANT RIGHT…" grants. Raises ValueError."""
    tenant, *rights = text.split(" ")
    if TENANT.fullmatch(tenant) is None:
        raise ValueError(f"{tenant!r} cannot name a tenant; take a-z, 0-9 and hyphens")
    wrong = [right for right in rights if right not in RIGHTS]
    if wrong or not rights:
        raise ValueError(f"{text!r} must be a tenant and some of {', '.join(RIGHTS)}")
    return Grant(tenant, frozenset(f"{RESOURCE}/{right}" for right in rights))
