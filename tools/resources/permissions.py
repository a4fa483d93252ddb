"""The permissions of functions, as statements of an IAM policy document."""

from collections.abc import Iterable
from typing import Any

from chalicelib.leftfold.wiring.settings import Settings

Json = dict[str, Any]

READ = ("dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query")
WRITE = (*READ, "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem")
STREAM = (
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:ListStreams",
)
BUS = (
    "kinesis:DescribeStream",
    "kinesis:DescribeStreamSummary",
    "kinesis:GetRecords",
    "kinesis:GetShardIterator",
    "kinesis:ListShards",
    "kinesis:SubscribeToShard",
)
# To execute commands: to load streams and append to them.
COMMAND = ("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query")
# Besides, to write on condition that another commit exists, or does not.
ANSWER = (*COMMAND, "dynamodb:ConditionCheckItem")
# A resource's name, with a reference to the stack that CloudFormation replaces.
NAMED = Settings({"LEFTFOLD_STACK": "${AWS::StackName}"}).named


def allow(actions: Iterable[str], *resources: Any, **more: Any) -> Json:
    """One statement of a policy document."""
    return {"Effect": "Allow", "Action": list(actions), "Resource": list(resources), **more}


def arn(service: str, rest: str) -> Json:
    """The ARN of something in the stack's own account and region."""
    home = "${AWS::Partition}:" + service + ":${AWS::Region}:${AWS::AccountId}"
    return {"Fn::Sub": f"arn:{home}:{rest}"}


def table(name: str) -> Json:
    """The ARN of one of the stack's tables."""
    return arn("dynamodb", f"table/{NAMED(name)}")


def tables(actions: Iterable[str], *names: str) -> Json:
    """Allows *actions* on the tables *names*."""
    return allow(actions, *map(table, names))


LOGGING = allow(
    ("logs:CreateLogStream", "logs:PutLogEvents"),
    arn("logs", "log-group:/aws/lambda/${AWS::StackName}-*"),
)


def checkpointing(kind: str) -> Json:
    """To keep the checkpoints and the parked streams of a "view" or a "policy"."""
    return tables(WRITE, f"{kind}-checkpoints", f"{kind}-parked")


def waking(*names: str) -> Json:
    """Allows a function to wake the functions *names*."""
    return allow(
        ("lambda:InvokeFunction",), *(arn("lambda", f"function:{NAMED(name)}") for name in names)
    )


def reading_stream(name: str) -> Json:
    """Allows a function to read the stream of a table."""
    return allow(STREAM, table(f"{name}/stream/*"))


def bus(actions: Iterable[str]) -> Json:
    """Allows *actions* on the bus."""
    return allow(actions, arn("kinesis", f"stream/{NAMED('bus')}"))


def search(*methods: str) -> Json:
    """Allows requests to the search domain by these HTTP methods."""
    actions = [f"es:ESHttp{method}" for method in methods]
    return allow(actions, {"Fn::Sub": "${Search.Arn}/*"})


def objects(*actions: str) -> Json:
    """Allows *actions* on the objects of the archive.

    Without s3:ListBucket, S3 answers 403 for an object that does not exist; with it, 404.
    """
    bucket = {"Fn::GetAtt": ["ArchiveBucket", "Arn"]}
    return allow((*actions, "s3:ListBucket"), {"Fn::Sub": "${ArchiveBucket.Arn}/*"}, bucket)


# To read personal data, and to write it: to make the keys of subjects that have none yet.
KEY: Json = {"Fn::GetAtt": ["PersonalDataKey", "Arn"]}
OPENING = (tables(("dynamodb:BatchGetItem",), "subjects"), allow(("kms:Decrypt",), KEY))
SEALING = (
    tables(("dynamodb:BatchGetItem", "dynamodb:PutItem"), "subjects"),
    allow(("kms:Decrypt", "kms:GenerateDataKey"), KEY),
)

# A function that reads events or the log reads their archived part in the bucket.
READING_ARCHIVE = objects("s3:GetObject")
READING_LOG = (tables(READ, "log", "streams"), READING_ARCHIVE)
