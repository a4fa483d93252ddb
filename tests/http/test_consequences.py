"""What a commit leads to, as operators see it: the steps of policies, and what became of them."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

import pytest

from chalicelib.bank.transfer.domain import Requested
from chalicelib.bank.transfer.policies import debit_source
from chalicelib.domain import DOMAIN
from chalicelib.leftfold.kernel import Commit, Email, Policy, Reaction, Recorded
from chalicelib.leftfold.policies.mailing import SendingStoppedError
from chalicelib.leftfold.policies.work import FORGOTTEN
from chalicelib.leftfold.store.ports import EventStore
from chalicelib.leftfold.wiring import process
from tests.http.conftest import Bank
from tests.http.samples import booking
from tests.http.test_transfers import accounts, requested
from tests.issuer import house_token, token


def led_to(bank: Bank, version: int, stream: str = "transfer/t") -> list[dict[str, Any]]:
    """The consequences of a commit, without what is null."""
    answer = bank.get(f"/streams/{stream}/commits/{version}/consequences")
    assert answer.status == 200, answer.text
    return [
        {name: value for name, value in item.items() if value is not None}
        for item in answer.json["items"]
    ]


class Counted:
    """A store that counts how often ranges of it are read."""

    def __init__(self, events: EventStore) -> None:
        self.reads = 0
        self._events = events

    def range(self, aggregate_id: str, first: int, last: int) -> Sequence[Commit]:
        self.reads += 1
        return self._events.range(aggregate_id, first, last)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._events, name)


def debit(outcome: str, **more: object) -> dict[str, Any]:
    step = {"policy": "debit_source", "step": "debit", "kind": "command"}
    return {**step, "outcome": outcome, "stream": "main/account-a", **more}


def credit(outcome: str, **more: object) -> dict[str, Any]:
    step = {"policy": "credit_target", "step": "credit", "kind": "command"}
    return {**step, "outcome": outcome, "stream": "main/account-b", **more}


def mail(outcome: str) -> dict[str, Any]:
    return {"policy": "notify", "step": "completed", "kind": "e-mail", "outcome": outcome}


def test_each_commit_of_a_workflow_leads_to_the_next_and_names_it_both_ways(bank: Bank) -> None:
    accounts(bank)
    requested(bank, notify="ada@example.com")
    bank.act()
    assert led_to(bank, 1) == [debit("taken", version=3, answer=2)]
    assert led_to(bank, 2) == [credit("taken", version=2, answer=3)]
    assert led_to(bank, 3) == [mail("sent")]
    assert led_to(bank, 3, "account/a") == []
    (caused,) = bank.get("/streams/account/a/commits/3").json["commit"]["causes"]
    assert caused == {"stream": "main/transfer-t", "version": 1}


def test_a_refusal_is_in_the_process_and_nowhere_else(bank: Bank) -> None:
    accounts(bank, balance="1.00")
    requested(bank)
    bank.act()
    assert led_to(bank, 1) == [debit("refused", answer=2)]


def test_a_step_waits_until_its_policy_has_come_so_far(bank: Bank) -> None:
    accounts(bank)
    requested(bank)
    assert led_to(bank, 1) == [debit("waits")], "it is not in the log"
    bank.settle()
    assert led_to(bank, 1) == [debit("waits")], "the policy has not heard it"


def with_policy(bank: Bank, policy: Policy) -> None:
    """The application with another *policy* in the place of the one of its name."""
    process.services().policies = {**DOMAIN.policies, policy.name: policy}
    bank.settle()


def test_a_command_is_found_before_its_process_knows_and_among_many(bank: Bank) -> None:
    """The function has died between the command and its answer, and the account goes on."""
    accounts(bank)
    for _ in range(60):
        bank.post("/accounts/a/credits", booking("1.00"))
    bank.clock.forward(days=40)
    requested(bank)
    (asked,) = bank.events.range("main/transfer-t", 1, 1)
    debited_without_an_answer(bank)
    for _ in range(60):
        bank.post("/accounts/a/credits", booking("1.00"))
    assert led_to(bank, 1) == [debit("taken", version=63)]
    # As many reads as it takes to halve 123 versions, and not one for each.
    bank.use(counted := Counted(bank.events))
    assert led_to(bank, 1) == [debit("taken", version=63)]
    assert counted.reads < 16
    assert asked.at > bank.stream()[61].at


def debited_without_an_answer(bank: Bank) -> None:
    """The policy commands the debit, and its function dies before the process has the answer."""

    def unanswered(recorded: Recorded) -> Iterable[Reaction]:
        for reaction in debit_source.reactions(recorded):
            assert isinstance(reaction, Reaction)
            yield replace(reaction, accepted=None, refused=None)

    with_policy(bank, replace(debit_source, react=unanswered, awaits=None))
    process.services().policy("debit_source").catch_up(100)
    process.services().policies = DOMAIN.policies


@pytest.mark.parametrize("between", [49, 50, 51])
def test_a_command_is_found_behind_a_whole_page_of_other_commits(bank: Bank, between: int) -> None:
    accounts(bank)
    bank.clock.forward(days=40)
    requested(bank)
    for _ in range(between):
        bank.post("/accounts/a/credits", booking("1.00"))
    debited_without_an_answer(bank)
    assert led_to(bank, 1) == [debit("taken", version=3 + between)]


def test_what_a_policy_does_by_personal_data_is_found_by_personal_data(bank: Bank) -> None:
    accounts(bank)
    requested(bank, notify="ada@example.com")

    def of_ada(recorded: Recorded) -> Iterable[Reaction]:
        assert isinstance(recorded.event, Requested)
        if recorded.event.order.notify == "ada@example.com":
            yield from cast("Iterable[Reaction]", debit_source.reactions(recorded))

    with_policy(bank, replace(debit_source, react=of_ada))
    assert led_to(bank, 1) == [debit("waits")]


def test_a_process_that_waits_no_more_is_passed(bank: Bank) -> None:
    accounts(bank)
    requested(bank)
    assert bank.post("/transfers/t/cancel", {}).status == 200
    bank.act()
    assert led_to(bank, 1) == [debit("passed")]


def breaks(_recorded: Recorded) -> Iterable[Reaction]:
    raise ValueError("planted")


def test_what_is_parked_says_why(bank: Bank) -> None:
    accounts(bank)
    requested(bank)
    with_policy(bank, replace(debit_source, react=breaks))
    process.services().policy("debit_source").catch_up(100)
    (failing,) = led_to(bank, 1)
    assert (failing["outcome"], failing["policy"]) == ("fails", "debit_source")
    assert "planted" not in failing["reason"], "the reason may have personal data"
    process.services().policies = DOMAIN.policies
    (parked,) = led_to(bank, 1)
    assert parked["outcome"] == "parked"
    assert parked["reason"] == bank.get("/readers/debit_source/parked").json["items"][0]["reason"]


def test_an_email_waits_until_its_policy_has_come_so_far(bank: Bank) -> None:
    accounts(bank)
    requested(bank, notify="ada@example.com")
    for policy in ("debit_source", "credit_target"):
        bank.settle()
        process.services().policy(policy).catch_up(100)
    assert led_to(bank, 3) == [mail("waits")]


def test_an_email_that_is_decided_and_not_sent_is_seen(bank: Bank) -> None:
    accounts(bank)
    requested(bank, notify="ada@example.com")

    class Stopped:
        def send(self, _email: Email) -> str:
            raise SendingStoppedError

    process.services().mailer = Stopped()
    with suppress(SendingStoppedError):
        bank.act()
    assert led_to(bank, 3) == [mail("decided")]
    ((key, _),) = bank.effects.stored.items()
    bank.effects.finish(key, FORGOTTEN)
    assert led_to(bank, 3) == [mail("forgotten")]


def test_nothing_personal_is_shown(bank: Bank) -> None:
    accounts(bank)
    requested(bank, notify="ada@example.com")
    bank.act()
    for version in (1, 2, 3):
        shown = bank.get(f"/streams/transfer/t/commits/{version}/consequences").text
        assert "ada@" not in shown


def test_it_is_asked_of_the_own_tenant_and_by_the_house_of_any(bank: Bank) -> None:
    accounts(bank)
    requested(bank)
    bank.act()
    path = "/streams/transfer/t/commits/1/consequences"
    bank.token = token("other")
    assert bank.get(path).code == "stream-missing"
    assert bank.get(f"{path}?tenant=main").code == "house-only"
    bank.token = house_token("other")
    assert len(bank.get(f"{path}?tenant=main").json["items"]) == 1
    assert bank.get("/streams/transfer/t/commits/9/consequences?tenant=main").status == 404
