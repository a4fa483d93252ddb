"""The rules of a transfer, weighed one by one and as laws."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from chalicelib.bank.transfer.domain import (
    Cancel,
    Cancelled,
    Command,
    Completed,
    CreditRefused,
    DebitRefused,
    Event,
    Expired,
    Order,
    RecordCredited,
    RecordDebited,
    RecordRefunded,
    RefuseCredit,
    RefuseDebit,
    Requested,
    RequestTransfer,
    SourceDebited,
    SourceDebitedLate,
    SourceRefunded,
    Stuck,
    TargetCredited,
    TimeOut,
    Transfer,
    TransferRefused,
    codec,
    decider,
    transfer,
)
from chalicelib.bank.transfer.policies import credit_target, debit_source, refund_source
from chalicelib.leftfold.kernel import Refused, from_json, to_json
from tests.scenario import Given

given = Given(decider)
order = Order("a", "b", 700, "CZK", "2026-01-31", "rent", "ada@example.org")
DEADLINE = "2026-01-31T12:00:00.000Z"
requested = Requested(order, DEADLINE)
debited = SourceDebited(order, 5)
late = SourceDebitedLate(order, 5)
frozen = CreditRefused(order, "account-frozen")

ENDS: dict[str, tuple[Any, ...]] = {
    "refused": (DebitRefused("account-closed"), TransferRefused(order, "account-closed")),
    "cancelled": (Cancelled(order),),
    "expired": (Expired(order),),
}


# --- rules


def test_a_transfer_is_requested_once() -> None:
    given().when(RequestTransfer(order, DEADLINE)).then(requested)
    given(requested).when(RequestTransfer(order, DEADLINE)).then_refused("transfer-exists")
    given(requested, Cancelled(order)).when(RequestTransfer(order, DEADLINE)).then_refused(
        "transfer-exists"
    )


def test_an_account_transfers_nothing_to_itself() -> None:
    given().when(RequestTransfer(replace(order, target="a"), DEADLINE)).then_refused("same-account")


def test_a_transfer_is_debited_then_credited_and_completed() -> None:
    given(requested).when(RecordDebited(5)).then(debited)
    given(requested, debited).when(RecordCredited(8)).then(TargetCredited(8), Completed(order))


def test_a_refused_debit_ends_the_transfer() -> None:
    given(requested).when(RefuseDebit("insufficient-funds")).then(
        DebitRefused("insufficient-funds"), TransferRefused(order, "insufficient-funds")
    )


def test_a_refused_credit_makes_a_refund_due() -> None:
    given(requested, debited).when(RefuseCredit("account-frozen")).then(frozen)
    given(requested, debited, frozen).when(RecordRefunded(6)).then(
        SourceRefunded(6), TransferRefused(order, "account-frozen", refunded=True)
    )


def test_a_transfer_is_cancelled_before_money_has_left() -> None:
    given(requested).when(Cancel()).then(Cancelled(order))
    given(requested, debited).when(Cancel()).then_refused("transfer-under-way")
    given(requested, debited, frozen).when(Cancel()).then_refused("transfer-under-way")
    for end in (*ENDS.values(), (debited, TargetCredited(8), Completed(order))):
        given(requested, *end).when(Cancel()).then_refused("transfer-ended")


def test_a_transfer_whose_debit_takes_too_long_expires() -> None:
    given(requested).when(TimeOut("requested")).then(Expired(order))


def test_a_transfer_whose_money_has_left_is_stuck_once_a_step_and_goes_on() -> None:
    stuck = Stuck("debited")
    given(requested, debited).when(TimeOut("debited")).then(stuck)
    given(requested, debited, stuck).when(TimeOut("debited")).then_refused("transfer-moved-on")
    given(requested, debited, stuck).when(RecordCredited(8)).then(
        TargetCredited(8), Completed(order)
    )
    given(requested, debited, stuck, frozen).when(TimeOut("refunding")).then(Stuck("refunding"))


def test_the_time_of_an_earlier_step_means_nothing() -> None:
    given(requested, debited).when(TimeOut("requested")).then_refused("transfer-moved-on")
    given(requested, debited, frozen).when(TimeOut("debited")).then_refused("transfer-moved-on")
    given(requested, Cancelled(order)).when(TimeOut("requested")).then_refused("transfer-ended")


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_debit_that_came_through_after_the_end_is_refunded(end: tuple[Any, ...]) -> None:
    given(requested, *end).when(RecordDebited(5)).then(late)
    back = replace(end[-1], refunded=True)
    given(requested, *end, late).when(RecordRefunded(6)).then(SourceRefunded(6), back)
    given(requested, *end, late, SourceRefunded(6), back).when(RecordDebited(5)).then_refused(
        "step-answered"
    )


@pytest.mark.parametrize("end", [Cancelled(order), Expired(order)])
def test_a_debit_that_is_refused_after_the_end_is_recorded(end: Event) -> None:
    given(requested, end).when(RefuseDebit("account-closed")).then(DebitRefused("account-closed"))


@pytest.mark.parametrize(
    ("history", "command"),
    [
        ((requested, debited), RecordDebited(5)),
        ((requested, debited), RefuseDebit("account-closed")),
        ((requested, debited), RecordRefunded(6)),
        ((requested,), RecordCredited(8)),
        ((requested, debited, frozen), RecordCredited(8)),
        ((requested, debited, TargetCredited(8), Completed(order)), RefuseCredit("x")),
        ((requested, *ENDS["cancelled"]), RecordRefunded(6)),
    ],
)
def test_a_second_answer_to_a_step_is_for_people(
    history: tuple[Event, ...], command: Command
) -> None:
    given(*history).when(command).then_refused("step-answered")


@pytest.mark.parametrize("command", [Cancel(), TimeOut("requested"), RecordDebited(1)])
def test_nothing_can_be_done_with_a_transfer_that_is_not_there(command: Command) -> None:
    given().when(command).then_refused("transfer-missing")


# --- laws

MOVES: list[Command] = [
    RecordDebited(5),
    RefuseDebit("insufficient-funds"),
    RecordCredited(8),
    RefuseCredit("account-frozen"),
    RecordRefunded(6),
    Cancel(),
    TimeOut("requested"),
    TimeOut("debited"),
    TimeOut("refunding"),
]
POLICIES = {"requested": debit_source, "debited": credit_target, "refunding": refund_source}


def run(commands: list[Command]) -> tuple[list[Any], list[Event]]:
    """The commands that were taken, after the request, and all events."""
    taken: list[Any] = []
    events: list[Event] = [requested]
    for command in commands:
        try:
            events += decider.decide(command, decider.fold(events))
        except Refused:
            continue
        taken.append(command)
    return taken, events


@for_all(st.lists(st.sampled_from(MOVES)))
def test_money_is_at_the_source_or_at_the_target_or_a_step_is_awaited(moves: list[Command]) -> None:
    taken, events = run(moves)
    stage = decider.fold(events).stage
    left = sum(isinstance(c, RecordDebited) for c in taken)
    back = sum(isinstance(c, RecordRefunded) for c in taken)
    came = sum(isinstance(c, RecordCredited) for c in taken)
    under_way = stage in ("debited", "refunding")
    assert left == back + came + under_way
    assert left <= 1
    assert (came == 1) == (stage == "completed")


@for_all(st.lists(st.sampled_from(MOVES)))
def test_a_policy_awaits_exactly_what_the_rules_will_take(moves: list[Command]) -> None:
    state = decider.fold(run(moves)[1])
    answers: dict[str, Command] = {
        "requested": RecordDebited(5),
        "debited": RecordCredited(8),
        "refunding": RecordRefunded(6),
    }
    for stage, policy in POLICIES.items():
        assert policy.awaits is not None
        awaited = policy.awaits(state, requested)
        assert awaited == (state.stage == stage)
        if awaited:
            assert decider.decide(answers[stage], state)


@for_all(st.lists(st.sampled_from(MOVES)))
def test_every_end_carries_the_whole_state(moves: list[Command]) -> None:
    _, events = run(moves)
    for index, event in enumerate(events):
        if isinstance(event, transfer.carries):
            whole = decider.fold(events[: index + 1])
            assert decider.fold([event]) == whole
            assert decider.fold(events) == decider.fold(events[index:])


carries = st.one_of([st.from_type(kind) for kind in transfer.carries])


@for_all(st.from_type(Transfer), carries)
def test_what_carries_the_state_does_so_from_any_state(state: Transfer, carry: Any) -> None:
    assert decider.evolve(state, carry) == decider.evolve(decider.initial, carry)


@for_all(st.one_of([st.from_type(kind) for kind in codec.events.values()]))
def test_events_survive_storage(event: Event) -> None:
    assert codec.decode(codec.encode(event)) == (event,)


@for_all(st.from_type(Transfer))
def test_states_survive_storage(state: Transfer) -> None:
    assert from_json(Transfer, to_json(state)) == state
