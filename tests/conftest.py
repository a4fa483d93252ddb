"""Engines for the whole test session. One that cannot run fails its tests; none is ever skipped."""

from collections.abc import Iterator

import pytest

from tools.engines import DynamoDBLocal, KinesisLocal, MiniStack, OpenSearch


@pytest.fixture(scope="session")
def dynamodb_local() -> Iterator[str]:
    """The URL of DynamoDB Local."""
    with DynamoDBLocal() as engine:
        yield engine.url


@pytest.fixture(scope="session")
def opensearch() -> Iterator[str]:
    """The URL of OpenSearch."""
    with OpenSearch() as engine:
        yield engine.url


@pytest.fixture(scope="session")
def kinesis_local() -> Iterator[str]:
    """The URL of kinesis-local."""
    with KinesisLocal() as engine:
        yield engine.url


@pytest.fixture(scope="session")
def ministack() -> Iterator[str]:
    """The URL of MiniStack, which leads to no OpenSearch."""
    with MiniStack() as engine:
        yield engine.url
