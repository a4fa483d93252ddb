"""The event model: all that the code has is in it, and it says no less than the code does."""

from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.bank.account import domain as accounts
from chalicelib.bank.transfer import domain as transfers
from chalicelib.domain import DOMAIN
from chalicelib.leftfold.kernel import Aggregate, Email, Policy, Reaction, Recorded, Refused
from tests.tools.test_asyncapi import DAYS, events
from tools.__main__ import leftfold
from tools.event_model import Command, Event, Listener, Step, command_kinds, registered
from tools.event_model_files import DOCS, differing, generated, write
from tools.event_model_mermaid import node, page

MODEL = registered()
EVENTS = {event.kind: event for event in MODEL.events}
COMMANDS = {(command.category, command.name): command for command in MODEL.commands}
STEPS = {step.name: step for step in MODEL.steps}
HEARD = {view.name: view for view in MODEL.views}


def names(events: tuple[Event, ...]) -> list[str]:
    return [event.name for event in events]


def leads(category: str, command: str) -> list[str]:
    return names(COMMANDS[category, command].leads)


# --- nothing is missing


def test_the_files_are_as_the_code_is() -> None:
    stale = differing(generated(MODEL))
    assert not stale, f"{', '.join(map(str, stale))}: made anew by `./leftfold event-model`"


@pytest.mark.parametrize("aggregate", DOMAIN.aggregates.values(), ids=DOMAIN.aggregates)
def test_every_command_and_every_event_is_there(aggregate: Aggregate) -> None:
    kinds = get_type_hints(aggregate.decider.decide)["command"]
    of_category = [c.name for c in MODEL.commands if c.category == aggregate.category]

    assert {kind.__name__ for kind in flat(kinds)} == set(of_category)
    assert {e.name for e in MODEL.events if e.category == aggregate.category} == set(
        aggregate.codec.events
    )


def flat(kinds: Any) -> set[type]:
    """The classes of a union, however it is nested."""
    return set().union(*map(flat, get_args(kinds))) if get_args(kinds) else {kinds}


def test_only_a_command_that_is_there_to_be_refused_leads_to_nothing() -> None:
    assert [command.name for command in MODEL.commands if not command.leads] == ["TurnDown"]


def test_every_event_is_led_to_by_a_command() -> None:
    assert {event for command in MODEL.commands for event in command.leads} == set(MODEL.events)


def test_every_view_policy_and_deadline_is_there() -> None:
    assert set(HEARD) == set(DOMAIN.views)
    assert set(STEPS) == {*DOMAIN.policies, *DOMAIN.deadlines}


def test_whoever_listens_hears_something() -> None:
    assert all(view.hears for view in MODEL.views)
    assert all(step.hears or step.watches for step in MODEL.steps)
    assert all(step.sends or step.mails or step.announces for step in MODEL.steps)


# --- what leads to what


@pytest.mark.parametrize(
    ("category", "command", "events"),
    [
        ("account", "Open", ["account-opened"]),
        ("account", "Book", ["account-credited", "account-debited"]),
        ("account", "TransferOut", ["account-debited"]),
        ("account", "TransferBack", ["account-credited"]),
        ("account", "Close", ["statement-closed", "balance-brought-forward", "account-closed"]),
        ("transfer", "RecordDebited", ["source-debited", "source-debited-late"]),
        ("ledger", "Gather", ["journal-gathered", "year-closed", "balances-brought-forward"]),
        ("journal", "TurnDown", []),
    ],
)
def test_a_command_leads_to_what_its_rules_and_their_functions_make(
    category: str, command: str, events: list[str]
) -> None:
    assert leads(category, command) == events


def test_a_view_hears_the_events_that_touch_its_rows() -> None:
    assert names(HEARD["statements"].hears) == ["statement-closed"]
    assert names(HEARD["bookings"].hears) == ["account-credited", "account-debited"]
    assert {"account-debited", "transfer-stuck"} <= set(names(HEARD["traces"].hears))
    assert "account-frozen" not in names(HEARD["traces"].hears)


def test_a_policy_sends_commands_and_takes_their_answers() -> None:
    step = STEPS["credit_target"]

    assert names(step.hears) == ["source-debited"]
    assert [command.name for command in step.sends] == ["TransferIn"]
    assert [command.name for command in step.answers] == ["RecordCredited", "RefuseCredit"]
    assert not step.mails


def test_a_policy_that_sends_e_mail_may_hear_several_aggregates() -> None:
    step = STEPS["notify"]

    assert names(step.hears) == ["transfer-completed", "statement-closed"]
    assert step.mails


def test_a_deadline_watches_a_view() -> None:
    step = STEPS["next_step"]
    assert (step.watches, [command.name for command in step.sends]) == ("transfers", ["TimeOut"])


def test_what_leads_to_a_command_comes_before_it() -> None:
    commands = [command.name for command in MODEL.timeline("transfer")]

    first = ["RequestTransfer", "TransferOut", "RecordDebited", "TransferIn", "RecordCredited"]
    assert commands[:5] == first


# --- it says no less than the code does


@settings(deadline=None)
@given(st.data())
def test_a_view_that_the_model_does_not_name_makes_no_row_of_an_event(data: st.DataObject) -> None:
    view = data.draw(st.sampled_from(list(DOMAIN.views.values())))
    codec = data.draw(st.sampled_from(list(view.codecs.values())))
    kind = data.draw(st.sampled_from(list(codec.events.values())))
    event = EVENTS[kind]
    if event in HEARD[view.name].hears:
        return

    recorded = recorded_of(event.category, data.draw(events(kind)))

    assert list(view.keys(recorded)) == []


@settings(deadline=None)
@given(st.data())
def test_a_policy_does_nothing_that_the_model_does_not_name(data: st.DataObject) -> None:
    policies = [policy for policy in DOMAIN.policies.values() if isinstance(policy, Policy)]
    policy = data.draw(st.sampled_from(policies))
    aggregate = data.draw(st.sampled_from(policy.hears))
    kind = data.draw(st.sampled_from(list(aggregate.codec.events.values())))
    step = STEPS[policy.name]
    event = EVENTS[kind]
    known = {command.name for command in step.sends}

    for effect in policy.reactions(recorded_of(event.category, data.draw(events(kind)))):
        assert event in step.hears
        match effect:
            case Email():
                assert step.mails
            case Reaction():
                assert type(effect.command).__name__ in known


def recorded_of(category: str, event: object) -> Recorded:
    return Recorded(f"main/{category}-book-1", 1, 0, "2026-01-31T12:00:00.000Z", 0, event)


STATES = {
    "account": st.builds(accounts.Account, currency=st.just("CZK"), through=st.none() | DAYS),
    "transfer": st.from_type(transfers.Transfer),
}


@settings(deadline=None)
@given(st.data())
def test_a_rule_makes_nothing_that_the_model_does_not_name(data: st.DataObject) -> None:
    category = data.draw(st.sampled_from(list(STATES)))
    aggregate = DOMAIN.aggregates[category]
    kind = data.draw(st.sampled_from(command_kinds(aggregate)))
    command, state = data.draw(events(kind)), data.draw(STATES[category])
    try:
        made = aggregate.decider.decide(command, state)
    except Refused:
        return

    assert {EVENTS[type(event)].name for event in made} <= set(leads(category, kind.__name__))


# --- pictures

PARTS = [*MODEL.commands, *MODEL.events, *MODEL.views, *MODEL.steps]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_the_page_shows_every_part(part: Command | Event | Listener | Step) -> None:
    assert f"        {node(part)}\n" in page(MODEL) or f"    {node(part)}\n" in page(MODEL)


# --- the command


def test_a_changed_file_is_found_and_made_anew(tmp_path: Path) -> None:
    files = generated(MODEL)
    (tmp_path / DOCS).mkdir()

    assert set(write(files, tmp_path)) == set(files)
    assert differing(files, tmp_path) == []

    (tmp_path / DOCS / "event-model.md").write_text("something else")
    assert differing(files, tmp_path) == [DOCS / "event-model.md"]


def test_the_command_makes_nothing_anew_where_all_is_as_the_code() -> None:
    done = CliRunner().invoke(leftfold, ["event-model"])
    assert (done.exit_code, done.output) == (0, "")
