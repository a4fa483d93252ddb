"""What Chalice and CloudFormation are told of each function, made from the registry.

infra/base.json, written by hand, has the tables of the truth, the bus, the search domain and
the bucket. A view or a policy of the registry adds its function's settings and permissions,
its log group, its alarms and its table.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args, get_type_hints

from chalice.utils import to_cfn_resource_name

from chalicelib.leftfold.kernel import Email, Policy, View
from chalicelib.leftfold.relay.sweeper import ROUND
from chalicelib.leftfold.wiring.settings import Settings
from tools.bootstrap import ROOT

Json = dict[str, Any]

BASE = Path("infra/base.json")
TEMPLATE = Path("infra/resources.json")
CONFIG = Path(".chalice/config.json")

# Wakes: who misses one is woken by the sweeper, so none is kept for long or repeated.
WAKE_UP: Json = {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0}
INSERTS: Json = {"Filters": [{"Pattern": '{"eventName": ["INSERT"]}'}]}
KEEP_LOGS_DAYS = 30

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
# Commands: loads and appends.
COMMAND = ("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query")
# Writes that hold only while another commit stands, or is not there.
ANSWER = (*COMMAND, "dynamodb:ConditionCheckItem")
# What the stack's name is in a template.
NAMED = Settings({"LEFTFOLD_STACK": "${AWS::StackName}"}).named


class ResourcesError(Exception):
    """A function and the registry disagree: which one, and what to do."""


@dataclass(frozen=True)
class Function:
    """One Lambda function: what it is told and may do.

    *called* is its name in the stack, where that is another. *source* is what Chalice calls
    the kind of its event source ("Dynamodb" or "Kinesis"), and what Chalice cannot say of
    it. *chalice* are further settings in .chalice/config.json.
    """

    name: str
    statements: tuple[Json, ...]
    called: str = ""
    search: bool = False
    variables: Mapping[str, Any] | None = None
    woken: bool = False
    source: tuple[str, Json] | None = None
    chalice: Mapping[str, Any] | None = None

    @property
    def logical_id(self) -> str:
        return "APIHandler" if self.name == "api_handler" else to_cfn_resource_name(self.name)

    @property
    def full_name(self) -> str:
        return NAMED(self.called or self.name)

    @property
    def iam_file(self) -> str:
        """The file of its role's permissions, below .chalice/."""
        return f"iam/{(self.called or self.name).replace('_', '-')}.json"


# --- permissions


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
    """To do *actions* with the tables *names*."""
    return allow(actions, *map(table, names))


LOGGING = allow(
    ("logs:CreateLogStream", "logs:PutLogEvents"),
    arn("logs", "log-group:/aws/lambda/${AWS::StackName}-*"),
)


def keeping_progress(kind: str) -> Json:
    """To keep the checkpoints and parked streams of a "view" or a "policy"."""
    return tables(WRITE, f"{kind}-checkpoints", f"{kind}-parked")


def waking(*names: str) -> Json:
    """To wake the functions *names*."""
    return allow(
        ("lambda:InvokeFunction",), *(arn("lambda", f"function:{NAMED(name)}") for name in names)
    )


def told_of(name: str) -> Json:
    """To read the stream of a table."""
    return allow(STREAM, table(f"{name}/stream/*"))


def bus(actions: Iterable[str]) -> Json:
    """To do *actions* with the bus."""
    return allow(actions, arn("kinesis", f"stream/{NAMED('bus')}"))


def search(*methods: str) -> Json:
    """To ask the search domain, by these HTTP methods."""
    actions = [f"es:ESHttp{method}" for method in methods]
    return allow(actions, {"Fn::Sub": "${Search.Arn}/*"})


def objects(*actions: str) -> Json:
    """To do *actions* with what is in the archive, and to be told 404 of what is not."""
    bucket = {"Fn::GetAtt": ["ArchiveBucket", "Arn"]}
    return allow((*actions, "s3:ListBucket"), {"Fn::Sub": "${ArchiveBucket.Arn}/*"}, bucket)


# Whoever reads events or the log finds in the archive what is no longer in the tables.
READING_ARCHIVE = objects("s3:GetObject")
READING_LOG = (tables(READ, "log", "streams"), READING_ARCHIVE)


# --- functions


def stream_of(table_id: str) -> tuple[str, Json]:
    """The event source of a function that reads a table's stream."""
    stream = {"Fn::GetAtt": [table_id, "StreamArn"]}
    return "Dynamodb", {"Stream": stream, "FilterCriteria": INSERTS}


RELAYING = (
    tables(("dynamodb:Query", "dynamodb:Scan"), "events", "view-parked", "policy-parked"),
    tables(READ, "view-checkpoints"),
    tables(
        (*READ, "dynamodb:PutItem", "dynamodb:UpdateItem"), "log", "streams", "policy-checkpoints"
    ),
    bus(["kinesis:PutRecords"]),
    READING_ARCHIVE,
)


def other_functions(
    views: Mapping[str, View], policies: Mapping[str, Policy]
) -> dict[str, Function]:
    """The functions that are neither views nor policies; the app need not have them all."""
    documents = [name for name, view in views.items() if view.store == "documents"]
    followers = [*(name for name, view in views.items() if view.fed == "log"), *policies]
    found = (
        Function(
            "api_handler",
            (
                tables(COMMAND, "events"),
                tables(
                    (*READ, "dynamodb:Scan"),
                    *("streams", "view-checkpoints", "view-parked", *documents, "log"),
                ),
                search("Get", "Post"),
                READING_ARCHIVE,
                waking("relay", *views, *policies),
            ),
            called="api",
            search=True,
            chalice={"lambda_timeout": 29},
        ),
        Function(
            "relay",
            (told_of("events"), *RELAYING),
            woken=True,
            source=stream_of("EventsTable"),
        ),
        Function("sweeper", (*RELAYING, waking(*views, *policies))),
        Function("purge", (search("Post"),), search=True),
        Function("log_grew", (told_of("log"), waking(*followers)), source=stream_of("LogTable")),
        Function(
            "deadlines",
            (tables(COMMAND, "events"), READING_ARCHIVE, search("Get", "Post")),
            search=True,
        ),
        Function(
            "archive",
            (
                tables(
                    (
                        *ANSWER,
                        "dynamodb:UpdateItem",
                        "dynamodb:DeleteItem",
                        "dynamodb:BatchWriteItem",
                    ),
                    "events",
                ),
                tables(
                    (
                        "dynamodb:GetItem",
                        "dynamodb:BatchGetItem",
                        "dynamodb:Scan",
                        "dynamodb:UpdateItem",
                    ),
                    "streams",
                ),
                tables(
                    (
                        "dynamodb:Query",
                        "dynamodb:GetItem",
                        "dynamodb:PutItem",
                        "dynamodb:DeleteItem",
                        "dynamodb:BatchWriteItem",
                    ),
                    "log",
                ),
                tables(READ, "view-checkpoints"),
                tables((*READ, "dynamodb:PutItem"), "policy-checkpoints"),
                objects("s3:GetObject", "s3:PutObject"),
            ),
            # As long as Lambda lets a function run: it does what it can, and the rest tomorrow.
            chalice={"lambda_timeout": 900},
        ),
    )
    return {function.name: function for function in found}


def view_function(view: View) -> Function:
    """A view writes its own rows, and nobody else's."""
    from_bus = view.fed == "bus"
    searches = view.store == "search"
    return Function(
        view.name,
        (
            *([bus(BUS), allow(("kinesis:ListStreams",), "*")] if from_bus else []),
            *READING_LOG,
            keeping_progress("view"),
            search("Get", "Head", "Post", "Put") if searches else tables(WRITE, view.name),
        ),
        search=searches,
        woken=True,
        source=("Kinesis", {"Stream": {"Fn::Sub": "${BusStream.Arn}"}}) if from_bus else None,
    )


def policy_function(policy: Policy) -> Function:
    """A policy sends commands; one that says so in its type sends e-mail, too."""
    mails = Email in named_in(get_type_hints(policy.react)["return"])
    # No identity is named, for an address may be verified by itself or by its domain.
    sender = {"StringEquals": {"ses:FromAddress": {"Ref": "MailFrom"}}}
    return Function(
        policy.name,
        (
            tables(ANSWER, "events"),
            *READING_LOG,
            keeping_progress("policy"),
            *(
                [
                    tables(("dynamodb:UpdateItem",), "effects"),
                    allow(("ses:SendEmail",), arn("ses", "identity/*"), Condition=sender),
                ]
                if mails
                else []
            ),
        ),
        variables={"LEFTFOLD_MAIL_FROM": {"Ref": "MailFrom"}} if mails else None,
        woken=True,
    )


def named_in(hint: Any) -> set[Any]:
    """Every type in a type hint."""
    return {hint}.union(*map(named_in, get_args(hint)))


def functions(
    names: Collection[str], views: Mapping[str, View], policies: Mapping[str, Policy]
) -> list[Function]:
    """What the app's functions *names* are. Raises ResourcesError."""
    known = {
        **other_functions(views, policies),
        **{name: view_function(view) for name, view in views.items()},
        **{name: policy_function(policy) for name, policy in policies.items()},
    }
    for name in names:
        if name not in known:
            raise ResourcesError(
                f"resources: nothing is known of the function {name}: register its view or"
                " policy, or describe it in tools/resources.py"
            )
    for name in (*views, *policies):
        if name not in names:
            raise ResourcesError(
                f"resources: {name} is registered but has no function of that name;"
                " let chalicelib/functions.py make it from the domain"
            )
    return [known[name] for name in known if name in names]


# --- the template


def function_resources(function: Function) -> Json:
    """What Chalice does not say of a function, and its log group."""
    variables: Json = {
        "LEFTFOLD_STACK": {"Ref": "AWS::StackName"},
        "LEFTFOLD_ARCHIVE": {"Ref": "ArchiveBucket"},
    }
    if function.search:
        variables["LEFTFOLD_SEARCH_ENDPOINT"] = {"Fn::GetAtt": ["Search", "DomainEndpoint"]}
        variables["LEFTFOLD_SEARCH_SCHEME"] = {"Ref": "SearchScheme"}
    variables |= function.variables or {}
    properties: Json = {"FunctionName": {"Fn::Sub": function.full_name}}
    if function.woken:
        properties["EventInvokeConfig"] = WAKE_UP
    properties["Environment"] = {"Variables": variables}
    if function.source:
        kind, source = function.source
        event = f"{function.logical_id}{kind}EventSource"
        properties["Events"] = {event: {"Properties": source}}
    return {
        function.logical_id: {"Properties": properties},
        f"{function.logical_id}Log": {
            "Type": "AWS::Logs::LogGroup",
            "Properties": {
                "LogGroupName": {"Fn::Sub": f"/aws/lambda/{function.full_name}"},
                "RetentionInDays": KEEP_LOGS_DAYS,
            },
        },
    }


def alarm(  # noqa: PLR0913 - an alarm has so many parts
    says: str,
    metric: str,
    dimensions: Mapping[str, Any],
    *,
    namespace: str = "Leftfold",
    statistic: str = "Maximum",
    above: int = 0,
    minutes: int = 5,
) -> Json:
    """An alarm that goes off once a metric was *above* in each of so many *minutes*."""
    topic = {"Fn::If": ["HasAlarmTopic", [{"Ref": "AlarmTopic"}], {"Ref": "AWS::NoValue"}]}
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmDescription": says,
            "AlarmActions": topic,
            "Namespace": namespace,
            "MetricName": metric,
            "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
            "Statistic": statistic,
            "Period": 60,
            "EvaluationPeriods": minutes,
            "Threshold": above,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
        },
    }


def error_alarm(function: Function, says: str, minutes: int = 5) -> Json:
    """An alarm that goes off once a function failed in each of so many minutes."""
    of_function = {"FunctionName": {"Ref": function.logical_id}}
    return alarm(
        says, "Errors", of_function, namespace="AWS/Lambda", statistic="Sum", minutes=minutes
    )


def other_alarms(function: Function) -> Json:
    """What is told of a function that is neither a view nor a policy.

    What runs once a day fails once a day: one minute is enough.
    """
    of_stack = {"stack": {"Ref": "AWS::StackName"}}
    match function.name:
        case "archive":
            return {
                "ArchiveErrorAlarm": error_alarm(
                    function,
                    "The archiver failed: its function's log says why. Nothing is lost; the"
                    " tables grow until it is mended.",
                    minutes=1,
                ),
                "StreamsNotArchivedAlarm": alarm(
                    "A stream cannot be archived: the archiver's log names the hole or the"
                    " damaged object.",
                    "StreamsNotArchived",
                    of_stack,
                    minutes=1,
                ),
            }
        case "purge":
            return {
                "PurgeErrorAlarm": error_alarm(
                    function,
                    "Old tombstones were not removed from OpenSearch: look at the log of the"
                    " function.",
                    minutes=1,
                )
            }
        case "sweeper":
            hours = 2 * ROUND // timedelta(hours=1)
            return {
                "SweepRoundAlarm": alarm(
                    f"The sweeper's round takes longer than {hours} hours: so long may a commit"
                    " wait that no message told of. `leftfold sweep --now` makes a round at"
                    " once.",
                    "SweepRoundSeconds",
                    of_stack,
                    above=int(2 * ROUND.total_seconds()),
                )
            }
    return {}


def reader_alarms(function: Function, reader: View | Policy) -> Json:
    """What is told of a view or a policy: it stays behind, or stops on an event."""
    kind = "view" if isinstance(reader, View) else "policy"
    name, logical_id = reader.name, function.logical_id
    dimensions = {"stack": {"Ref": "AWS::StackName"}, "view": name}
    made = {
        f"{logical_id}LagAlarm": alarm(
            f"The {kind} {name} stays more than five minutes behind: look at its function's log.",
            "OldestWaits",
            dimensions,
            above=300,
        )
    }
    if isinstance(reader, View) and reader.order == "ordered":
        made[f"{logical_id}ErrorAlarm"] = error_alarm(
            function,
            f"The ordered view {name} has stopped: its function's log names the position.",
        )
    else:
        made[f"{logical_id}ParkedAlarm"] = alarm(
            f"The {kind} {name} has parked streams: `leftfold parked` lists them with their"
            " reasons.",
            "StreamsParked",
            dimensions,
            minutes=1,
        )
    return made


def documents_table(view: View) -> Json:
    """The table of a view that keeps documents, from which old tombstones go by themselves."""
    return {
        "Type": "AWS::DynamoDB::Table",
        "Properties": {
            "TableName": {"Fn::Sub": NAMED(view.name)},
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "key", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "key", "KeyType": "HASH"}],
            "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
            "SSESpecification": {"SSEEnabled": True},
            "TimeToLiveSpecification": {"AttributeName": "purgeAt", "Enabled": True},
        },
    }


def template(
    base: Json,
    made: Iterable[Function],
    views: Mapping[str, View],
    policies: Mapping[str, Policy],
) -> Json:
    """*base* with all that functions, views and policies add to it. Raises ResourcesError."""
    resources = dict(base["Resources"])
    for function in made:
        added = function_resources(function)
        name = function.name
        if name in views and views[name].store == "documents":
            added[f"{function.logical_id}Table"] = documents_table(views[name])
        if reader := views.get(name) or policies.get(name):
            added |= reader_alarms(function, reader)
        added |= other_alarms(function)
        if clash := resources.keys() & added.keys():
            raise ResourcesError(
                f"resources: the function {name} needs a resource {min(clash)}, and there is"
                " another one of that name; rename the view or policy"
            )
        resources |= added
    return base | {"Resources": resources}


# --- files


def config(held: Json, made: Iterable[Function]) -> Json:
    """.chalice/config.json, with the functions of each of its stages made anew."""
    settings = {
        function.name: {"iam_policy_file": function.iam_file, **(function.chalice or {})}
        for function in made
    }
    stages = {
        name: stage | {"lambda_functions": settings} for name, stage in held["stages"].items()
    }
    return held | {"stages": stages}


def permissions(function: Function) -> Json:
    """The policy document of a function's role."""
    return {"Version": "2012-10-17", "Statement": [LOGGING, *function.statements]}


def generated(
    names: Collection[str],
    views: Mapping[str, View],
    policies: Mapping[str, Policy],
    root: Path = ROOT,
) -> dict[Path, str]:
    """The text of each generated file, by its path below *root*. Raises ResourcesError."""
    made = functions(names, views, policies)
    base = json.loads((root / BASE).read_text())
    held = json.loads((root / CONFIG).read_text())
    contents = {
        TEMPLATE: template(base, made, views, policies),
        CONFIG: config(held, made),
        **{CONFIG.parent / f.iam_file: permissions(f) for f in made},
    }
    return {path: f"{json.dumps(content, indent=2)}\n" for path, content in contents.items()}


def app_functions() -> list[str]:
    """The names of the app's Lambda functions, as Chalice calls them."""
    from app import app

    told = [function.name for function in app.event_sources]
    return ["api_handler", *told, *(function.name for function in app.pure_lambda_functions)]


def wanted() -> dict[Path, str]:
    """The files as the app and its registry want them. Raises ResourcesError."""
    from chalicelib.domain import DOMAIN

    return generated(app_functions(), DOMAIN.views, DOMAIN.policies)


def differing(files: Mapping[Path, str], root: Path = ROOT) -> list[Path]:
    """What is not as *files* say, permissions of functions that are gone included."""
    there = (root / CONFIG.parent).glob("iam/*.json")
    gone = {path.relative_to(root) for path in there} - set(files)
    stale = [
        path
        for path, text in files.items()
        if not (root / path).exists() or (root / path).read_text() != text
    ]
    return sorted([*stale, *gone])


def write(files: Mapping[Path, str], root: Path = ROOT) -> list[Path]:
    """Makes everything as *files* say, and returns what was not."""
    stale = differing(files, root)
    for path in stale:
        if path in files:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(files[path])
        else:
            (root / path).unlink()
    return stale
