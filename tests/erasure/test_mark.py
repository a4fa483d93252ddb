"""The mark of an erasure against all who might make the data readable again: a late command, a
copier, a process with the key in its memory, and an engine of another format.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.bank.account.domain import account
from chalicelib.leftfold.kernel import Commit, Refused, UnknownFormatError
from chalicelib.leftfold.store.memory import MemoryEvents
from chalicelib.leftfold.subjects.dynamo import DynamoKeys, key_of
from chalicelib.leftfold.subjects.keys import DataKey, Erasure
from chalicelib.leftfold.subjects.memory import MemoryKeys
from tests.contracts import moto
from tests.teller import OPENING, Teller, credit
from tests.vaults import vault_of
from tools.tables import create_tables

SUBJECT, STREAM = "main/account:a", "main/account-a"
ERASURE = Erasure(SUBJECT, "2026-01-01T00:00:00.000Z", "operator:eve", "case-7")


def with_purpose(command: Any) -> Any:
    return replace(command, bookings=(replace(command.bookings[0], purpose="back again"),))


def opened_by(keys: MemoryKeys, commits: Any) -> str:
    """All that a process which has just begun reads of them."""
    return str(vault_of(keys).opened(commits))


class ForgottenAccount:
    """An account, forgotten, and a process that had its key in memory and has it still."""

    def __init__(self) -> None:
        self.keys, self.events = MemoryKeys(), MemoryEvents()
        self.warm = vault_of(self.keys)
        Teller(self.events, vault=self.warm).do(OPENING)
        assert self.keys.erase(ERASURE) is not None

    def commits(self) -> list[Commit]:
        return list(self.events.range(STREAM, 1, 9))

    def is_erased(self) -> bool:
        found = self.keys.find([SUBJECT]) == {SUBJECT: DataKey(None)}
        return found and "back again" not in opened_by(self.keys, self.commits())


def test_a_late_command_of_a_process_that_has_the_key_writes_what_nobody_can_read() -> None:
    forgotten = ForgottenAccount()
    Teller(forgotten.events, vault=forgotten.warm).do(with_purpose(credit(1)))
    assert "back again" in str(forgotten.warm.opened(forgotten.commits()))
    assert forgotten.is_erased()


def test_a_late_command_of_a_process_that_has_not_is_refused_and_makes_no_key() -> None:
    forgotten = ForgottenAccount()
    with pytest.raises(Refused, match="subject-erased"):
        Teller(forgotten.events, vault=vault_of(forgotten.keys)).do(with_purpose(credit(1)))
    assert len(forgotten.commits()) == 1
    assert forgotten.is_erased()


@pytest.mark.parametrize("warm", [True, False], ids=["with the key", "without it"])
def test_a_copier_brings_nothing_back(*, warm: bool) -> None:
    forgotten = ForgottenAccount()
    (first,) = forgotten.commits()
    vault = forgotten.warm if warm else vault_of(forgotten.keys)
    origin = (first.aggregate_id, first.version)
    plain = vault.opened([first])[0]
    copy = plain._replace(version=2, root=origin, source=origin)
    # As `Copying` does: what a transform has made of a stream of the same id is sealed anew.
    sealed = vault.seal(account.codec, copy, leave_out=True)
    assert OPENING.owner not in sealed.line
    assert OPENING.owner not in opened_by(forgotten.keys, [sealed, first])
    assert forgotten.is_erased()


@pytest.fixture
def table() -> Iterator[tuple[Any, str]]:
    with moto.in_process():
        client = moto.client("dynamodb")
        yield client, f"{create_tables(client)}-subjects"


def test_an_engine_that_does_not_know_the_format_of_the_mark_makes_no_key(
    table: tuple[Any, str],
) -> None:
    client, name = table
    keys = DynamoKeys(client, name)
    keys.add(SUBJECT, b"key")
    keys.erase(ERASURE)
    later = {":f": {"N": "2"}, ":m": {"S": "said otherwise"}}
    client.update_item(
        TableName=name,
        Key=key_of(SUBJECT),
        UpdateExpression="SET #f = :f, mark = :m REMOVE erasedAt",
        ExpressionAttributeNames={"#f": "format"},
        ExpressionAttributeValues=later,
    )
    before = client.get_item(TableName=name, Key=key_of(SUBJECT))["Item"]
    for call in (
        lambda: keys.add(SUBJECT, b"another"),
        lambda: keys.find([SUBJECT]),
        lambda: keys.erasure(SUBJECT),
    ):
        with pytest.raises(UnknownFormatError):
            call()
    assert client.get_item(TableName=name, Key=key_of(SUBJECT))["Item"] == before
