"""The end of an application, or of a stage with all that it has kept."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.leftfold.projection.search import drop_indexes
from tools.bootstrap import ROOT
from tools.cloud import Cloud, DeployError, explained
from tools.deploy import applications, beside_stack, data_keys, stage_stack, truth_stack
from tools.front import Front
from tools.resources.stacks import TABLES, Owner
from tools.stacks import Stacks
from tools.stages import Stage
from tools.truths import search_of, truths


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
        Front(stage, stacks).leave(stage.prefix)
        for stack in (stage.prefix, beside_stack(stage)):
            stacks.delete(stack)
        if stacks.find(truth_stack(stage)) is not None:
            drop_indexes(search_of(stage.prefix, stacks), stage.prefix)
        if stacks.find(stage_stack(stage)) is not None:
            data_keys(stage, stacks.cloud).leave(stage.prefix)


def destroy_truth(stage: Stage, stacks: Stacks) -> None:
    """Deletes a stage's truth, with its events and its archive, and the stage itself.

    Raises DeployError if applications or other truths stand on it. Killed, it may be run again.
    """
    cloud = stacks.cloud
    with explained(cloud):
        known = tables_of(cloud, stage.prefix, "truth") | tables_of(cloud, stage.prefix, "stage")
        if f"{stage.prefix}-control" in known:
            later = [name for name in truths(stage, stacks) if name != stage.prefix]
            if later:
                raise DeployError(
                    f"other truths stand on this stage: {', '.join(later)};"
                    " `leftfold generation drop` them first"
                )
        if f"{stage.prefix}-applications" in known:
            standing = applications(stage.prefix, cloud).known().applications
            if standing:
                raise DeployError(
                    f"applications stand on this truth: {', '.join(standing)}; delete them first"
                )
        Front(stage, stacks).delete()
        delete_kept([(stage.prefix, "truth"), (stage.prefix, "stage")], stacks)


def delete_kept(owners: Sequence[tuple[str, Owner]], stacks: Stacks) -> None:
    """Deletes the stacks of truths and stages, by their names, with what CloudFormation leaves.

    These are tables, archives and user pools. They have names of their own, so what a run that was
    killed has left is deleted by the next one, whatever is left of the stacks.
    """
    cloud = stacks.cloud
    dynamodb, s3 = cloud.client("dynamodb"), cloud.client("s3")
    tables = sorted(table for name, owner in owners for table in tables_of(cloud, name, owner))
    for table in tables:
        dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)
    for name, owner in owners:
        stacks.delete(f"{name}-{owner}")
    for table in tables:
        stacks.report(f"destroy: {table}")
        dynamodb.delete_table(TableName=table)
    for name, owner in owners:
        bucket = f"{name}-archive-{cloud.account}-{cloud.region}"
        if owner == "truth" and there(s3.head_bucket, Bucket=bucket):
            stacks.report(f"destroy: {bucket}")
            empty(s3, bucket)
            s3.delete_bucket(Bucket=bucket)
        if owner == "stage":
            delete_users(f"{name}-users", stacks)


def delete_users(name: str, stacks: Stacks) -> None:
    """Deletes the user pool of that name, if there is one."""
    users = stacks.cloud.client("cognito-idp")
    for page in users.get_paginator("list_user_pools").paginate(MaxResults=60):
        for pool in page["UserPools"]:
            if pool["Name"] == name:
                stacks.report(f"destroy: {name}")
                users.delete_user_pool(UserPoolId=pool["Id"])


def tables_of(cloud: Cloud, name: str, owner: Owner) -> set[str]:
    """The tables of a truth or a stage that are there."""
    dynamodb = cloud.client("dynamodb")
    names = (f"{name}-{table}" for table in TABLES[owner])
    return {table for table in names if there(dynamodb.describe_table, TableName=table)}


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
