"""`RowStore` over a dict: a real adapter for simulations and tests, not a mock.

Each call is atomic among threads and takes effect at once. Faults are injected by a wrapper
around the adapter.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from itertools import count
from typing import NamedTuple

from chalicelib.leftfold.projection.rows import NEVER, Save, StoredRow, texts
from chalicelib.leftfold.store.memory import OwnLock


class MemoryRows:
    """The rows of one view, stored as JSON like in the other stores.

    Tokens number all writes, as in OpenSearch, so no state of a row has the token of another.
    """

    def __init__(self) -> None:
        self._items: dict[str, _Item] = {}
        self._writes = count()
        self._lock = OwnLock()

    def load(self, keys: Collection[str]) -> dict[str, StoredRow]:
        with self._lock:
            return {key: self._stored(key) for key in keys}

    def save(self, saves: Sequence[Save]) -> set[str]:
        conflicts: set[str] = set()
        encoded = texts(saves)
        with self._lock:
            for (key, text), save in zip(encoded.items(), saves, strict=True):
                stored = self._stored(key)
                if save.loaded is None:
                    writable = stored.position < save.position
                else:
                    writable = stored.token == save.loaded.token
                    conflicts |= set() if writable else {key}
                if writable:
                    self._items[key] = _Item(text, save.position, next(self._writes))
        return conflicts

    def flush(self) -> None:
        pass

    def expunge(self) -> None:
        pass

    def scan(self) -> Iterator[tuple[str, StoredRow]]:
        with self._lock:
            found = [(key, self._stored(key)) for key in self._items]
        yield from found

    def _stored(self, key: str) -> StoredRow:
        item = self._items.get(key)
        if item is None:
            return NEVER
        row = None if item.text is None else json.loads(item.text)
        return StoredRow(row, item.position, item.token)


class _Item(NamedTuple):
    text: str | None
    position: int
    token: int
