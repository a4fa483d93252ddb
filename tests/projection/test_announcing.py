"""Announcements: others are told of each chosen event, whatever fails, and can put them in order."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from chalicelib.leftfold.kernel import Announcer, StoredEvent
from chalicelib.leftfold.kernel.repair import Repair
from chalicelib.leftfold.policies.announcing import announced_again
from chalicelib.leftfold.policies.outside import Answer, CloudEvent, MemoryOutside
from chalicelib.leftfold.projection.fold import PoisonError
from chalicelib.leftfold.projection.runner import PASS_ATTEMPTS
from chalicelib.leftfold.store.ports import CallRefusedError, Unavailable
from tests.builders import Added, Removed, stream
from tests.projection.announced import GONE, Announced, pile, tell, told_through_faults

A, B = stream("a"), stream("b")


def test_an_announcement_is_a_cloud_event() -> None:
    site = Announced()
    site.block((B, [GONE]), (A, [Added(1)]))
    site.block((A, [Added(2), GONE]), correlation_id="c-1")
    site.run()
    (_, said) = site.told()
    assert said == {
        "specversion": "1.0",
        "id": "main/pile-a@2.1.0",
        "source": "urn:leftfold:t:main",
        "type": "pile.removed",
        "subject": A,
        "time": site.commits[2].at,
        "sequence": "000000000000002.00001.000",
        "revision": "000000000000002.00001.000",
        "tenant": "main",
        "eventversion": 1,
        "correlationid": "c-1",
        "traceparent": site.commits[2].traceparent,
        "datacontenttype": "application/json",
        "dataref": "/streams/pile/a/commits/2",
        "data": {},
    }


def test_each_announcement_names_the_one_before_it_in_its_stream() -> None:
    """Also where that was announced by an earlier run, and many commits lie between."""
    site = Announced()
    site.block((A, [GONE, Added(1), GONE]), (B, [GONE]))
    site.run()
    for _ in range(40):
        site.block((A, [Added(1)]))
    site.block((A, [GONE]))
    site.run()
    of_a = [said for said in site.told() if said["subject"] == A]
    assert [said.get("previous") for said in of_a] == [None, *(s["revision"] for s in of_a[:-1])]
    assert all(one["sequence"] < next_["sequence"] for one, next_ in pairwise(of_a))


def test_personal_data_is_not_announced() -> None:
    site = Announced()
    sealed = StoredEvent("removed", 1, {}, {"pile:a": "c2VhbGVk"})
    site.block((A, [sealed]))
    site.run()
    assert [said["data"] for said in site.told()] == [{}]


def test_a_copy_is_not_announced_because_its_root_was() -> None:
    site = Announced()
    site.block((A, [GONE]), root=(B, 1), source=(B, 1))
    site.block((A, [GONE]))
    site.run()
    (said,) = site.told()
    assert (said["id"], "previous" in said) == ("main/pile-a@2.0.0", False)


def test_what_was_recorded_before_the_beginning_is_not_announced() -> None:
    site = Announced(announcer=replace(tell, since=datetime(2026, 1, 2, tzinfo=UTC)))
    for day in (1, 2, 3):
        site.block((A, [GONE]), at=f"2026-01-0{day}T00:00:00.000Z")
    site.run()
    assert [said["time"][:10] for said in site.told()] == ["2026-01-02", "2026-01-03"]
    assert "previous" not in site.told()[0]


UNREADABLE = StoredEvent("unheard-of", 1, {})


def test_a_commit_that_cannot_be_read_parks_its_stream_alone() -> None:
    site = Announced()
    site.block((A, [GONE]), (A, [UNREADABLE]), (A, [GONE]), (B, [GONE]))
    site.run()
    assert sorted(said["id"] for said in site.told()) == ["main/pile-a@1.0.0", "main/pile-b@1.0.0"]
    assert [(name, parked, one.first) for name, parked, one in site.parking.all()] == [
        ("tell", A, 1)
    ]


class PassedOver:
    """Repairs that let the announcer pass over each commit that it cannot read."""

    def of(self, _aggregate_id: str, _version: int) -> Repair:
        return Repair(skipped_by=frozenset({"tell"}))


def test_after_a_repair_the_stream_goes_on_and_no_link_is_missing() -> None:
    site = Announced()
    site.block((A, [GONE]), (A, [UNREADABLE]), (A, [GONE]))
    site.run()
    site.repairs = PassedOver()
    site.runner.redrive(A)
    first, second = site.told()
    assert second["previous"] == first["revision"]
    assert list(site.parking.all()) == []


class Refusing(MemoryOutside):
    """A way out that will never take some announcements."""

    def __init__(self, *ids: str) -> None:
        super().__init__()
        self.ids = set(ids)

    def put(self, announcements: Sequence[CloudEvent]) -> Answer:
        super().put([one for one in announcements if one["id"] not in self.ids])
        return Answer((), {o["id"]: "never" for o in announcements if o["id"] in self.ids})


def test_an_announcement_that_is_refused_for_ever_parks_its_stream() -> None:
    site = Announced(Refusing("main/pile-a@1.0.0"))
    site.block((A, [GONE]), (B, [GONE]))
    site.run()
    assert [said["subject"] for said in site.told()] == [B]
    ((_, parked, one),) = site.parking.all()
    assert (parked, one.reason) == (A, "never")
    with pytest.raises(PoisonError):
        site.runner.redrive(A)
    site.outside = MemoryOutside()
    site.runner.redrive(A)
    assert [said["subject"] for said in site.told()] == [A]


class Down(MemoryOutside):
    """A way out that takes nothing for now."""

    def put(self, announcements: Sequence[CloudEvent]) -> Answer:
        return Answer(tuple(announcements))


def test_nothing_is_passed_and_nobody_is_parked_while_nothing_is_taken() -> None:
    site = Announced(Down())
    site.block((A, [GONE]))
    with pytest.raises(Unavailable, match="1 announcements were not taken"):
        site.run()
    assert list(site.parking.all()) == []
    assert site.paused == list(range(2, PASS_ATTEMPTS + 1))
    site.outside = MemoryOutside()
    site.run()
    assert len(site.told()) == 1
    assert len(site.paused) == PASS_ATTEMPTS - 1


def test_an_announcer_that_may_not_announce_fails_loudly() -> None:
    class Forbidden(MemoryOutside):
        def put(self, announcements: Sequence[CloudEvent]) -> Answer:  # noqa: ARG002
            raise CallRefusedError("AccessDeniedException", "no")

    site = Announced(Forbidden())
    site.block((A, [GONE]))
    with pytest.raises(CallRefusedError):
        site.run()
    assert list(site.parking.all()) == []


def test_an_announcer_tells_of_what_it_hears_alone() -> None:
    with pytest.raises(ValueError, match="tells of int, which is no event of pile"):
        Announcer("tell", (pile,), (int,))
    with pytest.raises(ValueError, match="time zone"):
        replace(tell, since=datetime(2026, 1, 1))  # noqa: DTZ001 - the very mistake
    with pytest.raises(ValueError, match="longer than the 128 characters"):
        Announcer("tell", (replace(pile, category="p" * 121),), (Removed,))


def test_what_is_announced_again_is_the_same_and_moves_nothing() -> None:
    site = Announced()
    for _ in range(5):
        site.block((A, [GONE]), (B, [GONE, GONE]))
    site.run()
    first, before = site.told(), site.checkpoints.read("tell", [0])
    site.outside = MemoryOutside()
    reached = [
        at for at, outcome in announced_again(site.work, site.log, 3, 7) if not outcome.poisons
    ]
    assert site.told() == [one for one in first if 3 <= int(one["sequence"][:15]) <= 7]
    assert (reached[-1], site.checkpoints.read("tell", [0])) == (7, before)


def test_what_the_log_does_not_show_is_not_announced_silently() -> None:
    site = Announced()
    site.block((A, [GONE]))
    with pytest.raises(Unavailable, match="position 1"):
        list(announced_again(site.work, site.log, 0, 1))


@pytest.mark.parametrize("seed", range(20))
def test_every_event_arrives_and_the_example_has_each_stream_in_order(seed: int) -> None:
    assert told_through_faults(seed) > 0
