"""What browsers are told, and that the answer is ours before API Gateway gives up."""

import json
from typing import Any

import pytest

from chalicelib.leftfold.access.fairness import Fairness
from chalicelib.leftfold.access.seating import AGAIN
from chalicelib.leftfold.http.browsers import SECURITY
from chalicelib.leftfold.http.respond import respond
from chalicelib.leftfold.store.memory import MemoryRequestCounts, MemorySeats
from chalicelib.leftfold.store.ports import Unavailable
from chalicelib.leftfold.wiring import process, time_left
from chalicelib.leftfold.wiring.clients import client
from chalicelib.leftfold.wiring.time_left import (
    LAST_CALL,
    OutOfTimeError,
    check_time,
    time_for_calls,
)
from tests.http.conftest import Bank
from tests.http.samples import booking, opening
from tests.issuer import house_token, token
from tools.bootstrap import ROOT

SITE = "https://app.example.org"
TEMPLATE: dict[str, Any] = json.loads((ROOT / "infra/resources.json").read_text())


@pytest.fixture
def sited(bank: Bank) -> Bank:
    """The bank, whose API one site may call."""
    settings = process.services().settings
    settings._variables = {
        **settings._variables,
        "LEFTFOLD_CORS_ORIGINS": f"{SITE}, https://b.test",
    }
    return bank


@pytest.mark.parametrize("path", ["/health", "/openapi.json", "/accounts/a", "/nothing"])
def test_every_answer_tells_browsers_to_keep_nothing(bank: Bank, path: str) -> None:
    answer = bank.get(path)
    assert {name: answer.headers[name] for name in SECURITY} == SECURITY
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_a_page_of_a_known_site_may_read_the_answer(sited: Bank) -> None:
    answer = sited.get("/accounts/a", origin=SITE)
    assert answer.headers["Access-Control-Allow-Origin"] == SITE
    assert answer.headers["Vary"] == "Origin"
    assert "ETag" in answer.headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.test",
        f"{SITE}.evil.test",
        "http://app.example.org",
        "null",
        "*",
        SITE.upper(),
        "",
    ],
)
def test_a_page_of_another_site_may_not(sited: Bank, origin: str) -> None:
    for answer in (sited.get("/accounts/a", origin=origin), sited.get("/accounts/a")):
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert answer.headers["Vary"] == "Origin"


def ask_first(bank: Bank, path: str, origin: str = SITE) -> Any:
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    bank.token = None
    return bank.send("OPTIONS", path, headers=headers)


def test_a_browser_may_ask_first_without_a_token(sited: Bank) -> None:
    answer = ask_first(sited, "/accounts")
    assert (answer.status, answer.text) == (204, "")
    assert answer.headers["Access-Control-Allow-Methods"] == "GET, HEAD, POST"
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    assert answer.headers["Access-Control-Allow-Origin"] == SITE


def test_a_browser_on_another_site_is_not_let_on(sited: Bank) -> None:
    answer = ask_first(sited, "/accounts", "https://evil.test")
    assert (answer.status, answer.code) == (405, "method-not-allowed")
    assert ask_first(sited, "/nothing").status == 404


# --- 29 seconds


def test_no_call_begins_when_nobody_would_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.0
    monkeypatch.setattr(f"{time_left.__name__}.time.monotonic", lambda: now)
    check_time()
    with time_for_calls(LAST_CALL):
        now += LAST_CALL
        check_time()
        now += 0.1
        with pytest.raises(OutOfTimeError):
            check_time()
    check_time()


def test_a_client_sends_nothing_when_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    dynamodb = client("dynamodb")
    sent: list[Any] = []
    dynamodb.meta.events.register_last("before-send", lambda **event: sent.append(event))
    with time_for_calls(-1), pytest.raises(Unavailable):
        dynamodb.list_tables()
    assert sent == []


def test_the_last_call_ends_before_api_gateway_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    config = client("dynamodb").meta.config
    longest_start = 3
    assert longest_start + LAST_CALL + config.connect_timeout + config.read_timeout < 29


def test_a_command_that_runs_out_of_time_says_that_its_outcome_is_unknown(bank: Bank) -> None:
    class Late:
        """A store that does not answer in time."""

        def append(self, *_: object) -> None:
            raise OutOfTimeError("late")

    bank.use(Late())
    answer = bank.post("/accounts", opening(accountId="a"), idempotency_key="k")
    assert (answer.status, answer.code) == (503, "outcome-unknown")
    assert answer.json["idempotencyKey"] == "k"


# --- one tenant's share


def test_a_tenant_that_sends_too_much_is_told_to_wait_and_another_goes_on(bank: Bank) -> None:
    services = process.services()
    services.__dict__["fairness"] = Fairness(MemoryRequestCounts(), 5, bank.clock)
    answers = [bank.get("/accounts/a").status for _ in range(60)]
    assert answers == [404] * 50 + [429] * 10
    refused = bank.post("/accounts", opening(accountId="a"))
    assert (refused.status, refused.code) == (429, "too-many-requests")
    assert refused.headers["Retry-After"] == "10"
    assert bank.written() == 0
    bank.token = token("other")
    assert bank.get("/accounts/a").status == 404
    bank.token = house_token()
    assert bank.get("/health/dependencies").status == 200


# --- one tenant's seats


@pytest.fixture
def seated(bank: Bank) -> Bank:
    """A bank with an open account, where each tenant has one seat in the feed, and one to wait in."""
    settings = process.services().settings
    one = {"LEFTFOLD_FEED_SEATS": "1", "LEFTFOLD_WAIT_SEATS": "1"}
    settings._variables = {**settings._variables, **one}
    bank.open()
    return bank


IN_THE_FEED = ("/log", "/log?wait=20", "/live/accounts/a", "/live/accounts/a?wait=20")


@pytest.mark.parametrize("path", IN_THE_FEED)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_tenant_without_a_seat_is_told_so_at_once_and_nothing_is_read(
    seated: Bank, method: str, path: str
) -> None:
    services = process.services()
    with services.feed_seats.seat("main"):
        for part in ("events", "log", "checkpoints", "rows", "follower", "secrets"):
            services.__dict__[part] = None
        answer = seated.send(method, path)
    assert (answer.status, answer.headers["Retry-After"], seated.waited) == (429, str(AGAIN), 0)
    if method == "GET":
        assert answer.code == "too-many-requests"


def test_while_one_tenant_has_no_seat_another_and_the_house_are_served(seated: Bank) -> None:
    seated.settle()
    with process.services().feed_seats.seat("main"):
        assert [seated.get(path).status for path in IN_THE_FEED] == [429] * 4
        assert seated.get("/accounts/a").status == 200
        assert seated.post("/accounts/a/credits", booking("7.00")).status == 200
        for bearer in (token("other"), house_token()):
            seated.token = bearer
            assert seated.get("/log").status == 200
    seated.token = token()
    assert [seated.get(path).status for path in IN_THE_FEED] == [200] * 4


def test_a_problem_leaves_its_seat_too(seated: Bank) -> None:
    assert [seated.get("/live/accounts/nobody").status for _ in range(3)] == [404] * 3


def test_who_waits_for_a_view_without_a_seat_is_told_so_and_what_it_shows_is_shown(
    seated: Bank,
) -> None:
    with process.services().wait_seats.seat("main"):
        behind = seated.get("/bookings?account=a&minVersion=1")
        assert (behind.status, behind.code, seated.waited) == (429, "too-many-requests", 0)
        seated.settle()
        assert seated.get("/bookings?account=a&minVersion=1").status == 200
        seated.token = token("other")
        seated.open()
        assert seated.get("/bookings?account=a&minVersion=1").code == "view-behind"
    assert seated.waited > 0


def test_a_request_that_does_not_wait_asks_for_no_seat(seated: Bank) -> None:
    seated.settle()
    for part in ("seats", "feed_seats", "wait_seats"):
        process.services().__dict__[part] = None
    assert seated.post("/accounts/a/credits", booking("7.00")).status == 200
    for path in ("/accounts/a", "/accounts/a?minVersion=2", "/bookings?account=a&minVersion=1"):
        assert seated.get(path).status == 200
    for path in ("/health", "/openapi.json", "/streams/account/a"):
        assert seated.get(path).status in {200, 403, 404}


def test_a_seat_is_left_when_there_is_no_time_for_another_call(
    seated: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Timed(MemorySeats):
        """Calls as a client does."""

        def leave(self, *given: Any) -> None:
            check_time()
            super().leave(*given)

    process.services().__dict__["seats"] = Timed()
    monkeypatch.setattr(f"{time_left.__name__}.time.monotonic", lambda: seated.waited)
    end = seated.get("/log?from=end").json["next"]
    assert seated.get(f"/log?after={end}&wait=20").status == 200
    monkeypatch.setattr(f"{respond.__module__}.LAST_CALL", 19)
    assert seated.get(f"/log?after={end}&wait=20").status == 200
    assert seated.get("/log").status == 200


def test_without_seats_any_number_waits(bank: Bank) -> None:
    bank.open()
    bank.settle()
    with process.services().feed_seats.seat("main"), process.services().wait_seats.seat("main"):
        assert [bank.get(path).status for path in IN_THE_FEED] == [200] * 4


# --- API Gateway's own answers


def test_api_gateway_answers_with_problems_too() -> None:
    body = TEMPLATE["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    responses = body["x-amazon-apigateway-gateway-responses"]
    assert {"THROTTLED", "REQUEST_TOO_LARGE", "INTEGRATION_TIMEOUT", "DEFAULT_4XX"} <= set(
        responses
    )
    for response in responses.values():
        (template,) = response["responseTemplates"].values()
        problem = json.loads(template)
        assert str(problem["status"]) == response["statusCode"]
        assert {"type", "title", "code"} <= problem.keys()
        headers = response["responseParameters"]
        assert headers["gatewayresponse.header.Content-Type"] == "'application/problem+json'"
        assert headers["gatewayresponse.header.Cache-Control"] == "'no-store'"


def test_all_requests_together_are_throttled_and_the_feed_keeps_its_own_function() -> None:
    properties = TEMPLATE["Resources"]["RestAPI"]["Properties"]
    (everything,) = properties["MethodSettings"]
    assert (everything["ResourcePath"], everything["HttpMethod"]) == ("/*", "*")
    assert everything["ThrottlingRateLimit"] == {"Ref": "ThrottleRate"}
    assert "/log" in properties["DefinitionBody"]["paths"]
