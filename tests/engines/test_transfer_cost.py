"""What a transfer costs, step by step, in calls and units."""

from dataclasses import dataclass, field
from secrets import token_bytes
from time import time_ns
from typing import Any

import pytest

from chalicelib.bank.account.domain import Freeze, account
from chalicelib.bank.transfer.domain import Cancel, Order, RequestTransfer, transfer
from chalicelib.leftfold.kernel import Aggregate
from chalicelib.leftfold.kernel.uuid7 import uuid7
from chalicelib.leftfold.policies.mailing import MemoryMailer
from chalicelib.leftfold.relay.relay import wanted_of
from chalicelib.leftfold.store.memory import MemoryCheckpoints
from chalicelib.leftfold.subjects.vault import Vault
from chalicelib.leftfold.wiring.services import Services
from tests.engines.deployment import Deployment, WallClock
from tests.engines.left import scanned
from tests.engines.meter import Meter
from tests.engines.run import Bell, NoBus
from tests.teller import OPENING, Teller, credit
from tools.tables import dynamodb_client

# As a customer asks for it.
ORDER = Order("a", "b", 70_000, "CZK", "2026-01-31", "household", "ada@example.com")


READS = {"GetItem", "BatchGetItem", "Query"}
STEP = {("Query", "events"): 3, ("TransactWriteItems", "events"): 1, ("PutItem", "events"): 1}
# What a pass takes however many steps it has.
PASS = {
    ("GetItem", "log"): 1,
    ("Query", "log"): 1,
    ("BatchGetItem", "bodies"): 1,
    ("BatchGetItem", "policy-checkpoints"): 3,
    ("Query", "policy-parked"): 1,
    ("UpdateItem", "policy-checkpoints"): 1,
}


@dataclass
class Metered:
    """A calm deployment with two accounts and a transfer, and a meter on its client."""

    url: str
    deployment: Deployment = field(init=False)
    meter: Meter = field(init=False)
    vault: Vault = field(init=False)

    def __post_init__(self) -> None:
        self.deployment = Deployment(self.url, seed=1, rate=0.0)
        # A process that has met the subjects before: then personal data costs no call.
        self.vault = self.deployment.services().vault
        self.do(OPENING, "a")
        self.do(OPENING, "b")
        self.do(credit(100_000), "a")
        self.do(RequestTransfer(ORDER, "2099-01-01T00:00:00.000Z"), "t", transfer)
        self.meter = Meter(self.services().dynamodb, dynamodb_client(self.url))

    def services(self, **parts: Any) -> Services:
        return self.deployment.services(mailer=MemoryMailer(), vault=self.vault, **parts)

    def do(self, command: object, key: str, aggregate: Aggregate = account) -> None:
        """Executes a command with a UUIDv7 key."""
        services = self.services()
        bank = Teller(services.events, "fold-1", WallClock(), services.pause, self.vault)
        command_id = uuid7(time_ns() // 1_000_000, token_bytes(10))
        bank.do(command, key, command_id=command_id, aggregate=aggregate)

    def run(self, policy: str, **parts: Any) -> None:
        """Wakes the policy once all is logged, and counts what it does."""
        services = self.deployment.relaying(None, NoBus(), Bell([]))
        services.relay.run(wanted_of(scanned(services.events)))
        self.meter.reset()
        while self.services(**parts).policy(policy).catch_up(8):
            pass

    def units(self, *tables: str) -> tuple[float, float]:
        """The read and the write units of *tables*."""
        of_tables = {call: n for call, n in self.meter.units.items() if call[1] in tables}
        reads = sum(n for (operation, _), n in of_tables.items() if operation in READS)
        return reads, sum(of_tables.values()) - reads


@pytest.fixture
def metered(dynamodb_local: str) -> Metered:
    return Metered(dynamodb_local)


def test_a_step_is_three_queries_a_transaction_and_a_put(metered: Metered) -> None:
    for policy in ("debit_source", "credit_target"):
        metered.run(policy)
        assert metered.meter.calls == PASS | STEP
        # The command is in a transaction, for twice its own unit and twice the condition's.
        assert metered.units("events") == (2.0, 4 + 1)


def test_a_notice_is_two_updates_in_the_ledger_of_effects(metered: Metered) -> None:
    metered.run("debit_source")
    metered.run("credit_target")
    metered.run("notify")
    assert metered.meter.calls == PASS | {("UpdateItem", "effects"): 2}
    assert metered.units("effects") == (0, 2)


def test_a_completed_transfer_is_thirteen_calls_and_seventeen_units(metered: Metered) -> None:
    # The request is one put more.
    calls, reads, writes = 1, 0.0, 1.0
    for policy in ("debit_source", "credit_target", "notify"):
        metered.run(policy)
        calls += sum(n for call, n in metered.meter.calls.items() if call not in PASS)
        read, written = metered.units("events", "effects")
        reads, writes = reads + read, writes + written
    assert (calls, reads, writes) == (1 + 5 + 5 + 2, 2 + 2, 1 + 5 + 5 + 2)


def test_a_refusal_is_recorded_in_one_transaction_and_costs_no_put(metered: Metered) -> None:
    metered.run("debit_source")
    metered.do(Freeze(), "b")
    metered.run("credit_target")
    refused = {("Query", "events"): 4, ("TransactWriteItems", "events"): 1}
    assert metered.meter.calls == PASS | refused
    assert metered.units("events") == (3.0, 4)
    metered.run("refund_source")
    assert metered.meter.calls == PASS | STEP
    assert metered.units("events") == (2.0, 4 + 1)


def test_a_step_that_is_awaited_no_more_is_looked_for_and_writes_nothing(
    metered: Metered,
) -> None:
    metered.do(Cancel(), "t", transfer)
    metered.run("debit_source")
    assert metered.meter.calls == PASS | {("Query", "events"): 2}
    assert metered.units("events") == (2.0, 0)


def test_a_step_that_was_taken_is_found_and_writes_nothing(metered: Metered) -> None:
    metered.run("debit_source")
    metered.run("credit_target")
    # A policy whose checkpoints are lost, or another function at the same blocks.
    metered.run("debit_source", checkpoints=MemoryCheckpoints())
    assert metered.meter.calls["Query", "events"] == 3
    assert metered.units("events") == (2.5, 0)


def test_a_pass_over_what_is_not_for_the_policy_reads_no_stream(metered: Metered) -> None:
    metered.run("refund_source")
    assert metered.meter.calls == PASS
    assert metered.units("log", "policy-checkpoints", "policy-parked") == (3.0, 1)
