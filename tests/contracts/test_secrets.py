"""What every keeper of secrets promises."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.leftfold.store.memory import MemorySecrets
from chalicelib.leftfold.store.ports import SECRET_BYTES, Secrets
from chalicelib.leftfold.store.secrets import DynamoSecrets
from tools.tables import create_tables, dynamodb_client


@pytest.fixture(
    params=["memory", pytest.param("dynamodb", marks=pytest.mark.engine("dynamodb_local"))]
)
def secrets(request: pytest.FixtureRequest) -> Secrets:
    if request.param == "memory":
        return MemorySecrets()
    client = dynamodb_client(request.getfixturevalue("dynamodb_local"))
    return DynamoSecrets(client, f"{create_tables(client)}-secrets")


def test_a_secret_is_made_once_and_kept(secrets: Secrets) -> None:
    made = secrets.secret("cursors")
    assert len(made) == SECRET_BYTES
    assert secrets.secret("cursors") == made


def test_each_name_has_a_secret_of_its_own(secrets: Secrets) -> None:
    assert secrets.secret("cursors") != secrets.secret("others")


def test_whoever_asks_first_at_the_same_time_gets_the_same_secret(secrets: Secrets) -> None:
    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(secrets.secret, ["cursors"] * 40))) == 1
