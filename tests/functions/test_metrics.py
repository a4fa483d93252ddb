"""What is measured, and that the alarms listen to it and tell somebody."""

from typing import Any

import pytest
from moto import mock_aws

from chalicelib.functions import handler
from chalicelib.leftfold.metrics import NAMESPACE
from chalicelib.leftfold.store.memory import MemoryCheckpoints, MemoryEvents, MemoryParking
from chalicelib.leftfold.store.ports import CallRefusedError, ParkedStream, Unavailable
from chalicelib.leftfold.wiring import process
from tests.commits import commit
from tests.functions import test_functions as functions
from tests.functions.test_functions import (
    READERS,
    SCHEDULED,
    Context,
    Functions,
    closed_long_ago,
    metrics,
    stream_event,
)
from tests.functions.test_resources import ALARMS, BOTH, TEMPLATE

site = functions.site

# Those of a generation that follows another: tests/generations/test_deployed.py.
OF_GENERATIONS = {name for name, made in BOTH.items() if made.get("Condition") == "HasEarlier"}
OURS = [
    alarm
    for name, alarm in ALARMS.items()
    if alarm["Namespace"] == NAMESPACE and name not in OF_GENERATIONS
]

Measured = tuple[str, frozenset[tuple[str, str]]]


def measured(reported: list[dict[str, Any]]) -> set[Measured]:
    """Each metric with its dimensions, as CloudWatch reads them."""
    found: set[Measured] = set()
    for line in reported:
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == NAMESPACE
        (names,) = directive["Dimensions"]
        (metric,) = directive["Metrics"]
        assert metric["Name"] in line
        found.add((metric["Name"], frozenset((name, line[name]) for name in names)))
    return found


def listened_to(alarm: dict[str, Any], stack: str) -> Measured:
    """The metric of an alarm, with its dimensions, in the stack of that name."""
    by_reference = {"AWS::StackName": stack, "Truth": stack}
    dimensions = {
        (d["Name"], d["Value"] if isinstance(d["Value"], str) else by_reference[d["Value"]["Ref"]])
        for d in alarm["Dimensions"]
    }
    return alarm["MetricName"], frozenset(dimensions)


def test_every_alarm_listens_to_what_is_measured_in_its_stack(
    site: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    handler("sweeper")(SCHEDULED, Context())
    site.services.alarm({"main/account-a": ("main/account-b", 1)})
    site.services.alarm_unreadable([("main/account-a", 0)])
    site.services.alarm_unpublished(Unavailable("the bus"))
    closed_long_ago(site, "a")
    key = "epochs/tenant=main/category=account/a/000001-1-1.jsonl.gz"
    site.services.archive.put(key, b"something else")
    handler("archive")(SCHEDULED, Context())
    reported = measured(metrics(capsys))
    assert OURS
    assert {listened_to(alarm, "test") for alarm in OURS} <= reported
    assert not {listened_to(alarm, "other") for alarm in OURS} & reported


def test_metrics_are_of_the_stack_that_the_environment_names(
    site: Functions, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_services", None)
    monkeypatch.setenv("LEFTFOLD_STACK", "leftfold-9")
    process.services().alarm({})
    process.use(site.services).alarm({})
    assert [line["stack"] for line in metrics(capsys)] == ["leftfold-9", "test"]


def test_the_first_thing_that_a_new_relay_measures_has_its_stack(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_services", None)
    monkeypatch.setenv("LEFTFOLD_STACK", "leftfold-new")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    event = stream_event(commit())
    del event["Records"][0]["dynamodb"]["NewImage"]["events"]
    with mock_aws(), pytest.raises(CallRefusedError, match="ResourceNotFound"):
        handler("relay")(event, Context())
    (line,) = metrics(capsys)
    assert (line["UnreadableCommits"], line["stack"]) == (1, "leftfold-new")


@pytest.mark.parametrize("alarm", ALARMS)
def test_every_alarm_tells_the_topic_if_there_is_one(alarm: str) -> None:
    assert ALARMS[alarm]["AlarmActions"] == {
        "Fn::If": ["HasAlarmTopic", [{"Ref": "AlarmTopic"}], {"Ref": "AWS::NoValue"}]
    }


def test_a_stack_needs_no_topic() -> None:
    assert TEMPLATE["Parameters"]["AlarmTopic"]["Default"] == ""
    assert TEMPLATE["Conditions"]["HasAlarmTopic"] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "AlarmTopic"}, ""]}]
    }


# --- measuring whatever fails


class NoScan(MemoryEvents):
    """Events that cannot be scanned."""

    def scan(self, *_args: Any, **_kwargs: Any) -> Any:
        raise Unavailable("scan")


class NoRanking(MemoryCheckpoints):
    """Checkpoints that cannot be read for one view."""

    def read(self, reader: str, keys: Any) -> dict[int, int]:
        if reader == "ranking":
            raise Unavailable("read")
        return super().read(reader, keys)


class NoParking(MemoryParking):
    """ParkedStream that cannot be listed."""

    def all(self, _view: str | None = None) -> Any:
        raise Unavailable("all")


def by_view(reported: list[dict[str, Any]], metric: str) -> dict[str, float]:
    return {line["view"]: line[metric] for line in reported if metric in line}


def test_a_sweep_that_fails_is_raised_and_the_views_are_measured(
    site: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    site.services.events = NoScan()
    with pytest.raises(Unavailable, match="scan"):
        handler("sweeper")(SCHEDULED, Context())
    reported = metrics(capsys)
    assert by_view(reported, "OldestWaits").keys() == set(READERS)
    assert by_view(reported, "StreamsParked").keys() == set(READERS)
    assert not any("SweptCommits" in line for line in reported)


def test_a_view_that_cannot_be_measured_hides_no_other(
    site: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    site.parking.park("ranking", "main/account-z", ParkedStream(0, 0, "why"))
    site.services.checkpoints = NoRanking()
    with pytest.raises(ExceptionGroup) as raised:
        handler("sweeper")(SCHEDULED, Context())
    assert [str(error) for error in raised.value.exceptions] == ["read"]
    reported = metrics(capsys)
    assert by_view(reported, "OldestWaits").keys() == set(READERS) - {"ranking"}
    assert by_view(reported, "StreamsParked") == dict.fromkeys(READERS, 0) | {"ranking": 1}


def test_lag_is_told_when_what_is_parked_cannot_be(
    site: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    site.services.parking = NoParking()
    with pytest.raises(ExceptionGroup):
        handler("sweeper")(SCHEDULED, Context())
    assert by_view(metrics(capsys), "OldestWaits").keys() == set(READERS)
