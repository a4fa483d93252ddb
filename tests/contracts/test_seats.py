"""What all seats of rooms promise."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.leftfold.store.memory import MemorySeats
from chalicelib.leftfold.store.ports import Seats
from chalicelib.leftfold.store.seats import DynamoSeats
from tools.tables import create_tables, dynamodb_client

NOW, LATER = 1_700_000_000_000, 1_700_000_060_000


@pytest.fixture(
    params=["memory", pytest.param("dynamodb", marks=pytest.mark.engine("dynamodb_local"))]
)
def seats(request: pytest.FixtureRequest) -> Seats:
    if request.param == "memory":
        return MemorySeats()
    client = dynamodb_client(request.getfixturevalue("dynamodb_local"))
    return DynamoSeats(client, f"{create_tables(client)}-requests")


def test_a_free_seat_is_given_and_a_taken_one_tells_until_when_each_is(seats: Seats) -> None:
    assert seats.take("a", 0, "one", NOW, LATER) is None
    assert seats.take("a", 12, "two", NOW, LATER + 1) is None
    assert seats.take("a", 0, "three", NOW, LATER) == {0: LATER, 12: LATER + 1}
    assert seats.take("a", 1, "three", NOW, LATER) is None


def test_each_room_has_seats_of_its_own(seats: Seats) -> None:
    assert seats.take("a#feed", 0, "one", NOW, LATER) is None
    assert seats.take("a#wait", 0, "two", NOW, LATER) is None
    assert seats.take("b#feed", 0, "three", NOW, LATER) is None


def test_a_seat_is_free_once_its_time_is_over_and_not_before(seats: Seats) -> None:
    assert seats.take("a", 0, "one", NOW, LATER) is None
    assert seats.take("a", 0, "two", LATER, LATER + 9) == {0: LATER}
    assert seats.take("a", 0, "two", LATER + 1, LATER + 9) is None
    assert seats.take("a", 0, "three", LATER + 1, LATER + 9) == {0: LATER + 9}


def test_a_call_whose_answer_was_lost_may_be_sent_again(seats: Seats) -> None:
    assert seats.take("a", 0, "one", NOW, LATER) is None
    assert seats.take("a", 0, "one", NOW + 1, LATER + 1) is None
    assert seats.take("a", 0, "two", NOW, LATER) == {0: LATER + 1}
    seats.leave("a", 0, "one")
    seats.leave("a", 0, "one")
    assert seats.take("a", 0, "two", NOW, LATER) is None


def test_who_has_lost_a_seat_cannot_free_it(seats: Seats) -> None:
    assert seats.take("a", 0, "one", NOW, LATER) is None
    assert seats.take("a", 0, "two", LATER + 1, LATER + 9) is None
    seats.leave("a", 0, "one")
    seats.leave("a", 1, "one")
    assert seats.take("a", 0, "three", LATER + 1, LATER + 9) == {0: LATER + 9}


def test_a_seat_that_was_left_is_told_of_no_more(seats: Seats) -> None:
    for seat in (0, 1):
        assert seats.take("a", seat, "one", NOW, LATER) is None
    seats.leave("a", 0, "one")
    assert seats.take("a", 1, "two", NOW, LATER) == {1: LATER}


def test_of_many_at_once_one_has_the_seat(seats: Seats) -> None:
    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(lambda n: seats.take("a", 0, f"{n}", NOW, LATER), range(40)))
    assert taken.count(None) == 1
    assert [each for each in taken if each is not None] == [{0: LATER}] * 39
