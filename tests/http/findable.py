"""Rows in memory that can be found, by the part of the Query DSL that http/ speaks."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from operator import ge, le, lt
from typing import Any
from unicodedata import combining, normalize

from chalicelib.leftfold.kernel import Row, View
from chalicelib.leftfold.projection.memory import MemoryRows
from chalicelib.leftfold.projection.search import Found


class FindableRows(MemoryRows):
    """`SearchRows` of *view* in memory."""

    def __init__(self, view: View) -> None:
        super().__init__()
        self._dates = {name for name, kind in view.fields.items() if kind == "date"}

    def find(
        self,
        tenant: str,
        query: dict[str, Any],
        sort: list[Any],
        after: list[Any] | None,
        size: int,
    ) -> Found:
        own = {"bool": {"filter": [{"term": {"tenant": tenant}}, *query["bool"]["filter"]]}}
        return self.find_everywhere(own, sort, after, size)

    def find_everywhere(
        self, query: dict[str, Any], sort: list[Any], after: list[Any] | None, size: int
    ) -> Found:
        order = [*sort, {"key": "asc"}]
        rows = [
            {
                **stored.row,
                "key": key,
                "tenant": key.partition("/")[0],
                "position": stored.position,
            }
            for key, stored in self.scan()
            if stored.row is not None
        ]
        hits = [row for row in rows if all(fits(row, f) for f in query["bool"]["filter"])]
        for by in reversed(order):
            ((name, direction),) = by.items()
            hits.sort(key=lambda row: row[name], reverse=direction == "desc")
        if after is not None:
            hits = [row for row in hits if follows(self._sort_values(row, order), after, order)]
        page = hits[:size]
        sorts = [self._sort_values(row, order) for row in page]
        assert all(follows(b, a, order) for a, b in pairwise(sorts))
        total = sum(all(fits(row, f) for f in query["bool"]["filter"]) for row in rows)
        return Found(page, sorts, total)

    def _sort_values(self, row: Row, order: list[Any]) -> list[Any]:
        names = [name for by in order for name in by]
        return [milliseconds(row[name]) if name in self._dates else row[name] for name in names]


def milliseconds(day_or_time: str) -> int:
    """Milliseconds since 1970, as OpenSearch sorts a date."""
    at = datetime.fromisoformat(day_or_time)
    return round((at.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)


def follows(row: list[Any], after: list[Any], order: list[Any]) -> bool:
    for mine, its, by in zip(row, after, order, strict=True):
        if mine != its:
            ascending = "asc" in by.values()
            return bool(mine > its) if ascending else bool(mine < its)
    return False


def fits(row: Row, condition: Mapping[str, Any]) -> bool:
    match condition:
        case {"term": term}:
            return all(row[name] == value for name, value in term.items())
        case {"bool": {"should": conditions}}:
            return any(fits(row, one) for one in conditions)
        case {"range": ranges}:
            return all(within(row[name], bounds) for name, bounds in ranges.items())
        case {"multi_match": {"query": words, "fields": names, "operator": "and"}}:
            text = folded(" ".join(row[name] or "" for name in names)).replace("-", " ")
            return all(word in text.split() for word in folded(words).split())
        case other:
            raise AssertionError(other)


def folded(text: str) -> str:
    """Small letters without their accents."""
    return "".join(c for c in normalize("NFD", text.casefold()) if not combining(c))


SIDES: Mapping[str, Callable[[Any, Any], bool]] = {"gte": ge, "lte": le, "lt": lt}


def within(value: Any, bounds: Mapping[str, Any]) -> bool:
    """As in OpenSearch, what a document does not have is within no bounds."""
    return value is not None and all(SIDES[side](value, bound) for side, bound in bounds.items())
