"""What has gone wrong in tools that move live data, tried here: a lost checkpoint, a source whose beginning is
archived, an archiver at work on the copies.
"""

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.bank.transfer.domain import Order, RequestTransfer, transfer
from chalicelib.leftfold.generations.copier import SHARDS
from chalicelib.leftfold.generations.copying import Truth
from chalicelib.leftfold.generations.proof import prove
from chalicelib.leftfold.kernel import Boundaries, StoredEvent
from chalicelib.leftfold.store.events import ITEM_LIMIT
from chalicelib.leftfold.store.memory import MemoryCheckpoints
from chalicelib.leftfold.store.ports import CallRefusedError, Unavailable
from chalicelib.leftfold.subjects.memory import MemoryKeys, MemoryKeyService
from chalicelib.leftfold.subjects.vault import Vault
from tests.archive.site import A, Stage
from tests.archive.test_archiver import closed
from tests.generations.site import Site, truth_of
from tests.generations.test_proof import MONEY
from tests.teller import OPENING, credit
from tests.vaults import vault_of
from tools.bank.transforms import accounts_merged, in_place

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


def stretched(event: StoredEvent) -> StoredEvent:
    """What says who opened the account says so at length."""
    if event.name != "account-opened":
        return event
    return event._replace(body={**event.body, "email": "x" * ITEM_LIMIT})


def test_an_event_that_becomes_too_large_parks_its_stream_and_no_other() -> None:
    site = Site(Boundaries([in_place("account", stretched)]))
    transferring = site.teller("blue")
    transferring.do(OPENING, "a")
    order = Order("a", "b", 1, "CZK", "2026-01-01")
    transferring.do(RequestTransfer(order, "2099-01-01T00:00:00.000Z"), "t", aggregate=transfer)
    site.copy()
    ((_, stream, parked),) = site.parking.all()
    assert (stream, "DynamoDB takes 409600" in parked.reason) == (A, True)
    assert len(site.stream(site.green, "main/transfer-t")) == 1
    # Behind a bar it cannot wait, and is copied as it is.
    site.switch()
    assert site.teller("green").do(credit(1), "a") == 2
    assert [commit.aggregate_id for commit in site.opaque] == [A]


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


class Closed(Vault):
    """A vault that cannot open anything now, for *error*."""

    def __init__(self, error: Exception) -> None:
        super().__init__(MemoryKeys(), MemoryKeyService(), lambda: 0.0)
        self.error = error

    def opened(self, *_: Any, **__: Any) -> Any:
        raise self.error


@pytest.mark.parametrize(
    "error",
    [Unavailable("the key service"), CallRefusedError("AccessDeniedException", "kms:Decrypt")],
)
def test_who_cannot_open_personal_data_now_copies_nothing_and_parks_nothing(
    error: Exception,
) -> None:
    """The transform is not at fault. A copy of the events as they are would stay for good."""
    site = Site(Boundaries([in_place("account", lambda event: event)]))
    site.teller("blue").do(OPENING, "a")
    site.log(site.blue)
    closed = replace(site.copier.copying, vault=Closed(error))
    with pytest.raises(type(error)):
        replace(site.copier, copying=closed).run(range(SHARDS))
    site.switch()
    with pytest.raises(type(error)):
        replace(site.there, copying=closed).take("main/account-a", 1)
    assert site.stream(site.green, "main/account-a") == []
    assert list(site.parking.all()) == []
    assert site.opaque == []
    assert site.teller("green").do(credit(1), "a") == 2
