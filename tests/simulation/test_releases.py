"""No history of two releases breaks a law, and each rule that is left out is missed."""

import pytest

from tests.simulation.releases import Faults, released
from tools import applications

HISTORIES = 4
# Each mutant is found long before: at the first seed from where it looks.
SEEDS_FOR_A_MUTANT = 100


def test_no_history_of_two_releases_breaks_a_law(share: float) -> None:
    seeds = range(1, max(2, round(HISTORIES * share)) + 1)
    broken = {report.seed: report.broken for report in map(released, seeds) if report.broken}
    again = "python -m tests.simulation --releases --count 1 --first SEED"
    assert broken == {}, f"run one again: {again}"


@pytest.mark.slow
def test_a_seed_decides_its_history_of_two_releases() -> None:
    assert released(2) == released(2)


MUTANTS = {
    "shared view checkpoints": (Faults(own_checkpoints=False), "second: I7", 1),
    "rows that both releases write": (Faults(own_rows=False), "bank", 1),
    "an e-mail decided in a ledger of each release": (Faults(own_ledger=True), "effects: ", 8),
    "a step that has another name in each release": (
        Faults(renames_reactions=True),
        "transfer ",
        6,
    ),
}


def finds(breaks: str, faults: Faults, first: int = 1) -> bool:
    return any(
        broken.startswith(breaks)
        for seed in range(first, first + SEEDS_FOR_A_MUTANT)
        for broken in released(seed, faults).broken
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_a_rule_of_releases_that_is_left_out_is_missed(name: str) -> None:
    faults, breaks, first = MUTANTS[name]
    assert finds(breaks, faults, first)


@pytest.mark.slow
def test_a_deploy_over_rows_of_another_fold_that_is_not_refused_is_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(applications, "check_folds", lambda *_: None)
    assert finds("I7: ", Faults())
