"""The relay: committed items become log blocks, and blocks go to the bus."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from chalicelib.leftfold.kernel import Commit
from chalicelib.leftfold.relay.publisher import Publisher
from chalicelib.leftfold.relay.sequencer import Sequencer
from chalicelib.leftfold.store.logs import log_of
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


class Relaying(Protocol):
    """What logs and publishes commits: a relay, or those of all logs."""

    def run(self, wanted: Mapping[str, int], commits: Iterable[Commit] = ()) -> int:
        """As `Relay.run`."""


@dataclass(frozen=True)
class Relays:
    """The relays of several logs, by name. Each commit goes into the log of its tenant.

    *side_by_side* runs the relays of all logs that have work at the same time: a log's blocks wait
    for its own head alone. A failure in one log does not stop the others, and is raised after them.
    """

    relays: Mapping[str, Relay]
    side_by_side: Callable[
        [Callable[[str], "int | Unavailable"], Iterable[str]], list[int | Unavailable]
    ]

    def run(self, wanted: Mapping[str, int], commits: Iterable[Commit] = ()) -> int:
        """As `Relay.run`. Without work, each log's unpublished blocks are published."""
        names = tuple(self.relays)
        parts: dict[str, tuple[dict[str, int], list[Commit]]] = {}
        for stream, version in wanted.items():
            parts.setdefault(log_of(stream, names), ({}, []))[0][stream] = version
        for commit in commits:
            parts.setdefault(log_of(commit.aggregate_id, names), ({}, []))[1].append(commit)
        chosen = parts or {name: ({}, []) for name in names}

        def logged(name: str) -> int | Unavailable:
            """The commits that one log has taken. An error is returned: a raised one would end others."""
            try:
                return self.relays[name].run(*chosen[name])
            except Unavailable as error:
                return error

        count = 0
        for result in self.side_by_side(logged, chosen):
            if isinstance(result, Unavailable):
                raise result
            count += result
        return count


def wanted_of(commit_keys: Iterable[tuple[str, int]]) -> dict[str, int]:
    """The newest version of each stream among *commit_keys*."""
    wanted: dict[str, int] = {}
    for aggregate_id, version in commit_keys:
        wanted[aggregate_id] = max(version, wanted.get(aggregate_id, 0))
    return wanted
