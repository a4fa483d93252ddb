"""Generations beside each other: whose rows are shown, and which one is active."""

from typing import Any

import pytest

from chalicelib.leftfold.store.applications import Application, MemoryApplications
from chalicelib.leftfold.subjects.memory import MemoryKeys
from tools.applications import check_folds, register
from tools.cloud import DeployError
from tools.generations import activate, drop, named
from tools.stages import stage

BLUE, GREEN = "leftfold-dev", "leftfold-dev--green"
DEV = stage("dev")


class Changed:
    """Stacks that note what is changed and deleted."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def change(self, stack: str, given: dict[str, str]) -> None:
        self.calls.append((stack, given["FedByBus"]))

    def delete(self, stack: str) -> None:
        self.calls.append(stack)


def both() -> MemoryApplications:
    return MemoryApplications(Application(BLUE, ()), Application(GREEN, ()), active=BLUE)


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


def test_a_generation_becomes_active_in_one_step_and_the_other_again() -> None:
    applications, stacks = both(), Changed()
    activate(applications, GREEN, stacks)  # type: ignore[arg-type]
    assert applications.known().active == GREEN
    assert stacks.calls == [(GREEN, "true"), (BLUE, "false")]
    activate(applications, BLUE, stacks)  # type: ignore[arg-type]
    activate(applications, BLUE, stacks)  # type: ignore[arg-type]
    assert applications.known().active == BLUE


def test_what_is_not_there_cannot_be_active() -> None:
    with pytest.raises(DeployError, match="there is no application leftfold-dev--red; there are"):
        activate(both(), "leftfold-dev--red", Changed())  # type: ignore[arg-type]


def test_the_active_generation_is_not_dropped_and_no_erasure_waits_for_one_that_is() -> None:
    applications, stacks, keys = both(), Changed(), MemoryKeys()
    keys.join(BLUE)
    keys.join(GREEN)
    with pytest.raises(DeployError, match="leftfold-dev is active; activate another"):
        drop(applications, keys, BLUE, stacks)  # type: ignore[arg-type]
    drop(applications, keys, GREEN, stacks)  # type: ignore[arg-type]
    assert stacks.calls == [GREEN]
    assert keys.applications() == [BLUE]


@pytest.mark.parametrize("name", ["", "Green", "a-b", "a" * 17, "2nd"])
def test_a_name_that_would_mix_up_stacks_is_refused(name: str) -> None:
    with pytest.raises(DeployError, match="cannot name a generation"):
        named(DEV, name)
    assert named(DEV, "green") == GREEN
