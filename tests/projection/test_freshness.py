"""minVersion: a reader waits for what it wrote, and no longer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest

from chalicelib.leftfold.kernel import View
from chalicelib.leftfold.projection.freshness import (
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
    caught_up(waiting.site.ordered(parity))
    assert waiting.wait(parity, A, 1) == 0


def test_an_ordered_view_is_waited_for_by_its_one_checkpoint() -> None:
    waiting = Waiting()
    waiting.site.story.block((A, [Added(1)]), (B, [Added(2)]))
    waiting.happening[1.0] = lambda: caught_up(waiting.site.ordered(parity))
    assert 1.0 <= waiting.wait(parity, B, 1) < 1.3
    assert waiting.wakes == ["parity"]
