"""The sentences that a client reads about a wrong body or query are Leftfold's, on every route."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from chalice.app import MultiDict
from marshmallow import Schema, fields, validate

from app import API
from chalicelib.leftfold.http.accept import loaded_body, loaded_query
from chalicelib.leftfold.http.fields import ComponentField, Strict
from chalicelib.leftfold.http.problems import Problem
from chalicelib.leftfold.http.routes import Route

# Values of each JSON type: null, empty ones, too long ones and ones that are not allowed.
VALUES: tuple[Any, ...] = (
    *(None, True, False, "", " ", "x", "x" * 5_000, "a\nb", "1", "-1", "9" * 30, "1993-02-29"),
    *(0, 1, -1, 10**18, 1.5, 1e300, [], [1], ["x"] * 2_000, [None], [[]], {}, {"unknown": 1}),
)
TEXTS = tuple(value for value in VALUES if isinstance(value, str))


def marshmallow_texts() -> Iterator[str]:
    """Every sentence that marshmallow has for an error."""
    yield from Schema._default_error_messages.values()
    for kind in descendants(fields.Field):
        if kind.__module__.startswith("marshmallow"):
            yield from getattr(kind, "default_error_messages", {}).values()
    for kind in descendants(validate.Validator):
        for name, text in vars(kind).items():
            if name.startswith(("default_message", "message_")):
                yield text


def descendants(kind: type[Any]) -> Iterator[type[Any]]:
    """A class and all below it."""
    yield kind
    for child in kind.__subclasses__():
        yield from descendants(child)


def pattern_of(text: str) -> str:
    """A pattern for every text that a sentence with {names} or {{names}} to fill can become."""
    return ".+".join(re.escape(part) for part in re.split(r"\{+\w*(?:!r)?\}+", text))


MARSHMALLOW = re.compile("|".join(map(pattern_of, sorted(set(marshmallow_texts())))))
# An error names its field or parameter, and its sentence goes on from there.
OURS = re.compile(
    r"(is|are|must|may|has|holds|needs|goes|go|cannot|account and minVersion go) .+[^.]"
)


def wrong_objects(schema: Schema) -> Iterator[Any]:
    """JSON values that *schema* may refuse: each field missing, unknown, and of each value."""
    yield from VALUES
    for field in schema.fields.values():
        for value in wrong_values(field):
            yield {field.data_key: value}


def wrong_values(field: fields.Field[Any]) -> Iterator[Any]:
    """Values for one field, down to the fields of what it nests."""
    yield from VALUES
    match field:
        case fields.List():
            yield from ([value] for value in wrong_values(field.inner))
        case fields.Nested():
            yield from wrong_objects(field.schema)
        case ComponentField():
            for name in set(members(field.component_schema())):
                yield from ({name: value} for value in VALUES)


def members(schema: Any) -> Iterator[str]:
    """The names of the properties that a JSON schema lists, wherever in it."""
    match schema:
        case {"properties": dict(listed)}:
            yield from listed
        case {"anyOf": list(options)}:
            for option in options:
                yield from members(option)


def details(load: Callable[[Schema, Any], Any], schema: Schema, given: Any) -> list[str]:
    """What the client reads if *schema* refuses the value."""
    try:
        load(schema, given)
    except Problem as problem:
        return [error["detail"] for error in problem.errors]
    return []


def read_by_clients(route: Route) -> Iterator[str]:
    """The details of every wrong body and query of a route."""
    if route.body is not None:
        for given in wrong_objects(route.body):
            yield from details(loaded_body, route.body, given)
    queries: list[Mapping[str, list[str]]] = [{}, {"unknown": ["1"]}]
    queries += [
        {field.data_key or "": [text]} for field in route.query.fields.values() for text in TEXTS
    ]
    queries += [{field.data_key or "": ["1", "1"]} for field in route.query.fields.values()]
    for query in queries:
        yield from details(loaded_query, route.query, MultiDict(dict(query)))


@pytest.mark.parametrize("route", API.routes, ids=lambda route: route.name)
def test_no_word_of_marshmallow_reaches_a_client(route: Route) -> None:
    read = set(read_by_clients(route))
    assert read, "every route refuses something, at least a parameter that it does not know"
    assert sorted(text for text in read if MARSHMALLOW.fullmatch(text)) == []
    assert sorted(text for text in read if not OURS.fullmatch(text)) == []


class Sample(Strict):
    line = fields.String(validate=validate.Length(1, 3))
    parts = fields.List(fields.Integer(validate=validate.Range(2)), validate=validate.Length(max=2))
    colour = fields.String(validate=validate.OneOf(("red", "blue")))
    own = fields.Integer(
        error_messages={"invalid": "is odd"}, validate=validate.Range(1, error="is small")
    )


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"line": "long"}, "must have at least 1 and at most 3 characters"),
        ({"parts": [2, 2, 2]}, "must have at most 2 items"),
        ({"parts": [1]}, "must be at least 2"),
        ({"parts": ["x"]}, "must be a whole number"),
        ({"colour": "green"}, "must be one of: red, blue"),
        ({"own": "x"}, "is odd"),
        ({"own": 0}, "is small"),
    ],
)
def test_a_sentence_names_the_bound_unless_the_author_has_another(body: Any, sentence: str) -> None:
    assert details(loaded_body, Sample(), body) == [sentence]
