"""The ledger of effects on DynamoDB: key policy / step; `effect` is canonical JSON."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from chalicelib.leftfold.kernel.commit import canonical, instant
from chalicelib.leftfold.store.dynamo import translated
from chalicelib.leftfold.store.ports import CLAIM, EffectKey, Planned

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = dict[str, Any]


class DynamoEffects:
    """`Effects` on one DynamoDB table; *now* gives the time of a claim."""

    def __init__(self, client: "DynamoDBClient", table: str, now: Callable[[], datetime]) -> None:
        self._client = client
        self._table = table
        self._now = now

    def plan(self, key: EffectKey, effect: Mapping[str, Any], owner: str) -> Planned:
        now = self._now()
        try:
            with translated():
                answer = self._client.update_item(
                    TableName=self._table,
                    Key=key_of(key),
                    UpdateExpression=(
                        "SET effect = if_not_exists(effect, :effect), claimedBy = :owner,"
                        " claimedUntil = :until, plannedAt = if_not_exists(plannedAt, :now)"
                    ),
                    ConditionExpression=(
                        "attribute_not_exists(policy) OR (attribute_not_exists(answer)"
                        " AND (claimedBy = :owner OR claimedUntil < :now))"
                    ),
                    ExpressionAttributeValues={
                        ":effect": {"S": canonical(effect)},
                        ":owner": {"S": owner},
                        ":until": {"S": instant(now + CLAIM)},
                        ":now": {"S": instant(now)},
                    },
                    ReturnValues="ALL_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            return planned_of(cast("Any", error.response)["Item"], mine=False)
        return planned_of(answer["Attributes"], mine=True)

    def finish(self, key: EffectKey, answer: str) -> None:
        with translated():
            self._client.update_item(
                TableName=self._table,
                Key=key_of(key),
                UpdateExpression=(
                    "SET answer = if_not_exists(answer, :answer),"
                    " doneAt = if_not_exists(doneAt, :now)"
                ),
                ExpressionAttributeValues={
                    ":answer": {"S": answer},
                    ":now": {"S": instant(self._now())},
                },
            )

    def find(self, key: EffectKey) -> Planned | None:
        with translated():
            answer = self._client.get_item(
                TableName=self._table, Key=key_of(key), ConsistentRead=True
            )
        item = answer.get("Item")
        return planned_of(item, mine=False) if item else None


def key_of(key: EffectKey) -> Item:
    """The key of an effect; those of one stream sort by version.

    Neither numbers nor names of reactions have a "#", so two keys are never the same text.
    """
    step = f"{key.aggregate_id}#{key.version:015}#{key.event_index:05}#{key.name}"
    return {"policy": {"S": key.policy}, "step": {"S": step}}


def planned_of(item: Item, *, mine: bool) -> Planned:
    """The effect that an item holds."""
    answer = item["answer"]["S"] if "answer" in item else None
    return Planned(json.loads(item["effect"]["S"]), answer, mine=mine)
