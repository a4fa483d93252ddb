"""A stage that Chalice deploys, deploys again and deletes, against moto: what each step leaves.

A process of its own, since Chalice loads the app with the variables of the stage that it deploys.
The argument is the root of a tree to deploy, whose stage dev is provisioned.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import click

REGION = "eu-central-1"
KEYS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}


def main(root: str) -> None:
    """Prints what there is after each command, a line of JSON for each."""
    os.environ.update({"AWS_DEFAULT_REGION": REGION, **KEYS})
    # Not before the region is known.
    import boto3
    from moto import mock_aws
    from moto.apigateway.models import APIGatewayBackend

    put = APIGatewayBackend.put_rest_api

    def put_rest_api(self: Any, api_id: str, api: Any, **more: Any) -> Any:
        """Takes version 2 of OpenAPI, as API Gateway does; moto reads its paths as those of 3."""
        return put(self, api_id, {k: v for k, v in api.items() if k != "swagger"}, **more)

    imported = APIGatewayBackend.import_rest_api

    def import_rest_api(self: Any, api: Any, *more: Any) -> Any:
        """Takes an API without a description, as API Gateway does."""
        return imported(self, {**api, "info": {"description": "", **api["info"]}}, *more)

    APIGatewayBackend.put_rest_api = put_rest_api  # type: ignore[assignment,method-assign]
    APIGatewayBackend.import_rest_api = import_rest_api  # type: ignore[assignment,method-assign]
    with mock_aws():
        client = cache(boto3.client)
        client("kinesis").create_stream(StreamName="leftfold-dev-bus", ShardCount=1)
        for step in ("deploy", "after", "warm", "deploy", "delete"):
            if step == "after":
                set_after(root)
            elif step == "warm":
                lead_to_alias(root, client)
            else:
                chalice(root, step)
            click.echo(json.dumps(found(client)))


def set_after(root: str) -> None:
    """`leftfold provision --after`, twice: it may be killed and run again."""
    from tools.after import finish
    from tools.cloud import Cloud
    from tools.deploy import read
    from tools.resources import TEMPLATE
    from tools.stages import stage

    for _ in range(2):
        assert list(finish(stage("dev"), Cloud(), read(TEMPLATE), Path(root)))


def lead_to_alias(root: str, client: Any) -> None:
    """What `provision --after` does with the routes where processes of the API are ready; moto has none."""
    from tools.after import routes
    from tools.cloud import Cloud
    from tools.deploy import read
    from tools.provisioned import chalice_api, provisioned
    from tools.resources import TEMPLATE
    from tools.warm import ALIAS, lead

    facts, made = provisioned("dev", Path(root)), chalice_api("dev", Path(root))
    assert facts is not None
    assert made is not None
    version = client("lambda").publish_version(FunctionName=facts["Application"])["Version"]
    for _ in range(2):
        lead(client("lambda"), facts["Application"], version)
    warm = {**facts, "ApiAlias": f":{ALIAS}"}
    assert list(routes(Cloud(), made.api_id, read(TEMPLATE), warm))


def chalice(root: str, command: str) -> None:
    """A command of Chalice's. Raises RuntimeError if it fails."""
    from chalice.cli import cli
    from click.testing import CliRunner

    done = CliRunner().invoke(cli, ["--project-dir", root, command, "--stage", "dev"], obj={})
    if done.exit_code:
        raise RuntimeError(done.output) from done.exception


def found(client: Any) -> Mapping[str, Any]:
    """All that Chalice makes, as AWS has it."""
    made, roles = client("lambda"), client("iam")
    functions = {f["FunctionName"]: f for f in made.list_functions()["Functions"]}
    wakes = {name: made.list_function_event_invoke_configs(FunctionName=name) for name in functions}
    return {
        "functions": functions,
        "concurrency": {
            name: made.get_function_concurrency(FunctionName=name)["ReservedConcurrentExecutions"]
            for name in functions
            if name in {"leftfold-dev", "leftfold-dev-feed"}
        },
        "roles": {
            role["Arn"]: roles.get_role_policy(
                RoleName=role["RoleName"], PolicyName=role["RoleName"]
            )["PolicyDocument"]
            for role in roles.list_roles()["Roles"]
        },
        "sources": [
            [mapping["FunctionArn"].rpartition(":")[2], mapping["EventSourceArn"]]
            for mapping in made.list_event_source_mappings()["EventSourceMappings"]
        ],
        "rules": {
            rule["Name"]: rule["ScheduleExpression"]
            for rule in client("events").list_rules()["Rules"]
        },
        "apis": dict(apis(client("apigateway"))),
        "wakes": {
            name: set_["FunctionEventInvokeConfigs"][0]["MaximumRetryAttempts"]
            for name, set_ in wakes.items()
            if set_["FunctionEventInvokeConfigs"]
        },
        "callers_of_feed": [
            statement["Principal"]["Service"] for statement in statements(made, "leftfold-dev-feed")
        ],
        "buses": client("kinesis").list_streams()["StreamNames"],
    }


def statements(functions: Any, name: str) -> list[dict[str, Any]]:
    """Who may call a function; nobody, if it is not there or nobody was let in."""
    try:
        policy = functions.get_policy(FunctionName=name)["Policy"]
    except functions.exceptions.ResourceNotFoundException:
        return []
    found: list[dict[str, Any]] = json.loads(policy)["Statement"]
    return found


def apis(gateway: Any) -> Iterator[tuple[str, Any]]:
    """The routes, the stages and the own refusals of each API."""
    for api in gateway.get_rest_apis()["items"]:
        routes = {}
        for resource in gateway.get_resources(restApiId=api["id"], limit=500)["items"]:
            for method, made in resource.get("resourceMethods", {}).items():
                uri = made["methodIntegration"].get("uri", "")
                called = uri.partition(":function:")[2].partition("/")[0]
                routes[f"{method} {resource['path']}"] = called
        deployments = gateway.get_deployments(restApiId=api["id"])["items"]
        answers = gateway.get_gateway_responses(restApiId=api["id"])["items"]
        yield (
            api["name"],
            {
                "routes": routes,
                "deployments": len(deployments),
                "stages": {
                    stage["stageName"]: stage["methodSettings"]
                    for stage in gateway.get_stages(restApiId=api["id"])["item"]
                },
                "answers": {answer["responseType"]: answer["statusCode"] for answer in answers},
            },
        )


if __name__ == "__main__":
    main(sys.argv[1])
