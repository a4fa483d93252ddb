"""Rows are folded again as their view has folded them, with the repairs that it went by."""

import pytest

from chalicelib.bank.account.domain import Credited, account
from chalicelib.bank.account.views import balances
from chalicelib.leftfold.erasure.rewriting import Rewriting
from chalicelib.leftfold.kernel import Commit, StoredEvent
from chalicelib.leftfold.kernel.repair import Correction, Repair
from chalicelib.leftfold.projection.memory import MemoryRows
from chalicelib.leftfold.projection.replay import replay
from chalicelib.leftfold.projection.rows import NEVER, Save
from chalicelib.leftfold.relay.sequencer import Sequencer
from chalicelib.leftfold.store.memory import MemoryEvents, MemoryLog
from chalicelib.leftfold.subjects.keys import Erasure
from chalicelib.leftfold.subjects.memory import MemoryKeys
from tests.commits import commit
from tests.teller import OPENING, Teller, credit
from tests.vaults import vault_of

A = account.stream("a", "main")
READS_AS = account.codec.encode(Credited(30, "CZK", "2026-01-01"))


class Known:
    """`Repairs` of the second commit."""

    def __init__(self, repair: Repair) -> None:
        self._repair = repair

    def of(self, _aggregate_id: str, version: int) -> Repair:
        return self._repair if version == 2 else Repair()


@pytest.mark.parametrize(
    ("repair", "balance"),
    [
        (Repair({0: Correction((READS_AS,), "why", "ann", "bob")}), 37),
        (Repair(skipped_by=frozenset({"balances"})), 7),
    ],
    ids=["corrected", "skipped"],
)
def test_a_row_behind_a_repaired_commit_keeps_what_came_after_it(
    repair: Repair, balance: int
) -> None:
    events, log, rows, keys = MemoryEvents(), MemoryLog(), MemoryRows(), MemoryKeys()
    repairs, bank = Known(repair), Teller(events, vault=vault_of(keys))
    assert bank.do(OPENING) == 1
    assert events.append(unreadable()) is None
    bank_goes_on(bank, events)
    list(Sequencer(events, log, lambda _: None, lambda _: None).sequence({A: 3}))
    made = replay(balances, log, lambda _: None, repairs, vault_of(keys)).rows[A]
    assert rows.save([Save(A, made.row, made.position, NEVER)]) == set()

    keys.erase(Erasure("main/account:a", "2026-01-01T00:00:00.000Z", "eve", "case-7"))
    rewriting = Rewriting(balances, rows, events, log, vault_of(keys), lambda _: None, repairs)
    assert rewriting.run(A, events.range(A, 1, 9), "account:a") == 1
    row = rows.load([A])[A].row
    assert row is not None
    assert (row["owner"], row["balance"], row["version"]) == ("erased", balance, 3)


def unreadable() -> Commit:
    """What no code of today can decode."""
    return commit(A, 2)._replace(events=(StoredEvent("credited", 9, {"sum": "thirty"}),))


def bank_goes_on(bank: Teller, events: MemoryEvents) -> None:
    """A commit after the unreadable one, as a command makes it that has the repair."""
    other = MemoryEvents()
    twin = Teller(other, vault=bank.vault)
    for command in (OPENING, credit(30), credit(7)):
        twin.do(command)
    (third,) = other.range(A, 3, 3)
    assert events.append(third) is None
