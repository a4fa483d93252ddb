"""The contract of keepers of secrets, kept by the DynamoDB adapter's requests, on moto."""

import secrets as randomness
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


def test_whoever_is_second_gets_the_secret_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes look, find none, and make one each. A cursor sealed with the second one's would
    be refused by everybody else.
    """
    with moto.in_process():
        client = moto.client("dynamodb")
        table = f"{create_tables(client)}-secrets"
        drawn = randomness.token_bytes

        def meanwhile(length: int) -> bytes:
            monkeypatch.setattr(randomness, "token_bytes", drawn)
            others.append(DynamoSecrets(client, table).secret("cursors"))
            return drawn(length)

        others: list[bytes] = []
        monkeypatch.setattr(randomness, "token_bytes", meanwhile)
        assert [DynamoSecrets(client, table).secret("cursors")] == others
