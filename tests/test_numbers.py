"""Numbers that others set, or that a cost was reckoned with: whoever changes one means it.

A limit that is one too high fails at the first input that reaches it, at the service, in
production. A number that was chosen has its price in docs or in a comment beside it.
"""

from chalicelib.leftfold.archive import archiver, epochs, pruner
from chalicelib.leftfold.commands import handler, loading, reading
from chalicelib.leftfold.functions import archive, budgets, readers
from chalicelib.leftfold.http import body, cursors, history, problems
from chalicelib.leftfold.policies import deadlines, work
from chalicelib.leftfold.projection import (
    documents,
    fold,
    freshness,
    indexing,
    partitioned,
    rows,
    runner,
    search,
)
from chalicelib.leftfold.relay import kinesis, plan, publisher, sequencer, sweeper
from chalicelib.leftfold.relay import relay as relaying
from chalicelib.leftfold.store import blocks, bus, checkpoints, checks, dynamo, events, ports
from chalicelib.leftfold.wiring import adapters, services

KB, MB = 1024, 1024 * 1024


def test_dynamodb_takes_no_more_in_one_call() -> None:
    assert events.ITEM_LIMIT == 400 * KB
    # An item besides the row has its key and attributes.
    assert rows.ROW_BYTES + 1 * KB == events.ITEM_LIMIT
    assert dynamo.BATCH_KEYS == 100
    # A transaction has 100 items: the tombstone's check and the deletes; block, head and streams.
    assert 1 + checks.MOST_DELETED == 100
    assert 2 + blocks.STREAMS_PER_BLOCK == 100
    # It has 4 MB, and DynamoDB counts what is deleted.
    assert archiver.DELETED_AT_ONCE * events.ITEM_LIMIT <= 4 * MB
    assert archiver.DELETED_AT_ONCE == 10


def test_kinesis_lambda_and_opensearch_take_no_more() -> None:
    assert (kinesis.CALL_RECORDS, kinesis.CALL_BYTES) == (500, 5_000_000)
    assert bus.RECORD_LIMIT == 256 * KB
    # Lucene's longest term, of characters of up to four bytes; OpenSearch's longest id.
    assert indexing.EXACT_LENGTH == 32_766 // 4
    assert rows.KEY_BYTES == 512
    # index.max_result_window is 10,000 by default.
    assert (search.LOADED_AT_ONCE, search.SCANNED_AT_ONCE) == (1_000, 1_000)
    assert indexing.BULK_BYTES == 5 * MB
    # An OpenSearch long, and its dates.
    assert cursors.LONG == 2**63
    assert cursors.FIRST_DATE == -62_135_596_800_000
    assert cursors.LAST_DATE == 253_402_300_799_999
    assert body.LARGEST_BODY == 512 * KB


def test_a_function_ends_by_itself_before_lambda_ends_it() -> None:
    assert handler.DECIDE_WITHIN.total_seconds() == 20
    assert work.ACT_WITHIN.total_seconds() == 20
    assert budgets.FOR_A_SLICE == budgets.FOR_A_COMMAND == budgets.FOR_THE_READERS == 20_000
    assert (budgets.FOR_A_STEP, budgets.FOR_THE_LOG) == (60_000, 240_000)
    assert ports.CLAIM.total_seconds() == 30


def test_a_function_holds_no_more_than_its_memory() -> None:
    assert runner.SLICE_EVENTS == 2_000
    assert work.SIZE == 100
    assert (plan.PULL, plan.PLAN_EVENTS) == (50, 4_000)
    assert (readers.SLICE, publisher.SLICE, relaying.ROUND) == (8, 16, 16)
    assert partitioned.HEALED_AT_ONCE == 64
    assert (history.COMMITS_AT_ONCE, reading.MOST_KEPT) == (25, 32)
    assert (archiver.PART_BYTES, archiver.STEP_BYTES) == (4 * MB, 8 * MB)
    assert (epochs.PAGE, epochs.KEPT) == (8, 8 * MB)
    assert pruner.BLOCKS_IN_SEGMENT == 500
    assert pruner.COMMITS_IN_SEGMENT == 10_000
    assert pruner.BYTES_IN_SEGMENT == 8 * MB
    assert (blocks.PACKED_LIMIT, blocks.RAW_LIMIT) == (64 * KB, 512 * KB)


def test_what_waits_or_asks_again_ends() -> None:
    assert (dynamo.BATCH_TRIES, search.BULK_ATTEMPTS, kinesis.PUT_ATTEMPTS) == (8, 6, 8)
    assert (handler.COMMAND_ATTEMPTS, sequencer.APPEND_ATTEMPTS, runner.PASS_ATTEMPTS) == (
        12,
        20,
        8,
    )
    assert (freshness.WAKE_AFTER, freshness.FIRST_PAUSE, freshness.LONGEST_PAUSE) == (
        0.5,
        0.02,
        0.25,
    )
    assert adapters.LONGEST_PAUSE == 1.0
    # A client has 32 connections.
    assert (documents.THREADS, services.AT_ONCE) == (16, 16)


def test_what_is_promised_for_a_time_is_kept_so_long() -> None:
    assert (loading.RECENT_COMMANDS, loading.WINDOW, loading.CLOCK_SKEW) == (64, 86_400, 300)
    assert loading.SNAPSHOT_EVERY == 20
    assert (rows.KEEP_DELETED.days, archive.ARCHIVED_AFTER.days, archiver.GRACE.days) == (7, 35, 1)


def test_a_sweep_costs_what_it_was_reckoned_at() -> None:
    assert sweeper.ROUND.total_seconds() == 6 * 60 * 60
    assert (sweeper.PARTS, sweeper.PAGE, sweeper.LEAST, sweeper.MOST) == (8, 1_000, 8, 120)
    assert sweeper.RUNS == 360
    assert (archiver.ITEM_OVERHEAD, pruner.BLOCK_OVERHEAD) == (100, 400)
    assert (checkpoints.FEW_PARKED, checkpoints.NOTE_KEY) == (100, -1)
    assert deadlines.OVERDUE_AT_ONCE == 500


def test_what_a_request_and_a_problem_may_hold_ends_where_the_documents_say() -> None:
    assert (body.DEEPEST, problems.ERRORS_SHOWN, fold.REASON_LENGTH) == (20, 20, 1_000)
