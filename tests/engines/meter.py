"""What calls cost on DynamoDB: the engine's own figures where they are right, else by size.

DynamoDB Local reports a transaction as if it were its last item on each table, so a
transaction is counted here: two units for each begun KB of each item that it leaves, and
two where a condition finds none.
"""

from collections import Counter
from typing import Any

from chalicelib.leftfold.store.events import item_size

UNIT = 1024

Json = dict[str, Any]


class Meter:
    """Counts the calls of *client* by (operation, table), and what they consume.

    *reader* is another client of the same engine. For one thread.
    """

    def __init__(self, client: Any, reader: Any) -> None:
        self.calls: Counter[tuple[str, str]] = Counter()
        self.units: Counter[tuple[str, str]] = Counter()
        self._reader = reader
        self._asked: Json = {}
        client.meta.events.register("provide-client-params.dynamodb", self._ask)
        client.meta.events.register("after-call.dynamodb", self._note)

    def reset(self) -> None:
        """Counts from nothing."""
        self.calls.clear()
        self.units.clear()

    def _ask(self, params: Json, **_: Any) -> Json:
        self._asked = {**params, "ReturnConsumedCapacity": "TOTAL"}
        return self._asked

    def _note(self, parsed: Json, model: Any, **_: Any) -> None:
        if "Error" in parsed:
            # A write whose condition fails costs as much as the item that it was not written to.
            item, table = parsed.get("Item", {}), resource(self._asked["TableName"])
            self.calls[model.name, table] += 1
            self.units[model.name, table] += begun(item_size(item))
            return
        consumed = parsed["ConsumedCapacity"]
        tables = consumed if isinstance(consumed, list) else [consumed]
        by_table = {resource(t["TableName"]): t["CapacityUnits"] for t in tables}
        if model.name == "TransactWriteItems":
            by_table = self._written()
        for table, units in by_table.items():
            self.calls[model.name, table] += 1
            self.units[model.name, table] += units

    def _written(self) -> Counter[str]:
        units: Counter[str] = Counter()
        for write in self._asked["TransactItems"]:
            ((kind, asked),) = write.items()
            item = asked["Item"] if kind == "Put" else self._read(asked)
            units[resource(asked["TableName"])] += 2 * begun(item_size(item))
        return units

    def _read(self, asked: Json) -> Json:
        answer = self._reader.get_item(
            TableName=asked["TableName"], Key=asked["Key"], ConsistentRead=True
        )
        item: Json = answer.get("Item", {})
        return item


def begun(size: int) -> int:
    """The write units of an item of *size* bytes."""
    return max(1, -(-size // UNIT))


def resource(table: str) -> str:
    """A table's name without its stack's, which has no hyphen."""
    return table.partition("-")[2]
