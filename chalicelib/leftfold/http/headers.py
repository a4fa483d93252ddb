"""Request headers: the values that each may have, and their meaning."""

import re
from collections.abc import Mapping
from typing import Any

from chalicelib.leftfold.http.problems import Problem
from chalicelib.leftfold.kernel import ERASED
from chalicelib.leftfold.kernel import commit as kernel
from chalicelib.leftfold.kernel.commit import canonical

ANY = "*"

_TAG = r'(?:W/)?"[!#-~]*"'
_TAGS = rf"^{_TAG}(?:[ \t]*,[ \t]*{_TAG})*$"
_EACH_TAG = re.compile(r'(W/)?"([^"]*)"')
_VERSION = re.compile(r"(0|[1-9][0-9]{0,15})(?:-erased)?")


class Header:
    """A request header: its name, the pattern of its values, and a description for clients.

    *any_* allows the value `*` as well.
    """

    def __init__(self, name: str, pattern: str, description: str, *, any_: bool = False) -> None:
        self.name = name
        self.description = description
        self._pattern = re.compile(pattern)
        self._any = any_

    def fits(self, value: str) -> bool:
        """Whether the header allows this value."""
        return (self._any and value == ANY) or self._pattern.fullmatch(value) is not None

    def check(self, headers: Mapping[str, str]) -> None:
        """Raises `Problem` if the request has the header with a value that it does not allow."""
        value = headers.get(self.name)
        if value is not None and not self.fits(value):
            detail = f"must match {self._pattern.pattern}"
            raise Problem("invalid-header", errors=[{"header": self.name, "detail": detail}])

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the header's values."""
        fitting = {"type": "string", "pattern": self._pattern.pattern}
        return {"anyOf": [{"const": ANY}, fitting]} if self._any else fitting


CORRELATION_ID = Header(
    "X-Correlation-Id",
    r"^[A-Za-z0-9._:-]{1,128}$",
    "Names the client's unit of work in commits and logs. The server makes one if it is missing.",
)
TRACEPARENT = Header(
    "traceparent",
    f"^{kernel.TRACEPARENT}$",
    "The W3C Trace Context of the request, kept in commits; made if it is not given.",
)
IDEMPOTENCY_KEY = Header(
    "Idempotency-Key",
    r"^[!-~]{1,128}$",
    "Names the command; a UUIDv7 is best. A retry with the same key, path and body takes "
    "effect once and gets the same answer. Any key is recognised for at least 24 hours, and a "
    "UUIDv7 for ever.",
)
IF_MATCH = Header(
    "If-Match",
    _TAGS,
    "The versions of the aggregate, as ETags, at which the command may be executed. A weak ETag "
    "matches no version.",
    any_=True,
)
IF_NONE_MATCH = Header(
    "If-None-Match",
    _TAGS,
    "The versions, as ETags, that the client has already; the answer to one of them is 304.",
    any_=True,
)


def etag(version: int, shown: Any = None) -> str:
    """The ETag of a version; another one where what is *shown* has erased fields.

    Else whoever was shown a person before would be told that it is still so.
    """
    erased = "-erased" if f'"{ERASED}"' in canonical(shown) else ""
    return f'"{version}{erased}"'


def expected_versions(if_match: str | None, *, opens: bool) -> frozenset[int] | None:
    """The versions that `If-Match` allows; None allows any.

    `*` asks for an aggregate that exists, so no command that opens one may be executed.
    """
    if if_match is None:
        return None
    if if_match == ANY:
        return frozenset() if opens else None
    return frozenset(
        int(found[1])
        for weak, tag in _EACH_TAG.findall(if_match)
        if not weak and (found := _VERSION.fullmatch(tag))
    )


def is_known(if_none_match: str | None, tag: str) -> bool:
    """Whether the client has the ETag *tag*. Weak ETags count as well (RFC 9110, 13.1.2)."""
    if if_none_match is None:
        return False
    return if_none_match == ANY or tag in [
        f'"{one}"' for _, one in _EACH_TAG.findall(if_none_match)
    ]
