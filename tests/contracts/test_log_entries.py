"""What a log says of a stream of which nothing is archived."""

from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.leftfold.store.log import DynamoLog
from chalicelib.leftfold.store.memory import MemoryLog
from chalicelib.leftfold.store.ports import Head, Log, StreamEntry
from tests.contracts import moto
from tests.contracts.test_log import LATER, NOON, SOON, append
from tools.tables import create_tables, log_tables


@pytest.fixture(params=["memory", "dynamodb"])
def log(request: pytest.FixtureRequest) -> Iterator[Log]:
    if request.param == "memory":
        yield MemoryLog()
        return
    with moto.in_process():
        client = moto.client("dynamodb")
        stack = create_tables(client)
        yield DynamoLog(client, log_tables(stack))


def test_nothing_of_a_new_stream_is_archived(log: Log) -> None:
    """An archiver marks from what it read: one that begins elsewhere never marks anything."""
    assert append(log, Head(), ("main/account-a", 1)) is not None
    (entry,) = log.streams(["main/account-a"]).values()
    assert entry.archived_through == 0
    assert log.mark_archived("main/account-a", entry.archived_through, 1)


def test_a_stream_that_is_not_logged_expects_version_1_of_epoch_1_and_has_nothing_archived() -> (
    None
):
    entry = StreamEntry()
    assert (entry.next, entry.position, entry.epoch, entry.archived_through) == (1, -1, 1, 0)


def test_the_end_of_an_empty_log_is_position_0_without_a_hash() -> None:
    head = Head()
    assert (head.next_position, head.hash, head.lanes) == (0, "", (-1,) * 64)


def test_of_those_that_have_seen_the_same_head_one_claims_it() -> None:
    """Each looks before it writes, so that most refused claims cost no write; the write decides."""
    with moto.in_process():
        client = moto.client("dynamodb")
        log = DynamoLog(client, log_tables(create_tables(client)))
        head = append(log, Head(), ("main/account-a", 1))
        assert head is not None
        free = log._head_item()
        assert log.claim("a", NOON, SOON) is not None
        seen: Any = log
        seen._head_item = lambda: free
        for now, owner in ((NOON, "b"), (SOON, "b")):
            assert log.claim(owner, now, LATER) is None
        assert log.claim("a", SOON, SOON) == head._replace(claimed="a")
        assert log.claim("b", LATER, LATER) == head._replace(claimed="b")
        # Nor does anybody claim a head that has moved on since.
        del seen._head_item
        claimed = log.claim("b", LATER, LATER)
        assert claimed is not None
        moved = append(log, claimed, ("main/account-a", 2))
        assert moved is not None
        seen._head_item = lambda: free
        assert log.claim("b", LATER, LATER) is None
