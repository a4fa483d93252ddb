"""The user pool's trigger: which tenant and which scopes a token gets."""

from typing import Any

import pytest

from chalicelib.leftfold.access import callers, claims


def event(source: str, scopes: list[str], **request: Any) -> dict[str, Any]:
    return {
        "version": "3",
        "triggerSource": source,
        "callerContext": {"clientId": "client"},
        "request": {"scopes": scopes, "userAttributes": {}, **request},
        "response": {"claimsAndScopeOverrideDetails": None},
    }


def given(made: dict[str, Any]) -> Any:
    answered = claims.handler(made, None)
    return answered["response"]["claimsAndScopeOverrideDetails"]["accessTokenGeneration"]


def person(tenant: str | None, groups: list[str] | None, scopes: list[str]) -> Any:
    attributes = {} if tenant is None else {"custom:tenant": tenant}
    return given(
        event(
            "TokenGeneration_Authentication",
            scopes,
            userAttributes=attributes,
            groupConfiguration={"groupsToOverride": groups},
        )
    )


def test_the_trigger_gives_the_scopes_of_the_api() -> None:
    assert (*callers.SCOPES, callers.HOUSE.partition("/")[2]) == claims.SCOPES


def test_a_machine_has_the_tenant_of_its_clients_scope() -> None:
    access = given(event(claims.MACHINES, ["leftfold/queries", "tenant/acme"]))
    assert access == {"claimsToAddOrOverride": {"tenant": "acme"}}


@pytest.mark.parametrize("scopes", [[], ["leftfold/queries"], ["tenant/a", "tenant/b"]])
def test_a_machine_of_no_tenant_or_of_two_gets_none(scopes: list[str]) -> None:
    assert given(event(claims.MACHINES, scopes)) == {}


def test_a_person_has_the_tenant_of_an_attribute_and_the_scopes_of_the_groups() -> None:
    access = person("acme", ["queries", "admins", "commands"], ["aws.cognito.signin.user.admin"])
    assert access == {
        "claimsToAddOrOverride": {"tenant": "acme"},
        "scopesToAdd": ["leftfold/commands", "leftfold/queries"],
        "scopesToSuppress": [],
    }


def test_a_person_cannot_ask_for_more_than_the_groups_give() -> None:
    asked = ["openid", "leftfold/queries", "leftfold/operate", "tenant/other"]
    access = person("acme", ["queries"], asked)
    assert access["scopesToSuppress"] == ["leftfold/operate", "tenant/other"]
    assert access["claimsToAddOrOverride"] == {"tenant": "acme"}


def test_a_person_without_tenant_and_groups_gets_nothing() -> None:
    assert person(None, None, []) == {"scopesToAdd": [], "scopesToSuppress": []}
    assert person("", [], []) == {"scopesToAdd": [], "scopesToSuppress": []}


@pytest.mark.parametrize("groups", [None, {}, {"groupsToOverride": None}])
def test_what_cognito_leaves_out_or_sends_as_null_is_nothing(groups: Any) -> None:
    """It signs no token at all if its trigger fails."""
    asked: Any = None
    made = event("TokenGeneration_HostedAuth", asked, groupConfiguration=groups)
    assert given(made) == {"scopesToAdd": [], "scopesToSuppress": []}
    for left_out in ("groupConfiguration", "scopes"):
        del made["request"][left_out]
        assert given(made) == {"scopesToAdd": [], "scopesToSuppress": []}


def test_a_token_for_a_machine_is_told_from_one_for_a_person_by_what_cognito_says() -> None:
    """A machine's scopes are its client's, and nobody suppresses them."""
    made = event("TokenGeneration_ClientCredentials", ["leftfold/feed", "tenant/acme"])
    assert given(made) == {"claimsToAddOrOverride": {"tenant": "acme"}}
    assert made["callerContext"] == {"clientId": "client"}
