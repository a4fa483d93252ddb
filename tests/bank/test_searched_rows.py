"""The rows that searches find: OpenSearch refuses a field without a type, and a value of another."""

from collections.abc import Iterator
from datetime import datetime
from itertools import count
from typing import Any

import pytest

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.kernel import AggregateId, Recorded, Row, View
from chalicelib.leftfold.projection.indexing import BOOKKEEPING, index_of
from tests.bank.written_events import HISTORIES

SEARCHED = [view for view in DOMAIN.views.values() if view.store == "search"]


def recorded() -> Iterator[Recorded]:
    """Everything that the bank's events tell, as a view sees it."""
    positions = count()
    for number, (aggregate, commands) in enumerate(HISTORIES, 1):
        state, versions = aggregate.decider.initial, count(1)
        key = f"books-{number}" if aggregate.category == "journal" else f"k{number}"
        for command in commands:
            version = next(versions)
            for index, event in enumerate(aggregate.decider.decide(command, state)):
                state = aggregate.decider.evolve(state, event)
                at = f"2026-01-{version:02}T00:00:00.000Z"
                stream = aggregate.stream(key, "main")
                yield Recorded(stream, version, index, at, next(positions), event)


def rows(view: View) -> Iterator[Row]:
    """Every row that the view has ever had."""
    made: dict[str, Row | None] = {}
    for each in recorded():
        if AggregateId.parse(each.aggregate_id).category in view.categories:
            for key in view.keys(each):
                made[key] = view.fold(made.get(key), each, key)
                if row := made[key]:
                    yield row


def fits(kind: str, value: Any) -> bool:
    """Whether OpenSearch takes a value, or each of several, for a field of this type."""
    match value:
        case None:
            return True
        case list():
            return all(fits(kind, each) for each in value)
        case bool():
            return False
        case int():
            return kind == "long"
        case str():
            is_date = kind == "date" and bool(datetime.fromisoformat(value))
            return is_date or kind in {"keyword", "text"}
    return False


@pytest.mark.parametrize("view", SEARCHED, ids=lambda view: view.name)
def test_a_searched_view_declares_each_field_of_its_rows_by_the_type_of_its_values(
    view: View,
) -> None:
    seen: dict[str, set[type[Any]]] = {}
    for row in rows(view):
        assert row.keys() == view.fields.keys()
        for name, value in row.items():
            assert fits(view.fields[name], value), (name, value)
            seen.setdefault(name, set()).add(type(value))
    # A field without any value would be tried by nothing here; these books reverse no entry.
    assert {name for name, types in seen.items() if types == {type(None)}} <= {"reverses"}
    properties = index_of(view, "alias")["mappings"]["properties"]
    assert properties.keys() == view.fields.keys() | BOOKKEEPING.keys()
