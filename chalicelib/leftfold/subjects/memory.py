"""The vault's ports over dicts, for simulations and tests."""

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from chalicelib.leftfold.kernel.commit import canonical
from chalicelib.leftfold.store.memory import OwnLock
from chalicelib.leftfold.subjects.keys import KEY_BYTES, DataKey, Erasure, Part


class MemoryKeys:
    """`DataKeys` in memory."""

    def __init__(self) -> None:
        self._wrapping: bytes | None = None
        self._keys: dict[str, DataKey] = {}
        self._streams: dict[str, set[str]] = {}
        self._erasures: dict[str, Erasure] = {}
        self._applications: set[str] = set()
        self._parts: dict[str, dict[str, Part]] = {}
        self._lock = OwnLock()

    def wrapping_key(self, made: bytes | None = None) -> bytes | None:
        with self._lock:
            self._wrapping = self._wrapping or made
            return self._wrapping

    def find(self, subjects: Collection[str]) -> dict[str, DataKey]:
        with self._lock:
            return {s: self._keys[s] for s in subjects if s in self._keys}

    def add(self, subject: str, wrapped: bytes) -> DataKey:
        with self._lock:
            return self._keys.setdefault(subject, DataKey(wrapped))

    def add_stream(self, subject: str, aggregate_id: str) -> None:
        with self._lock:
            self._streams.setdefault(subject, set()).add(aggregate_id)

    def streams(self, subject: str) -> Iterator[str]:
        with self._lock:
            return iter(sorted(self._streams.get(subject, ())))

    def erase(self, erasure: Erasure) -> Erasure | None:
        with self._lock:
            if erasure.subject not in self._keys:
                return None
            self._keys[erasure.subject] = DataKey(None)
            return self._erasures.setdefault(erasure.subject, erasure._replace(report=None))

    def erasure(self, subject: str) -> Erasure | None:
        with self._lock:
            return self._erasures.get(subject)

    def unfinished(self) -> Iterator[Erasure]:
        with self._lock:
            return iter([e for e in self._erasures.values() if e.report is None])

    def finish(self, subject: str, report: Mapping[str, Any]) -> None:
        with self._lock:
            erasure = self._erasures[subject]
            if erasure.report is None:
                kept = json.loads(canonical(report))
                self._erasures[subject] = erasure._replace(report=kept)

    def join(self, application: str) -> None:
        with self._lock:
            self._applications.add(application)

    def leave(self, application: str) -> None:
        with self._lock:
            self._applications.discard(application)

    def applications(self) -> Collection[str]:
        with self._lock:
            return sorted(self._applications)

    def keep_part(self, subject: str, application: str, part: Part) -> None:
        with self._lock:
            kept = part._replace(places=dict(part.places))
            self._parts.setdefault(subject, {})[application] = kept

    def parts(self, subject: str) -> Mapping[str, Part]:
        with self._lock:
            return dict(self._parts.get(subject, {}))


class MemoryKeyService:
    """`KeyService` that wraps by one byte of padding: it hides nothing, and tells its own keys."""

    def __init__(self) -> None:
        self._made = 0

    def generate(self) -> tuple[bytes, bytes]:
        self._made += 1
        plain = self._made.to_bytes(KEY_BYTES)
        return plain, b"wrapped " + plain

    def unwrap(self, wrapped: bytes) -> bytes:
        return wrapped.removeprefix(b"wrapped ")
