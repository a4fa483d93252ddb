"""Every version of every event that was ever released is read by today's code."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.kernel import Codec, StoredEvent
from tools.bootstrap import ROOT
from tools.compatibility import breaks, report
from tools.schemas import SCHEMAS, EventVersion, Released, current, text_of

RELEASED = Released.read().events
PLAIN: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(max_size=5),
    "integer": st.integers(),
    "boolean": st.booleans(),
    "null": st.none(),
}


def test_nothing_that_was_released_is_broken() -> None:
    """The compatibility report. Each finding says what to do."""
    assert breaks(report(DOMAIN)) == []


def test_the_schemas_are_as_the_code_is() -> None:
    stale = [
        str(SCHEMAS / event.file)
        for event, schema in current(DOMAIN).items()
        if event not in RELEASED
        and (
            not (ROOT / SCHEMAS / event.file).exists()
            or (ROOT / SCHEMAS / event.file).read_text() != text_of(schema)
        )
    ]
    assert not stale, f"{', '.join(stale)}: made anew by `./leftfold schema`"


def bodies(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Bodies that a schema allows, of all that schemas of stored events have."""
    made: st.SearchStrategy[Any]
    match schema:
        case {"enum": values}:
            made = st.sampled_from(values)
        case {"anyOf": parts}:
            made = st.one_of([bodies(part) for part in parts])
        case {"properties": properties, "required": required}:
            made = st.fixed_dictionaries(
                {name: bodies(properties[name]) for name in required},
                optional={n: bodies(part) for n, part in properties.items() if n not in required},
            )
        case {"type": "object", "additionalProperties": part}:
            made = st.dictionaries(st.text(max_size=3), bodies(part), max_size=2)
        case {"type": "array", "items": part}:
            made = st.lists(bodies(part), max_size=2)
        case {"format": "date"}:
            made = st.dates().map(str)
        case {"format": "date-time"}:
            made = st.just("2026-01-01T00:00:00Z")
        case {"type": kind}:
            made = PLAIN[kind]
    return made


def test_any_body_of_a_released_version_is_read_as_events_of_today() -> None:
    """What is read is of the types of today, since only then it can be written again."""
    for event in RELEASED:
        decodes_any_body(event, DOMAIN.aggregates[event.category].codec)


def decodes_any_body(event: EventVersion, codec: Codec[Any]) -> None:
    schema = json.loads((ROOT / SCHEMAS / event.file).read_text())["properties"]["body"]

    @settings(max_examples=15)
    @given(bodies(schema))
    def decodes(body: dict[str, Any]) -> None:
        for read in codec.decode(StoredEvent(event.name, event.version, body)):
            assert codec.decode(codec.encode(read)) == (read,)

    decodes()
