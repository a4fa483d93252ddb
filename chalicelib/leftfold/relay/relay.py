"""The relay: committed items become log blocks, and blocks go to the bus."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from chalicelib.leftfold.kernel import Commit
from chalicelib.leftfold.relay.publisher import Publisher
from chalicelib.leftfold.relay.sequencer import Sequencer
from chalicelib.leftfold.store.ports import Block, Unavailable

# The number of blocks that are logged before they are published: a function keeps them in memory.
ROUND = 16


@dataclass(frozen=True)
class Relay:
    """Logs commits and publishes the blocks.

    The events table's stream runs it, the sweeper, and a request that waits for a view.
    *unpublished* is called with the bus's error. The log goes on without the bus, and the next
    run sends the blocks after the published-through mark.
    """

    sequencer: Sequencer
    publisher: Publisher
    unpublished: Callable[[Unavailable], None]

    def run(self, wanted: Mapping[str, int], commits: Iterable[Commit] = ()) -> int:
        """Logs the *wanted* versions and publishes the blocks; returns the number of commits logged.

        Raises `Unavailable` if not all wanted versions could be logged.
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


def wanted_of(commit_keys: Iterable[tuple[str, int]]) -> dict[str, int]:
    """The newest version of each stream among *commit_keys*."""
    wanted: dict[str, int] = {}
    for aggregate_id, version in commit_keys:
        wanted[aggregate_id] = max(version, wanted.get(aggregate_id, 0))
    return wanted
