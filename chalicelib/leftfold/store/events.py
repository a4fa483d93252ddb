"""The events table on DynamoDB: one item a commit, key aggregateId / sequenceNumber."""

import json
import struct
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from chalicelib.leftfold.kernel import Archived, Commit, RecentCommand, Snapshot
from chalicelib.leftfold.kernel.commit import canonical, events_from_json
from chalicelib.leftfold.metrics import emit
from chalicelib.leftfold.store.checks import check_append, check_commit, check_delete, check_replace
from chalicelib.leftfold.store.dynamo import limited, transact, translated
from chalicelib.leftfold.store.ports import (
    CommitTooLargeError,
    ContendedError,
    MalformedCommitError,
    Page,
    StreamAdvancedError,
    StreamVersion,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ITEM_LIMIT = 400 * 1024
# A remembered command: hashes of its id and body, and seconds since 1970.
_RECENT = struct.Struct(">16s8sI")

FREE = "attribute_not_exists(aggregateId)"
CONDITION_FAILED = "ConditionalCheckFailed"
# Why DynamoDB cancels a transaction that may well be taken when it comes again.
CONTENTION = {"TransactionConflict", "ProvisionedThroughputExceeded", "ThrottlingError"}

Item = dict[str, Any]


class UnreadableCommitError(Exception):
    """An item of the events table that is not a commit: something else wrote it."""


class DynamoEvents:
    """`EventStore` on one DynamoDB table."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def append(self, commit: Commit, unless: StreamVersion | None = None) -> Commit | None:
        check_append(commit, unless)
        put: Any = {
            "TableName": self._table,
            "Item": fitting_item(commit),
            "ConditionExpression": FREE,
        }
        if unless is not None:
            return self._transact(put, unless)
        try:
            with translated():
                self._client.put_item(**put, ReturnValuesOnConditionCheckFailure="ALL_OLD")
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code != "ConditionalCheckFailedException":
                raise
            return commit_from_item(cast("Any", error.response)["Item"])
        return None

    def _transact(self, put: Any, unless: StreamVersion) -> Commit | None:
        told = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        check: Any = {
            "TableName": self._table,
            "Key": {
                "aggregateId": {"S": unless.aggregate_id},
                "sequenceNumber": {"N": str(unless.version)},
            },
            "ConditionExpression": FREE,
        }
        refused = self._client.exceptions.TransactionCanceledException
        try:
            with translated():
                self._client.transact_write_items(
                    TransactItems=[{"Put": put | told}, {"ConditionCheck": check}]
                )
        except refused as error:
            own, other = cast("Any", error.response)["CancellationReasons"]
            # Its own version first: what holds it may be an earlier attempt of the commit.
            if own["Code"] == CONDITION_FAILED:
                return commit_from_item(own["Item"])
            if other["Code"] == CONDITION_FAILED:
                raise StreamAdvancedError(unless) from error
            codes = {own["Code"], other["Code"]} - {"None"}
            if codes <= CONTENTION:
                raise ContendedError(str(codes)) from error
            raise
        return None

    def newest(
        self,
        aggregate_id: str,
        *,
        limit: int | None = None,
        below: int | None = None,
        consistent: bool = False,
    ) -> Page:
        condition = "aggregateId = :id"
        values: Item = {":id": {"S": aggregate_id}}
        if below is not None:
            condition += " AND sequenceNumber < :below"
            values[":below"] = {"N": str(below)}
        with translated():
            page = self._client.query(
                TableName=self._table,
                KeyConditionExpression=condition,
                ExpressionAttributeValues=values,
                ScanIndexForward=False,
                ConsistentRead=consistent,
                **limited(limit),
            )
        return Page(
            [commit_from_item(item) for item in page["Items"]],
            more="LastEvaluatedKey" in page,
        )

    def page(self, aggregate_id: str, first: int, last: int) -> Sequence[Commit]:
        # DynamoDB refuses to look between a bound and a lower one.
        if first > last:
            return []
        with translated():
            page = self._client.query(**self._between(aggregate_id, first, last))
        return [commit for item in page["Items"] if (commit := readable(item))]

    def range(self, aggregate_id: str, first: int, last: int) -> Sequence[Commit]:
        if first > last:
            return []
        read = self._client.get_paginator("query")
        pages = read.paginate(**self._between(aggregate_id, first, last))
        with translated():
            items = [item for page in pages for item in page["Items"]]
        return [commit for item in items if (commit := readable(item))]

    def scan(
        self, segment: int, segments: int, after: str | None, limit: int
    ) -> tuple[Sequence[tuple[str, int]], str | None]:
        start = {} if after is None else {"ExclusiveStartKey": json.loads(after)}
        with translated():
            page = self._client.scan(
                TableName=self._table,
                Segment=segment,
                TotalSegments=segments,
                Limit=limit,
                ProjectionExpression="aggregateId, sequenceNumber",
                **start,
            )
        last = page.get("LastEvaluatedKey")
        return [
            (item["aggregateId"]["S"], int(item["sequenceNumber"]["N"])) for item in page["Items"]
        ], (canonical(last) if last else None)

    def _between(self, aggregate_id: str, first: int, last: int) -> Any:
        """The arguments of a consistent query for the commits *first*..*last*."""
        return {
            "TableName": self._table,
            "KeyConditionExpression": (
                "aggregateId = :id AND sequenceNumber BETWEEN :first AND :last"
            ),
            "ExpressionAttributeValues": {
                ":id": {"S": aggregate_id},
                ":first": {"N": str(first)},
                ":last": {"N": str(last)},
            },
            "ConsistentRead": True,
        }

    def replace(self, held: Commit, by: Commit) -> bool:
        check_replace(held, by)
        try:
            with translated():
                self._client.put_item(
                    TableName=self._table,
                    Item=fitting_item(by),
                    **as_it_was(held),
                )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def delete(self, tombstone: Commit, versions: Collection[int]) -> bool:
        check_delete(tombstone, versions)
        check = {
            "TableName": self._table,
            "Key": key_of(tombstone.aggregate_id, tombstone.version),
            **as_it_was(tombstone),
        }
        deletes = [
            {"TableName": self._table, "Key": key_of(tombstone.aggregate_id, version)}
            for version in versions
        ]
        writes = [{"ConditionCheck": check}, *({"Delete": delete} for delete in deletes)]
        return transact(self._client, writes)


def key_of(aggregate_id: str, version: int) -> Item:
    """The key of a commit's item."""
    return {"aggregateId": {"S": aggregate_id}, "sequenceNumber": {"N": str(version)}}


def as_it_was(held: Commit) -> Item:
    """The arguments of a call that holds only if version 1 still is as it was read."""
    condition = "commandId = :held AND attribute_not_exists(#archive)"
    value = held.command_id
    if held.archive is not None:
        condition = "#archive = :held"
        value = canonical(held.archive._asdict())
    return {
        "ConditionExpression": condition,
        "ExpressionAttributeNames": {"#archive": "archive"},
        "ExpressionAttributeValues": {":held": {"S": value}},
    }


def fitting_item(commit: Commit) -> Item:
    """The commit's item; if that is too large, without what only saves later reads."""
    item = item_of(commit)
    for dispensable in ("snapshot", "recentCommands"):
        if item_size(item) <= ITEM_LIMIT:
            return item
        item.pop(dispensable, None)
    if item_size(item) > ITEM_LIMIT:
        raise CommitTooLargeError(f"{item_size(item)} bytes in one commit")
    return item


def item_of(commit: Commit) -> Item:
    """The commit as DynamoDB's typed attributes."""
    item: Item = {
        "aggregateId": {"S": commit.aggregate_id},
        "sequenceNumber": {"N": str(commit.version)},
        "commandId": {"S": commit.command_id},
        "bodyHash": {"S": commit.body_hash},
        "at": {"S": commit.at},
        "epoch": {"N": str(commit.epoch)},
        "epochStart": {"N": str(commit.epoch_start)},
        "actor": {"S": commit.actor},
        "correlationId": {"S": commit.correlation_id},
    }
    if commit.archive is None:
        item["events"] = {"S": canonical([event._asdict() for event in commit.events])}
    else:
        item["archive"] = {"S": canonical(commit.archive._asdict())}
    if commit.deps:
        item["deps"] = {"S": canonical(commit.deps)}
    if commit.snapshot is not None:
        item["snapshot"] = {"S": commit.snapshot.to_text()}
    if commit.recent_commands is not None:
        item["recentCommands"] = {
            "B": b"".join(_RECENT.pack(*recent) for recent in commit.recent_commands)
        }
    return item


def readable(item: Item) -> Commit | None:
    """The commit; None, and a metric, for an item that is none, or none that we write."""
    try:
        commit = commit_from_item(item)
        check_commit(commit)
    except (UnreadableCommitError, MalformedCommitError) as error:
        emit("UnreadableCommits", 1, reason=str(error))
        return None
    return commit


def commit_from_item(item: Item) -> Commit:
    """The inverse of `item_of`; also reads the image of a stream record.

    Raises `UnreadableCommitError`.
    """
    try:
        return _commit_from_item(item)
    except (KeyError, TypeError, ValueError, struct.error) as error:
        raise UnreadableCommitError(f"{commit_key(item)}: {error!r}") from error


def commit_key(item: Item) -> tuple[str, int]:
    """Stream and version, from the key of an item or of a stream record."""
    return item["aggregateId"]["S"], int(item["sequenceNumber"]["N"])


def _commit_from_item(item: Item) -> Commit:
    snapshot = item.get("snapshot")
    recent = item.get("recentCommands")
    deps = json.loads(item["deps"]["S"]) if "deps" in item else ()
    archive = Archived(**json.loads(item["archive"]["S"])) if "archive" in item else None
    return Commit(
        aggregate_id=item["aggregateId"]["S"],
        version=int(item["sequenceNumber"]["N"]),
        events=() if archive else events_from_json(json.loads(item["events"]["S"])),
        command_id=item["commandId"]["S"],
        body_hash=item["bodyHash"]["S"],
        at=item["at"]["S"],
        actor=item["actor"]["S"],
        correlation_id=item["correlationId"]["S"],
        deps=tuple((stream, version) for stream, version in deps),
        epoch=int(item["epoch"]["N"]),
        epoch_start=int(item["epochStart"]["N"]),
        snapshot=Snapshot(**json.loads(snapshot["S"])) if snapshot else None,
        recent_commands=unpacked(recent["B"]) if recent else None,
        archive=archive,
    )


def unpacked(packed: bytes) -> tuple[RecentCommand, ...]:
    """Recent commands from the bytes that an item keeps of them."""
    return tuple(RecentCommand(*held) for held in _RECENT.iter_unpack(packed))


def item_size(item: Item) -> int:
    """The item's size in bytes as DynamoDB counts it: names and values in UTF-8.

    Source: DynamoDB developer guide, "DynamoDB item sizes and formats"; a number
    takes at most 21 bytes.
    """
    return sum(len(name) + value_size(value) for name, value in item.items())


def value_size(value: dict[str, Any]) -> int:
    """The bytes of one attribute's value."""
    ((kind, held),) = value.items()
    if kind == "N":
        return 21
    return len(held.encode() if isinstance(held, str) else held)
