"""From committed items to log blocks. Any number of sequencers may run at once."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from chalicelib.kernel import Commit
from chalicelib.relay.plan import Planner
from chalicelib.store.blocks import cut, seal
from chalicelib.store.ports import Block, EventStore, Head, Log, StreamEntry, Unavailable

ATTEMPTS = 20


@dataclass(frozen=True)
class Sequencer:
    """Logs commits. *pause* waits, with jitter, before the attempt whose number it gets;
    *alarm* is told the streams that wait for a cause that is not there.
    """

    events: EventStore
    log: Log
    pause: Callable[[int], None]
    alarm: Callable[[Mapping[str, tuple[str, int]]], None]

    def sequence(self, wanted: Mapping[str, int], commits: Iterable[Commit] = ()) -> list[Block]:
        """Logs each wanted stream up to its version; returns the blocks written here.

        *commits* are images that came with the hints: what they cover is not read again.
        A hint for what is logged, or not there, is harmless. Raises `Unavailable` after
        too many lost attempts in a row; what was written stays.
        """
        planner = Planner(
            registry={},
            lookup=self.log.streams,
            known={(c.aggregate_id, c.version): c for c in commits},
            pull=self.events.range,
        )
        written: list[Block] = []
        head: Head | None = None
        lost = 0
        while True:
            try:
                planned = planner.plan(wanted)
                if not planned:
                    break
                head = head or self.log.head()
                block, next_head = seal(head, cut(planned))
                moves = moves_of(block, planner.registry)
                won = self.log.append(block, head, next_head, moves)
            except Unavailable:
                # The transaction may have taken effect: only a new reading can tell.
                if lost + 1 >= ATTEMPTS:
                    raise
                won = False
            if won:
                written.append(block)
                head, lost = next_head, 0
                planner.registry.update({id_: after for id_, (_, after) in moves.items()})
                for commit in block.commits:
                    del planner.known[commit.aggregate_id, commit.version]
            else:
                lost += 1
                if lost >= ATTEMPTS:
                    raise Unavailable("other relays were faster in every attempt")
                self.pause(lost)
                head = None
                planner.registry.clear()
        if planner.held_back:
            self.alarm(planner.held_back)
        return written


def moves_of(
    block: Block, registry: Mapping[str, StreamEntry]
) -> dict[str, tuple[StreamEntry, StreamEntry]]:
    """For each stream of *block*, its registry entry before and after."""
    after = {
        commit.aggregate_id: StreamEntry(commit.version + 1, position, commit.epoch)
        for position, commit in enumerate(block.commits, block.first_position)
    }
    return {id_: (registry[id_], entry) for id_, entry in after.items()}
