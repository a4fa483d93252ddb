"""The whole way: the packaged app on MiniStack and OpenSearch, by the leftfold command."""

import json
import shlex
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from tests.journey.fuzzed import CLIENTS, fuzz
from tests.journey.transfers import Plan, inbox, move_money, wait_for_all
from tools.__main__ import leftfold
from tools.api import Api
from tools.bank.run import BANK_FILE, Local, invitation, local
from tools.deploy import deploy, find
from tools.package import package
from tools.signing_in import VARIABLE, of_deployment, token
from tools.stages import stage

STAGE = replace(stage("dev"), name="journey")
STACK = STAGE.prefix
ACCOUNTS = 8
# A busy machine takes a while to start a killed function again: the waits add up to over two minutes.
ANSWER_ATTEMPTS = 60
# Seconds until an answer, which has to come: how soon it does is no matter here.
REQUEST_SECONDS = 120
VIEWS = ("balances", "ranking", "bookings", "totals")


@pytest.fixture(scope="module")
def running(may_start_engines: None) -> Iterator[Local]:  # noqa: ARG001 - marks the test
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
        env={VARIABLE: token(running.deployed, running.cloud.endpoint_url)},
    )


def api_of(running: Local) -> Api:
    """The API of a deployment, with its tokens."""
    auth = of_deployment(running.deployed, running.cloud.endpoint_url)
    return Api(running.deployed.url, auth=auth, attempts=ANSWER_ATTEMPTS)


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
        for line in invitation(
            running.deployed.url, token(running.deployed, running.cloud.endpoint_url), "operator"
        ).splitlines()
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
    given = [text for option, text in pairwise(options) if option == "-H"]
    headers = dict(header.split(": ") for header in given)
    if "-d" in options:
        body = json.loads(options[options.index("-d") + 1])
        return httpx.post(url, headers=headers, json=body, timeout=REQUEST_SECONDS, trust_env=False)
    return httpx.get(url, headers=headers, timeout=REQUEST_SECONDS, trust_env=False)


# Two years, the second of which is closed only with --close-all.
BOOK = """
2023-01-01 open Assets:Cash
2023-01-01 open Income:Pay
2023-01-01 open Expenses:Food
2023-12-31 * "pay"
  Assets:Cash  70.00 USD
  Income:Pay
2024-01-01 * "Bo's" "a meal"
  Expenses:Food  20.05 USD
  Assets:Cash
2024-06-30 * "nothing"
  Assets:Cash  0.00 USD
  Expenses:Food
"""


@pytest.fixture(scope="module")
def api(running: Local) -> Iterator[Api]:
    with api_of(running) as made:
        yield made


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("book") / "small.beancount"
    path.write_text(BOOK)
    return path


@pytest.fixture(scope="module")
def kept(running: Local, book: Path) -> Result:
    return keep(running, book)


def keep(running: Local, book: Path) -> Result:
    """Posts the book to a ledger and closes its years."""
    where = ["--url", running.deployed.url, "--ledger", "small", "--journals", "2"]
    return CliRunner().invoke(
        leftfold,
        ["import", str(book), *where, "--close-all"],
        env={VARIABLE: token(running.deployed, running.cloud.endpoint_url)},
    )


def test_a_transfer_moves_money(api: Api) -> None:
    for key in ("payer", "payee"):
        body = {"accountId": key, "owner": key, "kind": "current", "currency": "CZK"}
        assert api.command("/accounts", body, f"open-{key}").ok
    money = {"amount": {"amount": "7.00", "currency": "CZK"}, "valueDate": "2026-01-01"}
    assert api.command("/accounts/payer/credits", money, "credit").ok
    transfer = {"transferId": "paid", "source": "payer", "target": "payee", **money}
    assert api.command("/transfers", transfer, "pay").ok

    (row,) = wait_for_all(api, ["paid"], lambda: None, 60, lambda _: None)
    assert row["state"] == "completed"
    for key, balance in (("payer", "0.00"), ("payee", "7.00")):
        shown = api.query(f"/accounts/{key}", minVersion=2).body["balance"]
        assert shown == {"amount": balance, "currency": "CZK"}


def test_a_book_is_posted_and_its_years_are_closed(kept: Result, api: Api) -> None:
    assert (kept.exit_code, "\n0 differences" in kept.output) == (0, True), kept.output
    years = api.query("/ledgers/small").body["years"]
    assert [(year["year"], year["state"]) for year in years] == [
        (2023, "closed"),
        (2024, "closed"),
        (2025, "open"),
    ]
    sheet = api.query("/ledgers/small/balance-sheet", asOf="2024-12-31").body
    assert sheet["totalAssets"] == sheet["totalLiabilitiesAndEquity"]
    assert sheet["totalAssets"] == [{"amount": "49.95", "currency": "USD"}]


@pytest.mark.usefixtures("imported", "kept")
def test_what_is_archived_is_shown_as_before(running: Local, api: Api, book: Path) -> None:
    for view in VIEWS:
        # It waits until the view has everything.
        operate(running, "replay", view, "--check")
    before = everything(api)
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)

    done = operate(running, "archive", "--before", tomorrow.isoformat(), "--idle")

    assert done.exit_code == 0, done.output
    assert everything(api) == before
    for replay in (["balances", "--live"], ["trial_balance"]):
        checked = operate(running, "replay", *replay, "--check")
        assert checked.exit_code == 0, checked.output
    log = operate(running, "status").stdout.splitlines()[-1]
    again = keep(running, book)
    assert (again.exit_code, operate(running, "status").stdout.splitlines()[-1]) == (0, log)
    # An entry of a year that is archived can still be reversed, once.
    (line,) = before["postings 2023"]["items"]
    path = f"/ledgers/small/entries/{line['entryId']}/reversal"
    body = {"date": "2025-01-01", "narration": "mistake"}
    assert api.command(path, body, "reverse").ok
    assert api.command(path, body, "again").body["code"] == "entry-reversed"


def everything(api: Api) -> dict[str, Any]:
    """What the API shows of accounts and of the ledger."""
    asked: dict[str, tuple[str, dict[str, Any]]] = {
        "accounts": ("/accounts", {"sort": "-balance", "limit": 500}),
        "bookings": ("/bookings", {"limit": 500}),
        "ledger": ("/ledgers/small", {}),
        "trial balance": ("/ledgers/small/trial-balance", {"asOf": "2025-12-31"}),
    }
    sheet = "/ledgers/small/postings"
    for year in (2023, 2024):
        asked[f"income {year}"] = ("/ledgers/small/income-statement", {"year": year})
        of_year = {"account": "Assets:Cash", "from": f"{year}-01-01", "to": f"{year}-12-31"}
        asked[f"postings {year}"] = (sheet, of_year)
    for account in api.query("/accounts", sort="-balance", limit=500).body["items"]:
        path = f"/accounts/{account['accountId']}"
        asked |= {
            path: (path, {}),
            f"{path}/statements": (f"{path}/statements", {"limit": 500}),
            f"{path}/events": (f"{path}/events", {"limit": 500}),
        }
    shown = {what: api.query(path, **query) for what, (path, query) in asked.items()}
    more = [f"/ledgers/small/entries/{p['entryId']}" for p in shown["postings 2023"].body["items"]]
    for what, answer in shown.items():
        if what.endswith("/statements"):
            more += [f"{what}/{statement['number']}" for statement in answer.body["items"]]
    shown |= {path: api.query(path) for path in more}
    assert all(answer.ok for answer in shown.values())
    return {what: answer.body for what, answer in shown.items()}


def test_money_is_moved_once_or_not_at_all_while_functions_are_killed(running: Local) -> None:
    url = str(running.cloud.endpoint_url)
    with api_of(running) as api:
        report = move_money(
            api,
            Plan(transfers=20, accounts=6, kill_every=2.0),
            lambda: operate(running, "redrive"),
            running.functions_of,
            lambda: inbox(url),
        )

    assert report.broken == []
    assert report.killed > 0
    assert report.states["completed"] > 0


def test_deploying_the_same_again_changes_nothing(running: Local) -> None:
    reported: list[str] = []

    again = deploy(package("dev", lambda _: None), STAGE, running.cloud, reported.append)

    assert again == running.deployed == find(STACK, running.cloud)
    assert reported == ["deploy: uploading", "deploy: uploading the application"]


@pytest.mark.parametrize(("client", "operations"), CLIENTS)
def test_a_fuzzer_that_knows_the_description_finds_nothing(
    running: Local, client: str, operations: str
) -> None:
    """Each operation is tried with the token of a client that may ask for it."""
    few = ("--max-examples=3", "--phases=examples,fuzzing", "--seed=1")
    done = fuzz(running, client, operations, few)

    assert done.returncode == 0, done.stdout + done.stderr
