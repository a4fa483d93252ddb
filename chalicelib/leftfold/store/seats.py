"""The seats of rooms on DynamoDB: one item for each room, in the table of requests; items expire.

Of each seat the item has `until0`, the time at which it is free at the latest, and `holder0`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chalicelib.leftfold.store.dynamo import translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# The counts of requests have the second at which their window begins.
WINDOW = "0"
# Seconds for which the item of a room is kept after its last seat was given.
KEPT = 3_600
UNTIL, HOLDER = "until", "holder"


class DynamoSeats:
    """`Seats` on one DynamoDB table."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def take(
        self, room: str, seat: int, holder: str, now: int, until: int
    ) -> Mapping[int, int] | None:
        try:
            with translated():
                self._client.update_item(
                    TableName=self._table,
                    Key={"tenant": {"S": room}, "window": {"N": WINDOW}},
                    UpdateExpression="SET #until = :until, #holder = :holder, expiresAt = :expires",
                    ConditionExpression="attribute_not_exists(#until) OR #until < :now OR #holder = :holder",
                    ExpressionAttributeNames=names(seat),
                    ExpressionAttributeValues={
                        ":holder": {"S": holder},
                        ":now": {"N": str(now)},
                        ":until": {"N": str(until)},
                        ":expires": {"N": str(until // 1_000 + KEPT)},
                    },
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            refused: Any = error.response
            return ends(refused["Item"])
        return None

    def leave(self, room: str, seat: int, holder: str) -> None:
        try:
            with translated():
                self._client.update_item(
                    TableName=self._table,
                    Key={"tenant": {"S": room}, "window": {"N": WINDOW}},
                    UpdateExpression="REMOVE #until, #holder",
                    ConditionExpression="#holder = :holder",
                    ExpressionAttributeNames=names(seat),
                    ExpressionAttributeValues={":holder": {"S": holder}},
                )
        except self._client.exceptions.ConditionalCheckFailedException:
            # Its time was over, and the next one has it; or an earlier attempt has left it.
            return


def names(seat: int) -> dict[str, str]:
    """The names of a seat's attributes."""
    return {"#until": f"{UNTIL}{seat}", "#holder": f"{HOLDER}{seat}"}


def ends(item: Mapping[str, Any]) -> Mapping[int, int]:
    """When each seat is free at the latest, by the item of a room."""
    return {
        int(name.removeprefix(UNTIL)): int(value["N"])
        for name, value in item.items()
        if name.startswith(UNTIL)
    }
