"""Rows as DynamoDB items: `key`, `position`, `format`, and `row` as canonical JSON.

A deleted row is an item without `row`, which DynamoDB's TTL on `purgeAt` removes. DynamoDB
never parses a row, so numbers stay exact and rows stay the same bytes.
"""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from chalicelib.leftfold.projection.rows import (
    KEEP_DELETED,
    NEVER,
    ROW_FORMAT,
    Save,
    StoredRow,
    texts,
)
from chalicelib.leftfold.store.dynamo import batch_get, translated
from chalicelib.leftfold.store.formats import check_format, format_item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


# DynamoDB does not batch conditional puts, so they are sent in parallel, on a connection each.
THREADS = 16

Item = dict[str, Any]

# These names are reserved words in DynamoDB's expressions.
_NAMES = {"#key": "key", "#position": "position", "#format": "format"}


class DynamoRows:
    """`RowStore` on one DynamoDB table; *now* gives the time of a deletion."""

    def __init__(self, client: "DynamoDBClient", table: str, now: Callable[[], datetime]) -> None:
        self._client = client
        self._table = table
        self._now = now

    def load(self, keys: Collection[str]) -> dict[str, StoredRow]:
        wanted = [{"key": {"S": key}} for key in keys]
        rows = dict.fromkeys(keys, NEVER)
        for item in batch_get(self._client, self._table, wanted):
            rows[item["key"]["S"]] = row_of(item)
        return rows

    def save(self, saves: Sequence[Save]) -> set[str]:
        encoded = texts(saves)
        items = [self._item(save, encoded[save.key]) for save in saves]
        with ThreadPoolExecutor(THREADS) as threads:
            written = list(threads.map(self._put, saves, items))
        return {save.key for save, done in zip(saves, written, strict=True) if not done}

    def flush(self) -> None:
        """Does nothing, because reads of this table are consistent."""

    def expunge(self) -> None:
        """Does nothing, because a put leaves nothing of the item before it."""

    def scan(self) -> Iterator[tuple[str, StoredRow]]:
        pages = self._client.get_paginator("scan").paginate(
            TableName=self._table, ConsistentRead=True
        )
        with translated():
            for page in pages:
                for item in page["Items"]:
                    yield item["key"]["S"], row_of(item)

    def _item(self, save: Save, text: str | None) -> Item:
        item: Item = {
            "key": {"S": save.key},
            "position": {"N": str(save.position)},
            **format_item(ROW_FORMAT),
        }
        if text is None:
            purge_at = int((self._now() + KEEP_DELETED).timestamp())
            return item | {"deleted": {"BOOL": True}, "purgeAt": {"N": str(purge_at)}}
        return item | {"row": {"S": text}}

    def _put(self, save: Save, item: Item) -> bool:
        """Writes the row; False if it has changed since it was loaded."""
        refused = self._client.exceptions.ConditionalCheckFailedException
        try:
            with translated():
                self._client.put_item(
                    TableName=self._table,
                    Item=item,
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **condition_of(save),
                )
        except refused as error:
            # A save without a load has not seen the format of what it would replace.
            if found := cast("Any", error.response).get("Item"):
                row_of(found)
            # A row that does not accumulate is stored already, from this commit or a later one.
            return save.loaded is None
        return True


def condition_of(save: Save) -> Item:
    """The condition of a put: no item exists, or one that the save may replace."""
    if save.loaded is None:
        allowed = "attribute_not_exists(#key) OR (#position < :position AND #format = :format)"
        compared = save.position
    elif save.loaded.position == NEVER.position:
        return {
            "ConditionExpression": "attribute_not_exists(#key)",
            "ExpressionAttributeNames": {"#key": "key"},
        }
    else:
        allowed, compared = "#position = :position AND #format = :format", save.loaded.position
    return {
        "ConditionExpression": allowed,
        "ExpressionAttributeNames": {n: a for n, a in _NAMES.items() if n in allowed},
        "ExpressionAttributeValues": {
            ":position": {"N": str(compared)},
            ":format": {"N": str(ROW_FORMAT)},
        },
    }


def row_of(item: Item) -> StoredRow:
    """The row in an item. Raises `UnknownFormatError`."""
    check_format(item, ROW_FORMAT, f"the row {item['key']['S']}")
    row = json.loads(item["row"]["S"]) if "row" in item else None
    return StoredRow(row, int(item["position"]["N"]))
