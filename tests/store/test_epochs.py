"""Epochs: one commit ends the live one and begins the next, and loads start there."""

from uuid import uuid4

import pytest

from chalicelib.bank.account.domain import Account, Close, CloseStatement, account
from chalicelib.leftfold.commands.handler import KeyReusedError
from chalicelib.leftfold.commands.loading import Loaded, load
from chalicelib.leftfold.kernel import Commit
from chalicelib.leftfold.kernel.uuid7 import uuid7
from chalicelib.leftfold.store.memory import MemoryEvents
from tests.clock import Clock
from tests.faults import Counting
from tests.teller import OPENING, Teller, credit, debit
from tests.vaults import vault_of

STREAM = "main/account-a"
JANUARY, FEBRUARY = CloseStatement("2026-01-31"), CloseStatement("2026-02-28")


def commits(events: MemoryEvents) -> list[Commit]:
    return list(events.range(STREAM, 1, 10_000))


def loaded(events: MemoryEvents, fingerprint: str = "fold-1") -> Loaded:
    return load(events, account, STREAM, fingerprint=fingerprint, vault=vault_of())


def test_the_commit_that_carries_the_state_forward_begins_an_epoch() -> None:
    events = MemoryEvents()
    bank = Teller(events)
    for command in (OPENING, credit(5), JANUARY, credit(7), FEBRUARY, debit(1)):
        bank.do(command)
    assert [(c.epoch, c.epoch_start) for c in commits(events)] == [
        (1, 1),
        (1, 1),
        (2, 3),
        (2, 3),
        (3, 5),
        (3, 5),
    ]
    assert [event.name for event in commits(events)[2].events] == [
        "statement-closed",
        "balance-brought-forward",
    ]


def test_a_load_folds_the_live_epoch_alone() -> None:
    events = MemoryEvents()
    bank = Teller(events)
    for command in (OPENING, *[credit(1)] * 15, JANUARY, debit(3)):
        bank.do(command)
    stored = loaded(events)
    assert (stored.folded, stored.version, stored.epoch, stored.epoch_start) == (2, 18, 2, 17)
    assert isinstance(stored.state, Account)
    assert (stored.state.balance, stored.state.number, stored.state.opening_balance) == (12, 2, 15)


@pytest.mark.slow
@pytest.mark.parametrize("statements", [1, 12, 120])
def test_a_command_costs_the_same_however_many_statements_there_are(statements: int) -> None:
    events, clock = MemoryEvents(), Clock()
    bank = Teller(events, clock=clock)
    bank.do(OPENING)
    for number in range(statements):
        for _ in range(30):
            clock.forward(days=1)
            bank.do(credit(1))
        bank.do(CloseStatement(f"{2000 + number // 12}-{number % 12 + 1:02}-28"))
    counting = Counting(events)
    Teller(counting, clock=clock).do(debit(1))
    assert counting.calls == {"newest": 1, "append": 1}
    assert loaded(events).folded == 2


def test_a_snapshot_is_never_needed_where_an_epoch_begins() -> None:
    events = MemoryEvents()
    bank = Teller(events)
    bank.do(OPENING)
    for _ in range(20):
        bank.do(credit(1))
    bank.do(JANUARY)
    begun = commits(events)[-1]
    assert begun.snapshot is None
    assert begun.recent_commands is not None
    assert loaded(events, "another-fold").state == loaded(events).state


def test_a_command_is_recognised_across_an_epoch() -> None:
    events = MemoryEvents()
    bank = Teller(events)
    bank.do(OPENING)
    assert bank.do(credit(5), command_id="once") == 2
    bank.do(JANUARY)
    bank.do(FEBRUARY)
    assert bank.do(credit(5), command_id="once") == 2
    with pytest.raises(KeyReusedError):
        bank.do(credit(6), command_id="once")


def test_a_uuid7_is_recognised_however_much_came_after_it() -> None:
    events, clock = MemoryEvents(), Clock()
    bank = Teller(events, clock=clock)
    bank.do(OPENING)
    key = uuid7(clock.milliseconds, uuid4().bytes)
    assert bank.do(credit(5), command_id=key) == 2
    for number in range(6):
        for _ in range(20):
            bank.do(credit(1))
        clock.forward(days=30)
        bank.do(CloseStatement(f"2026-{number + 1:02}-28"))
    assert bank.do(credit(5), command_id=key) == 2


def test_a_statement_is_closed_once_by_one_command() -> None:
    events = MemoryEvents()
    bank = Teller(events)
    bank.do(OPENING)
    assert bank.do(JANUARY, command_id="close") == bank.do(JANUARY, command_id="close") == 2


def test_an_account_that_ends_keeps_one_commit_live() -> None:
    events = MemoryEvents()
    bank = Teller(events)
    for command in (OPENING, credit(5), debit(5), Close()):
        bank.do(command)
    last = commits(events)[-1]
    assert (last.epoch, last.epoch_start, last.version) == (2, 4, 4)
    assert loaded(events).state.status == "closed"
