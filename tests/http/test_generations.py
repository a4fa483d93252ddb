"""What clients are told while streams go to another generation."""

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.leftfold.kernel import Boundaries
from chalicelib.leftfold.wiring import process
from tests.generations.site import Site
from tests.http.conftest import Bank
from tests.http.samples import booking, opening
from tests.vaults import vault_of
from tools.bank.transforms import accounts_merged, tenant_moved

KEY = "0190-key"


def bank_of(site: Site, name: str) -> Bank:
    """The API of one generation of *site*."""
    truth = site.blue if name == "blue" else site.green
    bank = Bank(events=truth.table)
    services: Any = process.services()
    # Both generations have the keys of their stage.
    services.vault = vault_of()
    services.handler = replace(
        services.handler, owner=site.teller(name).owner, vault=services.vault
    )
    return bank


@pytest.fixture
def merged() -> Site:
    """B is to become a part of A; both are in blue, and B took a command with a key."""
    site = Site(Boundaries([accounts_merged({"b": "a"})]))
    blue = bank_of(site, "blue")
    for key in "ab":
        assert blue.post("/accounts", opening(accountId=key)).status == 201
    assert (
        blue.post("/accounts/b/credits", booking("5.00"), idempotency_key=KEY).json["version"] == 2
    )
    return site


def test_a_generation_that_is_being_filled_asks_to_come_back(merged: Site) -> None:
    answer = bank_of(merged, "green").post("/accounts/a/credits", booking())
    assert (answer.status, answer.json["code"]) == (503, "not-active")
    assert int(answer.headers["Retry-After"]) > 0


def test_a_generation_that_has_given_a_stream_away_asks_to_try_again(merged: Site) -> None:
    merged.switch()
    merged.take_all()
    answer = bank_of(merged, "blue").post("/accounts/a/credits", booking())
    assert (answer.status, answer.json["code"]) == (503, "stream-moved")
    assert answer.headers["Retry-After"] == "1"


def test_an_id_that_became_another_one_is_led_there(merged: Site) -> None:
    merged.switch()
    green = bank_of(merged, "green")
    answer = green.post("/accounts/b/credits", booking("1.00"))
    assert (answer.status, answer.json["code"]) == (308, "id-moved")
    assert answer.headers["Location"] == "../a/credits"
    assert green.post("/accounts/a/credits", booking("1.00")).status == 200


def test_a_retry_to_an_id_that_became_another_one_gets_its_place_today(merged: Site) -> None:
    merged.switch()
    green = bank_of(merged, "green")
    answer = green.post("/accounts/b/credits", booking("5.00"), idempotency_key=KEY)
    assert answer.status == 200
    version = answer.json["version"]
    assert answer.json == {"accountId": "a", "version": version}
    assert (answer.headers["ETag"], answer.headers["Location"]) == (f'"{version}"', "../a")
    source = merged.green.table.range("main/account-a", version, version)[0].source
    assert source == ("main/account-b", 2)
    assert green.post("/accounts/b/credits", booking("6.00"), idempotency_key=KEY).status == 422


def test_an_id_of_which_no_url_is_known_is_gone() -> None:
    site = Site(Boundaries([tenant_moved("account", "main", "acme")]))
    site.switch()
    answer = bank_of(site, "green").post("/accounts/a/credits", booking())
    assert (answer.status, answer.json["code"]) == (410, "id-gone")
    # Where another tenant has it is not told.
    assert answer.json["places"] == []


def test_a_retry_of_an_opening_gets_its_first_status_and_the_place_of_today() -> None:
    site = Site(Boundaries([accounts_merged({"b": "a"})]))
    blue, opened = bank_of(site, "blue"), opening(accountId="b")
    assert blue.post("/accounts", opening(accountId="a")).status == 201
    assert blue.post("/accounts", opened, idempotency_key=KEY).status == 201
    site.switch()
    green = bank_of(site, "green")
    again = green.post("/accounts", opened, idempotency_key=KEY)
    assert (again.status, again.json) == (201, {"accountId": "a", "version": 2})
    assert (again.headers["ETag"], again.headers["Location"]) == ('"2"', "accounts/a")
    # A new one has no resource that it could be led to.
    other = green.post("/accounts", opened)
    assert (other.status, other.code) == (410, "id-gone")
    assert other.json["places"] == ["main/account-a"]
