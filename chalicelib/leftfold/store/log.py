"""The log and the registry of streams on DynamoDB.

The log table has the key log / firstPosition. Its blocks are in the partition `log`. The head
is the one item of the partition `head`, so that a query for blocks never returns it. The
partition `segments` lists the archived segments. The streams table has the key aggregateId.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from chalicelib.leftfold.kernel.commit import canonical
from chalicelib.leftfold.store.blocks import pack, unpack
from chalicelib.leftfold.store.dynamo import batch_get, limited, transact, translated
from chalicelib.leftfold.store.ports import Block, Head, Segment, StreamEntry

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

BLOCKS, HEAD, SEGMENTS = "log", "head", "segments"
_HEAD_KEY = {"log": {"S": HEAD}, "firstPosition": {"N": "0"}}

Item = dict[str, Any]


class DynamoLog:
    """`Log` on two DynamoDB tables."""

    def __init__(self, client: "DynamoDBClient", log: str, streams: str) -> None:
        self._client = client
        self._log = log
        self._streams = streams

    def head(self) -> Head:
        with translated():
            answer = self._client.get_item(TableName=self._log, Key=_HEAD_KEY, ConsistentRead=True)
        item = answer.get("Item")
        if item is None:
            return Head()
        return Head(
            int(item["nextPosition"]["N"]),
            item["hash"]["S"],
            tuple(json.loads(item["lanes"]["S"])),
        )

    def streams(self, aggregate_ids: Collection[str]) -> dict[str, StreamEntry]:
        keys = [{"aggregateId": {"S": aggregate_id}} for aggregate_id in aggregate_ids]
        return {
            item["aggregateId"]["S"]: entry_from_item(item)
            for item in batch_get(self._client, self._streams, keys)
        }

    def append(
        self,
        block: Block,
        head: Head,
        next_head: Head,
        streams: Mapping[str, tuple[StreamEntry, StreamEntry]],
    ) -> bool:
        writes = self.writes_of(block, head, next_head, streams)
        return transact(self._client, writes)

    def writes_of(
        self,
        block: Block,
        head: Head,
        next_head: Head,
        streams: Mapping[str, tuple[StreamEntry, StreamEntry]],
    ) -> list[Item]:
        """The writes of `append`: the block, the head, and an update for each stream."""
        moves = [self._move_stream(id_, *entries) for id_, entries in streams.items()]
        return [self._put_block(block), self._move_head(head, next_head), *moves]

    def blocks(self, position: int, limit: int | None = None) -> Iterator[Block]:
        first = self._first_of_block_with(position)
        start: Item = {}
        while limit is None or limit > 0:
            with translated():
                page = self._client.query(
                    TableName=self._log,
                    KeyConditionExpression="#log = :log AND firstPosition >= :first",
                    ExpressionAttributeNames={"#log": "log"},
                    ExpressionAttributeValues={
                        ":log": {"S": BLOCKS},
                        ":first": {"N": str(first)},
                    },
                    ConsistentRead=True,
                    **limited(limit),
                    **start,
                )
            yield from (block_from_item(item) for item in page["Items"])
            if "LastEvaluatedKey" not in page:
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
            limit = None if limit is None else limit - len(page["Items"])

    def registry(self, after: str | None = None) -> Iterator[tuple[str, StreamEntry]]:
        start: Item = {} if after is None else {"ExclusiveStartKey": {"aggregateId": {"S": after}}}
        pages = self._client.get_paginator("scan").paginate(
            TableName=self._streams, ConsistentRead=True, **start
        )
        with translated():
            for page in pages:
                for item in page["Items"]:
                    yield item["aggregateId"]["S"], entry_from_item(item)

    def mark_archived(self, aggregate_id: str, before: int, through: int) -> bool:
        condition = "archivedThrough = :before"
        if not before:
            condition += " OR (attribute_exists(epoch) AND attribute_not_exists(archivedThrough))"
        try:
            with translated():
                self._client.update_item(
                    TableName=self._streams,
                    Key={"aggregateId": {"S": aggregate_id}},
                    UpdateExpression="SET archivedThrough = :through",
                    ConditionExpression=condition,
                    ExpressionAttributeValues={
                        ":before": {"N": str(before)},
                        ":through": {"N": str(through)},
                    },
                )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def delete(self, first_positions: Collection[int]) -> None:
        for position in first_positions:
            with translated():
                self._client.delete_item(
                    TableName=self._log,
                    Key={"log": {"S": BLOCKS}, "firstPosition": {"N": str(position)}},
                )

    def add_segment(self, segment: Segment) -> bool:
        item: Item = {
            "log": {"S": SEGMENTS},
            "firstPosition": {"N": str(segment.first_position)},
            "nextPosition": {"N": str(segment.next_position)},
            "key": {"S": segment.key},
            "hash": {"S": segment.hash},
            "liveKey": {"S": segment.live_key},
            "liveHash": {"S": segment.live_hash},
        }
        try:
            with translated():
                self._client.put_item(
                    TableName=self._log,
                    Item=item,
                    ConditionExpression="attribute_not_exists(firstPosition)",
                )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def segments(self) -> Iterator[Segment]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._log,
            KeyConditionExpression="#log = :log",
            ExpressionAttributeNames={"#log": "log"},
            ExpressionAttributeValues={":log": {"S": SEGMENTS}},
            ConsistentRead=True,
        )
        with translated():
            for page in pages:
                yield from (segment_from_item(item) for item in page["Items"])

    def segment_with(self, position: int) -> Segment | None:
        item = self._item_with(SEGMENTS, position)
        return None if item is None else segment_from_item(item)

    def _first_of_block_with(self, position: int) -> int:
        if position <= 0:
            return 0
        keys = "firstPosition, nextPosition"
        item = self._item_with(BLOCKS, position, ProjectionExpression=keys)
        return position if item is None else int(item["firstPosition"]["N"])

    def _item_with(self, kind: str, position: int, **projection: str) -> Item | None:
        """The item of the partition *kind* whose positions include *position*, if there is one."""
        chosen: Any = projection
        with translated():
            page = self._client.query(
                TableName=self._log,
                KeyConditionExpression="#log = :log AND firstPosition <= :position",
                ExpressionAttributeNames={"#log": "log"},
                ExpressionAttributeValues={
                    ":log": {"S": kind},
                    ":position": {"N": str(position)},
                },
                ScanIndexForward=False,
                ConsistentRead=True,
                Limit=1,
                **chosen,
            )
        for item in page["Items"]:
            if int(item["nextPosition"]["N"]) > position:
                return item
        return None

    def _put_block(self, block: Block) -> Item:
        return {
            "Put": {
                "TableName": self._log,
                "Item": {
                    "log": {"S": BLOCKS},
                    "firstPosition": {"N": str(block.first_position)},
                    "nextPosition": {"N": str(block.next_position)},
                    "previousHash": {"S": block.previous_hash},
                    "hash": {"S": block.hash},
                    "previousInLane": {"S": canonical(sorted(block.previous_in_lane.items()))},
                    "commits": {"B": pack(block.commits)},
                },
                "ConditionExpression": "attribute_not_exists(firstPosition)",
            }
        }

    def _move_head(self, head: Head, next_head: Head) -> Item:
        put: Item = {
            "TableName": self._log,
            "Item": {
                **_HEAD_KEY,
                "nextPosition": {"N": str(next_head.next_position)},
                "hash": {"S": next_head.hash},
                "lanes": {"S": canonical(next_head.lanes)},
            },
            "ConditionExpression": "attribute_not_exists(nextPosition)",
        }
        if head.next_position:
            put["ConditionExpression"] = "nextPosition = :next AND #hash = :hash"
            put["ExpressionAttributeNames"] = {"#hash": "hash"}
            put["ExpressionAttributeValues"] = {
                ":next": {"N": str(head.next_position)},
                ":hash": {"S": head.hash},
            }
        return {"Put": put}

    def _move_stream(self, aggregate_id: str, before: StreamEntry, after: StreamEntry) -> Item:
        update: Item = {
            "TableName": self._streams,
            "Key": {"aggregateId": {"S": aggregate_id}},
            "UpdateExpression": "SET #next = :next, #position = :position, epoch = :epoch",
            "ConditionExpression": "attribute_not_exists(aggregateId)",
            "ExpressionAttributeNames": {"#next": "next", "#position": "position"},
            "ExpressionAttributeValues": {
                ":next": {"N": str(after.next)},
                ":position": {"N": str(after.position)},
                ":epoch": {"N": str(after.epoch)},
            },
        }
        if before.next > 1:
            update["ConditionExpression"] = "#next = :expected"
            update["ExpressionAttributeValues"][":expected"] = {"N": str(before.next)}
        return {"Update": update}


def entry_from_item(item: Item) -> StreamEntry:
    """The registry entry of an item."""
    return StreamEntry(
        int(item["next"]["N"]),
        int(item["position"]["N"]),
        int(item["epoch"]["N"]),
        int(item["archivedThrough"]["N"]) if "archivedThrough" in item else 0,
    )


def segment_from_item(item: Item) -> Segment:
    """The segment of an item."""
    return Segment(
        int(item["firstPosition"]["N"]),
        int(item["nextPosition"]["N"]),
        *(item[name]["S"] for name in ("key", "hash", "liveKey", "liveHash")),
    )


def block_from_item(item: Item) -> Block:
    """The block of an item."""
    return Block(
        int(item["firstPosition"]["N"]),
        int(item["nextPosition"]["N"]),
        item["previousHash"]["S"],
        item["hash"]["S"],
        dict(json.loads(item["previousInLane"]["S"])),
        unpack(item["commits"]["B"]),
    )
