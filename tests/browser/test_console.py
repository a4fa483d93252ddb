"""The console in a real browser: every page, by keyboard and by clicks."""

import json
from pathlib import Path

import pytest

from tests.browser.issuer import SigningIn, listening, settings_at
from tests.browser.shown import Shown, served
from tests.issuer import house_token
from tools.bootstrap import ROOT, STATE
from tools.web_console import build, installed, node

SCREENSHOTS = STATE / "screenshots"
PAGES = 14
# Bytes of the console's own files, as they are sent at most once.
LARGEST = 150 * 1024


def quiet(_said: str) -> None:
    pass


@pytest.fixture
def built(may_start_engines: None) -> Path:  # noqa: ARG001 - npm may have to be asked
    return build(ROOT, quiet)


def test_every_page_can_be_used_and_breaks_no_rule(built: Path) -> None:
    bank = Shown()
    bank.fill()
    bank.spoil()
    bank.park("1038")
    token = house_token()
    issuer = SigningIn()
    with (
        listening(issuer) as issuer_url,
        served(bank, built, settings_at(issuer_url)) as url,
        installed(ROOT / "tests" / "browser", STATE / "browser", quiet) as work,
    ):
        said = node(work, "journey.js", url, str(SCREENSHOTS), "one", token, issuer_url)
    seen = json.loads(said)
    assert (seen["violations"], seen["complaints"]) == ([], [])
    hosts = {url.split("/")[2], issuer_url.split("/")[2]}
    assert set(seen["requests"]) == hosts, "nothing comes from elsewhere"
    renewed = ["authorize", "authorization_code", "refresh_token"]
    assert issuer.told == [*renewed[:2], *renewed, *renewed, "authorize", *renewed[:2]]
    assert seen["pages"][PAGES:] == [
        "signed in by a token",
        "signed in at the issuer",
        "an expired token renewed",
        "a session that has ended",
        "sign-ins that are refused",
        "found by words",
        "found by category",
        "a commit's rows, by keys",
        "from a commit to what it led to, and back",
        "all commits of a correlation id",
        "the log as it grows",
        "a balance that changes while one looks",
        "a view that falls behind while one watches",
        "what a parked stream stands on",
        "a commit proposed to be passed over, and taken back",
        "an event that nobody can read, and its correction",
        "a parked stream redriven",
        "an error with its cure",
    ]
    assert not list(bank.parking.all("balances"))


def test_the_console_is_small(built: Path) -> None:
    assert sum(len(file.read_bytes()) for file in built.iterdir()) < LARGEST
