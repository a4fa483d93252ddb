"""The alarms on a function: on its errors, and on what it measures."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from chalicelib.leftfold.kernel import Announcer, Policy, View
from chalicelib.leftfold.relay.sweeper import ROUND
from tools.resources.functions import Function
from tools.resources.permissions import Json


def alarm(  # noqa: PLR0913 - an alarm has so many parts
    says: str,
    metric: str,
    dimensions: Mapping[str, Any],
    *,
    namespace: str = "Leftfold",
    statistic: str = "Maximum",
    above: int = 0,
    minutes: int = 5,
    missing: str = "notBreaching",
) -> Json:
    """An alarm that goes off when a metric has been above *above* in each of *minutes* minutes."""
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
            "TreatMissingData": missing,
        },
    }


def error_alarm(
    function: Function, says: str, minutes: int = 5, missing: str = "notBreaching"
) -> Json:
    """An alarm that goes off when a function has failed in each of *minutes* minutes.

    Where *missing* is "breaching", also when it has not run.
    """
    return alarm(
        says,
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


def other_alarms(function: Function) -> Json:  # noqa: PLR0911 - one for each function
    """The alarms on a function that is neither a view nor a policy.

    A function that does not run each minute fails in one minute at a time, so one is enough for it.
    """
    of_truth = {"stack": {"Ref": "Truth"}}
    match function.name:
        case "relay":
            return {
                "RelayLagAlarm": alarm(
                    "Commits wait longer than five minutes for the log: look at the relay's"
                    " errors.",
                    "IteratorAge",
                    of(function),
                    namespace="AWS/Lambda",
                    above=300_000,
                ),
                "RelayErrorAlarm": error_alarm(
                    function, "The relay keeps failing; nothing is lost, everything waits."
                ),
                "BlockedAlarm": alarm(
                    "Streams wait for a cause that is not there: the relay's log names them.",
                    "StreamsBlocked",
                    of_truth,
                    minutes=1,
                ),
                "UnreadableAlarm": alarm(
                    "The events table has an item that is no commit of Leftfold's: the log of the"
                    " relay or of the sweeper names it.",
                    "UnreadableCommits",
                    of_truth,
                    minutes=1,
                ),
            }
        case "deadlines":
            return {
                "DeadlinesErrorAlarm": error_alarm(
                    function,
                    "Deadlines keep failing, or are not looked at: who waits for too long is not"
                    " told so.",
                    missing="breaching",
                )
            }
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
                    of_truth,
                    minutes=1,
                ),
            }
        case "forget":
            return {
                "ForgetErrorAlarm": error_alarm(
                    function,
                    "An erasure does not go on: look at the log of the function. The subject's key"
                    " is destroyed; rows may still show what was made of its data.",
                    minutes=1,
                )
            }
        case "purge":
            return {
                "PurgeErrorAlarm": error_alarm(
                    function,
                    "Rows deleted a week ago were not removed from OpenSearch: look at the log"
                    " of the function.",
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
                    missing="breaching",
                ),
                "SweepRoundAlarm": alarm(
                    f"The sweeper's round takes longer than {hours} hours. A commit whose stream"
                    " record was lost may wait that long. `leftfold sweep --now` makes a"
                    " round at once.",
                    "SweepRoundSeconds",
                    of_truth,
                    above=int(2 * ROUND.total_seconds()),
                ),
            }
    return {}


def reader_alarms(function: Function, reader: View | Policy | Announcer) -> Json:
    """The alarms on a view or a policy: it stays behind, or it stops on an event."""
    kind = {View: "view", Policy: "policy", Announcer: "announcer"}[type(reader)]
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
