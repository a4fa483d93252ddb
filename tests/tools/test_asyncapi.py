"""docs/asyncapi.json: valid AsyncAPI 3, and every event that is stored is as it says."""

import json
from dataclasses import dataclass, field, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import IntEnum
from typing import Any, Literal, NewType, get_args, get_origin, get_type_hints

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.bank.money import MINOR_DIGITS, Money
from chalicelib.domain import DOMAIN
from chalicelib.leftfold.kernel import Codec, Commit, StoredEvent, to_json
from tests.commits import TRACEPARENT
from tools.engines.npm import locked
from tools.event_model import Event, registered
from tools.event_model_asyncapi import OUTSIDE, commit_of, document, label
from tools.event_model_schemas import body

SPECS = locked("@asyncapi/specs")
MODEL = registered()
EVENTS = {event.kind: event for event in MODEL.events}
DOCUMENT = document(MODEL)
COMPONENTS = DOCUMENT["components"]


def validator(schema: dict[str, Any]) -> jsonschema_rs.Draft7Validator:
    """Of a schema that refers to the document's components."""
    return jsonschema_rs.Draft7Validator({"allOf": [schema], "components": COMPONENTS})


PAYLOADS = {
    kind: validator(COMPONENTS["messages"][label(event)]["payload"])
    for kind, event in EVENTS.items()
}


DAYS = st.dates(max_value=date(2999, 12, 31)).map(lambda day: day.isoformat())
# E-mails name amounts and days, and a policy sends a command for each journal.
LIKELY = {
    "currency": st.sampled_from(list(MINOR_DIGITS)),
    "journals": st.integers(1, 9),
    "since": DAYS,
    "through": DAYS,
    "value_date": DAYS,
}


def events(kind: Any) -> st.SearchStrategy[Any]:
    """Events of a class, with small balances and totals: those nest deeply."""
    hints = get_type_hints(kind)
    return st.builds(kind, **{name: likely(name, hints[name]) for name in hints})


def likely(name: str, hint: Any) -> st.SearchStrategy[Any]:
    chosen = LIKELY.get(name)
    if chosen is None:
        return values(hint)
    return st.none() | chosen if type(None) in get_args(hint) else chosen


def values(hint: Any) -> st.SearchStrategy[Any]:
    if is_dataclass(hint):
        return events(hint)
    if get_origin(hint) is dict:
        return st.dictionaries(st.text(max_size=3), values(get_args(hint)[1]), max_size=2)
    return st.from_type(hint)


def commit(category: str, *events: StoredEvent) -> dict[str, Any]:
    """A commit of *events* as the log keeps it."""
    made = Commit(
        aggregate_id=f"main/{category}-a-1",
        version=2,
        events=events,
        command_id="c",
        body_hash="h",
        at="2026-01-31T12:00:00.000Z",
        actor="a",
        authority="a",
        correlation_id="r",
        traceparent=TRACEPARENT,
        deps=(("main/account-b", 1),),
    )
    parsed: dict[str, Any] = json.loads(made.line)
    return parsed


def test_it_is_asyncapi_3_by_the_official_schema() -> None:
    schema = json.loads((SPECS.install() / "schemas" / "3.0.0-without-$id.json").read_text())

    errors = [error.message for error in jsonschema_rs.validator_for(schema).iter_errors(DOCUMENT)]

    assert errors == []


def test_every_reference_leads_somewhere() -> None:
    def references(value: Any) -> set[str]:
        if isinstance(value, list):
            return set().union(*map(references, value))
        if not isinstance(value, dict):
            return set()
        own = {value["$ref"]} if "$ref" in value else set()
        return own.union(*map(references, value.values()))

    for reference in references(DOCUMENT):
        found: Any = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


@pytest.mark.parametrize("schema", COMPONENTS["schemas"].values(), ids=COMPONENTS["schemas"])
def test_every_schema_is_a_json_schema(schema: dict[str, Any]) -> None:
    jsonschema_rs.meta.validate({"$schema": "http://json-schema.org/draft-07/schema#", **schema})


def test_every_stored_event_has_its_message_in_its_newest_version() -> None:
    expected = {
        f"{name}.v{aggregate.codec.version(name)}"
        for aggregate in DOMAIN.aggregates.values()
        for name in aggregate.codec.events
    }

    announced = set(DOCUMENT["channels"][OUTSIDE]["messages"])
    assert set(COMPONENTS["messages"]) == expected | announced
    assert set(DOCUMENT["channels"]["log"]["messages"]) == expected


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_what_is_stored_is_valid(kind: type, data: st.DataObject) -> None:
    event = EVENTS[kind]
    codec = DOMAIN.aggregates[event.category].codec
    stored = codec.encode(data.draw(events(kind)))

    PAYLOADS[kind].validate(commit(event.category, stored))


@settings(deadline=None)
@given(st.data())
def test_a_message_without_its_event_is_not_valid(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(list(EVENTS)))
    event = EVENTS[kind]
    codec = DOMAIN.aggregates[event.category].codec
    stored = codec.encode(data.draw(events(kind)))

    assert not PAYLOADS[kind].is_valid(commit(event.category))
    assert not PAYLOADS[kind].is_valid(
        commit(event.category, stored._replace(body={**stored.body, "unheard-of": 1}))
    )
    assert not PAYLOADS[kind].is_valid(
        commit(event.category, stored._replace(version=event.version + 1))
    )


def test_each_reader_receives_what_it_hears_where_it_reads() -> None:
    received = [o for o in DOCUMENT["operations"].values() if o["action"] == "receive"]
    operations = DOCUMENT["operations"]

    assert len(received) >= len(DOMAIN.views) + len(DOMAIN.policies)
    assert operations["view-bookings-bus-account"]["messages"] == [
        {"$ref": "#/channels/bus-account/messages/account-credited.v1"},
        {"$ref": "#/channels/bus-account/messages/account-debited.v1"},
    ]
    assert operations["policy-debit_source-log"]["messages"] == [
        {"$ref": "#/channels/log/messages/transfer-requested.v1"}
    ]
    assert len(operations["relay-log"]["messages"]) == len(MODEL.events)


# --- bodies


Known = NewType("Known", str)


class Grade(IntEnum):
    ONE = 1
    TWO = 2


@dataclass(frozen=True)
class Line:
    text: str
    amount: int | None = None


@dataclass(frozen=True)
class Written:
    lines: tuple[Line, ...]
    kind: Literal["a", "b"]
    sums: dict[str, int]
    since: str | None
    done: bool = False
    note: str | None = None
    day: date = date(2026, 1, 1)
    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    price: Decimal = Decimal(0)
    grade: Grade = Grade.ONE
    tags: frozenset[str] = frozenset()
    pair: tuple[str, int] = ("", 0)
    nowhere: tuple[()] = ()
    seats: dict[int, Money] = field(default_factory=dict)
    known: dict[tuple[date, Grade], Known] = field(default_factory=dict)


WRITTEN = Written((Line("x"), Line("y", 1)), "b", {"k": 2}, None)


st.register_type_strategy(Decimal, st.decimals(allow_nan=False, allow_infinity=False))
st.register_type_strategy(
    datetime, st.datetimes(timezones=st.just(UTC)).map(lambda at: at.replace(fold=0))
)


@settings(deadline=None)
@given(st.from_type(Written))
def test_a_body_is_as_its_dataclass_says(event: Written) -> None:
    jsonschema_rs.Draft7Validator(body(Written)).validate(to_json(event))


@pytest.mark.parametrize(
    "wrong",
    [
        {"lines": [{"amount": 1}]},
        {"lines": {}},
        {"kind": "c"},
        {"sums": {"k": "2"}},
        {"since": 1},
        {"note": None},
        {"other": 1},
        {"price": 1},
        {"price": "NaN"},
        {"grade": 3},
        {"tags": ["a", "a"]},
        {"pair": ["a", 1, 2]},
        {"pair": [1, "a"]},
        {"nowhere": [1]},
        {"seats": {"a": {"minor": 1, "currency": "CZK"}}},
        {"seats": {"1": [1, "CZK"]}},
        {"known": {"a": 1}},
    ],
)
def test_a_body_that_could_not_be_stored_is_not_valid(wrong: dict[str, Any]) -> None:
    assert not jsonschema_rs.Draft7Validator(body(Written)).is_valid({**to_json(WRITTEN), **wrong})


def test_a_field_with_a_default_may_be_missing_from_what_was_stored_before_it() -> None:
    written = to_json(WRITTEN)
    del written["done"]
    assert jsonschema_rs.Draft7Validator(body(Written)).is_valid(written)


def test_a_type_without_a_json_form_has_no_schema() -> None:
    with pytest.raises(TypeError, match="no schema"):
        body(float)


def test_older_versions_of_an_event_stay_in_the_log() -> None:
    codec = Codec({"written": Written}, upcasts={("written", 1): lambda stored: stored})
    event = Event("account", "written", codec.version("written"), Written)
    schema = commit_of([event])["allOf"][1]["properties"]["events"]["items"]["anyOf"]

    assert schema[0] == {"$ref": "#/components/schemas/written.v2"}
    older = jsonschema_rs.Draft7Validator(schema[1])
    assert older.is_valid({"name": "written", "version": 1, "body": {"any": "thing"}})
