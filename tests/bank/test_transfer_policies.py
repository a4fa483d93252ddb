"""What each step of a transfer asks of which account, and what its answer becomes."""

from typing import Any

import pytest

from chalicelib.bank.account.domain import TransferBack, TransferIn, TransferOut
from chalicelib.bank.transfer.domain import (
    Cancelled,
    Completed,
    CreditRefused,
    DebitRefused,
    Expired,
    Order,
    RecordCredited,
    RecordDebited,
    RecordRefunded,
    RefuseCredit,
    RefuseDebit,
    Requested,
    SourceDebited,
    SourceDebitedLate,
    SourceRefunded,
    Stuck,
    TargetCredited,
    TransferRefused,
)
from chalicelib.domain import DOMAIN
from chalicelib.leftfold.kernel import Policy, Reaction, Recorded

order = Order("a", "b", 700, "CZK", "2026-01-31", "rent")
asked = ("t", 700, "CZK", "2026-01-31")
back = TransferBack(*asked, counterparty="b", purpose="rent")


def reactions(event: Any) -> dict[str, Reaction]:
    """What each policy does about *event*, if anything."""
    recorded = Recorded("main/transfer-t", 2, 0, "2026-01-31T12:00:00.000Z", 7, event)
    return {
        name: reaction
        for name, policy in DOMAIN.policies.items()
        if isinstance(policy, Policy) and "transfer" in {heard.category for heard in policy.hears}
        for reaction in policy.reactions(recorded)
        if isinstance(reaction, Reaction)
    }


def test_a_request_debits_the_source() -> None:
    ((name, step),) = reactions(Requested(order, "2026-01-31T12:05:00.000Z")).items()
    assert (name, step.aggregate.category, step.key) == ("debit_source", "account", "a")
    assert step.command == TransferOut(*asked, counterparty="b", purpose="rent")
    assert step.accepted is not None
    assert step.refused is not None
    assert step.accepted(5) == RecordDebited(5)
    assert step.refused("account-missing", {}) == RefuseDebit("account-missing")


def test_a_debit_credits_the_target() -> None:
    ((name, step),) = reactions(SourceDebited(order, 5)).items()
    assert (name, step.aggregate.category, step.key) == ("credit_target", "account", "b")
    assert step.command == TransferIn(*asked, counterparty="a", purpose="rent")
    assert step.accepted is not None
    assert step.refused is not None
    assert step.accepted(8) == RecordCredited(8)
    assert step.refused("account-frozen", {"x": 1}) == RefuseCredit("account-frozen")


@pytest.mark.parametrize(
    "event", [CreditRefused(order, "account-frozen"), SourceDebitedLate(order, 5)]
)
def test_money_that_left_in_vain_goes_back_to_the_source(event: Any) -> None:
    ((name, step),) = reactions(event).items()
    assert (name, step.aggregate.category, step.key) == ("refund_source", "account", "a")
    assert step.command == back
    assert step.accepted is not None
    assert step.accepted(6) == RecordRefunded(6)
    assert step.refused is None


@pytest.mark.parametrize(
    "event",
    [
        DebitRefused("account-closed"),
        TargetCredited(8),
        SourceRefunded(6),
        Stuck("debited"),
        Completed(order),
        TransferRefused(order, "account-closed"),
        Cancelled(order),
        Expired(order),
    ],
)
def test_nothing_follows_from_an_end(event: Any) -> None:
    assert reactions(event) == {}
