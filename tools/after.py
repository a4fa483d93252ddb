"""What `chalice deploy` cannot set, and `leftfold provision --after` sets: wakes, and the API's edge.

`chalice deploy` writes the whole API anew, so this is done after each of them.
"""

from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

from tools.bootstrap import ROOT
from tools.cloud import Cloud, DeployError, explained
from tools.provisioned import chalice_api, literal, provisioned
from tools.resources.beside import asynchronous
from tools.resources.edge import API_STAGE, LINE
from tools.stages import Stage
from tools.warm import keep_warm, let

Json = Mapping[str, Any]


def finish(stage: Stage, cloud: Cloud, merged: Json, root: Path = ROOT) -> Iterator[str]:
    """Gives Chalice's application what *merged*, the application's template, says beside it.

    Yields each thing that is set. Raises DeployError if there is no such application, or if its API
    lacks a route; all else is set then.
    """
    facts = provisioned(stage.name, root)
    made = chalice_api(stage.name, root)
    if facts is None or made is None:
        raise DeployError(f"nothing is there to finish; run `chalice deploy --stage {stage.name}`")
    api = made.api_id
    with explained(cloud):
        functions = cloud.client("lambda")
        for function, settings in asynchronous(dict(merged), stage.prefix).items():
            functions.put_function_event_invoke_config(FunctionName=function, **settings)
            yield f"the wakes of {function}"
        warm = int(facts["ApiWarm"])
        if warm:
            # Before the API calls its alias.
            keep_warm(cloud, stage.prefix, warm, api, lambda _: None)
            yield f"{warm} processes of {stage.prefix} are ready"
        body = merged["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
        yield from responses(cloud, api, body["x-amazon-apigateway-gateway-responses"])
        missing = yield from routes(cloud, api, merged, facts)
        cloud.client("apigateway").create_deployment(restApiId=api, stageName=API_STAGE)
        bounds(cloud, api, facts)
        yield "the API's name and throttling" + (" and access log" if logs(facts) else "")
        if not warm:
            keep_warm(cloud, stage.prefix, 0, api, lambda _: None)
        if facts["WebAcl"]:
            home = f"arn:{facts['Partition']}:apigateway:{facts['Region']}::"
            cloud.client("wafv2").associate_web_acl(
                WebACLArn=facts["WebAcl"],
                ResourceArn=f"{home}/restapis/{api}/stages/{API_STAGE}",
            )
            yield "the API's firewall"
        if missing:
            raise DeployError(
                f"the API has no {', '.join(missing)}; run `chalice deploy`, then this again"
            )


def routes(
    cloud: Cloud, api: str, merged: Json, facts: Mapping[str, str]
) -> Generator[str, None, list[str]]:
    """Leads each route to its function, where Chalice has not, and lets the API call that function.

    Chalice leads all to the API's function, and knows no alias of it. Returns the routes that the
    API lacks.
    """
    gateway, functions = cloud.client("apigateway"), cloud.client("lambda")
    pages = gateway.get_paginator("get_resources").paginate(restApiId=api)
    ids = {found["path"]: found["id"] for page in pages for found in page["items"]}
    home = f"{facts['Region']}:{facts['Account']}"
    let_in = set()
    led: dict[str, str] = {}
    missing = []
    for path, methods in merged["Resources"]["RestAPI"]["Properties"]["DefinitionBody"][
        "paths"
    ].items():
        if path not in ids:
            missing.append(path)
            continue
        for method, operation in methods.items():
            uri = operation["x-amazon-apigateway-integration"]["uri"]
            logical_id = uri["Fn::Sub"].partition("/functions/${")[2].partition(".")[0]
            is_apis = logical_id == "APIHandler"
            if is_apis and not facts["ApiAlias"]:
                continue
            name = function_name(merged, logical_id, facts)
            called = f"arn:{facts['Partition']}:lambda:{home}:function:{name}"
            gateway.put_integration(
                restApiId=api,
                resourceId=ids[path],
                httpMethod=method.upper(),
                type="AWS_PROXY",
                integrationHttpMethod="POST",
                uri=literal(uri, {**facts, f"{logical_id}.Arn": called}),
                passthroughBehavior="WHEN_NO_MATCH",
                contentHandling="CONVERT_TO_TEXT",
            )
            if name not in let_in and not is_apis:
                let(functions, name, f"arn:{facts['Partition']}:execute-api:{home}:{api}/*")
                let_in.add(name)
            led[path] = name
    for path, name in led.items():
        yield f"the route {path} to {name}"
    return missing


def function_name(merged: Json, logical_id: str, facts: Mapping[str, str]) -> str:
    """The name of a function that Chalice has made. It calls the API's by the stage alone."""
    if logical_id == "APIHandler":
        return facts["Application"]
    named: str = literal(merged["Resources"][logical_id]["Properties"]["FunctionName"], facts)
    return named


def responses(cloud: Cloud, api: str, made: Json) -> Iterator[str]:
    """Has API Gateway's own refusals be problems like ours."""
    gateway = cloud.client("apigateway")
    for kind, response in made.items():
        gateway.put_gateway_response(restApiId=api, responseType=kind, **response)
    yield f"{len(made)} answers of API Gateway's own"


def logs(facts: Mapping[str, str]) -> bool:
    """Whether API Gateway writes a line for each request."""
    return facts["AccessLogs"] == "true"


def bounds(cloud: Cloud, api: str, facts: Mapping[str, str]) -> None:
    """Names the API, throttles its routes, and writes requests down if the stage does."""
    log = f"arn:{facts['Partition']}:logs:{facts['Region']}:{facts['Account']}:log-group"
    wanted = {
        "/*/*/metrics/enabled": "true",
        "/*/*/throttling/rateLimit": facts["ThrottleRate"],
        "/*/*/throttling/burstLimit": facts["ThrottleBurst"],
    }
    if logs(facts):
        wanted["/accessLogSettings/destinationArn"] = (
            f"{log}:/aws/apigateway/{facts['Application']}"
        )
        wanted["/accessLogSettings/format"] = LINE
    gateway = cloud.client("apigateway")
    # By its name CloudWatch tells the APIs of an account apart; Chalice names it after the app.
    name = {"op": "replace", "path": "/name", "value": facts["Application"]}
    gateway.update_rest_api(restApiId=api, patchOperations=[name])
    gateway.update_stage(
        restApiId=api,
        stageName=API_STAGE,
        patchOperations=[
            {"op": "replace", "path": path, "value": value} for path, value in wanted.items()
        ],
    )
