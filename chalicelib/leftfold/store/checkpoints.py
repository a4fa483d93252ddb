"""Checkpoints and parked streams on DynamoDB, those of views apart from those of policies.

A policy's progress is truth: it says which commands and e-mails are behind it, and nothing
else does. A view's progress can be made again by a replay. So each has tables of its own. The
relay's checkpoint and the notes of sweeper and archiver are about the truth, and stand with
those of policies.

Tables of checkpoints: key reader / checkpointKey, where reader is `<log>#<reader>`; a reader's
note is beside its keys, at -1. Tables of parked streams: key reader / aggregateId.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from chalicelib.leftfold.store.dynamo import batch_get, translated
from chalicelib.leftfold.store.formats import check_format, format_item
from chalicelib.leftfold.store.ports import MAIN, Checkpoints, ParkedStream, Parking

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOTE_KEY = -1
CHECKPOINT_FORMAT = PARKED_FORMAT = 1
# Up to so many parked streams, reading all of them costs less than asking for each.
FEW_PARKED = 100

Item = dict[str, Any]


class DynamoCheckpoints:
    """`Checkpoints` in one log, whose name is *log*, on one DynamoDB table."""

    def __init__(self, client: "DynamoDBClient", table: str, log: str = MAIN) -> None:
        self._client = client
        self._table = table
        self._log = log

    def read(self, reader: str, keys: Collection[int]) -> dict[int, int]:
        positions = dict.fromkeys(keys, -1)
        wanted = [self._key(reader, key) for key in positions]
        for item in batch_get(self._client, self._table, wanted):
            check_format(item, CHECKPOINT_FORMAT, f"the checkpoint of {reader}")
            positions[int(item["checkpointKey"]["N"])] = int(item["position"]["N"])
        return positions

    def begin(self, reader: str, key: int, position: int) -> int:
        with translated():
            answer = self._client.update_item(
                TableName=self._table,
                Key=self._key(reader, key),
                UpdateExpression="SET #position = if_not_exists(#position, :position),"
                " #format = if_not_exists(#format, :format)",
                ExpressionAttributeNames={"#position": "position", "#format": "format"},
                ExpressionAttributeValues={
                    ":position": {"N": str(position)},
                    ":format": {"N": str(CHECKPOINT_FORMAT)},
                },
                ReturnValues="ALL_NEW",
            )
        check_format(answer["Attributes"], CHECKPOINT_FORMAT, f"the checkpoint of {reader}")
        return int(answer["Attributes"]["position"]["N"])

    def move(self, reader: str, key: int, old: int, new: int) -> bool:
        values = {
            ":new": {"N": str(new)},
            ":old": {"N": str(old)},
            ":format": {"N": str(CHECKPOINT_FORMAT)},
        }
        condition = "#position = :old AND #format = :format"
        if old == -1:
            # A checkpoint that was begun on an empty log is there, at -1.
            condition = f"attribute_not_exists(#position) OR ({condition})"
        try:
            with translated():
                self._client.update_item(
                    TableName=self._table,
                    Key=self._key(reader, key),
                    UpdateExpression="SET #position = :new, #format = :format",
                    ConditionExpression=condition,
                    ExpressionAttributeNames={"#position": "position", "#format": "format"},
                    ExpressionAttributeValues=values,
                )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def note(self, reader: str) -> str | None:
        with translated():
            answer = self._client.get_item(
                TableName=self._table,
                Key=self._key(reader, NOTE_KEY),
                ConsistentRead=True,
            )
        return answer["Item"]["note"]["S"] if "Item" in answer else None

    def write_note(self, reader: str, text: str) -> None:
        item: Item = self._key(reader, NOTE_KEY) | {"note": {"S": text}}
        with translated():
            self._client.put_item(TableName=self._table, Item=item)

    def _key(self, reader: str, key: int) -> Item:
        return {"reader": {"S": f"{self._log}#{reader}"}, "checkpointKey": {"N": str(key)}}


class DynamoParking:
    """`Parking` on one DynamoDB table."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def find(self, view: str, aggregate_ids: Collection[str]) -> dict[str, ParkedStream]:
        with translated():
            page = self._client.query(
                TableName=self._table,
                **of_view(view),
                ConsistentRead=True,
                Limit=FEW_PARKED,
            )
        items = page["Items"]
        if "LastEvaluatedKey" in page:
            keys = [parked_key(view, aggregate_id) for aggregate_id in aggregate_ids]
            items = list(batch_get(self._client, self._table, keys))
        wanted = set(aggregate_ids)
        return {
            aggregate_id: parked_of(item)
            for item in items
            if (aggregate_id := item["aggregateId"]["S"]) in wanted
        }

    def park(self, view: str, aggregate_id: str, parked_stream: ParkedStream) -> bool:
        item: Item = parked_key(view, aggregate_id) | {
            **format_item(PARKED_FORMAT),
            "first": {"N": str(parked_stream.first)},
            "last": {"N": str(parked_stream.last)},
            "reason": {"S": parked_stream.reason},
        }
        try:
            with translated():
                self._client.put_item(
                    TableName=self._table,
                    Item=item,
                    ConditionExpression="attribute_not_exists(aggregateId)",
                )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def extend(self, view: str, aggregate_id: str, last: int) -> bool:
        try:
            with translated():
                self._client.update_item(
                    TableName=self._table,
                    Key=parked_key(view, aggregate_id),
                    UpdateExpression="SET #last = :last",
                    ConditionExpression="#last < :last",
                    ExpressionAttributeNames={"#last": "last"},
                    ExpressionAttributeValues={":last": {"N": str(last)}},
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            # With an item there is a parked stream, which reaches at least as far already.
            return "Item" in cast("Any", error.response)
        return True

    def release(self, view: str, aggregate_id: str, last: int) -> bool:
        try:
            with translated():
                self._client.delete_item(
                    TableName=self._table,
                    Key=parked_key(view, aggregate_id),
                    ConditionExpression="#last = :last",
                    ExpressionAttributeNames={"#last": "last"},
                    ExpressionAttributeValues={":last": {"N": str(last)}},
                )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def all(self, view: str | None = None) -> Iterator[tuple[str, str, ParkedStream]]:
        read = self._client.get_paginator("scan" if view is None else "query")
        chosen = {} if view is None else of_view(view)
        pages = cast("Any", read).paginate(TableName=self._table, ConsistentRead=True, **chosen)
        with translated():
            for page in pages:
                for item in page["Items"]:
                    yield (
                        item["reader"]["S"],
                        item["aggregateId"]["S"],
                        parked_of(item),
                    )


@dataclass(frozen=True)
class RoutedCheckpoints:
    """`Checkpoints` in several stores. *route* says in which one a reader's are, under what name."""

    route: Callable[[str], tuple[Checkpoints, str]]

    def read(self, reader: str, keys: Collection[int]) -> dict[int, int]:
        store, name = self.route(reader)
        return store.read(name, keys)

    def begin(self, reader: str, key: int, position: int) -> int:
        store, name = self.route(reader)
        return store.begin(name, key, position)

    def move(self, reader: str, key: int, old: int, new: int) -> bool:
        store, name = self.route(reader)
        return store.move(name, key, old, new)

    def note(self, reader: str) -> str | None:
        store, name = self.route(reader)
        return store.note(name)

    def write_note(self, reader: str, text: str) -> None:
        store, name = self.route(reader)
        store.write_note(name, text)


@dataclass(frozen=True)
class RoutedParking:
    """`Parking` in several stores. *route* says in which one a reader's are, under what name.

    *stores* has each of them once, with what the names of its readers begin with outside.
    """

    route: Callable[[str], tuple[Parking, str]]
    stores: Callable[[], Iterable[tuple[str, Parking]]]

    def find(self, view: str, aggregate_ids: Collection[str]) -> dict[str, ParkedStream]:
        store, name = self.route(view)
        return store.find(name, aggregate_ids)

    def park(self, view: str, aggregate_id: str, parked_stream: ParkedStream) -> bool:
        store, name = self.route(view)
        return store.park(name, aggregate_id, parked_stream)

    def extend(self, view: str, aggregate_id: str, last: int) -> bool:
        store, name = self.route(view)
        return store.extend(name, aggregate_id, last)

    def release(self, view: str, aggregate_id: str, last: int) -> bool:
        store, name = self.route(view)
        return store.release(name, aggregate_id, last)

    def all(self, view: str | None = None) -> Iterator[tuple[str, str, ParkedStream]]:
        if view is not None:
            store, name = self.route(view)
            for _, aggregate_id, parked_stream in store.all(name):
                yield view, aggregate_id, parked_stream
            return
        for begins, store in self.stores():
            for name, aggregate_id, parked_stream in store.all():
                yield f"{begins}{name}", aggregate_id, parked_stream


def parked_key(view: str, aggregate_id: str) -> Item:
    """The key of a parked stream."""
    return {"reader": {"S": view}, "aggregateId": {"S": aggregate_id}}


def of_view(view: str) -> Item:
    """The arguments of a query for all parked streams of *view*."""
    return {
        "KeyConditionExpression": "#reader = :view",
        "ExpressionAttributeNames": {"#reader": "reader"},
        "ExpressionAttributeValues": {":view": {"S": view}},
    }


def parked_of(item: Item) -> ParkedStream:
    """The parked stream that an item holds: it refers to commits, and holds none."""
    check_format(item, PARKED_FORMAT, f"the parked stream {item['aggregateId']['S']}")
    return ParkedStream(int(item["first"]["N"]), int(item["last"]["N"]), item["reason"]["S"])
