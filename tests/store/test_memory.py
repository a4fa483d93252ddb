"""The adapters in memory are atomic among threads: each call, whatever interrupts it."""

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from threading import Barrier, Thread
from typing import Any

import pytest

from chalicelib.leftfold.kernel import Email
from chalicelib.leftfold.policies.mailing import MemoryMailer
from chalicelib.leftfold.projection.memory import MemoryRows
from chalicelib.leftfold.projection.rows import NEVER, Save
from chalicelib.leftfold.store.blocks import seal
from chalicelib.leftfold.store.memory import (
    MemoryArchive,
    MemoryCheckpoints,
    MemoryEffects,
    MemoryEvents,
    MemoryLog,
    MemoryParking,
)
from chalicelib.leftfold.store.ports import EffectKey, Head, ParkedStream, Segment, StreamEntry
from tests.commits import commit

ROUNDS = 2_000
A = "main/account-a"
BLOCK, NEXT = seal(Head(), [commit(A, 1)])


@pytest.fixture(autouse=True)
def _switching() -> Iterator[None]:
    """Threads take turns after every few instructions."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def race(make: Callable[[], Any], attempt: Callable[[Any, int], bool]) -> list[int]:
    """How many of two attempts on one adapter won, in each of so many rounds."""
    adapters = [make() for _ in range(ROUNDS)]
    won: tuple[list[bool], list[bool]] = ([], [])
    start = Barrier(2)

    def run(side: int) -> None:
        for adapter in adapters:
            start.wait()
            won[side].append(attempt(adapter, side))

    threads = [Thread(target=run, args=(side,)) for side in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [sum(pair) for pair in zip(*won, strict=True)]


def append(events: MemoryEvents, side: int) -> bool:
    return events.append(commit(A, 1, command_id=f"c{side}")) is None


def log(stored: MemoryLog, side: int) -> bool:
    head = NEXT._replace(hash=f"{side}")
    return stored.append(BLOCK, Head(), head, {A: (StreamEntry(), StreamEntry(2, 0))})


def add_segment(stored: MemoryLog, side: int) -> bool:
    return stored.add_segment(Segment(0, 1, f"{side}", "", "", ""))


def archived() -> MemoryLog:
    stored = MemoryLog()
    assert log(stored, 0)
    return stored


def park(stored: MemoryParking, side: int) -> bool:
    return stored.park("view", A, ParkedStream(side, side, ""))


def parked() -> MemoryParking:
    stored = MemoryParking()
    assert park(stored, 0)
    return stored


def release(stored: MemoryParking, _side: int) -> bool:
    return stored.release("view", A, 0)


def effects() -> MemoryEffects:
    return MemoryEffects(lambda: datetime(2026, 1, 1, tzinfo=UTC))


def plan(stored: MemoryEffects, side: int) -> bool:
    return stored.plan(
        EffectKey("p", "main/errand-e", 1, 0, "n"), {"side": side}, f"owner-{side}"
    ).mine


def save(rows: MemoryRows, side: int) -> bool:
    return rows.save([Save("key", {"side": side}, side, NEVER)]) == set()


def send(mailer: MemoryMailer, _side: int) -> bool:
    return mailer.send(Email("n", "a@example.org", "s", "t")) == "sent: 1"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "attempt"),
    [
        (MemoryEvents, append),
        (MemoryLog, log),
        (MemoryLog, add_segment),
        (archived, lambda stored, _: stored.mark_archived(A, 0, 1)),
        (MemoryCheckpoints, lambda stored, side: stored.move("view", 0, -1, side)),
        (MemoryParking, park),
        (parked, release),
        (effects, plan),
        (MemoryRows, save),
        (MemoryMailer, send),
        (MemoryArchive, lambda stored, side: stored.put("key", bytes([side]))),
    ],
)
def test_of_two_that_race_exactly_one_wins(
    make: Callable[[], Any], attempt: Callable[[Any, int], bool]
) -> None:
    assert set(race(make, attempt)) == {1}
