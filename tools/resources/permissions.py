"""The permissions of functions, as statements of an IAM policy document."""

from collections.abc import Collection, Iterable
from typing import Any

from chalicelib.leftfold.kernel import View
from chalicelib.leftfold.wiring.settings import Settings

Json = dict[str, Any]

# To read rows, positions, bodies, and the registry of streams: all by their keys.
LOAD = ("dynamodb:BatchGetItem",)
# To read what is parked, or to find who of many is parked.
FIND = ("dynamodb:Query", "dynamodb:BatchGetItem")
# To load rows, and to save one on condition.
ROWS = (*LOAD, "dynamodb:PutItem")
# To read positions, and to move one on condition.
MOVE = (*LOAD, "dynamodb:UpdateItem")
# To leave a note for the next run.
NOTE = ("dynamodb:GetItem", "dynamodb:PutItem")
# To find what is parked, and to park, extend and release.
PARK = (*FIND, "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem")
# To read the log's head, its links and its segments.
FOLLOW = ("dynamodb:GetItem", "dynamodb:Query")
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
COMMAND = ("dynamodb:PutItem", "dynamodb:Query")
# Besides, to write on condition that another commit exists, or does not.
ANSWER = (*COMMAND, "dynamodb:ConditionCheckItem")
# The names of stage, truth and application as references that CloudFormation replaces.
REFERENCES = Settings(
    {
        "LEFTFOLD_STACK": "${AWS::StackName}",
        "LEFTFOLD_TRUTH": "${Truth}",
        "LEFTFOLD_STAGE": "${Stage}",
    }
)
NAMED = REFERENCES.named


def allow(actions: Iterable[str], *resources: Any, **more: Any) -> Json:
    """One statement of a policy document."""
    return {"Effect": "Allow", "Action": list(actions), "Resource": list(resources), **more}


def arn(service: str, rest: str) -> Json:
    """The ARN of something in the stack's own account and region."""
    home = "${AWS::Partition}:" + service + ":${AWS::Region}:${AWS::AccountId}"
    return {"Fn::Sub": f"arn:{home}:{rest}"}


def table(name: str) -> Json:
    """The ARN of a table of the deployment."""
    return arn("dynamodb", f"table/{NAMED(name)}")


def tables(actions: Iterable[str], *names: str) -> Json:
    """Allows *actions* on the tables *names*, in whichever stack each of them is."""
    return allow(actions, *map(table, names))


def logging(function: str) -> Json:
    """Allows a function, by its full name, to write its own log."""
    group = arn("logs", f"log-group:/aws/lambda/{function}:*")
    return allow(("logs:CreateLogStream", "logs:PutLogEvents"), group)


def checkpointing(kind: str) -> tuple[Json, ...]:
    """To keep the checkpoints and the parked streams of a "view" or a "policy"."""
    return tables(MOVE, f"{kind}-checkpoints"), tables(PARK, f"{kind}-parked")


def of_every_application(actions: Iterable[str], *names: str) -> Json:
    """Allows *actions* on the tables *names* of each application that a stage may ever have.

    The first application is called like its stage, and a later one STAGE--NAME.
    """
    owners = ("${Stage}", "${Stage}--*")
    return allow(
        actions, *(arn("dynamodb", f"table/{owner}-{name}") for name in names for owner in owners)
    )


# The functions of a truth know no domain: they wake any function of their stage.
WAKING_ALL = allow(("lambda:InvokeFunction",), arn("lambda", "function:${Stage}-*"))


def waking(*names: str) -> Json:
    """Allows a function to wake the functions *names*."""
    return allow(
        ("lambda:InvokeFunction",),
        *(arn("lambda", f"function:{REFERENCES.function(name)}") for name in names),
    )


# What a generation that follows another may do besides, and no other generation.
NO_VALUE: Json = {"Ref": "AWS::NoValue"}


def if_following(*statements: Json) -> tuple[Json, ...]:
    """The *statements*, in a generation that follows another one."""
    return tuple({"Fn::If": ["HasEarlier", each, NO_VALUE]} for each in statements)


def earlier(actions: Iterable[str], *names: str) -> Json:
    """Allows *actions* on the tables *names* of the truth of the generation before."""
    return allow(actions, *(arn("dynamodb", f"table/${{Earlier}}-{name}") for name in names))


def reading_stream(name: str) -> Json:
    """Allows a function to read the stream of a table."""
    return allow(STREAM, table(f"{name}/stream/*"))


# For Kinesis, Chalice's own `Fn::Sub` is replaced; another function would only join it.
BUS_STREAM = arn("kinesis", f"stream/{NAMED('bus')}")


def bus(actions: Iterable[str]) -> Json:
    """Allows *actions* on the bus."""
    return allow(actions, BUS_STREAM)


# The requests of `SearchRows` to an index, all by POST. IAM knows a request to OpenSearch by its method
# and its path, so each names its index in the path and none in its body (docs/adr/0050).
READ_INDEX = ("_mget", "_search")
REWRITE_INDEX = ("_bulk", "_refresh", "_flush", "_forcemerge")
PURGE_INDEX = ("_delete_by_query",)
# All of one index, whatever the request; the slash before it keeps out an index whose name begins alike.
ANY_OF_INDEX = ("_*",)


def searching(calls: Iterable[str], views: Iterable[View]) -> tuple[Json, ...]:
    """Allows the *calls* to the indexes of those of *views* that are in OpenSearch: no path besides.

    IAM refuses a statement about nothing, so there may be none.
    """
    named = [index_path(view) for view in views if view.store == "search"]
    paths = [in_search(f"{alias}/{call}") for alias in named for call in calls]
    return (allow(("es:ESHttpPost",), *paths),) if paths else ()


def indexing(views: Collection[View]) -> tuple[Json, ...]:
    """Allows to write rows of those of *views* that are in OpenSearch, and to make their indexes."""
    named = [index_path(view) for view in views if view.store == "search"]
    if not named:
        return ()
    made = [
        in_search(path)
        for alias in named
        for path in (f"{alias}-rows", f"{alias}-rows/_alias/{alias}")
    ]
    return (
        *searching(("_mget",), [view for view in views if view.accumulates]),
        *searching(("_bulk", "_refresh"), views),
        allow(("es:ESHttpPut",), *made),
    )


def index_path(view: View) -> str:
    """The alias of a view's index, by which requests name it."""
    return NAMED(view.stored_name.lower())


def in_search(path: str) -> Json:
    """The ARN of a path of the search domain."""
    return {"Fn::Sub": f"${{SearchArn}}/{path}"}


def objects(*actions: str) -> tuple[Json, ...]:
    """Allows *actions* on the objects of the archive.

    Without s3:ListBucket, S3 answers 403 for an object that does not exist; with it, 404.
    """
    bucket = "arn:${AWS::Partition}:s3:::${ArchiveBucket}"
    return (
        allow(actions, {"Fn::Sub": f"{bucket}/*"}),
        allow(("s3:ListBucket",), {"Fn::Sub": bucket}),
    )


# A command may meet a stream that another generation has: it looks at control, and asks the later
# generation for the stream (docs/adr/0028). A generation that follows another takes it by itself.
TAKES = ("dynamodb:Query", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem")
ASKING = (
    tables(("dynamodb:GetItem",), "control"),
    allow(("lambda:InvokeFunction",), arn("lambda", "function:${Stage}--*-taker")),
)
TAKING = if_following(
    earlier(TAKES, "events"),
    tables(TAKES, "events"),
    earlier(FOLLOW, "log"),
    tables(FOLLOW, "log"),
    earlier(LOAD, "bodies", "streams"),
    tables(LOAD, "bodies", "streams"),
    allow(("s3:GetObject",), {"Fn::Sub": "arn:${AWS::Partition}:s3:::${EarlierArchive}/*"}),
    allow(("s3:ListBucket",), {"Fn::Sub": "arn:${AWS::Partition}:s3:::${EarlierArchive}"}),
    *objects("s3:GetObject"),
    allow(
        ("lambda:InvokeFunction",),
        arn("lambda", "function:${Truth}-relay"),
        arn("lambda", "function:${Earlier}-relay"),
    ),
)
HANDING_OVER = (*ASKING, *TAKING)
# What the policies of the earlier generation have passed.
PASSED = if_following(
    tables(("dynamodb:GetItem",), "control"),
    earlier(LOAD, "policy-checkpoints"),
    earlier(FIND, "policy-parked"),
)

# To read personal data, and to write it: to make the keys of subjects that have none yet.
KEY: Json = {"Ref": "PersonalDataKey"}
OPENING = (tables(("dynamodb:BatchGetItem",), "subjects"), allow(("kms:Decrypt",), KEY))
# To go on with erasures; the API, which begins them, may make items of this table anyway.
ERASING = ("dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:UpdateItem", "dynamodb:DeleteItem")
MAKING_KEYS = (
    tables(("dynamodb:BatchGetItem", "dynamodb:PutItem"), "subjects"),
    allow(("kms:Decrypt", "kms:GenerateDataKey"), KEY),
)

# A function that reads events or the log reads their archived part in the bucket.
READING_ARCHIVE = objects("s3:GetObject")
READING_LOG = (
    tables(FOLLOW, "log"),
    tables(LOAD, "bodies"),
    *READING_ARCHIVE,
)
