"""The contract of counts of requests, kept by the DynamoDB adapter's requests, on moto."""

from collections.abc import Iterator

import pytest

from chalicelib.leftfold.store.requests import DynamoRequestCounts
from tests.contracts import moto, test_request_counts
from tools.tables import create_tables

globals().update(moto.suite_of(test_request_counts))


@pytest.fixture
def counts() -> Iterator[DynamoRequestCounts]:
    with moto.in_process():
        client = moto.client("dynamodb")
        yield DynamoRequestCounts(client, f"{create_tables(client)}-requests")
