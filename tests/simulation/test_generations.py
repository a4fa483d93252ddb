"""Streams move between generations under every fault, and no law breaks; each rule left out is missed."""

import pytest

from tests.simulation.generation_mutants import MUTANTS
from tests.simulation.generations import moved

HISTORIES, CHUNKS = 24, 4
# Each mutant is found long before.
SEEDS_FOR_A_MUTANT = 400


@pytest.mark.parametrize("first", range(1, CHUNKS + 1))
def test_no_history_of_two_generations_breaks_a_law(first: int, share: float) -> None:
    seeds = range(first, max(first, round(HISTORIES * share)) + 1, CHUNKS)
    broken = {report.seed: report.broken for report in map(moved, seeds) if report.broken}
    again = "python -m tests.simulation --generations --count 1 --first SEED"
    assert broken == {}, f"run one again: {again}"


def test_no_history_of_two_generations_with_several_logs_breaks_a_law(share: float) -> None:
    seeds = range(1, max(1, round(HISTORIES * share / 2)) + 1)
    reports = [moved(seed, has_several_logs=True) for seed in seeds]
    broken = {report.seed: report.broken for report in reports if report.broken}
    again = "python -m tests.simulation --generations --logs --count 1 --first SEED"
    assert broken == {}, f"run one again: {again}"


def test_a_seed_decides_its_history_of_two_generations() -> None:
    assert moved(8) == moved(8)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, mutant in MUTANTS.items() if not mutant.rare])
def test_a_rule_of_generations_that_is_left_out_is_missed(name: str) -> None:
    mutant = MUTANTS[name]
    with mutant.planted() as rules:
        assert any(
            broken.startswith(mutant.breaks)
            for seed in range(mutant.first, mutant.first + SEEDS_FOR_A_MUTANT)
            for broken in moved(seed, rules, has_several_logs=mutant.has_several_logs).broken
        )
