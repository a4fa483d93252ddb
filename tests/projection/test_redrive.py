"""Redriving: a parked stream goes on without loss, whoever else is at work."""

from contextlib import suppress

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from chalicelib.leftfold.kernel import View
from chalicelib.leftfold.projection.fold import PoisonError
from chalicelib.leftfold.projection.partitioned import PartitionedRunner
from chalicelib.leftfold.store.ports import Unavailable
from tests.builders import Added, stream
from tests.projection.runners import CrashError, Interruption, Runners, caught_up, crash
from tests.projection.stories import deliveries, histories, log_of
from tests.projection.test_partitioned import BOTH, HISTORY, interruptions
from tests.projection.views import buggy, piles

A, B = stream("a"), stream("b")


def parked_site(view: View, blocks: int = 4) -> Runners:
    site = Runners(log_of(HISTORY[:blocks]))
    site.partitioned(buggy(view)).handle(site.story.records)
    assert [parked[1] for parked in site.parking.all()] == [A]
    return site


@BOTH
def test_after_the_fix_a_redrive_brings_the_rows_of_a_replay(view: View) -> None:
    site = parked_site(view)
    site.partitioned(view).redrive(A)
    assert site.differences(view) == []
    assert list(site.parking.all()) == []


@BOTH
def test_after_a_redrive_the_stream_flows_again(view: View) -> None:
    site = parked_site(view)
    site.partitioned(view).redrive(A)
    site.partitioned(view).handle(site.story.block((A, [Added(1)])))
    assert site.differences(view) == []


def test_a_stream_that_is_not_parked_is_left_alone() -> None:
    site = parked_site(piles)
    before = list(site.rows.scan())
    site.partitioned(piles).redrive(B)
    assert list(site.rows.scan()) == before


def test_without_a_fix_the_stream_stays_parked() -> None:
    site = parked_site(piles)
    parked = list(site.parking.all())
    with pytest.raises(PoisonError) as caught:
        site.partitioned(buggy(piles)).redrive(A)
    assert caught.value.position == 6
    assert list(site.parking.all()) == parked


def test_a_log_that_is_not_readable_keeps_the_stream_parked() -> None:
    site = parked_site(piles)
    del site.story.log._links[3]
    with pytest.raises(Unavailable):
        site.partitioned(piles).redrive(A)
    assert [parked[1] for parked in site.parking.all()] == [A]


@BOTH
def test_a_redrive_that_dies_at_any_call_can_be_repeated(view: View) -> None:
    crashes = 0
    for interruption in interruptions(crash):
        site = parked_site(view)
        try:
            site.partitioned(view, interruption).redrive(A)
        except CrashError:
            crashes += 1
        site.partitioned(view).redrive(A)
        assert site.differences(view) == []
        assert list(site.parking.all()) == []
    assert crashes > 8


@BOTH
def test_a_function_that_dies_while_it_parks_loses_nothing(view: View) -> None:
    crashes = 0
    for interruption in interruptions(crash):
        site = Runners(log_of(HISTORY))
        records = site.story.records
        try:
            site.partitioned(buggy(view), interruption).handle(records[:6])
            site.partitioned(buggy(view), interruption).handle(records)
        except CrashError:
            crashes += 1
        site.partitioned(buggy(view)).handle(records)
        site.partitioned(view).redrive(A)
        assert site.differences(view) == []
    assert crashes > 20


@BOTH
def test_a_function_that_dies_while_another_parks_loses_nothing(view: View) -> None:
    story = log_of(HISTORY)
    died = 0
    for at in range(1, 12):
        for death in range(1, 20):
            site = Runners(story)
            dying = site.partitioned(buggy(view), Interruption(death, crash))

            def other(dying: PartitionedRunner = dying) -> None:
                with suppress(CrashError):
                    dying.handle([r for r in story.records if r.last_position < 8])

            interruption = Interruption(at, other)
            site.partitioned(buggy(view), interruption).handle(story.records)
            site.partitioned(view).redrive(A)
            assert site.differences(view) == []
            died += interruption.happened
    assert died > 60


@BOTH
@pytest.mark.parametrize("fixed", [True, False], ids=["new code", "old code"])
def test_a_runner_between_any_two_calls_of_a_redrive_loses_nothing(
    view: View, *, fixed: bool
) -> None:
    happened = 0
    for at in range(1, 40):
        site = parked_site(view, blocks=3)
        last = site.story.block(*HISTORY[3])
        running = view if fixed else buggy(view)
        act = lambda: site.partitioned(running).handle(last)  # noqa: B023, E731
        interruption = Interruption(at, act)
        site.partitioned(view, interruption).redrive(A)
        happened += interruption.happened
        site.partitioned(view).handle(last)
        site.partitioned(view).redrive(A)
        assert site.differences(view) == []
    assert happened > 4


@BOTH
@pytest.mark.parametrize("fixed", [True, False], ids=["new code", "old code"])
def test_a_redrive_between_any_two_calls_of_a_runner_loses_nothing(
    view: View, *, fixed: bool
) -> None:
    happened = 0
    for at in range(1, 60):
        site = parked_site(view, blocks=3)
        last = site.story.block(*HISTORY[3])
        act = lambda: site.partitioned(view).redrive(A)  # noqa: B023, E731
        interruption = Interruption(at, act)
        site.partitioned(view if fixed else buggy(view), interruption).handle(last)
        happened += interruption.happened
        site.partitioned(view).redrive(A)
        assert site.differences(view) == []
        assert list(site.parking.all()) == []
    assert happened > 6


@BOTH
@for_all(st.data())
def test_old_and_new_code_and_redrives_in_any_order_end_in_the_rows_of_a_replay(
    view: View, data: st.DataObject
) -> None:
    site = Runners(log_of(data.draw(histories)))
    for batch in data.draw(deliveries(site.story.records)):
        running = data.draw(st.sampled_from([view, buggy(view)]))
        site.partitioned(running).handle(batch)
        for _, parked, _ in site.parking.all():
            if data.draw(st.booleans()):
                site.partitioned(view).redrive(parked)
    caught_up(site.partitioned(buggy(view)))
    for _, parked, _ in site.parking.all():
        site.partitioned(view).redrive(parked)
    assert site.differences(view) == []
    assert list(site.parking.all()) == []


@BOTH
@for_all(st.data())
def test_a_live_view_that_fails_has_the_rows_of_a_replay_that_fails(
    view: View, data: st.DataObject
) -> None:
    site = Runners(log_of(data.draw(histories)))
    for batch in data.draw(deliveries(site.story.records)):
        site.partitioned(buggy(view)).handle(batch)
    caught_up(site.partitioned(buggy(view)))
    assert site.differences(buggy(view)) == []
