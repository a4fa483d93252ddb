"""Secrets of the truth on DynamoDB: key `name`; each is made once, by whoever needs it first."""

import secrets
from typing import TYPE_CHECKING, Any

from chalicelib.leftfold.store.dynamo import translated
from chalicelib.leftfold.store.ports import SECRET_BYTES

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class DynamoSecrets:
    """`Secrets` on one DynamoDB table."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def secret(self, name: str) -> bytes:
        found = self._read(name)
        return found or self._make(name)

    def _read(self, name: str) -> bytes | None:
        with translated():
            item: dict[str, Any] = self._client.get_item(
                TableName=self._table, Key={"name": {"S": name}}, ConsistentRead=True
            ).get("Item", {})
        return bytes(item["secret"]["B"]) if item else None

    def _make(self, name: str) -> bytes:
        made = secrets.token_bytes(SECRET_BYTES)
        try:
            with translated():
                self._client.put_item(
                    TableName=self._table,
                    Item={"name": {"S": name}, "secret": {"B": made}},
                    ConditionExpression="attribute_not_exists(#name)",
                    ExpressionAttributeNames={"#name": "name"},
                )
        except self._client.exceptions.ConditionalCheckFailedException:
            # Another process was first, and may have used its secret already.
            return self.secret(name)
        return made
