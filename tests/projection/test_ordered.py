"""Ordered views: by position, by any number of functions, whole or not at all."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from chalicelib.leftfold.kernel import Recorded, Row
from chalicelib.leftfold.projection import runner
from chalicelib.leftfold.projection.fold import PoisonError
from chalicelib.leftfold.projection.memory import MemoryRows
from chalicelib.leftfold.projection.partitioned import PartitionedRunner
from chalicelib.leftfold.projection.rows import RowRejectedError, Save
from chalicelib.leftfold.projection.runner import Slice
from chalicelib.leftfold.store.ports import Unavailable
from chalicelib.leftfold.store.readers import WHOLE_LOG
from tests.builders import Added, stream
from tests.projection.runners import CrashError, Interruption, Runners, caught_up, crash
from tests.projection.stories import histories, log_of
from tests.projection.test_partitioned import HISTORY, interruptions
from tests.projection.views import buggy, parity

A, B, C = stream("a"), stream("b"), stream("c")


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "SLICE_EVENTS", 4)


def checkpoint(site: Runners) -> int:
    return site.checkpoints.read("parity", [WHOLE_LOG])[WHOLE_LOG]


def turns(site: Runners, key: str) -> list[str]:
    row = site.row(key).row
    assert row is not None
    turns: list[str] = row["turns"]
    return turns


def test_rows_follow_the_order_of_the_log() -> None:
    site = Runners(log_of(HISTORY))
    caught_up(site.partitioned(parity))
    assert turns(site, "main/all")[:5] == [f"{A}@1", f"{B}@1", f"{A}@2", f"{C}@1", f"{A}@3"]
    assert checkpoint(site) == 10
    assert site.differences(parity) == []


def test_a_run_takes_as_many_blocks_as_it_was_given_and_says_whether_more_remain() -> None:
    site = Runners(log_of(HISTORY))
    assert site.partitioned(parity).catch_up(1)
    assert checkpoint(site) == 2
    assert site.partitioned(parity).catch_up(2)
    assert not site.partitioned(parity).catch_up(1)
    assert not site.partitioned(parity).catch_up(1)


def test_a_log_that_does_not_show_what_its_head_counts_is_never_passed_over() -> None:
    site = Runners(log_of(HISTORY))
    del site.story.log._links[1]
    with pytest.raises(Unavailable):
        caught_up(site.partitioned(parity))
    assert checkpoint(site) == 2


def test_a_slice_that_does_not_follow_the_checkpoint_is_not_taken() -> None:
    site = Runners()
    assert not site.partitioned(parity)._take_slice(Slice(1, 5, []), {WHOLE_LOG: 9})
    assert checkpoint(site) == -1


def parked(site: Runners) -> list[tuple[str, int, int]]:
    return [(scope, waits.first, waits.last) for _, scope, waits in site.parking.all()]


def test_a_poison_parks_its_tenant_just_before_it() -> None:
    site = Runners(log_of(HISTORY))
    for _ in range(2):
        caught_up(site.partitioned(buggy(parity)))
        ((_, _, waits),) = site.parking.all()
        assert waits.reason == "UnluckyError: 13"
        assert parked(site) == [("main/", 6, 10)]
    assert checkpoint(site) == 10
    assert site.row("main/all").position == 5
    assert site.differences(buggy(parity)) == []


def test_a_tenant_that_is_parked_stops_no_other() -> None:
    site = Runners(log_of(HISTORY))
    other = stream("a", tenant="other")
    site.story.block((other, [Added(1)]), (A, [Added(2)]), (other, [Added(3)]))
    caught_up(site.partitioned(buggy(parity)))
    assert parked(site) == [("main/", 6, 12)]
    assert turns(site, "other/all") == [f"{other}@1", f"{other}@2"]
    assert site.row("main/all").position == 5
    assert site.differences(buggy(parity)) == []


def test_a_tenant_whose_name_begins_like_another_is_parked_and_redriven_by_itself() -> None:
    site = Runners(log_of(HISTORY))
    alike = stream("a", tenant="main-2")
    site.story.block(
        (alike, [Added(1)]), (alike, [Added(13)]), (alike, [Added(2)]), (B, [Added(3)])
    )
    caught_up(site.partitioned(buggy(parity)))
    site.partitioned(parity).redrive("main/")
    # That one is redriven by itself.
    assert parked(site) == [("main-2/", 12, 13)]
    assert turns(site, "main-2/all") == [f"{alike}@1"]
    site.partitioned(parity).redrive("main-2/")
    assert (parked(site), site.differences(parity)) == ([], [])


def test_after_the_fix_a_redrive_brings_the_rows_of_a_replay() -> None:
    site = Runners(log_of(HISTORY))
    caught_up(site.partitioned(buggy(parity)))
    # What follows the parked part waits with it, also for code that could fold it.
    site.story.block((B, [Added(1)]), (C, [Added(2)]))
    caught_up(site.partitioned(parity))
    assert parked(site) == [("main/", 6, 12)]
    site.partitioned(parity).redrive("main/")
    assert (parked(site), site.differences(parity)) == ([], [])


def test_without_a_fix_the_tenant_stays_parked_and_its_rows_stay() -> None:
    site = Runners(log_of(HISTORY))
    caught_up(site.partitioned(buggy(parity)))
    with pytest.raises(PoisonError) as caught:
        site.partitioned(buggy(parity)).redrive("main/")
    assert (caught.value.aggregate_id, caught.value.position) == (A, 6)
    assert parked(site) == [("main/", 6, 10)]
    assert site.row("main/all").position == 5


def test_a_redrive_that_dies_at_any_call_can_be_repeated() -> None:
    crashes = 0
    for interruption in interruptions(crash):
        site = Runners(log_of(HISTORY))
        caught_up(site.partitioned(buggy(parity)))
        try:
            site.partitioned(parity, interruption).redrive("main/")
        except CrashError:
            crashes += 1
        site.partitioned(parity).redrive("main/")
        assert (parked(site), site.differences(parity)) == ([], [])
    assert crashes > 10


def test_whatever_is_logged_while_a_tenant_is_redriven_nothing_is_lost() -> None:
    for at in count(1):
        site = Runners(log_of(HISTORY))
        caught_up(site.partitioned(buggy(parity)))

        def grow(site: Runners = site) -> None:
            site.story.block((B, [Added(1)]), (A, [Added(2)]))
            caught_up(site.partitioned(parity))

        interruption = Interruption(at, grow)
        site.partitioned(parity, interruption).redrive("main/")
        caught_up(site.partitioned(parity))
        assert (parked(site), site.differences(parity)) == ([], [])
        if not interruption.happened:
            break
    assert at > 5


def test_a_row_that_the_store_will_not_take_parks_the_tenant_just_before_it() -> None:
    def heavy(row: Row | None, recorded: Recorded, key: str) -> Row | None:
        made = parity.fold(row, recorded, key) or {}
        return {**made, "x": 10**6 * "x"} if f"{A}@4" in made["turns"] else made

    site = Runners(log_of(HISTORY))
    picky = parity.__class__(**{**vars(parity), "fold": heavy})
    caught_up(site.partitioned(picky))
    assert parked(site) == [("main/", 6, 10)]
    site.partitioned(parity).redrive("main/")
    assert site.differences(parity) == []


@pytest.mark.parametrize("size", [1, 4, 100])
def test_a_row_that_no_store_takes_parks_the_tenant_also_where_the_next_commit_mends_it(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    def heavy(row: Row | None, recorded: Recorded, key: str) -> Row | None:
        made = parity.fold(row, recorded, key) or {}
        is_heavy = key == "main/all" and made["turns"][-1] == f"{A}@4"
        return {**made, "x": 10**6 * "x"} if is_heavy else made

    monkeypatch.setattr(runner, "SLICE_EVENTS", size)
    site = Runners(log_of(HISTORY))
    picky = replace(parity, fold=heavy)
    caught_up(site.partitioned(picky))
    assert parked(site) == [("main/", 6, 10)]
    assert max(row.position for _, row in site.rows.scan()) == 5
    assert site.differences(picky) == []


def test_an_ordered_view_cannot_be_kept_where_a_row_may_be_refused_alone() -> None:
    with pytest.raises(ValueError, match="parity is ordered"):
        Runners().partitioned(replace(parity, store="search"))


class Refusing(MemoryRows):
    """Rows that refuse what every store takes."""

    def save(self, saves: Sequence[Save]) -> set[str]:
        raise RowRejectedError({saves[0].key: "why not"})


def test_a_store_that_breaks_its_promise_is_told_and_nothing_moves() -> None:
    site = Runners(log_of(HISTORY), rows=Refusing())
    with pytest.raises(RowRejectedError, match="why not"):
        caught_up(site.partitioned(parity))
    assert checkpoint(site) == -1


@for_all(histories, st.data())
def test_any_pieces_of_any_history_end_in_the_rows_of_a_replay(
    history: list[list[tuple[str, list[Added]]]], data: st.DataObject
) -> None:
    site = Runners(log_of(history))
    while site.partitioned(parity).catch_up(data.draw(st.integers(1, 3))):
        pass
    assert site.differences(parity) == []


def test_after_a_crash_at_any_call_the_next_run_brings_the_rows_of_a_replay() -> None:
    story = log_of(HISTORY)
    crashes = 0
    for interruption in interruptions(crash):
        site = Runners(story)
        try:
            caught_up(site.partitioned(parity, interruption))
        except CrashError:
            crashes += 1
        caught_up(site.partitioned(parity))
        assert site.differences(parity) == []
    assert crashes > 20


@pytest.mark.parametrize("blocks", [1, 2, 9])
@pytest.mark.parametrize("mine", [1, 2, 9])
def test_whatever_another_function_does_between_two_calls_the_rows_are_right(
    mine: int, blocks: int
) -> None:
    story = log_of(HISTORY)
    for at in count(1):
        site = Runners(story)
        act = lambda: site.partitioned(parity).catch_up(blocks)  # noqa: B023, E731
        interruption = Interruption(at, act)
        while site.partitioned(parity, interruption).catch_up(mine):
            pass
        assert site.differences(parity) == []
        if not interruption.happened:
            break
    assert at > 10


def test_whatever_another_function_leaves_undone_the_rows_are_right() -> None:
    story = log_of(HISTORY)
    died = 0
    for at in range(1, 20):
        for death in range(1, 20):
            site = Runners(story)
            dying = site.partitioned(parity, Interruption(death, crash))

            def other(dying: PartitionedRunner = dying) -> None:
                with suppress(CrashError):
                    dying.catch_up(1)

            interruption = Interruption(at, other)
            caught_up(site.partitioned(parity, interruption))
            assert site.differences(parity) == []
            died += interruption.happened
    assert died > 200


def test_a_poison_met_by_two_functions_at_once_leaves_the_same_rows() -> None:
    story = log_of(HISTORY)
    for at in range(1, 40):
        site = Runners(story)

        def other(site: Runners = site) -> None:
            caught_up(site.partitioned(buggy(parity)))

        caught_up(site.partitioned(buggy(parity), Interruption(at, other)))
        assert parked(site) == [("main/", 6, 10)]
        assert site.differences(buggy(parity)) == []
