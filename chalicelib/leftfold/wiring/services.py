"""The services that functions, routes and commands use, made of the adapters.

Each part is made when it is first used, so a function imports only what it needs.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack

from chalicelib.leftfold import metrics
from chalicelib.leftfold.commands.handler import CommandHandler
from chalicelib.leftfold.kernel import Domain, Policy, Row, View
from chalicelib.leftfold.store.ports import (
    Archive,
    Checkpoints,
    Effects,
    EventStore,
    EventTable,
    Log,
    Parking,
    Waker,
)
from chalicelib.leftfold.store.readers import Reader
from chalicelib.leftfold.wiring.adapters import Adapters
from chalicelib.leftfold.wiring.clients import client
from chalicelib.leftfold.wiring.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from chalicelib.leftfold.archive.archiver import Archiver
    from chalicelib.leftfold.archive.pruner import Pruner
    from chalicelib.leftfold.commands.reading import States
    from chalicelib.leftfold.policies.deadlines import Timekeeper
    from chalicelib.leftfold.policies.mailing import Mailer
    from chalicelib.leftfold.projection.freshness import Freshness
    from chalicelib.leftfold.projection.ordered import OrderedRunner
    from chalicelib.leftfold.projection.partitioned import PartitionedRunner
    from chalicelib.leftfold.projection.rows import RowStore
    from chalicelib.leftfold.projection.runner import Work
    from chalicelib.leftfold.relay.relay import Relay
    from chalicelib.leftfold.relay.sweeper import Sweeper
    from chalicelib.leftfold.store.bus import Bus

# Made by `leftfold package`; a plain `chalice package` does without, at the price of
# longer loads, because nothing then says that a snapshot was made by this very fold.
FINGERPRINTS = Path(__file__).parents[2] / "fingerprints.json"

# Processes that a policy acts on at the same time: half of a client's connections.
AT_ONCE = 16

A = TypeVar("A")
B = TypeVar("B")


class Parts(TypedDict, total=False):
    """The parts that may be given instead of the real ones."""

    dynamodb: "DynamoDBClient"
    events: EventStore
    event_table: EventTable
    log: Log
    log_table: Log
    archive: Archive
    checkpoints: Checkpoints
    parking: Parking
    effects: Effects
    mailer: "Mailer"
    waker: Waker
    bus: "Bus"
    rows: "Callable[[str], RowStore]"
    search_rows: "Callable[[str], Any]"
    views: Mapping[str, View]
    policies: Mapping[str, Policy]
    fingerprints: Mapping[str, str]
    handler: CommandHandler
    relay: "Relay"
    freshness: "Freshness"
    health: Callable[[], Mapping[str, bool | str]]
    clock: Callable[[], datetime]
    pause: Callable[[int], None]
    new_id: Callable[[], str]


class Services(Adapters):
    """Everything that the application is made of; *parts* replace the real ones.

    Raises TypeError for a part that there is not.
    """

    def __init__(self, settings: Settings, domain: Domain, **parts: Unpack[Parts]) -> None:
        super().__init__(settings, domain)
        unknown = parts.keys() - Parts.__annotations__.keys()
        if unknown:
            raise TypeError(f"Services has no part {', '.join(sorted(unknown))}")
        self.__dict__.update(parts)

    @cached_property
    def policies(self) -> Mapping[str, Policy]:
        return self.domain.policies

    @property
    def readers(self) -> Sequence[Reader]:
        """All who read the log: views and policies."""
        return [*self.views.values(), *self.policies.values()]

    @property
    def followers(self) -> Sequence[str]:
        """Those of them that nobody brings the commits: they follow the log when woken."""
        fed = [view.name for view in self.views.values() if view.fed == "log"]
        return [*fed, *self.policies]

    @cached_property
    def fingerprints(self) -> Mapping[str, str]:
        """Each category's; without the packaged ones, such as match no snapshot of others."""
        if FINGERPRINTS.exists():
            packaged: dict[str, str] = json.loads(FINGERPRINTS.read_text())
            return packaged
        return dict.fromkeys(self.domain.aggregates, f"unpackaged {self.new_id()}")

    @cached_property
    def handler(self) -> CommandHandler:
        return CommandHandler(self.events, self.fingerprints, self.clock, self.pause)

    @cached_property
    def states(self) -> "States":
        from chalicelib.leftfold.commands.reading import States

        return States(self.events, self.fingerprints)

    @cached_property
    def bus(self) -> "Bus":
        from chalicelib.leftfold.relay.kinesis import KinesisBus

        return KinesisBus(client("kinesis"), self.settings.named("bus"), self.pause)

    @cached_property
    def relay(self) -> "Relay":
        from chalicelib.leftfold.relay.publisher import Publisher
        from chalicelib.leftfold.relay.relay import Relay
        from chalicelib.leftfold.relay.sequencer import Sequencer

        return Relay(
            Sequencer(self.events, self.log, self.pause, self.alarm),
            Publisher(self.log, self.bus, self.checkpoints),
            lambda error: metrics.emit("PublishesFailed", 1, reason=str(error)),
        )

    @cached_property
    def sweeper(self) -> "Sweeper":
        from chalicelib.leftfold.relay.sweeper import Sweeper

        return Sweeper(
            self.events,
            self.log,
            self.relay,
            self.checkpoints,
            self.waker,
            self.readers,
            self.clock,
            self.alarm_of_strays,
        )

    def archiver(self, grace: timedelta) -> "Archiver":
        """Moves epochs that were closed longer ago than *grace*."""
        from chalicelib.leftfold.archive.archiver import Archiver

        return Archiver(self.event_table, self.log_table, self.archive, self.clock, grace)

    @cached_property
    def pruner(self) -> "Pruner":
        from chalicelib.leftfold.archive.pruner import Pruner
        from chalicelib.leftfold.relay.publisher import Published

        readers = [*self.readers, Published()]
        return Pruner(self.log_table, self.archive, self.checkpoints, readers, self.clock)

    @cached_property
    def freshness(self) -> "Freshness":
        from chalicelib.leftfold.projection.freshness import Freshness

        return Freshness(
            self.log,
            self.checkpoints,
            self.parking,
            self.waker,
            time.monotonic,
            time.sleep,
        )

    def reader(self, name: str) -> "PartitionedRunner | OrderedRunner":
        """The runner of a view or a policy."""
        if name in self.policies:
            return self.policy(name)
        ordered = self.views[name].order == "ordered"
        return self.ordered(name) if ordered else self.partitioned(name)

    def partitioned(self, view: str) -> "PartitionedRunner":
        """The runner of a partitioned view."""
        from chalicelib.leftfold.projection.runner import ViewWork

        return self._lanes(ViewWork(self.views[view], self.rows(view)))

    def ordered(self, view: str) -> "OrderedRunner":
        """The runner of an ordered view."""
        from chalicelib.leftfold.projection.ordered import OrderedRunner

        return OrderedRunner(
            self.views[view], self.rows(view), self.log, self.checkpoints, self.pause
        )

    def policy(self, policy: str) -> "PartitionedRunner":
        """The runner of a policy."""
        from chalicelib.leftfold.policies.work import PolicyWork

        return self._lanes(
            PolicyWork(
                self.policies[policy],
                self.handler,
                self.effects,
                self.mailer,
                self.new_id(),
                self.pause,
                side_by_side,
            )
        )

    def _lanes(self, work: "Work") -> "PartitionedRunner":
        from chalicelib.leftfold.projection.partitioned import PartitionedRunner

        return PartitionedRunner(work, self.log, self.checkpoints, self.parking, self.pause)

    @cached_property
    def timekeeper(self) -> "Timekeeper":
        from chalicelib.leftfold.policies.deadlines import Timekeeper, overdue

        def find(view: str, now: datetime) -> Iterator[Row]:
            return overdue(self.search_rows(view), now)

        return Timekeeper(self.domain.deadlines.values(), find, self.handler, self.clock)

    def health(self) -> Mapping[str, bool | str]:
        """Each dependency of the API by name: True, or why it does not answer."""
        from chalicelib.leftfold.wiring.health import health

        return health(self)

    def alarm(self, blocked: Mapping[str, tuple[str, int]]) -> None:
        """Tells people of streams that wait for a cause that is not there."""
        metrics.emit("StreamsBlocked", len(blocked), streams=sorted(blocked)[:20])

    def alarm_of_strays(self, places: Sequence[tuple[str, int]]) -> None:
        """Tells people of items in the events table that no commit can be."""
        metrics.emit("UnreadableCommits", len(places), reason=f"no commit's keys: {places[:20]}")


def side_by_side(act: Callable[[A], B], items: Iterable[A]) -> list[B]:
    """What *act* makes of each of *items*, some of them at the same time."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(act, items))
