"""Events as they are shown: every amount is MONEY."""

from dataclasses import dataclass, fields
from typing import Any

import pytest

from chalicelib.bank.account.domain import codec as account_codec
from chalicelib.bank.http.event_bodies import MONEY
from chalicelib.bank.transfer.domain import codec as transfer_codec
from chalicelib.leftfold.http.history import events_of, place_of
from chalicelib.leftfold.kernel import Codec, StoredEvent
from chalicelib.leftfold.kernel.repair import NO_REPAIRS
from tests.commits import commit
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


def test_every_part_of_a_split_event_has_a_place_of_its_own() -> None:
    @dataclass(frozen=True)
    class Half:
        amount: int

    def split(body: Any) -> tuple[StoredEvent, ...]:
        return tuple(StoredEvent("half", 1, {"amount": amount}) for amount in body["amounts"])

    codec: Codec[Half] = Codec({"half": Half}, upcasts={("whole", 1): split})
    stored = StoredEvent("whole", 1, {"amounts": [1, 2]})
    made = commit("main/pile-a", 3)._replace(events=(stored,))
    shown = list(events_of(made, codec, dict, NO_REPAIRS))
    assert [place_of(event) for event in shown] == [(3, 0, 0), (3, 0, 1)]
    assert [event["body"] for event in shown] == [{"amount": 1}, {"amount": 2}]
