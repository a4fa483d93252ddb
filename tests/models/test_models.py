"""Each protocol keeps its invariants, and each rule left out is noticed."""

from __future__ import annotations

import pytest

from .cases import HOLDS, SUITE, Case, verdict
from .checker import StateLimitError, check

HELD = [case for case in SUITE if case.verdict == HOLDS]
CAUGHT = [case for case in SUITE if case.verdict != HOLDS]


def _sentence(case: Case) -> str:
    name = type(case.model).__name__.lower()
    return f"{name}: {case.sentence} -> {case.verdict}"


@pytest.mark.parametrize("case", HELD, ids=_sentence)
def test_no_state_breaks_an_invariant_and_completion_stays_reachable(case: Case) -> None:
    result = case.model.check()
    assert result.violation is None
    assert result.can_always_complete, result.stuck
    assert result.states >= case.least > 0


@pytest.mark.parametrize("case", CAUGHT, ids=_sentence)
def test_a_rule_left_out_is_caught(case: Case) -> None:
    result = case.model.check()
    assert verdict(result) == case.verdict
    assert result.violation.trace if result.violation else result.stuck


def _counting(number: int) -> list[tuple[str, int]]:
    return [("add one", number + 1), ("double", number * 2)]


def _trap(number: int) -> list[tuple[str, int]]:
    return {0: [("on", 1), ("into the trap", 3)], 1: [("on", 2)]}.get(number, [])


def test_the_checker_finds_a_shortest_run_to_a_violation() -> None:
    result = check(0, _counting, lambda n: "six" if n == 6 else None, lambda _: True)
    assert result.violation is not None
    assert result.violation == ("six", ("add one", "add one", "add one", "double"))


def test_the_checker_finds_a_state_that_cannot_complete() -> None:
    result = check(0, _trap, lambda _: None, lambda n: n == 2)
    assert (result.states, result.can_always_complete) == (4, False)
    assert result.stuck == ("into the trap",)


def test_the_checker_stops_at_its_limit() -> None:
    with pytest.raises(StateLimitError):
        check(0, lambda n: [("up", n + 1)], lambda _: None, lambda _: True, limit=100)
