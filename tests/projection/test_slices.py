"""Slices of the log: what a runner takes at a time."""

from chalicelib.leftfold.kernel import Commit
from chalicelib.leftfold.projection.runner import SLICE_EVENTS, Slice, slices
from tests.builders import Added, LogBuilder, Removed, stream

A, B = stream("a"), stream("b")


def placed(found: list[Slice]) -> list[tuple[int, int, list[int]]]:
    return [(each.first, each.last, [position for position, _ in each.commits]) for each in found]


def story(blocks: int = 3) -> LogBuilder:
    """Blocks of three commits, of 1, 2 and 1 events."""
    story = LogBuilder()
    for _ in range(blocks):
        story.block((A, [Added(1)]), (B, [Added(1), Added(2)]), (A, [Removed()]))
    return story


def of_a(commit: Commit) -> bool:
    return commit.aggregate_id == A


def test_a_slice_begins_in_the_middle_of_a_block() -> None:
    """What is below its first position was taken before; a view that adds would add it twice."""
    assert placed(list(slices(story().blocks, 1))) == [(1, 8, [1, 2, 3, 4, 5, 6, 7, 8])]
    assert placed(list(slices(story().blocks, 1, wanted=of_a))) == [(1, 8, [2, 3, 5, 6, 8])]


def test_what_is_not_wanted_is_passed_over_and_counted_as_taken() -> None:
    nobody = list(slices(story().blocks, 0, wanted=lambda _: False))
    assert placed(nobody) == [(0, 8, [])]


def test_a_slice_is_full_with_the_block_that_fills_it() -> None:
    blocks = story().blocks
    assert placed(list(slices(blocks, 0, size=4))) == [
        (n, n + 2, [n, n + 1, n + 2]) for n in (0, 3, 6)
    ]
    assert [each.last for each in slices(blocks, 0, size=5)] == [5, 8]
    assert [each.last for each in slices(blocks, 0, size=8)] == [5, 8]
    assert [each.last for each in slices(blocks, 0, size=9)] == [8]


def test_only_wanted_events_fill_a_slice() -> None:
    assert [each.last for each in slices(story().blocks, 0, wanted=of_a, size=4)] == [5, 8]


def test_a_slice_ends_behind_the_block_of_the_last_position() -> None:
    blocks = story().blocks
    for last, end in ((0, 2), (2, 2), (3, 5), (5, 5), (6, 8), (99, 8)):
        assert placed(list(slices(blocks, 0, last)))[-1][1] == end


def test_a_hole_ends_it_all() -> None:
    """A page of blocks is not read at one moment: a later block may be seen before an earlier."""
    first, _, third = story().blocks
    assert placed(list(slices([first, third], 0))) == [(0, 2, [0, 1, 2])]
    assert list(slices([third], 0)) == []


def test_without_a_size_it_is_about_two_thousand_events() -> None:
    story = LogBuilder()
    for _ in range(21):
        story.block((A, [Added(1)] * 100))
    assert SLICE_EVENTS == 2_000
    assert [each.last for each in slices(story.blocks, 0)] == [19, 20]
