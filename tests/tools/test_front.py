"""The stage's domain on MiniStack: CloudFormation moves it, and requests never miss."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Event, Thread
from typing import Any

import httpx
import pytest

from tools.cloud import Cloud
from tools.deploy import stage_stack
from tools.front import Front
from tools.resources.access import NOWHERE
from tools.stacks import Stacks
from tools.stages import stage
from tools.uploading import Uploads

STAGE = replace(
    stage("dev"),
    name="fronted",
    domain="api.fronted.test",
    certificate="arn:aws:acm:::certificate/a",
)
FIRST, SECOND = STAGE.prefix, f"{STAGE.prefix}--second"


def answering(text: str) -> dict[str, Any]:
    """An application's template as far as the front needs it: an API that answers with a text."""
    mock = {
        "Type": "MOCK",
        "RequestTemplates": {"application/json": '{"statusCode": 200}'},
        "IntegrationResponses": [
            {"StatusCode": "200", "ResponseTemplates": {"application/json": text}}
        ],
    }
    method = {
        "RestApiId": {"Ref": "RestAPI"},
        "ResourceId": {"Fn::GetAtt": ["RestAPI", "RootResourceId"]},
        "HttpMethod": "GET",
        "AuthorizationType": "NONE",
        "Integration": mock,
        "MethodResponses": [{"StatusCode": "200"}],
    }
    deployment = {"RestApiId": {"Ref": "RestAPI"}, "StageName": "api"}
    url = "https://${RestAPI}.execute-api.${AWS::Region}.amazonaws.com/api/"
    return {
        "Parameters": {name: {"Type": "String", "Default": ""} for name in ("MovedTo", "FedByBus")},
        "Resources": {
            "RestAPI": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": text}},
            "Method": {"Type": "AWS::ApiGateway::Method", "Properties": method},
            "Deployment": {
                "Type": "AWS::ApiGateway::Deployment",
                "DependsOn": "Method",
                "Properties": deployment,
            },
        },
        "Outputs": {
            "RestAPIId": {"Value": {"Ref": "RestAPI"}},
            "EndpointURL": {"Value": {"Fn::Sub": url}},
        },
    }


@pytest.fixture
def front(ministack: str) -> Iterator[Front]:
    """The front of a stage with two applications."""
    stacks = Stacks(Cloud(ministack), lambda _: None)
    uploads = Uploads(stacks.cloud, STAGE.prefix)
    uploads.make_bucket()
    sign_in = {
        name: {"Type": "String", "Default": default}
        for name, default in (("ConsoleUrls", NOWHERE), ("OtherIssuer", ""))
    }
    topic = {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Ref": "ConsoleUrls"}}}
    made: dict[str, Any] = {"Parameters": sign_in, "Resources": {"Topic": topic}}
    stacks.bring(stage_stack(STAGE), uploads.template(made), {})
    for name in (FIRST, SECOND):
        stacks.bring(name, uploads.template(answering(name)), {})
    found = Front(STAGE, stacks)
    yield found
    found.delete()
    for name in (FIRST, SECOND, stage_stack(STAGE)):
        stacks.delete(name)


def asked(front: Front) -> tuple[int, str]:
    """The answer at the stage's domain."""
    answer = httpx.get(
        f"{front.stacks.cloud.endpoint_url}/",
        headers={"Host": STAGE.domain},
        timeout=300,
        trust_env=False,
    )
    return answer.status_code, answer.text


@contextmanager
def asking(front: Front) -> Iterator[set[tuple[int, str]]]:
    """Asks all the while; all answers."""
    stop, answers = Event(), set[tuple[int, str]]()

    def ask() -> None:
        while not stop.is_set():
            answers.add(asked(front))

    thread = Thread(target=ask)
    thread.start()
    try:
        yield answers
    finally:
        stop.set()
        thread.join()


def test_the_domain_moves_to_another_application_and_back_and_no_request_misses(
    front: Front,
) -> None:
    both = (FIRST, SECOND)
    assert front.lead_to(FIRST, both) == f"https://{STAGE.domain}"
    with asking(front) as answers:
        for name in (SECOND, FIRST, SECOND):
            front.lead_to(name, both, left=front.leads_to())
            assert (asked(front), front.leads_to()) == ((200, name), name)
    assert answers <= {(200, FIRST), (200, SECOND)}
    # The domain serves, so no application sends requests on; people sign in there.
    assert {front.stacks.parameters(name)["MovedTo"] for name in both} == {""}
    told = front.stacks.parameters(stage_stack(STAGE))
    assert told["ConsoleUrls"] == f"https://{STAGE.domain}/console/index.html"


def test_a_domain_leads_nowhere_when_its_application_goes_and_leads_to_the_next_one(
    front: Front,
) -> None:
    front.lead_to(FIRST, ())
    front.leave(SECOND)
    assert front.leads_to() == FIRST
    front.leave(FIRST)
    assert front.leads_to() is None
    assert asked(front)[1] != FIRST
    target = front.stacks.outputs(front.stack)["DomainTarget"]
    front.lead_to(SECOND, ())
    assert asked(front) == (200, SECOND)
    # The DNS record stays right.
    assert front.stacks.outputs(front.stack)["DomainTarget"] == target
