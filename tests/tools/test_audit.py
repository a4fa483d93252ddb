"""What the audit counts, and what it calls a fault."""

import json
from typing import Any

import pytest

from tools.audit import MOST, Measure, faults, measure, outdated
from tools.bootstrap import ROOT
from tools.resources import BESIDE_TEMPLATE, STAGE_TEMPLATE, TEMPLATE, TRUTH_TEMPLATE

ROLE = {"Type": "AWS::IAM::Role", "Properties": {"Policies": [{"PolicyName": "p"}]}}


def test_a_template_is_measured() -> None:
    template = {"Parameters": {"A": {}}, "Resources": {"Role": ROLE, "Other": {"Type": "T"}}}
    size = len(json.dumps(template))
    assert measure(template) == Measure(2, 1, size, len('[{"PolicyName":"p"}]'))
    assert list(faults("x", template)) == []


@pytest.mark.parametrize(
    ("resources", "fault"),
    [
        ({f"R{n}": {"Type": "T"} for n in range(501)}, "x: resources is 501, and AWS takes 500"),
        ({"R": {"Type": "T", "Says": "x" * 10**6}}, "x: size is "),
        (
            {
                "R": {
                    "Type": "AWS::IAM::Role",
                    "Properties": {"Policies": [{"PolicyDocument": "x" * 10_240}]},
                }
            },
            "x: policy is ",
        ),
        (
            {"R": {"Type": "AWS::ApiGateway::Stage", "Properties": {"StageName": "Stage"}}},
            "x: R is a second stage of the API",
        ),
    ],
)
def test_what_aws_would_refuse_is_a_fault(resources: dict[str, Any], fault: str) -> None:
    (found,) = faults("x", {"Resources": resources})
    assert found.startswith(fault)


def test_the_sizes_that_are_written_down_are_those_of_today() -> None:
    found = Measure(12, 3, 15_001, 0)
    line = "| stage | 12 | 3 | 20,000 | 0 |"
    assert list(outdated("stage", found, f"a\n{line}\nb")) == []
    assert list(outdated("stage", found._replace(size=20_000), line)) == []
    for other in (found._replace(resources=13), found._replace(size=20_001, policy=1)):
        (told,) = outdated("stage", other, line)
        assert "docs/evidence.md should have the line: | stage | 1" in told


@pytest.mark.parametrize("path", [STAGE_TEMPLATE, TRUTH_TEMPLATE, TEMPLATE, BESIDE_TEMPLATE])
def test_our_templates_are_far_from_what_aws_takes(path: Any) -> None:
    template = json.loads((ROOT / path).read_text())
    named = {name: made for name, made in template["Resources"].items() if "Type" in made}
    for found, most in zip(measure({**template, "Resources": named}), MOST, strict=True):
        assert 2 * found < most
