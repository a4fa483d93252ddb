"""From a package to a running stack: upload, change set, wait; alike on AWS and MiniStack."""

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from tools.bootstrap import ROOT
from tools.cloud import Cloud, DeployError, explained
from tools.engines import Progress
from tools.package import Package
from tools.resources import STAGE_TEMPLATE, TRUTH_TEMPLATE

NO_CHANGES = ("didn't contain changes", "No updates are to be performed")


@dataclass(frozen=True)
class Deployed:
    """A running stack: the base *url* of its API, and all that the template puts out."""

    stack: str
    url: str
    outputs: dict[str, str]


def deploy(package: Package, stack: str, cloud: Cloud, report: Progress) -> Deployed:
    """Creates or updates the stacks of the stage *stack*, of its truth, and of its application.

    Raises DeployError; then the stack that failed is as it was before.
    """
    with explained(cloud):
        report("deploy: uploading")
        bucket = _bucket(cloud)
        template_url = _upload(package, stack, bucket, cloud)
        stage = {"Stage": stack}
        named = {
            **_apply(f"{stack}-stage", STAGE_TEMPLATE, stage, bucket, cloud, report),
            "Truth": stack,
        }
        truth = _apply(f"{stack}-truth", TRUTH_TEMPLATE, named, bucket, cloud, report)
        _bring(stack, template_url, {**named, **truth, **cloud.parameters}, cloud, report)
        return find(stack, cloud)


def _apply(
    stack: str,
    template: Path,
    parameters: Mapping[str, str],
    bucket: str,
    cloud: Cloud,
    report: Progress,
) -> Mapping[str, str]:
    """Creates or updates a stack that has no code; its outputs."""
    s3 = cloud.client("s3")
    body = (ROOT / template).read_bytes()
    key = f"{stack}/{hashlib.sha256(body).hexdigest()}.json"
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    _bring(stack, f"{s3.meta.endpoint_url}/{bucket}/{key}", parameters, cloud, report)
    return find_outputs(stack, cloud)


def _bring(
    stack: str, template_url: str, parameters: Mapping[str, str], cloud: Cloud, report: Progress
) -> None:
    """Makes a stack what its template says."""
    formation = cloud.client("cloudformation")
    change_set = _change_set(formation, stack, template_url, parameters)
    if change_set is not None:
        _execute(formation, stack, change_set, report)


def find_outputs(stack: str, cloud: Cloud) -> dict[str, str]:
    """All that a stack puts out. Raises DeployError if there is no such stack."""
    with explained(cloud):
        found = _describe(cloud.client("cloudformation"), stack)
    if found is None or "Outputs" not in found:
        raise DeployError(f"no stack {stack} is deployed; `leftfold deploy` does it")
    return {out["OutputKey"]: out["OutputValue"] for out in found["Outputs"]}


def find(stack: str, cloud: Cloud) -> Deployed:
    """The stack as it runs. Raises DeployError if there is none."""
    outputs = find_outputs(stack, cloud)
    return Deployed(stack, cloud.api_url(outputs), outputs)


def _bucket(cloud: Cloud) -> str:
    """The bucket of code and templates, which is made if there is none."""
    account = cloud.client("sts").get_caller_identity()["Account"]
    s3 = cloud.client("s3")
    bucket = f"leftfold-{account}-{s3.meta.region_name}"
    _make_bucket(s3, bucket)
    return bucket


def _upload(package: Package, stack: str, bucket: str, cloud: Cloud) -> str:
    """Brings code and template of the application to S3; the template's URL."""
    s3 = cloud.client("s3")
    code = f"{stack}/{package.fingerprint}.zip"
    # An object that is there already is whole, because its name is a hash of its content.
    if not s3.list_objects_v2(Bucket=bucket, Prefix=code).get("KeyCount"):
        s3.upload_file(str(package.zip), bucket, code)
    template = json.loads(package.template.read_text())
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = {"Bucket": bucket, "Key": code}
    key = f"{stack}/{package.fingerprint}.json"
    s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(template).encode())
    return f"{s3.meta.endpoint_url}/{bucket}/{key}"


def _make_bucket(s3: Any, bucket: str) -> None:
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
        region = s3.meta.region_name
        # us-east-1 is the one region that may not be named.
        where = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=bucket, **({} if region == "us-east-1" else where))


def _change_set(
    formation: Any, stack: str, template_url: str, given: Mapping[str, str]
) -> str | None:
    """A change set that is ready to be executed, or None if it would change nothing.

    Of what is *given*, the template gets the parameters that it has.
    """
    takes = formation.get_template_summary(TemplateURL=template_url)["Parameters"]
    parameters = [
        {"ParameterKey": key, "ParameterValue": given[key]}
        for key in (parameter["ParameterKey"] for parameter in takes)
        if key in given
    ]
    found = _describe(formation, stack)
    status = found["StackStatus"] if found else "REVIEW_IN_PROGRESS"
    if status == "ROLLBACK_COMPLETE":
        raise DeployError(
            f"the first deployment of {stack} failed and left an empty stack; delete it:"
            f" aws cloudformation delete-stack --stack-name {stack}"
        )
    if status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
        raise DeployError(f"another deployment of {stack} is running; wait for it")
    made: str = formation.create_change_set(
        StackName=stack,
        ChangeSetName=f"leftfold-{time.time_ns()}",
        ChangeSetType="CREATE" if status == "REVIEW_IN_PROGRESS" else "UPDATE",
        TemplateURL=template_url,
        Capabilities=["CAPABILITY_IAM"],
        Parameters=parameters,
    )["Id"]
    while True:
        planned = formation.describe_change_set(ChangeSetName=made)
        if planned["Status"] == "CREATE_COMPLETE":
            return made
        if planned["Status"] == "FAILED":
            reason = planned.get("StatusReason", "")
            formation.delete_change_set(ChangeSetName=made)
            if any(text in reason for text in NO_CHANGES):
                return None
            raise DeployError(f"CloudFormation refused the template: {reason}")
        time.sleep(0.5)


def _execute(formation: Any, stack: str, change_set: str, report: Progress) -> None:
    pages = formation.get_paginator("describe_change_set").paginate(ChangeSetName=change_set)
    waiting = {
        change["ResourceChange"]["LogicalResourceId"]
        for page in pages
        for change in page["Changes"]
    }
    total = len(waiting)
    formation.execute_change_set(ChangeSetName=change_set)
    failures: list[str] = []
    seen: set[str] = set(_events(formation, stack))
    while True:
        status = _describe(formation, stack)["StackStatus"]
        for key, event in _events(formation, stack).items():
            if key not in seen:
                seen.add(key)
                name, state = event["LogicalResourceId"], event["ResourceStatus"]
                if state.endswith("_FAILED"):
                    failures.append(f"{name}: {event.get('ResourceStatusReason', state)}")
                if state.endswith("_COMPLETE"):
                    waiting.discard(name)
                report(f"deploy: {total - len(waiting)} of {total} resources: {name} {state}")
        if not status.endswith("_IN_PROGRESS"):
            break
        time.sleep(0.5)
    if status not in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
        first = failures[0] if failures else status
        raise DeployError(f"the deployment failed and was rolled back; {first}")


def _describe(formation: Any, stack: str) -> Any:
    try:
        return formation.describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise


def _events(formation: Any, stack: str) -> dict[str, Any]:
    """The stack's newest events by their id, oldest first."""
    newest = formation.describe_stack_events(StackName=stack)["StackEvents"]
    return {event["EventId"]: event for event in reversed(newest)}
