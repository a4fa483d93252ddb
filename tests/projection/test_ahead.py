"""A row that is folded ahead of its view is the row that the view will have."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from typing import Any

import pytest

from chalicelib.leftfold.kernel import Row, View
from chalicelib.leftfold.kernel.repair import NO_REPAIRS
from chalicelib.leftfold.projection import ahead
from chalicelib.leftfold.projection.ahead import Ahead
from chalicelib.leftfold.projection.rows import StoredRow
from chalicelib.leftfold.store.memory import MemoryEvents
from chalicelib.leftfold.store.ports import ParkedStream
from chalicelib.leftfold.subjects.opening import CLOSED
from tests.builders import Added, Removed, stream
from tests.faults import Counting
from tests.projection.runners import NEVER, Interruption, Runners, caught_up
from tests.projection.stories import Block, log_of
from tests.projection.views import additions, buggy, parity, piles

A, B, C = stream("a"), stream("b"), stream("c")
HISTORY: list[Block] = [
    [(A, [Added(1)]), (B, [Added(2)]), (A, [Added(3)])],
    [(C, [Added(4)]), (A, [Added(5), Added(6)])],
    [(B, [Removed()]), (A, [Added(13)]), (C, [Added(8)])],
    [(A, [Added(9)]), (B, [Added(10)]), (A, [Added(11)])],
]
owned = replace(piles, personal=True)
followed = replace(owned, fed="log")
KINDS = pytest.mark.parametrize("view", [owned, followed], ids=["by lane", "by log"])


@dataclass
class World:
    """A history of which all commits are written, some are logged, and the view has taken some."""

    view: View
    site: Runners = field(default_factory=Runners)
    events: MemoryEvents = field(default_factory=MemoryEvents)

    def __post_init__(self) -> None:
        for block in log_of(HISTORY).blocks:
            for commit in block.commits:
                self.events.append(commit)

    def log_next(self) -> None:
        """Logs one block more, if there is one."""
        logged = len(self.site.story.blocks)
        if logged < len(HISTORY):
            self.site.story.block(*HISTORY[logged])

    def take(self, view: View | None = None) -> None:
        """Lets the view take all that is logged."""
        caught_up(self.site.partitioned(view or self.view))

    def log_and_take(self) -> None:
        self.log_next()
        self.take()

    def log_all_and_take(self, view: View | None = None) -> None:
        for _ in HISTORY:
            self.log_next()
        self.take(view)

    def log_all_and_park(self) -> None:
        """A is parked, by a release of the view that fails on one of its commits."""
        self.log_all_and_take(buggy(self.view))

    def ahead(self, interruption: Interruption = NEVER) -> Ahead:
        around = interruption.around
        return Ahead(
            self.view,
            around(self.site.rows),
            around(self.site.story.log),
            around(self.events),
            around(self.site.checkpoints),
            around(self.site.parking),
            CLOSED,
            NO_REPAIRS,
        )


def states() -> dict[str, list[Row | None]]:
    """Each stream's row after each of its versions; the first is that of no version."""
    made: dict[str, list[Row | None]] = {A: [None], B: [None], C: [None]}
    for block in HISTORY:
        for stream_, events in block:
            former = made[stream_][-1]
            version = len(made[stream_])
            for event in events:
                amounts = former["amounts"] if former else []
                former = (
                    None
                    if isinstance(event, Removed)
                    else {"amounts": [*amounts, event.amount], "version": version}
                )
            made[stream_].append(former)
    return made


STATES = states()


def worlds(view: View) -> Iterator[tuple[World, int, int]]:
    """One with each number of blocks logged, and each of those taken by the view."""
    for logged in range(len(HISTORY) + 1):
        for taken in range(logged + 1):
            world = World(view)
            for _ in range(taken):
                world.log_next()
            world.take()
            for _ in range(taken, logged):
                world.log_next()
            yield world, logged, taken


def versions() -> Iterator[tuple[str, int]]:
    return ((key, version) for key, rows in STATES.items() for version in range(1, len(rows)))


@KINDS
def test_a_version_is_shown_wherever_it_is_on_its_way(view: View) -> None:
    for world, _, _ in worlds(view):
        for key, version in versions():
            found = world.ahead().row(key, version)
            assert found is not None
            assert found.row in STATES[key][version:]


def test_whatever_view_and_relay_do_meanwhile_the_row_is_right_or_left_to_the_view() -> None:
    acts: list[Callable[[World], None]] = [
        World.log_next,
        World.take,
        World.log_and_take,
        World.log_all_and_take,
        World.log_all_and_park,
    ]
    told = 0
    for act, at in product(acts, range(1, 8)):
        for world, _, _ in worlds(owned):
            for (key, version), after in zip(((A, 6), (B, 2)), (True, False), strict=True):
                met = Interruption(at, partial(act, world), after=after)
                found = world.ahead(met).row(key, version)
                if found is not None:
                    told += 1
                    assert found.row in STATES[key][version:]
    assert told > 300


def test_a_view_that_sees_positions_waits_for_the_log_alone() -> None:
    for world, logged, _ in worlds(piles):
        for key, version in versions():
            found = world.ahead().row(key, version)
            in_log = [c for b in HISTORY[:logged] for c in b if c[0] == key]
            assert (found is not None) == (version <= len(in_log))
            assert found is None or found.row in STATES[key][version:]


def test_nothing_is_written() -> None:
    world = World(owned)
    world.log_next()
    world.take()
    world.log_next()
    ports = {
        name: Counting(getattr(world.ahead(), name))
        for name in ("rows", "log", "events", "checkpoints", "parking")
    }
    changed: dict[str, Any] = dict(ports)
    assert replace(world.ahead(), **changed).row(A, 5) is not None
    assert {name: dict(port.calls) for name, port in ports.items()} == {
        "rows": {"load": 1},
        "log": {"streams": 1, "blocks": 1},
        "events": {"range": 1},
        "checkpoints": {"read": 1},
        "parking": {"find": 1},
    }


def test_a_row_that_the_view_has_costs_no_block() -> None:
    world = World(owned)
    world.log_next()
    world.take()
    log, events = Counting(world.site.story.log), Counting(world.events)
    asked = replace(world.ahead(), log=log, events=events)
    assert asked.row(A, 2) == StoredRow({"amounts": [1, 3], "version": 2}, 2, 0)
    assert dict(log.calls) == {"streams": 1}
    assert not events.calls


def test_a_version_that_nobody_has_written_is_left_to_the_wait() -> None:
    for world, _, _ in worlds(owned):
        assert world.ahead().row(A, 7) is None
        assert world.ahead().row(stream("nobody"), 1) is None


@KINDS
def test_a_parked_stream_is_left_to_the_wait_and_a_redrive_meanwhile_harms_nothing(
    view: View,
) -> None:
    def parked() -> World:
        world = World(view)
        world.log_all_and_park()
        return world

    assert parked().ahead().row(A, 1) is None
    for at, after in product(range(1, 9), (False, True)):
        world = parked()
        met = Interruption(at, partial(world.site.partitioned(view).redrive, A), after=after)
        found = world.ahead(met).row(A, 6)
        assert found is None or found.row == STATES[A][6]


def test_a_commit_on_which_the_view_fails_is_left_to_the_view() -> None:
    world = World(buggy(owned))
    for _ in HISTORY:
        assert world.ahead().row(A, 4) is None
        world.log_next()
    found = world.ahead().row(A, 3)
    # The registry names the stream's last commit alone, and the one that fails is before it.
    assert found is None


def test_an_ordered_view_is_waited_for() -> None:
    world = World(parity)
    world.log_all_and_take()
    assert world.ahead().row(A, 1) is None


def test_a_view_that_is_too_far_behind_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "BLOCKS", 2)
    found = [world.ahead().row(A, 6) is not None for world, _, _ in worlds(owned)]
    near = [
        # Where A's last logged commit is, from the first block that the view has not taken.
        max(logged - taken, 0) <= 2
        for _, logged, taken in worlds(owned)
    ]
    assert found == near
    assert not all(found)


def test_a_row_that_keeps_nothing_of_its_former_content_is_made_of_the_event() -> None:
    view = replace(additions, keys=lambda recorded: (recorded.aggregate_id,), personal=True)
    world = World(replace(view, fold=lambda _row, recorded, _key: {"version": recorded.version}))
    world.log_next()
    world.take()
    assert world.ahead().row(A, 6) == StoredRow({"version": 6}, 6)


def test_a_stream_that_was_parked_before_the_view_came_there_is_told_by_the_wait() -> None:
    world = World(owned)
    world.site.parking.park("piles", A, ParkedStream(0, 0, "because"))
    assert world.ahead().row(A, 1) is None
