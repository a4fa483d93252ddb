"""When a commit carries a snapshot, and when what came before it."""

from typing import Any

import pytest

from chalicelib.bank.account.domain import CloseStatement, account
from chalicelib.leftfold.commands.loading import RECENT_COMMANDS, SNAPSHOT_EVERY, load
from chalicelib.leftfold.store.memory import MemoryEvents
from chalicelib.leftfold.subjects.memory import MemoryKeys, MemoryKeyService
from chalicelib.leftfold.subjects.vault import Vault
from tests.teller import OPENING, Teller, credit

JANUARY = CloseStatement("2026-01-31")


def history(credits_: int) -> tuple[Teller, MemoryEvents]:
    events = MemoryEvents()
    bank = Teller(events)
    bank.do(OPENING)
    for _ in range(credits_):
        bank.do(credit(1))
    return bank, events


def test_a_snapshot_is_kept_when_twenty_commits_had_to_be_folded() -> None:
    """A load folds twenty commits at most, and an item is larger by a state only so often."""
    _, events = history(65)
    commits = events.range("main/account-a", 1, 99)
    assert SNAPSHOT_EVERY == 20
    assert [c.version for c in commits if c.snapshot] == [21, 42, 63]
    assert [c.version for c in commits if c.recent_commands is not None] == [21, 42, 63]
    assert [len(c.recent_commands or ()) for c in commits if c.snapshot] == [20, 41, 62]


def test_no_more_commands_are_remembered_than_are_promised() -> None:
    _, events = history(3 * RECENT_COMMANDS)
    assert RECENT_COMMANDS == 64
    kept = [c.recent_commands for c in events.range("main/account-a", 1, 999) if c.snapshot]
    assert max(len(commands or ()) for commands in kept) == RECENT_COMMANDS


@pytest.mark.parametrize("credits_", [18, 19, 20])
def test_a_commit_that_begins_an_epoch_carries_its_state_and_no_snapshot_besides(
    credits_: int,
) -> None:
    """Also where a snapshot would be due: the same state twice is paid for twice."""
    bank, events = history(credits_)
    bank.do(JANUARY)
    begun = events.range("main/account-a", 1, 99)[-1]
    assert begun.epoch_start == begun.version
    assert begun.snapshot is None
    assert len(begun.recent_commands or ()) == credits_ + 1


class Counting(Vault):
    """A vault that counts the texts that it opens whole."""

    count = 0

    def open_whole(self, *text: Any) -> str | None:
        self.count += 1
        return super().open_whole(*text)


def test_a_load_opens_one_snapshot_once() -> None:
    """Each command of a long stream opens one, and it may have the stream's whole state."""
    vault = Counting(MemoryKeys(), MemoryKeyService(), lambda: 0.0)
    events = MemoryEvents()
    bank = Teller(events, vault=vault)
    bank.do(OPENING)
    for _ in range(30):
        bank.do(credit(1))
    vault.count = 0
    loaded = load(events, account, "main/account-a", fingerprint="fold-1", vault=vault)
    assert (loaded.state.balance, vault.count) == (30, 1)
