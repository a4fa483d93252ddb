"""A replay is the truth that live views are compared with; lag is how far they are."""

from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.leftfold.projection.lag import Lag, lag
from chalicelib.leftfold.projection.replay import Difference, compare, replay
from chalicelib.leftfold.projection.rows import Save, StoredRow
from chalicelib.leftfold.store.ports import Unavailable
from tests.builders import Added, Removed, stream
from tests.projection.runners import Runners, caught_up
from tests.projection.stories import log_of
from tests.projection.test_partitioned import HISTORY
from tests.projection.views import buggy, parity, piles

A, B, C = stream("a"), stream("b"), stream("c")


def at(seconds: int) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)


def test_a_replay_folds_the_whole_log_and_tells_how_far_it_is() -> None:
    reached: list[int] = []
    made = replay(piles, log_of(HISTORY).log, reached.append)
    assert made.position == reached[-1] == 10
    assert made.rows[C].row == {"amounts": [4, 8], "version": 2}
    assert made.stopped == {}


def test_a_replay_of_an_empty_log_is_empty() -> None:
    assert replay(piles, log_of([]).log, print) == ({}, -1, {})


def test_a_replay_tells_what_the_view_failed_on() -> None:
    log = log_of(HISTORY).log
    message = f"{A} at position 6: UnluckyError: 13"
    assert replay(buggy(piles), log, lambda _: None).stopped == {A: message}
    assert replay(buggy(parity), log, lambda _: None).stopped == {"main/": message}


def test_a_replay_of_a_log_with_a_hole_is_refused() -> None:
    log = log_of(HISTORY).log
    del log._links[2]
    with pytest.raises(Unavailable, match="does not show position 5"):
        replay(piles, log, lambda _: None)


def test_rows_that_differ_by_content_or_position_or_are_missing_are_told() -> None:
    replayed = {
        "same": StoredRow({"x": 1, "y": 2}, 1),
        "content": StoredRow({"x": 1}, 1),
        "position": StoredRow({"x": 1}, 1),
        "missing": StoredRow({"x": 1}, 1),
        "purged": StoredRow(None, 1),
        "deleted": StoredRow(None, 1),
        "alive": StoredRow(None, 1),
    }
    live = {
        "same": StoredRow({"y": 2, "x": 1}, 1, "token"),
        "content": StoredRow({"x": "1"}, 1),
        "position": StoredRow({"x": 1}, 2),
        "deleted": StoredRow(None, 1),
        "alive": StoredRow({"x": 1}, 1),
        "superfluous": StoredRow({"x": 1}, 1),
    }
    differences = {difference.key: difference for difference in compare(replayed, live.items())}
    assert set(differences) == {"content", "position", "missing", "alive", "superfluous"}
    assert differences["missing"] == Difference(
        "missing", '{"position":1,"row":{"x":1}}', '{"position":-1,"row":null}'
    )


def test_a_row_that_someone_changed_by_hand_shows() -> None:
    site = Runners(log_of(HISTORY))
    caught_up(site.partitioned(piles))
    assert site.differences(piles) == []
    stored = site.row(B)
    site.rows.save([Save(B, {"amounts": [11], "version": 2}, stored.position, stored)])
    assert [difference.key for difference in site.differences(piles)] == [B]


def test_a_view_that_is_up_to_date_has_no_lag() -> None:
    site = Runners(log_of(HISTORY))
    caught_up(site.partitioned(piles))
    caught_up(site.partitioned(parity))
    for view in (piles, parity):
        none = lag(view, site.story.log, site.checkpoints, lambda: at(60))
        assert none == Lag(0, timedelta())


def test_the_lag_counts_from_the_oldest_commit_that_is_not_done_with() -> None:
    site = Runners(log_of(HISTORY))
    site.partitioned(parity).catch_up(1)
    site.partitioned(piles).handle(site.story.records[:2])
    ahead = site.story.log, site.checkpoints, lambda: at(60)
    assert lag(parity, *ahead) == Lag(8, timedelta(seconds=60))
    # A and B are through the first block, so C's commit at 3 is the oldest.
    assert lag(piles, *ahead) == Lag(8, timedelta(seconds=60))


def test_a_view_that_never_ran_is_behind_by_the_whole_log() -> None:
    site = Runners(log_of([[(A, [Added(1)]), (A, [Removed()])]]))
    whole = Lag(2, timedelta(seconds=5))
    assert lag(piles, site.story.log, site.checkpoints, lambda: at(5)) == whole
    assert lag(parity, site.story.log, site.checkpoints, lambda: at(5)) == whole
