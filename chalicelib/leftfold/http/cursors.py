"""Cursors: the sort values at which a page ended, sealed for their tenant and their query."""

import json
from collections.abc import Callable
from typing import Any

from chalicelib.leftfold.http.problems import Problem
from chalicelib.leftfold.http.routes import Call
from chalicelib.leftfold.kernel import View
from chalicelib.leftfold.kernel.commit import canonical

# The next page may have other values of these parameters: they select no rows.
OF_READING = {"after", "cursor", "limit", "min_version", "min_entry", "wait"}

# OpenSearch's long, and its dates: milliseconds from 0001-01-01 to the end of 9999.
LONG = 2**63
FIRST_DATE, LAST_DATE = -62_135_596_800_000, 253_402_300_799_999

# Whether one sort value of a cursor is one that the query can have put there.
Fits = Callable[[Any], bool]


def cursor(call: Call, after: list[Any]) -> str:
    """Opaque text that leads to the next page: the call's query after the sort values *after*."""
    return call.services.seal(canonical(after).encode(), query_of(call))


def after_of(call: Call, *parts: Fits, name: str = "cursor") -> list[Any] | None:
    """The sort values in the call's cursor, each checked by one of *parts*; None without cursor.
    *name* is the parameter that has it.

    Raises `Problem` for a cursor of another query or of another tenant, for one that the
    service has not made, and for values that today's query cannot have made: an older version
    of the service may have sorted otherwise.
    """
    text = call.query.get(name)
    if text is None:
        return None
    try:
        after = json.loads(call.services.unsealed(text, query_of(call)))
        belongs = fits_parts(after, parts)
    except ValueError:
        belongs = False
    if not belongs:
        detail = "is not a cursor that this query has returned"
        raise Problem("bad-cursor", errors=[{"parameter": name, "detail": detail}])
    return list(after)


def query_of(call: Call) -> str:
    """The call's route, path and conditions, without the parameters of `OF_READING`, as JSON."""
    asked = {name: value for name, value in call.query.items() if name not in OF_READING}
    return canonical([call.route.name, call.key, call.path, asked])


def fits_parts(after: Any, parts: tuple[Fits, ...]) -> bool:
    """Whether *after* is a list of one value for each of *parts*, and each value fits."""
    return (
        isinstance(after, list)
        and len(after) == len(parts)
        and all(fits(member) for fits, member in zip(parts, after, strict=True))
    )


def whole(least: int, most: int) -> Fits:
    """The check for a whole number from *least* to *most*."""
    return lambda member: type(member) is int and least <= member <= most


def word(member: Any) -> bool:
    """The check for a string."""
    return isinstance(member, str)


# The sort values that OpenSearch returns for a field, by the field's type.
FITS: dict[str, Fits] = {
    "keyword": word,
    "long": whole(-LONG, LONG - 1),
    "date": whole(FIRST_DATE, LAST_DATE),
}


def sorted_by(view: View, sort: list[Any]) -> tuple[Fits, ...]:
    """The checks of the sort values of a search view, sorted by *sort* and then by key."""
    return (*(FITS[view.fields[name]] for by in sort for name in by), word)
