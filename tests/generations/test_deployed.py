"""A change with the functions, settings and roles of two deployed generations, in one process."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.commands.owning import NotOwnedError
from chalicelib.leftfold.metrics import NAMESPACE
from chalicelib.leftfold.wiring import process
from chalicelib.leftfold.wiring.generations import copied_as_it_is
from tests.contracts import moto
from tests.functions.test_functions import SCHEDULED, metrics
from tests.functions.test_metrics import OF_GENERATIONS
from tests.functions.test_resources import ALARMS
from tests.generations.deployed import BLUE, GREEN, HOME, Deployed, is_granted
from tests.http.samples import booking, czk, opening
from tests.tools.test_stages import MADE
from tools.changing import recorded
from tools.proving import Work, differences, do_all, ended

pytestmark = pytest.mark.slow

A, B = "main/account-a", "main/account-b"
KEY = "0190-key"
WAKE: dict[str, Any] = {"Records": [], "wanted": {}}


@pytest.fixture
def site() -> Iterator[Deployed]:
    """Two accounts in blue, which green is to follow."""
    yield from followed()


@pytest.fixture
def several() -> Iterator[Deployed]:
    """The same of a tenant whose log is `main-1`, of two in blue and of four in green."""
    yield from followed((2, 4), "second")


def followed(logs: tuple[int, int] = (1, 1), tenant: str = "main") -> Iterator[Deployed]:
    """Accounts of a tenant in blue, which green is to follow."""
    before, domain, session = process._services, process._domain, boto3.DEFAULT_SESSION
    with moto.in_process():
        made = Deployed(DOMAIN, logs)
        for key in "ab":
            opens = made.post(BLUE, "/accounts", opening(accountId=key), tenant=tenant)
            assert opens.status == 201
        first = made.post(BLUE, "/accounts/a/credits", booking("5.00"), KEY, tenant)
        assert first.status == 200
        made.log(BLUE)
        made.create()
        yield made
    process._services, process._domain, boto3.DEFAULT_SESSION = before, domain, session


def ungranted(site: Deployed) -> list[Any]:
    """The calls that a function of an application has made without a permission."""
    return [
        (stack, function.name, call)
        for stack in (BLUE, GREEN)
        for function in MADE
        for call in sorted(site.calls[stack, function.name])
        if not is_granted(call, function, stack)
    ]


def test_the_functions_fill_a_generation_take_its_streams_over_and_give_them_back(
    site: Deployed,
) -> None:
    with site.running(BLUE, "api_handler") as services:
        # Blue, which follows nobody, has made nothing of all this for its commands.
        assert "generations" not in vars(services)
    assert not {call for call in site.calls[BLUE, "api_handler"] if call[1].endswith("-control")}
    site.run(GREEN, "copier", SCHEDULED)
    assert [c.kind for c in site.stream(GREEN, A)] == ["copy", "copy"]
    refused = site.post(GREEN, "/accounts/a/credits", booking("1.00"))
    assert (refused.status, refused.code) == (503, "not-active")
    site.operator.switch(0)
    assert site.post(GREEN, "/accounts/a/credits", booking("1.00")).json["version"] == 3
    # A retry gets its first answer from either.
    for stack in (BLUE, GREEN):
        answer = site.post(stack, "/accounts/a/credits", booking("5.00"), KEY)
        assert (answer.status, answer.json["version"]) == (200, 2)
    moved = site.post(BLUE, "/accounts/a/credits", booking("1.00"))
    assert (moved.status, moved.code) == (503, "stream-moved")
    # What nobody asks for.
    assert site.post(BLUE, "/accounts/b/credits", booking("2.00")).status == 200
    # A wake for a share that this release has not.
    site.run(GREEN, "taker", {"wanted": {"8": 0, "99": 0}})
    assert [c.mark for c in site.stream(GREEN, B)] == [0]
    site.run(GREEN, "taker", SCHEDULED)
    assert [c.mark for c in site.stream(GREEN, B)] == [0, 1]
    site.operator.switch_back()
    # Blue has no transform: it asks green's function for the stream, and its client tries again.
    assert site.post(BLUE, "/accounts/a/credits", booking("3.00")).code == "stream-moved"
    answer = site.post(BLUE, "/accounts/a/credits", booking("3.00"))
    assert (answer.status, answer.json["version"]) == (200, 4)
    site.run(GREEN, "taker", SCHEDULED)
    assert site.operator.finish().state == "finished"
    assert site.post(BLUE, "/accounts/b/credits", booking("3.00")).json["version"] == 3
    for stack in (BLUE, GREEN):
        site.log(stack)
    with site.running(GREEN, "operator") as services:
        prover = services.generations.prover(2)
        work = Work(prover, prover.begun("proofs/p", 2), services, None, frozenset())
        do_all(work, 1, lambda _proof, item: item)
        found, rows = ended(services, work)
        assert differences(found, rows) == []
        # Blue had five commits before, and made two after green had given all back.
        assert (found.earlier_commits, found.native) == (1, 6)
        assert found.before == found.after == {"money": 100}
        kept = json.loads(services.archive.get("proofs/p/report.json") or b"")
        assert (kept["differences"], kept["copies"]) == ([], 1)
    assert ungranted(site) == []


ORDER = {"source": "a", "target": "b", "amount": czk("4.00"), "valueDate": "2026-01-31"}


def control_arn() -> str:
    return f"arn:aws:dynamodb:{HOME}:table/{BLUE}-control"


def names(site: Deployed, stack: str, stream: str) -> list[str]:
    return [event.name for commit in site.stream(stack, stream) for event in commit.events]


def act(site: Deployed, stack: str) -> None:
    """Runs the policies that the truth's functions wake now, often enough for a transfer."""
    site.clock.forward(minutes=1)
    for _ in range(2):
        site.log(stack)
        with site.running(stack, "log_grew") as services:
            policies = [each.name for each in services.followers if "/" not in each.name]
        for policy in policies:
            site.run(stack, policy, WAKE)


def test_a_transfer_that_blue_has_begun_is_carried_out_in_green_once(site: Deployed) -> None:
    made = site.post(BLUE, "/transfers", {**ORDER, "transferId": "t"})
    assert made.status == 202
    site.log(BLUE)
    # Blue takes the first step; all others are green's.
    site.run(BLUE, "debit_source", WAKE)
    site.log(BLUE)
    site.run(GREEN, "copier", SCHEDULED)
    before = names(site, GREEN, "main/transfer-t")
    act(site, GREEN)
    # A query that waits may wake a policy; that rests, and reads nothing but control.
    site.run(GREEN, "debit_source", WAKE)
    assert {on for _, on in site.calls[GREEN, "debit_source"]} == {control_arn()}
    assert names(site, GREEN, "main/transfer-t") == before
    site.operator.switch(0)
    act(site, BLUE)
    assert names(site, BLUE, "main/transfer-t") == before
    act(site, GREEN)
    assert names(site, GREEN, "main/transfer-t") == [
        *("transfer-requested", "source-debited"),
        *("target-credited", "transfer-completed"),
    ]
    assert names(site, GREEN, A).count("account-debited") == 1
    assert names(site, GREEN, B).count("account-credited") == 1
    assert ungranted(site) == []


def test_a_tenant_of_another_log_goes_over_with_a_transfer_that_is_under_way(
    several: Deployed,
) -> None:
    site, tenant = several, "second"
    asked = site.post(BLUE, "/transfers", {**ORDER, "transferId": "t"}, tenant=tenant)
    assert asked.status == 202
    site.log(BLUE)
    site.run(BLUE, "debit_source", WAKE)
    site.log(BLUE)
    site.run(GREEN, "copier", SCHEDULED)
    site.operator.switch(0)
    act(site, GREEN)
    assert names(site, GREEN, "second/transfer-t") == [
        *("transfer-requested", "source-debited"),
        *("target-credited", "transfer-completed"),
    ]
    assert names(site, GREEN, "second/account-a").count("account-debited") == 1
    assert names(site, GREEN, "second/account-b").count("account-credited") == 1
    site.run(GREEN, "taker", SCHEDULED)
    assert site.operator.finish().state == "finished"
    site.log(GREEN)
    with site.running(GREEN, "operator") as services:
        ends = {each.settings.log: each.log.head().next_position for each in services.in_each_log}
        assert [name for name, end in ends.items() if end] == ["main-1"]
        prover = services.generations.prover(1)
        work = Work(prover, prover.begun("proofs/p", 1), services, None, frozenset())
        do_all(work, 1, lambda _proof, item: item)
        found, rows = ended(services, work)
        assert differences(found, rows) == []
        assert (found.total.commits, found.native) == (6, 2)
    assert ungranted(site) == []


def test_a_shard_that_is_far_behind_gets_an_invocation_of_its_own_and_people_are_told(
    site: Deployed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("chalicelib.leftfold.functions.generations.MUCH", 0)
    site.run(GREEN, "copier", SCHEDULED)
    assert len(site.stream(GREEN, A)) == 2
    invoked = {on for action, on in site.calls[GREEN, "copier"] if action.startswith("lambda:")}
    assert invoked == {f"arn:aws:lambda:eu-central-1:123456789012:function:{GREEN}-copier"}
    with site.running(GREEN, "taker"):
        copied_as_it_is(site.stream(BLUE, A)[0], "why")
    lines = [line for line in metrics(capsys) if line["stack"] == GREEN]
    (as_it_is,) = (line for line in lines if "CommitsCopiedAsTheyAre" in line)
    facts = "CommitsCopiedAsTheyAre", "commit", "reason"
    assert [as_it_is[fact] for fact in facts] == [1, f"{A} 1", "why"]
    measured = {name for line in lines for name in line}
    ours = {name for name in OF_GENERATIONS if ALARMS[name]["Namespace"] == NAMESPACE}
    assert {ALARMS[name]["MetricName"] for name in ours} <= measured
    assert len(ours) == 3


def test_what_an_operator_does_about_a_change_is_in_the_audit_that_goes_over_with_it(
    site: Deployed,
) -> None:
    def does(stack: str, action: str) -> None:
        with site.running(stack, "operator") as services:
            recorded(services, action, GREEN, pause=lambda _: None)

    def done(stack: str) -> list[str]:
        stream = f"main/audit-operators-{site.clock():%Y-%m}"
        return [c.events[0].body["action"] for c in site.stream(stack, stream)]

    does(BLUE, "generation switch")
    site.operator.switch()
    # Green takes the stream over, as by any command.
    does(GREEN, "generation back")
    site.operator.switch_back()
    # Blue asks green's function for it, and tries again.
    does(BLUE, "generation finish")
    assert done(BLUE) == ["generation switch", "generation back", "generation finish"]
    assert done(GREEN) == done(BLUE)[:2]
    # Who does not take commands, records nothing.
    with pytest.raises(NotOwnedError):
        does(GREEN, "generation drop")
