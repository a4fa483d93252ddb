"""The alarms of a stage, as CloudWatch has them."""

from collections.abc import Iterator

import pytest

from chalicelib.leftfold.store.alarms import CloudWatchAlarms
from tests.contracts import moto


@pytest.fixture(autouse=True)
def cloudwatch() -> Iterator[None]:
    with moto.in_process():
        yield


def put(name: str, state: str | None = None) -> None:
    cloudwatch = moto.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        AlarmDescription=f"{name}.",
        Namespace="Leftfold",
        MetricName="RelayLag",
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=5,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    if state:
        cloudwatch.set_alarm_state(AlarmName=name, StateValue=state, StateReason="planted")


def named(stage: str, truth: str, stack: str) -> list[tuple[str, str]]:
    alarms = CloudWatchAlarms(moto.client("cloudwatch"), stage, truth, stack).all()
    return [(one.name, one.state) for one in alarms]


def test_the_alarms_of_application_truth_and_stage_are_found_with_their_states() -> None:
    put("bank-dev-ApiErrorAlarm-1AB", "OK")
    put("bank-dev-truth-RelayLagAlarm-2CD", "ALARM")
    put("bank-dev-beside-TotalsLagAlarm-3EF", "INSUFFICIENT_DATA")
    assert named("bank-dev", "bank-dev", "bank-dev") == [
        ("ApiErrorAlarm", "ok"),
        ("RelayLagAlarm", "alarm"),
        ("TotalsLagAlarm", "unknown"),
    ]


def test_an_alarm_says_what_it_is_about_and_since_when_it_is_so() -> None:
    put("bank-dev-ApiErrorAlarm-1AB", "ALARM")
    (alarm,) = CloudWatchAlarms(moto.client("cloudwatch"), *["bank-dev"] * 3).all()
    (stored,) = moto.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert (alarm.says, alarm.since) == (
        "bank-dev-ApiErrorAlarm-1AB.",
        stored["StateUpdatedTimestamp"],
    )


def test_those_of_others_are_left_out() -> None:
    for stack in ("bank-dev--green", "bank-dev-2", "bank-devil", "bank-dev-truth-copy"):
        put(f"{stack}-ApiErrorAlarm-1AB", "OK")
    put("bank-dev-truth-RelayLagAlarm-2CD", "OK")
    assert named("bank-dev", "bank-dev", "bank-dev") == [("RelayLagAlarm", "ok")]
    assert [name for name, _ in named("bank-dev", "bank-dev", "bank-dev--green")] == [
        "ApiErrorAlarm",
        "RelayLagAlarm",
    ]


@pytest.mark.slow
def test_more_alarms_than_a_page_has_are_all_found() -> None:
    for number in range(120):
        put(f"bank-dev-Alarm{number}-1AB")
    assert len(named("bank-dev", "bank-dev", "bank-dev")) == 120
