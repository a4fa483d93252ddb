"""The stack of a truth: what it keeps, and the functions that run once for all its applications."""

from typing import Any

from tools.resources import edge
from tools.resources.alarms import other_alarms, truth_alarms
from tools.resources.functions import Function
from tools.resources.permissions import (
    ANSWER,
    FIND,
    FOLLOW,
    LOAD,
    MOVE,
    NOTE,
    READING_ARCHIVE,
    ROWS,
    WAKING_ALL,
    Json,
    bus,
    logging,
    objects,
    of_every_application,
    reading_stream,
    tables,
)
from tools.resources.stacks import (
    ALARM_TOPIC,
    IS_PROTECTED,
    KEEP_LOGS_DAYS,
    KEY,
    STAGE,
    TRUTH,
    archive_bucket,
    archive_policy,
    attribute,
    backup,
    bus_stream,
    has,
    is_true,
    parameter,
    search_domain,
    tables_of,
    yes_or_no,
)
from tools.resources.template import WAKE_UP, log_group

# The module where Lambda looks up the functions of a truth.
MODULE = "chalicelib.leftfold.functions.truth"
# `leftfold` replaces it by the place to which it has uploaded the code.
CODE = "./truth.zip"
# The applications, and whether the policies of this truth's generation act.
SCAN_APPLICATIONS = (
    tables(("dynamodb:Scan",), "applications"),
    tables(("dynamodb:GetItem",), "control"),
)
RELAYING = (
    # The head is claimed by an update (docs/adr/0030).
    tables((*FOLLOW, "dynamodb:PutItem", "dynamodb:UpdateItem"), "log"),
    tables(MOVE, "streams", "policy-checkpoints"),
    tables(ROWS, "bodies"),
    bus(["kinesis:PutRecords"]),
    *READING_ARCHIVE,
)
FUNCTIONS = (
    Function(
        "relay",
        (reading_stream("events"), tables(("dynamodb:Query",), "events"), *RELAYING),
        woken=True,
    ),
    Function("log_grew", (reading_stream("log"), *SCAN_APPLICATIONS, WAKING_ALL)),
    Function(
        "sweeper",
        (
            tables(("dynamodb:Query", "dynamodb:Scan"), "events"),
            *RELAYING,
            *SCAN_APPLICATIONS,
            tables(NOTE, "policy-checkpoints"),
            of_every_application(LOAD, "view-checkpoints"),
            of_every_application(("dynamodb:Query",), "view-parked"),
            tables(("dynamodb:Query",), "policy-parked"),
            WAKING_ALL,
        ),
    ),
    Function(
        "archive",
        (
            tables((*ANSWER, "dynamodb:DeleteItem"), "events"),
            tables((*MOVE, "dynamodb:Scan"), "streams"),
            tables((*FOLLOW, "dynamodb:PutItem", "dynamodb:DeleteItem"), "log"),
            tables((*FIND, "dynamodb:DeleteItem"), "bodies"),
            *SCAN_APPLICATIONS,
            of_every_application(LOAD, "view-checkpoints"),
            tables((*LOAD, *NOTE), "policy-checkpoints"),
            *objects("s3:GetObject", "s3:PutObject"),
        ),
    ),
)


def following(table: str, batch: int | Json, **properties: Json) -> Json:
    """The event source of a function that reads a table's stream, with further *properties*."""
    return {
        "Type": "DynamoDB",
        "Properties": {
            "Stream": attribute(table, "StreamArn"),
            # A mapping is made after its stream, and must not miss the records in between.
            "StartingPosition": "TRIM_HORIZON",
            "BatchSize": batch,
            "FilterCriteria": {"Filters": [{"Pattern": '{"eventName": ["INSERT"]}'}]},
            **properties,
        },
    }


def every(rate: str) -> Json:
    """The event source of a function that runs at times."""
    return {"Type": "Schedule", "Properties": {"Schedule": f"rate({rate})"}}


SOURCES = {
    "relay": following("EventsTable", {"Ref": "RelayBatch"}),
    "log_grew": following("LogTable", 1000, MaximumBatchingWindowInSeconds={"Ref": "WakeWindow"}),
    "sweeper": every("1 minute"),
    "archive": every("1 day"),
}
# Lambda's longest timeout for the archiver: the next day's run goes on where one stops.
TIMEOUTS = {"archive": 900}


def function_resources(function: Function) -> Json:
    """A function with its role and its log group."""
    name = function.logical_id
    properties: Json = {
        "FunctionName": {"Fn::Sub": function.full_name},
        "Handler": f"{MODULE}.{function.name}",
        "CodeUri": CODE,
        "Runtime": {"Ref": "Runtime"},
        "Architectures": [{"Ref": "Architecture"}],
        "MemorySize": {"Ref": "Memory"},
        "Timeout": TIMEOUTS.get(function.name, 60),
        "Role": attribute(f"{name}Role", "Arn"),
        "Environment": {
            "Variables": {
                "LEFTFOLD_TRUTH": {"Ref": "Truth"},
                "LEFTFOLD_STAGE": {"Ref": "Stage"},
                "LEFTFOLD_ARCHIVE": {"Ref": "ArchiveBucket"},
                **edge.EVERYWHERE,
            }
        },
        "Events": {f"{name}Event": SOURCES[function.name]},
    }
    if function.woken:
        properties["EventInvokeConfig"] = WAKE_UP
    return {
        name: {"Type": "AWS::Serverless::Function", "Properties": properties},
        f"{name}Role": role(function),
        f"{name}Log": log_group(function),
        **other_alarms(function),
    }


def role(function: Function) -> Json:
    """The role of a function."""
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
            "Policies": [
                {
                    "PolicyName": "function",
                    "PolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": [logging(function.full_name), *function.statements],
                    },
                }
            ],
        },
    }


def truth_template() -> Json:
    """What cannot be rebuilt, what carries and searches it, and the functions that tend it."""
    resources: Json = {
        **tables_of("truth"),
        "ArchiveBucket": archive_bucket(),
        "ArchiveBucketPolicy": archive_policy(),
        "BusStream": bus_stream(),
        "Search": search_domain(),
        **backup(),
        **truth_alarms(),
    }
    for function in FUNCTIONS:
        resources |= function_resources(function)
    outputs: dict[str, Any] = {
        "Truth": {"Ref": "Truth"},
        "ArchiveBucket": {"Ref": "ArchiveBucket"},
        "SearchEndpoint": attribute("Search", "DomainEndpoint"),
        "SearchArn": attribute("Search", "Arn"),
    }
    return {
        "Transform": "AWS::Serverless-2016-10-31",
        "Parameters": {
            "Stage": STAGE,
            "Truth": TRUTH,
            **{name: edge.PARAMETERS[name] for name in ("Logs", "OtlpEndpoint", "OtlpHeaders")},
            "IsProtected": IS_PROTECTED,
            "AlarmTopic": ALARM_TOPIC,
            "KeyArn": KEY,
            "KeepLogsDays": KEEP_LOGS_DAYS,
            "HasBackup": yes_or_no("Whether AWS Backup copies the tables every day"),
            "Memory": parameter("MB of each function", Default="512"),
            "Shards": parameter("Shards of the bus", Default="1"),
            "RelayBatch": parameter(
                "Commits that an invocation of the relay gets: 500 for each log", Default="500"
            ),
            "WakeWindow": parameter(
                "Seconds that a growing log is watched before its followers are woken", Default="0"
            ),
            "SearchInstance": parameter("Of the search domain", Default="t3.small.search"),
            "SearchInstances": parameter("1, or a multiple of 2", Default="1"),
            "SearchVolume": parameter("GB of each search instance", Default="10"),
            "SearchLeast": parameter("MB that must be free on each of them", Default="2500"),
            "Runtime": parameter("Lambda's runtime", Default="python3.12"),
            "Architecture": parameter(
                "The functions' processor", Default="x86_64", AllowedValues=["x86_64", "arm64"]
            ),
        },
        "Conditions": {
            "IsProtected": is_true("IsProtected"),
            "HasAlarmTopic": has("AlarmTopic"),
            "HasKey": has("KeyArn"),
            "HasBackup": is_true("HasBackup"),
            "HasManySearchInstances": {
                "Fn::Not": [{"Fn::Equals": [{"Ref": "SearchInstances"}, "1"]}]
            },
        },
        "Resources": resources,
        "Outputs": {name: {"Value": value} for name, value in outputs.items()},
    }
