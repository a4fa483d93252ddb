"""The alarms: on a function's errors, on what it measures, and on the services under it.

Each alarm names its *runbook*: an entry of "When something is wrong" in docs/operations.md.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from chalicelib.leftfold.generations.operating import MOST_LAG
from chalicelib.leftfold.kernel import Announcer, Policy, View
from chalicelib.leftfold.relay.sweeper import ROUND
from tools.resources.edge import API_STAGE
from tools.resources.functions import Function
from tools.resources.permissions import NAMED, Json

# Milliseconds: half of what API Gateway waits for.
SLOW = 15_000
# What the alarms of the truth are measured under.
OF_TRUTH: Mapping[str, Any] = {"stack": {"Ref": "Truth"}}


def alarm(  # noqa: PLR0913 - an alarm has so many parts
    says: str,
    runbook: str,
    metric: str,
    dimensions: Mapping[str, Any],
    *,
    namespace: str = "Leftfold",
    statistic: str = "Maximum",
    above: Any = 0,
    below: Any = None,
    minutes: int = 5,
    missing: str = "notBreaching",
) -> Json:
    """An alarm that goes off when a metric has been above *above* in each of *minutes* minutes.

    With *below*, when it has been below that. A *statistic* may be a percentile, such as "p99".
    """
    topic = {"Fn::If": ["HasAlarmTopic", [{"Ref": "AlarmTopic"}], {"Ref": "AWS::NoValue"}]}
    of = "ExtendedStatistic" if statistic.startswith("p") else "Statistic"
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmDescription": f"{says} Runbook (docs/operations.md): {runbook}.",
            "AlarmActions": topic,
            "Namespace": namespace,
            "MetricName": metric,
            "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
            of: statistic,
            "Period": 60,
            "EvaluationPeriods": minutes,
            "Threshold": above if below is None else below,
            "ComparisonOperator": "GreaterThanThreshold" if below is None else "LessThanThreshold",
            "TreatMissingData": missing,
        },
    }


def error_alarm(
    function: Function, says: str, runbook: str, minutes: int = 5, missing: str = "notBreaching"
) -> Json:
    """An alarm that goes off when a function has failed in each of *minutes* minutes.

    Where *missing* is "breaching", also when it has not run.
    """
    return alarm(
        says,
        runbook,
        "Errors",
        of(function),
        namespace="AWS/Lambda",
        statistic="Sum",
        minutes=minutes,
        missing=missing,
    )


def of(function: Function) -> Json:
    """The dimension of Lambda's own metrics of a function."""
    return {"FunctionName": {"Ref": function.logical_id}}


def following_alarms(function: Function) -> Json:
    """The alarms on what a generation that follows another one has besides; there alone."""
    of_application = {"stack": {"Ref": "AWS::StackName"}}
    fails = "The copier or the taker fails"
    alarms = {
        "copier": {
            "CopierErrorAlarm": error_alarm(
                function, "The copier keeps failing: the generation is not filled further.", fails
            ),
            "CopierLagAlarm": alarm(
                "The copier stays far behind the earlier log: a switch waits for it.",
                fails,
                "CopierBehind",
                of_application,
                above=MOST_LAG,
                minutes=30,
            ),
            "CopierParkedAlarm": alarm(
                "The transform fails on a stream: a switch waits until it is mended.",
                "The transform fails on a stream",
                "CopierParked",
                of_application,
                minutes=1,
            ),
            "CopiedAsTheyAreAlarm": alarm(
                "The transform failed behind a bar, where a stream cannot wait.",
                "A commit was copied as it is",
                "CommitsCopiedAsTheyAre",
                of_application,
                minutes=1,
            ),
        },
        "taker": {
            "TakerErrorAlarm": error_alarm(
                function,
                "The taker keeps failing: streams that nobody asks for stay where they are.",
                fails,
            )
        },
    }
    made = alarms.get(function.name, {})
    return {name: {**each, "Condition": "HasEarlier"} for name, each in made.items()}


def other_alarms(function: Function) -> Json:  # noqa: PLR0911 - one for each function
    """The alarms on a function that is neither a view nor a policy.

    A function that does not run each minute fails in one minute at a time, so one is enough for it.
    """
    match function.name:
        case "api_handler":
            return api_alarms(function)
        case "feed":
            return {
                "FeedErrorAlarm": error_alarm(
                    function, "The feed's function keeps failing.", "The API fails"
                )
            }
        case "relay":
            return {
                "RelayLagAlarm": alarm(
                    "Commits wait longer than five minutes for the log.",
                    "The relay fails",
                    "IteratorAge",
                    of(function),
                    namespace="AWS/Lambda",
                    above=300_000,
                ),
                "RelayErrorAlarm": error_alarm(
                    function,
                    "The relay keeps failing; nothing is lost, everything waits.",
                    "The relay fails",
                ),
                "BlockedAlarm": alarm(
                    "Streams wait for a cause that is not there: the relay's log names them.",
                    "Streams are blocked",
                    "StreamsBlocked",
                    OF_TRUTH,
                    minutes=1,
                ),
                "UnreadableAlarm": alarm(
                    "The events table has an item that is no commit of Leftfold's: the log of the"
                    " relay or of the sweeper names it.",
                    "An item of `events` is no commit",
                    "UnreadableCommits",
                    OF_TRUTH,
                    minutes=1,
                ),
                "PublishesFailedAlarm": alarm(
                    "Kinesis has taken nothing for five minutes; views that it feeds get the"
                    " commits from the log, later.",
                    "Kinesis takes nothing",
                    "PublishesFailed",
                    OF_TRUTH,
                ),
            }
        case "deadlines":
            return {
                "DeadlinesErrorAlarm": error_alarm(
                    function,
                    "Deadlines keep failing, or are not looked at: who waits for too long is not"
                    " told so.",
                    "Deadlines are late",
                    missing="breaching",
                )
            }
        case "archive":
            return {
                "ArchiveErrorAlarm": error_alarm(
                    function,
                    "The archiver failed: its function's log says why. Nothing is lost; the"
                    " tables grow until it is mended.",
                    "The archiver fails",
                    minutes=1,
                ),
                "StreamsNotArchivedAlarm": alarm(
                    "A stream cannot be archived: the archiver's log names the hole or the"
                    " damaged object.",
                    "The archiver fails",
                    "StreamsNotArchived",
                    OF_TRUTH,
                    minutes=1,
                ),
            }
        case "forget":
            return {
                "ForgetErrorAlarm": error_alarm(
                    function,
                    "An erasure does not go on: look at the log of the function. The subject's key"
                    " is destroyed; rows may still show what was made of its data.",
                    "An erasure does not go on",
                    minutes=1,
                )
            }
        case "fill":
            return {
                "FillErrorAlarm": error_alarm(
                    function,
                    "A worker of a fill keeps failing: look at the log of the function. Nothing is"
                    " lost; the view is not filled.",
                    "A fill does not go on",
                )
            }
        case "purge":
            return {
                "PurgeErrorAlarm": error_alarm(
                    function,
                    "Rows deleted a week ago were not removed from OpenSearch: look at the log"
                    " of the function.",
                    "OpenSearch is unwell",
                    minutes=1,
                )
            }
        case "sweeper":
            hours = 2 * ROUND // timedelta(hours=1)
            return {
                "SweeperErrorAlarm": error_alarm(
                    function,
                    "The sweeper keeps failing, or is not run: what no message told of stays"
                    " unseen.",
                    "The sweeper fails or is slow",
                    missing="breaching",
                ),
                "SweepRoundAlarm": alarm(
                    f"The sweeper's round takes longer than {hours} hours. A commit whose stream"
                    " record was lost may wait that long. `leftfold sweep --now` makes a"
                    " round at once.",
                    "The sweeper fails or is slow",
                    "SweepRoundSeconds",
                    OF_TRUTH,
                    above=int(2 * ROUND.total_seconds()),
                ),
            }
    return following_alarms(function)


def api_alarms(function: Function) -> Json:
    """The alarms on the API: it fails, it is slow, it is throttled."""
    return {
        "ApiErrorAlarm": alarm(
            "The API has answered requests with 5xx for five minutes.",
            "The API fails",
            "5XXError",
            {"ApiName": {"Ref": "AWS::StackName"}, "Stage": API_STAGE},
            namespace="AWS/ApiGateway",
            statistic="Sum",
        ),
        "ApiLatencyAlarm": alarm(
            "A hundredth of the requests has taken more than 15 s for five minutes; API Gateway"
            " gives up after 29.",
            "The API is slow",
            "Duration",
            of(function),
            namespace="AWS/Lambda",
            statistic="p99",
            above=SLOW,
        ),
        "ApiThrottledAlarm": alarm(
            "Lambda has had no room for requests for five minutes.",
            "Requests or writes are throttled",
            "Throttles",
            of(function),
            namespace="AWS/Lambda",
            statistic="Sum",
        ),
    }


def truth_alarms() -> Json:
    """The alarms on what the truth stands on: its tables, the bus and the search domain."""
    domain = {"DomainName": {"Ref": "Search"}, "ClientId": {"Ref": "AWS::AccountId"}}
    tables = {
        f"{name.capitalize()}{kind}ThrottledAlarm": alarm(
            f"DynamoDB has throttled {kind.lower()}s of the table {name} for five minutes.",
            "Requests or writes are throttled",
            f"{kind}ThrottleEvents",
            {"TableName": {"Fn::Sub": NAMED(name)}},
            namespace="AWS/DynamoDB",
            statistic="Sum",
        )
        for name in ("events", "log")
        for kind in ("Read", "Write")
    }
    return {
        **tables,
        "BusThrottledAlarm": alarm(
            "The bus has had no room for records for five minutes: it needs more shards.",
            "Kinesis takes nothing",
            "WriteProvisionedThroughputExceeded",
            {"StreamName": {"Ref": "BusStream"}},
            namespace="AWS/Kinesis",
            statistic="Sum",
        ),
        "SearchRedAlarm": alarm(
            "OpenSearch has lost a shard of an index.",
            "OpenSearch is unwell",
            "ClusterStatus.red",
            domain,
            namespace="AWS/ES",
            minutes=1,
        ),
        "SearchBlockedAlarm": alarm(
            "OpenSearch takes no writes.",
            "OpenSearch is unwell",
            "ClusterIndexWritesBlocked",
            domain,
            namespace="AWS/ES",
            minutes=1,
        ),
        "SearchDiskAlarm": alarm(
            "A disk of OpenSearch is nearly full: raise search_volume in infra/stages.toml.",
            "OpenSearch is unwell",
            "FreeStorageSpace",
            domain,
            namespace="AWS/ES",
            statistic="Minimum",
            below={"Ref": "SearchLeast"},
        ),
    }


def reader_alarms(function: Function, reader: View | Policy | Announcer) -> Json:
    """The alarms on a view or a policy: it stays behind, or it stops on an event."""
    kind = {View: "view", Policy: "policy", Announcer: "announcer"}[type(reader)]
    name, logical_id = reader.name, function.logical_id
    dimensions = {"stack": {"Ref": "AWS::StackName"}, "view": name}
    return {
        f"{logical_id}LagAlarm": alarm(
            f"The {kind} {name} stays more than five minutes behind: look at its function's log.",
            "An announcer stays behind"
            if kind == "announcer"
            else "A view or a policy stays behind",
            "OldestWaits",
            dimensions,
            above=300,
        ),
        f"{logical_id}ParkedAlarm": alarm(
            f"The {kind} {name} has parked streams: `leftfold parked` lists them with their reasons.",
            "A process is parked in a policy"
            if kind == "policy"
            else "A stream is parked in a view",
            "StreamsParked",
            dimensions,
            minutes=1,
        ),
    }
