"""The end of an application, or of a stage with all that it has kept."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from tools.bootstrap import ROOT
from tools.cloud import DeployError, explained
from tools.deploy import applications, beside_stack, stage_stack, truth_stack
from tools.stacks import Stacks
from tools.stages import Stage
from tools.truths import truths

TABLE, BUCKET = "AWS::DynamoDB::Table", "AWS::S3::Bucket"


def destroy_application(stage: Stage, stacks: Stacks) -> None:
    """Deletes the stage's first application, and what stands beside it; the truth stays.

    Raises DeployError, if the application is Chalice's to delete.
    """
    deployed = ROOT / ".chalice" / "deployed" / f"{stage.name}.json"
    if deployed.exists() and json.loads(deployed.read_text()).get("resources"):
        raise DeployError(f"run `chalice delete --stage {stage.name}` first: it made the functions")
    with explained(stacks.cloud):
        if stacks.find(truth_stack(stage)) is not None:
            register = applications(stage.prefix, stacks.cloud)
            if register.known().active == stage.prefix:
                register.retire()
            register.remove(stage.prefix)
        for stack in (stage.prefix, beside_stack(stage)):
            stacks.delete(stack)


def destroy_truth(stage: Stage, stacks: Stacks) -> None:
    """Deletes a stage's truth, with its events and its archive, and the stage itself.

    Raises DeployError if applications stand on it. Killed, it may be run again.
    """
    cloud = stacks.cloud
    with explained(cloud):
        if stacks.find(truth_stack(stage)) is not None:
            standing = applications(stage.prefix, cloud).known().applications
            later = [name for name in truths(stage, stacks) if name != stage.prefix]
            if later:
                raise DeployError(
                    f"other truths stand on this stage: {', '.join(later)};"
                    " `leftfold generation drop` them first"
                )
            if standing:
                raise DeployError(
                    f"applications stand on this truth: {', '.join(standing)}; delete them first"
                )
        delete_kept([truth_stack(stage), stage_stack(stage)], stacks)


def delete_kept(names: Sequence[str], stacks: Stacks) -> None:
    """Deletes stacks, and then what CloudFormation leaves of them: tables and archives."""
    kept = [made for stack in names for made in stacks.resources(stack)]
    dynamodb = stacks.cloud.client("dynamodb")
    tables = [name for kind, name in kept if kind == TABLE]
    for table in tables:
        dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)
    for stack in names:
        stacks.delete(stack)
    # CloudFormation has left these where they are.
    for table in tables:
        stacks.report(f"destroy: {table}")
        dynamodb.delete_table(TableName=table)
    s3 = stacks.cloud.client("s3")
    for bucket in (name for kind, name in kept if kind == BUCKET):
        stacks.report(f"destroy: {bucket}")
        empty(s3, bucket)
        s3.delete_bucket(Bucket=bucket)


def empty(s3: Any, bucket: str) -> None:
    """Deletes every version of every object of a bucket."""
    s3.delete_bucket_policy(Bucket=bucket)
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        versions = list(versions_of(page))
        if versions:
            s3.delete_objects(Bucket=bucket, Delete={"Objects": versions})


def versions_of(page: Any) -> Iterator[dict[str, str]]:
    """The versions and delete markers of a page."""
    for kind in ("Versions", "DeleteMarkers"):
        for found in page.get(kind, ()):
            yield {"Key": found["Key"], "VersionId": found["VersionId"]}
