"""The event model has all that the code has, and says what leads to what as the code does."""

import json
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.contexts.registry import AGGREGATES, DEADLINES, POLICIES, VIEWS
from chalicelib.kernel.codec import to_json
from tools.asyncapi import schema
from tools.bootstrap import ROOT
from tools.event_model import files
from tools.model import commands_of, model_of

MODEL = model_of(AGGREGATES.values(), VIEWS.values(), POLICIES.values(), DEADLINES.values())
DOCUMENT: dict[str, Any] = json.loads((ROOT / "docs/asyncapi.json").read_text())
PAGE = (ROOT / "docs/event-model.md").read_text()
BOARD = (ROOT / "docs/event-model.svg").read_text()
LEADS_TO = {
    (aggregate.category, command.name): command.events
    for aggregate in MODEL.aggregates
    for command in aggregate.commands
}
EVENTS = [(a, name) for a, held in AGGREGATES.items() for name in held.codec.events]


def test_the_files_are_those_that_leftfold_event_model_makes() -> None:
    stale = [path for path, text in files().items() if (ROOT / path).read_text() != text]
    assert stale == [], "run `leftfold event-model`"


# --- the model


def test_every_command_is_there_and_leads_to_an_event_unless_it_only_refuses() -> None:
    commands = {(a.category, kind.__name__) for a in AGGREGATES.values() for kind in commands_of(a)}
    assert set(LEADS_TO) == commands
    # A command that is there to be refused: the policy that sends it says why.
    assert {name for (_, name), events in LEADS_TO.items() if not events} <= {"TurnDown"}


def test_every_event_of_every_codec_comes_from_a_command() -> None:
    led_to = {(a, event) for (a, _), events in LEADS_TO.items() for event in events}
    assert led_to == set(EVENTS)


def test_a_command_leads_to_what_its_own_cases_make() -> None:
    assert LEADS_TO["account", "Freeze"] == ("account-frozen",)
    assert LEADS_TO["transfer", "TimeOut"] == ("transfer-stuck", "transfer-expired")


def test_what_a_helper_makes_counts() -> None:
    assert LEADS_TO["account", "CloseStatement"] == (
        "statement-closed",
        "balance-brought-forward",
    )


def test_a_policy_has_what_it_hears_what_it_sends_and_the_answers() -> None:
    (debit,) = (policy for policy in MODEL.policies if policy.name == "debit_source")
    assert debit.hears == (("transfer", "transfer-requested"),)
    assert debit.sends == (("account", "TransferOut"),)
    assert debit.answers == (("transfer", "RecordDebited"), ("transfer", "RefuseDebit"))


def test_every_policy_hears_something_and_does_something() -> None:
    for policy in MODEL.policies:
        assert policy.hears
        assert policy.sends or policy.mails


def test_a_view_hears_what_it_names_or_all_of_a_category() -> None:
    heard = {view.name: view.hears for view in MODEL.views}
    assert heard["statements"] == (("account", "statement-closed"),)
    assert ("transfer", "transfer-stuck") in heard["traces"]
    assert ("account", "account-frozen") not in heard["traces"]


# --- the pictures


@pytest.mark.parametrize("name", [*(c for _, c in LEADS_TO), *VIEWS, *POLICIES])
def test_every_name_is_in_both_pictures(name: str) -> None:
    assert f'"{name}"' in PAGE
    assert f">{name}<" in BOARD


def test_the_board_is_an_xml_document() -> None:
    assert ET.fromstring(BOARD).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - our own


# --- AsyncAPI


@pytest.mark.parametrize(("category", "name"), EVENTS)
def test_every_event_is_a_message_with_its_version(category: str, name: str) -> None:
    payload = DOCUMENT["components"]["messages"][f"{category}.{name}"]["payload"]
    stored = AGGREGATES[category].codec
    assert payload["properties"]["name"] == {"const": name}
    versions = sum(upcast[0] == name for upcast in stored.upcasts)
    assert payload["properties"]["version"] == {"const": versions + 1}
    jsonschema_rs.meta.validate(payload)


def test_every_reference_leads_somewhere() -> None:
    for reference in references(DOCUMENT):
        held = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            held = held[part]


def references(part: Any) -> list[str]:
    """Every `$ref` in a document."""
    if isinstance(part, dict):
        own = [part["$ref"]] if "$ref" in part else []
        return own + [ref for held in part.values() for ref in references(held)]
    return [ref for held in part for ref in references(held)] if isinstance(part, list) else []


def test_every_reader_receives_what_it_hears() -> None:
    receivers = {name for name, op in DOCUMENT["operations"].items() if op["action"] == "receive"}
    for view in VIEWS.values():
        assert {f"view.{view.name}.{category}" for category in view.codecs} <= receivers
    for policy in POLICIES.values():
        assert {f"policy.{policy.name}.{a.category}" for a in policy.hears} <= receivers


@settings(deadline=None)
@given(st.data())
def test_what_is_stored_is_as_the_schema_of_its_event_says(data: st.DataObject) -> None:
    category, name = data.draw(st.sampled_from(EVENTS))
    kind = AGGREGATES[category].codec.events[name]
    event = data.draw(st.from_type(kind))
    jsonschema_rs.validator_for(schema(kind)).validate(to_json(event))
