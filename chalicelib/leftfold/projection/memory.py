"""`RowStore` over a dict: a real adapter for simulations and tests, not a mock.

Each call is atomic, also among threads, and takes effect at once; faults come from a
wrapper around it.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from itertools import count
from typing import NamedTuple

from chalicelib.leftfold.projection.rows import NEVER, Save, StoredRow, texts
from chalicelib.leftfold.store.memory import OwnLock


class MemoryRows:
    """The rows of one view; they are kept as JSON, as in the other stores.

    The token numbers all writes, as OpenSearch does: a row's state never comes again.
    """

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}
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
                held = self._stored(key)
                if save.loaded is None:
                    writable = held.position < save.position
                else:
                    writable = held.token == save.loaded.token
                    conflicts |= set() if writable else {key}
                if writable:
                    self._held[key] = _Held(text, save.position, next(self._writes))
        return conflicts

    def flush(self) -> None:
        pass

    def scan(self) -> Iterator[tuple[str, StoredRow]]:
        with self._lock:
            found = [(key, self._stored(key)) for key in self._held]
        yield from found

    def _stored(self, key: str) -> StoredRow:
        held = self._held.get(key)
        if held is None:
            return NEVER
        row = None if held.text is None else json.loads(held.text)
        return StoredRow(row, held.position, held.token)


class _Held(NamedTuple):
    text: str | None
    position: int
    token: int
