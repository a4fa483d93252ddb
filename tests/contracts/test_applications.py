"""What every register of applications promises."""

import pytest

from chalicelib.leftfold.store.applications import (
    Application,
    Applications,
    DynamoApplications,
    Known,
    MemoryApplications,
    Registered,
)
from tools.tables import create_tables, dynamodb_client

BLUE = Application(
    "bank",
    (Registered("sums", "sums", "view", "bus", ("account",)),),
    {"sums": "f1"},
    {"account/opened": 1},
    {"account/opened": 2},
)
GREEN = Application(
    "bank--green",
    (
        Registered("sums", "sums", "view", "bus", ("account",)),
        Registered("tell", "told", "policy", "log", ("account", "transfer")),
    ),
)


@pytest.fixture(
    params=["memory", pytest.param("dynamodb", marks=pytest.mark.engine("dynamodb_local"))]
)
def applications(request: pytest.FixtureRequest) -> Applications:
    if request.param == "memory":
        return MemoryApplications()
    client = dynamodb_client(request.getfixturevalue("dynamodb_local"))
    return DynamoApplications(client, f"{create_tables(client)}-applications")


def test_at_first_no_application_is_known_and_none_is_active(applications: Applications) -> None:
    assert applications.known() == Known({}, None)


def test_an_application_is_known_as_it_was_registered_last(applications: Applications) -> None:
    applications.register(GREEN)
    applications.register(Application(BLUE.name, ()))
    applications.register(BLUE)
    found = applications.known()
    assert list(found.applications.items()) == [(BLUE.name, BLUE), (GREEN.name, GREEN)]


def test_of_two_that_activate_at_once_one_does(applications: Applications) -> None:
    for each in (BLUE, GREEN):
        applications.register(each)
    assert applications.activate(BLUE.name, None)
    assert not applications.activate(GREEN.name, None)
    assert applications.activate(GREEN.name, BLUE.name)
    assert not applications.activate(GREEN.name, BLUE.name)
    assert applications.known().active == GREEN.name


def test_an_application_that_is_not_registered_cannot_be_active(
    applications: Applications,
) -> None:
    assert not applications.activate(BLUE.name, None)
    assert applications.known().active is None


def test_the_active_application_is_not_removed(applications: Applications) -> None:
    for each in (BLUE, GREEN):
        applications.register(each)
    assert applications.activate(BLUE.name, None)
    assert not applications.remove(BLUE.name)
    assert applications.remove(GREEN.name)
    assert applications.remove(GREEN.name)
    assert list(applications.known().applications) == [BLUE.name]


def test_where_the_active_one_is_retired_none_is_active(applications: Applications) -> None:
    applications.retire()
    applications.register(BLUE)
    assert applications.activate(BLUE.name, None)
    applications.retire()
    assert applications.known() == Known({BLUE.name: BLUE}, None)
    assert applications.remove(BLUE.name)


def test_an_application_is_removed_where_none_is_active(applications: Applications) -> None:
    applications.register(BLUE)
    assert applications.remove(BLUE.name)
    assert applications.known() == Known({}, None)
