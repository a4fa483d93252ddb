"""What every table of control promises."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.leftfold.generations.control import (
    Control,
    ControlTable,
    DynamoControl,
)
from chalicelib.leftfold.generations.memory import MemoryControl
from tools.tables import dynamodb_client


def dynamo_control(client: Any) -> DynamoControl:
    """Control in a table of its own."""
    name = f"t{uuid4().hex[:12]}-control"
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "stage", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "stage", "KeyType": "HASH"}],
    )
    return DynamoControl(client, name)


@pytest.fixture(
    params=["memory", pytest.param("dynamodb", marks=pytest.mark.engine("dynamodb_local"))]
)
def control(request: pytest.FixtureRequest) -> ControlTable:
    if request.param == "memory":
        return MemoryControl()
    return dynamo_control(dynamodb_client(request.getfixturevalue("dynamodb_local")))


FIRST = Control("blue")
SECOND = Control("blue", "green", "switching", 3, ("red", "white"))


def test_control_comes_back_as_it_was_written(control: ControlTable) -> None:
    assert control.read() is None
    assert control.change(None, FIRST)
    assert control.read() == FIRST
    assert control.change(FIRST, SECOND)
    assert control.read() == SECOND


def test_control_is_changed_only_if_it_is_as_it_was_read(control: ControlTable) -> None:
    assert not control.change(FIRST, SECOND)
    assert control.change(None, FIRST)
    assert not control.change(None, SECOND)
    assert not control.change(SECOND, FIRST)
    assert control.read() == FIRST


def test_of_many_who_change_it_at_once_one_does(control: ControlTable) -> None:
    control.change(None, FIRST)
    wanted = [FIRST._replace(green=f"g{n}", state="replicating") for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda new: control.change(FIRST, new), wanted))
    assert won.count(True) == 1
    assert control.read() == wanted[won.index(True)]
