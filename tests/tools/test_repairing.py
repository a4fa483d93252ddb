"""`leftfold repair` on a bank in memory."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chalicelib.leftfold.wiring import process
from tests.commits import commit
from tests.http.conftest import Bank
from tests.http.test_repairing import POISON, RIGHT, A, settle
from tools import repairing
from tools.repairing import repair_command


@pytest.fixture
def poisoned(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> Bank:
    bank.open()
    assert bank.events.append(commit(A, 2)._replace(events=(POISON,))) is None
    settle(bank)
    monkeypatch.setattr(repairing, "chosen", lambda *_: process.services())
    return bank


def run(*arguments: str) -> Result:
    return CliRunner().invoke(repair_command, arguments)


@pytest.fixture
def right(tmp_path: Path) -> str:
    path = tmp_path / "right.json"
    path.write_text(json.dumps([RIGHT]))
    return str(path)


def test_a_correction_is_proposed_listed_and_approved(poisoned: Bank, right: str) -> None:
    assert "nothing was repaired" in run("list").output
    proposed = run("correct", A, "2", "--as", right, "--why", "taken back", "--by", "ann")
    assert f"leftfold repair approve {A} 2 event-0" in proposed.output
    own = run("approve", A, "2", "event-0", "--by", "ann")
    assert (own.exit_code, own.output) == (1, "Error: another person than ann has to approve it\n")
    settle(poisoned)
    assert "waits" in run("list").output
    approved = run("approve", A, "2", "event-0", "--by", "bob")
    assert "event-0 of version 2 of main/account-a is in effect" in approved.output
    assert "leftfold redrive" in approved.output
    settle(poisoned)
    assert "bob" in run("list").output
    decided = run("withdraw", A, "2", "event-0", "--by", "ann")
    assert "is in effect, approved by bob, and stays" in decided.output


def test_a_proposal_is_withdrawn(poisoned: Bank, right: str) -> None:
    run("correct", A, "2", "--as", right, "--why", "so", "--by", "ann")
    assert "is withdrawn" in run("withdraw", A, "2", "event-0", "--by", "ann").output
    assert "no such repair" in run("withdraw", A, "2", "event-0", "--by", "ann").output
    assert poisoned.written() == 4


def test_a_view_skips_a_streams_commit_and_an_ordered_one_a_tenants(poisoned: Bank) -> None:
    for arguments in (("balances", A), ("totals", "main/")):
        assert "is proposed by ann" in run("skip", *arguments, "--why", "x", "--by", "ann").output
    assert "is in effect" in run("approve", A, "2", "reader-totals", "--by", "bob").output
    settle(poisoned)
    process.services().reader("totals").redrive("main/")
    again = run("skip", "totals", "main/", "--why", "x", "--by", "ann").output
    assert "has not parked this stream" in again


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("skip", "nobody", A, "--why", "x"), "there is no view or policy 'nobody'"),
        (("skip", "balances", "--why", "x"), "Missing argument 'STREAM'"),
        (("skip", "balances", "main/account-b", "--why", "x"), "has not parked this stream"),
        (("correct", A, "1", "--as", "FILE", "--why", "x"), "the event can be read"),
        (("correct", A, "7", "--as", "FILE", "--why", "x"), "there is no such commit"),
    ],
)
def test_an_error_names_the_cure(
    poisoned: Bank, right: str, arguments: tuple[str, ...], said: str
) -> None:
    written = poisoned.written()
    answer = run(*(right if argument == "FILE" else argument for argument in arguments))
    assert said in answer.output
    assert (answer.exit_code > 0, poisoned.written()) == (True, written)


@pytest.mark.parametrize("text", ["{", "[1]", '[{"name": "x"}]', "7"])
def test_a_file_that_is_no_list_of_events_is_refused(
    poisoned: Bank, tmp_path: Path, text: str
) -> None:
    file = tmp_path / "wrong.json"
    file.write_text(text)
    answer = run("correct", A, "2", "--as", str(file), "--why", "x")
    assert "is no list of" in answer.output
    assert poisoned.written() == 2
