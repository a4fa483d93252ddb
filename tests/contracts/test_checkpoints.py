"""What every store of checkpoints and of parked streams promises."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.leftfold.kernel import LANES
from chalicelib.leftfold.store.checkpoints import (
    FEW_PARKED,
    DynamoCheckpoints,
    DynamoParking,
    RoutedCheckpoints,
    RoutedParking,
)
from chalicelib.leftfold.store.memory import MemoryCheckpoints, MemoryParking
from chalicelib.leftfold.store.ports import Checkpoints, ParkedStream, Parking
from tools.tables import create_tables, dynamodb_client

A, B, C = "main/account-a", "main/account-b", "main/account-c"


@pytest.fixture(
    params=[
        "memory",
        "routed",
        pytest.param("dynamodb", marks=pytest.mark.engine("dynamodb_local")),
    ]
)
def checkpoints(request: pytest.FixtureRequest) -> Checkpoints:
    if request.param == "memory":
        return MemoryCheckpoints()
    if request.param == "routed":
        stores = {"v": MemoryCheckpoints(), "o": MemoryCheckpoints()}
        return RoutedCheckpoints(lambda reader: (stores["v" if reader == "view" else "o"], reader))
    client = dynamodb_client(request.getfixturevalue("dynamodb_local"))
    return DynamoCheckpoints(client, f"{create_tables(client)}-view-checkpoints")


@pytest.fixture(
    params=[
        "memory",
        "routed",
        pytest.param("dynamodb", marks=pytest.mark.engine("dynamodb_local")),
    ]
)
def parking(request: pytest.FixtureRequest) -> Parking:
    if request.param == "memory":
        return MemoryParking()
    if request.param == "routed":
        of_view, others = MemoryParking(), MemoryParking()
        return RoutedParking(
            lambda reader: (of_view, reader[2:]) if reader == "view" else (others, reader),
            lambda: [("", others), ("vi", of_view)],
        )
    client = dynamodb_client(request.getfixturevalue("dynamodb_local"))
    return DynamoParking(client, f"{create_tables(client)}-view-parked")


def test_a_reader_begins_before_position_0(checkpoints: Checkpoints) -> None:
    assert checkpoints.read("view", range(LANES)) == dict.fromkeys(range(LANES), -1)
    assert checkpoints.read("view", []) == {}


def test_a_checkpoint_moves_from_where_it_is(checkpoints: Checkpoints) -> None:
    assert checkpoints.move("view", 3, -1, 0)
    assert checkpoints.move("view", 3, 0, 10**15)
    assert checkpoints.read("view", [2, 3]) == {2: -1, 3: 10**15}
    assert checkpoints.read("other", [3]) == {3: -1}


def test_a_checkpoint_begins_once(checkpoints: Checkpoints) -> None:
    assert checkpoints.begin("view", 0, 7) == 7
    assert checkpoints.begin("view", 0, 9) == 7
    assert checkpoints.read("view", [0]) == {0: 7}
    assert checkpoints.move("view", 0, 7, 8)
    assert checkpoints.begin("view", 0, 9) == 8


def test_a_checkpoint_that_began_on_an_empty_log_begins_no_more(checkpoints: Checkpoints) -> None:
    assert checkpoints.begin("view", 0, -1) == -1
    assert checkpoints.begin("view", 0, 9) == -1
    assert checkpoints.move("view", 0, -1, 3)
    assert not checkpoints.move("view", 0, -1, 4)
    assert checkpoints.read("view", [0]) == {0: 3}


def test_a_checkpoint_moves_from_nowhere_else(checkpoints: Checkpoints) -> None:
    assert not checkpoints.move("view", 0, 4, 5)
    assert checkpoints.move("view", 0, -1, 5)
    for old in (-1, 4, 6):
        assert not checkpoints.move("view", 0, old, 9)
    assert checkpoints.read("view", [0]) == {0: 5}


def test_of_many_racing_moves_one_wins(checkpoints: Checkpoints) -> None:
    with ThreadPoolExecutor(8) as threads:
        won = threads.map(lambda n: checkpoints.move("view", 0, -1, n), range(8))
        assert sum(won) == 1


def test_a_note_is_kept_beside_the_positions(checkpoints: Checkpoints) -> None:
    assert checkpoints.note("sweeper") is None
    checkpoints.write_note("sweeper", "ž")
    checkpoints.write_note("sweeper", '[3,"ž"]')
    assert checkpoints.note("sweeper") == '[3,"ž"]'
    assert checkpoints.move("sweeper", 0, -1, 1)
    assert checkpoints.note("sweeper") == '[3,"ž"]'
    assert checkpoints.note("view") is None


def test_a_parked_stream_is_found_in_its_view(parking: Parking) -> None:
    assert parking.find("view", [A, B]) == {}
    assert parking.park("view", A, ParkedStream(3, 5, "because"))
    assert parking.find("view", [A, B]) == {A: ParkedStream(3, 5, "because")}
    assert parking.find("view", [B]) == {}
    assert parking.find("other", [A]) == {}


def test_a_stream_is_parked_once(parking: Parking) -> None:
    parked_stream = ParkedStream(3, 5, "because")
    assert parking.park("view", A, parked_stream)
    assert not parking.park("view", A, parked_stream)
    assert not parking.park("view", A, ParkedStream(1, 9, "other"))
    assert parking.find("view", [A]) == {A: parked_stream}


def test_extending_only_raises_the_last_position(parking: Parking) -> None:
    parking.park("view", A, ParkedStream(3, 5, "because"))
    assert parking.extend("view", A, 9)
    assert parking.extend("view", A, 7)
    assert parking.extend("view", A, 9)
    assert parking.find("view", [A]) == {A: ParkedStream(3, 9, "because")}


def test_a_stream_that_is_not_parked_is_not_extended(parking: Parking) -> None:
    assert not parking.extend("view", A, 9)
    assert parking.find("view", [A]) == {}


def test_a_marker_is_released_only_at_the_position_that_was_read(
    parking: Parking,
) -> None:
    parking.park("view", A, ParkedStream(3, 5, "because"))
    parking.extend("view", A, 6)
    assert not parking.release("view", A, 5)
    assert parking.find("view", [A]) == {A: ParkedStream(3, 6, "because")}
    assert parking.release("view", A, 6)
    assert not parking.release("view", A, 6)
    assert parking.find("view", [A]) == {}


def test_everything_parked_can_be_listed(parking: Parking) -> None:
    parking.park("view", A, ParkedStream(1, 1, "x"))
    parking.park("view", B, ParkedStream(2, 2, "y"))
    parking.park("other", A, ParkedStream(3, 3, "z"))
    of_view = [("view", A, ParkedStream(1, 1, "x")), ("view", B, ParkedStream(2, 2, "y"))]
    assert sorted(parking.all("view")) == of_view
    assert sorted(parking.all()) == [("other", A, ParkedStream(3, 3, "z")), *of_view]


@pytest.mark.slow
def test_a_stream_is_found_among_very_many(parking: Parking) -> None:
    streams = [f"main/account-{n:03}" for n in range(FEW_PARKED + 20)]
    for stream in streams:
        parking.park("view", stream, ParkedStream(1, 1, "x"))
    assert set(parking.find("view", [streams[-1], C])) == {streams[-1]}
    assert set(parking.find("view", [*streams, C])) == set(streams)
    assert len(list(parking.all("view"))) == len(streams)


def test_only_what_views_have_done_stands_in_their_store() -> None:
    of_views, of_others = MemoryCheckpoints(), MemoryCheckpoints()
    checkpoints = RoutedCheckpoints(
        lambda reader: (of_views if reader == "balances" else of_others, reader)
    )
    assert checkpoints.move("balances", 0, -1, 7)
    assert checkpoints.move("notify", 0, -1, 8)
    assert checkpoints.move("bus", 0, -1, 9)
    checkpoints.write_note("sweeper", "s")
    assert [of_views.read(name, [0])[0] for name in ("balances", "notify", "bus")] == [7, -1, -1]
    assert [of_others.read(name, [0])[0] for name in ("balances", "notify", "bus")] == [-1, 8, 9]
    assert (of_views.note("sweeper"), of_others.note("sweeper")) == (None, "s")


def test_parked_streams_of_views_stand_apart_and_are_listed_together() -> None:
    of_views, of_policies = MemoryParking(), MemoryParking()
    parking = RoutedParking(
        lambda reader: (of_views if reader == "balances" else of_policies, reader),
        lambda: [("", of_views), ("", of_policies)],
    )
    waiting = ParkedStream(1, 2, "r")
    assert parking.park("balances", A, waiting)
    assert parking.park("notify", B, waiting)
    assert list(of_views.all()) == [("balances", A, waiting)]
    assert list(of_policies.all()) == [("notify", B, waiting)]
    assert list(parking.all()) == [("balances", A, waiting), ("notify", B, waiting)]
    assert list(parking.all("notify")) == [("notify", B, waiting)]
