"""An operator switches, lets streams be taken, goes back, finishes or abandons; every step can be run again."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.leftfold.commands.owning import MovedError, NotActiveError
from chalicelib.leftfold.generations.control import (
    Control,
    WrongStateError,
    control_of,
    created,
    text_of,
)
from chalicelib.leftfold.generations.memory import MemoryControl
from chalicelib.leftfold.generations.operating import SHARES, Operator, Taken, under_way
from chalicelib.leftfold.kernel import Boundaries, StoredEvent
from chalicelib.leftfold.store.memory import MemoryParking
from chalicelib.leftfold.store.ports import ParkedStream, StreamEntry
from tests.generations.site import Site
from tests.teller import OPENING, credit
from tools.bank.transforms import cards_apart, in_place


def operator(site: Site) -> Operator:
    return Operator(
        site.control, site.copier, site.there, site.back, site.checkpoints, site.parking
    )


def opened(*keys: str, boundaries: Boundaries | None = None) -> Site:
    site = Site(boundaries or Boundaries())
    for key in keys:
        site.teller("blue").do(OPENING, key)
    site.log(site.blue)
    return site


def streams_of(site: Site) -> set[str]:
    keys, _ = site.blue.table.scan(0, 1, None, 10**6)
    return {stream for stream, _ in keys}


class Reads:
    """Notes the streams of a table that are read."""

    def __init__(self, table: Any) -> None:
        self.table = table
        self.streams: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.table, name)

    def newest(self, stream: str, **page: Any) -> Any:
        self.streams.add(stream)
        return self.table.newest(stream, **page)

    def into(self, site: Site) -> Any:
        """The copying of a site whose later generation reads here."""
        table: Any = self
        return replace(site.there.copying, receiver=replace(site.green, table=table))


def test_a_switch_waits_until_the_copier_is_close() -> None:
    site = opened("a", "b", "c")
    with pytest.raises(WrongStateError, match="3 positions behind"):
        operator(site).switch(most_lag=2)
    site.copy()
    assert operator(site).switch(most_lag=0).switch == 1


def test_a_switch_waits_for_the_transform_to_be_mended() -> None:
    def fails(_event: StoredEvent) -> StoredEvent:
        raise ValueError("not yet")

    site = opened("a", boundaries=Boundaries([in_place("account", fails)]))
    site.copy()
    with pytest.raises(WrongStateError, match="first on main/account-a"):
        operator(site).switch()
    assert operator(site).status().parked == ("main/account-a",)


def test_parked_streams_are_named_in_their_order_whenever_they_were_parked() -> None:
    site = opened("a", "b")
    for key in "ba":
        site.parking.park("copier", f"main/account-{key}", ParkedStream(0, 1, "why"))
    both = ("main/account-a", "main/account-b")
    assert operator(site).status().parked == both
    with pytest.raises(WrongStateError, match="fails on 2 streams, first on main/account-a: mend"):
        operator(site).switch()


def test_a_stream_goes_on_once_its_transform_is_mended() -> None:
    mended = False

    def fails(event: StoredEvent) -> StoredEvent:
        if event.body.get("amount") == 13 and not mended:
            raise ValueError("unlucky")
        return event

    site = Site(Boundaries([in_place("account", fails)]))
    blue = site.teller("blue")
    blue.do(OPENING)
    blue.do(credit(13))
    blue.do(credit(1))
    site.copy()
    blue.do(credit(2))
    site.copy()
    assert operator(site).redrive() == ("main/account-a",)
    assert len(site.stream(site.green, "main/account-a")) == 1
    mended = True
    assert operator(site).redrive() == ()
    assert list(site.parking.all()) == []
    blue.do(credit(3))
    site.copy()
    copies = site.stream(site.green, "main/account-a")
    assert [c.source for c in copies] == [("main/account-a", n) for n in range(1, 6)]
    assert operator(site).switch(most_lag=0).switch == 1


def test_what_a_copier_leaves_to_a_parked_stream_that_was_redriven_meanwhile_is_copied() -> None:
    site = opened("a")

    class Redriven(MemoryParking):
        """Finds the stream parked; it is redriven before anything else happens."""

        def find(self, view: str, aggregate_ids: Any) -> dict[str, ParkedStream]:
            found = super().find(view, aggregate_ids)
            for stream, parked in found.items():
                self.release(view, stream, parked.last)
            return found

    parking = Redriven()
    parking.park("copier", "main/account-a", ParkedStream(0, 0, "mended"))
    site.copier = replace(site.copier, parking=parking)
    site.copy()
    assert len(site.stream(site.green, "main/account-a")) == 1


def test_to_switch_twice_is_to_switch_once() -> None:
    site = opened("a")
    for _ in range(2):
        assert operator(site).switch().switch == 1
    for _ in range(2):
        assert operator(site).switch_back().switch == 2
    assert operator(site).switch().switch == 3


def test_the_background_takes_every_stream_step_by_step() -> None:
    site = opened(*(f"k{n}" for n in range(150)))
    # Its commit is in the table, and not in the log.
    site.teller("blue").do(OPENING, "late")
    operator(site).switch()
    with pytest.raises(WrongStateError, match="not every stream"):
        operator(site).finish()
    first = operator(site).take(goes_on=lambda: False)
    assert 0 < first.streams < 151
    assert first.left == tuple(range(SHARES))
    last = first
    while last.left:
        before, last = last, operator(site).take(goes_on=lambda: False)
        assert before.streams <= last.streams
    assert last.streams == 151
    assert operator(site).status().taken == last
    for key in ("k0", "k149", "late"):
        assert site.stream(site.green, f"main/account-{key}")[-1].mark == 1
    for _ in range(2):
        assert operator(site).finish().state == "finished"
    with pytest.raises(WrongStateError, match="nothing to take"):
        operator(site).take()


def test_takers_side_by_side_have_a_share_each_and_may_be_at_the_same_one() -> None:
    site = opened(*(f"k{n}" for n in range(40)))
    for n in range(8):
        # Their commits are in the table, and not in the log.
        site.teller("blue").do(OPENING, f"late{n}")
    operator(site).switch()
    for share in (5, 0, 5, *range(SHARES)):
        taken = operator(site).take([share])
        assert share not in taken.left
    assert taken == Taken(1, 48, ())
    assert operator(site).finish().state == "finished"
    assert all(site.stream(site.green, stream)[-1].mark == 1 for stream in streams_of(site))


def test_a_share_goes_on_where_its_taker_was_stopped() -> None:
    site = opened(*(f"k{n}" for n in range(900)))
    operator(site).switch()
    first = operator(site).take([3], lambda: False)
    reads = Reads(site.green.table)
    again = replace(operator(site), there=replace(site.there, copying=reads.into(site)))
    second = again.take([3])
    assert (first.streams, 3 in first.left, 3 in second.left) == (100, True, False)
    assert len(reads.streams) == second.streams - first.streams


def registry_reads(site: Site, made: Operator) -> list[str]:
    """The streams of the earlier registry that all shares of an operator read."""
    log, read = site.blue.log, list[str]()

    class Noted:
        """The earlier log; notes what is read of its registry."""

        def __getattr__(self, name: str) -> Any:
            return getattr(log, name)

        def registry(self, *after: Any, **part: Any) -> Iterator[tuple[str, StreamEntry]]:
            for entry in log.registry(*after, **part):
                read.append(entry[0])
                yield entry

    noted: Any = Noted()
    copying = replace(site.there.copying, giver=replace(site.blue, log=noted))
    taken = replace(made, there=replace(site.there, copying=copying)).take()
    assert taken.left == ()
    return read


def test_all_shares_together_read_the_registry_once() -> None:
    site = opened(*(f"k{n}" for n in range(40)))
    operator(site).switch()
    assert sorted(registry_reads(site, operator(site))) == sorted(streams_of(site))


@settings(max_examples=8, deadline=None)
@given(
    streams=st.integers(0, 30),
    rounds=st.lists(st.tuples(st.integers(1, 9), st.sets(st.integers(0, 8))), max_size=4),
    last=st.integers(1, 9),
)
def test_every_stream_is_taken_however_the_number_of_shares_changes(
    streams: int, rounds: list[tuple[int, set[int]]], last: int
) -> None:
    site = opened(*(f"k{n}" for n in range(streams)))
    operator(site).switch()
    for shares, some in rounds:
        made = replace(operator(site), shares=shares)
        made.take([share for share in sorted(some) if share < shares], lambda: False)
    ended = replace(operator(site), shares=last)
    assert ended.take() == Taken(1, streams, ())
    assert all(site.stream(site.green, stream)[-1].mark == 1 for stream in streams_of(site))


def test_a_share_of_another_number_of_shares_is_not_done() -> None:
    site = opened(*(f"k{n}" for n in range(9)))
    operator(site).switch()
    assert replace(operator(site), shares=2).take().left == ()
    assert operator(site).status().taken.left == tuple(range(SHARES))
    with pytest.raises(WrongStateError, match="not every stream"):
        operator(site).finish()


def test_a_round_belongs_to_its_switch() -> None:
    site = opened("a")
    operator(site).switch()
    operator(site).take()
    operator(site).switch_back()
    assert operator(site).status().taken == Taken(2, 0, tuple(range(SHARES)))
    site.log(site.green)
    assert operator(site).take().left == ()
    assert site.teller("blue").do(credit(1)) == 2


def test_a_split_has_no_way_back_and_says_so() -> None:
    site = opened("a", boundaries=Boundaries([cards_apart()]))
    operator(site).switch()
    with pytest.raises(WrongStateError, match="third generation"):
        operator(site).switch_back()


def test_what_is_being_filled_is_abandoned_without_a_trace_and_later_not_any_more() -> None:
    site = opened("a")
    site.copy()
    for _ in range(2):
        assert operator(site).abandon().state == "abandoned"
    assert site.blue.table.newest("main/account-a", consistent=True).bar is None
    assert site.teller("blue").do(credit(1)) == 2
    with pytest.raises(WrongStateError):
        operator(site).switch()
    other = opened("a")
    operator(other).switch()
    with pytest.raises(
        WrongStateError, match="has no stream, can be abandoned; `leftfold generation back`"
    ):
        operator(other).abandon()


def test_a_name_is_never_used_again_and_one_change_follows_the_other() -> None:
    first = Control("blue")
    second = created(first, "green")
    with pytest.raises(WrongStateError, match="green is replicating"):
        created(second, "red")
    third = created(second._replace(state="abandoned"), "red")
    assert (third.blue, third.green, third.past) == ("blue", "red", ("green",))
    taken = created(third._replace(state="finished", switch=1), "last")
    assert (taken.blue, taken.past) == ("red", ("blue", "green"))
    for used in ("blue", "green", "red"):
        with pytest.raises(WrongStateError, match="used before"):
            created(third._replace(state="finished", switch=1), used)


def test_of_two_operators_at_once_one_is_told() -> None:
    control = MemoryControl()
    first = Control("blue")
    assert control.change(None, first)
    assert not control.change(None, first)
    assert control.change(first, created(first, "green"))
    assert not control.change(first, created(first, "red"))


def test_control_comes_back_from_its_text() -> None:
    control = Control("blue", "green", "switching", 3, ("red",))
    assert control_of(text_of(control)) == control


STEPS: Mapping[str, Callable[[Operator], object]] = {
    "switch": Operator.switch,
    "back": Operator.switch_back,
    "take": Operator.take,
    "finish": Operator.finish,
    "abandon": Operator.abandon,
    "redrive": Operator.redrive,
}
# The operator is told one of these, in each wrong order.
CURES = ("leftfold generation", "another generation", "third generation")


@pytest.mark.parametrize("first", STEPS)
def test_in_whatever_order_a_hostile_operator_runs_the_commands_nothing_is_lost(first: str) -> None:
    for orders in product(STEPS, repeat=2):
        site = opened("a")
        active, told, booked = "blue", list[str](), 1
        for step in (first, *orders, first):
            before = site.control.read()
            try:
                STEPS[step](operator(site))
            except WrongStateError as error:
                told.append(str(error))
                assert site.control.read() == before
            active = under_way(site.control).active
            booked += 1
            assert site.teller(active).do(credit(1)) == booked
        assert all(any(cure in text for cure in CURES) for text in told), told
        other = "green" if active == "blue" else "blue"
        with pytest.raises((MovedError, NotActiveError)):
            site.teller(other).do(credit(1))
