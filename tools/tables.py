"""The deployment's own tables, made on an engine from the templates in infra/."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
from botocore.config import Config

from chalicelib.leftfold.store.log import LogTables

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

INFRA = Path(__file__).parent.parent / "infra"
TEMPLATES = [INFRA / f"{name}.json" for name in ("stage", "truth", "resources")]
# The first application of a stage shares its name with stage and truth.
PREFIX = re.compile(r"\$\{(AWS::StackName|Truth|Stage)\}")
# The properties that an engine needs; encryption and the like are for AWS.
USED = (
    "AttributeDefinitions",
    "BillingMode",
    "KeySchema",
    "StreamSpecification",
)


def dynamodb_client(url: str, **config: Any) -> "DynamoDBClient":
    """A client for an engine on this machine."""
    return boto3.client(
        "dynamodb",
        endpoint_url=url,
        region_name="eu-central-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106 - engines take any
        config=Config(**({"max_pool_connections": 32} | config)),
    )


def create_tables(client: "DynamoDBClient", stack: str | None = None) -> str:
    """Makes every table of the templates under a stack's name, and returns that name."""
    stack = stack or f"t{uuid4().hex[:12]}"
    templates = [json.loads(path.read_text()) for path in TEMPLATES]
    for resource in (r for template in templates for r in template["Resources"].values()):
        if resource.get("Type") != "AWS::DynamoDB::Table":
            continue
        properties = resource["Properties"]
        made = {name: properties[name] for name in USED if name in properties}
        if "StreamSpecification" in made:
            made["StreamSpecification"] = {**made["StreamSpecification"], "StreamEnabled": True}
        name = PREFIX.sub(stack, properties["TableName"]["Fn::Sub"])
        client.create_table(TableName=name, **made)
    return stack


def log_tables(stack: str) -> LogTables:
    """The tables of the log of a stack."""
    return LogTables(*(f"{stack}-{name}" for name in LogTables._fields))
