"""Old blocks move to segments, killed at any call; the log stays whole."""

from collections.abc import Callable
from copy import deepcopy
from itertools import pairwise
from typing import Any

import pytest

from chalicelib.bank.account.domain import CloseStatement
from chalicelib.domain import DOMAIN
from chalicelib.leftfold.archive.epochs import DamagedArchiveError, lines_of
from chalicelib.leftfold.archive.segments import (
    SegmentedLog,
    pack_blocks,
    pack_live,
    packed,
    unpack_live,
)
from chalicelib.leftfold.kernel import Commit, View
from chalicelib.leftfold.projection.fold import Folding
from chalicelib.leftfold.projection.replay import NotFromLiveError, replay, replay_live
from chalicelib.leftfold.store.blocks import hash_of
from chalicelib.leftfold.store.ports import Block
from tests.archive.site import A, B, KilledError, Mortal, Stage, credit, ended
from tests.archive.test_archiver import kill_points
from tests.teller import OPENING

LIVE = [view for view in DOMAIN.views.values() if view.from_carried]
WHOLE_ONLY = [view for view in DOMAIN.views.values() if not view.from_carried]


def closed() -> Stage:
    """A log of five blocks, which all views have read, and of one that is young."""
    site = Stage()
    site.months(3)
    site.settle()
    ended(site)
    site.settle()
    for _ in range(3):
        site.do(credit(1))
        site.settle()
    site.read_by_all()
    site.clock.forward(days=2)
    site.do(credit(1))
    site.settle()
    site.read_by_all()
    return site


def whole(site: Stage) -> list[tuple[int, str]]:
    """The log as all its readers see it."""
    return [(block.first_position, block.hash) for block in site.whole.blocks(0)]


def test_old_blocks_are_in_a_segment_and_the_head_stays() -> None:
    site = closed()
    before, head = whole(site), site.log.head()
    assert site.prune() == 5
    assert len(list(site.log.blocks(0))) == 1
    assert site.log.head() == head
    assert whole(site) == before
    blocks = list(site.whole.blocks(0))
    assert all(hash_of(block) == block.hash for block in blocks)
    assert all(b.previous_hash == a.hash for a, b in pairwise(blocks))


@pytest.mark.parametrize("position", range(22))
def test_reading_begins_anywhere(position: int) -> None:
    site = closed()
    expected = [block.hash for block in site.log.blocks(position)]
    one = [block.hash for block in site.log.blocks(position, 1)]
    site.prune()
    assert [block.hash for block in site.whole.blocks(position)] == expected
    assert [block.hash for block in site.whole.blocks(position, 1)] == one


def test_what_a_view_has_not_read_stays() -> None:
    site = closed()
    late = site.checkpoints.read("totals", [0])[0]
    assert site.checkpoints.move("totals", 0, late, 14)
    assert site.prune() == 1
    site.checkpoints.move("totals", 0, 14, late)
    assert site.prune() == 4


def test_a_block_that_is_gone_in_the_middle_comes_from_its_segment() -> None:
    site = closed()
    before = whole(site)
    blocks = list(site.log.blocks(0))
    site.prune()
    site.log._links = [blocks[0], blocks[3], *site.log._links]
    site.log.put_body(blocks[0])
    site.log.put_body(blocks[3])
    assert whole(site) == before


def test_a_log_that_seems_to_end_because_it_is_pruned_is_read_on() -> None:
    site = closed()
    before = whole(site)
    site.prune()
    site.log._links = []
    assert whole(site) == before[:5]


def test_a_block_with_one_young_commit_stays() -> None:
    """It holds what somebody may still want to see in the table: its age is the youngest's."""
    site = Stage()
    site.do(OPENING)
    site.settle()
    site.clock.forward(days=2)
    site.do(credit(1))
    site.clock.forward(days=2)
    site.do(credit(2))
    site.settle()
    site.read_by_all()
    assert [len(block.commits) for block in site.log.blocks(0)] == [1, 2]
    assert site.prune() == 1
    assert [block.first_position for block in site.log.blocks(0)] == [1]


def test_a_segment_that_is_missing_between_others_is_no_shorter_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rows made of the rest would look right, and lack what it held."""
    monkeypatch.setattr("chalicelib.leftfold.archive.pruner.BLOCKS_IN_SEGMENT", 1)
    site = closed()
    site.prune()
    (_, second, *_) = site.log.segments()
    del site.log._segments[second.first_position]
    with pytest.raises(DamagedArchiveError, match=f"position {second.first_position}"):
        list(site.whole.live())


def test_what_is_pruned_while_live_epochs_are_read_comes_whole() -> None:
    """The registry is read after `live` was called: what it holds for live must be there,
    also if it was closed and pruned before the reader came to it.
    """
    site = closed()
    log = site.whole
    remains = log.live()
    epochs = {stream: entry.epoch for stream, entry in site.log.registry()}
    site.do(CloseStatement("2020-01-01"))
    site.settle()
    site.read_by_all()
    site.clock.forward(days=2)
    assert site.prune() > 5
    shown = [commit for _, commits in remains for _, commit in commits]
    assert [
        commit.version for commit in shown if commit.aggregate_id == A and commit.epoch == epochs[A]
    ] == list(range(13, 19))


def test_who_wants_no_more_blocks_asks_for_none() -> None:
    site = closed()
    process = Mortal()
    log = SegmentedLog(process(site.log), site.archive)
    assert len(list(log.blocks(0, 2))) == 2
    assert process.done == 1


@pytest.mark.parametrize("limit", ["BLOCKS", "COMMITS", "BYTES"])
def test_a_segment_is_what_a_function_can_hold(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    """A block may have 400 KB: 500 of them are more than a function's memory."""
    site = closed()
    before = whole(site)
    monkeypatch.setattr(f"chalicelib.leftfold.archive.pruner.{limit}_IN_SEGMENT", 1)
    assert site.prune() == 5
    assert len(list(site.log.segments())) == 5
    assert whole(site) == before


@pytest.mark.slow
def test_killed_after_any_call_and_run_again_it_loses_nothing_and_repeats_nothing() -> None:
    points = kill_points(closed().prune)
    assert points > 10
    for last in range(1, points + 1):
        site = closed()
        before = whole(site)
        with pytest.raises(KilledError):
            site.prune(Mortal(last))
        assert whole(site) == before
        site.prune()
        assert whole(site) == before
        assert len(list(site.log.blocks(0))) == 1, last
        assert len(list(site.log.segments())) == 1


@pytest.mark.slow
def test_two_pruners_at_any_moment_of_each_other_end_as_one() -> None:
    points = kill_points(closed().prune)
    for paused in range(1, points + 1):
        site = closed()
        before = whole(site)
        process = Mortal()
        original = process.survive

        def survive(
            process: Mortal = process,
            original: object = original,
            site: Stage = site,
            paused: int = paused,
        ) -> None:
            original()  # type: ignore[operator]
            if process.done == paused:
                site.prune()

        process.survive = survive  # type: ignore[method-assign]
        site.prune(process)
        assert whole(site) == before
        assert len(list(site.log.segments())) == 1


@pytest.mark.parametrize("start", ["segments", "remainders"])
def test_an_object_that_has_changed_is_not_believed(start: str) -> None:
    site = closed()
    site.prune()
    (key,) = (key for key in site.archive._objects if key.startswith(start))
    site.archive._objects[key] += b" "
    with pytest.raises(DamagedArchiveError):
        list(site.whole.live() if start == "remainders" else site.whole.blocks(0))


@pytest.mark.parametrize("start", ["segments", "remainders"])
def test_an_object_with_less_than_was_written_is_not_believed(start: str) -> None:
    """Each of its blocks still has the hash of what it says."""
    site = closed()
    site.prune()
    (key,) = (key for key in site.archive._objects if key.startswith(start))
    lines = lines_of(bytes(site.archive._objects[key]))
    site.archive._objects[key] = bytearray(packed(iter(lines[:-1])))
    with pytest.raises(DamagedArchiveError):
        list(site.whole.live() if start == "remainders" else site.whole.blocks(0))


@pytest.mark.parametrize("start", ["segments", "remainders"])
def test_a_copy_that_is_another_deletes_nothing(start: str) -> None:
    site = closed()
    twin = closed()
    twin.prune()
    (key,) = (key for key in twin.archive._objects if key.startswith(start))
    site.archive.put(key, b"something else")
    with pytest.raises(DamagedArchiveError):
        site.prune()
    assert len(list(site.log.blocks(0))) == 6


def sealed(block: Block, **changes: Any) -> Block:
    """A block that says something else, with the hash of what it says."""
    changed = block._replace(**changes)
    return changed._replace(hash=hash_of(changed))


def begun_otherwise(first: Block, _: Block) -> list[Block]:
    return [sealed(first, previous_hash="another")]


def chained_to_another(first: Block, second: Block) -> list[Block]:
    return [first, sealed(second, previous_hash="another")]


def with_a_hole(first: Block, second: Block) -> list[Block]:
    return [first, sealed(second, first_position=second.first_position + 1)]


def said_otherwise(first: Block, _: Block) -> list[Block]:
    changed = [commit._replace(actor="another") for commit in first.commits]
    return [first._replace(commits=changed)]


@pytest.mark.parametrize(
    "forged", [said_otherwise, begun_otherwise, chained_to_another, with_a_hole]
)
def test_blocks_that_are_not_this_log_are_not_taken_for_a_segment(
    forged: Callable[[Block, Block], list[Block]],
) -> None:
    site = closed()
    first, second, *_ = site.log.blocks(0)
    site.archive.put("segments/main/000000000000.jsonl.gz", pack_blocks(forged(first, second)))
    with pytest.raises(DamagedArchiveError):
        site.prune()
    assert len(list(site.log.blocks(0))) == 6
    assert list(site.log.segments()) == []


def test_a_remainder_holds_all_that_is_live_and_nothing_else() -> None:
    untouched = closed()
    twin = deepcopy(untouched)
    twin.prune()
    key = "remainders/main/000000000000.jsonl.gz"
    live = unpack_live(bytes(twin.archive._objects[key]))
    position, kept = live[-1]
    for stored in (live[1:], [*live, (position, kept._replace(actor="another"))]):
        site = deepcopy(untouched)
        site.archive.put(key, pack_live(stored))
        with pytest.raises(DamagedArchiveError):
            site.prune()
        assert len(list(site.log.blocks(0))) == 6


@pytest.mark.parametrize("view", LIVE, ids=lambda view: view.name)
def test_live_epochs_alone_make_the_same_rows(view: object) -> None:
    site = closed()
    site.prune()
    site.archive_all()
    full = replay(view, site.whole, lambda _: None, opener=site.vault)  # type: ignore[arg-type]
    live = replay_live(view, site.whole, lambda _: None, opener=site.vault)  # type: ignore[arg-type]
    assert live == full
    kept = [commit for _, commits in site.whole.live() for _, commit in commits]
    assert len(kept) < site.log.head().next_position - 10


@pytest.mark.parametrize("view", LIVE, ids=lambda view: view.name)
def test_a_remainder_that_has_grown_old_makes_the_same_rows(view: object) -> None:
    site = closed()
    site.prune()
    for key in ("a",):
        site.do(CloseStatement("2020-01-01"), key)
        site.do(credit(9), key)
    site.settle()
    full = replay(view, site.whole, lambda _: None, opener=site.vault)  # type: ignore[arg-type]
    assert replay_live(view, site.whole, lambda _: None, opener=site.vault) == full  # type: ignore[arg-type]


def test_what_was_closed_since_is_not_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither of a remainder nor of a block: a carry-forward would hide that it was."""
    folded: list[Commit] = []

    def folding(view: View, commits: Any, *rest: Any) -> Folding:
        folded.extend(commit for _, commit in commits)
        return Folding(view, commits, *rest)

    monkeypatch.setattr("chalicelib.leftfold.projection.replay.Folding", folding)
    site = closed()
    site.prune()
    site.do(CloseStatement("2020-01-01"))
    site.settle()
    replay_live(LIVE[0], site.whole, lambda _: None, opener=site.vault)
    epochs = {stream: entry.epoch for stream, entry in site.log.registry()}
    assert {commit.aggregate_id for commit in folded} == set(epochs)
    assert all(commit.epoch == epochs[commit.aggregate_id] for commit in folded)


@pytest.mark.parametrize("view", WHOLE_ONLY, ids=lambda view: view.name)
def test_a_view_that_keeps_older_detail_is_not_replayed_live(view: object) -> None:
    with pytest.raises(NotFromLiveError):
        replay_live(view, closed().whole, lambda _: None)  # type: ignore[arg-type]


def test_both_streams_are_whole_after_both_have_moved() -> None:
    site = closed()
    before = site.history(A), site.history(B)
    site.prune()
    site.archive_all()
    assert (site.history(A), site.history(B)) == before
