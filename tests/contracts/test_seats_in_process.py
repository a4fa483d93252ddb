"""The contract of seats, kept by the DynamoDB adapter's requests, on moto."""

from collections.abc import Iterator

import pytest

from chalicelib.leftfold.store.seats import KEPT, DynamoSeats
from tests.contracts import moto, test_seats
from tests.contracts.test_seats import LATER, NOW
from tools.tables import create_tables

globals().update(moto.suite_of(test_seats))


@pytest.fixture
def seats() -> Iterator[DynamoSeats]:
    with moto.in_process():
        client = moto.client("dynamodb")
        yield DynamoSeats(client, f"{create_tables(client)}-requests")


def test_the_item_of_a_room_expires_an_hour_after_its_last_seat(seats: DynamoSeats) -> None:
    seats.take("a", 0, "one", NOW, LATER)
    seats.take("a", 1, "one", NOW, LATER + 5_000)
    (item,) = moto.client("dynamodb").scan(TableName=seats._table)["Items"]
    assert int(item["expiresAt"]["N"]) == (LATER + 5_000) // 1_000 + KEPT
