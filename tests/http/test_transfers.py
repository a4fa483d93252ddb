"""Transfers over HTTP: requested, cancelled, followed, found and traced."""

from dataclasses import replace
from typing import Any
from urllib.parse import urljoin
from uuid import uuid4

import pytest

from app import API
from chalicelib.bank.transfer.domain import (
    Cancel,
    Command,
    Order,
    Stage,
    Transfer,
    decide,
)
from chalicelib.bank.transfer.domain import RequestTransfer as Ask
from chalicelib.domain import DOMAIN
from chalicelib.leftfold.kernel import Refused
from chalicelib.leftfold.projection.search import SearchRows, connect
from chalicelib.leftfold.wiring import process
from tests.application import still
from tests.http.conftest import Bank
from tests.http.samples import booking, czk


@pytest.fixture(
    params=["memory", pytest.param("opensearch", marks=pytest.mark.engine("opensearch"))]
)
def searched(request: pytest.FixtureRequest, bank: Bank) -> Bank:
    """The bank, with its transfers where they can be found."""
    if request.param == "opensearch":
        client = connect(request.getfixturevalue("opensearch"))
        for view in ("transfers", "traces"):
            name = f"http-{uuid4()}-{view}"
            bank.rows[view] = SearchRows(client, name, DOMAIN.views[view], bank.clock, still)
    return bank


def asked(**changes: Any) -> dict[str, Any]:
    """The body of a transfer."""
    return {
        "source": "a",
        "target": "b",
        "amount": czk("700.00"),
        "valueDate": "2026-01-31",
        **changes,
    }


def accounts(bank: Bank, balance: str = "1000.00") -> None:
    """A source with some money, and an empty target."""
    bank.open("a")
    bank.open("b")
    bank.post("/accounts/a/credits", booking(balance))


def requested(bank: Bank, key: str = "t", **changes: Any) -> None:
    answer = bank.post("/transfers", asked(transferId=key, **changes), x_correlation_id="c-1")
    assert answer.status == 202


def step(bank: Bank) -> None:
    """Takes the steps that follow from what is logged, as the policies' functions do."""
    bank.settle()
    for policy in DOMAIN.policies:
        while process.services().policy(policy).catch_up(100):
            pass


def shown(bank: Bank, key: str = "t") -> Any:
    bank.settle()
    return bank.get(f"/transfers/{key}").json


# --- requests


def test_a_request_is_answered_before_anything_has_moved(bank: Bank) -> None:
    accounts(bank)
    answer = bank.post("/transfers", asked(transferId="t"))
    assert answer.status == 202
    assert answer.json == {"transferId": "t", "version": 1}
    assert answer.headers["ETag"] == '"1"'
    there = urljoin("https://x.test/api/transfers", answer.headers["Location"])
    assert there == "https://x.test/api/transfers/t"
    assert len(bank.stream("a")) == 2


def test_an_id_that_the_server_chooses_needs_a_key_and_depends_on_it_alone(bank: Bank) -> None:
    assert bank.post("/transfers", asked()).code == "key-required"
    first = bank.post("/transfers", asked(), idempotency_key="k")
    bank.clock.forward(minutes=1)
    again = bank.post("/transfers", asked(), idempotency_key="k")
    assert (first.status, first.json) == (202, again.json)
    assert bank.written() == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (asked(amount=czk("0.00")), "/amount/amount"),
        (asked(amount=czk("-1.00")), "/amount/amount"),
        (asked(source="a b"), "/source"),
        (asked(valueDate="2026-02-30"), "/valueDate"),
        (asked(notify="ada"), "/notify"),
        (asked(deadline="2026-01-31T12:00:00Z"), "/deadline"),
        ({name: value for name, value in asked().items() if name != "target"}, "/target"),
    ],
)
def test_a_wrong_body_is_refused_by_its_place(bank: Bank, body: Any, pointer: str) -> None:
    answer = bank.post("/transfers", body, idempotency_key="k")
    assert (answer.status, answer.code, answer.pointers) == (400, "invalid-body", [pointer])
    assert bank.written() == 0


def test_a_transfer_needs_two_accounts_and_an_id_of_its_own(bank: Bank) -> None:
    same = bank.post("/transfers", asked(transferId="t", target="a"))
    assert (same.status, same.code) == (409, "same-account")
    requested(bank)
    again = bank.post("/transfers", asked(transferId="t"))
    assert (again.status, again.code) == (409, "transfer-exists")


def test_a_transfer_is_cancelled_only_before_money_has_left(bank: Bank) -> None:
    accounts(bank)
    requested(bank, "x")
    answer = bank.post("/transfers/x/cancel")
    assert (answer.status, answer.json) == (200, {"transferId": "x", "version": 2})
    assert bank.post("/transfers/x/cancel").code == "transfer-ended"
    assert shown(bank, "x")["state"] == "cancelled"
    requested(bank, "y")
    step(bank)
    late = bank.post("/transfers/y/cancel")
    assert (late.status, late.code) == (409, "transfer-under-way")
    assert bank.post("/transfers/nobody/cancel").code == "transfer-missing"


COMMANDS: list[Command] = [
    Ask(Order("a", "b", 1, "CZK", "2026-01-31"), ""),
    Ask(Order("a", "a", 1, "CZK", "2026-01-31"), ""),
    Cancel(),
]
STAGES: list[Stage] = [
    "missing",
    "requested",
    "debited",
    "refunding",
    "completed",
    "refused",
    "cancelled",
    "expired",
]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("stage", STAGES)
def test_every_refusal_is_described_for_its_route(command: Command, stage: Stage) -> None:
    path = "/transfers/{id}/cancel" if isinstance(command, Cancel) else "/transfers"
    (route,) = (r for r in API.routes if (r.method, r.path) == ("POST", path))
    assert refusal_of(command, stage) in {None, *route.problems}


def refusal_of(command: Command, stage: Stage) -> str | None:
    try:
        decide(command, replace(Transfer(), stage=stage))
    except Refused as refusal:
        return refusal.code
    return None


# --- the document


def test_a_completed_transfer_shows_each_step_with_its_time(bank: Bank) -> None:
    accounts(bank)
    requested(bank, purpose="rent", notify="ada@example.org")
    assert shown(bank)["deadline"] == "2026-01-01T00:05:00.000Z"
    for _ in range(2):
        bank.clock.forward(minutes=1)
        step(bank)
    at = [f"2026-01-01T00:0{minute}:00.000Z" for minute in range(3)]
    assert shown(bank) == {
        "transferId": "t",
        "source": "a",
        "target": "b",
        "amount": czk("700.00"),
        "valueDate": "2026-01-31",
        "purpose": "rent",
        "state": "completed",
        "reason": None,
        "requestedAt": at[0],
        "debitedAt": at[1],
        "creditedAt": at[2],
        "refundedAt": None,
        "endedAt": at[2],
        "deadline": None,
        "steps": [
            {"step": "requested", "at": at[0], "state": "requested"},
            {"step": "debited", "at": at[1], "state": "debited"},
            {"step": "credited", "at": at[2], "state": "debited"},
            {"step": "completed", "at": at[2], "state": "completed"},
        ],
        "version": 3,
    }
    assert bank.get("/accounts/a").json["balance"] == czk("300.00")
    assert bank.get("/accounts/b").json["balance"] == czk("700.00")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda bank: bank.post("/accounts/a/debits", booking("300.01")), "insufficient-funds"),
        (lambda bank: bank.post("/accounts/a/freeze"), "account-frozen"),
    ],
)
def test_a_source_that_refuses_ends_the_transfer(bank: Bank, spoil: Any, reason: str) -> None:
    accounts(bank)
    requested(bank)
    spoil(bank)
    step(bank)
    document = shown(bank)
    assert (document["state"], document["reason"]) == ("refused", reason)
    assert [s["step"] for s in document["steps"]] == ["requested", "debit-refused", "refused"]


@pytest.mark.parametrize(
    ("target", "reason"),
    [("b", "account-frozen"), ("euro", "currency-mismatch"), ("nobody", "account-missing")],
)
def test_a_target_that_refuses_gives_the_source_its_money_back(
    bank: Bank, target: str, reason: str
) -> None:
    accounts(bank)
    bank.open("euro", "EUR")
    bank.post("/accounts/b/freeze")
    requested(bank, target=target)
    step(bank)
    step(bank)
    assert shown(bank)["state"] == "refunding"
    step(bank)
    document = shown(bank)
    assert (document["state"], document["reason"]) == ("refused", reason)
    assert [s["step"] for s in document["steps"]] == [
        "requested",
        "debited",
        "credit-refused",
        "refunded",
        "refused",
    ]
    assert bank.get("/accounts/a").json["balance"] == czk("1000.00")


def test_a_document_is_there_at_once_and_not_sent_twice(bank: Bank) -> None:
    assert bank.get("/transfers/t?minVersion=1").code == "transfer-missing"
    requested(bank)
    assert bank.get("/transfers/t?minVersion=1").headers["ETag"] == '"1"'
    bank.settle()
    assert bank.get("/transfers/t?minVersion=1").headers["ETag"] == '"1"'
    assert bank.get("/transfers/t", if_none_match='"1"').status == 304


@pytest.mark.parametrize("path", ["/transfers/t", "/transfers/t/trace", "/transfers/a%20b"])
def test_a_transfer_that_was_never_requested_is_missing(bank: Bank, path: str) -> None:
    answer = bank.get(path)
    assert (answer.status, answer.code) == (404, "transfer-missing")


# --- the list


def test_people_find_what_is_stuck(searched: Bank) -> None:
    accounts(searched)
    requested(searched, "x", amount=czk("100.00"))
    step(searched)
    searched.clock.forward(minutes=6)
    requested(searched, "y", amount=czk("100.00"))
    searched.settle()
    assert process.services().timekeeper.run(lambda: True) == 1
    searched.settle()
    found = searched.get("/transfers?state=stuck").json
    assert [(i["transferId"], i["state"]) for i in found["items"]] == [("x", "stuck")]
    assert found["total"] == 1
    assert [s["step"] for s in shown(searched, "x")["steps"]] == ["requested", "debited", "stuck"]


def test_transfers_are_found_by_either_account_newest_first(searched: Bank) -> None:
    for key, source, target in (("x", "a", "b"), ("y", "b", "c"), ("z", "c", "a")):
        searched.clock.forward(seconds=1)
        requested(searched, key, source=source, target=target)
    searched.settle()

    def found(query: str) -> list[str]:
        return [
            i["transferId"] for page in searched.pages(f"/transfers?limit=1&{query}") for i in page
        ]

    assert found("account=a") == ["z", "x"]
    assert found("account=b&sort=requestedAt") == ["x", "y"]
    assert found("state=requested") == ["z", "y", "x"]
    assert found("state=completed") == []
    assert searched.get("/transfers?state=lost").parameters == ["state"]
    assert searched.get("/transfers?cursor=x").code == "bad-cursor"


# --- the trace


def test_a_trace_shows_what_led_to_what_across_aggregates(searched: Bank) -> None:
    accounts(searched)
    requested(searched)
    step(searched)
    searched.post("/accounts/b/credits", booking("1.00"))
    step(searched)
    searched.settle()
    trace = searched.get("/transfers/t/trace?minVersion=3").json
    assert trace["transferId"] == "t"
    assert [
        (c["stream"], c["version"], [e["name"] for e in c["events"]]) for c in trace["commits"]
    ] == [
        ("main/transfer-t", 1, ["transfer-requested"]),
        ("main/account-a", 3, ["account-debited"]),
        ("main/transfer-t", 2, ["source-debited"]),
        ("main/account-b", 3, ["account-credited"]),
        ("main/transfer-t", 3, ["target-credited", "transfer-completed"]),
    ]
    places = {(c["stream"], c["version"]): place for place, c in enumerate(trace["commits"])}
    for place, commit in enumerate(trace["commits"]):
        for cause in commit["causes"]:
            assert places.get((cause["stream"], cause["version"]), -1) < place
    causes = [[(d["stream"], d["version"]) for d in c["causes"]] for c in trace["commits"]]
    assert causes == [
        [],
        [("main/transfer-t", 1)],
        [("main/account-a", 3)],
        [("main/transfer-t", 2)],
        [("main/account-b", 3)],
    ]
    assert {c["correlationId"] for c in trace["commits"]} == {"c-1"}
    assert trace["commits"][0]["events"][0]["body"]["order"]["amount"] == czk("700.00")
    assert trace["commits"][1]["events"][0]["body"]["amount"] == czk("700.00")
