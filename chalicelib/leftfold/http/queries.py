"""Parts that queries share: waiting for a view, one row, pages of rows."""

from collections.abc import Callable, Mapping
from typing import Any

from marshmallow import Schema

from chalicelib.leftfold.http.cursors import after_of, cursor, sorted_by
from chalicelib.leftfold.http.headers import IF_NONE_MATCH, etag, is_known
from chalicelib.leftfold.http.problems import Problem
from chalicelib.leftfold.http.routes import Answer, Call
from chalicelib.leftfold.kernel import Aggregate, Row

FRESHNESS = ("unavailable", "view-behind", "view-parked")


def wait_until_fresh(call: Call, view: str, aggregate: Aggregate, key: str) -> None:
    """Waits until *view* shows the version of the aggregate that `minVersion` names.

    Raises `Problem` at once for an aggregate that was never opened, as no view will show it.
    """
    version = call.query.get("min_version")
    if version is not None:
        stream = call.stream(aggregate, key)
        check_opened(call, aggregate, stream)
        call.services.wait(view, stream, version)


def check_opened(call: Call, aggregate: Aggregate, stream: str) -> None:
    """Raises `Problem` for an aggregate that was never opened, as no view will show it."""
    if not call.services.events.newest(stream, limit=1, consistent=True).commits:
        raise Problem(f"{aggregate.category}-missing")


def not_shown(call: Call, code: str) -> Problem:
    """The problem *code* of an aggregate that a view does not show, or not yet."""
    if "min_version" in call.query:
        return Problem(code)
    return Problem(
        code,
        "The view shows nothing under this id. A view follows commands with a short delay: send "
        "the version that a command returned as minVersion to wait for it.",
    )


def document(
    call: Call,
    view: str,
    aggregate: Aggregate,
    shown: Schema,
    shape: Callable[[Row], Row] = lambda row: row,
) -> Answer:
    """The row of one aggregate, with its version as ETag; 304 if the client has that version.

    *shape* makes the shown row of the stored one. With `minVersion` the row is folded ahead of its
    view (`TenantServices.row`).
    """
    stream, version = call.stream(aggregate), call.query.get("min_version")
    if version is not None:
        check_opened(call, aggregate, stream)
    stored = call.services.row(view, stream, version)
    if stored.row is None:
        raise not_shown(call, f"{aggregate.category}-missing")
    tag = etag(stored.row["version"], stored.row)
    headers = {"ETag": tag}
    if is_known(call.headers.get(IF_NONE_MATCH.name), tag):
        return Answer(None, headers, 304)
    return Answer(shown.dump(shape(stored.row)), headers)


def found(
    call: Call,
    view: str,
    filters: list[Mapping[str, Any]],
    sort: list[Any],
    shown: Schema,
) -> Answer:
    """A page of a search view's rows that pass all *filters*.

    The store sorts by *sort* and then by key, which is unique. The next page thus begins
    exactly where this one ends, whatever rows are added in between.
    """
    query = {"bool": {"filter": filters}}
    limit = call.query["limit"]
    after = after_of(call, *sorted_by(call.services.views[view], sort))
    # One row more than the limit shows that there is a next page.
    hits = call.services.rows(view).find(query, sort, after, limit + 1)
    more = len(hits.rows) > limit
    return Answer(
        {
            "items": shown.dump(hits.rows[:limit], many=True),
            "next": cursor(call, hits.sorts[limit - 1]) if more else None,
            "total": hits.total,
        }
    )


def sorting(chosen: str, first: tuple[str, ...], then: tuple[str, ...] = ()) -> list[Any]:
    """OpenSearch's sort by *first*, by the chosen field ("-" is descending), by *then*."""
    field = chosen.removeprefix("-")
    order = "desc" if chosen.startswith("-") else "asc"
    return [
        *({name: "asc"} for name in first),
        *({name: order} for name in (field, *then)),
    ]
