"""A third generation follows the second one, as the second followed the first; and what is left of a change
when the earlier truth is dropped.
"""

from dataclasses import replace

import pytest

from chalicelib.bank.account.domain import Open
from chalicelib.leftfold.commands.owning import IdMovedError
from chalicelib.leftfold.generations.operating import Operator
from chalicelib.leftfold.generations.owner import GenerationOwner
from chalicelib.leftfold.generations.proof import prove
from chalicelib.leftfold.kernel import Boundaries, Refused
from chalicelib.leftfold.store.memory import MemoryEvents, MemoryLog
from tests.generations.site import GenerationTeller, Site, no_pause, truth_of
from tests.generations.test_proof import MONEY
from tests.teller import OPENING, credit, debit
from tests.vaults import vault_of
from tools.bank.transforms import accounts_merged

A, B, C = (f"main/account-{key}" for key in "abc")


def finished(site: Site) -> None:
    """Copies, switches, takes everything and ends the change."""
    operator = Operator(
        site.control, site.copier, site.there, site.back, site.checkpoints, site.parking
    )
    site.copy()
    operator.switch(0)
    operator.take()
    assert operator.finish().state == "finished"
    site.log(site.green)


def after(site: Site, boundaries: Boundaries) -> Site:
    """The change that follows *site*, whose later generation is the earlier one now."""
    return Site(
        boundaries,
        blue=replace(site.green, first=True),
        green=truth_of("red", MemoryEvents(), MemoryLog()),
    )


def first_change() -> Site:
    """B was merged into a, and both have taken bookings since."""
    site = Site(Boundaries([accounts_merged({"b": "a"})]))
    blue = site.teller("blue")
    for key in "abc":
        blue.do(OPENING, key)
    blue.do(credit(100), "b", command_id="to-b")
    blue.do(credit(10), "a", command_id="to-a")
    blue.do(credit(1), "c", command_id="to-c")
    finished(site)
    site.teller("green").do(debit(105), "a", command_id="in-green")
    site.log(site.green)
    return site


def test_a_third_generation_has_every_command_of_both_and_finds_each_retry() -> None:
    first = first_change()
    # Who was merged away before stays so: the transform goes on naming it.
    site = after(first, Boundaries([accounts_merged({"b": "a", "c": "a"})], 2))
    finished(site)
    red = site.teller("green")
    before = len(site.stream(site.green, A))
    assert red.do(credit(10), "a", command_id="to-a") <= before
    assert red.do(debit(105), "a", command_id="in-green") <= before
    for key, amount in (("b", 100), ("c", 1)):
        with pytest.raises(IdMovedError) as moved:
            red.do(credit(amount), key, command_id=f"to-{key}")
        request = red.request(credit(amount), key, command_id=f"to-{key}")
        found = red.handler.found_in(request, moved.value.successors)
        assert found is not None
        (copy,) = site.green.table.range(*found, found[1])
        assert copy.origin == (f"main/account-{key}", 2)
    with pytest.raises(Refused, match="insufficient-funds"):
        red.do(debit(7), "a")
    assert red.do(debit(6), "a") == before + 1
    site.log(site.green)
    report = prove(site.blue.log, site.green.log, site.boundaries, MONEY, vault_of())
    assert list(report.differences()) == []


def test_an_id_that_was_merged_away_is_answered_with_its_place_once_the_earlier_truth_is_dropped() -> (
    None
):
    site = first_change()
    owner = GenerationOwner("green", site.control, first=True, went=site.boundaries)
    green = GenerationTeller(site.green.table, pause=no_pause, owner=owner)
    for command in (credit(1), Open("Bo", "CZK", "current")):
        with pytest.raises(IdMovedError) as moved:
            green.do(command, "b")
        assert [to.aggregate_id for to in moved.value.successors] == [A]
    request = green.request(credit(100), "b", command_id="to-b")
    for look in (green.handler.taken, green.handler.execute):
        with pytest.raises(IdMovedError):
            look(request)
    assert green.handler.found_in(request, moved.value.successors) is not None
    # No other generation is asked for anything.
    assert green.do(credit(1), "c") == 3
    assert green.do(OPENING, "new") == 1
