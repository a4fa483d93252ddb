"""The contract of logs, kept by the DynamoDB adapter's requests, on moto."""

import json
from collections.abc import Iterator
from typing import Any, cast

import pytest

from chalicelib.leftfold.projection.typed import unpack_quickly
from chalicelib.leftfold.store.log import DynamoLog, LogTables
from chalicelib.leftfold.store.ports import Head
from tests.contracts import moto, test_log
from tools.tables import create_tables, log_tables

globals().update(moto.suite_of(test_log))


@pytest.fixture
def log() -> Iterator[DynamoLog]:
    with moto.in_process():
        client = moto.client("dynamodb")
        stack = create_tables(client)
        yield DynamoLog(client, log_tables(stack))


def test_a_replay_reads_the_same_blocks_with_bodies_that_are_bytes(log: DynamoLog) -> None:
    head = test_log.append(log, Head(), ("main/account-a", 1), ("main/account-b", 1))
    assert head is not None
    for version in range(2, 9):
        head = test_log.append(log, head, ("main/account-a", version), ("main/account-b", version))
        assert head is not None
    tables = LogTables(log._log, log._bodies, log._streams)
    quick = list(DynamoLog(log._client, tables, unpack=unpack_quickly).blocks(0))
    parsed = [
        block._replace(
            commits=[
                commit._replace(
                    events=tuple(
                        e._replace(body=json.loads(bytes(cast("Any", e.body))))
                        for e in commit.events
                    )
                )
                for commit in block.commits
            ]
        )
        for block in quick
    ]
    assert parsed == list(log.blocks(0))
