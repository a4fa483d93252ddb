from collections.abc import Collection, Iterator
from typing import Any

import pytest

from chalicelib.leftfold.store.blocks import hash_of
from chalicelib.leftfold.store.memory import MemoryLog
from chalicelib.leftfold.store.ports import Block, Head, StreamEntry
from tests.commits import commit
from tests.faults import Unchecked
from tests.http.conftest import Bank
from tools.verify import verify


class Altered(MemoryLog):
    """A log that shows other blocks, head or registry than it keeps."""

    def __init__(self, log: MemoryLog) -> None:
        super().__init__()
        self.shown = list(log.blocks(0))
        self.end = log.head()
        self.entries = dict(log.registry())

    def blocks(
        self,
        position: int,
        limit: int | None = None,
        heard: Collection[str] | None = None,  # noqa: ARG002 - it shows all
    ) -> Iterator[Block]:
        return iter(self.shown[position:limit])

    def head(self) -> Head:
        return self.end

    def registry(
        self,
        after: str | None = None,
        **_part: Any,
    ) -> Iterator[tuple[str, StreamEntry]]:
        return (entry for entry in self.entries.items() if entry[0] > (after or ""))


def filled(bank: Bank) -> Altered:
    for key in ("a", "b"):
        bank.open(key)
        bank.settle()
    return Altered(bank.log)


def broken(bank: Bank, log: MemoryLog) -> set[str]:
    return {found.promise for found in verify(bank.events, log, lambda _: None, lambda _: None)}


def test_a_log_as_the_relay_writes_it_keeps_every_promise(bank: Bank) -> None:
    filled(bank)

    assert broken(bank, bank.log) == set()


def test_a_log_without_anything_keeps_every_promise(bank: Bank) -> None:
    assert broken(bank, bank.log) == set()


def test_a_commit_that_is_not_logged_is_found(bank: Bank) -> None:
    filled(bank)
    bank.open("c")

    assert broken(bank, bank.log) == {"what is committed is logged"}


def test_a_commit_that_is_not_logged_yet_is_waited_for(bank: Bank) -> None:
    filled(bank)
    bank.open("c")
    waited: list[float] = []

    def pause(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            bank.settle()

    assert list(verify(bank.events, bank.log, lambda _: None, pause)) == []
    assert len(waited) == 3


def test_a_commit_is_not_waited_for_longer_than_half_a_minute(bank: Bank) -> None:
    filled(bank)
    bank.open("c")
    waited: list[float] = []

    (found,) = verify(bank.events, bank.log, lambda _: None, waited.append)

    assert found.where == "main/account-c from version 1"
    assert sum(waited) == 30


def test_a_missing_block_is_found(bank: Bank) -> None:
    log = filled(bank)
    del log.shown[0]

    assert {"positions are dense", "the blocks are a chain"} <= broken(bank, log)


def test_a_block_that_was_changed_is_found(bank: Bank) -> None:
    log = filled(bank)
    block = log.shown[0]
    log.shown[0] = block._replace(commits=[*block.commits, block.commits[0]])

    assert {
        "positions are dense",
        "the blocks are a chain",
        "streams are dense and in order",
    } <= broken(bank, log)


def test_a_head_that_is_not_the_end_is_found(bank: Bank) -> None:
    log = filled(bank)
    log.end = log.end._replace(next_position=7)

    assert broken(bank, log) == {"the head is the log's end"}


def test_a_wrong_position_of_a_lane_is_found(bank: Bank) -> None:
    log = filled(bank)
    wrong = dict.fromkeys(log.shown[1].previous_in_lane, 5)
    log.shown[1] = log.shown[1]._replace(previous_in_lane=wrong)

    assert "a block names its lanes' positions before it" in broken(bank, log)


def test_a_block_that_names_other_categories_than_it_holds_is_found(bank: Bank) -> None:
    """A reader that hears one of them would pass over the block."""
    log = filled(bank)
    forged = log.shown[1]._replace(categories=("transfer",))
    log.shown[1] = forged._replace(hash=hash_of(forged))

    assert "a block names the categories that it holds" in broken(bank, log)


def test_a_registry_that_is_not_the_fold_of_the_log_is_found(bank: Bank) -> None:
    log = filled(bank)
    log.entries["main/account-a"] = StreamEntry(9, 0, 1)
    del log.entries["main/account-b"]

    assert broken(bank, log) == {"the registry is the fold of the log"}


def test_a_logged_commit_that_is_in_no_stream_is_found(bank: Bank) -> None:
    filled(bank)
    log = bank.log

    assert broken(Bank(), log) == {"what is logged is committed"}


@pytest.mark.parametrize(
    "key", [("main/account-a", 0), ("main/account-a", -5), ("main/account-", 1), ("", 1)]
)
def test_an_item_that_no_commit_can_be_is_found(key: tuple[str, int]) -> None:
    events = Unchecked()
    bank = Bank(events=events)
    filled(bank)
    events.put(commit(*key))

    (found,) = verify(events, bank.log, lambda _: None, lambda _: None)

    assert found == ("every item is a commit's", f"version {key[1]} of {key[0]!r}")


def test_a_commit_above_a_hole_is_found(bank: Bank) -> None:
    filled(bank)
    bank.events.append(commit("main/account-c", 3))

    (found,) = verify(bank.events, bank.log, lambda _: None, lambda _: None)

    assert found == ("what is committed is logged", "main/account-c from version 1")
