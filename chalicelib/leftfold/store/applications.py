"""The applications of a truth: the readers of each, and which of them is active.

The functions of a truth run once, for all its applications. They find here whom to wake, how far
each is, and for whom the log must be kept.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from chalicelib.leftfold.kernel.commit import canonical
from chalicelib.leftfold.store.dynamo import translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# Beside the applications' items; no application has such a name.
ACTIVE = "#active"


@dataclass(frozen=True)
class Registered:
    """A reader of an application, as the functions of the truth know it.

    *name* is that of its function, and *stored_name* that of its checkpoints and parked streams.
    It listens to *categories*.
    """

    name: str
    stored_name: str
    kind: Literal["view", "policy", "announcer"]
    fed: Literal["bus", "log"]
    categories: tuple[str, ...]


@dataclass(frozen=True)
class Application:
    """An application by its name, with its readers, and the fingerprint of each view's fold.

    *writes* has the version in which its code writes each event, by "category/name", and *reads* the
    newest version that it reads.
    """

    name: str
    readers: tuple[Registered, ...]
    folds: Mapping[str, str] = field(default_factory=dict)
    writes: Mapping[str, int] = field(default_factory=dict)
    reads: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Known:
    """All applications of a truth, by name, and the name of the active one."""

    applications: Mapping[str, Application]
    active: str | None


class Applications(Protocol):
    """The register of applications. Each call may raise `Unavailable`."""

    def known(self) -> Known:
        """All applications, and the active one."""

    def register(self, application: Application) -> None:
        """Adds an application, or replaces what is known of it."""

    def activate(self, name: str, instead_of: str | None) -> bool:
        """Makes a registered application the active one.

        False if *instead_of* is not the active one any more, or if *name* is not registered.
        """

    def remove(self, name: str) -> bool:
        """Forgets an application; one that is not known is gone already. False if it is active."""

    def retire(self) -> None:
        """Leaves no application active: nobody's policies run, until another is activated."""


class MemoryApplications:
    """`Applications` in memory."""

    def __init__(self, *applications: Application, active: str | None = None) -> None:
        self._applications = {each.name: each for each in applications}
        self._active = active

    def known(self) -> Known:
        return Known(dict(sorted(self._applications.items())), self._active)

    def register(self, application: Application) -> None:
        self._applications[application.name] = application

    def activate(self, name: str, instead_of: str | None) -> bool:
        if name not in self._applications or self._active != instead_of:
            return False
        self._active = name
        return True

    def remove(self, name: str) -> bool:
        if name == self._active:
            return False
        self._applications.pop(name, None)
        return True

    def retire(self) -> None:
        self._active = None


class DynamoApplications:
    """`Applications` on one DynamoDB table."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def known(self) -> Known:
        items: list[Any] = []
        pages = self._client.get_paginator("scan").paginate(
            TableName=self._table, ConsistentRead=True
        )
        with translated():
            for page in pages:
                items += page["Items"]
        found = {item["application"]["S"]: item for item in items}
        active = found.pop(ACTIVE, None)
        return Known(
            {name: application_of(found[name]) for name in sorted(found)},
            active["name"]["S"] if active else None,
        )

    def register(self, application: Application) -> None:
        item: Any = {
            "application": {"S": application.name},
            "readers": {"S": canonical([asdict(reader) for reader in application.readers])},
            **{
                name: {"S": canonical(dict(getattr(application, name)))}
                for name in ("folds", "writes", "reads")
            },
        }
        with translated():
            self._client.put_item(TableName=self._table, Item=item)

    def activate(self, name: str, instead_of: str | None) -> bool:
        condition: dict[str, Any] = {
            "ConditionExpression": "#name = :old",
            "ExpressionAttributeNames": {"#name": "name"},
            "ExpressionAttributeValues": {":old": {"S": instead_of}},
        }
        if instead_of is None:
            condition = {"ConditionExpression": "attribute_not_exists(application)"}
        moved = {"application": {"S": ACTIVE}, "name": {"S": name}}
        return self._together(
            {
                "ConditionCheck": {
                    **self._key(name),
                    "ConditionExpression": "attribute_exists(application)",
                }
            },
            {"Put": {"TableName": self._table, "Item": moved, **condition}},
        )

    def remove(self, name: str) -> bool:
        other = {
            "ConditionExpression": "attribute_not_exists(application) OR #name <> :gone",
            "ExpressionAttributeNames": {"#name": "name"},
            "ExpressionAttributeValues": {":gone": {"S": name}},
        }
        return self._together(
            {"ConditionCheck": {**self._key(ACTIVE), **other}}, {"Delete": self._key(name)}
        )

    def retire(self) -> None:
        with translated():
            self._client.delete_item(**self._key(ACTIVE))

    def _key(self, name: str) -> dict[str, Any]:
        return {"TableName": self._table, "Key": {"application": {"S": name}}}

    def _together(self, *writes: Mapping[str, Any]) -> bool:
        """One transaction; False if one of its conditions does not hold."""
        call: Any = self._client.transact_write_items
        try:
            with translated():
                call(TransactItems=list(writes))
        except self._client.exceptions.TransactionCanceledException:
            return False
        return True


def application_of(item: Mapping[str, Any]) -> Application:
    """The application that an item holds."""
    readers = tuple(
        Registered(**reader | {"categories": tuple(reader["categories"])})
        for reader in json.loads(item["readers"]["S"])
    )
    said = (json.loads(item[name]["S"]) for name in ("folds", "writes", "reads"))
    return Application(item["application"]["S"], readers, *said)
