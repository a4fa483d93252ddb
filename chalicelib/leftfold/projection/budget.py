"""Holds a fill back, so that it leaves a table or a search domain its room for others."""

from collections.abc import Callable, Collection, Iterator, Sequence

from chalicelib.leftfold.projection.rows import RowStore, Save, StoredRow, text_of

# A write unit of DynamoDB, in bytes; a row in OpenSearch is counted alike.
UNIT = 1024


class BudgetedRows:
    """`RowStore` that saves at most *units* a second: one for each begun KB of a row.

    *monotonic* tells seconds, and *rest* waits for some.
    """

    def __init__(
        self,
        inner: RowStore,
        units: float,
        monotonic: Callable[[], float],
        rest: Callable[[float], None],
    ) -> None:
        self._inner = inner
        self._units = units
        self._monotonic = monotonic
        self._rest = rest
        self._free_at = monotonic()

    def load(self, keys: Collection[str]) -> dict[str, StoredRow]:
        return self._inner.load(keys)

    def save(self, saves: Sequence[Save]) -> set[str]:
        conflicts: set[str] = set()
        # About a second's worth at a time, so that the store never sees all at once.
        at_once = max(1, int(self._units))
        for start in range(0, len(saves), at_once):
            some = saves[start : start + at_once]
            self._spend(sum(map(units_of, some)))
            conflicts |= self._inner.save(some)
        return conflicts

    def flush(self) -> None:
        self._inner.flush()

    def expunge(self) -> None:
        self._inner.expunge()

    def scan(self) -> Iterator[tuple[str, StoredRow]]:
        return self._inner.scan()

    def _spend(self, units: int) -> None:
        """Waits until what was spent before is paid for, then spends *units*."""
        now = self._monotonic()
        if self._free_at > now:
            self._rest(self._free_at - now)
        self._free_at = max(self._free_at, now) + units / self._units


def units_of(save: Save) -> int:
    """What a row costs; one that no store accepts costs nothing, and is refused by the store."""
    try:
        text = text_of(save.key, save.row)
    except (TypeError, ValueError):
        return 0
    return -(-(len(save.key.encode()) + len((text or "").encode())) // UNIT)
