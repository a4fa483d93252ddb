"""The contract of row stores, kept by the DynamoDB adapter's requests, on moto."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.leftfold.projection.documents import DynamoRows
from chalicelib.leftfold.projection.rows import NEVER, Save
from tests.clock import Clock
from tests.contracts import moto, test_rows
from tools.tables import create_tables

# moto counts more bytes of an item than DynamoDB does, and a thousand puts take it ten seconds.
WITHOUT = {
    "test_a_row_of_the_largest_size_is_taken",
    "test_more_rows_than_one_call_takes_are_saved_loaded_and_scanned",
}
globals().update(moto.suite_of(test_rows, without=WITHOUT))


@pytest.fixture
def rows(clock: Clock) -> Iterator[DynamoRows]:
    with moto.in_process():
        client = moto.client("dynamodb")
        yield DynamoRows(client, f"{create_tables(client)}-balances", clock)


def test_more_rows_than_one_call_takes_are_loaded(rows: DynamoRows) -> None:
    """A call takes 100 keys, in any order."""
    keys = [f"main/account-{n}" for n in range(205)]
    some = {0, 99, 100, 101, 199, 200, 204}
    assert rows.save([Save(keys[n], {"n": n}, n, NEVER) for n in some]) == set()
    loaded = rows.load(keys)
    assert list(loaded) == keys
    assert {n for n, key in enumerate(keys) if loaded[key] != NEVER} == some
    assert all(loaded[keys[n]][:2] == ({"n": n}, n) for n in some)


def test_a_tombstone_is_purged_a_week_after_the_deletion(rows: DynamoRows, clock: Clock) -> None:
    """DynamoDB removes an item after the time, in seconds since 1970, in its TTL attribute."""
    rows.save([Save("main/account-a", None, 1, NEVER)])
    (table,) = (t for t in moto.client("dynamodb").list_tables()["TableNames"] if "balances" in t)
    (item,) = moto.client("dynamodb").scan(TableName=table)["Items"]
    purged = datetime.fromtimestamp(int(item.pop("purgeAt")["N"]), UTC)
    assert purged == (clock() + timedelta(days=7)).replace(microsecond=0)
    assert item == {
        "key": {"S": "main/account-a"},
        "position": {"N": "1"},
        "format": {"N": "1"},
        "deleted": {"BOOL": True},
    }
