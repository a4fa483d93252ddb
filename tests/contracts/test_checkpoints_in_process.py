"""The contracts of checkpoints and of parked streams, kept by the DynamoDB adapters' requests,
on moto.
"""

from collections.abc import Iterator

import pytest

from chalicelib.leftfold.store.checkpoints import DynamoCheckpoints, DynamoParking
from tests.contracts import moto, test_checkpoints
from tools.tables import create_tables

globals().update(moto.suite_of(test_checkpoints))


@pytest.fixture
def checkpoints() -> Iterator[DynamoCheckpoints]:
    with moto.in_process():
        client = moto.client("dynamodb")
        yield DynamoCheckpoints(client, f"{create_tables(client)}-view-checkpoints")


@pytest.fixture
def parking() -> Iterator[DynamoParking]:
    with moto.in_process():
        client = moto.client("dynamodb")
        yield DynamoParking(client, f"{create_tables(client)}-view-parked")
