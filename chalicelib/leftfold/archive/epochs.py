"""Closed epochs as objects of the archive, and the manifests that list them.

An epoch is one object: gzipped JSON lines, a commit a line, under a path that Athena reads
as partitions. A manifest lists all archived epochs of a stream up to a version. Both are
functions of the stream alone, and are never changed.
"""

import gzip
import hashlib
import json
import zlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from chalicelib.leftfold.kernel import AggregateId, Archived, Commit
from chalicelib.leftfold.kernel.commit import canonical
from chalicelib.leftfold.store.blocks import pack, unpack
from chalicelib.leftfold.store.ports import Archive

CACHED = 32


class DamagedArchiveError(Exception):
    """An object is not there, or is not what it was when it was written."""


class Epoch(NamedTuple):
    """The object at *key* holds versions *first*..*last*; *hash* is its SHA-256 in hex."""

    epoch: int
    first: int
    last: int
    key: str
    hash: str


class Epochs:
    """Reads and writes the objects of epochs; what is read is checked by its hash."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._cache: OrderedDict[str, Any] = OrderedDict()

    def write(self, commits: Sequence[Commit]) -> tuple[Epoch, int]:
        """Archives a whole epoch, and reads it back; also tells the object's size in bytes.

        Raises `DamagedArchiveError` if something else is at its key.
        """
        first, last = commits[0], commits[-1]
        name = f"{first.epoch:06}-{first.version}-{last.version}.jsonl.gz"
        key = f"{folder(first.aggregate_id)}/{name}"
        self._archive.put(key, pack(commits))
        held = self._archive.get(key)
        # By content: another release of zlib may have packed the same lines otherwise.
        if held is None or lines_of(held) != [commit.to_line() for commit in commits]:
            raise DamagedArchiveError(f"{key} is not what was written")
        return Epoch(first.epoch, first.version, last.version, key, sha256(held)), len(held)

    def write_manifest(self, aggregate_id: str, epochs: Sequence[Epoch]) -> tuple[Archived, int]:
        """Archives the list of *epochs*, which reach from version 1 on, and reads it back;
        also tells the object's size in bytes.
        """
        through = epochs[-1].last
        key = f"manifests/{aggregate_id}/{through}.json"
        data = canonical([epoch._asdict() for epoch in epochs]).encode()
        self._archive.put(key, data)
        if self._archive.get(key) != data:
            raise DamagedArchiveError(f"{key} is not what was written")
        return Archived(through, key, sha256(data)), len(data)

    def manifest(self, archived: Archived) -> Sequence[Epoch]:
        """The epochs that a tombstone leads to, ascending."""

        def parsed(data: bytes) -> list[Epoch]:
            return [Epoch(**held) for held in json.loads(data)]

        epochs: Sequence[Epoch] = self._cached(archived.key, archived.hash, parsed)
        return epochs

    def commits(self, epoch: Epoch) -> Sequence[Commit]:
        """The commits of an epoch, ascending."""
        commits: Sequence[Commit] = self._cached(epoch.key, epoch.hash, unpack)
        return commits

    def _cached(self, key: str, expected: str, parse: Callable[[bytes], Any]) -> Any:
        name = f"{key} {expected}"
        if name not in self._cache:
            self._cache[name] = parse(verified(self._archive, key, expected))
            if len(self._cache) > CACHED:
                self._cache.popitem(last=False)
        self._cache.move_to_end(name)
        return self._cache[name]


def folder(aggregate_id: str) -> str:
    """Where a stream's epochs are."""
    tenant, category, key = AggregateId.parse(aggregate_id)
    return f"epochs/tenant={tenant}/category={category}/{key}"


def verified(archive: Archive, key: str, expected: str) -> bytes:
    """The object's bytes, if they have the *expected* hash."""
    data = archive.get(key)
    if data is None or sha256(data) != expected:
        raise DamagedArchiveError(f"{key} is gone" if data is None else f"{key} has changed")
    return data


def lines_of(packed: bytes) -> list[str]:
    """The lines of a packed object. Raises `DamagedArchiveError`."""
    try:
        return gzip.decompress(packed).decode().splitlines()
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise DamagedArchiveError(f"an object cannot be read: {error}") from error


def sha256(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()
