"""`leftfold announce` tells other systems once more."""

import json

import click
import jsonschema_rs
import pytest

from chalicelib.leftfold.kernel import Announcer
from chalicelib.leftfold.policies.outside import MemoryOutside
from chalicelib.leftfold.wiring import process
from tests.http.conftest import Bank
from tests.http.samples import opening
from tools.announcing import announce, known
from tools.bootstrap import ROOT


@pytest.fixture
def bank() -> Bank:
    """Two accounts that were announced, and a way out that has nothing yet."""
    bank = Bank()
    for key in "ab":
        assert bank.post("/accounts", opening(accountId=key)).status == 201
    bank.settle()
    return bank


def announcer() -> Announcer:
    return known("announce", process.services())


def test_it_announces_the_positions_that_are_asked_for(bank: Bank) -> None:
    assert announce(process.services(), announcer(), 1, None)
    assert [(one["subject"], one["type"]) for one in bank.outside.taken] == [
        ("main/account-b", "account.account-opened")
    ]
    assert announce(process.services(), announcer(), 0, 0)
    assert [one["subject"] for one in bank.outside.taken[1:]] == ["main/account-a"]


def test_announcements_are_as_asyncapi_json_says(bank: Bank) -> None:
    assert announce(process.services(), announcer(), 0, None)
    document = json.loads((ROOT / "docs" / "asyncapi.json").read_text())
    for one in bank.outside.taken:
        name = f"{one['type']}.v{one['eventversion']}"
        schema = document["components"]["messages"][name]["payload"]
        whole = {"allOf": [schema], "components": document["components"]}
        assert list(jsonschema_rs.Draft7Validator(whole).iter_errors(one)) == []
        assert not jsonschema_rs.Draft7Validator(whole).is_valid(one | {"sequence": "1"})


def test_personal_data_of_an_announced_event_reads_erased(bank: Bank) -> None:
    assert announce(process.services(), announcer(), 0, None)
    assert [one["data"]["owner"] for one in bank.outside.taken] == ["erased", "erased"]


def test_positions_that_the_log_does_not_have_are_refused(bank: Bank) -> None:
    with pytest.raises(click.UsageError, match="no positions 2 to 1"):
        announce(process.services(), announcer(), 2, None)
    assert isinstance(bank.outside, MemoryOutside)
    assert bank.outside.taken == []


def test_a_policy_that_is_no_announcer_is_refused(bank: Bank) -> None:
    assert bank.written() == 2
    with pytest.raises(click.UsageError, match="the announcers are announce"):
        known("notify", process.services())
