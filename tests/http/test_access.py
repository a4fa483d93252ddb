"""Attacks on the API: each is refused with its status, and nothing is read or written."""

from collections.abc import Callable
from typing import Any

import pytest

from app import API
from chalicelib.leftfold.access.callers import HOUSE, SCOPES, granted
from chalicelib.leftfold.http.routes import Route
from chalicelib.leftfold.store.ports import Unavailable
from chalicelib.leftfold.wiring import process
from tests.access.attacks import FORGED, NOW, changed
from tests.http.conftest import Bank
from tests.http.gateway import DOCUMENT, Answer
from tests.http.samples import booking, opening
from tests.issuer import AUDIENCE, ISSUER, SUBJECT, token

OPEN = ("/health", "/openapi.json")
GUARDED = [route for route in API.routes if route.path not in OPEN]


class Untouchable:
    """Storage that must not be asked for anything."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"storage was asked for {name}")


@pytest.fixture
def guarded(bank: Bank) -> Bank:
    """The bank over storage that fails each test in which it is read or written."""
    services = process.services()
    for part in ("events", "log", "handler", "checkpoints", "parking", "freshness", "effects"):
        services.__dict__[part] = Untouchable()
    services.__dict__["rows"] = lambda _view: Untouchable()
    services.__dict__["health"] = Untouchable().__getattr__
    return bank


def path_of(route: Route) -> str:
    return route.path.replace("{id}", "a").replace("{number}", "1").replace("{year}", "2024")


def asked(bank: Bank, route: Route, authorization: str | None) -> Answer:
    """The answer to the least that a request of this route can be."""
    bank.token = None
    headers = {} if authorization is None else {"Authorization": authorization}
    body = b"{}" if route.body is not None else None
    typed = {"Content-Type": "application/json"} if body else {}
    return bank.send(route.method, path_of(route), body, {**typed, **headers})


def refused(answer: Answer) -> tuple[int, str]:
    """Status and code of a problem; it is one of the description's."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    return answer.status, answer.code


@pytest.mark.parametrize("route", GUARDED, ids=lambda route: route.name)
def test_no_route_answers_without_a_token(guarded: Bank, route: Route) -> None:
    answer = asked(guarded, route, None)
    assert refused(answer) == (401, "token-missing")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("route", GUARDED, ids=lambda route: route.name)
def test_no_route_answers_without_its_scope(guarded: Bank, route: Route) -> None:
    others = [granted(scope) for scope in SCOPES if scope != route.scope]
    answer = asked(guarded, route, f"Bearer {token('main', *others)}")
    assert refused(answer) == (403, "scope-missing")
    assert route.scope is not None
    assert answer.json["scope"] == granted(route.scope)
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("route", GUARDED, ids=lambda route: route.name)
def test_the_description_names_the_scope_of_each_route(route: Route) -> None:
    assert route.scope is not None
    operation = DOCUMENT["paths"][route.path][route.method.lower()]
    assert operation["security"] == [{"token": [granted(route.scope)]}]
    assert {"401", "403"} <= operation["responses"].keys()


@pytest.mark.parametrize("path", OPEN)
def test_what_everybody_may_read_asks_for_no_token(guarded: Bank, path: str) -> None:
    guarded.token = None
    assert guarded.get(path).status == 200
    # A bad token is not looked at.
    assert guarded.get(path, authorization="Bearer x").status == 200
    assert DOCUMENT["paths"][path]["get"]["security"] == []


@pytest.mark.parametrize("attack", FORGED)
def test_a_forged_token_is_refused(guarded: Bank, attack: str) -> None:
    guarded.token = FORGED[attack]()
    for answer in (guarded.get("/accounts/a"), guarded.post("/accounts", opening(accountId="a"))):
        assert refused(answer) == (401, "token-invalid")
        assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
        # Why is for the log: it would help nobody but an attacker.
        assert "detail" not in answer.json


def test_an_expired_token_is_told_so(guarded: Bank) -> None:
    guarded.token = changed(exp=NOW - 31)
    assert refused(guarded.get("/accounts/a")) == (401, "token-expired")


@pytest.mark.parametrize(
    "header",
    [
        *("", " ", "Bearer", "Bearer ", "Basic YTpi", "Token {}", "{}", "Bearer  {} {}"),
        *("Bearer {},Bearer {}", "Bearer\t{}", "bearer:{}", "Bearer {}\r\nX: y", "Bearer é{}"),
    ],
)
def test_an_authorization_that_is_no_bearer_token_is_refused(guarded: Bank, header: str) -> None:
    guarded.token = None
    answer = guarded.get("/accounts/a", authorization=header.replace("{}", token()))
    assert refused(answer) == (401, "token-invalid")


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER  "])
def test_the_scheme_is_known_in_any_case(bank: Bank, scheme: str) -> None:
    assert bank.get("/accounts/a", authorization=scheme + token()).status == 404


@pytest.mark.parametrize("tenant", [None, "", "Main", "a/b", "*", "m\u0430in", 7])
def test_a_token_without_a_tenant_gets_nothing(guarded: Bank, tenant: Any) -> None:
    guarded.token = changed(tenant=tenant)
    for answer in (guarded.get("/accounts/a"), guarded.post("/accounts", opening(accountId="a"))):
        assert refused(answer) == (403, "tenant-missing")


def test_the_right_of_the_house_opens_no_route_by_itself(guarded: Bank) -> None:
    guarded.token = token("main", HOUSE)
    assert refused(guarded.get("/accounts/a")) == (403, "scope-missing")
    assert refused(guarded.get("/readers")) == (403, "scope-missing")


def test_the_right_of_the_house_is_an_operators(bank: Bank) -> None:
    """A tenant's reader that has it as well reads its tenant's log, and no other's."""
    bank.token = token("main", granted("feed"), HOUSE)
    assert refused(bank.get("/log?log=main")) == (403, "house-only")
    bank.token = token("main", granted("feed"), granted("operate"), HOUSE)
    assert bank.get("/log?log=main").status == 200


def test_a_stranger_does_not_learn_whether_a_request_is_right(guarded: Bank) -> None:
    guarded.token = None
    for answer in (
        guarded.post_bytes("/accounts", b"{", "text/plain", idempotency_key="\t"),
        guarded.post("/accounts/%2F/credits", {"amount": 1}, traceparent="x"),
        guarded.get("/accounts?limit=x&cursor=y"),
    ):
        assert refused(answer) == (401, "token-missing")


def test_without_the_issuers_keys_nobody_is_let_in_and_nobody_is_sent_away(bank: Bank) -> None:
    services = process.services()
    fetches: list[None] = []

    def down() -> Any:
        fetches.append(None)
        raise Unavailable("the issuer")

    services.__dict__["signing_keys"] = down
    answer = bank.post("/accounts", opening(accountId="a"))
    assert refused(answer) == (503, "unavailable")
    assert answer.headers["Retry-After"] == "1"
    assert bank.written() == 0
    assert bank.get("/health").status == 200


def test_ten_thousand_wrong_tokens_ask_the_issuer_once(bank: Bank) -> None:
    """By a thousand different keys that nobody has, ten times each."""
    before = ISSUER.asked
    forged = [ISSUER.sign({"sub": "x"}, kid=f"key-{number + 2}") for number in range(1_000)]
    tokens = process.services().tokens
    refusals = 0
    for wrong in forged * 10:
        try:
            tokens.caller(wrong)
        except Exception:  # noqa: BLE001 - counted
            refusals += 1
    assert refusals == 10_000
    assert ISSUER.asked - before == 1
    assert bank.get("/accounts/a").code == "account-missing"


def test_a_commit_names_its_subject_and_the_right_by_which_it_was_made(bank: Bank) -> None:
    bank.open()
    bank.token = ISSUER.token(sub="grace", client_id="another-client")
    bank.post("/accounts/a/credits", booking())
    assert [(commit.actor, commit.authority) for commit in bank.stream()] == [
        (SUBJECT, f"commands:{AUDIENCE}"),
        ("grace", "commands:another-client"),
    ]
    shown = bank.get("/accounts/a/events").json["items"]
    assert [event["actor"] for event in shown] == [SUBJECT, "grace"]


def test_a_key_that_another_person_used_gets_the_first_answer_and_writes_nothing(
    bank: Bank,
) -> None:
    """A tenant's keys are the tenant's: a colleague may send a retry."""
    first = bank.post("/accounts", opening(accountId="a"), idempotency_key="k")
    bank.token = ISSUER.token(sub="grace")
    again = bank.post("/accounts", opening(accountId="a"), idempotency_key="k")
    assert (again.status, again.json) == (first.status, first.json)
    assert [commit.actor for commit in bank.stream()] == [SUBJECT]


# --- other tenants


Asks = Callable[[Bank], Answer]


@pytest.fixture
def two(bank: Bank) -> Bank:
    """A bank in which main has an account, and the caller is of another tenant."""
    bank.open("a")
    bank.post("/accounts/a/credits", booking("7.00"), idempotency_key="k")
    bank.settle()
    bank.token = token("other")
    return bank


@pytest.mark.parametrize(
    "ask",
    [
        lambda bank: bank.get("/accounts/a"),
        lambda bank: bank.get("/accounts/a?minVersion=1"),
        lambda bank: bank.get("/accounts/a/events"),
        lambda bank: bank.get("/accounts/a/statements"),
        lambda bank: bank.get("/accounts/a/statements/1"),
        lambda bank: bank.post("/accounts/a/credits", booking()),
        lambda bank: bank.post("/accounts/a/credits", booking("7.00"), idempotency_key="k"),
        lambda bank: bank.post("/accounts/a/freeze", if_match='"2"'),
        lambda bank: bank.post("/accounts/a/freeze", if_match="*"),
        lambda bank: bank.get("/accounts/main%2Faccount-a"),
        lambda bank: bank.get("/accounts/..%2Fmain%2Faccount-a/events"),
        lambda bank: bank.post("/accounts/%2e%2e/freeze"),
    ],
)
def test_the_aggregate_of_another_tenant_does_not_exist(two: Bank, ask: Asks) -> None:
    before = two.written()
    answer = ask(two)
    assert answer.status == 404
    assert two.written() == before


def test_the_same_id_and_the_same_key_are_another_aggregate_for_another_tenant(two: Bank) -> None:
    opened = two.post("/accounts", opening(accountId="a", owner="Eve"), idempotency_key="k")
    assert (opened.status, opened.json) == (201, {"accountId": "a", "version": 1})
    two.settle()
    assert two.get("/accounts/a?minVersion=1").json["owner"] == "Eve"
    two.token = token()
    assert two.get("/accounts/a").json["owner"] == "Ada"


def test_ids_that_the_server_chooses_differ_by_tenant(two: Bank) -> None:
    ids = set()
    for tenant in ("main", "other"):
        two.token = token(tenant)
        ids.add(two.post("/accounts", opening(), idempotency_key="same").json["accountId"])
    assert len(ids) == 2
