"""The contract of event stores, kept by the DynamoDB adapter's requests, on moto."""

from collections.abc import Iterator

import pytest

from chalicelib.leftfold.store.events import DynamoEvents
from tests.contracts import moto, test_event_store
from tools.tables import create_tables

globals().update(moto.suite_of(test_event_store))


@pytest.fixture
def events() -> Iterator[DynamoEvents]:
    with moto.in_process():
        client = moto.client("dynamodb")
        yield DynamoEvents(client, f"{create_tables(client)}-events")
