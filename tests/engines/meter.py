"""What calls cost on DynamoDB, by the engine's own account."""

from collections import Counter
from typing import Any

TRANSACTIONS = {"TransactWriteItems", "TransactGetItems"}
WRITES = {"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"}


class Meter:
    """Counts each call of *client* by operation and table, and sums its capacity units."""

    def __init__(self, client: Any) -> None:
        self.calls: Counter[tuple[str, str]] = Counter()
        self.units: Counter[tuple[str, str]] = Counter()
        client.meta.events.register("provide-client-params.dynamodb", self._ask)
        client.meta.events.register("after-call.dynamodb", self._note)

    @property
    def write_units(self) -> float:
        """The units of all writes."""
        return sum(units for (operation, _), units in self.units.items() if operation in WRITES)

    def reset(self) -> None:
        """Counts from nothing."""
        self.calls.clear()
        self.units.clear()

    def _ask(self, params: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {**params, "ReturnConsumedCapacity": "TOTAL"}

    def _note(self, parsed: dict[str, Any], model: Any, **_: Any) -> None:
        consumed = parsed.get("ConsumedCapacity", [])
        tables = consumed if isinstance(consumed, list) else [consumed]
        for table in tables:
            name = table["TableName"].rpartition("-")[2]
            self.calls[model.name, name] += 1
            self.units[model.name, name] += table["CapacityUnits"]
