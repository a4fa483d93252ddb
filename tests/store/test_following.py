"""Who follows the log gets every wanted commit once, in order, whatever the pages are."""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.leftfold.kernel import Commit
from chalicelib.leftfold.store import following
from chalicelib.leftfold.store.following import (
    LONGEST_PAUSE,
    MOST_BLOCKS,
    BeyondTheLogError,
    Follower,
    HoleInTheLogError,
)
from chalicelib.leftfold.store.memory import MemoryLog
from tests.builders import Added, LogBuilder, stream

PILES, HEAPS = "pile", "heap"


class Waiting:
    """Time that passes by waiting. *then* happens at each wait."""

    def __init__(self, then: Callable[[], None] = lambda: None) -> None:
        self.now = 0.0
        self.then = then

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert 0 < seconds <= LONGEST_PAUSE
        self.now += seconds
        self.then()


def follower(log: MemoryLog, waiting: Waiting | None = None) -> Follower:
    waiting = waiting or Waiting()
    return Follower(log, waiting, waiting.sleep)


def is_of(category: str) -> Callable[[Commit], bool]:
    return lambda commit: commit.aggregate_id.startswith(f"main/{category}-")


def followed(log: MemoryLog, limit: int, wanted: Callable[[Commit], bool]) -> Iterator[int]:
    """The positions of all pages from the beginning to the end."""
    position, at_end = 0, False
    while not at_end:
        commits, following_, at_end = follower(log).page(position, limit, wanted)
        assert len(commits) <= limit
        assert at_end or following_ > position, "a page leads on"
        assert all(position <= at < following_ for at, _ in commits)
        yield from (at for at, _ in commits)
        position = following_
    assert position == log.head().next_position


blocks = st.lists(st.lists(st.sampled_from([PILES, HEAPS]), min_size=1, max_size=4), max_size=8)


def logged(kinds: list[list[str]]) -> MemoryLog:
    """A log of these blocks; each stream has a category and a number."""
    built = LogBuilder()
    for number, block in enumerate(kinds):
        built.block(
            *((stream(f"{number}-{at}", kind), [Added(1)]) for at, kind in enumerate(block))
        )
    return built.log


@given(blocks, st.integers(1, 5), st.integers(1, 3))
def test_the_pages_together_are_the_wanted_commits_in_order(
    kinds: list[list[str]], limit: int, most: int
) -> None:
    log = logged(kinds)
    flat = [kind for block in kinds for kind in block]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(following, "MOST_BLOCKS", most)
        assert list(followed(log, limit, lambda _: True)) == list(range(len(flat)))
        wanted = [at for at, kind in enumerate(flat) if kind == PILES]
        assert list(followed(log, limit, is_of(PILES))) == wanted


def test_a_page_ends_before_it_is_too_large_to_be_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = logged([[PILES] * 4])
    size = len(next(log.blocks(0)).commits[0].line.encode())
    monkeypatch.setattr(following, "MOST_BYTES", 2 * size)
    assert len(follower(log).page(0, 100, lambda _: True).commits) == 2
    monkeypatch.setattr(following, "MOST_BYTES", 1)
    assert list(followed(log, 100, lambda _: True)) == [0, 1, 2, 3]


def test_a_reader_that_wants_nothing_of_a_long_log_goes_on_in_it() -> None:
    log = logged([[HEAPS]] * (MOST_BLOCKS + 1))
    page = follower(log).page(0, 10, is_of(PILES), seconds=20)
    assert page == ([], MOST_BLOCKS, False)


def test_at_the_end_a_page_waits_for_a_wanted_commit_and_for_no_other() -> None:
    built = LogBuilder()
    coming = iter([(stream("a", HEAPS), [Added(1)]), (stream("b"), [Added(1)])])

    def then() -> None:
        built.block(next(coming))

    waiting = Waiting(then)
    page = follower(built.log, waiting).page(0, 10, is_of(PILES), seconds=20)
    assert [(at, commit.aggregate_id) for at, commit in page.commits] == [(1, "main/pile-b")]
    assert page.following == 2
    assert waiting.now < 1


def test_a_page_without_commits_comes_when_the_time_is_over() -> None:
    waiting = Waiting()
    page = follower(MemoryLog(), waiting).page(0, 10, lambda _: True, seconds=20)
    assert page == ([], 0, True)
    assert waiting.now == pytest.approx(20)


def test_a_position_that_the_log_has_not_reached_is_refused_and_its_end_is_not() -> None:
    log = logged([[PILES, PILES]])
    assert follower(log).page(2, 10, lambda _: True) == ([], 2, True)
    with pytest.raises(BeyondTheLogError):
        follower(log).page(3, 10, lambda _: True, seconds=20)


def test_nothing_is_given_from_beyond_a_hole() -> None:
    log = logged([[PILES], [PILES], [PILES]])
    log.delete([1])
    with pytest.raises(HoleInTheLogError, match="position 1"):
        follower(log).page(0, 10, lambda _: True)
