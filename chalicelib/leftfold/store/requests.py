"""How many requests each tenant has sent, on DynamoDB: key tenant / window; items expire."""

from typing import TYPE_CHECKING

from chalicelib.leftfold.store.dynamo import translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# Seconds for which a count is kept after its window has begun.
KEPT = 3_600


class DynamoRequestCounts:
    """`RequestCounts` on one DynamoDB table."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def add(self, tenant: str, window: int, count: int) -> int:
        with translated():
            answer = self._client.update_item(
                TableName=self._table,
                Key={"tenant": {"S": tenant}, "window": {"N": str(window)}},
                UpdateExpression="ADD requests :count SET expiresAt = :expires",
                ExpressionAttributeValues={
                    ":count": {"N": str(count)},
                    ":expires": {"N": str(window + KEPT)},
                },
                ReturnValues="UPDATED_NEW",
            )
        return int(answer["Attributes"]["requests"]["N"])
