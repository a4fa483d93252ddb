"""Partitioned views: whatever the bus does, the rows are those of a replay."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from chalicelib.leftfold.kernel import Recorded, Row, View, lane_of
from chalicelib.leftfold.projection import runner
from chalicelib.leftfold.projection.memory import MemoryRows
from chalicelib.leftfold.projection.partitioned import PartitionedRunner
from chalicelib.leftfold.projection.rows import RowRejectedError
from chalicelib.leftfold.projection.runner import PASS_ATTEMPTS, Slice, ViewWork
from chalicelib.leftfold.store.bus import LaneRecord
from chalicelib.leftfold.store.ports import ParkedStream, Unavailable
from tests.builders import Added, LogBuilder, Removed, stream
from tests.faults import Counting
from tests.projection.runners import CrashError, Interruption, Runners, caught_up, crash
from tests.projection.stories import Block, deliveries, histories, log_of
from tests.projection.views import additions, buggy, piles

A, B, C = stream("a"), stream("b"), stream("c")
BOTH = pytest.mark.parametrize("view", [piles, additions], ids=lambda view: view.name)
HISTORY: list[Block] = [
    [(A, [Added(1)]), (B, [Added(2)]), (A, [Added(3)])],
    [(C, [Added(4)]), (A, [Added(5), Added(6)])],
    [(B, [Removed()]), (A, [Added(13)]), (C, [Added(8)])],
    [(A, [Added(9)]), (B, [Added(10)]), (A, [Added(11)])],
]


def interruptions(act: Callable[[], object]) -> list[Interruption]:
    """One that acts before and one that acts after each of the first hundred calls."""
    return [Interruption(at, act, after=after) for at in range(1, 100) for after in (False, True)]


def amounts(site: Runners, key: str) -> list[int]:
    row = site.row(key).row
    assert row is not None
    values: list[int] = row["amounts"]
    return values


def test_streams_used_here_are_in_lanes_of_their_own() -> None:
    assert len({lane_of(s) for s in (A, B, C)}) == 3


def test_records_become_rows() -> None:
    site = Runners()
    site.partitioned(piles).handle(site.story.block(*HISTORY[0]))
    assert amounts(site, A) == [1, 3]
    assert amounts(site, B) == [2]
    assert site.row(A).position == 2


def test_a_record_that_comes_again_changes_nothing() -> None:
    site = Runners()
    records = site.story.block(*HISTORY[0])
    for _ in range(3):
        site.partitioned(piles).handle(records)
    assert amounts(site, A) == [1, 3]


def test_a_record_that_was_seen_costs_one_read_of_its_checkpoint() -> None:
    site = Runners()
    records = site.story.block(*HISTORY[0])
    site.partitioned(piles).handle([*records, *site.story.block(*HISTORY[1])])
    rows, log, parking = map(Counting, (site.rows, site.story.log, site.parking))
    fed = replace(site.partitioned(piles), work=ViewWork(piles, rows), log=log, parking=parking)
    fed.handle(records)
    assert not rows.calls
    assert not log.calls
    assert not parking.calls
    fed.handle([*records, *site.story.block((A, [Added(9)]))])
    assert not log.calls


def test_a_slice_that_does_not_follow_a_lanes_checkpoint_is_not_taken() -> None:
    site = Runners()
    assert not site.partitioned(piles)._take_slice(Slice(1, 5, []), {0: 9})
    assert site.checkpoints.read("piles", [0]) == {0: -1}


def test_a_record_before_which_one_is_missing_is_healed_from_the_log() -> None:
    site = Runners(log_of(HISTORY))
    site.partitioned(piles).handle([r for r in site.story.records if r.lane == lane_of(A)][-1:])
    assert amounts(site, A) == [1, 3, 5, 6, 13, 9, 11]
    # Nobody asked for the other lanes.
    assert site.row(B).position == -1


def test_a_record_without_commits_is_taken_from_the_log() -> None:
    site = Runners()
    records = [r._replace(commits=None) for r in site.story.block(*HISTORY[0])]
    site.partitioned(piles).handle(records)
    assert site.differences(piles) == []


def test_records_out_of_order_in_a_batch_need_no_log() -> None:
    site = Runners(log_of(HISTORY))
    log = Counting(site.story.log)
    fed = replace(site.partitioned(piles), log=log)
    fed.handle(site.story.records[::-1])
    assert not log.calls
    assert site.differences(piles) == []


def test_a_batch_of_many_lanes_costs_one_read_of_each_kind_and_one_save() -> None:
    site = Runners()
    records = site.story.block(*((stream(str(n)), [Added(n)]) for n in range(60)))
    rows, parking, checkpoints = map(Counting, (site.rows, site.parking, site.checkpoints))
    fed = replace(
        site.partitioned(piles),
        work=ViewWork(piles, rows),
        parking=parking,
        checkpoints=checkpoints,
    )
    fed.handle(records)
    assert len(records) > 20
    assert rows.calls == {"load": 1, "save": 1, "flush": 1}
    assert parking.calls == {"find": 1}
    assert checkpoints.calls == {"read": 1, "move": len(records)}


class QueriedRows(MemoryRows):
    """Rows of which queries see only what was flushed."""

    def __init__(self) -> None:
        super().__init__()
        self.visible: set[str] = set()

    def flush(self) -> None:
        self.visible = {key for key, _ in self.scan()}


def test_rows_become_visible_before_the_checkpoint_moves_even_after_a_crash() -> None:
    story = log_of(HISTORY[:1])
    crashes = 0
    for interruption in interruptions(crash):
        rows = QueriedRows()
        site = Runners(story, rows)
        try:
            site.partitioned(piles, interruption).handle(story.records)
        except CrashError:
            crashes += 1
        moved = set(site.checkpoints.read("piles", range(64)).values()) != {-1}
        assert rows.visible == {A, B} or not moved
        site.partitioned(piles).handle(story.records)
        assert rows.visible == {A, B}
    assert crashes > 10


def test_catching_up_needs_no_record() -> None:
    site = Runners(log_of(HISTORY))
    caught_up(site.partitioned(piles))
    assert site.differences(piles) == []
    reached = site.checkpoints.read("piles", range(64))
    assert tuple(reached[lane] for lane in range(64)) == site.story.log.head().lanes


def test_catching_up_goes_on_where_it_stopped_also_for_a_lane_long_idle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runner, "SLICE_EVENTS", 2)
    site = Runners()
    for n in range(20):
        site.story.block((B, [Added(n)]))
    site.story.block((A, [Added(1)]))
    assert site.partitioned(piles).catch_up(1)
    runs = 1
    while site.partitioned(piles).catch_up(5):
        runs += 1
    assert runs <= 5
    assert site.differences(piles) == []


def test_a_view_with_nothing_to_do_reads_no_block() -> None:
    site = Runners(log_of(HISTORY))
    caught_up(site.partitioned(piles))
    log = Counting(site.story.log)
    fed = replace(site.partitioned(piles), log=log)
    assert not fed.catch_up(9)
    assert log.calls == {"head": 1}


def test_a_log_that_does_not_show_what_its_head_counts_is_never_passed_over() -> None:
    site = Runners(log_of(HISTORY))
    del site.story.log._links[1]
    with pytest.raises(Unavailable):
        caught_up(site.partitioned(piles))
    assert max(site.checkpoints.read("piles", range(64)).values()) == 2


def test_endless_contention_is_unavailable_and_moves_nothing() -> None:
    site = Runners()
    records = site.story.block((A, [Added(1)]))
    pauses: list[int] = []
    fed = replace(site.partitioned(piles), pause=pauses.append)
    fed.checkpoints.move = lambda *_: False  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        fed.handle(records)
    assert pauses == list(range(1, PASS_ATTEMPTS + 1))


@BOTH
@for_all(st.data())
def test_whatever_is_delivered_the_rows_end_as_a_replay_makes_them(
    view: View, data: st.DataObject
) -> None:
    site = Runners(log_of(data.draw(histories)))
    for batch in data.draw(deliveries(site.story.records)):
        site.partitioned(view).handle(batch)
    caught_up(site.partitioned(view))
    assert site.differences(view) == []


@BOTH
@for_all(st.data())
def test_what_was_handled_is_shown_at_once(view: View, data: st.DataObject) -> None:
    site = Runners(log_of(data.draw(histories)))
    batch = data.draw(st.lists(st.sampled_from(site.story.records), min_size=1))
    site.partitioned(view).handle(batch)
    reached = site.checkpoints.read(view.name, {r.lane for r in batch})
    for record in batch:
        assert reached[record.lane] >= record.last_position


@BOTH
def test_after_a_crash_at_any_call_the_same_records_bring_the_rows_of_a_replay(
    view: View,
) -> None:
    story = log_of(HISTORY)
    crashes = 0
    for interruption in interruptions(crash):
        site = Runners(story)
        records = story.records
        try:
            site.partitioned(view, interruption).handle(records[:4])
            site.partitioned(view, interruption).handle(records[3:])
        except CrashError:
            crashes += 1
        site.partitioned(view).handle(records[:4])
        site.partitioned(view).handle(records[3:])
        assert site.differences(view) == []
    assert crashes > 20


@BOTH
def test_whatever_another_function_does_between_two_calls_the_rows_are_right(
    view: View,
) -> None:
    story = log_of(HISTORY)
    happened = 0
    for shares in ([0], [0, 1], [1, 2, 3], [0, 1, 2, 3]):
        others = [r for n in shares for r in _of_block(story, n)]

        for at in count(1):
            site = Runners(story)
            act = lambda: site.partitioned(view).handle(others)  # noqa: B023, E731
            interruption = Interruption(at, act)
            site.partitioned(view, interruption).handle(_of_block(story, 0))
            site.partitioned(view, interruption).handle(story.records)
            assert site.differences(view) == []
            reached = site.checkpoints.read(view.name, range(64))
            assert tuple(reached.values()) == story.log.head().lanes
            if not interruption.happened:
                break
            happened += 1
    assert happened > 40


@BOTH
def test_whatever_another_function_leaves_undone_the_rows_are_right(view: View) -> None:
    story = log_of(HISTORY)
    died = 0
    for at in range(1, 12):
        for death in range(1, 12):
            site = Runners(story)
            dying = site.partitioned(view, Interruption(death, crash))

            def other(dying: PartitionedRunner = dying) -> None:
                with suppress(CrashError):
                    dying.handle(story.records[:5])

            interruption = Interruption(at, other)
            site.partitioned(view, interruption).handle(story.records)
            assert site.differences(view) == []
            died += interruption.happened
    assert died > 60


def _of_block(story: LogBuilder, number: int) -> list[LaneRecord]:
    block = story.blocks[number]
    within = range(block.first_position, block.next_position)
    return [r for r in story.records if r.first_position in within]


def test_a_poison_parks_its_stream_and_nothing_else() -> None:
    site = Runners(log_of(HISTORY))
    site.partitioned(buggy(piles)).handle(site.story.records)
    assert amounts(site, A) == [1, 3, 5, 6]
    assert amounts(site, B) == [10]
    assert amounts(site, C) == [4, 8]
    assert list(site.parking.all()) == [("piles", A, ParkedStream(6, 10, "UnluckyError: 13"))]
    assert not site.partitioned(buggy(piles)).catch_up(9)


def test_later_commits_of_a_parked_stream_wait_and_are_counted() -> None:
    site = Runners(log_of(HISTORY[:3]))
    site.partitioned(buggy(piles)).handle(site.story.records)
    later = site.story.block((A, [Added(9)]), (B, [Added(1)]))
    # The fix is deployed, but the stream stays parked until it is redriven.
    site.partitioned(piles).handle(later)
    assert site.parking.find("piles", [A]) == {A: ParkedStream(6, 8, "UnluckyError: 13")}
    assert amounts(site, A) == [1, 3, 5, 6]
    assert amounts(site, B) == [1]


def test_a_row_that_the_store_will_not_take_parks_its_stream_and_nothing_else() -> None:
    def heavy(row: Row | None, recorded: Recorded, key: str) -> Row | None:
        made = piles.fold(row, recorded, key)
        return {**made, "x": 10**6 * "x"} if made and 13 in made["amounts"] else made

    picky = replace(piles, fold=heavy)
    site = Runners()
    site.story.block(*HISTORY[2], *HISTORY[0])
    site.partitioned(picky).handle(site.story.records)
    (parked,) = site.parking.all()
    assert parked[1] == A
    assert parked[2][:2] == (1, 5)
    assert amounts(site, B) == [2]
    assert amounts(site, C) == [8]
    site.partitioned(piles).redrive(A)
    assert site.differences(piles) == []


def test_very_many_rows_that_the_store_will_not_take_are_parked_in_one_go() -> None:
    site = Runners()
    huge = replace(piles, fold=lambda *_: {"x": 10**6 * "x"})
    records = site.story.block(*((stream(str(n)), [Added(n)]) for n in range(40)))
    site.partitioned(huge).handle(records)
    assert len(list(site.parking.all())) == 40


def test_the_rejection_of_a_row_tells_which() -> None:
    error = RowRejectedError({A: "too large"})
    assert str(error) == f"{A}: too large"
