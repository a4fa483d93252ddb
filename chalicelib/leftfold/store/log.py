"""The log and the registry of streams on DynamoDB.

The log table has the key log / firstPosition. The partition `<name>#links` has the links of the
log's blocks, `<name>#segments` the archived segments. The head is the one item of the partition
`<name>#head`, so that a query for links never returns it. The streams table has the key
aggregateId, whose tenant belongs to one log.

The bodies table has the key block / hash, where block is `<name>#<first position>`: so bodies
are read from many partitions, and those of one position are found together. A small body is in
its link instead.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.leftfold.kernel import Commit
from chalicelib.leftfold.kernel.commit import canonical, instant
from chalicelib.leftfold.store.blocks import is_small, pack, unpack
from chalicelib.leftfold.store.dynamo import batch_get, limited, transact, translated
from chalicelib.leftfold.store.formats import check_format, format_item
from chalicelib.leftfold.store.ports import (
    BLOCK_FORMAT,
    MAIN,
    PASSED,
    Block,
    Head,
    Segment,
    StreamEntry,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SEGMENT_FORMAT = ENTRY_FORMAT = 1
# Bodies that one call reads: with 64 KB each they are far below its 16 MB.
BODIES_AT_ONCE = 16
# Links in a page where bodies may be passed over: 20 to 60 KB.
LINKS = 64

Item = dict[str, Any]


class LogTables(NamedTuple):
    """The names of a log's tables."""

    log: str
    bodies: str
    streams: str


class DynamoLog:
    """`Log` on three DynamoDB tables, which several logs may share; *name* is this log's."""

    def __init__(
        self,
        client: "DynamoDBClient",
        tables: LogTables,
        name: str = MAIN,
        unpack: Callable[[bytes], Sequence[Commit]] = unpack,
    ) -> None:
        self._client = client
        self._unpack = unpack
        self._log, self._bodies, self._streams = tables
        self._name = name
        self._links, self._segments = f"{name}#links", f"{name}#segments"
        self._head_key: Item = {"log": {"S": f"{name}#head"}, "firstPosition": {"N": "0"}}

    def head(self) -> Head:
        item = self._head_item()
        return Head() if item is None else self._head_of(item)

    def claim(self, owner: str, now: datetime, until: datetime) -> Head | None:
        # Read first: a claim that is refused would cost a write unit, and many may be waiting.
        item = self._head_item()
        if item is None:
            return Head()
        head = self._head_of(item)
        free = "attribute_not_exists(claimedBy) OR claimedBy = :owner OR claimedUntil < :now"
        others = "claimedBy" in item and item["claimedBy"]["S"] != owner
        if others and item["claimedUntil"]["S"] >= instant(now):
            return None
        try:
            with translated():
                self._client.update_item(
                    TableName=self._log,
                    Key=self._head_key,
                    UpdateExpression="SET claimedBy = :owner, claimedUntil = :until",
                    ConditionExpression=f"#hash = :hash AND ({free})",
                    ExpressionAttributeNames={"#hash": "hash"},
                    ExpressionAttributeValues={
                        ":owner": {"S": owner},
                        ":now": {"S": instant(now)},
                        ":until": {"S": instant(until)},
                        ":hash": {"S": head.hash},
                    },
                )
        except self._client.exceptions.ConditionalCheckFailedException:
            return None
        return head._replace(claimed=owner)

    def _head_item(self) -> Item | None:
        with translated():
            answer = self._client.get_item(
                TableName=self._log, Key=self._head_key, ConsistentRead=True
            )
        return answer.get("Item")

    def _head_of(self, item: Item) -> Head:
        check_format(item, BLOCK_FORMAT, f"the head of the log {self._name}")
        return Head(
            int(item["nextPosition"]["N"]),
            item["hash"]["S"],
            tuple(json.loads(item["lanes"]["S"])),
            int(item["format"]["N"]),
        )

    def streams(self, aggregate_ids: Collection[str]) -> dict[str, StreamEntry]:
        keys = [{"aggregateId": {"S": aggregate_id}} for aggregate_id in aggregate_ids]
        return {
            item["aggregateId"]["S"]: entry_from_item(item)
            for item in batch_get(self._client, self._streams, keys)
        }

    def put_body(self, block: Block) -> None:
        if is_small(block):
            return
        with translated():
            self._client.put_item(TableName=self._bodies, Item=self.body_of(block))

    def body_of(self, block: Block) -> Item:
        """The item that `put_body` puts."""
        return self._body_key(block.first_position, block.hash) | body_item(block)

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
        """The writes of `append`: the link, the head, and an update for each stream."""
        moves = [self._move_stream(id_, *entries) for id_, entries in streams.items()]
        return [self._put_link(block), self._move_head(head, next_head), *moves]

    def blocks(
        self, position: int, limit: int | None = None, heard: Collection[str] | None = None
    ) -> Iterator[Block]:
        links = self._links_from(position, limit, heard)
        while some := list(islice(links, BODIES_AT_ONCE)):
            bodies = self._bodies_of([link for link in some if is_apart(link, heard)])
            for link in some:
                body = bodies.get(link["hash"]["S"], link)
                if "commits" in body or not is_heard(link, heard):
                    known = body if is_heard(link, heard) else None
                    yield block_from_items(link, known, self._unpack)

    def _links_from(
        self, position: int, limit: int | None, heard: Collection[str] | None
    ) -> Iterator[Item]:
        """The items of links, from the one that holds *position*, as many as `blocks` may give."""
        first = self._first_of_block_with(position)
        weight, most = 0, None if limit is None else limit * PASSED
        start: Item = {}
        while most is None or weight < most:
            page_size = None if most is None else -(-(most - weight) // PASSED)
            if page_size is not None and heard is not None:
                page_size = min(LINKS, page_size * PASSED)
            with translated():
                page = self._client.query(
                    TableName=self._log,
                    KeyConditionExpression="#log = :log AND firstPosition >= :first",
                    ExpressionAttributeNames={"#log": "log"},
                    ExpressionAttributeValues={
                        ":log": {"S": self._links},
                        ":first": {"N": str(first)},
                    },
                    ConsistentRead=True,
                    **limited(page_size),
                    **start,
                )
            for item in page["Items"]:
                check_format(item, BLOCK_FORMAT, f"a block of the log {self._name}")
                if most is not None and weight >= most:
                    return
                weight += PASSED if is_heard(item, heard) else 1
                yield item
            if "LastEvaluatedKey" not in page:
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def _bodies_of(self, links: Sequence[Item]) -> dict[str, Item]:
        """The bodies of *links* by hash; those that are deleted are left out.

        A body never changes, so it is read at half the price. One that this does not show yet is
        asked for again, consistently.
        """
        found: dict[str, Item] = {}
        for consistent in (False, True):
            keys = [
                self._body_key(int(link["firstPosition"]["N"]), link["hash"]["S"])
                for link in links
                if link["hash"]["S"] not in found
            ]
            for item in batch_get(self._client, self._bodies, keys, consistent=consistent):
                check_format(item, BLOCK_FORMAT, f"a body of the log {self._name}")
                found[item["hash"]["S"]] = item
        return found

    def registry(
        self,
        after: str | None = None,
        *,
        part: int = 0,
        parts: int = 1,
        every_log: bool = False,
    ) -> Iterator[tuple[str, StreamEntry]]:
        chosen: Item = {} if after is None else {"ExclusiveStartKey": {"aggregateId": {"S": after}}}
        if parts > 1:
            chosen |= {"Segment": part, "TotalSegments": parts}
        if not every_log:
            chosen |= {
                "FilterExpression": "#log = :log",
                "ExpressionAttributeNames": {"#log": "log"},
                "ExpressionAttributeValues": {":log": {"S": self._name}},
            }
        pages = self._client.get_paginator("scan").paginate(
            TableName=self._streams, ConsistentRead=True, **chosen
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

    def mend(self, head: Head, streams: Mapping[str, StreamEntry | None]) -> None:
        with translated():
            if head == Head():
                self._client.delete_item(TableName=self._log, Key=self._head_key)
            else:
                self._client.put_item(TableName=self._log, Item=self._head_of_log(head))
        for aggregate_id, entry in streams.items():
            key: Item = {"aggregateId": {"S": aggregate_id}}
            with translated():
                if entry is None:
                    self._client.delete_item(TableName=self._streams, Key=key)
                else:
                    item = key | self._entry_item(entry)
                    self._client.put_item(TableName=self._streams, Item=item)

    def _entry_item(self, entry: StreamEntry) -> Item:
        archived = {"archivedThrough": {"N": str(entry.archived_through)}}
        return {
            **format_item(ENTRY_FORMAT),
            "log": {"S": self._name},
            "next": {"N": str(entry.next)},
            "position": {"N": str(entry.position)},
            "epoch": {"N": str(entry.epoch)},
            **(archived if entry.archived_through else {}),
        }

    def delete(self, first_positions: Collection[int]) -> None:
        for position in first_positions:
            for key in self._body_keys_at(position):
                with translated():
                    self._client.delete_item(TableName=self._bodies, Key=key)
            with translated():
                self._client.delete_item(
                    TableName=self._log,
                    Key={"log": {"S": self._links}, "firstPosition": {"N": str(position)}},
                )

    def _body_keys_at(self, position: int) -> Iterator[Item]:
        """The keys of all bodies at a position: the block's, and those of blocks that lost."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._bodies,
            KeyConditionExpression="#block = :block",
            ProjectionExpression="#block, #hash",
            ExpressionAttributeNames={"#block": "block", "#hash": "hash"},
            ExpressionAttributeValues={":block": {"S": f"{self._name}#{position}"}},
            ConsistentRead=True,
        )
        with translated():
            for page in pages:
                yield from page["Items"]

    def _body_key(self, position: int, hash_: str) -> Item:
        return {"block": {"S": f"{self._name}#{position}"}, "hash": {"S": hash_}}

    def add_segment(self, segment: Segment) -> bool:
        item: Item = format_item(SEGMENT_FORMAT) | {
            "log": {"S": self._segments},
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
            ExpressionAttributeValues={":log": {"S": self._segments}},
            ConsistentRead=True,
        )
        with translated():
            for page in pages:
                yield from (segment_from_item(item) for item in page["Items"])

    def segment_with(self, position: int) -> Segment | None:
        item = self._item_with(self._segments, position)
        return None if item is None else segment_from_item(item)

    def _first_of_block_with(self, position: int) -> int:
        if position <= 0:
            return 0
        keys = "firstPosition, nextPosition"
        item = self._item_with(self._links, position, ProjectionExpression=keys)
        return position if item is None else int(item["firstPosition"]["N"])

    def _item_with(self, partition: str, position: int, **projection: str) -> Item | None:
        """The item of *partition* whose positions include *position*, if there is one."""
        chosen: Any = projection
        with translated():
            page = self._client.query(
                TableName=self._log,
                KeyConditionExpression="#log = :log AND firstPosition <= :position",
                ExpressionAttributeNames={"#log": "log"},
                ExpressionAttributeValues={
                    ":log": {"S": partition},
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

    def _put_link(self, block: Block) -> Item:
        item: Item = {
            "log": {"S": self._links},
            "firstPosition": {"N": str(block.first_position)},
            "nextPosition": {"N": str(block.next_position)},
            "previousHash": {"S": block.previous_hash},
            "hash": {"S": block.hash},
            "categories": {"S": canonical(block.categories)},
            **format_item(block.format),
        }
        return {
            "Put": {
                "TableName": self._log,
                "Item": item | (body_item(block) if is_small(block) else {}),
                "ConditionExpression": "attribute_not_exists(firstPosition)",
            }
        }

    def _head_of_log(self, head: Head) -> Item:
        return {
            **self._head_key,
            **format_item(head.format),
            "nextPosition": {"N": str(head.next_position)},
            "hash": {"S": head.hash},
            "lanes": {"S": canonical(head.lanes)},
        }

    def _move_head(self, head: Head, next_head: Head) -> Item:
        put: Item = {
            "TableName": self._log,
            "Item": self._head_of_log(next_head),
            "ConditionExpression": "attribute_not_exists(nextPosition)",
        }
        if head.next_position:
            claimed = "claimedBy = :owner" if head.claimed else "attribute_not_exists(claimedBy)"
            put["ConditionExpression"] = f"nextPosition = :next AND #hash = :hash AND {claimed}"
            put["ExpressionAttributeNames"] = {"#hash": "hash"}
            put["ExpressionAttributeValues"] = {
                ":next": {"N": str(head.next_position)},
                ":hash": {"S": head.hash},
                **({":owner": {"S": head.claimed}} if head.claimed else {}),
            }
        return {"Put": put}

    def _move_stream(self, aggregate_id: str, before: StreamEntry, after: StreamEntry) -> Item:
        update: Item = {
            "TableName": self._streams,
            "Key": {"aggregateId": {"S": aggregate_id}},
            "UpdateExpression": "SET #next = :next, #position = :position, epoch = :epoch,"
            " #format = :format, #log = :log",
            "ConditionExpression": "attribute_not_exists(aggregateId)",
            "ExpressionAttributeNames": {
                "#next": "next",
                "#position": "position",
                "#format": "format",
                "#log": "log",
            },
            "ExpressionAttributeValues": {
                ":next": {"N": str(after.next)},
                ":position": {"N": str(after.position)},
                ":epoch": {"N": str(after.epoch)},
                ":format": {"N": str(ENTRY_FORMAT)},
                ":log": {"S": self._name},
            },
        }
        if before.next > 1:
            update["ConditionExpression"] = "#next = :expected AND #format = :format"
            update["ExpressionAttributeValues"][":expected"] = {"N": str(before.next)}
        return {"Update": update}


def entry_from_item(item: Item) -> StreamEntry:
    """The registry entry of an item."""
    check_format(item, ENTRY_FORMAT, f"the registry's entry of {item['aggregateId']['S']}")
    return StreamEntry(
        int(item["next"]["N"]),
        int(item["position"]["N"]),
        int(item["epoch"]["N"]),
        int(item["archivedThrough"]["N"]) if "archivedThrough" in item else 0,
    )


def segment_from_item(item: Item) -> Segment:
    """The segment of an item."""
    check_format(item, SEGMENT_FORMAT, f"the segment at {item['firstPosition']['N']}")
    return Segment(
        int(item["firstPosition"]["N"]),
        int(item["nextPosition"]["N"]),
        *(item[name]["S"] for name in ("key", "hash", "liveKey", "liveHash")),
    )


def is_heard(link: Item, heard: Collection[str] | None) -> bool:
    """Whether the block of a link is wanted with its commits."""
    return heard is None or any(category in heard for category in categories_in(link))


def is_apart(link: Item, heard: Collection[str] | None) -> bool:
    """Whether the body of a link has to be read from the bodies table."""
    return "commits" not in link and is_heard(link, heard)


def categories_in(link: Item) -> tuple[str, ...]:
    """The categories that the item of a link names."""
    return tuple(json.loads(link["categories"]["S"]))


def body_item(block: Block) -> Item:
    """The attributes of a block's body."""
    return {
        **format_item(block.format),
        "previousInLane": {"S": canonical(sorted(block.previous_in_lane.items()))},
        "commits": {"B": pack(block.commits)},
    }


def block_from_items(
    link: Item, body: Item | None, unpack: Callable[[bytes], Sequence[Commit]] = unpack
) -> Block:
    """The block of a link and its body; without commits if *body* is None."""
    return Block(
        int(link["firstPosition"]["N"]),
        int(link["nextPosition"]["N"]),
        link["previousHash"]["S"],
        link["hash"]["S"],
        categories_in(link),
        {} if body is None else dict(json.loads(body["previousInLane"]["S"])),
        () if body is None else unpack(body["commits"]["B"]),
        int(link["format"]["N"]),
    )
