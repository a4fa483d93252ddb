"""The parts of `Services` that a caller may replace, such as a test or a command of `leftfold`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient

    from chalicelib.leftfold.commands.handler import CommandHandler
    from chalicelib.leftfold.generations.control import ControlTable
    from chalicelib.leftfold.kernel import Announcer, Policy, View
    from chalicelib.leftfold.kernel.repair import Repairs
    from chalicelib.leftfold.policies.mailing import Mailer
    from chalicelib.leftfold.policies.outside import Outside
    from chalicelib.leftfold.projection.freshness import Freshness
    from chalicelib.leftfold.projection.rows import RowStore
    from chalicelib.leftfold.relay.relay import Relay
    from chalicelib.leftfold.store.alarms import Alarms
    from chalicelib.leftfold.store.applications import Applications
    from chalicelib.leftfold.store.bus import Bus
    from chalicelib.leftfold.store.following import Follower
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
    from chalicelib.leftfold.subjects.keys import DataKeys, KeyService
    from chalicelib.leftfold.subjects.vault import Vault
    from chalicelib.leftfold.tracing import Traces


# What belongs to one log. Services for another log make their own.
OF_ONE_LOG = frozenset(
    {
        *("log", "log_table", "replayed_log", "opened_log"),
        *("checkpoints", "waker", "relay", "freshness", "follower"),
    }
)


class Parts(TypedDict, total=False):
    """Each part by the name of the attribute of `Services` that it replaces."""

    dynamodb: DynamoDBClient
    lambda_client: LambdaClient
    signing_keys: Callable[[], Mapping[str, Any]]
    events: EventStore
    event_table: EventTable
    log: Log
    log_table: Log
    replayed_log: Log
    opened_log: Log
    archive: Archive
    earlier_archive: Archive
    checkpoints: Checkpoints
    parking: Parking
    effects: Effects
    alarm_states: Alarms
    secrets: Secrets
    request_counts: RequestCounts
    seats: Seats
    applications: Applications
    control: ControlTable
    mailer: Mailer
    outside: Outside
    data_keys: DataKeys
    key_service: KeyService
    vault: Vault
    waker: Waker
    stage_waker: Waker
    bus: Bus
    rows: Callable[[str], RowStore]
    search_rows: Callable[[str], Any]
    views: Mapping[str, View]
    policies: Mapping[str, Policy | Announcer]
    fingerprints: Mapping[str, str]
    repairs: Repairs
    handler: CommandHandler
    relay: Relay
    freshness: Freshness
    follower: Follower
    traces: Traces | None
    health: Callable[[], Mapping[str, bool | str]]
    clock: Callable[[], datetime]
    pause: Callable[[int], None]
    rest: Callable[[float], None]
    side_by_side: Callable[[Callable[[Any], Any], Iterable[Any]], Any]
    new_id: Callable[[], str]
    parts_of: Callable[[str], Parts]
