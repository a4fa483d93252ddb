"""Events as they are shown: every amount is MONEY."""

from dataclasses import fields
from typing import Any

import pytest

from chalicelib.bank.account.domain import codec as account_codec
from chalicelib.bank.http.event_bodies import MONEY
from chalicelib.bank.transfer.domain import codec as transfer_codec
from tests.http.conftest import Bank
from tests.http.samples import booking, czk

COUNTS = {"number", "bookings", "account_version"}
EVENTS = [*account_codec.events.values(), *transfer_codec.events.values()]


@pytest.mark.parametrize("event", EVENTS)
def test_a_number_in_an_event_is_an_amount_or_a_count(event: Any) -> None:
    numbers = {member.name for member in fields(event) if member.type is int}
    assert numbers <= MONEY | COUNTS
    if numbers & MONEY:
        assert "currency" in {member.name for member in fields(event)}


def test_a_statement_and_what_it_carries_forward_are_shown_in_money(bank: Bank) -> None:
    bank.open()
    bank.post("/accounts/a/credits", booking("7.00"))
    bank.post("/accounts/a/debits", booking("7.00"))
    bank.post("/accounts/a/close")
    closed, forward, _ = bank.get("/accounts/a/events").json["items"][-3:]
    assert closed["body"] == {
        "number": 1,
        "currency": "CZK",
        "kind": "current",
        "openingBalance": czk("0.00"),
        "credits": czk("7.00"),
        "debits": czk("7.00"),
        "bookings": 2,
        "closingBalance": czk("0.00"),
        "minimumPayment": czk("0.00"),
        "since": None,
        "through": None,
    }
    assert (forward["body"]["balance"], forward["body"]["number"]) == (czk("0.00"), 2)
