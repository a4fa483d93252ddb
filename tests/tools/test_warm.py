"""Processes of the API that are ready, on MiniStack: which version serves, and what is left of others."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tools.cloud import Cloud
from tools.stacks import Stacks
from tools.uploading import Uploads
from tools.warm import ALIAS, keep_warm, versions

STACK = "leftfold-warmed"
FUNCTION = f"{STACK}-api"
CODE = "import os\ndef handler(event, context): return os.environ['MOVED']\n"


def template() -> dict[str, Any]:
    """An application as far as its processes need it: a function, and an API by name."""
    role = "arn:aws:iam::000000000000:role/any"
    properties = {
        "FunctionName": FUNCTION,
        "Runtime": "python3.11",
        "Handler": "index.handler",
        "Role": role,
        "Code": {"ZipFile": CODE},
        "Environment": {"Variables": {"MOVED": {"Ref": "MovedTo"}}},
    }
    return {
        "Parameters": {
            "MovedTo": {"Type": "String", "Default": "nowhere"},
            "ApiWarm": {"Type": "String", "Default": "0"},
        },
        "Resources": {"Api": {"Type": "AWS::Lambda::Function", "Properties": properties}},
        "Outputs": {
            "APIHandlerName": {"Value": {"Ref": "Api"}},
            "RestAPIId": {"Value": "api"},
            "ApiWarm": {"Value": {"Ref": "ApiWarm"}},
        },
    }


@pytest.fixture
def stacks(ministack: str) -> Iterator[Stacks]:
    made = Stacks(Cloud(ministack), lambda _: None)
    uploads = Uploads(made.cloud, "warmed")
    uploads.make_bucket()
    made.bring(STACK, uploads.template(template()), {"ApiWarm": "2"})
    yield made
    made.delete(STACK)


def serves(stacks: Stacks) -> str:
    """What the version that the alias leads to has been told."""
    made = stacks.cloud.client("lambda").get_function(FunctionName=FUNCTION, Qualifier=ALIAS)
    told: str = made["Configuration"]["Environment"]["Variables"]["MOVED"]
    return told


def ready(stacks: Stacks) -> int:
    found = stacks.cloud.client("lambda").get_provisioned_concurrency_config(
        FunctionName=FUNCTION, Qualifier=ALIAS
    )
    number: int = found["AvailableProvisionedConcurrentExecutions"]
    return number


def test_a_change_of_a_parameter_alone_reaches_who_serves(stacks: Stacks) -> None:
    """Versions keep the variables of their day; an API that has moved must say so."""
    assert (serves(stacks), ready(stacks)) == ("nowhere", 2)
    stacks.change(STACK, {"MovedTo": "green"})
    assert (serves(stacks), ready(stacks)) == ("green", 2)


def test_whoever_was_killed_before_the_alias_moved_is_made_up_for(stacks: Stacks) -> None:
    functions = stacks.cloud.client("lambda")
    told = {"Variables": {"MOVED": "green"}}
    functions.update_function_configuration(FunctionName=FUNCTION, Environment=told)
    assert serves(stacks) == "nowhere"
    stacks.change(STACK, {})
    assert serves(stacks) == "green"


def test_the_same_again_publishes_nothing_and_old_versions_go(stacks: Stacks) -> None:
    functions = stacks.cloud.client("lambda")
    stacks.change(STACK, {"MovedTo": "nowhere"})
    assert versions(functions, FUNCTION) == ["1"]
    for place in ("green", "blue", "red"):
        stacks.change(STACK, {"MovedTo": place})
    assert (versions(functions, FUNCTION), serves(stacks)) == (["3", "4"], "red")


def test_there_is_an_alias_before_the_api_calls_it_and_until_it_does_not(stacks: Stacks) -> None:
    functions = stacks.cloud.client("lambda")
    seen: list[list[str]] = []

    def look(_said: str) -> None:
        found = functions.list_aliases(FunctionName=FUNCTION)["Aliases"]
        seen.append([alias["Name"] for alias in found])

    watched, uploads = Stacks(stacks.cloud, look), Uploads(stacks.cloud, "warmed")
    for count, meanwhile in (("0", [ALIAS]), ("2", [ALIAS])):
        seen.clear()
        url = uploads.template(template())
        watched.bring(STACK, url, {"ApiWarm": count, "MovedTo": f"place-{count}"})
        assert seen[0] == meanwhile
        kept = functions.list_aliases(FunctionName=FUNCTION)["Aliases"]
        assert len(kept) == (1 if int(count) else 0)


def test_an_api_is_let_in_once_and_with_none_ready_there_is_no_alias(stacks: Stacks) -> None:
    functions = stacks.cloud.client("lambda")
    policy = json.loads(functions.get_policy(FunctionName=FUNCTION, Qualifier=ALIAS)["Policy"])
    (statement,) = policy["Statement"]
    assert statement["Principal"] == {"Service": "apigateway.amazonaws.com"}
    assert json.dumps(statement).count(":api/*") == 1
    for _ in range(2):
        keep_warm(stacks.cloud, FUNCTION, 0, "api", lambda _: None)
    assert functions.list_aliases(FunctionName=FUNCTION)["Aliases"] == []
    with pytest.raises(functions.exceptions.ResourceNotFoundException):
        ready(stacks)
