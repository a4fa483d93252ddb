"""No history of forgetting breaks a law, and each rule that is left out is missed."""

import pytest

from tests.simulation.forgetting import forgetting
from tests.simulation.forgetting_mutants import MUTANTS

HISTORIES, CHUNKS = 12, 2
# Each mutant is found long before.
SEEDS_FOR_A_MUTANT = 100


@pytest.mark.parametrize("first", range(1, CHUNKS + 1))
def test_no_history_of_forgetting_breaks_a_law(first: int, share: float) -> None:
    seeds = range(first, max(first, round(HISTORIES * share)) + 1, CHUNKS)
    broken = {report.seed: report.broken for report in map(forgetting, seeds) if report.broken}
    again = "python -m tests.simulation --forgetting --count 1 --first SEED"
    assert broken == {}, f"run one again: {again}"


@pytest.mark.slow
def test_a_seed_decides_its_history_of_forgetting() -> None:
    assert forgetting(2) == forgetting(2)


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_a_rule_of_forgetting_that_is_left_out_is_missed(name: str) -> None:
    mutant = MUTANTS[name]
    with mutant.planted():
        assert any(
            broken.startswith(mutant.breaks)
            for seed in range(mutant.first, mutant.first + SEEDS_FOR_A_MUTANT)
            for broken in forgetting(seed).broken
        )
