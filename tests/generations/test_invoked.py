"""The copier's and the taker's functions: what one invocation does, what it leaves to others, and
when it ends.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.functions import generations
from chalicelib.leftfold.functions.generations import copier, taker
from chalicelib.leftfold.generations.copier import READER, SHARDS, shard_of
from chalicelib.leftfold.generations.memory import MemoryControl
from chalicelib.leftfold.generations.operating import Operator
from chalicelib.leftfold.kernel import Boundaries, Transform
from chalicelib.leftfold.store.ports import ParkedStream, Unavailable
from chalicelib.leftfold.wiring import process
from chalicelib.leftfold.wiring.generations import Generations
from chalicelib.leftfold.wiring.services import Services
from chalicelib.leftfold.wiring.settings import Settings
from tests.functions.test_functions import SCHEDULED, metrics
from tests.generations.site import Site
from tests.generations.test_copier import in_shards, stream_of
from tests.teller import OPENING, credit
from tools.bank.transforms import accounts_merged, cards_apart

A, B = stream_of("a"), stream_of("b")
# Accounts of different shards, by their shards.
SPREAD = in_shards()


@dataclass
class Invoked:
    """Green's functions in memory: time passes while they rest, and wakes are kept."""

    transforms: tuple[Transform, ...] = ()
    left: int = 900_000
    rested: list[float] = field(default_factory=list)
    woken: list[tuple[str, dict[str, int]]] = field(default_factory=list)
    meanwhile: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.site = Site(Boundaries(self.transforms))
        self.services = Services(
            Settings({"LEFTFOLD_STACK": "green", "LEFTFOLD_EARLIER": "blue"}),
            DOMAIN,
            control=self.site.control,
            checkpoints=self.site.checkpoints,
            parking=self.site.parking,
            waker=self,
            rest=self.rest,
            side_by_side=lambda act, items: [act(item) for item in items],
        )
        made: Any = Generations(self.services)
        made.copier, made.there, made.back = self.site.copier, self.site.there, self.site.back
        made.operator = self.operator
        self.services.generations = made

    @property
    def operator(self) -> Operator:
        site = self.site
        return Operator(
            site.control, site.copier, site.there, site.back, site.checkpoints, site.parking
        )

    def wake(self, function: str, wanted: Mapping[str, int] = {}) -> None:
        self.woken.append((function, dict(wanted)))

    def rest(self, seconds: float) -> None:
        self.rested.append(seconds)
        self.left -= int(seconds * 1000)
        if self.meanwhile:
            self.meanwhile.pop(0)()

    def get_remaining_time_in_millis(self) -> int:
        return self.left

    def opened(self, *keys: str) -> None:
        """Opens accounts in blue, in the order of the log."""
        for key in keys:
            self.site.teller("blue").do(OPENING, key)
            self.site.blue.sequence({stream_of(key): 1})

    def copied(self, *keys: str) -> list[int]:
        """How many commits of each account green has."""
        return [len(self.site.stream(self.site.green, stream_of(key))) for key in keys]

    def state(self, **members: Any) -> None:
        control = self.site.control.read()
        assert control is not None
        assert self.site.control.change(control, control._replace(**members))


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = process._services
    yield
    process._services = before


@pytest.fixture
def green() -> Invoked:
    return used(Invoked())


def used(made: Invoked) -> Invoked:
    process.use(made.services)
    return made


def emitted(capsys: pytest.CaptureFixture[str], name: str) -> list[Any]:
    return [line[name] for line in metrics(capsys) if name in line]


# --- the copier


def test_a_scheduled_copier_looks_every_second_until_the_next_one_starts(green: Invoked) -> None:
    green.opened("a")
    green.meanwhile = [lambda: None, lambda: green.opened("b")]
    copier(SCHEDULED, green)
    assert green.copied("a", "b") == [1, 1]
    assert green.rested == [1.0] * 60
    assert green.woken == []


def test_a_copier_with_little_time_leaves_off_while_its_last_page_can_still_be_written(
    green: Invoked,
) -> None:
    green.left = 70_000
    copier(SCHEDULED, green)
    # It begins nothing in its last minute.
    assert green.left == 60_000


@pytest.mark.parametrize(
    ("state", "switch", "name", "copies"),
    [
        ("replicating", 0, "green", True),
        ("switching", 1, "green", True),
        ("switching", 2, "green", False),
        ("switching", 3, "green", True),
        ("finished", 1, "green", False),
        ("abandoned", 0, "green", False),
        ("replicating", 0, "red", False),
    ],
)
def test_a_generation_is_filled_while_it_is_made_and_while_streams_come_to_it(
    green: Invoked, state: str, switch: int, name: str, *, copies: bool
) -> None:
    green.opened("a")
    green.state(state=state, switch=switch, green=name)
    copier(SCHEDULED, green)
    assert green.copied("a") == [int(copies)]
    # Without work it ends at once: the next start looks again.
    assert bool(green.rested) == copies


def test_a_stage_whose_control_nobody_has_written_has_no_change_to_work_for(green: Invoked) -> None:
    green.services.control = MemoryControl()
    copier(SCHEDULED, green)
    taker(SCHEDULED, green)
    assert green.rested == []
    assert green.woken == []


def test_a_shard_far_behind_is_left_to_an_invocation_of_its_own(
    green: Invoked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generations, "MUCH", 3)
    (ahead, near), (behind, far), *_ = SPREAD.items()
    green.opened(far)
    green.site.checkpoints.move(READER, behind, -1, 0)
    green.opened(near, "a", "b", "c")
    others = {shard for shard in range(SHARDS) if shard not in (ahead, behind)}
    end = green.site.copier.progress().ends[ahead]
    for shard in others:
        green.site.checkpoints.move(READER, shard, -1, end)
    # Three positions behind is near, and four is far.
    green.site.checkpoints.move(READER, ahead, -1, end - 3)
    copier(SCHEDULED, green)
    assert green.woken == [("copier", {str(behind): 0})]
    done = green.site.copier.progress().done
    assert (done[ahead], done[behind]) == (end, 0)


def test_a_shard_that_moves_has_its_invocation_already(
    green: Invoked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two at one shard do no harm, and do the work twice."""
    monkeypatch.setattr(generations, "MUCH", 0)
    green.opened("a", "b", "c")
    green.left = 61_000
    copier(SCHEDULED, green)
    assert green.woken == [("copier", {str(shard): 0}) for shard in range(SHARDS)]
    # One moves before the next minute, and one is done.
    green.site.checkpoints.move(READER, 1, -1, 0)
    green.site.checkpoints.move(READER, 2, -1, 2)
    green.woken.clear()
    green.left = 61_000
    copier(SCHEDULED, green)
    assert green.woken == [("copier", {str(n): 0}) for n in range(SHARDS) if n not in (1, 2)]
    # It did not move since.
    green.woken.clear()
    green.left = 61_000
    copier(SCHEDULED, green)
    assert ("copier", {"1": 0}) in green.woken
    assert green.site.checkpoints.note("copier-seen") == (
        '{"0":-1,"1":0,"2":2,"3":-1,"4":-1,"5":-1,"6":-1,"7":-1}'
    )


def test_the_first_look_alone_wakes_and_measures(
    green: Invoked, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generations, "MUCH", 0)
    green.opened("a", "b")
    green.site.parking.park(READER, A, ParkedStream(0, 0, "why"))
    green.site.parking.park("a_view", B, ParkedStream(0, 0, "why"))
    copier(SCHEDULED, green)
    assert len(green.woken) == SHARDS
    measured = metrics(capsys)
    assert [line["CopierBehind"] for line in measured if "CopierBehind" in line] == [2]
    assert [line["CopierParked"] for line in measured if "CopierParked" in line] == [1]


def test_a_copier_that_was_woken_for_a_shard_copies_that_one(green: Invoked) -> None:
    (shard, key), (_, other), *_ = SPREAD.items()
    green.opened(key, other)
    copier({"wanted": {str(shard): 0}}, green)
    assert green.copied(key, other) == [1, 0]
    assert (green.rested, green.woken) == ([], [])


def test_a_copier_that_was_woken_ends_before_its_time_does(
    green: Invoked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.leftfold.generations.copier.BLOCKS", 1)
    (shard, key), *_ = SPREAD.items()
    green.opened(key)
    green.site.teller("blue").do(credit(1), key)
    green.site.log(green.site.blue)
    green.left = 60_000
    copier({"wanted": {str(shard): 0}}, green)
    assert green.copied(key) == [1]
    green.left = 60_001
    copier({"wanted": {str(shard): 0}}, green)
    assert green.copied(key) == [2]


def test_a_stream_that_waits_for_another_one_is_told_and_tried_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = used(Invoked((accounts_merged({"b": "a"}),)))
    late = shard_of(A)
    (waits, key), *_ = in_shards(late).items()
    made.opened("a", "b", key)
    made.site.teller("blue").do(credit(1), key, deps=((B, 1),))
    made.site.log(made.site.blue)
    copier({"wanted": {str(waits): 0}}, made)
    (line,) = [line for line in metrics(capsys) if "CopiesWait" in line]
    assert line["CopiesWait"] == 1
    assert "account-b is not in main/account-a yet" in line["reason"]


# --- the taker


def switched(*keys: str, transforms: tuple[Transform, ...] = ()) -> Invoked:
    """Green is to take the streams of these accounts."""
    made = used(Invoked(transforms))
    made.opened(*keys)
    made.site.copy()
    made.site.switch()
    return made


def marks(made: Invoked, *keys: str) -> list[int]:
    return [made.site.stream(made.site.green, stream_of(key))[-1].mark for key in keys]


def test_a_scheduled_taker_takes_one_share_and_wakes_others_for_the_rest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    first, second = SPREAD[0], SPREAD[1]
    made = switched(first, second)
    taker(SCHEDULED, made)
    assert marks(made, first, second) == [1, 0]
    assert made.woken == [("taker", {str(share): 0}) for share in range(1, SHARDS)]
    (line,) = [line for line in metrics(capsys) if "StreamsTaken" in line]
    assert (line["StreamsTaken"], line["switch"]) == (0, 1)
    made.woken.clear()
    # Once that share is taken, the next one is the first that is left.
    taker(SCHEDULED, made)
    assert marks(made, second) == [1]
    assert made.woken == [("taker", {str(share): 0}) for share in range(2, SHARDS)]
    assert emitted(capsys, "StreamsTaken") == [1]


def test_a_taker_of_a_share_takes_that_one_and_wakes_nobody(
    capsys: pytest.CaptureFixture[str],
) -> None:
    first, second = SPREAD[0], SPREAD[1]
    made = switched(first, second)
    taker({"wanted": {"1": 0}}, made)
    assert marks(made, first, second) == [0, 1]
    assert made.woken == []
    assert metrics(capsys) == []


def test_a_taker_of_a_stream_takes_that_one() -> None:
    made = switched("a", "b")
    taker({"wanted": {B: 0}}, made)
    assert marks(made, "a", "b") == [0, 1]
    assert made.operator.status().taken.left == tuple(range(SHARDS))


@pytest.mark.parametrize(
    ("state", "name"), [("replicating", "green"), ("finished", "green"), ("switching", "red")]
)
def test_nothing_is_taken_but_for_the_generation_that_is_to_have_it(state: str, name: str) -> None:
    made = switched("a")
    made.state(state=state, green=name)
    taker({"wanted": {A: 0}}, made)
    taker(SCHEDULED, made)
    assert marks(made, "a") == [0]
    assert made.woken == []


def test_a_stream_that_cannot_be_taken_now_is_told_and_the_others_are_taken(
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = switched("a", "b")

    class Refusing:
        def __init__(self, table: Any) -> None:
            self._table = table

        def __getattr__(self, name: str) -> Any:
            return getattr(self._table, name)

        def bar(self, bar: Any) -> bool:
            if bar.aggregate_id == A:
                raise Unavailable("throttled")
            answer: bool = self._table.bar(bar)
            return answer

    table: Any = Refusing(made.site.blue.table)
    there = made.site.there
    copying = replace(there.copying, giver=replace(made.site.blue, table=table))
    made.services.generations.there = replace(there, copying=copying)
    taker({"wanted": {A: 0, B: 0}}, made)
    assert marks(made, "a", "b") == [0, 1]
    (line,) = [line for line in metrics(capsys) if "StreamsNotTaken" in line]
    assert (line["StreamsNotTaken"], line["reason"]) == (1, f"{A}: throttled")


def test_streams_go_back_to_the_earlier_generation_where_there_is_a_way_back() -> None:
    made = switched("a")
    taker({"wanted": {A: 0}}, made)
    made.site.teller("green").do(credit(1), "a")
    made.site.switch()
    taker({"wanted": {A: 0}}, made)
    assert [c.mark for c in made.site.stream(made.site.blue, A)] == [0, 2]
    # Without one, whoever asks is told by the generation that he asks.
    made = switched("a", transforms=(cards_apart(),))
    made.state(switch=2)
    taker({"wanted": {A: 0}}, made)
    assert marks(made, "a") == [0]
