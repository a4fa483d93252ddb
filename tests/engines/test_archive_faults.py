"""The archiver on a real table, with faults in its requests: it loses and repeats nothing."""

from contextlib import suppress
from datetime import timedelta

import pytest

from chalicelib.bank.account.domain import CloseStatement, account
from chalicelib.leftfold.archive.archiver import Archiver, Restore
from chalicelib.leftfold.archive.epochs import ArchiveConflictError
from chalicelib.leftfold.archive.events import ArchivedEvents
from chalicelib.leftfold.relay.sequencer import Sequencer
from chalicelib.leftfold.store.events import DynamoEvents
from chalicelib.leftfold.store.log import DynamoLog
from chalicelib.leftfold.store.memory import MemoryArchive
from chalicelib.leftfold.store.ports import Unavailable
from tests.clock import Clock
from tests.engines.faults import Faults
from tests.teller import OPENING, Teller, credit
from tools.tables import create_tables, dynamodb_client, log_tables

STREAM = account.stream("a", "main")
EVERY = 10**9
SINGLE = {"retries": {"total_max_attempts": 1}}
# An archiver goes on where it was; a restore has to put all back in one run.
RATE, RATE_OF_RESTORE, RUNS = 0.25, 0.05, 400


@pytest.mark.parametrize("seed", [1, 2])
def test_archived_and_restored_under_faults_a_stream_is_whole(
    dynamodb_local: str, seed: int
) -> None:
    calm = dynamodb_client(dynamodb_local)
    stack = create_tables(calm)
    clock, archive = Clock(), MemoryArchive()
    table = DynamoEvents(calm, f"{stack}-events")
    bank = Teller(table, clock=clock)
    bank.do(OPENING)
    for month in range(1, 5):
        for _ in range(12):
            bank.do(credit(1))
        clock.forward(days=30)
        bank.do(CloseStatement(f"2026-{month:02}-28"))
    before = [commit.line for commit in table.range(STREAM, 1, EVERY)]
    log = DynamoLog(calm, log_tables(stack))
    list(Sequencer(table, log, lambda _: None, lambda _: None).sequence({STREAM: len(before)}))
    clock.forward(days=2)
    faults = Faults(seed, RATE)
    struck = dynamodb_client(dynamodb_local, **SINGLE)
    faults.into(struck)
    failing = DynamoEvents(struck, f"{stack}-events")
    failing_log = DynamoLog(struck, log_tables(stack))
    archiver = Archiver(
        failing, failing_log, archive, clock, timedelta(0), part_bytes=1_500, step_bytes=3_000
    )
    for _ in range(RUNS):
        with suppress(Unavailable):
            list(archiver.run(STREAM, log.streams([STREAM])[STREAM], clock()))
            if log.streams([STREAM])[STREAM].archived_through == len(before) - 1:
                break
    whole = ArchivedEvents(table, archive)
    assert [commit.version for commit in table.range(STREAM, 1, EVERY)] == [1, len(before)]
    assert [commit.line for commit in whole.range(STREAM, 1, EVERY)] == before
    faults.rate = RATE_OF_RESTORE
    for _ in range(RUNS):
        with suppress(Unavailable, ArchiveConflictError, LookupError):
            Restore(failing, failing_log, archive).run(STREAM, 2)
        if log.streams([STREAM])[STREAM].archived_through == 13:
            break
    faults.stop()
    assert sum(faults.struck.values()) > 3
    assert [commit.line for commit in whole.range(STREAM, 1, EVERY)] == before
    assert [commit.version for commit in table.range(STREAM, 1, EVERY)] == [
        1,
        *range(14, len(before) + 1),
    ]
