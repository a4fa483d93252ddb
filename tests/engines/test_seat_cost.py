"""What a tenant's seat costs, in calls and units."""

from contextlib import ExitStack

import pytest

from chalicelib.leftfold.access.callers import TooManyRequestsError
from chalicelib.leftfold.access.seating import Seating
from chalicelib.leftfold.store.seats import DynamoSeats
from tests.clock import Clock
from tests.engines.meter import Meter
from tools.tables import create_tables, dynamodb_client


@pytest.mark.parametrize("most", [10, 20])
def test_a_seat_costs_a_unit_to_take_and_one_to_leave_and_a_refusal_costs_one(
    dynamodb_local: str, most: int
) -> None:
    client = dynamodb_client(dynamodb_local)
    table = f"{create_tables(client)}-requests"
    meter = Meter(client, dynamodb_client(dynamodb_local))
    ids = (f"{number:036}" for number in range(1_000))
    room = Seating(DynamoSeats(client, table), "feed", most, Clock(), lambda: next(ids))
    with room.seat("main"):
        pass
    assert cost(meter) == (2, 2)
    with ExitStack() as entered:
        for _ in range(most):
            entered.enter_context(room.seat("main"))
        # Where other seats are taken, now and then a second call finds a free one.
        assert most <= cost(meter)[0] < 2 * most
        with pytest.raises(TooManyRequestsError), room.seat("main"):
            pass
        assert cost(meter) == (1, 1)
    assert cost(meter) == (most, most)


def cost(meter: Meter) -> tuple[int, float]:
    """The calls and the units since the last time."""
    spent = meter.calls.total(), meter.units.total()
    meter.reset()
    return spent
