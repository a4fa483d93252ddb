"""From committed items to log blocks. Any number of sequencers may run at once."""

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

    One that is wrong costs a lost transaction and no more: its condition fails.
    """

    head: Head | None = None


@dataclass(frozen=True)
class Sequencer:
    """Logs commits. *pause* waits, with jitter, before the attempt whose number it gets;
    *alarm* is told the streams that wait for a cause that is not there.
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

        *commits* are images that came with the hints: what they cover is not read again.
        A hint for what is logged, or not there, is harmless. Raises `Unavailable` if a
        read failed, or after too many lost attempts in a row; what was written stays.
        """
        images = {(c.aggregate_id, c.version): c for c in commits}
        told = told_whole(wanted, images)
        if told is not None and self.memory.head is not None:
            yield from self._take_told(told, self.memory.head)
            if self.memory.head is not None:
                return
        yield from self._take_planned(wanted, images)

    def _take_told(self, told: Sequence[Commit], head: Head) -> Iterator[Block]:
        """Logs images on trust, without a read: right if nobody else did and none is late.

        The conditions of the first block that is not right fail; the rest is left.
        """
        while told:
            commits = cut(told)
            expected = {c.aggregate_id: StreamEntry(c.version) for c in reversed(commits)}
            block, next_head = seal(head, commits)
            if not self._append(block, head, next_head, expected):
                self.memory.head = None
                return
            self.memory.head = head = next_head
            told = told[len(commits) :]
            yield block

    def _take_planned(
        self, wanted: Mapping[str, int], images: Mapping[CommitKey, Commit]
    ) -> Iterator[Block]:
        """Logs what head, registry and events table say is to be logged."""
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
            return self.log.append(block, head, next_head, moves)
        except Unavailable:
            # It may have taken effect: only a new reading can tell.
            return False


def told_whole(
    wanted: Mapping[str, int], images: Mapping[CommitKey, Commit]
) -> Sequence[Commit] | None:
    """The images in order, if they are all that is wanted: consecutive and without causes.

    None if something must be read: a version between them, or whether a cause is logged.
    """
    told = sorted(images.values(), key=lambda commit: (commit.aggregate_id, commit.version))
    newest = {commit.aggregate_id: commit.version for commit in told}
    if newest != wanted or any(commit.deps for commit in told):
        return None
    if any(
        a.aggregate_id == b.aggregate_id and a.version + 1 < b.version for a, b in pairwise(told)
    ):
        return None
    return told


def entries_after(block: Block) -> dict[str, StreamEntry]:
    """The registry's entry, after *block*, of each stream that it touches."""
    return {
        commit.aggregate_id: StreamEntry(commit.version + 1, position, commit.epoch)
        for position, commit in enumerate(block.commits, block.first_position)
    }
