"""DynamoDB in particular: purging, partial answers, throttles."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.leftfold.projection.documents import DynamoRows
from chalicelib.leftfold.projection.rows import NEVER, Save
from chalicelib.leftfold.store.ports import Unavailable
from tests.clock import Clock
from tools.tables import create_tables, dynamodb_client

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class Client:
    """A client of the real engine, of which one call behaves as the test says."""

    def __init__(self, client: "DynamoDBClient", name: str, call: Callable[..., Any]) -> None:
        self._client = client
        self._faulty = {name: call}

    def __getattr__(self, name: str) -> Any:
        return self._faulty.get(name) or getattr(self._client, name)


@pytest.fixture(scope="module")
def client(dynamodb_local: str) -> "DynamoDBClient":
    return dynamodb_client(dynamodb_local)


@pytest.fixture(scope="module")
def table(client: "DynamoDBClient") -> str:
    return f"{create_tables(client)}-balances"


def test_a_tombstone_is_purged_after_seven_days_and_a_row_never(
    client: "DynamoDBClient", table: str
) -> None:
    clock = Clock()
    rows = DynamoRows(client, table, clock)
    rows.save([Save("gone", None, 1, NEVER)])
    item = client.get_item(TableName=table, Key={"key": {"S": "gone"}})["Item"]
    assert item["deleted"] == {"BOOL": True}
    assert int(item["purgeAt"]["N"]) == clock.milliseconds // 1000 + 7 * 24 * 3600
    rows.save([Save("gone", {"back": 1}, 2, rows.load(["gone"])["gone"])])
    item = client.get_item(TableName=table, Key={"key": {"S": "gone"}})["Item"]
    assert set(item) == {"key", "position", "format", "row"}


def test_keys_left_unprocessed_are_asked_for_again(client: "DynamoDBClient", table: str) -> None:
    def three_at_once(RequestItems: Any) -> Any:  # noqa: N803 - boto3's name
        ((name, request),) = RequestItems.items()
        some, rest = request["Keys"][:3], request["Keys"][3:]
        asked: Any = {name: {**request, "Keys": some}}
        answer: Any = client.batch_get_item(RequestItems=asked)
        left = {name: {**request, "Keys": rest}} if rest else {}
        return {**answer, "UnprocessedKeys": left}

    keys = [f"part-{n}" for n in range(10)]
    DynamoRows(client, table, Clock()).save([Save(key, {}, 0, NEVER) for key in keys])
    faulty: Any = Client(client, "batch_get_item", three_at_once)
    loaded = DynamoRows(faulty, table, Clock()).load(keys)
    assert {key: row.position for key, row in loaded.items()} == dict.fromkeys(keys, 0)


def test_a_throttle_is_unavailable_and_other_rows_may_be_written(
    client: "DynamoDBClient", table: str
) -> None:
    def throttled(Item: Any, **request: Any) -> Any:  # noqa: N803 - boto3's name
        if Item["key"]["S"] == "hot":
            error: Any = {"Error": {"Code": "ThrottlingException", "Message": "slow down"}}
            raise ClientError(error, "PutItem")
        return client.put_item(Item=Item, **request)

    faulty: Any = Client(client, "put_item", throttled)
    rows = DynamoRows(faulty, table, Clock())
    with pytest.raises(Unavailable):
        rows.save([Save("hot", {}, 0, NEVER), Save("cold", {}, 0, NEVER)])
    assert rows.load(["hot", "cold"])["hot"] == NEVER
