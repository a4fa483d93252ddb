"""The rows that a transfer's events make."""

from typing import Any

import pytest

from chalicelib.bank.account.domain import Credited, Debited, Frozen
from chalicelib.bank.transfer.domain import (
    Cancelled,
    Completed,
    CreditRefused,
    Order,
    Requested,
    SourceDebited,
    SourceDebitedLate,
    SourceRefunded,
    Stuck,
    TargetCredited,
    TransferRefused,
    codec,
)
from chalicelib.bank.transfer.views import STATE_AFTER, STEPS, traces, transfers
from chalicelib.leftfold.kernel import Recorded, Row

order = Order("a", "b", 700, "CZK", "2026-01-31", "rent")
requested = Requested(order, "2026-01-31T12:05:00.000Z")
debited = SourceDebited(order, 5)


def at(minute: int) -> str:
    return f"2026-01-31T12:{minute:02}:00.000Z"


def row(*events: Any) -> Row:
    """The transfer's row after *events*, one commit and one minute each."""
    after: Row | None = None
    for minute, event in enumerate(events):
        recorded = Recorded("main/transfer-t", minute + 1, 0, at(minute), minute, event)
        assert list(transfers.keys(recorded)) == ["main/transfer-t"]
        after = transfers.fold(after, recorded, "main/transfer-t")
    assert after is not None
    assert after.keys() == transfers.fields.keys()
    return after


def test_a_requested_transfer_has_its_order_and_a_deadline() -> None:
    assert row(requested) == {
        "transferId": "t",
        "source": "a",
        "target": "b",
        "amount": 700,
        "currency": "CZK",
        "valueDate": "2026-01-31",
        "purpose": "rent",
        "state": "requested",
        "reason": None,
        "steps": ["requested"],
        "stepTimes": [at(0)],
        "requestedAt": at(0),
        "debitedAt": None,
        "creditedAt": None,
        "refundedAt": None,
        "endedAt": None,
        "deadline": at(5),
        "version": 1,
    }


def test_a_step_has_five_minutes_once_money_has_left() -> None:
    assert row(requested, debited)["deadline"] == at(6)
    assert row(requested, debited, CreditRefused(order, "x"))["deadline"] == at(7)


def test_a_completed_transfer_has_the_time_of_each_step() -> None:
    shown = row(requested, debited, TargetCredited(8), Completed(order))
    assert shown["steps"] == ["requested", "debited", "credited", "completed"]
    assert shown["stepTimes"] == [at(0), at(1), at(2), at(3)]
    assert (shown["debitedAt"], shown["creditedAt"], shown["endedAt"]) == (at(1), at(2), at(3))
    assert (shown["state"], shown["deadline"], shown["version"]) == ("completed", None, 4)


def test_a_stuck_transfer_is_found_as_such_until_it_goes_on() -> None:
    shown = row(requested, debited, Stuck("debited"))
    assert (shown["state"], shown["deadline"]) == ("stuck", None)
    on = row(requested, debited, Stuck("debited"), CreditRefused(order, "account-frozen"))
    assert (on["state"], on["reason"], on["deadline"]) == ("refunding", "account-frozen", at(8))


def test_a_refunded_transfer_is_refused_for_the_reason_of_the_account() -> None:
    end = TransferRefused(order, "account-frozen", refunded=True)
    shown = row(requested, debited, CreditRefused(order, "account-frozen"), SourceRefunded(6), end)
    assert (shown["state"], shown["reason"]) == ("refused", "account-frozen")
    assert (shown["refundedAt"], shown["endedAt"]) == (at(3), at(4))


def test_a_late_debit_opens_an_ended_transfer_again() -> None:
    late = row(requested, Cancelled(order), SourceDebitedLate(order, 5))
    assert (late["state"], late["endedAt"], late["deadline"]) == ("refunding", None, at(7))


def test_every_event_is_a_step() -> None:
    assert set(STEPS) == set(codec.events.values())
    assert STATE_AFTER.keys() <= set(STEPS.values())


def test_an_event_of_a_transfer_that_was_never_requested_is_no_row() -> None:
    with pytest.raises(LookupError):
        row(debited)


def test_a_trace_has_the_commits_of_both_accounts_and_of_the_transfer() -> None:
    booked = {"currency": "CZK", "value_date": "2026-01-31"}
    for stream, event, expected in (
        ("main/transfer-t", debited, "t"),
        ("main/account-a", Debited(700, transfer="t", **booked), "t"),
        ("main/account-b", Credited(700, transfer="t", **booked), "t"),
        ("main/account-b", Credited(700, **booked), None),
        ("main/account-b", Frozen(), None),
    ):
        recorded = Recorded(stream, 12, 1, at(0), 3, event)
        keys = list(traces.keys(recorded))
        if expected is None:
            assert keys == []
            continue
        assert keys == [f"{stream}/0000000012"]
        assert traces.fold(None, recorded, keys[0]) == {
            "transferId": expected,
            "aggregateId": stream,
            "version": 12,
            "at": at(0),
        }
