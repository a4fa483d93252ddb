"""What the template says of functions: rings are not repeated, and failures are told."""

import json
from typing import Any

import pytest

from chalicelib.contexts.registry import VIEWS
from tools.bootstrap import ROOT

TEMPLATE: dict[str, Any] = json.loads((ROOT / "infra/resources.json").read_text())
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
CHALICE = ROOT / ".chalice"
FUNCTIONS: dict[str, Any] = json.loads((CHALICE / "config.json").read_text())["stages"]["dev"][
    "lambda_functions"
]
ALARMS = {
    name: resource["Properties"]
    for name, resource in RESOURCES.items()
    if resource.get("Type") == "AWS::CloudWatch::Alarm"
}


def actions(function: str) -> set[str]:
    """What a function may do."""
    return {action for allowed, _ in statements(function) for action in allowed}


def statements(function: str) -> list[tuple[set[str], Any]]:
    """What a function may do, and with what."""
    policy = json.loads((CHALICE / FUNCTIONS[function]["iam_policy_file"]).read_text())
    return [
        ({action} if isinstance(action, str) else set(action), statement["Resource"])
        for statement in policy["Statement"]
        for action in [statement["Action"]]
    ]


def alarms(metric: str) -> dict[Any, dict[str, Any]]:
    """The alarms on a metric, by what its last dimension names."""
    return {
        str(alarm["Dimensions"][-1]["Value"]): alarm
        for alarm in ALARMS.values()
        if alarm["MetricName"] == metric
    }


@pytest.mark.parametrize("function", ["relay", *VIEWS])
def test_a_ring_is_not_repeated_and_not_kept_long(function: str) -> None:
    assert RESOURCES[function.title()]["Properties"]["EventInvokeConfig"] == {
        "MaximumEventAgeInSeconds": 60,
        "MaximumRetryAttempts": 0,
    }


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_that_stays_behind_for_five_minutes_is_told(view: str) -> None:
    alarm = alarms("OldestWaits")[view]
    assert (alarm["Threshold"], alarm["Period"], alarm["EvaluationPeriods"]) == (300, 60, 5)


def test_a_stream_that_is_held_back_is_told_at_once() -> None:
    (alarm,) = alarms("StreamsHeldBack").values()
    assert alarm["EvaluationPeriods"] == 1


def test_a_sweeper_that_fails_or_never_runs_is_told() -> None:
    alarm = alarms("Errors")[str({"Ref": "Sweeper"})]
    assert alarm["TreatMissingData"] == "breaching"


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_rings_nobody(view: str) -> None:
    assert "lambda:InvokeFunction" not in actions(view)
    assert "kinesis:ListStreams" in actions(view)


def test_a_function_reaches_the_search_domain_of_its_own_stack_alone() -> None:
    reached = {
        function: resource
        for function in FUNCTIONS
        for allowed, resource in statements(function)
        if any(action.startswith("es:") for action in allowed)
    }
    assert set(reached) == {"api_handler", "purge", *VIEWS}
    assert RESOURCES["Search"]["Type"] == "AWS::OpenSearchService::Domain"
    for resource in reached.values():
        assert resource == {"Fn::Sub": "${Search.Arn}/*"}


def test_a_function_may_do_what_it_does_and_no_more() -> None:
    for function in ("relay", "sweeper"):
        assert not any(action.startswith("es:") for action in actions(function))
        assert "dynamodb:ConditionCheckItem" not in actions(function)
    assert "dynamodb:DescribeTable" not in actions("api_handler")
    assert {a for a in actions("purge") if not a.startswith("logs:")} == {"es:ESHttpPost"}
    variables = RESOURCES["Sweeper"]["Properties"]["Environment"]["Variables"]
    assert list(variables) == ["LEFTFOLD_STACK"]
