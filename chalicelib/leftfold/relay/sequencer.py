"""Writes commits into the log as blocks. Any number of sequencers may run at once."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import uuid4

from chalicelib.leftfold.kernel import Commit
from chalicelib.leftfold.relay.plan import CommitKey, Planner
from chalicelib.leftfold.store.blocks import cut, seal
from chalicelib.leftfold.store.ports import (
    Block,
    ContendedError,
    EventStore,
    Head,
    Log,
    StreamEntry,
    Unavailable,
)

APPEND_ATTEMPTS = 20
# A relay that was beaten claims the head for so many blocks, until it has not waited for any. One that
# has just started does not know whether others are at work, and claims it for its first block.
WARY, AT_FIRST = 8, 1
# Longer than it takes to put a body and to write a transaction: its owner has died, or is slow.
CLAIMED = timedelta(milliseconds=300)
# With a pause of up to 40 ms, as `pause` waits after two attempts, about ten seconds.
CLAIM_ATTEMPTS, SHORT = 500, 2


@dataclass
class Memory:
    """The head that a warm function wrote last; None if another relay is at work too.

    A wrong head costs one lost transaction and no more, because its condition fails.
    """

    head: Head | None = None
    # How many blocks more the relay claims the head before, since it was beaten last.
    wary: int = 0
    owner: str = field(default_factory=lambda: uuid4().hex)


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Sequencer:
    """Logs commits.

    *pause* takes the number of lost attempts and waits, with jitter, before the next one.
    *alarm* is called with the blocked streams, each with the commit that it waits for. *wary* is
    for how many blocks a relay that was beaten claims the head first (docs/adr/0030).
    """

    events: EventStore
    log: Log
    pause: Callable[[int], None]
    alarm: Callable[[Mapping[str, CommitKey]], None]
    memory: Memory = field(default_factory=Memory)
    clock: Callable[[], datetime] = utc_now
    wary: int = WARY

    def sequence(
        self, wanted: Mapping[str, int], commits: Iterable[Commit] = ()
    ) -> Iterator[Block]:
        """Logs each wanted stream up to its version; yields each block once it is written.

        *commits* are images that came with the hints. They are not read again. A hint of a
        commit that is logged already, or does not exist, is harmless. Raises `Unavailable` if a
        read failed, or after too many lost attempts in a row. Written blocks stay.
        """
        images = {(c.aggregate_id, c.version): c for c in commits}
        complete = complete_images(wanted, images)
        if complete is not None and self.memory.head is not None:
            yield from self._log_images(complete, self.memory.head)
            if self.memory.head is not None:
                return
        yield from self._log_planned(wanted, images)

    def _log_images(self, images: Sequence[Commit], head: Head) -> Iterator[Block]:
        """Logs *images* without a read (docs/adr/0004). It stops at the first lost transaction.

        A transaction is lost if another relay has written, or if an earlier commit of a stream
        is not logged yet.
        """
        while images:
            commits = cut(images)
            expected = {c.aggregate_id: StreamEntry(c.version) for c in reversed(commits)}
            block, next_head = seal(head, commits)
            if not self._append(block, head, next_head, expected):
                # A stream may lack an earlier commit: then no other relay is at work.
                self.memory.head = None
                if self.log.head().hash != head.hash:
                    self._is_beaten()
                return
            self.memory.head = head = next_head
            images = images[len(commits) :]
            yield block

    def _log_planned(
        self, wanted: Mapping[str, int], images: Mapping[CommitKey, Commit]
    ) -> Iterator[Block]:
        """Logs the commits that head, registry and events table show to be missing."""
        planner = Planner({}, self.log.streams, dict(images), self.events.range)
        head: Head | None = None
        lost = beaten = 0
        while planned := planner.plan(wanted):
            head = head or self._head()
            block, next_head = seal(head, cut(planned))
            if self._append(block, head, next_head, planner.registry):
                # A relay that takes turns lets others have theirs between two blocks.
                head, lost = None if self.memory.wary else next_head, 0
                planner.has_logged(block, entries_after(block))
                yield block
                continue
            lost, beaten = lost + 1, beaten + 1
            if lost == APPEND_ATTEMPTS:
                raise Unavailable(f"{APPEND_ATTEMPTS} transactions in a row were lost")
            self._is_beaten()
            if not self.memory.wary:
                self.pause(lost)
            head = None
            planner.registry.clear()
        self.memory.head = None if beaten else head
        if planner.blocked:
            self.alarm(planner.blocked)

    def _is_beaten(self) -> None:
        """Takes up that another relay is at work: its head is unknown, and it takes turns."""
        self.memory.head, self.memory.wary = None, self.wary

    def _head(self) -> Head:
        """The head to append to. A wary relay claims it, and waits until it is its turn.

        Raises `Unavailable` if others have had it all the time.
        """
        if not self.memory.wary:
            return self.log.head()
        for attempt in range(1, CLAIM_ATTEMPTS + 1):
            if (head := self._claimed()) is not None:
                self.memory.wary = self.wary if attempt > 1 else self.memory.wary - 1
                return head
            self.pause(SHORT)
        raise Unavailable(f"other relays had claimed the head {CLAIM_ATTEMPTS} times")

    def _claimed(self) -> Head | None:
        now = self.clock()
        try:
            return self.log.claim(self.memory.owner, now, now + CLAIMED)
        except ContendedError:
            return None

    def _append(
        self, block: Block, head: Head, next_head: Head, registry: Mapping[str, StreamEntry]
    ) -> bool:
        after = entries_after(block)
        moves = {id_: (registry[id_], entry) for id_, entry in after.items()}
        try:
            self.log.put_body(block)
            return self.log.append(block, head, next_head, moves)
        except Unavailable:
            # It may have taken effect: the next plan reads head and registry again.
            return False


def complete_images(
    wanted: Mapping[str, int], images: Mapping[CommitKey, Commit]
) -> Sequence[Commit] | None:
    """The images in order, if they can be logged without a read.

    They must reach the wanted versions, be consecutive in each stream, and name no causes. None
    if a version between them, or the registry's entry of a cause, has to be read.
    """
    keys = sorted(images)
    # Of each stream, the last version.
    newest = dict(keys)
    if newest != wanted or any(commit.deps for commit in images.values()):
        return None
    if any(a[0] == b[0] and a[1] + 1 < b[1] for a, b in pairwise(keys)):
        return None
    return [images[key] for key in keys]


def entries_after(block: Block) -> dict[str, StreamEntry]:
    """The registry's entries, after *block*, of the streams that it touches."""
    return {
        commit.aggregate_id: StreamEntry(commit.version + 1, position, commit.epoch)
        for position, commit in enumerate(block.commits, block.first_position)
    }
