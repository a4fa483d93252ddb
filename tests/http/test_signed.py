"""A deployment whose requests are signed by IAM roles: API Gateway verifies, the table decides."""

import pytest
from chalice.app import Chalice, IAMAuthorizer

from app import API
from chalicelib.leftfold.access.callers import SCOPES, granted
from chalicelib.leftfold.access.roles import text_of
from chalicelib.leftfold.http import console
from chalicelib.leftfold.http.api import blueprint
from chalicelib.leftfold.http.live import PATH as TWINS
from chalicelib.leftfold.http.routes import Route
from chalicelib.leftfold.wiring import process
from chalicelib.leftfold.wiring.settings import Settings
from tests.http.conftest import Bank
from tests.http.gateway import SIGNED
from tests.http.samples import booking, opening
from tests.http.test_access import GUARDED, OPEN, Untouchable, path_of
from tests.issuer import SETTINGS, token

ACCOUNT = "111122223333"


def role(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def session(name: str, of: str = "x1") -> str:
    return f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{of}"


TABLE = text_of(
    {
        role("all"): f"main {' '.join(SCOPES)}",
        role("other"): f"other {' '.join(SCOPES)}",
        role("house"): "main operate house",
        **{role(f"no-{scope}"): "main " + " ".join({*SCOPES} - {scope}) for scope in SCOPES},
    }
)


@pytest.fixture
def signed(bank: Bank) -> Bank:
    """The bank of a stage with roles; the role `all` signs, and no token is sent."""
    process.services().__dict__["settings"] = Settings(
        {"LEFTFOLD_STACK": "test", "LEFTFOLD_ROLES": TABLE, **SETTINGS}
    )
    bank.token, bank.signer = None, session("all")
    return bank


def test_a_role_does_what_its_scopes_allow_and_is_the_actor(signed: Bank) -> None:
    signed.open()
    assert signed.post("/accounts/a/credits", booking("3.00")).status == 200
    signed.settle()
    assert signed.get("/accounts/a?minVersion=2").json["balance"]["amount"] == "3.00"
    assert {(commit.actor, commit.authority) for commit in signed.stream()} == {
        (role("all"), "commands:x1")
    }


def test_a_role_sees_its_own_tenant_alone(signed: Bank) -> None:
    signed.open()
    signed.settle()
    signed.signer = session("other")
    assert signed.get("/accounts/a").code == "account-missing"
    assert signed.post("/accounts/a/credits", booking()).code == "account-missing"


def test_a_role_of_the_house_operates_for_all(signed: Bank) -> None:
    assert signed.get("/readers").code == "house-only"
    signed.signer = session("house")
    assert signed.get("/readers").status == 200


@pytest.mark.parametrize("route", GUARDED, ids=lambda route: route.name)
def test_no_route_answers_a_stranger_or_a_role_without_its_scope(
    signed: Bank, route: Route
) -> None:
    services = process.services()
    for part in ("events", "log", "handler", "checkpoints", "tokens", "fairness"):
        services.__dict__[part] = Untouchable()
    body = b"{}" if route.body is not None else None
    typed = {"Content-Type": "application/json"} if body else {}
    # The last of these calls with a token that would be good in another stage.
    for signer, bearer, code in (
        (session("nobody"), None, "role-unknown"),
        (session(f"no-{route.scope}"), None, "scope-missing"),
        (f"arn:aws:iam::{ACCOUNT}:user/all", token(), "role-unknown"),
    ):
        signed.signer, signed.token = signer, bearer
        answer = signed.send(route.method, path_of(route), body, typed)
        assert (answer.status, answer.code) == (403, code)
        assert "WWW-Authenticate" not in answer.headers


@pytest.mark.parametrize(
    "claimed",
    [
        {"X-Amzn-Iam-Arn": session("all")},
        {"userArn": session("all")},
        {"Authorization": f"AWS4-HMAC-SHA256 Credential={session('all')}, Signature=x"},
        {"Authorization": "Bearer " + token()},
    ],
)
def test_nothing_that_a_client_sends_names_the_role(signed: Bank, claimed: dict[str, str]) -> None:
    signed.signer = session("nobody")
    answer = signed.post("/accounts", opening(accountId="a"), **claimed)
    assert (answer.status, answer.code) == (403, "role-unknown")
    assert signed.written() == 0


def test_a_request_that_nobody_signed_is_refused_where_it_should_not_come(signed: Bank) -> None:
    """API Gateway refuses it first; a way around it must lead nowhere."""
    signed.signer = ""
    answer = signed.get("/live/accounts/a")
    assert (answer.status, answer.code) == (403, "role-unknown")


def test_a_signature_opens_nothing_where_tokens_are_asked_for(bank: Bank) -> None:
    bank.token, bank.signer = None, session("all")
    assert bank.get("/live/accounts/a").code == "token-missing"


def test_what_is_open_stays_open_and_the_console_is_not_there(signed: Bank) -> None:
    signed.signer = None
    assert signed.get("/health").status == 200
    assert signed.get("/console").code == "no-such-route"
    assert signed.get("/console/index.html").code == "no-such-route"


def test_the_description_says_that_requests_are_signed(signed: Bank) -> None:
    assert signed.get("/openapi.json").json == SIGNED
    assert "signed with AWS Signature Version 4" in SIGNED["info"]["description"]
    assert SIGNED["components"]["securitySchemes"].keys() == {"sigv4"}
    for route in GUARDED:
        assert route.scope is not None
        operation = SIGNED["paths"][route.path][route.method.lower()]
        assert operation["security"] == [{"sigv4": [granted(route.scope)]}]
        assert "401" not in operation["responses"]


def test_api_gateway_asks_for_a_signature_wherever_a_route_has_a_scope(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LEFTFOLD_ROLES", TABLE)
    made = Chalice(app_name="signed")
    made.register_blueprint(blueprint(API))
    asked = {
        (path, method): isinstance(entry.authorizer, IAMAuthorizer)
        for path, methods in made.routes.items()
        for method, entry in methods.items()
    }
    for route in API.routes:
        for method in route.methods:
            assert asked.pop((route.path, method)) is (route.path not in OPEN)
    twins = {method for (path, method), signs in asked.items() if path == TWINS and signs}
    assert twins == {method for path, method in asked if path == TWINS}
    # Files, and requests that no route serves.
    assert not any(signs for (path, _), signs in asked.items() if path != TWINS)
    assert {path for path, _ in asked} == {TWINS, *console.PATHS, "/", "/{proxy+}"}


def test_api_gateway_asks_for_none_where_there_are_no_roles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("LEFTFOLD_ROLES", raising=False)
    made = Chalice(app_name="tokens")
    made.register_blueprint(blueprint(API))
    assert not any(e.authorizer for methods in made.routes.values() for e in methods.values())
