"""The console in a real browser: every page, by keyboard and by clicks."""

import json
from pathlib import Path

import pytest

from tests.browser.shown import Shown, served
from tests.issuer import house_token
from tools.bootstrap import ROOT, STATE
from tools.web_console import build, installed, node

SCREENSHOTS = STATE / "screenshots"
PAGES = 13
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
    bank.park("1038")
    token = house_token()
    with (
        served(bank, built) as url,
        installed(ROOT / "tests" / "browser", STATE / "browser", quiet) as work,
    ):
        seen = json.loads(node(work, "journey.js", url, str(SCREENSHOTS), "one", token))
    assert (seen["violations"], seen["complaints"]) == ([], [])
    assert seen["requests"] == [url.split("/")[2]], "nothing comes from elsewhere"
    assert seen["pages"][PAGES:] == [
        "signed in",
        "found by words",
        "a commit's rows, by keys",
        "the log as it grows",
        "a balance that changes while one looks",
        "a parked stream redriven",
        "an error with its cure",
    ]
    assert not list(bank.parking.all("balances"))


def test_the_console_is_small(built: Path) -> None:
    assert sum(len(file.read_bytes()) for file in built.iterdir()) < LARGEST
