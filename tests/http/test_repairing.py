"""Over HTTP: an event that nobody can read is corrected, shown, and passed."""

from typing import Any

import pytest

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.kernel import StoredEvent
from chalicelib.leftfold.relay.sequencer import Sequencer
from chalicelib.leftfold.repair.service import Asked
from chalicelib.leftfold.wiring import process
from tests.application import still
from tests.commits import commit
from tests.http.conftest import Bank
from tests.http.samples import booking, czk
from tests.issuer import token

A = "main/account-a"
POISON = StoredEvent("account-credited", 9, {"sum": "seven"})
RIGHT = {
    "name": "account-credited",
    "version": 1,
    "body": {"amount": 700, "currency": "CZK", "value_date": "1993-01-03"},
}
CORRECTIONS = "/streams/account/a/commits/2/corrections"


@pytest.fixture
def poisoned(bank: Bank) -> Bank:
    """An account whose second commit nobody can read."""
    bank.open()
    assert bank.events.append(commit(A, 2)._replace(events=(POISON,))) is None
    settle(bank)
    return bank


def settle(bank: Bank) -> None:
    """Brings everything into the log, and each view as far as it comes."""
    stored, _ = bank.events.scan(0, 1, None, 10**6)
    list(Sequencer(bank.events, bank.log, still, lambda _: None).sequence(dict(stored)))
    for name in DOMAIN.views:
        while process.services().reader(name).catch_up(100):
            pass


def correct(bank: Bank, **changes: Any) -> Any:
    body = {"readsAs": [RIGHT], "why": "release 9 was taken back", **changes}
    return bank.post(CORRECTIONS, body, idempotency_key="k")


def test_a_correction_waits_for_another_person_and_then_all_goes_on(poisoned: Bank) -> None:
    assert poisoned.post("/accounts/a/credits", booking()).status == 500
    assert poisoned.get("/accounts/a?minVersion=2").code == "view-parked"

    proposed = correct(poisoned)
    repair = {
        "of": "event-0",
        "why": "release 9 was taken back",
        "by": "ada",
        "approvedBy": None,
        "readsAs": [RIGHT],
    }
    assert (proposed.status, proposed.json) == (
        201,
        {"stream": A, "version": 2, "items": [repair]},
    )
    assert correct(poisoned).json == proposed.json
    decision = {"of": "event-0", "approve": True}
    own = poisoned.post("/streams/account/a/commits/2/decisions", decision)
    assert (own.status, own.code) == (403, "repair-needs-another")

    services = process.services()
    services.repairer.approve(A, 2, "event-0", Asked("bob", "", "approve"))
    shown = poisoned.get("/streams/account/a/commits/2/repairs").json
    assert shown["items"] == [{**repair, "approvedBy": "bob"}]
    assert poisoned.post("/accounts/a/credits", booking("1.00")).status == 200
    services.reader("balances").redrive(A)
    poisoned.settle()
    assert poisoned.get("/accounts/a?minVersion=3").json["balance"] == czk("8.00")
    _, corrected, last = poisoned.get("/accounts/a/events").json["items"]
    assert corrected["body"]["amount"] == czk("7.00")
    assert corrected["correction"] == {
        "why": "release 9 was taken back",
        "by": "ada",
        "approvedBy": "bob",
    }
    assert last["correction"] is None
    assert poisoned.get("/log").status == 200
    commit_shown = poisoned.get("/streams/account/a/commits/2").json
    assert commit_shown["commit"]["events"][0]["correction"]["approvedBy"] == "bob"


def test_a_proposal_can_be_taken_back(poisoned: Bank) -> None:
    correct(poisoned)
    decision = {"of": "event-0", "approve": False}
    assert poisoned.post("/streams/account/a/commits/2/decisions", decision).json["items"] == []
    again = poisoned.post("/streams/account/a/commits/2/decisions", decision)
    assert (again.status, again.code) == (404, "repair-missing")


def test_a_reader_is_to_pass_over_what_it_has_parked(poisoned: Bank) -> None:
    body = {"stream": A, "why": "the view is broken"}
    skipped = poisoned.post("/readers/balances/skips", body)
    assert (skipped.status, skipped.json["items"][0]["of"]) == (201, "reader-balances")
    services = process.services()
    services.repairer.approve(A, 2, "reader-balances", Asked("bob", "", "approve"))
    services.reader("balances").redrive(A)
    settle(poisoned)
    assert poisoned.rows["balances"].load([A])[A].row["version"] == 1  # type: ignore[index]
    assert poisoned.post("/readers/totals/skips", body).code == "repair-not-parked"
    assert poisoned.post("/readers/nobody/skips", body).code == "reader-missing"


@pytest.mark.parametrize(
    ("path", "changes", "code"),
    [
        (CORRECTIONS, {"index": 1}, "repair-event-missing"),
        ("/streams/account/b/commits/2/corrections", {}, "repair-event-missing"),
        ("/streams/none/a/commits/2/corrections", {}, "repair-event-missing"),
        ("/streams/account/a/commits/1/corrections", {}, "repair-not-needed"),
        (CORRECTIONS, {"readsAs": [{**RIGHT, "version": 9}]}, "repair-unreadable"),
        (CORRECTIONS, {"readsAs": [{"name": "x"}]}, "invalid-body"),
        (CORRECTIONS, {"why": ""}, "invalid-body"),
    ],
)
def test_what_does_not_fit_is_refused(
    poisoned: Bank, path: str, changes: dict[str, Any], code: str
) -> None:
    written = poisoned.written()
    answer = poisoned.post(path, {"readsAs": [RIGHT], "why": "so", **changes})
    assert (answer.code, poisoned.written()) == (code, written)


def test_the_operator_of_another_tenant_repairs_nothing_here(poisoned: Bank) -> None:
    poisoned.token = token("other")
    before = poisoned.written()
    body = {"stream": A, "why": "the view is broken"}
    assert poisoned.post("/readers/balances/skips", body).code == "repair-not-parked"
    assert correct(poisoned).code == "repair-event-missing"
    decision = {"of": "event-0", "approve": True}
    decided = poisoned.post("/streams/account/a/commits/2/decisions", decision)
    assert decided.code == "repair-missing"
    assert poisoned.written() == before
