"""A tenant has so many seats and no more, and takes none of another; a seat is never lost for long.

The real code runs in a seeded simulation: its processes die, answers are lost, clocks differ. Mutants
show that the laws are not idle.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any
from unittest.mock import patch

import pytest

from chalicelib.leftfold.access import seating
from chalicelib.leftfold.access.callers import TooManyRequestsError
from chalicelib.leftfold.access.seating import AGAIN, LONGEST, Seating
from chalicelib.leftfold.store.memory import MemorySeats
from chalicelib.leftfold.store.ports import Seats
from tests.simulation.scheduler import Chances, Crash, Scheduler

MOST = 3
# Seconds: Lambda ends a request of the feed, and clocks differ by less than the rest of `LONGEST`.
ENDED, SKEW = 29.0, 15.0


class Retrying:
    """Seats behind a client that sends a call again until it has an answer, as each process has one."""

    def __init__(self, seats: Seats, scheduler: Scheduler) -> None:
        self._seats = seats
        self._scheduler = scheduler

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._seats, name)

        def call(*given: Any) -> Any:
            while True:
                self._scheduler.travel()
                answer = method(*given)
                self._scheduler.travel()
                if not self._scheduler.strikes("fail_after"):
                    return answer

        return call


@dataclass
class Hall:
    """A noisy tenant sends more than it may, and its processes die; a quiet one has as many as it may."""

    seed: int
    seats: MemorySeats = field(default_factory=MemorySeats)
    made: type[Seating] = Seating
    inside: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    served: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        chances = Chances(crash=0.02, fail_after=0.1)
        self.scheduler = Scheduler(self.random, chances, longest=ENDED)

    def play(self) -> "Hall":
        for number in range(60):
            after = self.random.uniform(0, 120)
            self.scheduler.spawn(f"{number}", lambda: self.serve("noisy"), after=after)
        for _ in range(MOST):
            self.scheduler.spawn("quiet", self.go_on, mortal=False)
        self.scheduler.run(100_000)
        # When everything has ended, no seat is lost.
        self.scheduler.now += LONGEST / 1_000 + 2 * SKEW + 1
        for _ in range(MOST):
            self.scheduler.spawn("last", lambda: self.serve("noisy", last=True), mortal=False)
        self.scheduler.run(100_000)
        return self

    def go_on(self) -> None:
        for _ in range(15):
            self.serve("quiet")

    def serve(self, tenant: str, *, last: bool = False) -> None:
        """A request, in a process with a clock of its own."""
        skew = self.random.uniform(-SKEW, SKEW)
        process = self.made(
            Retrying(self.seats, self.scheduler),
            "feed",
            MOST,
            lambda: datetime.fromtimestamp(1e9 + self.scheduler.now + skew, UTC),
            lambda: f"{self.random.getrandbits(128):032x}",
        )
        try:
            with process.seat(tenant):
                self.wait(tenant)
        except TooManyRequestsError:
            self.refused[tenant] += 1
            if tenant == "quiet" or last:
                self.broken.append(f"a request of {tenant} was refused, though it had seats")

    def wait(self, tenant: str) -> None:
        self.inside[tenant] += 1
        if self.inside[tenant] > MOST:
            self.broken.append(f"{self.inside[tenant]} requests of {tenant} at a time")
        try:
            self.scheduler.sleep(self.random.uniform(0, 20))
            self.served[tenant] += 1
        except Crash:
            # Where a process dies, its seat is not left.
            self.inside[tenant] -= 1
            raise
        self.inside[tenant] -= 1


SEEDS = range(1, 13)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_more_than_so_many_wait_and_a_tenant_within_its_bound_is_never_refused(
    seed: int,
) -> None:
    hall = Hall(seed).play()
    assert hall.broken == []
    assert hall.refused["noisy"] > 5
    assert hall.served["quiet"] == 15 * MOST


class Unconditional(MemorySeats):
    """Gives a seat whoever has it."""

    def take(self, *given: Any) -> Mapping[int, int] | None:
        room, seat, *_ = given
        self._taken.get(room, {}).pop(seat, None)
        return super().take(*given)


class Anybodys(MemorySeats):
    """Frees a seat whoever has it."""

    def leave(self, *given: Any) -> None:
        room, seat, _ = given
        self._taken.get(room, {}).pop(seat, None)


class Endless(MemorySeats):
    """Gives a seat for ever."""

    def take(self, *given: Any) -> Mapping[int, int] | None:
        room, seat, holder, now, until = given
        return super().take(room, seat, holder, now, 2 * until)


class Forgetful(MemorySeats):
    """Does not know a holder whose answer was lost."""

    def take(self, *given: Any) -> Mapping[int, int] | None:
        room, seat, holder, now, until = given
        known, end = self._taken.get(room, {}).get(seat, ("", 0))
        other = f"not {holder}" if known == holder and end >= now else holder
        return super().take(room, seat, other, now, until)


class OneRoom(MemorySeats):
    """Has one room for all tenants."""

    def take(self, *given: Any) -> Mapping[int, int] | None:
        return super().take("", *given[1:])

    def leave(self, *given: Any) -> None:
        super().leave("", *given[1:])


class Hasty(Seating):
    """Refuses at the first seat that is taken."""

    def _taken(self, room: str, holder: str) -> int | None:
        seat = int(holder, 16) % self._most
        now = int(self._clock().timestamp() * 1_000)
        if self._seats.take(room, seat, holder, now, now + LONGEST) is not None:
            raise TooManyRequestsError(AGAIN)
        return seat


class Staying(Seating):
    """Does not leave."""

    def _leave(self, room: str, seat: int, holder: str) -> None:
        pass


MUTANTS: dict[str, dict[str, Any]] = {
    **{kind.__name__: {"seats": kind} for kind in (Unconditional, Anybodys, Endless, Forgetful)},
    **{kind.__name__: {"seats": kind} for kind in (OneRoom,)},
    **{kind.__name__: {"made": kind} for kind in (Hasty, Staying)},
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_breaks_a_law(name: str) -> None:
    mutant = {part: kind() if part == "seats" else kind for part, kind in MUTANTS[name].items()}
    assert any(Hall(seed, **mutant).play().broken for seed in SEEDS)


def test_a_seat_that_is_free_before_a_request_can_have_ended_breaks_a_law() -> None:
    with patch.object(seating, "LONGEST", 15_000):
        assert any(Hall(seed).play().broken for seed in SEEDS)
