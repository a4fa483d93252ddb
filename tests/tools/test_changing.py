"""The steps of a change, as far as they need no cloud: what is allowed, and what people are told."""

from io import StringIO

import pytest
from rich.console import Console

from chalicelib.leftfold.generations.control import Control, WrongStateError
from chalicelib.leftfold.generations.memory import MemoryControl
from chalicelib.leftfold.generations.operating import Round, Status, abandon
from chalicelib.leftfold.kernel import Boundaries, Transform
from tests.generations.site import Site
from tests.teller import OPENING, credit
from tools.bank.transforms import cards_apart
from tools.changing import begin, check_boundaries, check_droppable, described, estimate
from tools.cloud import DeployError

BLUE, GREEN = "leftfold-dev", "leftfold-dev--green"


def control(state: str = "replicating", switch: int = 0) -> Control:
    return Control(BLUE, GREEN, state, switch)  # type: ignore[arg-type]


def test_a_change_begins_once_however_often_it_is_begun() -> None:
    table = MemoryControl()
    for _ in range(2):
        assert begin(table, BLUE, GREEN) == control()
    with pytest.raises(WrongStateError, match="green is replicating; finish or abandon it"):
        begin(table, BLUE, "leftfold-dev--red")


def test_an_abandoned_name_is_not_begun_again() -> None:
    table = MemoryControl()
    begin(table, BLUE, GREEN)
    for _ in range(2):
        assert abandon(table).state == "abandoned"
    with pytest.raises(WrongStateError, match="used before"):
        begin(table, BLUE, GREEN)
    assert begin(table, BLUE, "leftfold-dev--red").past == (GREEN,)


def test_nothing_is_abandoned_where_nothing_was_begun() -> None:
    with pytest.raises(WrongStateError, match="generation create NAME --transform"):
        abandon(MemoryControl())


@pytest.mark.parametrize(
    ("state", "truth", "says"),
    [
        (None, BLUE, "the only truth"),
        (control(), BLUE, "is active"),
        (control(), GREEN, "a change that is replicating"),
        (control("switching", 1), BLUE, "a change that is switching"),
        (control("finished", 1), GREEN, "is active"),
        (control("finished", 1), "leftfold-dev--red", "the only truth"),
    ],
)
def test_a_truth_that_somebody_needs_is_not_dropped(
    state: Control | None, truth: str, says: str
) -> None:
    with pytest.raises(DeployError, match=says):
        check_droppable(state, truth)


@pytest.mark.parametrize(
    ("state", "truth"),
    [
        (control("finished", 1), BLUE),
        (control("finished", 2), GREEN),
        (control("abandoned"), GREEN),
    ],
)
def test_a_truth_that_nobody_needs_may_be_dropped(state: Control, truth: str) -> None:
    assert check_droppable(state, truth) == state


def live() -> Site:
    site = Site(Boundaries([cards_apart()]))
    for key in "ab":
        site.teller("blue").do(OPENING, key)
    site.teller("blue").do(credit(1))
    site.log(site.blue)
    return site


def test_an_estimate_counts_what_the_log_has() -> None:
    made = estimate(live().blue.log)
    assert (made.commits, made.streams, made.units) == (3, 2, 10)
    assert "3 commits in 2 streams: at least 10 write units, $0.00" in str(made)


def test_transforms_that_contradict_each_other_are_refused_before_anything_is_made() -> None:
    log = live().blue.log
    check_boundaries(Boundaries([cards_apart()]), log)
    wrong = Transform(
        "account", ("card",), lambda s: (s._replace(category="card"),), lambda _: (), lambda _: ()
    )
    with pytest.raises(DeployError, match="does not name it among its sources"):
        check_boundaries(Boundaries([wrong]), log)


def test_a_status_tells_where_a_change_stands() -> None:
    status = Status(control("switching", 1), 7, ("main/account-a",), Round(1, "done", None, 1200))
    out = StringIO()
    Console(file=out, width=120).print(described(status))
    text = " ".join(out.getvalue().split())
    assert "state switching, switch 1" in text
    assert f"active {GREEN}" in text
    assert "copier behind 7 positions" in text
    assert "taken in the background 1,200 streams, all of them" in text
