"""What a generation is made of: whose tables, whose functions, which way, and who completes what."""

from collections.abc import Mapping
from typing import Any, cast

import pytest

from chalicelib.bank import contexts
from chalicelib.leftfold.commands.owning import IdMovedError, MovedError
from chalicelib.leftfold.generations.control import Control
from chalicelib.leftfold.generations.memory import MemoryControl
from chalicelib.leftfold.generations.taking import Taker
from chalicelib.leftfold.kernel import Context, Domain, Transform
from chalicelib.leftfold.store.events import DynamoEvents
from chalicelib.leftfold.store.memory import MemoryArchive, MemoryCheckpoints, MemoryParking
from chalicelib.leftfold.wiring.generations import Generations
from chalicelib.leftfold.wiring.services import Services
from chalicelib.leftfold.wiring.settings import Settings
from tests.vaults import vault_of
from tools.bank.transforms import accounts_merged, cards_apart, in_place

A, B = "main/account-a", "main/account-b"
FOLLOWS = {"LEFTFOLD_STACK": "green", "LEFTFOLD_EARLIER": "blue"}
# A transform with an inverse.
SAME = in_place("account", lambda event: event, in_place("account", lambda event: event))


class Wired:
    """A generation's wiring, on clients that nobody calls."""

    def __init__(
        self, settings: Mapping[str, str], *transforms: Transform, switch: int = 1
    ) -> None:
        self.woken: list[tuple[str, dict[str, int]]] = []
        self.control = MemoryControl()
        assert self.control.change(None, Control("blue", "green", "switching", switch))
        self.services = Services(
            Settings(settings),
            Domain((*contexts.CONTEXTS, Context(transforms=transforms))),
            dynamodb=cast("Any", object()),
            archive=MemoryArchive(),
            earlier_archive=MemoryArchive(),
            control=self.control,
            stage_waker=self,
            vault=vault_of(),
        )
        self.made = Generations(self.services)

    def wake(self, function: str, wanted: Mapping[str, int] = {}) -> None:
        self.woken.append((function, dict(wanted)))


def way(taker: Taker | None) -> tuple[str, str] | None:
    """From where to where a taker brings streams."""
    return None if taker is None else (taker.copying.giver.name, taker.copying.receiver.name)


def test_streams_go_there_and_back_and_each_way_completes_what_the_other_has_begun() -> None:
    made = Wired(FOLLOWS, SAME).made
    assert (way(made.there), way(made.back)) == (("blue", "green"), ("green", "blue"))
    assert way(made.there.opposite) == ("green", "blue")
    assert made.back is not None
    assert way(made.back.opposite) == ("blue", "green")
    assert made.there.copying.boundaries is made.boundaries
    assert way(made.operator.there) == way(made.there)
    assert way(made.operator.back) == way(made.back)
    assert made.copier.copying is made.there.copying
    # The number of the last switch, which a taker that has slept asks for.
    assert (made.there.number(), made.back.number()) == (1, 1)


def test_without_an_inverse_there_is_no_way_back() -> None:
    made = Wired(FOLLOWS, cards_apart()).made
    assert (made.back, made.there.opposite, made.operator.back) == (None, None, None)


def test_each_generation_has_its_tables_its_archive_and_its_relay() -> None:
    wired = Wired(FOLLOWS)
    for truth, name, archive, first in (
        (wired.made.earlier, "blue", wired.services.earlier_archive, True),
        (wired.made.own, "green", wired.services.archive, False),
    ):
        events, log = cast("Any", truth.events), cast("Any", truth.log)
        assert (truth.name, truth.first) == (name, first)
        assert isinstance(truth.table, DynamoEvents)
        assert (truth.table._table, events._table) == (f"{name}-events", truth.table)
        assert (events._epochs._archive, log._archive) == (archive, archive)
        table = log._table
        assert (table._log, table._bodies, table._streams, table._name) == (
            *(f"{name}-log", f"{name}-bodies", f"{name}-streams"),
            "main",
        )
        truth.sequence({A: 3})
        assert wired.woken.pop() == (f"{name}-relay", {A: 3})


@pytest.mark.parametrize(
    ("switch", "proved"),
    [
        (0, ("blue", "green")),
        (1, ("blue", "green")),
        (2, ("green", "blue")),
        (3, ("blue", "green")),
    ],
)
def test_what_is_proved_is_the_generation_to_which_the_last_switch_led(
    switch: int, proved: tuple[str, str]
) -> None:
    wired = Wired(FOLLOWS, SAME)
    prover = wired.made.prover(switch)
    assert (prover.copying.giver.name, prover.copying.receiver.name) == proved
    assert prover.invariants == wired.services.domain.invariants
    assert prover.archive is wired.services.archive
    # Where there is no way back, nothing but the later one can be proved.
    one_way = Wired(FOLLOWS, cards_apart()).made.prover(switch)
    assert one_way.copying.receiver.name == "green"


def test_a_later_generation_takes_streams_and_the_earlier_one_asks_it() -> None:
    later = Wired(FOLLOWS, SAME).made.owner
    assert (later.name, later.first, way(later.taker)) == ("green", False, ("blue", "green"))
    wired = Wired({"LEFTFOLD_STACK": "blue"}, switch=2)
    earlier = wired.made.owner
    assert (earlier.name, earlier.first, earlier.taker) == ("blue", True, None)
    with pytest.raises(MovedError):
        earlier.take(A)
    assert wired.woken == [("green-taker", {A: 0})]
    # In the first generation no id has ever been another one.
    earlier.check_id(B)


def test_once_the_change_is_over_an_id_that_became_another_one_is_still_led_there() -> None:
    settings = {"LEFTFOLD_STACK": "green", "LEFTFOLD_ORDINAL": "1"}
    owner = Wired(settings, accounts_merged({"b": "a"})).made.owner
    assert (owner.first, owner.taker) == (True, None)
    owner.check_id(A)
    with pytest.raises(IdMovedError):
        owner.check_id(B)


def test_who_follows_nobody_is_told_what_to_do() -> None:
    with pytest.raises(LookupError, match=r"blue follows no earlier generation.*create NAME"):
        _ = Wired({"LEFTFOLD_STACK": "blue"}).made.there


def test_what_a_policy_has_passed_is_what_it_has_done_in_the_earlier_generation() -> None:
    settings = {**FOLLOWS, "LEFTFOLD_LOGS": "3", "LEFTFOLD_EARLIER_LOGS": "2"}
    checkpoints, parking = cast("Any", Wired(settings).made._progress)
    assert parking._table == "blue-policy-parked"
    assert {name: (each._table, each._log) for name, each in checkpoints.items()} == {
        name: ("blue-policy-checkpoints", name) for name in ("main", "main-1")
    }


def test_a_policy_has_begun_before_once_it_has_passed_anything_there() -> None:
    made, checkpoints = cast("Any", Wired(FOLLOWS).made), MemoryCheckpoints()
    made._progress = {"main": checkpoints}, MemoryParking()
    assert not made.begun_before("notify")
    checkpoints.move("notify", 0, -1, 0)
    assert made.begun_before("notify")
    assert not made.begun_before("other")
    passed = made.passed("notify")
    assert (passed.policy, passed.through) == ("notify", {"main": 0})
