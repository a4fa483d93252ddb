"""The contract of control, kept by the DynamoDB adapter's requests, on moto."""

from collections.abc import Iterator

import pytest

from chalicelib.leftfold.generations.control import DynamoControl
from tests.contracts import moto, test_control

globals().update(moto.suite_of(test_control))


@pytest.fixture
def control() -> Iterator[DynamoControl]:
    with moto.in_process():
        yield test_control.dynamo_control(moto.client("dynamodb"))
