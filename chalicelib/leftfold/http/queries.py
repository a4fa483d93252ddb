"""Queries: what they have in common, from waiting for a view to turning pages."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from marshmallow import Schema

from chalicelib.leftfold.http.cursors import after_of, cursor, sorted_by
from chalicelib.leftfold.http.headers import IF_NONE_MATCH, etag, is_known
from chalicelib.leftfold.http.problems import Problem
from chalicelib.leftfold.http.routes import Answer, Call
from chalicelib.leftfold.kernel import Aggregate, Row

if TYPE_CHECKING:
    from chalicelib.leftfold.projection.search import SearchRows

FRESHNESS = ("unavailable", "view-behind", "view-parked")


def wait_until_fresh(call: Call, view: str, aggregate: Aggregate, key: str) -> None:
    """Waits until *view* shows the version of the aggregate that `minVersion` names.

    An aggregate that was never opened is told at once: no view will ever show it.
    """
    version = call.query.get("min_version")
    if version is None:
        return
    stream = aggregate.stream(key)
    if not call.services.events.newest(stream, limit=1, consistent=True).commits:
        raise Problem(f"{aggregate.category}-missing")
    call.services.freshness.wait(call.services.views[view], stream, version)


def not_shown(call: Call, code: str) -> Problem:
    """The problem *code* of what a view does not show: it may not show it yet."""
    if "min_version" in call.query:
        return Problem(code)
    return Problem(
        code,
        "Nothing of this id is shown. What a command has just made is shown a moment later: ask "
        "with minVersion, the version that the command answered, to wait until it is.",
    )


def document(
    call: Call,
    view: str,
    aggregate: Aggregate,
    shown: Schema,
    shape: Callable[[Row], Row] = lambda row: row,
) -> Answer:
    """The row of one aggregate, with its version as ETag; 304 if the client has it.

    *shape* makes what is shown of the row.
    """
    wait_until_fresh(call, view, aggregate, call.key)
    stream = aggregate.stream(call.key)
    stored = call.services.rows(view).load([stream]).get(stream)
    if stored is None or stored.row is None:
        raise not_shown(call, f"{aggregate.category}-missing")
    version = stored.row["version"]
    headers = {"ETag": etag(version)}
    if is_known(call.headers.get(IF_NONE_MATCH.name), version):
        return Answer(None, headers, 304)
    return Answer(shown.dump({**shape(stored.row), "position": stored.position}), headers)


def found(
    call: Call,
    view: str,
    filters: list[Mapping[str, Any]],
    sort: list[Any],
    shown: Schema,
) -> Answer:
    """A page of a search view's rows that pass all *filters*.

    The store orders by key what *sort* leaves equal: so a page goes on exactly where the
    last one ended, whatever was added in between.
    """
    query = {"bool": {"filter": filters}}
    limit = call.query["limit"]
    after = after_of(call, *sorted_by(call.services.views[view], sort))
    # One more than asked for tells whether there is a next page.
    rows = cast("SearchRows", call.services.rows(view))
    hits = rows.find(query, sort, after, limit + 1)
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
