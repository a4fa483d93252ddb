"""The end of an application, or of a stage with all that it has kept."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from tools.bootstrap import ROOT
from tools.cloud import DeployError, explained
from tools.deploy import applications, beside_stack, stage_stack, truth_stack
from tools.resources.stacks import TABLES
from tools.stacks import Stacks
from tools.stages import Stage


def destroy_application(stage: Stage, stacks: Stacks) -> None:
    """Deletes the stage's first application, and what stands beside it; the truth stays.

    Raises DeployError, if the application is Chalice's to delete.
    """
    deployed = ROOT / ".chalice" / "deployed" / f"{stage.name}.json"
    if deployed.exists() and json.loads(deployed.read_text()).get("resources"):
        raise DeployError(f"run `chalice delete --stage {stage.name}` first: it made the functions")
    with explained(stacks.cloud):
        if stacks.find(truth_stack(stage)) is not None:
            register = applications(stage, stacks.cloud)
            if register.known().active == stage.prefix:
                register.retire()
            register.remove(stage.prefix)
        for stack in (stage.prefix, beside_stack(stage)):
            stacks.delete(stack)


def destroy_truth(stage: Stage, stacks: Stacks) -> None:
    """Deletes a stage's truth, with its events and its archive, and the stage itself.

    Raises DeployError if applications stand on it. Killed, it may be run again: what is to be
    deleted has names of its own, whatever is left of its stacks.
    """
    cloud = stacks.cloud
    with explained(cloud):
        dynamodb, s3 = cloud.client("dynamodb"), cloud.client("s3")
        names = [f"{stage.prefix}-{name}" for owner in ("truth", "stage") for name in TABLES[owner]]
        tables = [name for name in names if there(dynamodb.describe_table, TableName=name)]
        if f"{stage.prefix}-applications" in tables:
            standing = applications(stage, cloud).known().applications
            if standing:
                raise DeployError(
                    f"applications stand on this truth: {', '.join(standing)}; delete them first"
                )
        for table in tables:
            dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)
        for stack in (truth_stack(stage), stage_stack(stage)):
            stacks.delete(stack)
        # CloudFormation has left these where they are.
        for table in tables:
            stacks.report(f"destroy: {table}")
            dynamodb.delete_table(TableName=table)
        bucket = f"{stage.prefix}-archive-{cloud.account}-{cloud.region}"
        if there(s3.head_bucket, Bucket=bucket):
            stacks.report(f"destroy: {bucket}")
            empty(s3, bucket)
            s3.delete_bucket(Bucket=bucket)
        users = cloud.client("cognito-idp")
        for page in users.get_paginator("list_user_pools").paginate(MaxResults=60):
            for pool in page["UserPools"]:
                if pool["Name"] == f"{stage.prefix}-users":
                    stacks.report(f"destroy: {pool['Name']}")
                    users.delete_user_pool(UserPoolId=pool["Id"])


def there(ask: Callable[..., Any], **resource: str) -> bool:
    """Whether AWS knows a resource."""
    try:
        ask(**resource)
    except ClientError as error:
        if error.response["Error"]["Code"] in {"ResourceNotFoundException", "404"}:
            return False
        raise
    return True


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
