"""What has gone wrong in tools that move live data, tried here: a lost checkpoint, a source whose beginning is
archived, an archiver at work on the copies.
"""

from dataclasses import replace

import pytest

from chalicelib.leftfold.generations.copying import Truth
from chalicelib.leftfold.generations.proof import prove
from chalicelib.leftfold.kernel import Boundaries
from chalicelib.leftfold.store.memory import MemoryCheckpoints
from tests.archive.site import A, Stage
from tests.archive.test_archiver import closed
from tests.generations.site import Site, truth_of
from tests.generations.test_proof import MONEY
from tests.teller import OPENING, credit
from tests.vaults import vault_of
from tools.bank.transforms import accounts_merged

B = "main/account-b"
CHANGES = (Boundaries(), Boundaries([accounts_merged({"b": "a"})]))


@pytest.mark.parametrize("boundaries", CHANGES)
def test_a_copier_that_has_lost_its_checkpoints_copies_nothing_twice(
    boundaries: Boundaries,
) -> None:
    site = Site(boundaries)
    for key in "abc":
        site.teller("blue").do(OPENING, key)
        site.teller("blue").do(credit(1), key)
    site.copy()
    site.switch()
    site.teller("green").do(credit(2), "a")
    site.teller("blue").do(credit(3), "c")
    before = {key: len(site.stream(site.green, f"main/account-{key}")) for key in "abc"}
    site.copier = replace(site.copier, checkpoints=MemoryCheckpoints())
    site.copy()
    now = {key: len(site.stream(site.green, f"main/account-{key}")) for key in "abc"}
    assert now == {**before, "c": before["c"] + 1}


def archived() -> tuple[Stage, Truth]:
    """A truth whose closed epochs, and the blocks of its log, are in the archive."""
    stage = closed()
    stage.settle()
    stage.archive_all()
    stage.read_by_all()
    stage.prune()
    assert 2 not in stage.versions()
    return stage, Truth("blue", stage.table, stage.events, stage.whole, lambda _: None, first=True)


def beside(blue: Truth, green: Stage) -> Site:
    """A later generation that has an archive too."""
    own = truth_of("green", green.table, green.log)
    return Site(blue=blue, green=replace(own, events=green.events, log=green.whole))


@pytest.mark.parametrize("copied", [True, False])
def test_the_archived_beginning_of_a_stream_is_copied_by_copier_and_taker(*, copied: bool) -> None:
    stage, blue = archived()
    green = Stage()
    site = beside(blue, green)
    if copied:
        site.copier.run(range(8))
    site.switch()
    site.take_all()
    was = [(c.version, c.events, c.epoch) for c in stage.events.range(A, 1, 10**6)]
    assert [(c.version, c.events, c.epoch) for c in green.events.range(A, 1, 10**6)] == was
    assert site.teller("green").do(credit(1)) == len(was) + 1
    green.settle()
    report = prove(blue.log, site.green.log, site.boundaries, MONEY, vault_of())
    assert list(report.differences()) == []


def test_a_later_generation_that_archives_its_copies_gives_the_stream_back_and_takes_it_again() -> (
    None
):
    _, blue = archived()
    green = Stage()
    green.clock.forward(days=900)
    site = beside(blue, green)
    site.copier.run(range(8))
    green.settle()
    assert green.archive_all().items
    assert 2 not in green.versions()
    # Once more, as if nothing was noted: what is archived is there.
    site.copier = replace(site.copier, checkpoints=MemoryCheckpoints())
    site.copier.run(range(8))
    assert 2 not in green.versions()
    site.switch()
    version = site.teller("green").do(credit(1))
    for name in ("blue", "green", "blue"):
        site.switch()
        version += 1
        assert site.teller(name).do(credit(1)) == version
