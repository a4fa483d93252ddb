"""The whole way: the packaged app on MiniStack and OpenSearch, by the leftfold command."""

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from tools.__main__ import leftfold
from tools.bootstrap import STATE
from tools.deploy import deploy, find
from tools.package import package
from tools.run import BANK_FILE, Local, invitation, local

STACK = "leftfold-journey"
ACCOUNTS = 8
VIEWS = ("balances", "ranking", "bookings", "totals")


@pytest.fixture(scope="module")
def running() -> Iterator[Local]:
    with local(lambda _: None, stack=STACK) as started:
        yield started


@pytest.fixture(scope="module")
def imported(running: Local) -> Result:
    return import_some(running)


def import_some(running: Local) -> Result:
    file, accounts = str(BANK_FILE), str(ACCOUNTS)
    return CliRunner().invoke(
        leftfold,
        [
            "import",
            file,
            "--url",
            running.deployed.url,
            "--accounts",
            accounts,
            "--statements",
            accounts,
        ],
    )


def operate(running: Local, *command: str) -> Result:
    where = ["--stack", STACK, "--endpoint-url", str(running.cloud.endpoint_url)]
    return CliRunner().invoke(leftfold, [*command, *where])


@pytest.mark.usefixtures("imported")
def test_importing_again_commits_nothing(running: Local) -> None:
    before = operate(running, "status").stdout.splitlines()[-1]

    again = import_some(running)

    assert (again.exit_code, operate(running, "status").stdout.splitlines()[-1]) == (0, before)
    assert before.startswith("the log has ")


def test_every_balance_is_the_banks(imported: Result) -> None:
    assert imported.exit_code == 0, imported.output
    assert "\n0 mismatches\n" in imported.output


@pytest.mark.usefixtures("imported")
@pytest.mark.parametrize("view", VIEWS)
def test_every_live_view_is_what_the_log_makes_it(running: Local, view: str) -> None:
    done = operate(running, "replay", view, "--check")

    assert (done.exit_code, done.stdout.splitlines()[-1]) == (
        0,
        "every live row is as the log makes it",
    )


@pytest.mark.usefixtures("imported")
def test_the_log_keeps_its_promises(running: Local) -> None:
    done = operate(running, "verify")

    assert done.exit_code == 0, done.output
    assert "positions checked" in done.stdout


@pytest.mark.usefixtures("imported")
def test_nothing_is_parked(running: Local) -> None:
    assert operate(running, "parked").stdout == "nothing is parked\n"
    assert operate(running, "redrive").stdout == "0 streams redriven\n"


@pytest.mark.usefixtures("imported")
def test_the_lines_to_paste_work(running: Local) -> None:
    lines = [
        shlex.split(line)
        for line in invitation(running.deployed.url).splitlines()
        if line.startswith("curl ")
    ]

    assert len(lines) == 5
    for line in lines:
        answer = as_curl(line)
        assert answer.status_code in {HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED}, (
            answer.text
        )
        assert answer.json()


def as_curl(line: list[str]) -> httpx.Response:
    """Sends what curl would send."""
    *options, url = line[1:]
    if "-d" in options:
        headers = dict([options[options.index("-H") + 1].split(": ")])
        body = json.loads(options[options.index("-d") + 1])
        return httpx.post(url, headers=headers, json=body, timeout=30, trust_env=False)
    return httpx.get(url, timeout=30, trust_env=False)


def test_deploying_the_same_again_changes_nothing(running: Local) -> None:
    reported: list[str] = []

    again = deploy(package("dev", lambda _: None), STACK, running.cloud, reported.append)

    assert again == running.deployed == find(STACK, running.cloud)
    assert reported == ["deploy: uploading"]


def test_a_fuzzer_that_knows_the_description_finds_nothing(running: Local) -> None:
    url = running.deployed.url.rstrip("/")
    config = Path(__file__).with_name("schemathesis.toml")
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        f"--config-file={config}",
        "run",
        f"{url}/openapi.json",
        f"--url={url}",
        "--max-examples=10",
        "--seed=1",
        "--workers=1",
        "--no-color",
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=STATE)

    assert done.returncode == 0, done.stdout + done.stderr
