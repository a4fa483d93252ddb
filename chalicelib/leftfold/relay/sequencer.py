"""Writes commits into the log as blocks. Any number of sequencers may run at once."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from chalicelib.leftfold.kernel import Commit
from chalicelib.leftfold.relay.plan import CommitKey, Planner
from chalicelib.leftfold.store.blocks import cut, seal
from chalicelib.leftfold.store.ports import Block, EventStore, Head, Log, StreamEntry, Unavailable

APPEND_ATTEMPTS = 20


@dataclass
class Memory:
    """The head that a warm function wrote last; None if another relay is at work too.

    A wrong head costs one lost transaction and no more, because its condition fails.
    """

    head: Head | None = None


@dataclass(frozen=True)
class Sequencer:
    """Logs commits.

    *pause* takes the number of lost attempts and waits, with jitter, before the next one.
    *alarm* is called with the blocked streams, each with the commit that it waits for.
    """

    events: EventStore
    log: Log
    pause: Callable[[int], None]
    alarm: Callable[[Mapping[str, CommitKey]], None]
    memory: Memory = field(default_factory=Memory)

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
                self.memory.head = None
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
            head = head or self.log.head()
            block, next_head = seal(head, cut(planned))
            if self._append(block, head, next_head, planner.registry):
                head, lost = next_head, 0
                planner.has_logged(block, entries_after(block))
                yield block
                continue
            lost, beaten = lost + 1, beaten + 1
            if lost == APPEND_ATTEMPTS:
                raise Unavailable(f"{APPEND_ATTEMPTS} transactions in a row were lost")
            self.pause(lost)
            head = None
            planner.registry.clear()
        self.memory.head = None if beaten else head
        if planner.blocked:
            self.alarm(planner.blocked)

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
    ordered = sorted(images.values(), key=lambda commit: (commit.aggregate_id, commit.version))
    newest = {commit.aggregate_id: commit.version for commit in ordered}
    if newest != wanted or any(commit.deps for commit in ordered):
        return None
    if any(
        a.aggregate_id == b.aggregate_id and a.version + 1 < b.version for a, b in pairwise(ordered)
    ):
        return None
    return ordered


def entries_after(block: Block) -> dict[str, StreamEntry]:
    """The registry's entries, after *block*, of the streams that it touches."""
    return {
        commit.aggregate_id: StreamEntry(commit.version + 1, position, commit.epoch)
        for position, commit in enumerate(block.commits, block.first_position)
    }
