"""No history breaks a law, and every safeguard that is taken away is missed."""

import pytest

from tests.simulation.history import history
from tests.simulation.mutants import MUTANTS

HISTORIES, CHUNKS = 200, 8
# Each mutant is found long before.
SEEDS_FOR_A_MUTANT = 400


@pytest.mark.parametrize("first", range(1, CHUNKS + 1))
def test_no_history_breaks_a_law(first: int, share: float) -> None:
    seeds = range(first, round(HISTORIES * share) + 1, CHUNKS)
    assert seeds
    broken = {report.seed: report.broken for report in map(history, seeds) if report.broken}
    again = "python -m tests.simulation --count 1 --first SEED"
    assert broken == {}, f"run one again: {again}"


def test_a_seed_decides_its_history() -> None:
    assert history(7) == history(7)


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_a_safeguard_that_is_taken_away_is_missed(name: str) -> None:
    mutant = MUTANTS[name]
    with mutant.planted() as parts:
        assert any(
            broken.startswith(mutant.breaks)
            for seed in range(mutant.first, mutant.first + SEEDS_FOR_A_MUTANT)
            for broken in history(seed, parts).broken
        )
