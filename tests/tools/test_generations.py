"""Generations beside each other: whose rows are shown, and which one is active."""

from contextlib import suppress

import pytest

from chalicelib.leftfold.store.applications import Application, MemoryApplications
from chalicelib.leftfold.subjects.memory import MemoryKeys
from tools.applications import check_events, check_folds, register
from tools.cloud import Cloud, DeployError
from tools.deploy import Deployed
from tools.front import Front
from tools.generations import activate, drop, named
from tools.stages import stage

BLUE, GREEN = "leftfold-dev", "leftfold-dev--green"
DEV = stage("dev")


RED = "leftfold-dev--red"


class MemoryStacks:
    """Applications' stacks, by their parameters. *dies* raises before the change of that number."""

    def __init__(self, *stacks: str) -> None:
        self.told = {
            stack: {"FedByBus": str(stack == BLUE).lower(), "MovedTo": ""} for stack in stacks
        }
        self.changes = 0
        self.dies: int | None = None
        self.cloud = Cloud("http://here")

    def change(self, stack: str, given: dict[str, str]) -> None:
        if self.told[stack] == {**self.told[stack], **given}:
            return
        if self.changes == self.dies:
            raise KilledError
        self.changes += 1
        self.told[stack] |= given

    def parameters(self, stack: str) -> dict[str, str]:
        return self.told.get(stack, {})

    def delete(self, stack: str) -> None:
        del self.told[stack]

    def follow(self, stack: str) -> str:
        """Where a client ends that begins at a stack's address."""
        urls = {url_of(name): name for name in self.told}
        passed = [stack]
        while to := self.told[passed[-1]]["MovedTo"]:
            assert urls[to] not in passed, "addresses lead in a circle"
            passed.append(urls[to])
        return passed[-1]


class KilledError(Exception):
    """A command was killed."""


def url_of(stack: str) -> str:
    return f"https://{stack}.example/api"


@pytest.fixture
def stacks(monkeypatch: pytest.MonkeyPatch) -> MemoryStacks:
    """Two applications, of which the first one is active, and a third one."""

    def find(stack: str, _cloud: Cloud) -> Deployed:
        return Deployed(stack, url_of(stack), {})

    monkeypatch.setattr("tools.front.find", find)
    return MemoryStacks(BLUE, GREEN, RED)


def front_of(stacks: MemoryStacks) -> Front:
    return Front(DEV, stacks)  # type: ignore[arg-type]


def all_three() -> MemoryApplications:
    return MemoryApplications(*(Application(name, ()) for name in (BLUE, GREEN, RED)), active=BLUE)


def test_a_deploy_over_rows_of_another_fold_is_refused_and_names_the_views() -> None:
    applications = MemoryApplications()
    register(applications, BLUE, {"sums": "1", "list": "1"})
    assert applications.known().active == BLUE
    with pytest.raises(
        DeployError, match=r"another fold has made: list, sums; .* generation create"
    ):
        register(applications, BLUE, {"sums": "2", "list": "2", "new": "1"})
    assert applications.known().applications[BLUE].folds == {"sums": "1", "list": "1"}


def test_a_new_view_and_one_that_is_gone_keep_no_deploy_back() -> None:
    applications = MemoryApplications()
    register(applications, BLUE, {"sums": "1", "gone": "1"})
    register(applications, BLUE, {"sums": "1", "new": "1"})
    assert applications.known().applications[BLUE].folds == {"sums": "1", "new": "1"}


def test_a_generation_may_have_other_folds_than_the_active_one() -> None:
    applications = MemoryApplications()
    register(applications, BLUE, {"sums": "1"})
    check_folds(applications.known(), GREEN, {"sums": "2"})


def writer(name: str, writes: int, reads: int) -> Application:
    """An application that writes one event in a version, and reads it up to another version."""
    event = "account/account-credited"
    return Application(name, (), writes={event: writes}, reads={event: reads})


def test_a_release_that_writes_what_another_application_cannot_read_is_refused() -> None:
    applications = MemoryApplications(writer(BLUE, 1, 1), active=BLUE)
    with pytest.raises(
        DeployError,
        match=r"leftfold-dev cannot read what this release writes: account/account-credited v2;"
        r" first release code that reads it",
    ):
        check_events(applications.known(), writer(GREEN, 2, 2))
    applications.register(writer(BLUE, 1, 2))
    check_events(applications.known(), writer(GREEN, 2, 2))


def test_a_release_that_cannot_read_what_another_application_writes_is_refused() -> None:
    applications = MemoryApplications(writer(BLUE, 2, 2), active=BLUE)
    with pytest.raises(DeployError, match="cannot read what leftfold-dev writes: account/account"):
        check_events(applications.known(), writer(GREEN, 1, 1))
    # Its own place is nobody else's.
    check_events(applications.known(), writer(BLUE, 1, 1))


def test_an_application_is_registered_with_all_events_that_it_writes_and_reads() -> None:
    applications = MemoryApplications()
    register(applications, BLUE, {})
    made = applications.known().applications[BLUE]
    assert made.writes["account/account-credited"] == 1
    assert set(made.writes) == set(made.reads)
    applications.register(writer(GREEN, 1, 1))
    with pytest.raises(DeployError, match="cannot read what this release writes: account/"):
        register(applications, BLUE, {})


def test_a_generation_becomes_active_and_the_other_one_again(stacks: MemoryStacks) -> None:
    applications, front = all_three(), front_of(stacks)
    assert activate(applications, GREEN, front) == url_of(GREEN)
    assert applications.known().active == GREEN
    assert {name: told["FedByBus"] for name, told in stacks.told.items()} == {
        BLUE: "false",
        GREEN: "true",
        RED: "false",
    }
    # The first address is left; one that was never the stage's serves whoever tries it.
    assert [stacks.follow(name) for name in (BLUE, GREEN, RED)] == [GREEN, GREEN, RED]
    assert activate(applications, BLUE, front) == url_of(BLUE)
    assert activate(applications, BLUE, front) == url_of(BLUE)
    assert applications.known().active == BLUE
    assert [stacks.follow(name) for name in (BLUE, GREEN, RED)] == [BLUE, BLUE, RED]


def test_an_address_that_was_left_leads_to_the_active_one_however_many_came_between(
    stacks: MemoryStacks,
) -> None:
    applications, front = all_three(), front_of(stacks)
    activate(applications, GREEN, front)
    activate(applications, RED, front)
    assert {stacks.told[name]["MovedTo"] for name in (BLUE, GREEN)} == {url_of(RED)}


@pytest.mark.parametrize("dies", range(7))
def test_an_activation_that_is_killed_anywhere_leads_to_one_that_answers_and_is_run_again(
    stacks: MemoryStacks, dies: int
) -> None:
    applications, front = all_three(), front_of(stacks)
    activate(applications, GREEN, front)
    stacks.dies = stacks.changes + dies
    with suppress(KilledError):
        activate(applications, BLUE, front)
    assert {stacks.follow(name) for name in (BLUE, GREEN, RED)} <= {BLUE, GREEN, RED}
    stacks.dies = None
    activate(applications, BLUE, front)
    assert [stacks.follow(name) for name in (BLUE, GREEN)] == [BLUE, BLUE]
    assert (stacks.told[BLUE]["FedByBus"], stacks.told[GREEN]["FedByBus"]) == ("true", "false")


def test_of_two_who_activate_at_once_one_is_told_and_the_address_leads_to_the_others(
    stacks: MemoryStacks,
) -> None:
    applications, front = all_three(), front_of(stacks)
    lead = stacks.change

    def meanwhile(stack: str, given: dict[str, str]) -> None:
        stacks.change = lead  # type: ignore[method-assign]
        activate(applications, RED, front)
        lead(stack, given)

    stacks.change = meanwhile  # type: ignore[method-assign]
    with pytest.raises(DeployError, match="leftfold-dev is not the active one any more; look"):
        activate(applications, GREEN, front)
    assert applications.known().active == RED
    assert stacks.follow(BLUE) == RED


def test_a_tree_that_knows_no_domain_leaves_that_of_the_stage_alone(stacks: MemoryStacks) -> None:
    front = front_of(stacks)
    stacks.told[front.stack] = {"Application": BLUE}
    with pytest.raises(
        DeployError, match="leftfold-dev-front has a domain, and the stage has none"
    ):
        activate(all_three(), GREEN, front)
    assert stacks.told[BLUE]["MovedTo"] == ""


def test_what_is_not_there_cannot_be_active(stacks: MemoryStacks) -> None:
    with pytest.raises(DeployError, match="there is no application leftfold-dev--blue; there are"):
        activate(all_three(), "leftfold-dev--blue", front_of(stacks))


def test_the_active_generation_is_not_dropped_and_no_erasure_waits_for_one_that_is(
    stacks: MemoryStacks,
) -> None:
    applications, keys = all_three(), MemoryKeys()
    gone: list[str] = []
    keys.join(BLUE)
    keys.join(GREEN)
    with pytest.raises(DeployError, match="leftfold-dev is active; activate another"):
        drop(applications, keys, BLUE, front_of(stacks), gone.append)
    drop(applications, keys, GREEN, front_of(stacks), gone.append)
    assert (list(stacks.told), gone) == ([BLUE, RED], [GREEN])
    assert keys.applications() == [BLUE]


@pytest.mark.parametrize("name", ["", "Green", "a-b", "a" * 17, "2nd"])
def test_a_name_that_would_mix_up_stacks_is_refused(name: str) -> None:
    with pytest.raises(DeployError, match="cannot name a generation"):
        named(DEV, name)
    assert named(DEV, "green") == GREEN
