"""What an archiver, a pruner and a reader of the archive do no second time, for it costs."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta

from chalicelib.bank.account.domain import CloseStatement
from chalicelib.domain import DOMAIN
from chalicelib.leftfold.archive.events import ArchivedEvents
from chalicelib.leftfold.archive.pruner import BLOCK_OVERHEAD, Pruner
from chalicelib.leftfold.kernel import Commit
from chalicelib.leftfold.store.blocks import pack
from chalicelib.leftfold.store.memory import MemoryEvents
from tests.archive.site import A, Mortal, Stage, ended
from tests.faults import Counting
from tests.teller import OPENING


@dataclass
class Deletes(MemoryEvents):
    """An events table that remembers which versions were deleted."""

    deleted: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def delete(self, tombstone: Commit, versions: Collection[int]) -> bool:
        self.deleted += versions
        return super().delete(tombstone, versions)


def test_no_version_is_deleted_twice_and_version_1_never() -> None:
    """A delete is paid for also where nothing is; version 1 is the tombstone."""
    table = Deletes()
    site = Stage(table=table)
    site.months(2)
    for month in range(3, 6):
        site.settle()
        site.clock.forward(days=2)
        site.archive_all()
        site.do(CloseStatement(f"2000-{month:02}-28"))
    assert table.deleted == list(range(2, table.deleted[-1] + 1))
    assert table.deleted[-1] == site.first().archive.through  # type: ignore[union-attr]


def archived() -> Stage:
    site = Stage()
    site.months(3)
    ended(site)
    site.settle()
    site.clock.forward(days=2)
    site.archive_all()
    return site


def test_a_page_that_lacks_nothing_is_read_once() -> None:
    """Only a page with a hole, or without a commit, is read again: something may have moved."""
    site = archived()
    for below in (15, 14, 13, 6, 3):
        counting = Counting(site.table)
        page = ArchivedEvents(counting, site.archive).newest(A, limit=3, below=below)
        assert [commit.version for commit in page.commits][:1] == [below - 1]
        assert counting.calls["newest consistent"] == 1


def test_a_page_that_ends_with_version_1_does_not_ask_for_it_again() -> None:
    site = archived()
    counting = Counting(site.table)
    page = ArchivedEvents(counting, site.archive).newest(A, below=3)
    assert [commit.version for commit in page.commits] == [2, 1]
    assert counting.calls == {"newest consistent": 1}


def test_the_first_block_of_a_pruned_log_is_found_though_it_is_one_commit() -> None:
    site = Stage()
    site.do(OPENING)
    site.settle()
    site.months(1, "b")
    site.settle()
    site.read_by_all()
    site.clock.forward(days=2)
    before = [block.hash for block in site.log.blocks(0)]
    assert site.prune() == 2
    for position in (0, -1):
        assert [block.hash for block in site.whole.blocks(position)] == before


def test_a_segment_is_one_object_of_blocks_that_take_so_much_of_the_table() -> None:
    """A dry run tells the price before anything is moved."""
    site = Stage()
    site.months(2)
    site.settle()
    ended(site)
    site.settle()
    site.read_by_all()
    site.clock.forward(days=2)
    blocks = list(site.log.blocks(0))
    size = sum(len(pack(block.commits)) + BLOCK_OVERHEAD for block in blocks)
    readers = DOMAIN.views.values()
    alive = Mortal()
    pruner = Pruner(
        alive(site.log), alive(site.archive), alive(site.checkpoints), readers, site.clock
    )
    before = site.clock() - timedelta(hours=1)
    (planned,) = pruner.plan(before)
    assert planned == (1, len(blocks), size, 0)
    (moved,) = pruner.run(before)
    stored = sum(map(len, site.archive._objects.values()))
    assert moved == (1, len(blocks), size, stored)
