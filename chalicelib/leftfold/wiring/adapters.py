"""The adapters of a deployment. Each is made when it is first used."""

import random
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Any

from chalicelib.leftfold.kernel import Domain, View
from chalicelib.leftfold.kernel.uuid7 import uuid7
from chalicelib.leftfold.store.ports import (
    Archive,
    Checkpoints,
    Effects,
    EventStore,
    EventTable,
    Log,
    Parking,
    RequestCounts,
    Seats,
    Secrets,
    Waker,
)
from chalicelib.leftfold.wiring.clients import client
from chalicelib.leftfold.wiring.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient

    from chalicelib.leftfold.generations.control import ControlTable
    from chalicelib.leftfold.policies.mailing import Mailer
    from chalicelib.leftfold.projection.rows import RowStore
    from chalicelib.leftfold.projection.search import SearchRows
    from chalicelib.leftfold.store.alarms import Alarms
    from chalicelib.leftfold.store.applications import Applications
    from chalicelib.leftfold.subjects.keys import DataKeys, KeyService
    from chalicelib.leftfold.subjects.vault import Vault

# Seconds.
LONGEST_PAUSE = 1.0


class Adapters:
    """Storage, messages, time and randomness; *settings* name the resources of the deployment."""

    def __init__(self, settings: Settings, domain: Domain) -> None:
        self.settings = settings
        self.domain = domain

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        made: DynamoDBClient = client("dynamodb")
        return made

    @cached_property
    def lambda_client(self) -> "LambdaClient":
        made: LambdaClient = client("lambda")
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
        from chalicelib.leftfold.store.log import DynamoLog, LogTables

        tables = LogTables(*map(self.settings.named, LogTables._fields))
        return DynamoLog(self.dynamodb, tables, self.settings.log)

    @cached_property
    def replayed_log(self) -> Log:
        """The log as a replay of a `typed` view reads it: an event's body may be bytes."""
        return self._log_as_bytes(opens=False)

    @cached_property
    def opened_log(self) -> Log:
        """As `replayed_log`, for a personal view: sealed events are parsed, so that they can be opened."""
        return self._log_as_bytes(opens=True)

    def _log_as_bytes(self, *, opens: bool) -> Log:
        from chalicelib.leftfold.archive.segments import SegmentedLog
        from chalicelib.leftfold.projection.typed import unpack_blocks_quickly, unpack_quickly
        from chalicelib.leftfold.store.log import DynamoLog, LogTables

        tables = LogTables(*map(self.settings.named, LogTables._fields))
        unpack = partial(unpack_quickly, opens=opens)
        table = DynamoLog(self.dynamodb, tables, self.settings.log, unpack)
        return SegmentedLog(table, self.archive, partial(unpack_blocks_quickly, opens=opens))

    @cached_property
    def archive(self) -> Archive:
        from chalicelib.leftfold.archive.s3 import S3Archive

        return S3Archive(partial(client, "s3"), self.settings.archive)

    @cached_property
    def alarm_states(self) -> "Alarms":
        from chalicelib.leftfold.store.alarms import CloudWatchAlarms

        of = self.settings
        return CloudWatchAlarms(client("cloudwatch"), of.stage, of.truth, of.stack)

    @cached_property
    def earlier_archive(self) -> Archive:
        """The archive of the generation before this one."""
        from chalicelib.leftfold.archive.s3 import S3Archive

        return S3Archive(partial(client, "s3"), self.settings.earlier_archive)

    @cached_property
    def control(self) -> "ControlTable":
        from chalicelib.leftfold.generations.control import DynamoControl

        return DynamoControl(self.dynamodb, self.settings.named("control"))

    @cached_property
    def checkpoints(self) -> Checkpoints:
        from chalicelib.leftfold.store.checkpoints import DynamoCheckpoints, RoutedCheckpoints

        def stored(table: str) -> Checkpoints:
            return DynamoCheckpoints(self.dynamodb, self.settings.named(table), self.settings.log)

        of_views, others = stored("view-checkpoints"), stored("policy-checkpoints")
        views = {
            name
            for view in self.domain.views.values()
            for name in (view.stored_name, view.fill_name)
        }
        return RoutedCheckpoints(lambda reader: (of_views if reader in views else others, reader))

    @cached_property
    def parking(self) -> Parking:
        from chalicelib.leftfold.store.checkpoints import DynamoParking, RoutedParking

        named = self.settings.named
        of_views = DynamoParking(self.dynamodb, named("view-parked"))
        others = DynamoParking(self.dynamodb, named("policy-parked"))
        views = {view.stored_name for view in self.domain.views.values()}
        return RoutedParking(
            lambda reader: (of_views if reader in views else others, reader),
            lambda: [("", of_views), ("", others)],
        )

    @cached_property
    def applications(self) -> "Applications":
        from chalicelib.leftfold.store.applications import DynamoApplications

        return DynamoApplications(self.dynamodb, self.settings.named("applications"))

    @cached_property
    def effects(self) -> Effects:
        from chalicelib.leftfold.store.effects import DynamoEffects

        return DynamoEffects(self.dynamodb, self.settings.named("effects"), self.clock)

    @cached_property
    def data_keys(self) -> "DataKeys":
        from chalicelib.leftfold.subjects.dynamo import DynamoKeys

        return DynamoKeys(self.dynamodb, self.settings.named("subjects"))

    @cached_property
    def key_service(self) -> "KeyService":
        from chalicelib.leftfold.subjects.kms import Kms

        settings = self.settings
        return Kms(partial(client, "kms"), settings.personal_data_key, settings.stage)

    @cached_property
    def vault(self) -> "Vault":
        from chalicelib.leftfold.subjects.vault import Vault

        return Vault(self.data_keys, self.key_service, time.monotonic)

    @cached_property
    def secrets(self) -> Secrets:
        from chalicelib.leftfold.store.secrets import DynamoSecrets

        return DynamoSecrets(self.dynamodb, self.settings.named("secrets"))

    @cached_property
    def request_counts(self) -> RequestCounts:
        from chalicelib.leftfold.store.requests import DynamoRequestCounts

        return DynamoRequestCounts(self.dynamodb, self.settings.named("requests"))

    @cached_property
    def seats(self) -> Seats:
        from chalicelib.leftfold.store.seats import DynamoSeats

        return DynamoSeats(self.dynamodb, self.settings.named("requests"))

    @cached_property
    def mailer(self) -> "Mailer":
        from chalicelib.leftfold.policies.mailing import NoMailer, SesMailer

        sender = self.settings.mail_from
        return SesMailer(client("ses"), sender) if sender else NoMailer()

    @cached_property
    def waker(self) -> Waker:
        from chalicelib.leftfold.relay.waker import LambdaWaker

        return LambdaWaker(self.lambda_client, self.settings.function, self.settings.log)

    @cached_property
    def stage_waker(self) -> Waker:
        """Wakes any function of the stage, by its full name."""
        from chalicelib.leftfold.relay.waker import LambdaWaker

        return LambdaWaker(self.lambda_client, str)

    @cached_property
    def rows(self) -> "Callable[[str], RowStore]":
        return cache(self._rows)

    def _rows(self, view: str) -> "RowStore":
        if self.views[view].store == "search":
            return self.search_rows(view)
        from chalicelib.leftfold.projection.documents import DynamoRows

        stored = self.views[view].stored_name
        return DynamoRows(self.dynamodb, self.settings.named(stored), self.clock)

    def search_rows(self, view: str) -> "SearchRows":
        """The rows of a view in OpenSearch, which has queries as well."""
        from chalicelib.leftfold.projection.search import SearchRows, connect

        named = self.settings.named
        return SearchRows(
            connect(self.settings.search_url),
            named(self.views[view].stored_name),
            self.views[view],
            self.clock,
            self.pause,
        )

    def signing_keys(self) -> Mapping[str, Any]:
        """The issuer's public keys, as it publishes them now."""
        from chalicelib.leftfold.access.keys import fetched

        return fetched(self.settings.jwks)

    @cached_property
    def views(self) -> Mapping[str, View]:
        return self.domain.views

    def clock(self) -> datetime:
        return datetime.now(UTC)

    def pause(self, attempt: int) -> None:
        """Waits before another attempt, for a random time under an exponential bound."""
        bound = min(LONGEST_PAUSE, 0.01 * 2**attempt)
        time.sleep(random.uniform(0, bound))  # noqa: S311 - no secret depends on it

    def rest(self, seconds: float) -> None:
        """Waits for others to bring more."""
        time.sleep(seconds)

    def new_id(self) -> str:
        """A new UUIDv7."""
        return uuid7(time.time_ns() // 1_000_000, secrets.token_bytes(10))
