"""Policies: each step has one answer, each effect is decided once, whoever dies."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.bank.account.domain import Freeze, Open, Unfreeze, account
from chalicelib.leftfold.kernel import (
    Email,
    Policy,
    Reaction,
    Recorded,
    Refused,
    UnknownFormatError,
)
from chalicelib.leftfold.policies.mailing import SendingStoppedError
from chalicelib.leftfold.policies.work import Cause
from chalicelib.leftfold.projection.fold import PoisonError
from chalicelib.leftfold.projection.runner import PASS_ATTEMPTS, OvertakenError
from chalicelib.leftfold.store.memory import MemoryCheckpoints, MemoryLog
from chalicelib.leftfold.store.ports import CLAIM, CallRefusedError, EffectKey, Unavailable
from tests.faults import Lossy
from tests.projection.errands import Ask, Drop, Office, RecordDone, errand, run_errand, runs, tells
from tests.projection.runners import CrashError, Interruption, crash
from tests.teller import credit, debit

E = "main/errand-e"
CALLS = [(at, after) for at in range(1, 30) for after in (False, True)]
at_any_call = pytest.mark.parametrize(("at", "after"), CALLS)


@pytest.fixture
def office() -> Office:
    return Office()


# --- a step and its answer


def test_an_event_leads_to_a_command_whose_answer_the_process_records(office: Office) -> None:
    office.do(Ask("a", 40))
    office.run(runs)
    assert office.history() == ["asked", "done"]
    asked, done = office.commits(E)
    debited = office.commits(account.stream("a", "main"))[-1]
    assert done.events[0].body == {"version": debited.version}
    assert (debited.actor, done.actor) == ("policy:runs", "policy:runs")
    assert {debited.correlation_id, done.correlation_id} == {asked.correlation_id}
    assert debited.deps == ((E, 1),)
    assert done.deps == ((account.stream("a", "main"), 3),)


def test_a_command_id_tells_when_its_cause_was(office: Office) -> None:
    office.do(Ask("a", 40))
    office.clock.forward(days=3)
    office.run(runs)
    asked, done = office.commits(E)
    debited = office.commits(account.stream("a", "main"))[-1]
    assert asked.at < debited.at
    moments = {UUID(c.command_id).int >> 80 for c in (debited, done)}
    assert moments == {office.clock.milliseconds - 3 * 86_400_000}
    assert debited.command_id != done.command_id


def test_a_policy_acts_as_itself_and_in_the_trace_of_its_cause(office: Office) -> None:
    office.do(Ask("a", 40))
    office.run(runs)
    asked, done = office.commits(E)
    debited = office.commits(account.stream("a", "main"))[-1]
    assert asked.authority == "none"
    assert {debited.authority, done.authority} == {"policy:runs"}
    assert {debited.traceparent, done.traceparent} == {asked.traceparent}


def test_a_renamed_policy_takes_no_step_again(office: Office) -> None:
    office.do(Ask("a", 40))
    office.run(runs)
    office.run(tells)
    office.do(Ask("a", 7), key="f")
    carries, informs = (
        replace(runs, name="carries", stored_as="runs"),
        replace(tells, name="informs", stored_as="tells"),
    )
    for policy in (carries, informs):
        office.run(policy)
        # Also where its checkpoint is lost, the steps are the same.
        office.checkpoints = MemoryCheckpoints()
        office.run(policy)
    assert office.debits() == 2
    assert len(office.mailer.sent) == 2
    assert [c.actor for c in office.commits("main/errand-f")] == ["ada", "policy:carries"]


@at_any_call
def test_a_renamed_policy_goes_on_where_a_function_has_died(
    office: Office, at: int, *, after: bool
) -> None:
    office.do(Ask("a", 40))
    with suppress(CrashError):
        office.run(runs, Interruption(at, crash, after=after))
    office.run(replace(runs, name="carries", stored_as="runs"))
    assert (office.debits(), office.history()) == (1, ["asked", "done"])


def test_a_step_of_a_copy_is_the_step_of_its_root(office: Office) -> None:
    office.do(Ask("a", 40))
    original = office.commits(E)[0]
    copy = original._replace(
        aggregate_id="main/errand-copy", version=9, root=(E, 1), source=("main/errand-x", 3)
    )
    ids = {
        Cause(Recorded("", 0, 0, "", 0, None), c, "debit").command_id("runs", "command")
        for c in (original, copy)
    }
    assert len(ids) == 1


class Newer:
    """An events table in which a newer engine has written to the account."""

    def __init__(self, office: Office) -> None:
        self.office = office

    def newest(self, aggregate_id: str, **options: Any) -> Any:
        if aggregate_id == account.stream("a", "main"):
            raise UnknownFormatError("format 2")
        return self.office.events.newest(aggregate_id, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.office.events, name)


def test_what_a_newer_engine_wrote_stops_the_policy_and_parks_nobody(office: Office) -> None:
    office.do(Ask("a", 40))
    with pytest.raises(UnknownFormatError):
        run_on(office, Newer(office))
    assert parked(office) == []
    assert office.history() == ["asked"]


def test_a_refusal_is_an_answer(office: Office) -> None:
    office.do(Ask("a", 400))
    office.run(runs)
    assert office.history() == ["asked", "turned"]
    assert office.commits(E)[1].events[0].body == {"code": "insufficient-funds"}
    assert list(office.parking.all()) == []


def test_an_aggregate_that_does_not_exist_refuses(office: Office) -> None:
    office.do(Ask("nobody", 1))
    office.run(runs)
    assert office.history() == ["asked", "turned"]
    assert office.commits(account.stream("nobody", "main")) == []


def test_a_step_that_the_process_awaits_no_more_is_not_taken(office: Office) -> None:
    office.do(Ask("a", 40))
    office.do(Drop())
    office.run(runs)
    assert office.debits() == 0
    assert office.history() == ["asked", "dropped"]


def test_a_step_taken_again_changes_nothing_however_much_later(office: Office) -> None:
    office.do(Ask("a", 40))
    office.run(runs)
    office.clock.forward(days=30)
    for _ in range(300):
        office.bank.do(credit(1))
    office.checkpoints._positions.clear()
    office.run(runs)
    assert office.debits() == 1
    assert office.history() == ["asked", "done"]


def test_code_that_words_a_command_otherwise_finds_the_earlier_one(office: Office) -> None:
    office.do(Ask("a", 40))
    office.run(runs)
    office.checkpoints._positions.clear()

    def reworded(recorded: Any) -> Any:
        for reaction in run_errand(recorded):
            yield replace(reaction, command=debit(41))

    office.run(replace(runs, react=reworded))
    assert office.debits() == 1
    assert list(office.parking.all()) == []


# --- whatever happens at any call


def one_answer(office: Office) -> bool:
    """Debited if and only if done; and answered or dropped."""
    history = office.history()
    answers = history.count("done") + history.count("turned")
    ended = answers == 1 or (answers == 0 and "dropped" in history)
    return ended and office.debits() == history.count("done")


@at_any_call
def test_a_function_may_die(office: Office, at: int, *, after: bool) -> None:
    office.do(Ask("a", 40))
    with suppress(CrashError):
        office.run(runs, Interruption(at, crash, after=after))
    office.run(runs)
    assert one_answer(office)
    assert office.history() == ["asked", "done"]


@at_any_call
@pytest.mark.parametrize("amount", [40, 400])
def test_another_function_may_take_the_step_meanwhile(
    office: Office, at: int, amount: int, *, after: bool
) -> None:
    office.do(Ask("a", amount))
    with suppress(OvertakenError):
        office.run(runs, Interruption(at, lambda: office.run(runs), after=after))
    assert one_answer(office)


class Dying(Interruption):
    """What happens at a call, and death at a later one."""

    dies_at = 0

    def call(self, method: Callable[[], Any]) -> Any:
        if self.calls == self.dies_at:
            raise CrashError
        return super().call(method)


@at_any_call
def test_the_process_may_be_ended_meanwhile_and_the_function_die_after_any_call(
    at: int, *, after: bool
) -> None:
    def drop_and_pass(office: Office) -> None:
        with suppress(Refused):
            office.do(Drop())
        # Another function sees that nothing is awaited, and passes the step.
        office.run(runs)

    for dies_after in range(6):
        office = Office()
        office.do(Ask("a", 40))
        with suppress(CrashError, OvertakenError):
            dying = Dying(at, partial(drop_and_pass, office), after=after)
            dying.dies_at = at + dies_after
            office.run(runs, dying)
        office.run(runs)
        assert one_answer(office)


@at_any_call
@pytest.mark.parametrize("frozen", [True, False])
def test_the_account_may_change_its_mind_meanwhile(
    office: Office, at: int, *, frozen: bool, after: bool
) -> None:
    if frozen:
        office.bank.do(Freeze())
    office.do(Ask("a", 40))

    def turn_and_pass() -> None:
        office.bank.do(Unfreeze() if frozen else Freeze())
        office.run(runs)

    with suppress(OvertakenError):
        office.run(runs, Interruption(at, turn_and_pass, after=after))
    office.run(runs)
    assert one_answer(office)


# --- what parks a process


def parked(office: Office) -> list[tuple[str, str]]:
    return [(stream, parked_stream.reason) for _, stream, parked_stream in office.parking.all()]


def unforeseen(recorded: Any) -> Any:
    for reaction in run_errand(recorded):
        yield replace(reaction, refused=None)


def test_a_refusal_that_nobody_foresaw_parks_the_process_alone(office: Office) -> None:
    office.do(Ask("a", 400), "e")
    office.do(Ask("a", 4), "f")
    office.run(replace(runs, react=unforeseen))
    assert parked(office) == [(E, "Refused: insufficient-funds")]
    assert office.history("f") == ["asked", "done"]


def test_a_parked_process_goes_on_when_it_is_redriven(office: Office) -> None:
    office.do(Ask("a", 400))
    policy = replace(runs, react=unforeseen)
    office.run(policy)
    with pytest.raises(PoisonError):
        office.runner(policy).redrive(E)
    office.bank.do(credit(300))
    office.runner(policy).redrive(E)
    assert office.history() == ["asked", "done"]
    assert parked(office) == []


def test_an_answer_that_the_process_does_not_take_parks_it(office: Office) -> None:
    office.do(Ask("a", 400))

    def answered(recorded: Any) -> Any:
        for reaction in run_errand(recorded):
            yield replace(reaction, refused=lambda _code, _facts: Ask("a", 1))

    office.run(replace(runs, react=answered))
    assert parked(office) == [(E, "AnswerRefusedError: Ask: errand-asked")]


def test_a_policy_that_fails_on_an_event_parks_its_process(office: Office) -> None:
    office.do(Ask("a", 4))

    def broken(_recorded: Any) -> Any:
        raise ZeroDivisionError("by zero")

    office.run(replace(runs, react=broken))
    assert parked(office) == [(E, "ZeroDivisionError: by zero")]


class Refusing:
    """AWS refuses to append to a process with an error of this code."""

    def __init__(self, office: Office, stream: str, code: str) -> None:
        self.office, self.stream, self.code = office, stream, code

    def append(self, commit: Any, unless: Any = None) -> Any:
        if commit.aggregate_id == self.stream:
            raise CallRefusedError(self.code, "no")
        return self.office.events.append(commit, unless)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.office.events, name)


@pytest.mark.parametrize("code", ["ValidationException", "TransactionCanceledException"])
def test_what_aws_will_not_take_of_one_process_keeps_no_other_waiting(
    office: Office, code: str
) -> None:
    office.do(Ask("a", 4), "e")
    office.do(Ask("a", 4), "f")
    run_on(office, Refusing(office, E, code))
    assert [stream for stream, _ in parked(office)] == [E]
    assert office.history("f") == ["asked", "done"]


def test_a_policy_that_may_not_write_stops_and_parks_nobody(office: Office) -> None:
    office.do(Ask("a", 4))
    with pytest.raises(CallRefusedError):
        run_on(office, Refusing(office, E, "AccessDeniedException"))
    assert parked(office) == []
    office.run(runs)
    assert office.history() == ["asked", "done"]


class Down:
    """An events table that answers nobody, for so many calls."""

    def __init__(self, office: Office, calls: int) -> None:
        self.office = office
        self.calls = calls

    def __getattr__(self, name: str) -> Any:
        if self.calls:
            self.calls -= 1
            raise Unavailable("throttled")
        return getattr(self.office.events, name)


def run_on(office: Office, events: Any, policy: Policy = runs) -> None:
    """Runs the policy on another events table."""
    office.relay()
    runner = office.runner(policy)
    work: Any = runner.work
    acting = replace(work, handler=replace(work.handler, events=events))
    replace(runner, work=acting).catch_up(2)


@pytest.mark.parametrize("calls", [1, PASS_ATTEMPTS - 1])
def test_a_technical_failure_is_tried_again(office: Office, calls: int) -> None:
    office.do(Ask("a", 4))
    run_on(office, Down(office, calls))
    assert office.history() == ["asked", "done"]


def test_a_technical_failure_that_lasts_parks_the_process_until_it_is_redriven(
    office: Office,
) -> None:
    office.do(Ask("a", 4))
    run_on(office, Down(office, PASS_ATTEMPTS))
    assert parked(office) == [(E, "Unavailable: throttled")]
    office.runner(runs).redrive(E)
    assert office.history() == ["asked", "done"]


class Hanging:
    """An events table whose every answer about one process is waited for in vain."""

    def __init__(self, office: Office, stream: str) -> None:
        self.office, self.stream = office, stream

    def newest(self, aggregate_id: str, **options: Any) -> Any:
        if aggregate_id == self.stream:
            # As long as a client waits for its three attempts.
            self.office.clock.forward(seconds=9)
            raise Unavailable("timed out")
        return self.office.events.newest(aggregate_id, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.office.events, name)


def test_a_process_that_hangs_is_parked_before_lambda_ends_the_function(office: Office) -> None:
    office.do(Ask("a", 4), "e")
    office.do(Ask("a", 4), "f")
    began = office.clock()
    run_on(office, Hanging(office, E))
    assert (office.clock() - began).total_seconds() < 40
    assert parked(office) == [(E, "Unavailable: timed out")]
    assert office.history("f") == ["asked", "done"]


@pytest.mark.parametrize("call", range(1, 9))
def test_a_lost_answer_does_not_lead_to_a_second_command(office: Office, call: int) -> None:
    office.do(Ask("a", 4))
    run_on(office, Lossy(office.events, after=frozenset({call})))
    assert office.history() == ["asked", "done"]
    assert office.debits() == 1


def test_nothing_is_skipped_when_not_even_parking_works(office: Office) -> None:
    office.do(Ask("a", 400))
    office.relay()
    runner = office.runner(replace(runs, react=unforeseen))
    broken = replace(runner, parking=Lossy(office.parking, before=frozenset({2})))
    with pytest.raises(Unavailable):
        broken.catch_up(2)
    assert set(office.checkpoints.read("runs", range(64)).values()) == {-1}
    office.run(replace(runs, react=unforeseen))
    assert len(parked(office)) == 1


def test_a_policy_that_awaits_nothing_sends_each_command_once(office: Office) -> None:
    office.do(Ask("a", 4))
    office.do(Drop())
    policy = replace(runs, awaits=None)
    office.run(policy)
    assert office.history() == ["asked", "dropped", "done"]
    office.checkpoints._positions.clear()
    office.run(policy)
    assert office.debits() == 1


def test_a_policy_that_awaits_nothing_records_no_refusal(office: Office) -> None:
    office.do(Ask("a", 400))
    office.run(replace(runs, awaits=None))
    assert parked(office) == [(E, "Refused: insufficient-funds")]


# --- effects


def done(office: Office) -> Office:
    office.do(Ask("a", 4))
    office.run(runs)
    return office


def test_an_effect_is_recorded_sent_and_done(office: Office) -> None:
    done(office).run(tells)
    assert office.mailer.sent == [Email("done", "ada@example.com", "Done", "at version 3")]
    ((key, stored),) = office.effects.stored.items()
    assert (key, stored.answer) == (EffectKey("tells", E, 2, 0, "done"), "sent: 1")


def test_an_effect_that_is_done_is_not_sent_again(office: Office) -> None:
    done(office).run(tells)
    office.checkpoints._positions.clear()
    office.clock.forward(days=9)
    office.run(tells)
    assert len(office.mailer.sent) == 1


@at_any_call
def test_an_effect_is_sent_twice_only_by_one_who_dies_before_its_record(
    office: Office, at: int, *, after: bool
) -> None:
    death = Interruption(at, crash, after=after)
    with suppress(CrashError):
        done(office).run(tells, death)
    sent_before = len(office.mailer.sent)
    recorded = [stored.answer for stored in office.effects.stored.values()]
    office.clock.forward(seconds=CLAIM.total_seconds() + 1)
    office.run(tells)
    unrecorded = recorded == [None] and sent_before == 1
    assert len(office.mailer.sent) == (2 if unrecorded else 1)
    assert len(office.effects.stored) == 1


@at_any_call
def test_of_two_functions_one_sends(office: Office, at: int, *, after: bool) -> None:
    def other() -> None:
        with suppress(OvertakenError):
            office.run(tells)

    with suppress(OvertakenError):
        done(office).run(tells, Interruption(at, other, after=after))
    office.clock.forward(seconds=CLAIM.total_seconds() + 1)
    office.run(tells)
    assert len(office.mailer.sent) == 1


class Busy:
    """A mailer whose service sends nothing for now."""

    def send(self, _email: Email) -> str:
        raise Unavailable("throttled")


def test_what_was_decided_is_sent_though_the_policy_would_decide_otherwise(
    office: Office,
) -> None:
    done(office).relay()
    runner = office.runner(tells)
    replace(runner, work=replace(runner.work, mailer=Busy())).catch_up(9)  # type: ignore[type-var]
    assert parked(office) == [(E, "Unavailable: throttled")]
    office.clock.forward(days=1)
    changed = replace(tells, react=lambda _: [Email("done", "ada@example.com", "", "")])
    office.runner(changed).redrive(E)
    assert [email.subject for email in office.mailer.sent] == ["Done"]


# --- names of reactions


def debits_of(*steps: tuple[str, int]) -> Policy:
    """A policy that leads to debits under these names, in this order, and awaits nothing."""

    def react(recorded: Any) -> Any:
        if type(recorded.event).__name__ == "Asked":
            for name, amount in steps:
                yield Reaction(name, account, "a", debit(amount))

    return replace(runs, react=react, awaits=None)


def debited(office: Office) -> list[int]:
    """The amounts that left the account."""
    commits = office.commits(account.stream("a", "main"))
    bodies = [e.body for c in commits for e in c.events if e.name == "account-debited"]
    return [body["amount"] for body in bodies]


def run_again(office: Office, policy: Policy) -> None:
    """Runs the policy on the whole log, as after checkpoints were lost."""
    office.checkpoints._positions.clear()
    office.run(policy)


def test_reactions_in_another_order_are_the_same_reactions(office: Office) -> None:
    office.do(Ask("a", 1))
    office.run(debits_of(("first", 1), ("second", 2)))
    run_again(office, debits_of(("second", 2), ("first", 1)))
    assert debited(office) == [1, 2]
    assert parked(office) == []


def test_a_reaction_that_is_added_before_another_takes_not_its_answer(office: Office) -> None:
    office.do(Ask("a", 1))
    office.run(debits_of(("first", 1)))
    run_again(office, debits_of(("zeroth", 7), ("first", 1)))
    assert debited(office) == [1, 7]


def test_a_reaction_that_is_left_out_leaves_the_answers_of_the_others(office: Office) -> None:
    office.do(Ask("a", 1))
    office.run(debits_of(("first", 1), ("second", 2)))
    run_again(office, debits_of(("second", 2)))
    assert debited(office) == [1, 2]


def test_emails_in_another_order_are_the_same_emails(office: Office) -> None:
    ada = Email("ada", "ada@example.com", "Done", "")
    bob = Email("bob", "bob@example.com", "Done", "")

    def mails(*emails: Email) -> Policy:
        return replace(tells, react=lambda r: emails if type(r.event).__name__ == "Done" else ())

    done(office).run(mails(ada))
    run_again(office, mails(bob, ada))
    assert office.mailer.sent == [ada, bob]


@given(st.permutations(["a", "b", "c"]), st.sets(st.sampled_from(["a", "b", "c"])))
def test_each_name_is_taken_once_whatever_the_order_and_whatever_was_left_out(
    order: list[str], left_out: set[str]
) -> None:
    amounts = {"a": 1, "b": 2, "c": 3}
    office = Office()
    office.do(Ask("a", 1))
    office.run(debits_of(*((n, amounts[n]) for n in order if n not in left_out)))
    run_again(office, debits_of(*amounts.items()))
    assert sorted(debited(office)) == [1, 2, 3]


def test_a_step_is_the_same_in_a_log_in_which_its_event_is_elsewhere(office: Office) -> None:
    office.do(Ask("a", 40))
    office.run(debits_of(("debit", 40)))
    office.bank.do(Open("Bob", "CZK", "current"), "0")
    office.log = MemoryLog()
    run_again(office, debits_of(("debit", 40)))
    first, *_ = office.log.blocks(0)
    assert first.commits[0].aggregate_id == account.stream("0", "main")
    assert debited(office) == [40]


@pytest.mark.parametrize("name", ["", "A", "a b", "a#b", "-a", "a--b", "é", "a" * 65])
def test_a_malformed_name_of_a_reaction_parks_its_process(office: Office, name: str) -> None:
    office.do(Ask("a", 1))
    office.run(debits_of((name, 1)))
    ((stream, reason),) = parked(office)
    assert stream == E
    assert reason.startswith(f"ReactionNameError: runs names a reaction {name!r}:")
    assert debited(office) == []


def test_two_reactions_of_one_name_park_their_process_and_neither_is_taken(
    office: Office,
) -> None:
    office.do(Ask("a", 1))
    office.run(debits_of(("debit", 1), ("debit", 2)))
    reason = (
        "ReactionNameError: runs names two reactions to one event 'debit':"
        " give each a name of its own"
    )
    assert parked(office) == [(E, reason)]
    assert debited(office) == []


def test_a_command_of_another_kind_does_not_take_the_answer_under_its_name(
    office: Office,
) -> None:
    office.do(Ask("a", 1))
    office.run(debits_of(("step", 1)))

    def freezes_instead(recorded: Any) -> Any:
        if type(recorded.event).__name__ == "Asked":
            yield Reaction("step", account, "a", Freeze())

    run_again(office, replace(runs, react=freezes_instead, awaits=None))
    ((stream, reason),) = parked(office)
    assert stream == E
    assert reason.startswith("StepChangedError: the command ")
    assert reason.endswith(
        f"in {account.stream('a', 'main')} was recorded as another kind than Freeze:"
        " give the new command's reaction a name of its own"
    )


def test_a_command_that_was_answered_is_not_sent_to_another_target(office: Office) -> None:
    office.bank.do(Open("Bob", "CZK", "current"), "b")
    office.bank.do(credit(100), "b")
    office.do(Ask("a", 40))
    office.run(runs)

    def elsewhere(recorded: Any) -> Any:
        for reaction in run_errand(recorded):
            yield replace(reaction, key="b")

    run_again(office, replace(runs, react=elsewhere))
    names = [e.name for c in office.commits(account.stream("b", "main")) for e in c.events]
    assert "account-debited" not in names
    assert office.history() == ["asked", "done"]
    assert parked(office) == []


@pytest.mark.parametrize("sent", [True, False])
def test_an_effect_to_another_recipient_under_a_recorded_name_is_refused(
    office: Office, *, sent: bool
) -> None:
    done(office).relay()
    runner = office.runner(tells)
    if not sent:
        runner = replace(runner, work=replace(runner.work, mailer=Busy()))  # type: ignore[type-var]
    runner.catch_up(9)
    office.clock.forward(days=1)
    before = list(office.mailer.sent)

    def bob(recorded: Any) -> Any:
        if type(recorded.event).__name__ == "Done":
            yield Email("done", "bob@example.com", "Done", "")

    changed = office.runner(replace(tells, react=bob))
    if sent:
        run_again(office, replace(tells, react=bob))
    else:
        with pytest.raises(PoisonError):
            changed.redrive(E)
    assert office.mailer.sent == before
    ((key, found),) = office.effects.stored.items()
    assert found.effect["to"] == "ada@example.com"
    if sent:
        reason = (
            f"StepChangedError: the effect {key} was decided as email to one recipient, and is"
            " now of another kind or to another recipient: give the new effect a name of its own"
        )
        assert parked(office) == [(E, reason)]


def test_an_effect_of_another_kind_under_a_recorded_name_is_refused(office: Office) -> None:
    done(office)
    letter = {"kind": "letter", "to": "ada@example.com"}
    office.effects.plan(EffectKey("tells", E, 2, 0, "done"), letter, "owner-0")
    office.clock.forward(days=1)
    office.run(tells)
    ((stream, reason),) = parked(office)
    assert (stream, office.mailer.sent) == (E, [])
    assert "was decided as letter to one recipient, and is now of another kind" in reason


def test_when_no_email_is_sent_the_policy_waits_and_parks_nobody(office: Office) -> None:
    class Stopped:
        def send(self, _email: Email) -> str:
            raise SendingStoppedError("Throttling: Daily message quota exceeded")

    done(office).relay()
    runner = office.runner(tells)
    stopped = replace(runner, work=replace(runner.work, mailer=Stopped()))  # type: ignore[type-var]
    with pytest.raises(SendingStoppedError):
        stopped.catch_up(9)
    assert parked(office) == []
    office.clock.forward(days=1)
    office.run(tells)
    assert len(office.mailer.sent) == 1


def test_commands_to_the_process_itself_need_no_condition(office: Office) -> None:
    def itself(recorded: Any) -> Any:
        if type(recorded.event).__name__ == "Asked":
            yield Reaction("done", errand, recorded.key, RecordDone(0))

    office.do(Ask("a", 4))
    office.run(replace(runs, react=itself))
    assert office.history() == ["asked", "done"]
