"""Closed epochs as objects of the archive, and the manifests that list them.

A *part* is an object with consecutive commits of one epoch: gzipped JSON lines, a commit a
line, under a path that Athena reads as partitions. Most epochs have one part. A large epoch
has several, so that no function needs the whole epoch in memory.

A *manifest* lists all archived parts of a stream up to a version. It is a tree of small
pages: as soon as `PAGE` entries of one level are at the end of the list, they become a page of
their own, and one entry of the next level replaces them. So a new epoch writes a page or two,
however many epochs there are. An entry contains the hash of its object. The tombstone contains
the hash of the first page, which therefore proves all pages and all parts.

Parts and pages are never changed.
"""

import gzip
import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from threading import Lock
from typing import Any, NamedTuple

from chalicelib.leftfold.kernel import AggregateId, Archived, Commit
from chalicelib.leftfold.kernel.commit import canonical
from chalicelib.leftfold.store.blocks import pack, unpack
from chalicelib.leftfold.store.formats import unknown_format
from chalicelib.leftfold.store.ports import Archive

PAGE = 8
PAGE_FORMAT = 1
# Contents of so many bytes of unpacked objects are kept in memory. Python takes about eight
# times as many for them.
KEPT = 8 * 1024 * 1024


class DamagedArchiveError(Exception):
    """An object of the archive is missing, or its content has changed."""

    is_impersonal = True


class ArchiveConflictError(Exception):
    """Another run archives or restores the same stream. Nothing is lost: try again."""


class Entry(NamedTuple):
    """An entry of a page of a manifest.

    At *level* 0 the entry is a part: the versions *first*..*last* of *epoch*. At a higher level
    it is a page with entries of the level below, and *epoch* is the last epoch below it. *hash*
    is the object's SHA-256 in hex.
    """

    level: int
    epoch: int
    first: int
    last: int
    hash: str


class Epochs:
    """Reads and writes parts and manifests. Each object that is read is checked by its hash."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._kept: dict[tuple[str, str], tuple[Any, int]] = {}
        # Policies read with several threads.
        self._lock = Lock()

    def write(self, commits: Sequence[Commit]) -> tuple[Entry, int]:
        """Archives a part and reads it back. Returns its entry, and the object's size in bytes.

        Raises `DamagedArchiveError` if the object at its key has another content.
        """
        first, last = commits[0], commits[-1]
        part = Entry(0, first.epoch, first.version, last.version, "")
        key = part_key(first.aggregate_id, part)
        self._archive.put(key, pack(commits))
        data = self._archive.get(key)
        # The lines are compared: another release of zlib may have packed them into other bytes.
        if data is None or lines_of(data) != [commit.line for commit in commits]:
            raise DamagedArchiveError(f"{key} does not contain the part that was written to it")
        return part._replace(hash=sha256(data)), len(data)

    def add(
        self, aggregate_id: str, archived: Archived | None, parts: Iterable[Entry]
    ) -> tuple[Archived, int]:
        """Archives the manifest of the parts of *archived*, followed by *parts*.

        Also returns the size of its new pages in bytes. Raises `DamagedArchiveError`.
        """
        entries = [*self._first_page(archived)] if archived else []
        pages = 0
        for part in parts:
            entries.append(part)
            while len(entries) >= PAGE and entries[-PAGE].level == entries[-1].level:
                page, size = self._write_page(aggregate_id, entries[-PAGE:])
                entries[-PAGE:] = [page]
                pages += size
        first, size = self._write_page(aggregate_id, entries)
        return Archived(first.last, page_key(aggregate_id, first), first.hash), pages + size

    def below(self, aggregate_id: str, archived: Archived, version: int) -> Archived:
        """Archives the manifest of the parts below *version*, with which a part begins.

        Raises `DamagedArchiveError`.
        """
        kept = [*self._below(aggregate_id, self._first_page(archived), version)]
        first, _ = self._write_page(aggregate_id, kept)
        return Archived(first.last, page_key(aggregate_id, first), first.hash)

    def parts(
        self, aggregate_id: str, archived: Archived, wanted: Callable[[Entry], bool]
    ) -> Iterator[Entry]:
        """The parts that are *wanted*, ascending. A page is read only if its entry is wanted.

        Raises `DamagedArchiveError`.
        """
        return self._wanted(aggregate_id, self._first_page(archived), wanted)

    def check(self, aggregate_id: str, part: Entry) -> None:
        """Raises `DamagedArchiveError` if the part is missing or has changed."""
        verified(self._archive, part_key(aggregate_id, part), part.hash)

    def commits(self, aggregate_id: str, part: Entry) -> Sequence[Commit]:
        """The commits of a part, ascending. Raises `DamagedArchiveError`."""

        def parsed(data: bytes) -> tuple[Any, int]:
            # A gzip file ends with the size of its unpacked content (RFC 1952).
            return unpack(data), int.from_bytes(data[-4:], "little")

        commits: Sequence[Commit] = self._read(part_key(aggregate_id, part), part.hash, parsed)
        return commits

    def _wanted(
        self, aggregate_id: str, entries: Sequence[Entry], wanted: Callable[[Entry], bool]
    ) -> Iterator[Entry]:
        for entry in filter(wanted, entries):
            if entry.level:
                page = self._page(page_key(aggregate_id, entry), entry.hash)
                yield from self._wanted(aggregate_id, page, wanted)
            else:
                yield entry

    def _below(self, aggregate_id: str, entries: Sequence[Entry], version: int) -> Iterator[Entry]:
        for entry in entries:
            if entry.last < version:
                yield entry
            elif entry.first < version:
                page = self._page(page_key(aggregate_id, entry), entry.hash)
                yield from self._below(aggregate_id, page, version)

    def _write_page(self, aggregate_id: str, entries: Sequence[Entry]) -> tuple[Entry, int]:
        """Archives a page and reads it back. Returns its entry, and its size in bytes.

        The page's hash is part of its key, so different pages never have the same key.
        """
        data = canonical({"format": PAGE_FORMAT, "entries": entries}).encode()
        newest = entries[-1]
        page = newest._replace(level=newest.level + 1, first=entries[0].first, hash=sha256(data))
        key = page_key(aggregate_id, page)
        self._archive.put(key, data)
        if self._archive.get(key) != data:
            raise DamagedArchiveError(f"{key} does not contain the page that was written to it")
        return page, len(data)

    def _first_page(self, archived: Archived) -> Sequence[Entry]:
        entries = self._page(archived.key, archived.hash)
        if entries[-1].last != archived.through:
            raise DamagedArchiveError(
                f"{archived.key} lists versions up to {entries[-1].last},"
                f" and the tombstone says {archived.through}"
            )
        return entries

    def _page(self, key: str, expected: str) -> Sequence[Entry]:
        def parsed(data: bytes) -> tuple[Any, int]:
            page = json.loads(data)
            if not isinstance(page, dict) or page.keys() != {"format", "entries"}:
                raise unknown_format(key, f"none, with {str(page)[:80]}", PAGE_FORMAT)
            if page["format"] != PAGE_FORMAT:
                raise unknown_format(key, page["format"], PAGE_FORMAT)
            return [Entry(*fields) for fields in page["entries"]], len(data)

        entries: Sequence[Entry] = self._read(key, expected, parsed)
        return entries

    def _read(self, key: str, expected: str, parse: Callable[[bytes], tuple[Any, int]]) -> Any:
        """The object, parsed by *parse*. It is kept while it is among the last `KEPT` bytes."""
        with self._lock:
            found = self._kept.pop((key, expected), None)
        parsed = found or parse(verified(self._archive, key, expected))
        with self._lock:
            self._kept[key, expected] = parsed
            while len(self._kept) > 1 and sum(size for _, size in self._kept.values()) > KEPT:
                del self._kept[next(iter(self._kept))]
        return parsed[0]


def part_key(aggregate_id: str, part: Entry) -> str:
    """The archive's key of a part."""
    return f"{folder(aggregate_id)}/{part.epoch:06}-{part.first}-{part.last}.jsonl.gz"


def page_key(aggregate_id: str, page: Entry) -> str:
    """The archive's key of a page of a manifest."""
    return f"manifests/{aggregate_id}/{page.first}-{page.last}-{page.hash[:16]}.json"


def folder(aggregate_id: str) -> str:
    """The folder of a stream's parts, in the form of Athena's partitions."""
    tenant, category, key = AggregateId.parse(aggregate_id)
    return f"epochs/tenant={tenant}/category={category}/{key}"


def verified(archive: Archive, key: str, expected: str) -> bytes:
    """The object's bytes. Raises `DamagedArchiveError` if their hash is not *expected*."""
    data = archive.get(key)
    if data is None or sha256(data) != expected:
        raise DamagedArchiveError(f"{key} is missing" if data is None else f"{key} has changed")
    return data


def lines_of(packed: bytes) -> list[str]:
    """The lines of a packed object. Raises `DamagedArchiveError`."""
    try:
        # Not `splitlines`: a text may contain other characters that end a line in Unicode.
        return gzip.decompress(packed).decode().split("\n")
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise DamagedArchiveError(f"an object cannot be unpacked: {error}") from error


def sha256(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()
