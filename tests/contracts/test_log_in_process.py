"""The contract of logs, kept by the DynamoDB adapter's requests, on moto."""

from collections.abc import Iterator

import pytest

from chalicelib.leftfold.store.log import DynamoLog
from tests.contracts import moto, test_log
from tools.tables import create_tables, log_tables

globals().update(moto.suite_of(test_log))


@pytest.fixture
def log() -> Iterator[DynamoLog]:
    with moto.in_process():
        client = moto.client("dynamodb")
        stack = create_tables(client)
        yield DynamoLog(client, log_tables(stack))
