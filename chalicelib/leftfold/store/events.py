"""The events table on DynamoDB: one item a commit, key aggregateId / sequenceNumber."""

import json
import struct
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, cast, get_args

from chalicelib.leftfold.kernel import (
    Archived,
    Bar,
    Commit,
    RecentCommand,
    Snapshot,
    UnknownFormatError,
)
from chalicelib.leftfold.kernel.commit import FORMAT, OF_COPIES, Kind, canonical, events_from_json
from chalicelib.leftfold.metrics import emit
from chalicelib.leftfold.store.checks import (
    check_append,
    check_bar,
    check_commit,
    check_copy,
    check_delete,
    check_replace,
)
from chalicelib.leftfold.store.dynamo import limited, transact, translated
from chalicelib.leftfold.store.ports import (
    BarredError,
    CallRefusedError,
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
# A commit leaves room for what its copy in a later generation says besides: three ids and their numbers.
ROOM_FOR_A_COPY = 4 * 1024
# A recent command: hashes of its id and of its body, and seconds since 1970.
_RECENT = struct.Struct(">16s8sI")

FREE = "attribute_not_exists(aggregateId)"
CONDITION_FAILED = "ConditionalCheckFailed"
# Reasons for which DynamoDB cancels a transaction that may succeed when it is sent again.
CONTENTION = {"TransactionConflict", "ProvisionedThroughputExceeded", "ThrottlingError"}

Item = dict[str, Any]

KINDS: tuple[str, ...] = get_args(Kind)
# Attributes of JSON that few commits have; and those that only a copy has.
RARE = ("deps", "tags", "root", "source")
OF_A_COPY = frozenset([*OF_COPIES, "mark", "progress"])
ATTRIBUTES = frozenset(
    [
        "aggregateId",
        "sequenceNumber",
        "format",
        "kind",
        "commandId",
        "bodyHash",
        "at",
        "epoch",
        "epochStart",
        "actor",
        "authority",
        "correlationId",
        "traceparent",
        "events",
        "archive",
        "tags",
        "deps",
        "root",
        "source",
        "position",
        "indexes",
        "addressed",
        "mark",
        "progress",
        "snapshot",
        "recentCommands",
    ]
)


# More than the names of all attributes, and 21 bytes for each number, take.
MOST_OF_NAMES = 1024


class UnreadableCommitError(Exception):
    """An item of the events table is not a commit: something other than Leftfold wrote it."""


class DynamoEvents:
    """`GenerationTable` on one DynamoDB table."""

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
        except self._client.exceptions.ConditionalCheckFailedException as error:
            return holder_of(cast("Any", error.response)["Item"])
        return None

    def _transact(self, put: Any, unless: StreamVersion) -> Commit | None:
        return_old: Item = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
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
                    TransactItems=[{"Put": put | return_old}, {"ConditionCheck": check}]
                )
        except refused as error:
            own, other = cast("Any", error.response)["CancellationReasons"]
            # Its own version first: the commit there may be an earlier attempt of the same command.
            if own["Code"] == CONDITION_FAILED:
                return holder_of(own["Item"])
            if other["Code"] == CONDITION_FAILED:
                raise StreamAdvancedError(unless) from error
            codes = {own["Code"], other["Code"]} - {"None"}
            if codes <= CONTENTION:
                raise ContendedError(str(codes)) from error
            raise CallRefusedError("TransactionCanceledException", str(error)) from error
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
        bars = [bar for item in page["Items"][:1] if (bar := bar_of(item))]
        return Page(
            [commit_from_item(item) for item in page["Items"][len(bars) :]],
            more="LastEvaluatedKey" in page,
            bar=bars[0] if bars else None,
        )

    def page(self, aggregate_id: str, first: int, last: int) -> Sequence[Commit]:
        # DynamoDB refuses a BETWEEN whose first bound is the higher one.
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
        self, part: int, parts: int, after: str | None, limit: int
    ) -> tuple[Sequence[tuple[str, int]], str | None]:
        start = {} if after is None else {"ExclusiveStartKey": json.loads(after)}
        with translated():
            page = self._client.scan(
                TableName=self._table,
                Segment=part,
                TotalSegments=parts,
                Limit=limit,
                ProjectionExpression="aggregateId, sequenceNumber, #kind",
                ExpressionAttributeNames={"#kind": "kind"},
                **start,
            )
        last = page.get("LastEvaluatedKey")
        return [commit_key(item) for item in page["Items"] if not is_bar(item)], (
            canonical(last) if last else None
        )

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

    def replace(self, old: Commit, new: Commit) -> bool:
        check_replace(old, new)
        try:
            with translated():
                self._client.put_item(
                    TableName=self._table,
                    Item=fitting_item(new),
                    **unchanged(old),
                )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def delete(self, tombstone: Commit, versions: Collection[int]) -> bool:
        check_delete(tombstone, versions)
        check = {
            "TableName": self._table,
            "Key": key_of(tombstone.aggregate_id, tombstone.version),
            **unchanged(tombstone),
        }
        deletes = [
            {"TableName": self._table, "Key": key_of(tombstone.aggregate_id, version)}
            for version in versions
        ]
        writes = [{"ConditionCheck": check}, *({"Delete": delete} for delete in deletes)]
        return transact(self._client, writes)

    def put_copy(self, copy: Commit, over: Bar | None = None) -> Commit | None:
        check_copy(copy, over)
        condition: Any = {"ConditionExpression": FREE}
        if over is not None:
            condition["ConditionExpression"] = f"{FREE} OR {IS_BAR}"
            condition |= same_bar(over)
        try:
            with translated():
                self._client.put_item(
                    TableName=self._table,
                    Item=fitting_item(copy),
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **condition,
                )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            return holder_of(cast("Any", error.response)["Item"])
        return None

    def bar(self, bar: Bar) -> bool:
        check_bar(bar)
        return self._conditional(
            self._client.put_item, Item=item_of_bar(bar), ConditionExpression=FREE
        )

    def mark(self, aggregate_id: str, version: int, switch: int) -> bool:
        check_bar(Bar(aggregate_id, version, switch))
        return self._conditional(
            self._client.update_item,
            Key=key_of(aggregate_id, version),
            UpdateExpression="SET mark = :mark",
            ConditionExpression="#kind = :copy",
            ExpressionAttributeNames={"#kind": "kind"},
            ExpressionAttributeValues={":mark": {"N": str(switch)}, ":copy": {"S": "copy"}},
        )

    def remove_bar(self, bar: Bar) -> bool:
        return self._conditional(
            self._client.delete_item,
            Key=key_of(bar.aggregate_id, bar.version),
            ConditionExpression=IS_BAR,
            **same_bar(bar),
        )

    def _conditional(self, call: Callable[..., object], **arguments: Any) -> bool:
        """Whether the call's condition was met."""
        try:
            with translated():
                call(TableName=self._table, **arguments)
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True


IS_BAR = "(#kind = :bar AND #switch = :switch)"


def same_bar(bar: Bar) -> Any:
    """The names and values of `IS_BAR`, as arguments of a call."""
    return {
        "ExpressionAttributeNames": {"#kind": "kind", "#switch": "switch"},
        "ExpressionAttributeValues": {":bar": {"S": "bar"}, ":switch": {"N": str(bar.switch)}},
    }


def item_of_bar(bar: Bar) -> Item:
    """The bar as DynamoDB's typed attributes."""
    return key_of(bar.aggregate_id, bar.version) | {
        "format": {"N": str(FORMAT)},
        "kind": {"S": "bar"},
        "switch": {"N": str(bar.switch)},
    }


def is_bar(item: Item) -> bool:
    """Whether the item, or its projection, is a bar's."""
    return bool(item.get("kind", {}).get("S") == "bar")


def bar_of(item: Item) -> Bar | None:
    """The bar; None for the item of a commit. Raises `UnknownFormatError`."""
    if not is_bar(item):
        return None
    check_format(item)
    return Bar(*commit_key(item), int(item["switch"]["N"]))


def holder_of(item: Item) -> Commit:
    """The commit that has a key already. Raises `BarredError` if a bar has it."""
    bar = bar_of(item)
    if bar is not None:
        raise BarredError(bar)
    return commit_from_item(item)


def key_of(aggregate_id: str, version: int) -> Item:
    """The key of a commit's item."""
    return {"aggregateId": {"S": aggregate_id}, "sequenceNumber": {"N": str(version)}}


def unchanged(first: Commit) -> Item:
    """The condition that version 1 still is *first*, as arguments of a call."""
    condition = "commandId = :expected AND attribute_not_exists(#archive)"
    value = first.command_id
    if first.archive is not None:
        condition = "#archive = :expected"
        value = canonical(first.archive._asdict())
    return {
        "ConditionExpression": condition,
        "ExpressionAttributeNames": {"#archive": "archive"},
        "ExpressionAttributeValues": {":expected": {"S": value}},
    }


def fitting_item(commit: Commit) -> Item:
    """The commit's item. If it is too large, it loses the snapshot, then the recent commands.

    Both only save later reads. Raises `CommitTooLargeError` if the item still is too large.
    """
    item = item_of(commit)
    if is_surely_small(commit):
        return item
    size, most = item_size(item), ITEM_LIMIT if commit.root else ITEM_LIMIT - ROOM_FOR_A_COPY
    for dispensable in ("snapshot", "recentCommands"):
        if size <= most:
            return item
        item.pop(dispensable, None)
        size = item_size(item)
    if size > most:
        raise CommitTooLargeError(
            f"the commit has {size} bytes, and may have {most}: DynamoDB takes {ITEM_LIMIT} in one item"
        )
    return item


def item_of(commit: Commit) -> Item:
    """The commit as DynamoDB's typed attributes."""
    item: Item = {
        "aggregateId": {"S": commit.aggregate_id},
        "sequenceNumber": {"N": str(commit.version)},
        "format": {"N": str(commit.format)},
        "kind": {"S": commit.kind},
        "commandId": {"S": commit.command_id},
        "bodyHash": {"S": commit.body_hash},
        "at": {"S": commit.at},
        "epoch": {"N": str(commit.epoch)},
        "epochStart": {"N": str(commit.epoch_start)},
        "actor": {"S": commit.actor},
        "authority": {"S": commit.authority},
        "correlationId": {"S": commit.correlation_id},
        "traceparent": {"S": commit.traceparent},
    }
    if commit.archive is None:
        item["events"] = {"S": commit.events_text}
    else:
        item["archive"] = {"S": canonical(commit.archive._asdict())}
    if commit.tags:
        item["tags"] = {"S": canonical(commit.tags)}
    if commit.deps:
        item["deps"] = {"S": canonical(commit.deps)}
    if commit.root is not None:
        item |= item_of_copy(commit)
    if commit.snapshot is not None:
        item["snapshot"] = {"S": commit.snapshot.to_text()}
    if commit.recent_commands is not None:
        item["recentCommands"] = {
            "B": b"".join(_RECENT.pack(*recent) for recent in commit.recent_commands)
        }
    return item


def item_of_copy(commit: Commit) -> Item:
    """The attributes that only a copy has."""
    item: Item = {"root": {"S": canonical(commit.root)}}
    if commit.source is not None:
        item["source"] = {"S": canonical(commit.source)}
    if commit.position is not None:
        item["position"] = {"N": str(commit.position)}
    if commit.indexes:
        item["indexes"] = {"S": canonical(commit.indexes)}
    if commit.addressed is not None:
        item["addressed"] = {"S": commit.addressed}
    if commit.mark:
        item["mark"] = {"N": str(commit.mark)}
    if commit.progress is not None:
        item["progress"] = {"S": canonical(commit.progress)}
    return item


def readable(item: Item) -> Commit | None:
    """The commit of *item*. None if it is a bar; None, and a metric, if no Leftfold can have
    written the item.

    Raises `UnknownFormatError`: to leave out a newer engine's commit would lose it.
    """
    try:
        if bar_of(item) is not None:
            return None
        commit = commit_from_item(item)
        check_commit(commit)
    except (UnreadableCommitError, MalformedCommitError) as error:
        emit("UnreadableCommits", 1, reason=str(error))
        return None
    return commit


def commit_from_item(item: Item) -> Commit:
    """The inverse of `item_of`. It reads the image of a stream record as well.

    Raises `UnknownFormatError` for a newer engine's commit, and `UnreadableCommitError`.
    """
    try:
        check_known(item)
        return _commit_from_item(item)
    except (KeyError, TypeError, ValueError, struct.error) as error:
        raise UnreadableCommitError(f"{commit_key(item)}: {error!r}") from error


def check_known(item: Item) -> None:
    """Raises `UnknownFormatError` for an item that a newer engine wrote, and `ValueError` for
    one with attributes that no item of its format has.
    """
    format_ = check_format(item)
    if format_ < 1 or not item.keys() <= ATTRIBUTES:
        raise ValueError(f"format {format_} has no {sorted(item.keys() - ATTRIBUTES)}")


def check_format(item: Item) -> int:
    """The item's format. Raises `UnknownFormatError` if this engine cannot read it."""
    format_, kind = int(item["format"]["N"]), item["kind"]["S"]
    if format_ > FORMAT or kind not in KINDS:
        raise UnknownFormatError(
            f"{commit_key(item)} is of format {format_} and kind {kind!r}: this engine reads"
            f" format {FORMAT} and the kinds {', '.join(KINDS)}, so a newer one is needed"
        )
    return format_


def commit_key(item: Item) -> tuple[str, int]:
    """The stream and the version, from the key of an item or of a stream record."""
    return item["aggregateId"]["S"], int(item["sequenceNumber"]["N"])


def _commit_from_item(item: Item) -> Commit:
    snapshot = item.get("snapshot")
    recent = item.get("recentCommands")
    # Most commits have none of these.
    rare = {name: json.loads(item[name]["S"]) for name in RARE if name in item}
    root, source = rare.get("root"), rare.get("source")
    archive = Archived(**json.loads(item["archive"]["S"])) if "archive" in item else None
    commit = Commit(
        aggregate_id=item["aggregateId"]["S"],
        version=int(item["sequenceNumber"]["N"]),
        events=() if archive else events_from_json(json.loads(item["events"]["S"])),
        command_id=item["commandId"]["S"],
        body_hash=item["bodyHash"]["S"],
        at=item["at"]["S"],
        actor=item["actor"]["S"],
        authority=item["authority"]["S"],
        correlation_id=item["correlationId"]["S"],
        traceparent=item["traceparent"]["S"],
        tags=tuple(rare.get("tags", ())),
        deps=tuple([(stream, version) for stream, version in rare.get("deps", ())]),
        epoch=int(item["epoch"]["N"]),
        epoch_start=int(item["epochStart"]["N"]),
        snapshot=Snapshot.from_text(snapshot["S"]) if snapshot else None,
        recent_commands=unpacked(recent["B"]) if recent else None,
        archive=archive,
        root=(root[0], root[1]) if root else None,
        source=(source[0], source[1]) if source else None,
        format=int(item["format"]["N"]),
    )
    if root:
        commit = commit._replace(**copied_of(item))
    elif not OF_A_COPY.isdisjoint(item):
        raise ValueError(f"only a copy has {sorted(OF_A_COPY & item.keys())}")
    if commit.kind != item["kind"]["S"]:
        raise ValueError(f"it says that it is a {item['kind']['S']}, and is a {commit.kind}")
    return commit


def copied_of(item: Item) -> dict[str, Any]:
    """The inverse of `item_of_copy`, as fields of a commit."""
    return {
        "position": int(item["position"]["N"]) if "position" in item else None,
        "indexes": tuple(json.loads(item["indexes"]["S"])) if "indexes" in item else (),
        "addressed": item["addressed"]["S"] if "addressed" in item else None,
        "mark": int(item["mark"]["N"]) if "mark" in item else 0,
        "progress": json.loads(item["progress"]["S"]) if "progress" in item else None,
    }


def unpacked(packed: bytes) -> tuple[RecentCommand, ...]:
    """The recent commands, from their bytes in an item."""
    return tuple(RecentCommand(*fields) for fields in _RECENT.iter_unpack(packed))


def is_surely_small(commit: Commit) -> bool:
    """Whether the commit's item would fit if each character of it took four bytes, which is quick to
    see without the item. A commit with attributes that few have is not surely small.
    """
    few = commit.tags, commit.deps, commit.snapshot, commit.recent_commands
    if any(few) or commit.archive or commit.root:
        return False
    characters = (
        len(commit.aggregate_id)
        + len(commit.command_id)
        + len(commit.body_hash)
        + len(commit.at)
        + len(commit.actor)
        + len(commit.authority)
        + len(commit.correlation_id)
        + len(commit.traceparent)
        + len(commit.events_text)
    )
    return 4 * characters + MOST_OF_NAMES <= ITEM_LIMIT - ROOM_FOR_A_COPY


def item_size(item: Item) -> int:
    """The item's size in bytes, as DynamoDB counts it: names and values in UTF-8.

    A number takes at most 21 bytes. Source: DynamoDB developer guide, "DynamoDB item sizes
    and formats".
    """
    size = 0
    for name, value in item.items():
        for kind, content in value.items():
            if kind == "N":
                size += 21
            # Most text is ASCII, which has a byte for each character.
            elif kind == "B" or content.isascii():
                size += len(content)
            else:
                size += len(content.encode())
        size += len(name)
    return size
