"""The relay: committed items become log blocks, and blocks go to the bus."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chalicelib.kernel import Commit
from chalicelib.relay.publisher import Publisher
from chalicelib.relay.sequencer import Sequencer


@dataclass(frozen=True)
class Relay:
    """Run by the events table's stream, by the sweeper, and by whoever waits in vain."""

    sequencer: Sequencer
    publisher: Publisher

    def run(self, wanted: Mapping[str, int], commits: Iterable[Commit] = ()) -> int:
        """Logs what is wanted, publishes what is logged; returns the commits logged."""
        written = self.sequencer.sequence(wanted, commits)
        self.publisher.publish(written)
        return sum(len(block.commits) for block in written)


def wanted_of(places: Iterable[tuple[str, int]]) -> dict[str, int]:
    """The newest version hinted at of each stream."""
    wanted: dict[str, int] = {}
    for aggregate_id, version in places:
        wanted[aggregate_id] = max(version, wanted.get(aggregate_id, 0))
    return wanted
