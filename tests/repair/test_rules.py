"""A repair is proposed by one person, put into effect by another, and then stays."""

from typing import Any

import pytest

from chalicelib.leftfold.kernel import Refused, StoredEvent
from chalicelib.leftfold.kernel.repair import Correction, Repair
from chalicelib.leftfold.repair.domain import (
    Approve,
    Command,
    Event,
    Propose,
    ReadAs,
    RepairApproved,
    RepairProposed,
    RepairWithdrawn,
    Withdraw,
    in_effect,
    repair,
    stream_of,
)

STREAM = "main/account-a"
READ_AS = (ReadAs("account-frozen", 1, "{}"),)
ASKED = Propose(STREAM, 3, "event-0", "a slip", "ann", second=True, reads_as=READ_AS)
SKIP = Propose(STREAM, 3, "reader-balances", "a bug", "ann", second=True)
proposed = RepairProposed(STREAM, 3, "event-0", "a slip", "ann", READ_AS)
skip = RepairProposed(STREAM, 3, "reader-balances", "a bug", "ann", ())
approved = RepairApproved("event-0", "bob")


def decide(events: list[Any], command: Command) -> list[Any]:
    return repair.decider.decide(command, repair.decider.fold(events))


def refusal(events: list[Any], command: Command) -> str:
    with pytest.raises(Refused) as refused:
        decide(events, command)
    return refused.value.code


def test_a_proposal_waits_for_another_person() -> None:
    assert decide([], ASKED) == [proposed]
    assert decide([proposed], Approve("event-0", "bob")) == [approved]
    assert refusal([proposed], Approve("event-0", "ann")) == "repair-needs-another"
    assert refusal([], Approve("event-0", "bob")) == "repair-missing"
    assert refusal([skip], Approve("event-0", "bob")) == "repair-missing"


def test_one_person_is_enough_where_that_is_the_rule() -> None:
    alone = Propose(STREAM, 3, "event-0", "a slip", "ann", second=False, reads_as=READ_AS)
    assert decide([], alone) == [proposed, RepairApproved("event-0", "ann")]


def test_a_repair_is_proposed_once_and_decided_once() -> None:
    assert refusal([proposed], ASKED) == "repair-pending"
    assert decide([proposed], SKIP) == [skip]
    for command in (ASKED, Approve("event-0", "cleo"), Withdraw("event-0", "ann")):
        assert refusal([proposed, approved], command) == "repair-decided"


def test_what_is_not_in_effect_can_be_withdrawn_and_proposed_anew() -> None:
    withdrawn = RepairWithdrawn("event-0", "ann")
    assert decide([proposed], Withdraw("event-0", "ann")) == [withdrawn]
    assert decide([proposed, withdrawn], ASKED) == [proposed]
    assert refusal([proposed, withdrawn], Withdraw("event-0", "ann")) == "repair-missing"


def test_readers_go_by_what_is_approved() -> None:
    events: list[Event] = [proposed, skip]
    assert in_effect(repair.decider.fold(events)) == Repair()
    correction = Correction((StoredEvent("account-frozen", 1, {}),), "a slip", "ann", "bob")
    events += [approved, RepairApproved("reader-balances", "bob")]
    found = in_effect(repair.decider.fold(events))
    assert found == Repair({0: correction}, frozenset({"balances"}))


def test_each_commit_has_a_stream_of_its_own_in_its_tenant() -> None:
    streams = {stream_of(*key) for key in ((STREAM, 1), (STREAM, 11), ("other/account-a", 1))}
    assert len(streams) == 3
    assert stream_of("other/account-a", 1).startswith("other/repair-")


def test_events_of_repairs_survive_storage() -> None:
    for event in (proposed, skip, approved, RepairWithdrawn("event-0", "ann")):
        assert repair.codec.decode(repair.codec.encode(event)) == (event,)
