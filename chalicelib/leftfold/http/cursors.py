"""Cursors: where a page ended, sealed with the query that it belongs to."""

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

from chalicelib.leftfold.http.problems import Problem
from chalicelib.leftfold.http.routes import Call
from chalicelib.leftfold.kernel import View
from chalicelib.leftfold.kernel.commit import canonical

# Parameters that say how to read, and not what: the next page may have others.
OF_READING = {"cursor", "limit", "min_version", "min_entry"}

# OpenSearch's long, and its dates: milliseconds from 0001-01-01 to the end of 9999.
LONG = 2**63
FIRST_MOMENT, LAST_MOMENT = -62_135_596_800_000, 253_402_300_799_999

# Whether one part of a place is such as the query itself would have put there.
Fits = Callable[[Any], bool]


def cursor(call: Call, after: list[Any]) -> str:
    """Opaque text for the place *after* which the next page of the call's query begins."""
    sealed = canonical([seal(query_of(call), after), after])
    return base64.urlsafe_b64encode(sealed.encode()).decode().rstrip("=")


def after_of(call: Call, *parts: Fits) -> list[Any] | None:
    """The place that the call's cursor stands for; None without a cursor.

    A place is a list, and each of *parts* says what one member of it may be. Raises `Problem`
    for a cursor of another query, or of no query: the seal is no secret, and whoever makes
    one by hand can seal anything.
    """
    text = call.query.get("cursor")
    if text is None:
        return None
    try:
        padded = text + "=" * (-len(text) % 4)
        given, after = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        belongs = given == seal(query_of(call), after) and is_place(after, parts)
    except (ValueError, TypeError, RecursionError):
        belongs = False
    if not belongs:
        detail = "is not a cursor that this query gave"
        raise Problem("bad-cursor", errors=[{"parameter": "cursor", "detail": detail}])
    return list(after)


def query_of(call: Call) -> list[Any]:
    """What the call asks, and nothing of how it reads: its route, its path and its conditions."""
    asked = {name: value for name, value in call.query.items() if name not in OF_READING}
    return [call.route.name, call.key, call.path, asked]


def seal(query: list[Any], after: Any) -> str:
    """What ties a place to its query: a hash of both. It detects mistakes, it keeps no secret."""
    return hashlib.sha256(canonical([query, after]).encode()).hexdigest()[:16]


def is_place(after: Any, parts: tuple[Fits, ...]) -> bool:
    """Whether *after* has as many members as *parts*, and each is as it may be."""
    return (
        isinstance(after, list)
        and len(after) == len(parts)
        and all(fits(member) for fits, member in zip(parts, after, strict=True))
    )


def whole(least: int, most: int) -> Fits:
    """A whole number from *least* to *most*."""
    return lambda member: type(member) is int and least <= member <= most


def word(member: Any) -> bool:
    """A text."""
    return isinstance(member, str)


# What OpenSearch tells of a field's place in an order, by the field's type.
KINDS: dict[str, Fits] = {
    "keyword": word,
    "long": whole(-LONG, LONG - 1),
    "date": whole(FIRST_MOMENT, LAST_MOMENT),
}


def sorted_by(view: View, sort: list[Any]) -> tuple[Fits, ...]:
    """The parts of a place in a search view that is sorted by *sort*, and then by key."""
    return (*(KINDS[view.fields[name]] for by in sort for name in by), word)
