"""Paths, methods, failures and the log: what every route has in common."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from app import API, app
from chalicelib.leftfold.http.log import log
from chalicelib.leftfold.kernel import Commit
from chalicelib.leftfold.store.memory import MemoryEvents
from chalicelib.leftfold.store.ports import StreamVersion, Unavailable
from tests.http.conftest import Bank
from tests.http.samples import booking, czk, opening

# --- paths and methods


@pytest.mark.parametrize("path", ["/accounts/%61-1", "/accounts/a%2D1", "/accounts/a-1"])
def test_an_id_in_a_path_is_decoded(bank: Bank, path: str) -> None:
    bank.open("a-1")
    bank.settle()
    assert bank.get(path).json["accountId"] == "a-1"
    assert bank.post(f"{path}/freeze").json["accountId"] == "a-1"


@pytest.mark.parametrize(
    "key", ["a%2Fb", "a%20", "a%00", "%C3%A4", "%FF", "%", "a.b", "a" * 65, "a%0A", "%2561"]
)
@pytest.mark.parametrize("rest", ["", "/events"])
def test_what_cannot_be_an_id_names_no_account(bank: Bank, key: str, rest: str) -> None:
    answer = bank.get(f"/accounts/{key}{rest}")
    assert (answer.status, answer.code) == (404, "account-missing")
    answer = bank.post(f"/accounts/{key}/freeze")
    assert (answer.status, answer.code) == (404, "account-missing")


@pytest.mark.parametrize("path", ["/", "/nothing", "/accounts/a/b/c", "/nothing?x=1"])
def test_a_path_without_a_route_is_not_found(bank: Bank, path: str) -> None:
    answer = bank.get(path)
    assert (answer.status, answer.code) == (404, "no-such-route")
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/accounts/a", "GET, HEAD"),
        ("PUT", "/accounts", "GET, HEAD, POST"),
        ("GET", "/accounts/a/credits", "POST"),
        ("PATCH", "/bookings", "GET, HEAD"),
        ("OPTIONS", "/totals/", "GET, HEAD"),
    ],
)
def test_a_method_without_a_route_is_not_allowed(
    bank: Bank, method: str, path: str, allowed: str
) -> None:
    answer = bank.send(method, path)
    assert (answer.status, answer.code) == (405, "method-not-allowed")
    assert answer.headers["Allow"] == allowed


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/accounts/a", 200),
        ("/accounts/a?minVersion=1", 200),
        ("/accounts/nobody", 404),
        ("/accounts/a?minVersion=x", 400),
        ("/accounts", 200),
        ("/bookings?account=a", 200),
        ("/accounts/a/events", 200),
        ("/health", 200),
        ("/openapi.json", 200),
        ("/nothing", 404),
    ],
)
def test_a_head_is_answered_as_a_get_without_a_body(bank: Bank, path: str, status: int) -> None:
    bank.open()
    bank.settle()
    got = bank.get(path, x_correlation_id="c")
    head = bank.send("HEAD", path, headers={"X-Correlation-Id": "c"})
    assert (head.status, head.headers, head.text) == (status, got.headers, "")
    assert got.text != ""


def test_a_head_tells_a_client_that_it_has_the_version(bank: Bank) -> None:
    bank.open()
    bank.settle()
    head = bank.send("HEAD", "/accounts/a", headers={"If-None-Match": '"1"'})
    assert (head.status, head.headers["ETag"], head.text) == (304, '"1"', "")


def test_every_get_has_its_head() -> None:
    for path, methods in app.routes.items():
        assert ("GET" in methods) == ("HEAD" in methods), path


def test_a_head_where_there_is_no_get_is_not_allowed(bank: Bank) -> None:
    head = bank.send("HEAD", "/accounts/a/credits")
    assert (head.status, head.headers["Allow"], head.text) == (405, "POST", "")


# --- names


def test_the_names_of_commands_never_change() -> None:
    """Commits keep hashes of them, and ids that the server chose are made of them.

    To this table one only adds. A route may move to another path: its name stays.
    """
    assert {route.name: route.path for route in API.routes if route.body is not None} == {
        "open_account": "/accounts",
        "account_credits": "/accounts/{id}/credits",
        "account_debits": "/accounts/{id}/debits",
        "account_bookings": "/accounts/{id}/bookings",
        "account_freeze": "/accounts/{id}/freeze",
        "account_unfreeze": "/accounts/{id}/unfreeze",
        "account_close": "/accounts/{id}/close",
        "account_statements": "/accounts/{id}/statements",
        "open_transfer": "/transfers",
        "transfer_cancel": "/transfers/{id}/cancel",
        "open_ledger": "/ledgers",
        "ledger_accounts": "/ledgers/{id}/accounts",
        "ledger_years": "/ledgers/{id}/years",
        "post_entry": "/ledgers/{id}/entries",
        "reverse_entry": "/ledgers/{id}/entries/{entry}/reversal",
        "close_year": "/ledgers/{id}/years/{year}/close",
        "erase_subject": "/subjects/{id}/erasure",
        "redrive_parked": "/readers/{reader}/redrive",
        "correct_event": "/streams/{category}/{key}/commits/{version}/corrections",
        "decide_repair": "/streams/{category}/{key}/commits/{version}/decisions",
        "skip_commit": "/readers/{reader}/skips",
    }


def test_no_two_routes_have_one_name() -> None:
    assert len({route.name for route in API.routes}) == len(API.routes)


@pytest.mark.parametrize(
    ("path", "body", "made"),
    [
        ("/accounts", opening(), "9a900df3-9831-5b63-ac8c-f6009e763957"),
        (
            "/transfers",
            {"source": "a", "target": "b", "amount": czk("1.00"), "valueDate": "2026-01-01"},
            "422b380a-7ef3-582b-a0b1-ba731a650ab2",
        ),
        (
            "/ledgers",
            {"name": "L", "firstYear": 2025, "retainedEarnings": "RE"},
            "a6a89e8c-233f-58b3-8bd4-8228e4b1e5ce",
        ),
    ],
)
def test_the_id_that_a_key_leads_to_never_changes(
    bank: Bank, path: str, body: dict[str, Any], made: str
) -> None:
    answer = bank.post(path, body, idempotency_key="k")
    assert made in answer.json.values()


def test_the_hash_of_a_command_never_changes(bank: Bank) -> None:
    bank.open()
    bank.post("/accounts/a/credits", booking("1.00"), idempotency_key="k")
    assert bank.stream()[-1].body_hash == "73659bb049479ccc"


# --- failures


class Failing:
    """Any port in which every call fails."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        def call(*_: Any, **__: Any) -> Any:
            raise self._error

        return call


class BusyError(Unavailable):
    """One storage's way to be unavailable."""


@pytest.mark.parametrize("kind", [Unavailable, BusyError])
def test_a_storage_that_does_not_answer_is_a_reason_to_try_again(
    bank: Bank, kind: type[Unavailable]
) -> None:
    bank.use(Failing(kind("secret table name")))
    read, written = bank.get("/accounts/a/events"), bank.post("/accounts/a/freeze")
    assert (read.status, read.code) == (503, "unavailable")
    assert (written.status, written.code) == (503, "outcome-unknown")
    assert "secret" not in read.text + written.text


def test_what_nobody_foresaw_is_logged_and_not_told(
    bank: Bank, lines: list[dict[str, Any]]
) -> None:
    bank.use(Failing(ZeroDivisionError("secret detail")))
    for answer in (bank.get("/accounts/a/events"), bank.post("/accounts/a/freeze")):
        assert (answer.status, answer.code) == (500, "internal-error")
        assert "secret" not in answer.text
    for line in lines:
        *frames, last = line["error"].splitlines()
        assert last == "ZeroDivisionError", "its message may have personal data"
        assert any("commands/loading.py:" in frame or "history.py:" in frame for frame in frames)


def test_commands_that_are_always_overtaken_give_up(bank: Bank) -> None:
    class Overtaken(MemoryEvents):
        def append(self, commit: Commit, unless: StreamVersion | None = None) -> Commit | None:
            logged = self.range(commit.aggregate_id, commit.version - 1, commit.version)
            return logged[-1] if commit.version > 1 else super().append(commit, unless)

    bank.use(Overtaken())
    bank.open()
    answer = bank.post("/accounts/a/freeze")
    assert (answer.status, answer.code) == (503, "contention")
    assert answer.headers["Retry-After"] == "1"


# --- health


def test_everybody_may_ask_whether_the_service_is_up_at_no_cost(bank: Bank) -> None:
    bank.health["search"] = "connection refused"
    bank.token = None
    answer = bank.get("/health")
    assert (answer.status, answer.json) == (200, {"status": "ok"})


def test_health_tells_what_works(bank: Bank) -> None:
    answer = bank.get("/health/dependencies")
    assert answer.status == 200
    assert answer.json["checks"] == {"events": "ok", "search": "ok"}


def test_health_tells_what_fails_and_not_why(bank: Bank, lines: list[dict[str, Any]]) -> None:
    bank.health["search"] = "connection refused by 10.0.0.1"
    answer = bank.get("/health/dependencies", x_correlation_id="c-1")
    assert (answer.status, answer.code) == (503, "unhealthy")
    assert answer.json["checks"] == {"events": "ok", "search": "failing"}
    assert "10.0.0.1" not in answer.text
    assert lines[0]["failing"] == {"search": "connection refused by 10.0.0.1"}
    assert lines[0]["correlation_id"] == "c-1"


def test_a_part_of_the_api_that_cannot_be_imported_is_an_answer_and_a_line_of_the_log(
    bank: Bank, lines: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    account = next(listing for listing in API.listings if listing.name == "show_account")
    monkeypatch.setattr(API, "listings", {**API.listings, account: "chalicelib.no_such_part"})
    answer = bank.get("/accounts/a")
    assert (answer.status, answer.code) == (500, "internal-error")
    (line,) = lines
    assert (line["route"], line["code"]) == ("/accounts/{id}", "internal-error")
    assert line["error"].endswith("ModuleNotFoundError")


# --- the log


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    """What is logged, line by line."""
    written: list[dict[str, Any]] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(json.loads(record.getMessage()))

    handler = Keeping()
    log.addHandler(handler)
    yield written
    log.removeHandler(handler)


def test_each_request_is_one_line_without_personal_data(
    bank: Bank, lines: list[dict[str, Any]]
) -> None:
    bank.open("ada-lovelace")
    lines.clear()
    bank.post(
        "/accounts/ada-lovelace/credits",
        booking(purpose="secret"),
        idempotency_key="ada@example.org",
        x_correlation_id="trace-1",
    )
    (line,) = lines
    assert line.pop("milliseconds") >= 0
    assert len(line.pop("command")) == 16
    assert line.pop("timestamp").endswith("Z")
    assert line.pop("cold_start") in (True, False)
    assert line == {
        "level": "INFO",
        "service": "test",
        "message": "request",
        "function_name": "api",
        "function_request_id": None,
        "method": "POST",
        "route": "/accounts/{id}/credits",
        "status": 200,
        "correlation_id": "trace-1",
    }


def test_a_refused_request_is_logged_with_its_code(bank: Bank, lines: list[dict[str, Any]]) -> None:
    bank.post("/accounts/a/freeze")
    assert lines[0]["code"] == "account-missing"


def test_a_request_that_waits_for_another_answer_is_logged_under_its_own_route(
    bank: Bank, lines: list[dict[str, Any]]
) -> None:
    bank.get("/live/accounts/a?wait=0")
    assert [line["route"] for line in lines] == ["/accounts/{id}"]


def test_a_line_is_not_written_by_the_logger_of_chalice_as_well(bank: Bank) -> None:
    """Chalice's is called `leftfold`, above this one: it would write a line anew, and not as JSON."""
    reached: list[str] = []

    class Above(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            reached.append(record.name)

    handler = Above()
    app.log.addHandler(handler)
    try:
        bank.get("/accounts/a")
    finally:
        app.log.removeHandler(handler)
    assert log.name not in reached
