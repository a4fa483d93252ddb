"""A fill makes the rows that the log makes: by any number of workers, killed anywhere, started twice."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.leftfold.kernel import LANES, View
from chalicelib.leftfold.projection import filling
from chalicelib.leftfold.projection.budget import BudgetedRows, units_of
from chalicelib.leftfold.projection.filling import Fill, FillTooOldError, NotDoneError, parts_of
from chalicelib.leftfold.projection.memory import MemoryRows
from chalicelib.leftfold.projection.replay import Replayed, replay_range
from chalicelib.leftfold.projection.rows import Save
from chalicelib.leftfold.store.ports import Unavailable
from tests.builders import Added, Event, LogBuilder, Removed, stream
from tests.clock import Clock
from tests.projection.runners import NEVER, CrashError, Interruption, Runners, caught_up, crash
from tests.projection.views import UNLUCKY, additions, buggy, parity, piles, sums
from tools.filling import by_merging

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
KEYS = [f"s{number}" for number in range(6)]
VIEWS = (piles, additions, parity)
views = pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
any_view = st.sampled_from(VIEWS)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of a few positions, slices of a few events."""
    monkeypatch.setattr(filling, "RANGE", 10)
    monkeypatch.setattr(filling, "EVENTS", 5)
    monkeypatch.setattr(filling, "BLOCKS", 3)
    monkeypatch.setattr(filling, "LANES_OF_A_PART", 32)


def story(seed: int = 1, blocks: int = 10, *, unlucky: bool = False) -> LogBuilder:
    """A log with additions and removals on a dozen streams."""
    random, made = Random(seed), LogBuilder()
    for number in range(blocks):
        commits = []
        for key in random.sample(KEYS, 3):
            event: Event = Removed() if random.random() < 0.2 else Added(random.randrange(12))
            commits.append((stream(key), [event]))
        if unlucky and number == blocks // 2:
            commits[0] = commits[0][0], [Added(UNLUCKY)]
        made.block(*commits)
    return made


def fill_of(site: Runners, view: View, interruption: Interruption = NEVER) -> Fill:
    around = interruption.around
    return Fill(
        view,
        around(site.rows),
        around(site.story.log),
        around(site.checkpoints),
        around(site.parking),
        lambda _attempt: None,
        lambda: BEGAN,
    )


def filled(fill: Fill, workers: int = 1) -> None:
    """All parts, the workers taking turns, then the end."""
    plan = fill.plan()
    for worker in range(workers):
        for part in plan.of_worker(worker, workers):
            assert fill.work(part, lambda: True)
    fill.finish(plan)


@views
@pytest.mark.parametrize("workers", [1, 3])
def test_a_fill_makes_the_rows_of_a_replay_and_the_view_goes_on_from_there(
    view: View, workers: int
) -> None:
    site = Runners(story())
    fill = fill_of(site, view)
    filled(fill, workers)
    assert site.differences(view) == []
    plan = fill.plan()
    assert fill.progress(plan) == (fill.progress(plan).total,) * 2
    runner = site.partitioned(view)
    assert not runner.catch_up(1)
    site.story.block((stream("s1"), [Added(1)]))
    caught_up(runner)
    assert site.differences(view) == []


@given(view=any_view, at=st.integers(1, 60), after=st.booleans(), seed=st.integers(0, 5))
def test_a_worker_that_dies_at_any_call_goes_on_where_it_stopped(
    view: View, at: int, *, after: bool, seed: int
) -> None:
    site = Runners(story(seed))
    try:
        filled(fill_of(site, view, Interruption(at, crash, after=after)))
    except CrashError:
        filled(fill_of(site, view), workers=2)
    assert site.differences(view) == []


@given(view=any_view, at=st.integers(1, 50), seed=st.integers(0, 5), own=st.booleans())
def test_another_worker_or_the_views_own_runner_may_do_the_same(
    view: View, at: int, seed: int, *, own: bool
) -> None:
    site = Runners(story(seed))
    runner = site.partitioned(view)

    def meanwhile() -> None:
        if own:
            runner.catch_up(3)
        else:
            filled(fill_of(site, view))

    filled(fill_of(site, view, Interruption(at, meanwhile)))
    assert site.differences(view) == []
    caught_up(runner)
    assert site.differences(view) == []


def test_parts_share_no_commit_and_leave_none_out() -> None:
    for view in (piles, additions, parity):
        parts = parts_of(view, 3, 30)
        for position in range(3, 30):
            for lane in range(LANES):
                having = [p for p in parts if p.first <= position < p.last and lane in p.lanes]
                assert len(having) == 1
        assert len({part.key for part in parts}) == len(parts)
    assert len(parts_of(additions, 0, 30)) == 3
    assert len(parts_of(additions, 0, 100_000)) == filling.MOST_PARTS


def test_a_plan_is_kept_though_the_log_grows() -> None:
    site = Runners(story())
    fill = fill_of(site, additions)
    plan = fill.plan()
    site.story.block((stream("s1"), [Added(1)]))
    assert fill.plan() == plan
    filled(fill)
    caught_up(site.partitioned(additions))
    assert site.differences(additions) == []


def test_what_the_view_has_is_not_filled_again() -> None:
    site = Runners(story())
    caught_up(site.partitioned(additions))
    assert fill_of(site, additions).plan().parts == ()
    filled(fill_of(site, additions))
    half = Runners(story())
    half.partitioned(parity).catch_up(5)
    (part,) = fill_of(half, parity).plan().parts
    assert part.first > 0
    filled(fill_of(half, parity))
    assert half.differences(parity) == []


@views
def test_a_scope_on_which_the_view_fails_is_parked_and_redriven_whole(view: View) -> None:
    site = Runners(story(unlucky=True))
    filled(fill_of(site, buggy(view)), workers=2)
    parked = [parked for _, _, parked in site.parking.all()]
    # A range knows nothing of those before it, so the stream waits from the log's beginning.
    assert parked
    assert view.accumulates or all(each.first == 0 for each in parked)
    caught_up(site.partitioned(buggy(view)))
    for _, failed, _ in list(site.parking.all()):
        site.partitioned(view).redrive(failed)
    assert list(site.parking.all()) == []
    assert site.differences(view) == []


def test_a_fill_does_not_end_before_its_parts_and_a_worker_stops_when_it_is_told() -> None:
    site = Runners(story())
    fill = fill_of(site, additions)
    plan = fill.plan()
    assert not fill.work(plan.parts[0], lambda: False)
    assert 0 < fill.progress(plan).done < 10
    with pytest.raises(NotDoneError, match="3 of 3 parts"):
        fill.finish(plan)


def test_a_fill_that_outlives_the_marks_of_deleted_rows_is_refused() -> None:
    site, clock = Runners(story()), Clock(BEGAN)
    fill = replace(fill_of(site, additions), now=clock)
    fill.plan()
    clock.forward(days=6, minutes=1)
    with pytest.raises(FillTooOldError, match="make the rows in a new generation"):
        fill.plan()
    caught_up(site.partitioned(additions))
    assert fill.plan().parts


def test_a_store_that_refuses_is_asked_again_and_not_for_ever() -> None:
    class Refusing(MemoryRows):
        left = 5

        def save(self, saves: object) -> set[str]:
            self.left -= 1
            if self.left >= 0:
                raise Unavailable("429")
            return super().save(saves)  # type: ignore[arg-type]

    site = Runners(story())
    site.rows = Refusing()
    filled(fill_of(site, piles))
    assert site.differences(piles) == []
    site = Runners(story())
    site.rows = Refusing()
    site.rows.left = 10_000
    with pytest.raises(Unavailable, match="429"):
        filled(fill_of(site, piles))


def test_a_budget_of_units_is_not_exceeded() -> None:
    clock, rested = [0.0], list[float]()

    def rest(seconds: float) -> None:
        rested.append(seconds)
        clock[0] += seconds

    rows = BudgetedRows(MemoryRows(), 10, lambda: clock[0], rest)
    large = {"text": "x" * 3000}
    rows.save([Save(f"main/{n}", large if n < 5 else {"n": n}, 0, None) for n in range(30)])
    # 5 rows of 3 KB, 25 of less than one: 40 units, the last ten of which are paid for later.
    assert sum(rested) == pytest.approx(3.0, abs=1.1)
    rows.save([Save("main/more", {"n": 1}, 0, None)])
    assert sum(rested) == pytest.approx(4.0)
    assert len(list(rows.scan())) == 31


def test_what_was_spent_is_paid_for_before_more_is() -> None:
    clock, rested = [5.0], list[float]()
    rows = BudgetedRows(MemoryRows(), 10, lambda: clock[0], rested.append)
    for n, now in enumerate((5.0, 5.0, 5.05, 9.0)):
        clock[0] = now
        rows.save([Save(f"main/{n}", {"n": n}, 0, None)])
    # A unit takes a tenth of a second, and time in which nobody saved is not saved up.
    assert rested == [pytest.approx(0.1), pytest.approx(0.15)]


@pytest.mark.parametrize(("units", "sizes"), [(10, [10, 10, 3]), (0.4, [1] * 23), (99, [23])])
def test_a_budget_of_a_second_is_saved_at_once_and_every_conflict_is_told(
    units: float, sizes: list[int]
) -> None:
    class Contended(MemoryRows):
        """The first row of each save is another one's."""

        saved: ClassVar[list[int]] = []

        def save(self, saves: Sequence[Save]) -> set[str]:
            self.saved.append(len(saves))
            return {saves[0].key}

    Contended.saved.clear()
    rows = BudgetedRows(Contended(), units, lambda: 0.0, lambda _seconds: None)
    saves = [Save(f"main/{n:02}", {"n": n}, 0, None) for n in range(23)]
    conflicts = rows.save(saves)
    assert Contended.saved == sizes
    assert conflicts == {f"main/{n:02}" for n in range(0, 23, sizes[0])}


def test_what_would_be_filled_is_told_before_anything_is_begun() -> None:
    site = Runners(story())
    fill = fill_of(site, additions)
    planned = fill.planned()
    assert (planned.first, planned.end, planned.began) == (0, 30, BEGAN)
    assert site.checkpoints.read(additions.fill_name, [0, 1]) == {0: -1, 1: -1}
    begun = fill.plan()
    assert begun == planned
    # What has begun ends where it ended then, and begins where it began.
    site.story.block((stream("s1"), [Added(1)]))
    filled(fill)
    assert fill.planned() == begun


def test_a_fill_of_an_empty_log_has_begun_as_well() -> None:
    site = Runners(LogBuilder())
    fill = fill_of(site, additions)
    assert fill.plan().end == 0
    site.story.block((stream("s1"), [Added(1)]))
    assert (fill.planned().first, fill.planned().end, fill.planned().parts) == (0, 0, ())


def test_a_row_costs_a_unit_for_each_begun_kilobyte_of_key_and_text() -> None:
    text = len('{"t":""}')
    key = "main/a"

    def cost(length: int) -> int:
        return units_of(Save(key, {"t": "x" * (length - text - len(key))}, 0, None))

    assert [cost(n) for n in (100, 1024, 1025, 2048, 2049)] == [1, 1, 2, 2, 3]
    assert units_of(Save(key, None, 0, None)) == 1
    assert units_of(Save(key, {"t": object()}, 0, None)) == 0


# --- ordered views that merge


def merged(fill: Fill) -> None:
    """As `leftfold fill` does it, but in this process."""
    plan = fill.plan()
    whole = fill.log

    def fold(first: int, last: int) -> Replayed:
        return replay_range(fill.view, whole, first, last)

    by_merging(fill, plan, 1, fold, at_once=4)
    fill.finish(plan)


@pytest.mark.parametrize("blocks", [0, 1, 10])
def test_ranges_are_merged_into_the_rows_of_a_replay(blocks: int) -> None:
    site = Runners(story(blocks=blocks))
    merged(fill_of(site, sums))
    assert site.differences(sums) == []
    site.story.block((stream("s1"), [Added(1)]))
    caught_up(site.partitioned(sums))
    assert site.differences(sums) == []


@given(
    at=st.integers(1, 60),
    after=st.booleans(),
    seed=st.integers(0, 5),
    what=st.sampled_from(["dies", "another", "runner"]),
)
def test_a_merge_may_die_at_any_call_or_have_company(
    at: int, seed: int, what: str, *, after: bool
) -> None:
    site = Runners(story(seed))

    def meanwhile() -> None:
        match what:
            case "dies":
                crash()
            case "another":
                merged(fill_of(site, sums))
            case _:
                site.partitioned(sums).catch_up(1 + at % 4)

    try:
        merged(fill_of(site, sums, Interruption(at, meanwhile, after=after)))
    except CrashError:
        merged(fill_of(site, sums))
    assert site.differences(sums) == []


def test_a_range_on_which_the_view_fails_is_left_to_its_runner_as_are_the_ranges_after_it() -> None:
    site = Runners(story(unlucky=True))
    merged(fill_of(site, buggy(sums)))
    ((_, tenant, waits),) = site.parking.all()
    assert (tenant, waits.last) == ("main/", 29)
    site.partitioned(sums).redrive(tenant)
    assert site.differences(sums) == []


def test_only_an_ordered_view_that_accumulates_may_merge() -> None:
    for view in (piles, additions):
        with pytest.raises(ValueError, match="it must be ordered and accumulate"):
            replace(view, merge=sums.merge)
