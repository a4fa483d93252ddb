"""The address of an application whose place another one has taken."""

from typing import Any

import pytest

from chalicelib.leftfold.wiring import process
from chalicelib.leftfold.wiring.settings import Settings
from tests.http.conftest import Bank
from tests.http.samples import booking, opening
from tests.issuer import SETTINGS

THERE = "https://green.example/api"


@pytest.fixture
def moved(bank: Bank) -> Bank:
    """The bank, with an account, once another application has taken its place."""
    assert bank.post("/accounts", opening(accountId="a")).status == 201
    services: Any = process.services()
    services.settings = Settings({**SETTINGS, "LEFTFOLD_MOVED_TO": THERE})
    return bank


@pytest.mark.parametrize(
    ("asked", "place"),
    [
        ("/accounts/a", "/accounts/a"),
        ("/accounts?limit=3&sort=-balance", "/accounts?limit=3&sort=-balance"),
        ("/bookings?q=a%26b%3Dc%20d&q=%C3%A9", "/bookings?q=a%26b%3Dc+d&q=%C3%A9"),
        ("/streams/account/a%2Fb", "/streams/account/a%2Fb"),
        ("/live/accounts/a?wait=20", "/live/accounts/a?wait=20"),
        ("/what/a/later/release/has", "/what/a/later/release/has"),
        ("/console", "/console"),
        ("/console/index.html", "/console/index.html"),
        ("/openapi.json", "/openapi.json"),
    ],
)
def test_a_request_is_sent_on_to_the_same_resource(moved: Bank, asked: str, place: str) -> None:
    answer = moved.get(asked)
    assert (answer.status, answer.code) == (308, "address-moved")
    assert answer.headers["Location"] == f"{THERE}{place}"
    # The way back is another deployment's, so nobody may keep the way there.
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_command_is_sent_on_and_not_executed(moved: Bank) -> None:
    answer = moved.post("/accounts/a/credits", booking("5.00"), idempotency_key="k")
    assert (answer.status, answer.headers["Location"]) == (308, f"{THERE}/accounts/a/credits")
    assert len(moved.stream("a")) == 1


def test_nobody_has_to_show_a_token_to_be_sent_on(moved: Bank) -> None:
    moved.token = None
    assert moved.get("/accounts").status == 308


def test_an_application_says_itself_whether_it_is_up(moved: Bank) -> None:
    assert moved.get("/health").json == {"status": "ok"}


def test_a_browser_that_asks_first_is_not_sent_on_since_it_follows_nowhere(moved: Bank) -> None:
    assert moved.send("OPTIONS", "/accounts").status == 405


@pytest.mark.parametrize("path", ["/\\evil.example", "/a b\r\nX: y"])
def test_no_path_leads_to_another_host_or_makes_a_header(moved: Bank, path: str) -> None:
    place = moved.get(path).headers["Location"]
    assert place.startswith(f"{THERE}/")
    assert not set(place) & set("\r\n\\ ")
