"""The contract of tables of data keys, kept by the DynamoDB adapter's requests, on moto."""

from collections.abc import Iterator

import pytest

from chalicelib.leftfold.subjects.dynamo import DynamoKeys
from tests.contracts import moto, test_data_keys
from tools.tables import create_tables

globals().update(moto.suite_of(test_data_keys))


@pytest.fixture
def keys() -> Iterator[DynamoKeys]:
    with moto.in_process():
        client = moto.client("dynamodb")
        yield DynamoKeys(client, f"{create_tables(client)}-subjects")
