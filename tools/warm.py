"""Processes of the API that are ready before a request comes: Lambda's provisioned concurrency.

Lambda has it for published versions alone. So the API calls the alias `live` of its function, and
whoever has changed the function publishes what it is now, and leads the alias there.
"""

import time
from typing import Any

from botocore.exceptions import ClientError

from tools.cloud import Cloud, DeployError
from tools.engines import Progress

ALIAS = "live"
# The newest one serves, and the one before it may still answer a request.
KEPT_VERSIONS = 2
SECONDS = 2.0


def keep_warm(cloud: Cloud, function: str, count: int, api: str, report: Progress) -> None:
    """Keeps *count* processes of *function*, as it is now, ready for the requests of *api*.

    With 0 there is no alias any more, and so nothing to be paid for. May be killed, and run again.
    Raises DeployError if Lambda cannot.
    """
    functions = cloud.client("lambda")
    if not count:
        forget(functions, function)
        return
    functions.get_waiter("function_updated_v2").wait(FunctionName=function)
    # The last one, if nothing has changed since.
    version = functions.publish_version(FunctionName=function)["Version"]
    lead(functions, function, version)
    home = f"arn:{cloud.partition}:execute-api:{cloud.region}:{cloud.account}"
    let(functions, f"{function}:{ALIAS}", f"{home}:{api}/*")
    qualified = {"FunctionName": function, "Qualifier": ALIAS}
    functions.put_provisioned_concurrency_config(**qualified, ProvisionedConcurrentExecutions=count)
    while True:
        now = functions.get_provisioned_concurrency_config(**qualified)
        ready = now.get("AvailableProvisionedConcurrentExecutions", 0)
        if now["Status"] == "READY":
            break
        if now["Status"] == "FAILED":
            raise DeployError(
                f"{function}: {count} processes cannot be kept ready: {now['StatusReason']}"
            )
        report(f"deploy: {function}: {ready} of {count} processes are ready")
        time.sleep(SECONDS)
    for old in versions(functions, function)[:-KEPT_VERSIONS]:
        functions.delete_function(FunctionName=function, Qualifier=old)


def lead(functions: Any, function: str, version: str) -> None:
    """Leads the alias to a version."""
    alias = {"FunctionName": function, "Name": ALIAS, "FunctionVersion": version}
    try:
        functions.update_alias(**alias)
    except functions.exceptions.ResourceNotFoundException:
        functions.create_alias(**alias)


def forget(functions: Any, function: str) -> None:
    """Takes the alias away, and with it what it keeps ready."""
    try:
        functions.get_alias(FunctionName=function, Name=ALIAS)
    except functions.exceptions.ResourceNotFoundException:
        return
    functions.delete_provisioned_concurrency_config(FunctionName=function, Qualifier=ALIAS)
    functions.delete_alias(FunctionName=function, Name=ALIAS)


def versions(functions: Any, function: str) -> list[str]:
    """The published versions, oldest first."""
    pages = functions.get_paginator("list_versions_by_function").paginate(FunctionName=function)
    found = [made["Version"] for page in pages for made in page["Versions"]]
    return sorted((version for version in found if version.isdigit()), key=int)


def let(functions: Any, name: str, source: str) -> None:
    """Lets an API call a function, or an alias of one; it may have been let already."""
    try:
        functions.add_permission(
            FunctionName=name,
            StatementId="leftfold-api",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=source,
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceConflictException":
            raise
