"""A tenant that sends too much is told to wait, and nobody else is."""

from dataclasses import dataclass, field

import pytest

from chalicelib.leftfold.access.callers import TooManyRequestsError
from chalicelib.leftfold.access.fairness import REPORTED_AT_ONCE, WINDOW, Fairness
from chalicelib.leftfold.store.memory import MemoryRequestCounts
from chalicelib.leftfold.store.ports import Unavailable
from tests.clock import Clock

RATE = 20


@dataclass
class Counted(MemoryRequestCounts):
    """Counts that know how often they were asked, and may be down."""

    asked: int = 0
    down: bool = False
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        super().__init__()

    def add(self, tenant: str, window: int, count: int) -> int:
        self.asked += 1
        if self.down:
            raise Unavailable("down")
        return super().add(tenant, window, count)

    def process(self, rate: int = RATE) -> Fairness:
        return Fairness(self, rate, self.clock)


def admitted(process: Fairness, tenant: str, requests: int) -> int:
    """How many of so many requests at one time are admitted."""
    count = 0
    for _ in range(requests):
        try:
            process.admit(tenant)
            count += 1
        except TooManyRequestsError:
            pass
    return count


def test_a_tenant_has_its_share_of_each_window() -> None:
    counts = Counted()
    process = counts.process()
    assert admitted(process, "a", 1_000) == RATE * WINDOW
    counts.clock.forward(seconds=WINDOW)
    assert admitted(process, "a", 1_000) == RATE * WINDOW


def test_a_tenant_that_sends_too_much_takes_nothing_from_another() -> None:
    process = Counted().process()
    admitted(process, "a", 1_000)
    assert admitted(process, "b", 100) == 100


def test_all_processes_count_together() -> None:
    counts = Counted()
    processes = [counts.process() for _ in range(10)]
    count = sum(admitted(process, "a", 1) for _ in range(200) for process in processes)
    assert RATE * WINDOW <= count <= RATE * WINDOW + 10 * REPORTED_AT_ONCE


def test_a_count_costs_one_call_for_many_requests_and_none_for_few() -> None:
    counts = Counted()
    admitted(counts.process(), "a", REPORTED_AT_ONCE - 1)
    assert counts.asked == 0
    admitted(counts.process(10**6), "a", 4 * REPORTED_AT_ONCE)
    assert counts.asked == 4


def test_who_has_had_its_share_is_told_when_the_next_begins() -> None:
    counts = Counted()
    process = counts.process()
    counts.clock.forward(seconds=WINDOW / 2)
    admitted(process, "a", 1_000)
    asked = counts.asked
    with pytest.raises(TooManyRequestsError) as refused:
        process.admit("a")
    assert (refused.value.wait, counts.asked) == (WINDOW / 2, asked)


def test_while_nobody_counts_everybody_is_admitted() -> None:
    assert admitted(Counted(down=True).process(), "a", 1_000) == 1_000


def test_without_a_limit_nobody_counts() -> None:
    counts = Counted()
    assert (admitted(counts.process(0), "a", 1_000), counts.asked) == (1_000, 0)


def test_a_process_keeps_few_counts_whatever_tenants_there_are() -> None:
    process = Counted().process()
    for number in range(3_000):
        process.admit(f"t{number}")
    assert len(process._known) <= 1_000
