"""What a newer engine wrote is neither read by halves, nor left out, nor written behind."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from chalicelib.bank.account.domain import Freeze, Open
from chalicelib.leftfold.kernel import Archived, Commit, UnknownFormatError
from chalicelib.leftfold.relay.sequencer import Sequencer
from chalicelib.leftfold.store.events import (
    DynamoEvents,
    UnreadableCommitError,
    commit_from_item,
    item_of,
    readable,
)
from chalicelib.leftfold.store.memory import MemoryLog
from tests.commits import commit
from tests.teller import Teller
from tools.tables import create_tables

A = "main/account-a"
NEWER = [
    {"format": {"N": "2"}},
    {"format": {"N": "2"}, "colour": {"S": "red"}},
    {"kind": {"S": "ghost"}},
]


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, DynamoEvents]]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        client = boto3.client("dynamodb", region_name="eu-central-1")
        yield client, DynamoEvents(client, f"{create_tables(client)}-events")


def put(table: tuple[Any, DynamoEvents], made: Commit, **changed: Any) -> None:
    """Writes the item of a commit, changed as a newer engine may have written it."""
    client, events = table
    client.put_item(TableName=events._table, Item=item_of(made) | changed)


def count(table: tuple[Any, DynamoEvents]) -> int:
    client, events = table
    found: int = client.scan(TableName=events._table)["Count"]
    return found


@pytest.mark.parametrize("changed", NEWER)
def test_an_item_of_a_newer_engine_is_refused_and_never_left_out(changed: dict[str, Any]) -> None:
    item = item_of(commit()) | changed
    with pytest.raises(UnknownFormatError, match=r"so a newer one is needed"):
        commit_from_item(item)
    with pytest.raises(UnknownFormatError):
        readable(item)


@pytest.mark.parametrize(
    "changed",
    [
        {"colour": {"S": "red"}},
        {"format": {"N": "0"}},
        {"kind": {"S": "tombstone"}},
        {"kind": {"S": "copy"}},
        {"root": {"S": '["main/account-b",1]'}},
    ],
)
def test_an_item_that_contradicts_its_format_is_no_commit(changed: dict[str, Any]) -> None:
    with pytest.raises(UnreadableCommitError):
        commit_from_item(item_of(commit()) | changed)


def test_an_attribute_tells_a_tombstone_and_a_copy_from_a_commit() -> None:
    origin = ("main/account-b", 1)
    found = [
        commit(),
        commit(root=origin, source=origin),
        commit()._replace(events=(), archive=Archived(1, "k", "h")),
    ]
    assert [item_of(c)["kind"]["S"] for c in found] == ["commit", "copy", "tombstone"]
    assert [commit_from_item(item_of(c)) for c in found] == found


def test_a_command_is_not_taken_on_a_stream_that_a_newer_engine_wrote(
    table: tuple[Any, DynamoEvents],
) -> None:
    teller = Teller(table[1])
    teller.do(Open("Ada", "CZK", "current"))
    put(table, commit(A, 2), format={"N": "2"})
    with pytest.raises(UnknownFormatError, match=r"version=2|2\) is of format 2"):
        teller.do(Freeze())
    assert count(table) == 2


def test_a_command_whose_version_a_newer_engine_took_meanwhile_is_not_taken(
    table: tuple[Any, DynamoEvents],
) -> None:
    put(table, commit(A, 1), format={"N": "2"})
    with pytest.raises(UnknownFormatError):
        table[1].append(commit(A, 1, command_id="mine"))
    assert count(table) == 1


def test_the_log_takes_nothing_of_a_stream_that_a_newer_engine_wrote(
    table: tuple[Any, DynamoEvents],
) -> None:
    put(table, commit(A, 1))
    put(table, commit(A, 2), format={"N": "2"})
    log = MemoryLog()
    sequencer = Sequencer(table[1], log, lambda _: None, lambda _: None)
    with pytest.raises(UnknownFormatError):
        list(sequencer.sequence({A: 2}))
    assert list(log.blocks(0)) == []
