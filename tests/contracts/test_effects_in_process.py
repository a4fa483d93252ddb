"""The contract of ledgers of effects, kept by the DynamoDB adapter's requests, on moto."""

from collections.abc import Iterator

import pytest

from chalicelib.leftfold.store.effects import DynamoEffects
from tests.clock import Clock
from tests.contracts import moto, test_effects
from tools.tables import create_tables

globals().update(moto.suite_of(test_effects))


@pytest.fixture
def effects(clock: Clock) -> Iterator[DynamoEffects]:
    with moto.in_process():
        client = moto.client("dynamodb")
        yield DynamoEffects(client, f"{create_tables(client)}-effects", clock)
