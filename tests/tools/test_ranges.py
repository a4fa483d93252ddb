"""Work on ranges of the log is the same by one process and by several."""

from functools import partial

import click
import pytest

from chalicelib.leftfold.projection.replay import replay, replay_range, together
from chalicelib.leftfold.store.ports import Unavailable
from tests.projection.stories import log_of
from tests.projection.test_partitioned import HISTORY
from tests.projection.views import additions, buggy
from tests.tools.made_log import made_log, replay_made_log
from tools.operations import advancing
from tools.ranges import by_ranges


@pytest.mark.parametrize("at_once", [1, 7, 60, 100])
def test_the_ranges_of_a_log_make_the_rows_of_the_whole(at_once: int) -> None:
    log = made_log()
    whole = replay(additions, log, lambda _: None)
    reached: list[int] = []
    parts = by_ranges(60, 1, partial(replay_range, additions, log), at_once)
    assert together(additions, advancing(parts, reached.append)) == whole
    assert reached[-1] == 59


def test_processes_give_the_ranges_in_the_order_of_the_log() -> None:
    made = list(by_ranges(60, 2, replay_made_log, at_once=7))
    assert made == list(by_ranges(60, 1, replay_made_log, at_once=7))
    assert sum(positions for positions, _ in made) == 60


def test_a_view_that_fails_is_replayed_by_one_process() -> None:
    parts = by_ranges(11, 1, partial(replay_range, buggy(additions), log_of(HISTORY).log), 3)
    with pytest.raises(click.ClickException, match="replay it by one process"):
        together(additions, advancing(parts, print))


def test_a_range_beyond_the_log_is_told() -> None:
    with pytest.raises(Unavailable):
        replay_range(additions, made_log(), 50, 61)
