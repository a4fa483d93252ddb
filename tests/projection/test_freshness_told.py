"""What a wait that ended in vain says."""

import pytest

from chalicelib.leftfold.projection.freshness import Freshness, NotYetError, ViewParkedError
from chalicelib.leftfold.store.memory import MemoryCheckpoints, MemoryLog, MemoryParking
from chalicelib.leftfold.store.ports import ParkedStream
from tests.application import Silent
from tests.builders import stream
from tests.projection.views import piles

A = stream("a")


def freshness(parking: MemoryParking) -> Freshness:
    """Waits that end at once."""
    return Freshness(
        MemoryLog(),
        MemoryCheckpoints(),
        parking,
        Silent(),
        lambda: 0.0,
        lambda _: None,
        lambda: 0.0,
    )


def test_a_view_that_is_behind_names_the_version_of_the_stream() -> None:
    with pytest.raises(NotYetError) as caught:
        freshness(MemoryParking()).wait(piles, A, 7, 0)
    assert str(caught.value) == f"piles has not reached version 7 of {A}"


def test_a_parked_stream_names_its_view_and_the_reason() -> None:
    parking = MemoryParking()
    parking.park("piles", A, ParkedStream(0, 3, "boom"))
    with pytest.raises(ViewParkedError) as caught:
        freshness(parking).wait(piles, A, 7)
    assert str(caught.value) == f"{A} is parked in piles: boom"
    assert (caught.value.view, caught.value.aggregate_id) == ("piles", A)
    assert caught.value.parked_stream == ParkedStream(0, 3, "boom")
