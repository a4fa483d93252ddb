"""minVersion: a reader waits for what it wrote, and no longer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from chalicelib.leftfold.kernel import View
from chalicelib.leftfold.projection.freshness import (
    AT_LAST,
    LONGEST_PAUSE,
    SPREAD,
    WAKE_AFTER,
    Freshness,
    NotYetError,
    ViewParkedError,
)
from chalicelib.leftfold.store.ports import ParkedStream
from tests.builders import Added, stream
from tests.projection.runners import Runners, caught_up
from tests.projection.views import buggy, parity, piles

A, B = stream("a"), stream("b")


@dataclass
class Waiting:
    """A clock that moves only while someone sleeps, and a bell that notes its wakes.

    *happening* is what happens at a time, in seconds.
    """

    site: Runners = field(default_factory=Runners)
    now: float = 0.0
    wakes: list[str] = field(default_factory=list)
    wanted: list[Mapping[str, int]] = field(default_factory=list)
    happening: dict[float, Callable[[], object]] = field(default_factory=dict)
    drawn: float = 0.0

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds
        for due in [time for time in self.happening if time <= self.now]:
            self.happening.pop(due)()

    def wake(self, function: str, wanted: Mapping[str, int] = {}, /) -> None:
        self.wakes.append(function)
        self.wanted.append(wanted)

    def wait(self, view: View, aggregate_id: str, version: int) -> float:
        """The seconds it took."""
        Freshness(
            self.site.story.log,
            self.site.checkpoints,
            self.site.parking,
            self,
            lambda: self.now,
            self.sleep,
            lambda: self.drawn,
        ).wait(view, aggregate_id, version)
        return self.now


def test_a_view_that_shows_the_version_is_fresh_at_once() -> None:
    waiting = Waiting()
    waiting.site.partitioned(piles).handle(waiting.site.story.block((A, [Added(1)])))
    assert waiting.wait(piles, A, 1) == 0
    assert waiting.wakes == []


def test_every_view_shows_version_0_of_what_does_not_exist() -> None:
    assert Waiting().wait(piles, A, 0) == 0


def test_the_wait_ends_soon_after_the_view_has_the_version() -> None:
    waiting = Waiting()
    story = waiting.site.story
    records = story.block((A, [Added(1)]))
    waiting.happening[0.3] = lambda: waiting.site.partitioned(piles).handle(records)
    assert 0.3 <= waiting.wait(piles, A, 1) < 0.5
    assert waiting.wakes == []


def test_after_a_moment_the_relay_is_rung_and_then_the_view() -> None:
    waiting = Waiting()
    story = waiting.site.story
    waiting.happening[2.0] = lambda: story.block((A, [Added(1)]))
    waiting.happening[3.0] = lambda: caught_up(waiting.site.partitioned(piles))
    assert 3.0 <= waiting.wait(piles, A, 1) < 3.3
    assert waiting.wakes == ["relay", "piles"]


def test_the_relay_is_told_which_version_is_waited_for() -> None:
    waiting = Waiting()
    waiting.happening[1.0] = lambda: waiting.site.story.block((A, [Added(1)]))
    waiting.happening[2.0] = lambda: caught_up(waiting.site.partitioned(piles))
    waiting.wait(piles, A, 1)
    assert list(zip(waiting.wakes, waiting.wanted, strict=True)) == [
        ("relay", {A: 1}),
        ("piles", {}),
    ]


def test_the_wait_ends_after_five_seconds() -> None:
    waiting = Waiting()
    with pytest.raises(NotYetError):
        waiting.wait(piles, A, 1)
    assert waiting.now == pytest.approx(5.0)
    assert waiting.wakes == ["relay"]


def test_a_busy_stream_does_not_keep_its_readers_waiting() -> None:
    waiting = Waiting()
    story = waiting.site.story
    first = story.block((A, [Added(1)]))
    for n in range(1, 40):
        waiting.happening[n / 10] = lambda: story.block((A, [Added(2)]))
    waiting.happening[1.0] = lambda: waiting.site.partitioned(piles).handle(first)
    assert waiting.wait(piles, A, 1) < 1.3


def test_a_parked_stream_is_told_at_once_even_before_its_commit_is_logged() -> None:
    waiting = Waiting()
    waiting.site.parking.park("piles", A, ParkedStream(0, 0, "because"))
    with pytest.raises(ViewParkedError) as caught:
        waiting.wait(piles, A, 5)
    assert caught.value.parked_stream == ParkedStream(0, 0, "because")
    assert waiting.now == 0


def test_a_version_from_before_what_is_parked_is_fresh() -> None:
    waiting = Waiting()
    waiting.site.story.block((B, [Added(2)]), (A, [Added(1)]), (A, [Added(13)]))
    caught_up(waiting.site.partitioned(buggy(piles)))
    assert waiting.wait(piles, A, 1) == 0
    for version in (2, 3):
        with pytest.raises(ViewParkedError):
            waiting.wait(piles, A, version)


def test_a_version_from_before_what_is_parked_is_waited_for() -> None:
    waiting = Waiting()
    story = waiting.site.story
    records = [*story.block((A, [Added(1)])), *story.block((A, [Added(13)]))]
    waiting.site.parking.park("piles", A, ParkedStream(1, 1, "because"))
    waiting.happening[1.0] = lambda: waiting.site.partitioned(piles).handle(records)
    assert 1.0 <= waiting.wait(piles, A, 1) < 1.3


def test_a_stream_that_is_parked_during_the_wait_is_told() -> None:
    waiting = Waiting()
    records = waiting.site.story.block((A, [Added(13)]))
    waiting.happening[WAKE_AFTER] = lambda: waiting.site.partitioned(buggy(piles)).handle(records)
    with pytest.raises(ViewParkedError):
        waiting.wait(piles, A, 1)


def test_a_stream_parked_in_one_view_is_fresh_in_another() -> None:
    waiting = Waiting()
    waiting.site.story.block((A, [Added(13)]), (B, [Added(2)]))
    caught_up(waiting.site.partitioned(buggy(piles)))
    assert waiting.wait(piles, B, 1) == 0
    caught_up(waiting.site.partitioned(parity))
    assert waiting.wait(parity, A, 1) == 0


def test_a_tenant_that_an_ordered_view_has_parked_is_told_and_no_other() -> None:
    waiting = Waiting()
    other, poisoned = stream("a", tenant="other"), stream("c")
    waiting.site.story.block((B, [Added(2)]), (poisoned, [Added(13)]), (other, [Added(4)]))
    waiting.site.story.block((A, [Added(1)]))
    caught_up(waiting.site.partitioned(buggy(parity)))
    assert waiting.wait(parity, other, 1) == 0
    # What was folded before the failure is shown.
    assert waiting.wait(parity, B, 1) == 0
    # The commit that failed, one behind it, and one that is not logged yet.
    for waits, version in ((poisoned, 1), (A, 1), (A, 2)):
        with pytest.raises(ViewParkedError, match="main/ is parked in parity: UnluckyError: 13"):
            waiting.wait(parity, waits, version)
    assert waiting.now == 0


def test_an_ordered_view_is_waited_for_by_its_one_checkpoint() -> None:
    waiting = Waiting()
    waiting.site.story.block((A, [Added(1)]), (B, [Added(2)]))
    waiting.happening[1.0] = lambda: caught_up(waiting.site.partitioned(parity))
    assert 1.0 <= waiting.wait(parity, B, 1) < 1.3
    assert waiting.wakes == ["parity"]


def test_a_relay_that_is_busy_with_others_is_woken_at_last_alone() -> None:
    waiting = Waiting()
    story = waiting.site.story
    for n in range(1, 50):
        waiting.happening[n / 10] = lambda: story.block((B, [Added(2)]))
    woken: list[float] = []
    waiting.wake = lambda *_: woken.append(waiting.now)  # type: ignore[method-assign]
    with pytest.raises(NotYetError):
        waiting.wait(piles, A, 1)
    assert len(woken) == 1
    assert AT_LAST <= woken[0] < AT_LAST + LONGEST_PAUSE


@pytest.mark.parametrize("drawn", [0.0, 0.25, 0.75])
def test_queries_that_wait_together_wake_a_view_one_after_the_other(drawn: float) -> None:
    waiting = Waiting(drawn=drawn)
    waiting.site.story.block((A, [Added(1)]))
    woken: list[float] = []
    waiting.wake = lambda *_: woken.append(waiting.now)  # type: ignore[method-assign]
    with pytest.raises(NotYetError):
        waiting.wait(piles, A, 1)
    assert len(woken) == 1
    assert 0 <= woken[0] - (WAKE_AFTER + SPREAD * drawn) <= LONGEST_PAUSE


def test_a_view_that_is_on_its_way_is_not_woken() -> None:
    waiting = Waiting()
    story = waiting.site.story
    blocks = [story.block((A, [Added(1)])) for _ in range(6)]
    for n, records in enumerate(blocks, 1):
        waiting.happening[n * 0.35] = lambda records=records: waiting.site.partitioned(  # type: ignore[misc]
            piles
        ).handle(records)
    assert waiting.wait(piles, A, 6) < AT_LAST
    assert waiting.wakes == []


@dataclass
class Counted:
    """A log and checkpoints whose calls are counted."""

    of: Any
    calls: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        self.calls.append(name)
        return getattr(self.of, name)


def test_a_look_at_a_view_that_is_behind_is_one_call() -> None:
    waiting = Waiting()
    waiting.site.story.block((A, [Added(1)]))
    ports = [Counted(p) for p in (waiting.site.story.log, waiting.site.checkpoints)]
    parking = Counted(waiting.site.parking)
    looks: list[float] = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        waiting.sleep(seconds)

    log, checkpoints = ports
    waits = Freshness(log, checkpoints, parking, waiting, lambda: waiting.now, sleep, lambda: 0.0)
    with pytest.raises(NotYetError):
        waits.wait(piles, A, 1)
    calls = [name for port in (*ports, parking) for name in port.calls]
    # The first look asks registry and parked streams besides.
    assert len(calls) == len(looks) + 3
    assert len(looks) < 30
