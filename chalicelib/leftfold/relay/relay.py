"""The relay: committed items become log blocks, and blocks go to the bus."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from chalicelib.leftfold.kernel import Commit
from chalicelib.leftfold.relay.publisher import Publisher
from chalicelib.leftfold.relay.sequencer import Sequencer
from chalicelib.leftfold.store.ports import Block, Unavailable

# Blocks that are logged before they are published: what a function holds in memory.
ROUND = 16


@dataclass(frozen=True)
class Relay:
    """Run by the events table's stream, by the sweeper, and by whoever waits in vain.

    *unpublished* is told why the bus took nothing: the log goes on without it, and what
    lies beyond the published-through mark is sent with the next run.
    """

    sequencer: Sequencer
    publisher: Publisher
    unpublished: Callable[[Unavailable], None]

    def run(self, wanted: Mapping[str, int], commits: Iterable[Commit] = ()) -> int:
        """Logs what is wanted, publishes what is logged; returns the commits logged.

        Raises `Unavailable` if not all could be logged.
        """
        logged = 0
        blocks = self.sequencer.sequence(wanted, commits)
        while written := list(islice(blocks, ROUND)):
            logged += sum(len(block.commits) for block in written)
            self._publish(written)
        if not logged:
            self._publish([])
        return logged

    def _publish(self, written: list[Block]) -> None:
        try:
            self.publisher.publish(written)
        except Unavailable as error:
            self.unpublished(error)


def wanted_of(places: Iterable[tuple[str, int]]) -> dict[str, int]:
    """The newest version hinted at of each stream."""
    wanted: dict[str, int] = {}
    for aggregate_id, version in places:
        wanted[aggregate_id] = max(version, wanted.get(aggregate_id, 0))
    return wanted
