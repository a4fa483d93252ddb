"""A large epoch, archived and brought back in a process of its own: python -m
tests.archive.large FOLDER COMMITS tells the most memory that it took, in bytes.

What a deployment has elsewhere must not count here: the table makes a commit whenever it is
asked for one, and the archive is files in FOLDER.
"""

import json
import re
import sys
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from chalicelib.leftfold.archive.archiver import Archiver, Restore, Volume
from chalicelib.leftfold.archive.events import ArchivedEvents
from chalicelib.leftfold.kernel import Commit, StoredEvent
from chalicelib.leftfold.store.memory import PAGE_BYTES, MemoryEvents, MemoryLog, is_still
from chalicelib.leftfold.store.ports import Page, StreamEntry
from tests.commits import commit

STREAM = "main/account-large"
# Of bookings that make a line of 1.6 KB.
BOOKINGS = 5
LINE = 1_600


class MadeEvents(MemoryEvents):
    """A table with one closed epoch of so many *commits*, and one commit after it.

    It keeps version 1, and of all others whether they are there.
    """

    def __init__(self, commits: int) -> None:
        super().__init__()
        self.there = bytearray([1]) * (commits + 2)
        self._commits = commits
        self._first = self.made(1)

    def made(self, version: int) -> Commit:
        """The commit of a version: the same whenever it is made."""
        closed = version <= self._commits
        made = commit(
            STREAM,
            version,
            epoch=1 if closed else 2,
            epoch_start=1 if closed else version,
        )
        return made._replace(events=tuple(booked(version, number) for number in range(BOOKINGS)))

    def append(self, commit: Commit, _unless: object = None) -> Commit | None:
        made = self.made(commit.version)
        if self.there[commit.version]:
            return made
        assert commit.line == made.line
        self.there[commit.version] = 1
        return None

    def range(self, _aggregate_id: str, first: int, last: int) -> Sequence[Commit]:
        return [
            self._first if version == 1 else self.made(version)
            for version in range(max(first, 1), min(last, self._commits + 1) + 1)
            if self.there[version]
        ]

    def page(self, aggregate_id: str, first: int, last: int) -> Sequence[Commit]:
        return self.range(aggregate_id, first, min(last, first + PAGE_BYTES // LINE))

    def newest(
        self,
        aggregate_id: str,
        *,
        limit: int | None = None,
        below: int | None = None,
        consistent: bool = False,  # noqa: ARG002 - memory has one replica
    ) -> Page:
        last = (below or len(self.there)) - 1
        there = [v for v in range(last, 0, -1) if self.there[v]][: limit or PAGE_BYTES // LINE]
        return Page([self.range(aggregate_id, v, v)[0] for v in there], more=there[-1] > 1)

    def replace(self, old: Commit, new: Commit) -> bool:
        if not is_still(self._first, old):
            return False
        self._first = new
        return True

    def delete(self, tombstone: Commit, versions: Collection[int]) -> bool:
        if not is_still(self._first, tombstone):
            return False
        for version in versions:
            self.there[version] = 0
        return True


def booked(version: int, number: int) -> StoredEvent:
    """A booking of which little can be packed."""
    noise = sha256(f"{version} {number}".encode()).hexdigest()
    body = {
        "amount": int(noise[:7], 16),
        "currency": "CZK",
        "value_date": "2026-01-01",
        "operation": noise[:16],
        "counterparty": {"bank": noise[16:20], "account": noise[20:36]},
        "reference": noise[36:],
    }
    return StoredEvent("account-credited", 1, body)


class FolderArchive:
    """`Archive` in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, key: str, data: bytes) -> bool:
        path = self._folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("xb") as file:
                file.write(data)
        except FileExistsError:
            return False
        return True

    def get(self, key: str) -> bytes | None:
        path = self._folder / key
        return path.read_bytes() if path.exists() else None


def main(folder: Path, commits: int) -> None:
    """Archives, reads all of it forwards and backwards, restores."""
    table, log, archive = MadeEvents(commits), MemoryLog(), FolderArchive(folder)
    entry = StreamEntry(commits + 2, commits, 2)
    log._streams[STREAM] = entry
    memory = {"at first": used()}
    now = datetime(2030, 1, 1, tzinfo=UTC)
    moved = sum(Archiver(table, log, archive, lambda: now).run(STREAM, entry, now), Volume())
    assert moved.items == commits
    assert sum(table.there[2:]) == 1
    memory["archived"] = used()
    events = ArchivedEvents(table, archive)
    for first in range(1, commits + 1, 500):
        assert len(events.range(STREAM, first, first + 499)) == min(500, commits + 2 - first)
    below = commits + 1
    while below > 1:
        below = events.newest(STREAM, below=below, consistent=True).commits[-1].version
    memory["read"] = used()
    assert Restore(table, log, archive).run(STREAM) == commits
    assert all(table.there[1:])
    memory["restored"] = used()
    print(json.dumps({"objects": moved.objects, "size": moved.size, "memory": memory}))  # noqa: T201


def used() -> int:
    """The most memory that this process has had, in bytes."""
    # Of this program alone: ru_maxrss also counts the process that it was forked from.
    status = Path("/proc/self/status").read_text()
    (peak,) = re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(peak) * 1024


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
