"""A tenant has so many seats, and what takes one leaves it. Who dies on one: tests/simulation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest

from chalicelib.leftfold.access.callers import TooManyRequestsError
from chalicelib.leftfold.access.seating import AGAIN, LONGEST, Seating
from chalicelib.leftfold.store.memory import MemorySeats
from chalicelib.leftfold.store.ports import Unavailable
from tests.clock import Clock

MOST = 3


@dataclass
class Asked(MemorySeats):
    """Seats that know how often they were asked, and may be down."""

    asked: list[str] = field(default_factory=list)
    down: bool = False
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        super().__init__()
        self._ids = count()

    def take(self, *given: Any) -> Mapping[int, int] | None:
        self.called("take")
        return super().take(*given)

    def leave(self, *given: Any) -> None:
        self.called("leave")
        super().leave(*given)

    def called(self, name: str) -> None:
        self.asked.append(name)
        if self.down:
            raise Unavailable("down")

    def process(self, most: int = MOST) -> Seating:
        return Seating(self, "feed", most, self.clock, self.new_id)

    def new_id(self) -> str:
        return f"{next(self._ids):036}"


def test_a_seat_costs_two_calls_and_a_refusal_one() -> None:
    seats = Asked()
    with seats.process(1).seat("a"):
        assert seats.asked == ["take"]
        with pytest.raises(TooManyRequestsError) as refused, seats.process(1).seat("a"):
            pass
        assert seats.asked == ["take", "take"]
    assert seats.asked == ["take", "take", "leave"]
    assert refused.value.wait == AGAIN


def test_a_seat_that_is_taken_leads_to_a_free_one_at_the_next_call() -> None:
    seats, most = Asked(), 10
    entered = [seats.process(most).seat("a") for _ in range(most)]
    for seat in entered:
        seat.__enter__()
    assert most <= len(seats.asked) < 2 * most


def test_a_request_that_fails_leaves_its_seat() -> None:
    seats = Asked()
    with pytest.raises(LookupError), seats.process(1).seat("a"):
        raise LookupError
    with seats.process(1).seat("a"):
        assert seats.asked == ["take", "leave", "take"]


def test_without_a_bound_nobody_asks() -> None:
    seats = Asked()
    with seats.process(0).seat("a"):
        assert seats.asked == []


def test_while_the_storage_does_not_answer_everybody_is_let_in() -> None:
    seats = Asked(down=True)
    process = seats.process(1)
    with process.seat("a"), process.seat("a"):
        assert seats.asked == ["take", "take"]
    assert seats.asked == ["take", "take"]


def test_a_seat_that_cannot_be_left_is_free_when_its_time_is_over() -> None:
    seats = Asked()
    with seats.process(1).seat("a"):
        seats.down = True
    seats.down = False
    with pytest.raises(TooManyRequestsError), seats.process(1).seat("a"):
        pass
    seats.clock.forward(milliseconds=LONGEST + 1)
    with seats.process(1).seat("a"):
        pass
