"""The functions of a deployment while writers are at work, and what travels between them."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Any

import boto3

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.functions.log_grew import categories_by_log
from chalicelib.leftfold.functions.relay import commit_in
from chalicelib.leftfold.projection.fold import PoisonError
from chalicelib.leftfold.relay.relay import Relay, wanted_of
from chalicelib.leftfold.relay.sweeper import Sweeper
from chalicelib.leftfold.store.bus import LaneRecord
from chalicelib.leftfold.store.ports import Unavailable
from tests.engines.deployment import Deployment
from tests.engines.plan import Plan
from tests.engines.shards import Shards
from tests.engines.transport import Mailbox, stream_records

if TYPE_CHECKING:
    from chalicelib.leftfold.kernel import Commit

BATCH, SLICE = 50, 64
BETWEEN_SWEEPS = 0.1


class Functions:
    """Relays, sweepers, views and policies as *plan* has them; bus and waker at once.

    *failed* counts invocations that ended in an error: what they were given is lost.
    """

    def __init__(self, plan: Plan, deployment: Deployment, url: str, shards: Shards | None) -> None:
        self.failed: Counter[str] = Counter()
        self.ended = Event()
        self._plan = plan
        self._deployment = deployment
        self._shards = shards
        self._streams = dynamodb_streams(url)
        self._hints: Mailbox[Commit] = Mailbox(plan.seed, plan.drop, copies=2)
        self._lanes: dict[str, Mailbox[LaneRecord | None]] = {
            name: Mailbox(plan.seed + number, plan.drop, copies=2)
            for number, name in enumerate([*DOMAIN.views, *DOMAIN.policies], 1)
        }

    @property
    def mailboxes(self) -> list[Mailbox[Any]]:
        return [self._hints, *self._lanes.values()]

    def all(self) -> Iterator[Callable[[], None]]:
        """The code of each, as a thread: it ends after `end`."""
        plan, deployment = self._plan, self._deployment
        bus = self._shards.bus if self._shards else self
        if plan.transport:
            yield partial(self._follow_table, "events", self._told_of_commits)
            yield partial(self._follow_table, "log", self._told_of_blocks)
            for _ in range(plan.relays):
                yield partial(self._relay, deployment.relaying("relay", bus, self).relay)
        else:
            for _ in range(plan.sweepers):
                yield partial(self._sweep, deployment.relaying("sweeper", self, self).sweeper)
        if self._shards:
            yield partial(self._follow_shards, self._shards)
        for name in DOMAIN.views:
            for _ in range(plan.workers):
                yield partial(self._project, name, deployment.services("view").reader(name))
        # A policy has one function, and so none where no reader is at work.
        for name in DOMAIN.policies if plan.workers else ():
            yield partial(self._project, name, deployment.services("view").policy(name))

    def end(self) -> None:
        """Nothing more will be sent; what is under way still arrives."""
        self.ended.set()
        for mailbox in self.mailboxes:
            mailbox.close()

    def publish(self, records: Sequence[LaneRecord]) -> None:
        """The bus in this process, which may be switched off."""
        if self._plan.transport:
            self._deliver(LaneRecord.from_bytes(record.to_bytes()) for record in records)

    def wake(self, function: str, _wanted: Mapping[str, int] = {}) -> None:
        """The waker: a wake is lost as easily as a record."""
        self._lanes[function].put([None])

    def _deliver(self, records: Iterable[LaneRecord]) -> None:
        arrived = list(records)
        for name, view in DOMAIN.views.items():
            if view.fed == "bus":
                self._lanes[name].put(arrived)

    def _follow_table(self, table: str, tell: Callable[[list[dict[str, Any]]], None]) -> None:
        name = f"{self._deployment.stack}-{table}"
        (stream,) = self._streams.list_streams(TableName=name)["Streams"]
        for records in stream_records(self._streams, stream["StreamArn"], self.ended):
            tell(records)

    def _told_of_commits(self, records: list[dict[str, Any]]) -> None:
        inserted = (r["dynamodb"] for r in records if r["eventName"] == "INSERT")
        self._hints.put([commit for each in inserted if (commit := commit_in(each))])

    def _told_of_blocks(self, records: list[dict[str, Any]]) -> None:
        grown = {category for found in categories_by_log(records).values() for category in found}
        for follower in self._deployment.services().followers:
            if grown.intersection(follower.categories):
                self.wake(follower.name)

    def _follow_shards(self, shards: Shards) -> None:
        for records in shards.records(self.ended):
            self._deliver(records)

    def _relay(self, relay: Relay) -> None:
        while hints := self._hints.take(BATCH):
            wanted = wanted_of((c.aggregate_id, c.version) for c in hints)
            self._invoke("relay", partial(relay.run, wanted, hints))

    def _sweep(self, sweeper: Sweeper) -> None:
        while not self.ended.is_set():
            self._invoke("sweeper", sweeper.run)
            self.ended.wait(BETWEEN_SWEEPS)

    def _project(self, view: str, runner: Any) -> None:
        while items := self._lanes[view].take(BATCH):
            records = [item for item in items if item is not None]
            if records:
                self._invoke(view, partial(runner.handle, records))
            if None in items:
                self._invoke(view, partial(catch_up, runner))

    def _invoke(self, name: str, code: Callable[[], object]) -> None:
        try:
            code()
        except (Unavailable, PoisonError):
            self.failed[name] += 1


def catch_up(runner: Any) -> None:
    """Brings a reader to the end of the log."""
    while runner.catch_up(SLICE):
        pass


def dynamodb_streams(url: str) -> Any:
    """A client for the tables' streams."""
    return boto3.client(
        "dynamodbstreams",
        endpoint_url=url,
        region_name="eu-central-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106 - engines take any
    )
