"""Settings and clients -> adapters -> services: the only place that reads the environment.

Each part is made when it is first used, so a function imports only what it needs.
"""

import json
import os
import random
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property, partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from chalicelib.leftfold import metrics
from chalicelib.leftfold.commands.handler import CommandHandler
from chalicelib.leftfold.commands.loading import instant
from chalicelib.leftfold.kernel import Policy, Row, View
from chalicelib.leftfold.kernel.uuid7 import uuid7
from chalicelib.leftfold.store.ports import (
    Archive,
    Checkpoints,
    Doorbell,
    Effects,
    EventStore,
    EventTable,
    Log,
    Parking,
)
from chalicelib.leftfold.store.readers import Reader

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
    from chalicelib.leftfold.projection.search import SearchRows
    from chalicelib.leftfold.relay.relay import Relay
    from chalicelib.leftfold.relay.sweeper import Sweeper
    from chalicelib.leftfold.store.bus import Bus

# Made by `leftfold package`; a plain `chalice package` does without, at the price of
# longer loads, because nothing then says that a snapshot was made by this very fold.
FINGERPRINTS = Path(__file__).parent / "fingerprints.json"

LONGEST_PAUSE = 1.0
# Processes that a policy acts on at the same time: half of a client's connections.
AT_ONCE = 16
# Rows that one search for passed deadlines brings.
OVERDUE_AT_ONCE = 500

# boto3 makes clients from one session, which is for one thread at a time.
_making = Lock()

A = TypeVar("A")
B = TypeVar("B")


class Settings:
    """What a deployment tells its functions.

    LEFTFOLD_STACK is the stack's name, with which every table and function begins;
    LEFTFOLD_SEARCH_URL is where OpenSearch answers; LEFTFOLD_MAIL_FROM is the address,
    verified in SES, that e-mail comes from: without it none is sent. LEFTFOLD_ARCHIVE is
    the bucket of what has left the tables.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    @property
    def stack(self) -> str:
        return self._get("LEFTFOLD_STACK")

    @property
    def search_url(self) -> str:
        scheme = self._variables.get("LEFTFOLD_SEARCH_SCHEME", "https")
        return f"{scheme}://{self._get('LEFTFOLD_SEARCH_ENDPOINT')}"

    @property
    def mail_from(self) -> str | None:
        return self._variables.get("LEFTFOLD_MAIL_FROM") or None

    @property
    def archive(self) -> str:
        """The bucket: LEFTFOLD_ARCHIVE, for names of buckets are the whole world's."""
        return self._variables.get("LEFTFOLD_ARCHIVE") or self.named("archive")

    def named(self, resource: str) -> str:
        """The name of a table, index, stream or function of this deployment."""
        return f"{self.stack}-{resource.replace('_', '-')}"

    def _get(self, name: str) -> str:
        try:
            return self._variables[name]
        except KeyError:
            raise LookupError(f"{name} is not set; infra/resources.json sets it") from None


class Services:
    """The parts of the application; those given by name replace the real ones."""

    def __init__(self, settings: Settings, **parts: Any) -> None:
        self.settings = settings
        self.__dict__.update(parts)

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        made: DynamoDBClient = client("dynamodb")
        return made

    @cached_property
    def events(self) -> EventStore:
        from chalicelib.leftfold.archive.events import ArchivedEvents

        return ArchivedEvents(self.event_table, self.archive)

    @cached_property
    def event_table(self) -> EventTable:
        from chalicelib.leftfold.store.events import DynamoEvents

        return DynamoEvents(self.dynamodb, self.settings.named("events"))

    @cached_property
    def log(self) -> Log:
        from chalicelib.leftfold.archive.segments import SegmentedLog

        return SegmentedLog(self.log_table, self.archive)

    @cached_property
    def log_table(self) -> Log:
        from chalicelib.leftfold.store.log import DynamoLog

        named = self.settings.named
        return DynamoLog(self.dynamodb, named("log"), named("streams"))

    @cached_property
    def archive(self) -> Archive:
        from chalicelib.leftfold.archive.s3 import S3Archive

        return S3Archive(partial(client, "s3"), self.settings.archive)

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
    def checkpoints(self) -> Checkpoints:
        from chalicelib.leftfold.store.checkpoints import DynamoCheckpoints

        return DynamoCheckpoints(self.dynamodb, self.settings.named("checkpoints"))

    @cached_property
    def parking(self) -> Parking:
        from chalicelib.leftfold.store.checkpoints import DynamoParking

        return DynamoParking(self.dynamodb, self.settings.named("parked"))

    @cached_property
    def handler(self) -> CommandHandler:
        return CommandHandler(self.events, self.fingerprints, self.clock, self.pause)

    @cached_property
    def states(self) -> "States":
        from chalicelib.leftfold.commands.reading import States

        return States(self.events, self.fingerprints)

    @cached_property
    def fingerprints(self) -> Mapping[str, str]:
        """Each category's; without the packaged ones, such as match no snapshot of others."""
        from chalicelib.domain import DOMAIN

        if FINGERPRINTS.exists():
            packaged: dict[str, str] = json.loads(FINGERPRINTS.read_text())
            return packaged
        return dict.fromkeys(DOMAIN.aggregates, f"unpackaged {self.new_id()}")

    @cached_property
    def doorbell(self) -> Doorbell:
        from chalicelib.leftfold.relay.doorbell import LambdaDoorbell

        return LambdaDoorbell(client("lambda"), self.settings.named)

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
            self.doorbell,
            self.readers,
            self.clock,
            self.alarm_of_strays,
        )

    @cached_property
    def views(self) -> Mapping[str, View]:
        from chalicelib.domain import DOMAIN

        return DOMAIN.views

    @cached_property
    def policies(self) -> Mapping[str, Policy]:
        from chalicelib.domain import DOMAIN

        return DOMAIN.policies

    @property
    def readers(self) -> Sequence[Reader]:
        """All who read the log: views and policies."""
        return [*self.views.values(), *self.policies.values()]

    @property
    def followers(self) -> Sequence[str]:
        """Those of them that nobody brings the commits: they follow the log when rung."""
        fed = [view.name for view in self.views.values() if view.fed == "log"]
        return [*fed, *self.policies]

    @cached_property
    def effects(self) -> Effects:
        from chalicelib.leftfold.store.effects import DynamoEffects

        return DynamoEffects(self.dynamodb, self.settings.named("effects"), self.clock)

    @cached_property
    def mailer(self) -> "Mailer":
        from chalicelib.leftfold.policies.mailing import NoMailer, SesMailer

        sender = self.settings.mail_from
        return SesMailer(client("ses"), sender) if sender else NoMailer()

    @cached_property
    def freshness(self) -> "Freshness":
        from chalicelib.leftfold.projection.freshness import Freshness

        return Freshness(
            self.log,
            self.checkpoints,
            self.parking,
            self.doorbell,
            time.monotonic,
            time.sleep,
        )

    @cached_property
    def rows(self) -> "Callable[[str], RowStore]":
        return cache(self._rows)

    def partitioned(self, view: str) -> "PartitionedRunner":
        """The runner of a partitioned view."""
        from chalicelib.leftfold.projection.runner import Projecting

        return self._lanes(Projecting(self.views[view], self.rows(view)))

    def policy(self, policy: str) -> "PartitionedRunner":
        """The runner of a policy."""
        from chalicelib.leftfold.policies.work import Acting

        return self._lanes(
            Acting(
                self.policies[policy],
                self.handler,
                self.effects,
                self.mailer,
                self.new_id(),
                self.pause,
                side_by_side,
            )
        )

    @cached_property
    def timekeeper(self) -> "Timekeeper":
        from chalicelib.domain import DOMAIN
        from chalicelib.leftfold.policies.deadlines import Timekeeper

        return Timekeeper(DOMAIN.deadlines.values(), self._overdue, self.handler, self.clock)

    def _overdue(self, view: str, now: datetime) -> Iterator[Row]:
        """Rows of a search view whose `deadline` has passed, the newest first."""
        passed = {"bool": {"filter": [{"range": {"deadline": {"lt": instant(now)}}}]}}
        rows, newest_first, after = self.search_rows(view), [{"deadline": "desc"}], None
        while (found := rows.find(passed, newest_first, after, OVERDUE_AT_ONCE)).rows:
            yield from found.rows
            after = found.sorts[-1]

    def _lanes(self, work: "Work") -> "PartitionedRunner":
        from chalicelib.leftfold.projection.partitioned import PartitionedRunner

        return PartitionedRunner(work, self.log, self.checkpoints, self.parking, self.pause)

    def reader(self, name: str) -> "PartitionedRunner | OrderedRunner":
        """The runner of a view or a policy."""
        if name in self.policies:
            return self.policy(name)
        ordered = self.views[name].order == "ordered"
        return self.ordered(name) if ordered else self.partitioned(name)

    def ordered(self, view: str) -> "OrderedRunner":
        """The runner of an ordered view."""
        from chalicelib.leftfold.projection.ordered import OrderedRunner

        return OrderedRunner(
            self.views[view], self.rows(view), self.log, self.checkpoints, self.pause
        )

    def health(self) -> dict[str, bool | str]:
        """Each dependency of the API by name: True, or why it does not answer."""
        from concurrent.futures import ThreadPoolExecutor

        nobody = "main/health-check"
        checks: dict[str, Callable[[], object]] = {
            "events": partial(self.events.newest, nobody, limit=1),
            "log": self.log.head,
            "streams": partial(self.log.streams, [nobody]),
            "checkpoints": partial(self.checkpoints.read, nobody, [0]),
            "parked": partial(self.parking.find, nobody, [nobody]),
            "search": partial(self.search_rows("ranking").load, [nobody]),
        }
        for name, view in self.views.items():
            if view.store == "documents":
                checks[name] = partial(self.rows(name).load, [nobody])
        # All at once: each may take the whole time that its client waits.
        with ThreadPoolExecutor(len(checks)) as pool:
            return dict(zip(checks, pool.map(answers, checks.values()), strict=True))

    def clock(self) -> datetime:
        return datetime.now(UTC)

    def pause(self, attempt: int) -> None:
        """Waits before another attempt: full jitter under an exponential bound."""
        bound = min(LONGEST_PAUSE, 0.01 * 2**attempt)
        time.sleep(random.uniform(0, bound))  # noqa: S311 - no secret depends on it

    def new_id(self) -> str:
        """A new UUIDv7."""
        return uuid7(time.time_ns() // 1_000_000, secrets.token_bytes(10))

    def alarm(self, held_back: Mapping[str, tuple[str, int]]) -> None:
        """Tells people of streams that wait for a cause that is not there."""
        metrics.emit("StreamsHeldBack", len(held_back), streams=sorted(held_back)[:20])

    def alarm_of_strays(self, places: Sequence[tuple[str, int]]) -> None:
        """Tells people of items in the events table that no commit can be."""
        metrics.emit("UnreadableCommits", len(places), reason=f"no commit's keys: {places[:20]}")

    def _rows(self, view: str) -> "RowStore":
        if self.views[view].store == "search":
            return self.search_rows(view)
        from chalicelib.leftfold.projection.documents import DynamoRows

        return DynamoRows(self.dynamodb, self.settings.named(view), self.clock)

    def search_rows(self, view: str) -> "SearchRows":
        """The rows of a view in OpenSearch, which can also find."""
        from chalicelib.leftfold.projection.search import SearchRows, connect

        named = self.settings.named
        return SearchRows(
            connect(self.settings.search_url), named(view), self.views[view], self.clock, self.pause
        )


def side_by_side(act: Callable[[A], B], items: Iterable[A]) -> list[B]:
    """What *act* makes of each of *items*, some of them at the same time."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(act, items))


def client(service: Literal["dynamodb", "kinesis", "lambda", "s3", "ses"]) -> Any:
    """A client that gives up in time for its caller to answer."""
    import boto3
    from botocore.config import Config

    # Who asks SES twice sends twice: it is asked once, and its answer waited for.
    read_timeout, attempts = (20, 1) if service == "ses" else (3, 3)
    config = Config(
        connect_timeout=1,
        read_timeout=read_timeout,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=32,
    )
    with _making:
        return boto3.client(service, config=config)


def answers(check: Callable[[], object]) -> bool | str:
    """True, or what *check* failed with."""
    try:
        check()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
        return f"{type(error).__name__}: {error}"
    return True


_services: Services | None = None


def services() -> Services:
    """The services of this process, from its environment when first asked for."""
    return _services or use(Services(Settings(os.environ)))


def use(chosen: Services) -> Services:
    """Makes *chosen* the services of this process, and its metrics those of their stack."""
    global _services  # noqa: PLW0603 - one set of services for each process
    metrics.belong_to(chosen.settings.stack)
    _services = chosen
    return chosen
