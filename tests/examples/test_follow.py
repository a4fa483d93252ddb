"""The example of a follower, killed a hundred times while commits are written."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.http.conftest import Bank
from tests.http.samples import booking
from tests.issuer import house_token
from tests.tools.bank.served import served
from tools.bootstrap import ROOT

KILLED = (sys.executable, "-m", "tests.examples.killed")
TIMES, COMMITS = 100, 500
# Only the house sees positions.
SIGNED = {**os.environ, "LEFTFOLD_TOKEN": house_token()}
BODY = json.dumps(booking("1.00")).encode()


class OnlyLogged(Bank):
    """A bank whose views nobody reads here."""

    def settle(self) -> None:
        self.sequence()


def positions(database: Path) -> list[int]:
    """The positions that were kept, in the order in which they were."""
    with sqlite3.connect(database) as kept:
        rows = kept.execute("SELECT number, body FROM commits ORDER BY number")
        return [json.loads(body)["position"] for _, body in rows]


@pytest.mark.slow
def test_a_follower_that_is_killed_a_hundred_times_keeps_every_commit_once_and_in_order(
    tmp_path: Path,
) -> None:
    bank, database = OnlyLogged(), tmp_path / "kept.db"
    bank.open()
    posted = 0
    with served(bank) as url:
        asked = Request(f"{url}/accounts/a/credits", BODY, {"Content-Type": "application/json"})
        killing = subprocess.Popen(
            (*KILLED, url, str(database), str(TIMES), "0.06"), cwd=ROOT, env=SIGNED
        )
        while killing.poll() is None:
            if posted < COMMITS:
                with urlopen(asked) as answer:
                    assert answer.status == 200
                posted += 1
        assert killing.returncode == 0
        reached = positions(database)
        while len(reached) < 1 + posted:
            subprocess.run(
                (*KILLED, url, str(database), "1", "2"), cwd=ROOT, env=SIGNED, check=True
            )
            before, reached = len(reached), positions(database)
            assert len(reached) >= before
    assert posted > TIMES
    assert reached == list(range(1 + posted))


@pytest.mark.parametrize("example", ["follow.py", "subscribe.py"])
def test_without_an_address_it_says_how_it_is_used(example: str) -> None:
    asked = subprocess.run(
        (sys.executable, f"examples/{example}"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 1
    assert f"examples/{example} " in asked.stderr
    assert "Traceback" not in asked.stderr
