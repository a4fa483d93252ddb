"""The contract of keepers of secrets, kept by the DynamoDB adapter's requests, on moto."""

from collections.abc import Iterator

import pytest

from chalicelib.leftfold.store.secrets import DynamoSecrets
from tests.contracts import moto, test_secrets
from tools.tables import create_tables

globals().update(moto.suite_of(test_secrets))


@pytest.fixture
def secrets() -> Iterator[DynamoSecrets]:
    with moto.in_process():
        client = moto.client("dynamodb")
        yield DynamoSecrets(client, f"{create_tables(client)}-secrets")
