"""The table of data keys on DynamoDB: key `subject` / `part`.

| subject | part | holds |
| --- | --- | --- |
| `main/account:17` | `key` | `wrappedKey`, or of a forgotten one `erasedAt`, `erasedBy`, `reason`, `report` |
| `main/account:17` | `stream <aggregate id>` | nothing: that stream holds data of the subject |
| `main/account:17` | `part <application>` | `through`, `places`, `changed`, `finished`: how far its erasure is there |
| `unfinished` | `main/account:17` | nothing: its erasure has no report yet |
| `applications` | the application | its `format` alone: no erasure is finished without it |
| `wrapping` | `key` | `wrappedKey`: the stage's wrapping key, as KMS has wrapped it |

Items under `key`, `part` and `applications` say their `format`. The table has no point-in-time
recovery: what is deleted here is gone (docs/adr/0018).
"""

import json
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from chalicelib.leftfold.kernel.commit import canonical
from chalicelib.leftfold.store.dynamo import batch_get, transact, translated
from chalicelib.leftfold.store.formats import check_format, format_item
from chalicelib.leftfold.store.ports import ContendedError
from chalicelib.leftfold.subjects.keys import DataKey, Erasure, Part

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = dict[str, Any]

KEY_FORMAT = 1
STREAM = "stream "
UNFINISHED = "unfinished"
WRAPPING = "wrapping"
APPLICATIONS = "applications"
PART = "part "
_FREE = "attribute_not_exists(subject)"


class DynamoKeys:
    """`DataKeys` on one DynamoDB table."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def wrapping_key(self, made: bytes | None = None) -> bytes | None:
        if made is not None:
            return self.add(WRAPPING, made).wrapped
        return self.find([WRAPPING]).get(WRAPPING, DataKey(None)).wrapped

    def find(self, subjects: Collection[str]) -> dict[str, DataKey]:
        wanted = [key_of(subject) for subject in dict.fromkeys(subjects)]
        return {
            item["subject"]["S"]: data_key(item)
            for item in batch_get(self._client, self._table, wanted)
        }

    def add(self, subject: str, wrapped: bytes) -> DataKey:
        try:
            with translated():
                self._client.put_item(
                    TableName=self._table,
                    Item={
                        **key_of(subject),
                        **format_item(KEY_FORMAT),
                        "wrappedKey": {"B": wrapped},
                    },
                    ConditionExpression=_FREE,
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            return data_key(cast("Any", error.response)["Item"])
        return DataKey(wrapped)

    def add_stream(self, subject: str, aggregate_id: str) -> None:
        with translated():
            self._client.put_item(
                TableName=self._table, Item=key_of(subject, f"{STREAM}{aggregate_id}")
            )

    def streams(self, subject: str) -> Iterator[str]:
        for item in self._under(subject, STREAM):
            yield item["part"]["S"].removeprefix(STREAM)

    def erase(self, erasure: Erasure) -> Erasure | None:
        mark = {
            "TableName": self._table,
            "Key": key_of(erasure.subject),
            "UpdateExpression": (
                "SET erasedAt = :at, erasedBy = :by, reason = :reason REMOVE wrappedKey"
            ),
            "ConditionExpression": "attribute_exists(subject) AND attribute_not_exists(erasedAt)",
            "ExpressionAttributeValues": {
                ":at": {"S": erasure.at},
                ":by": {"S": erasure.by},
                ":reason": {"S": erasure.reason},
            },
        }
        note = {"TableName": self._table, "Item": key_of(UNFINISHED, erasure.subject)}
        if transact(self._client, [{"Update": mark}, {"Put": note}]):
            return erasure._replace(report=None)
        first = self.erasure(erasure.subject)
        if first is None and self.find([erasure.subject]):
            raise ContendedError(f"another call changed the key of {erasure.subject}")
        return first

    def erasure(self, subject: str) -> Erasure | None:
        for item in batch_get(self._client, self._table, [key_of(subject)]):
            return erasure_of(item)
        return None

    def unfinished(self) -> Iterator[Erasure]:
        for item in self._under(UNFINISHED, ""):
            erasure = self.erasure(item["part"]["S"])
            if erasure is not None and erasure.report is None:
                yield erasure

    def finish(self, subject: str, report: Mapping[str, Any]) -> None:
        with translated():
            self._client.update_item(
                TableName=self._table,
                Key=key_of(subject),
                UpdateExpression="SET report = if_not_exists(report, :report)",
                ExpressionAttributeValues={":report": {"S": canonical(report)}},
            )
            self._client.delete_item(TableName=self._table, Key=key_of(UNFINISHED, subject))

    def join(self, application: str) -> None:
        self._set(key_of(APPLICATIONS, application), format_item(KEY_FORMAT))

    def leave(self, application: str) -> None:
        with translated():
            self._client.delete_item(TableName=self._table, Key=key_of(APPLICATIONS, application))

    def applications(self) -> Collection[str]:
        return [item["part"]["S"] for item in self._under(APPLICATIONS, "")]

    def keep_part(self, subject: str, application: str, part: Part) -> None:
        values = {
            **format_item(KEY_FORMAT),
            "through": {"NULL": True} if part.through is None else {"S": part.through},
            "places": {"S": canonical(dict(part.places))},
            "changed": {"S": part.changed},
            "finished": {"BOOL": part.finished},
        }
        self._set(key_of(subject, f"{PART}{application}"), values)

    def parts(self, subject: str) -> Mapping[str, Part]:
        return {
            item["part"]["S"].removeprefix(PART): part_of(item)
            for item in self._under(subject, PART)
        }

    def _set(self, key: Item, values: Item) -> None:
        """Sets attributes of an item, which is made if there is none."""
        with translated():
            self._client.update_item(
                TableName=self._table,
                Key=key,
                UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in values),
                ExpressionAttributeNames={f"#{name}": name for name in values},
                ExpressionAttributeValues={f":{name}": value for name, value in values.items()},
            )

    def _under(self, subject: str, prefix: str) -> Iterator[Item]:
        """The items of *subject* whose part begins with *prefix*, read consistently."""
        condition, values = "subject = :subject", {":subject": {"S": subject}}
        if prefix:
            condition += " AND begins_with(part, :prefix)"
            values[":prefix"] = {"S": prefix}
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=values,
            ConsistentRead=True,
        )
        with translated():
            for page in pages:
                yield from cast("Any", page["Items"])


def key_of(subject: str, part: str = "key") -> Item:
    """The key of an item."""
    return {"subject": {"S": subject}, "part": {"S": part}}


def data_key(item: Item) -> DataKey:
    """The data key that an item holds. Raises `UnknownFormatError`."""
    check_format(item, KEY_FORMAT, f"the key of {item['subject']['S']}")
    return DataKey(bytes(item["wrappedKey"]["B"]) if "wrappedKey" in item else None)


def erasure_of(item: Item) -> Erasure | None:
    """The erasure that an item tells of. Raises `UnknownFormatError`."""
    check_format(item, KEY_FORMAT, f"the key of {item['subject']['S']}")
    if "erasedAt" not in item:
        return None
    return Erasure(
        item["subject"]["S"],
        item["erasedAt"]["S"],
        item["erasedBy"]["S"],
        item["reason"]["S"],
        json.loads(item["report"]["S"]) if "report" in item else None,
    )


def part_of(item: Item) -> Part:
    """How far an application is, as an item holds it. Raises `UnknownFormatError`."""
    check_format(item, KEY_FORMAT, f"a part of the erasure of {item['subject']['S']}")
    places = json.loads(item["places"]["S"])
    changed, finished = item["changed"]["S"], item["finished"]["BOOL"]
    return Part(item["through"].get("S"), places, changed, finished)
