"""Which access tokens are accepted, and what is read of them."""

from datetime import timedelta

import pytest

from chalicelib.leftfold.access.callers import Caller, TokenError, TokenExpiredError
from chalicelib.leftfold.access.keys import Keys
from chalicelib.leftfold.access.tokens import LEEWAY, Tokens
from tests.access.attacks import FORGED, NOW, changed
from tests.clock import Clock
from tests.issuer import AUDIENCE, ISSUER, NAME, SUBJECT


def tokens(clock: Clock | None = None) -> Tokens:
    clock = clock or Clock()
    return Tokens(NAME, {AUDIENCE, "second"}, "tenant", Keys(ISSUER.published, clock), clock)


def test_a_token_names_subject_client_tenant_and_scopes() -> None:
    assert tokens().caller(ISSUER.token(["leftfold/commands", "openid"], "acme")) == Caller(
        SUBJECT, AUDIENCE, "acme", frozenset({"leftfold/commands", "openid"})
    )


@pytest.mark.parametrize("attack", FORGED)
def test_a_token_is_refused_that_proves_nothing(attack: str) -> None:
    with pytest.raises(TokenError) as refused:
        tokens().caller(FORGED[attack]())
    assert not isinstance(refused.value, TokenExpiredError)


def test_a_token_ends_with_its_expiry_and_the_leeway_of_clocks() -> None:
    clock = Clock()
    token = changed(exp=NOW)
    clock.forward(seconds=LEEWAY - 0.001)
    assert tokens(clock).caller(token).subject == SUBJECT
    clock.forward(seconds=0.001)
    with pytest.raises(TokenExpiredError):
        tokens(clock).caller(token)


@pytest.mark.parametrize("claim", ["nbf", "iat"])
def test_a_token_begins_with_the_leeway_of_clocks(claim: str) -> None:
    assert tokens().caller(changed(**{claim: NOW + LEEWAY})).subject == SUBJECT
    with pytest.raises(TokenError, match="not yet valid"):
        tokens().caller(changed(**{claim: NOW + LEEWAY + 1}))


@pytest.mark.parametrize("audience", ["second", ["elsewhere", "second"]])
def test_a_token_with_an_audience_is_for_whom_it_names_whatever_its_client(
    audience: object,
) -> None:
    assert tokens().caller(changed(aud=audience, client_id="app")).client == "app"


def test_an_audience_in_the_claim_counts_more_than_the_client() -> None:
    with pytest.raises(TokenError, match="another audience"):
        tokens().caller(changed(aud="elsewhere", client_id=AUDIENCE))


@pytest.mark.parametrize(
    "claims",
    [
        {"scope": "a b"},
        {"scope": None, "scp": ["a", "b"]},
        {"scope": "a", "scp": ["b", 7]},
        {"scope": ["a", "b"]},
    ],
)
def test_scopes_come_as_text_or_as_a_list(claims: dict[str, object]) -> None:
    assert tokens().caller(changed(**claims)).scopes == {"a", "b"}


@pytest.mark.parametrize("name", ["main", "a", "a-1", "0", "a" * 32])
def test_a_tenant_has_a_name_for_keys(name: str) -> None:
    assert tokens().caller(changed(tenant=name)).tenant == name


@pytest.mark.parametrize(
    "name",
    [
        *(None, "", " ", "Main", "MAIN", "a/b", "a%2Fb", "a#b", "..", ".", "a-", "-a", "a" * 33),
        *("m\u0430in", "main\n", "main\x00", "*", "*/", "**", 7, ["main"], {"main": 1}, True),
    ],
)
def test_a_tenant_by_another_name_is_no_tenant(name: object) -> None:
    assert tokens().caller(changed(tenant=name)).tenant is None


def test_the_claim_of_the_tenant_has_the_name_of_the_settings() -> None:
    clock = Clock()
    ours = Tokens(NAME, [AUDIENCE], "https://us/org", Keys(ISSUER.published, clock), clock)
    token = changed(**{"https://us/org": "acme"})
    assert (ours.caller(token).tenant, tokens().caller(token).tenant) == ("acme", "main")


def test_without_a_configured_audience_no_token_is_accepted() -> None:
    clock = Clock()
    nobodys = Tokens(NAME, frozenset(), "tenant", Keys(ISSUER.published, clock), clock)
    with pytest.raises(TokenError):
        nobodys.caller(changed())


def test_a_token_is_good_by_our_clock_alone() -> None:
    """The machine's own clock is years behind these tokens."""
    clock = Clock()
    clock.now += timedelta(days=365 * 100)
    assert tokens(clock).caller(changed(iat=int(clock().timestamp()))).subject == SUBJECT
