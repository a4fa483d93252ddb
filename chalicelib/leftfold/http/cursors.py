"""Cursors: where a page ended, sealed with the query that it belongs to."""

import base64
import hashlib
import json
from typing import Any

from chalicelib.leftfold.http.problems import Problem
from chalicelib.leftfold.kernel.commit import canonical


def cursor(query: Any, after: list[Any]) -> str:
    """Opaque text for the place *after* which the next page of *query* begins."""
    sealed = canonical([seal(query, after), after])
    return base64.urlsafe_b64encode(sealed.encode()).decode().rstrip("=")


def place(query: Any, text: str | None) -> list[Any] | None:
    """The place that a cursor stands for; raises `Problem` if it is not of *query*."""
    if text is None:
        return None
    try:
        padded = text + "=" * (-len(text) % 4)
        given, after = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        belongs = given == seal(query, after) and isinstance(after, list)
    except (ValueError, TypeError, RecursionError):
        belongs = False
    if not belongs:
        detail = "is not a cursor that this query gave"
        raise Problem("bad-cursor", errors=[{"parameter": "cursor", "detail": detail}])
    return list(after)


def seal(query: Any, after: Any) -> str:
    """What ties a place to its query; it detects mistakes, it keeps no secret."""
    return hashlib.sha256(canonical([query, after]).encode()).hexdigest()[:16]
