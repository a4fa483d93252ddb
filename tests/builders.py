"""Logs for tests: blocks of commits of a small context, made without relay or store."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from chalicelib.leftfold.kernel import Codec, Commit, StoredEvent
from chalicelib.leftfold.store.blocks import lane_records, seal
from chalicelib.leftfold.store.bus import LaneRecord
from chalicelib.leftfold.store.memory import MemoryLog
from chalicelib.leftfold.store.ports import Block, Head, StreamEntry
from tests.commits import TRACEPARENT


@dataclass(frozen=True)
class Added:
    """*amount* more."""

    amount: int


@dataclass(frozen=True)
class Removed:
    """Nothing is left: the row goes."""


Event = Added | Removed
codec: Codec[Event] = Codec({"added": Added, "removed": Removed})


def stream(key: str, category: str = "pile", tenant: str = "main") -> str:
    """The aggregate id of a pile."""
    return f"{tenant}/{category}-{key}"


@dataclass
class LogBuilder:
    """A log in memory that grows block by block; each stream's versions are dense."""

    log: MemoryLog = field(default_factory=MemoryLog)
    blocks: list[Block] = field(default_factory=list)
    _head: Head = field(default_factory=Head)
    _entries: dict[str, StreamEntry] = field(default_factory=dict)

    def block(self, *commits: tuple[str, Sequence[Event]]) -> list[LaneRecord]:
        """Appends one block of (aggregate id, events); what the bus carries of it."""
        before = dict(self._entries)
        made = [
            self._commit(position, aggregate_id, map(codec.encode, events))
            for position, (aggregate_id, events) in enumerate(commits, self._head.next_position)
        ]
        block, head = seal(self._head, made)
        moves = {
            commit.aggregate_id: (
                before.get(commit.aggregate_id, StreamEntry()),
                self._entries[commit.aggregate_id],
            )
            for commit in made
        }
        self.log.put_body(block)
        assert self.log.append(block, self._head, head, moves)
        self._head = head
        self.blocks.append(block)
        return lane_records(block)

    @property
    def records(self) -> list[LaneRecord]:
        """What the bus carries of all blocks."""
        return [record for block in self.blocks for record in lane_records(block)]

    def _commit(self, position: int, aggregate_id: str, events: Iterable[StoredEvent]) -> Commit:
        version = self._entries.get(aggregate_id, StreamEntry()).next
        self._entries[aggregate_id] = StreamEntry(version + 1, position)
        return Commit(
            aggregate_id=aggregate_id,
            version=version,
            events=tuple(events),
            command_id=f"{aggregate_id}@{version}",
            body_hash="00" * 8,
            at="2026-01-01T00:00:00.000Z",
            actor="test",
            authority="test",
            correlation_id="test",
            traceparent=TRACEPARENT,
        )
