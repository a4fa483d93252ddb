"""The contract of the register of applications, kept by the DynamoDB adapter's requests, on moto."""

from collections.abc import Iterator

import pytest

from chalicelib.leftfold.store.applications import DynamoApplications
from tests.contracts import moto, test_applications
from tools.tables import create_tables

globals().update(moto.suite_of(test_applications))


@pytest.fixture
def applications() -> Iterator[DynamoApplications]:
    with moto.in_process():
        client = moto.client("dynamodb")
        yield DynamoApplications(client, f"{create_tables(client)}-applications")
