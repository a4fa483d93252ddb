"""What the template says of functions: wakes are not repeated, and failures are told."""

import json
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from chalice.utils import to_cfn_resource_name

from app import API, app
from chalicelib.bank.account.views import balances, bookings, totals
from chalicelib.domain import DOMAIN
from chalicelib.leftfold.http import live
from chalicelib.leftfold.kernel import Announcer, Email, Policy, Recorded, View
from chalicelib.leftfold.relay.sweeper import ROUND
from chalicelib.leftfold.wiring.settings import FUNCTIONS_OF_TRUTH, IN_STAGE, IN_TRUTH, Settings
from tools.bootstrap import ROOT
from tools.resources import (
    FRONT_TEMPLATE,
    TABLE_NAMES,
    ResourcesError,
    app_functions,
    differing,
    functions,
    generated,
    wanted,
    write,
)
from tools.resources.functions import FED
from tools.resources.permissions import BUS_STREAM
from tools.resources.stacks import TABLES
from tools.stages import stages

TEMPLATE: dict[str, Any] = json.loads((ROOT / "infra/resources.json").read_text())
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
STAGE, TRUTH = (
    json.loads((ROOT / f"infra/{name}.json").read_text()) for name in ("stage", "truth")
)
CHALICE = ROOT / ".chalice"
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
# What the code measures.
METRICS = {
    metric
    for path in (ROOT / "chalicelib" / "leftfold").rglob("*.py")
    for metric in re.findall(r'emit\(\s*"(\w+)"', path.read_text())
}
FUNCTIONS: dict[str, Any] = json.loads((CHALICE / "config.json").read_text())["stages"]["dev"][
    "lambda_functions"
]
# An application and its truth: no two resources of these have the same logical id.
BOTH: dict[str, Any] = {**TRUTH["Resources"], **RESOURCES}
EVERY_FUNCTION = [*FUNCTIONS, *FUNCTIONS_OF_TRUTH]
ALARMS = {
    name: resource["Properties"]
    for name, resource in BOTH.items()
    if resource.get("Type") == "AWS::CloudWatch::Alarm"
}


def actions(function: str) -> set[str]:
    """What a function may do."""
    return {action for allowed, _ in statements(function) for action in allowed}


def statements(function: str) -> list[tuple[set[str], Any]]:
    """What a function may do, and with what, in a generation that follows no other."""
    if function in FUNCTIONS_OF_TRUTH:
        role = TRUTH["Resources"][f"{to_cfn_resource_name(function)}Role"]["Properties"]
        policy = role["Policies"][0]["PolicyDocument"]
    else:
        policy = json.loads((CHALICE / FUNCTIONS[function]["iam_policy_file"]).read_text())
    return [
        ({action} if isinstance(action, str) else set(action), statement["Resource"])
        for statement in policy["Statement"]
        if "Action" in statement
        for action in [statement["Action"]]
    ]


def alarms(metric: str) -> dict[Any, dict[str, Any]]:
    """The alarms on a metric, by what its last dimension names."""
    return {
        str(alarm["Dimensions"][-1]["Value"]): alarm
        for alarm in ALARMS.values()
        if alarm["MetricName"] == metric
    }


@pytest.mark.parametrize("function", ["relay", *DOMAIN.views, *DOMAIN.policies])
def test_a_ring_is_not_repeated_and_not_kept_long(function: str) -> None:
    assert BOTH[to_cfn_resource_name(function)]["Properties"]["EventInvokeConfig"] == {
        "MaximumEventAgeInSeconds": 60,
        "MaximumRetryAttempts": 0,
    }


@pytest.mark.parametrize("name", ["relay", *DOMAIN.views, *DOMAIN.policies])
def test_a_function_has_the_name_that_the_doorbell_wakes(name: str) -> None:
    called = BOTH[to_cfn_resource_name(name)]["Properties"]["FunctionName"]
    woken = Settings({"LEFTFOLD_STACK": "blue", "LEFTFOLD_TRUTH": "whole"}).function(name)
    named = called["Fn::Sub"].replace("${AWS::StackName}", "blue").replace("${Truth}", "whole")
    assert named == woken


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name != "api_handler"])
def test_both_ways_of_deploying_give_a_function_the_same_name(name: str) -> None:
    called = RESOURCES[to_cfn_resource_name(name)]["Properties"]["FunctionName"]["Fn::Sub"]
    # As Chalice has it: application, stage, function.
    assert called.replace("${AWS::StackName}", "leftfold-dev") == f"leftfold-dev-{name}"


@pytest.mark.parametrize("reader", [*DOMAIN.views, *DOMAIN.policies])
def test_who_stays_behind_for_five_minutes_is_told(reader: str) -> None:
    alarm = alarms("OldestWaits")[reader]
    assert (alarm["Threshold"], alarm["Period"], alarm["EvaluationPeriods"]) == (300, 60, 5)


def test_a_stream_that_is_held_back_is_told_at_once() -> None:
    (alarm,) = alarms("StreamsBlocked").values()
    assert alarm["EvaluationPeriods"] == 1


@pytest.mark.parametrize("function", ["Sweeper", "Deadlines"])
def test_who_fails_each_minute_or_never_runs_is_told(function: str) -> None:
    alarm = alarms("Errors")[str({"Ref": function})]
    assert alarm["TreatMissingData"] == "breaching"


@pytest.mark.parametrize("name", ["Archive", "Purge"])
def test_what_runs_once_a_day_is_missed_when_it_fails_once(name: str) -> None:
    reported = BOTH[f"{name}ErrorAlarm"]["Properties"]
    assert (reported["Namespace"], reported["MetricName"]) == ("AWS/Lambda", "Errors")
    assert reported["Dimensions"] == [{"Name": "FunctionName", "Value": {"Ref": name}}]
    assert (reported["Threshold"], reported["EvaluationPeriods"]) == (0, 1)


def test_an_erasure_that_failed_is_told_by_a_function_that_is_not_run_each_minute() -> None:
    """Minutes without a run count as good ones, so more than one minute would never be bad."""
    reported = BOTH["ForgetErrorAlarm"]["Properties"]
    assert (reported["TreatMissingData"], reported["EvaluationPeriods"]) == ("notBreaching", 1)


def test_a_stream_that_cannot_be_archived_is_told_at_once() -> None:
    reported = BOTH["StreamsNotArchivedAlarm"]["Properties"]
    assert (reported["Namespace"], reported["MetricName"]) == ("Leftfold", "StreamsNotArchived")
    assert reported["Dimensions"] == [{"Name": "stack", "Value": {"Ref": "Truth"}}]
    assert (reported["Threshold"], reported["EvaluationPeriods"]) == (0, 1)


def test_a_sweep_that_takes_twice_as_long_as_it_should_is_told() -> None:
    reported = BOTH["SweepRoundAlarm"]["Properties"]
    assert (reported["Namespace"], reported["MetricName"]) == ("Leftfold", "SweepRoundSeconds")
    assert reported["Threshold"] == 2 * ROUND.total_seconds()


def test_who_parks_streams_is_told_at_once() -> None:
    reported = alarms("StreamsParked")
    assert sorted(reported) == sorted([*DOMAIN.views, *DOMAIN.policies])
    assert {alarm["EvaluationPeriods"] for alarm in reported.values()} == {1}


RUNBOOKS = set(re.findall(r"^- \*\*(.+?)\.?\*\*", OPERATIONS, flags=re.MULTILINE))


@pytest.mark.parametrize("name", ALARMS)
def test_each_alarm_names_its_runbook(name: str) -> None:
    says, _, runbook = ALARMS[name]["AlarmDescription"].partition(" Runbook (docs/operations.md): ")
    assert says
    assert runbook.removesuffix(".") in RUNBOOKS


def test_the_services_under_the_application_have_alarms() -> None:
    assert {
        (alarm["Namespace"], alarm["MetricName"])
        for alarm in ALARMS.values()
        if alarm["Namespace"] not in ("Leftfold", "AWS/Lambda")
    } == {
        ("AWS/ApiGateway", "5XXError"),
        ("AWS/DynamoDB", "ReadThrottleEvents"),
        ("AWS/DynamoDB", "WriteThrottleEvents"),
        ("AWS/Kinesis", "WriteProvisionedThroughputExceeded"),
        ("AWS/ES", "ClusterStatus.red"),
        ("AWS/ES", "ClusterIndexWritesBlocked"),
        ("AWS/ES", "FreeStorageSpace"),
    }
    disk = ALARMS["SearchDiskAlarm"]
    assert (disk["ComparisonOperator"], disk["Statistic"]) == ("LessThanThreshold", "Minimum")
    assert disk["Threshold"] == {"Ref": "SearchLeast"}


def test_the_api_has_the_name_by_which_its_alarm_knows_it() -> None:
    (name,) = (d["Value"] for d in ALARMS["ApiErrorAlarm"]["Dimensions"] if d["Name"] == "ApiName")
    assert RESOURCES["RestAPI"]["Properties"]["DefinitionBody"]["info"]["title"] == name


def test_a_firewall_is_there_only_if_it_is_asked_for() -> None:
    assert RESOURCES["WebAclAssociation"]["Condition"] == "HasWebAcl"
    assert "HasWebAcl" in TEMPLATE["Conditions"]


def test_the_domain_outlives_every_application_and_its_mapping_moves_in_place() -> None:
    assert not {made.get("Type") for made in RESOURCES.values()} & {
        "AWS::ApiGateway::DomainName",
        "AWS::ApiGateway::BasePathMapping",
    }
    front = json.loads((ROOT / FRONT_TEMPLATE).read_text())
    assert "Condition" not in front["Resources"]["Domain"]
    mapping = front["Resources"]["Mapping"]
    assert mapping["Condition"] == "LeadsSomewhere"
    # CloudFormation replaces a mapping whose DomainName or BasePath has changed, and no other.
    assert mapping["Properties"] == {
        "DomainName": {"Ref": "Domain"},
        "RestApiId": {"Ref": "RestApi"},
        "Stage": "api",
    }


def test_no_two_applications_of_a_stage_make_resources_of_one_name() -> None:
    named = {
        (logical, kind, json.dumps(value))
        for logical, made in RESOURCES.items()
        for kind, value in made.get("Properties", {}).items()
        # The name of a metric is everybody's, and a permission names a function that has one.
        if kind.endswith("Name")
        and kind != "MetricName"
        and made.get("Type") != "AWS::Lambda::Permission"
    }
    assert len(named) > len(DOMAIN.views)
    assert [
        each for each in named if not re.search(r"AWS::StackName|\bApplication\b", each[2])
    ] == []


def test_the_dashboard_shows_what_is_measured() -> None:
    text = RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    for name in ("AWS::StackName", "AWS::Region", "Truth"):
        text = text.replace(f"${{{name}}}", "blue")
    assert "${" not in text
    widgets = json.loads(text)["widgets"]
    places = {(widget["x"], widget["y"]) for widget in widgets}
    assert len(places) == len(widgets)
    shown = {metric for metric in METRICS if f'"{metric}"' in text.replace("\\", "")}
    assert {"OldestWaits", "StreamsParked", "CommitsLogged", "CommitsArchived"} <= shown
    assert shown >= set(re.findall(r'\["Leftfold","(\w+)"', text))


# --- what a function may do


@pytest.mark.parametrize("reader", [*DOMAIN.views, *DOMAIN.policies])
def test_a_view_rings_nobody_and_a_policy_asks_a_later_generation_alone(reader: str) -> None:
    assert set(may_wake(reader)) <= ({"${Stage}--*-taker"} if reader in DOMAIN.policies else set())


FOLLOWING_ALONE = ("copier", "taker")


@pytest.mark.parametrize("function", FOLLOWING_ALONE)
def test_who_works_for_a_generation_that_follows_another_may_do_nothing_in_one_that_does_not(
    function: str,
) -> None:
    assert actions(function) == {"logs:CreateLogStream", "logs:PutLogEvents"}
    schedule = RESOURCES[to_cfn_resource_name(function)]["Properties"]["Events"]
    (event,) = schedule.values()
    assert event["Properties"]["State"] == {"Fn::If": ["HasEarlier", "ENABLED", "DISABLED"]}
    alarms_of = [name for name in RESOURCES if name.startswith(("Copie", "Taker"))]
    conditions = {RESOURCES[name].get("Condition") for name in alarms_of if name in ALARMS}
    assert conditions == {"HasEarlier"}


def test_only_a_generation_that_follows_another_may_take_an_item_of_the_events_away() -> None:
    assert [f for f in FUNCTIONS if "dynamodb:DeleteItem" in actions(f)] == [
        f for f in FUNCTIONS if f in {"api_handler", "forget", "fill", *PARKING}
    ]
    for function in ("api_handler", "forget"):
        deleted = {
            name_of(resource)
            for allowed, resources in statements(function)
            if "dynamodb:DeleteItem" in allowed
            for resource in resources
        }
        assert deleted == {"subjects"}


@pytest.mark.parametrize("view", DOMAIN.views)
def test_only_a_view_that_the_bus_feeds_reads_the_bus(view: str) -> None:
    reads = {action for action in actions(view) if action.startswith("kinesis:")}
    assert ("kinesis:GetRecords" in reads) == (DOMAIN.views[view].fed == "bus")
    assert ("kinesis:ListStreams" in reads) == (DOMAIN.views[view].fed == "bus")


def led_to(function: str) -> set[tuple[str, str]]:
    """The paths and methods whose requests go there."""
    paths = RESOURCES["RestAPI"]["Properties"]["DefinitionBody"]["paths"]
    return {
        (path, method)
        for path, methods in paths.items()
        for method, operation in methods.items()
        if operation["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"].endswith(function)
    }


def test_every_other_route_goes_to_the_apis_function_and_to_its_alias_if_it_has_one() -> None:
    everywhere = {(path, m.lower()) for path, methods in app.routes.items() for m in methods}
    waiting = led_to("/functions/${Feed.Arn}/invocations")
    assert led_to("/functions/${APIHandler.Arn}${ApiAlias}/invocations") == everywhere - waiting


def test_the_routes_that_wait_are_served_by_a_function_of_their_own_with_a_bound() -> None:
    waiting = {route.path for route in API.routes if route.function == "feed"} | {live.PATH}
    assert "/log" in waiting
    assert led_to("/functions/${Feed.Arn}/invocations") == {
        (path, method) for path in waiting for method in ("get", "head")
    }
    assert RESOURCES["FeedInvokePermission"]["Properties"]["FunctionName"] == {"Ref": "Feed"}
    bound = RESOURCES["Feed"]["Properties"]["ReservedConcurrentExecutions"]["Fn::If"]
    assert bound[1] == {"Ref": "FeedConcurrency"}


PARKING = {*DOMAIN.views, *DOMAIN.policies}
PERSONAL_DOCUMENTS = [
    name for name, view in DOMAIN.views.items() if view.personal and view.store == "documents"
]


def test_a_function_writes_its_own_tables_alone() -> None:
    truth = {"log", "bodies", "streams", "policy-checkpoints"}
    documents = {
        name: {name.replace("_", "-")}
        for name, view in DOMAIN.views.items()
        if view.store == "documents"
    }
    of_view, of_policy = ({f"{kind}-checkpoints", f"{kind}-parked"} for kind in ("view", "policy"))
    assert {function: written(function) for function in EVERY_FUNCTION} == {
        "api_handler": {"events", "secrets", "requests", "subjects", *PERSONAL_DOCUMENTS},
        "feed": {"secrets", "requests"},
        "relay": truth,
        "sweeper": truth,
        "purge": set(),
        "log_grew": set(),
        "archive": truth | {"events"},
        "deadlines": {"events", "subjects"},
        **{name: set() for name in FOLLOWING_ALONE},
        "forget": {"events", "subjects", *PERSONAL_DOCUMENTS},
        "fill": of_view.union(*documents.values()),
        **{name: of_view | documents.get(name, set()) for name in DOMAIN.views},
        **{name: of_policy | {"events", "subjects"} for name in DOMAIN.policies},
        "notify": of_policy | {"effects"},
        "announce": of_policy,
    }


def written(function: str) -> set[str]:
    """The tables that a function may write to."""
    changes = {f"dynamodb:{call}Item" for call in ("Put", "Update", "Delete", "BatchWrite")}
    return {
        name_of(resource)
        for allowed, resources in statements(function)
        if allowed & changes
        for resource in resources
    }


def name_of(resource: dict[str, str]) -> str:
    """The name of a table in its ARN, without that of the stack that has it."""
    return resource["Fn::Sub"].rpartition("}-")[2]


def test_only_what_a_policy_may_mail_is_mailed_and_from_one_address() -> None:
    assert {f for f in FUNCTIONS if "ses:SendEmail" in actions(f)} == {"notify"}
    variables = RESOURCES["Notify"]["Properties"]["Environment"]["Variables"]
    assert variables["LEFTFOLD_MAIL_FROM"] == {"Ref": "MailFrom"}


def test_an_announcer_alone_reaches_the_bus_of_its_stage() -> None:
    assert {f for f in FUNCTIONS if "events:PutEvents" in actions(f)} == {"announce"}
    (bus,) = (on for allowed, on in statements("announce") if "events:PutEvents" in allowed)
    name = STAGE["Resources"]["AnnouncementBus"]["Properties"]["Name"]["Fn::Sub"]
    assert [one["Fn::Sub"].rpartition("/")[2] for one in bus] == [name]


def test_a_function_reaches_the_search_domain_of_its_own_stack_alone() -> None:
    reached = {
        function: resource
        for function in FUNCTIONS
        for allowed, resource in statements(function)
        if any(action.startswith("es:") for action in allowed)
    }
    searching = {name for name, view in DOMAIN.views.items() if view.store == "search"}
    assert (
        set(reached) == {"api_handler", "feed", "purge", "deadlines", "forget", "fill"} | searching
    )
    assert TRUTH["Outputs"]["SearchArn"]["Value"] == {"Fn::GetAtt": ["Search", "Arn"]}
    named = {DOMAIN.views[name].stored_name for name in searching}
    paths = {path["Fn::Sub"] for resource in reached.values() for path in resource}
    assert {re.split("-rows|/_", path)[0] for path in paths} == {
        f"${{SearchArn}}/${{AWS::StackName}}-{name}" for name in named
    }
    # IAM knows a request by its path, so no body may name another index.
    options = TRUTH["Resources"]["Search"]["Properties"]["AdvancedOptions"]
    assert options == {"rest.action.multi.allow_explicit_index": "false"}
    for function in reached:
        logical_id = "APIHandler" if function == "api_handler" else to_cfn_resource_name(function)
        variables = RESOURCES[logical_id]["Properties"]["Environment"]["Variables"]
        assert {"LEFTFOLD_SEARCH_ENDPOINT", "LEFTFOLD_SEARCH_SCHEME"} <= set(variables)


def test_a_function_may_do_what_it_does_and_no_more() -> None:
    for function in ("relay", "sweeper"):
        assert not any(action.startswith("es:") for action in actions(function))
        assert "dynamodb:ConditionCheckItem" not in actions(function)
    assert "dynamodb:DescribeTable" not in actions("api_handler")
    assert {a for a in actions("purge") if not a.startswith("logs:")} == {"es:ESHttpPost"}


@pytest.mark.parametrize("function", FUNCTIONS_OF_TRUTH)
def test_a_function_of_the_truth_belongs_to_no_application(function: str) -> None:
    made = TRUTH["Resources"][to_cfn_resource_name(function)]["Properties"]
    variables = made["Environment"]["Variables"]
    assert list(variables) == [
        *("LEFTFOLD_TRUTH", "LEFTFOLD_STAGE", "LEFTFOLD_ARCHIVE"),
        *("LEFTFOLD_LOGS", "LEFTFOLD_OTLP_ENDPOINT", "LEFTFOLD_OTLP_HEADERS"),
    ]
    module, _, name = made["Handler"].rpartition(".")
    assert callable(getattr(import_module(module), name))
    assert not {*DOMAIN.views, *DOMAIN.policies} & set(json.dumps(made).split('"'))


def test_who_reads_events_or_the_log_reads_the_archive_and_one_writes_it() -> None:
    reading = {function for function in EVERY_FUNCTION if reads(function) & {"events", "log"}}
    assert reading == set(EVERY_FUNCTION) - {"purge", "log_grew", *FOLLOWING_ALONE}
    assert {f for f in EVERY_FUNCTION if "s3:GetObject" in actions(f)} == reading
    # Who may not list is told 403 of an object that is missing: not "damaged", but "forbidden".
    assert {f for f in EVERY_FUNCTION if "s3:ListBucket" in actions(f)} == reading
    assert [f for f in EVERY_FUNCTION if "s3:PutObject" in actions(f)] == ["archive"]


def reads(function: str) -> set[str]:
    """The tables that a function may read."""
    return {
        name_of(resource)
        for allowed, resources in statements(function)
        if allowed & {"dynamodb:Query", "dynamodb:Scan"}
        for resource in resources
    }


@pytest.mark.parametrize(
    ("function", "woken"),
    [
        ("api_handler", ["relay", *DOMAIN.views, *DOMAIN.policies]),
        ("relay", []),
    ],
)
def test_a_function_rings_whom_it_has_work_for_and_nobody_else(
    function: str, woken: list[str]
) -> None:
    others = {"${Stage}--*-taker"} if function == "api_handler" else set()
    assert [name for name in may_wake(function) if name not in others] == [
        BOTH[to_cfn_resource_name(name)]["Properties"]["FunctionName"]["Fn::Sub"] for name in woken
    ]


@pytest.mark.parametrize("function", ["sweeper", "log_grew"])
def test_a_function_of_the_truth_wakes_every_application_of_its_stage_and_no_other(
    function: str,
) -> None:
    """Later applications have readers that the truth's stack cannot name."""
    assert may_wake(function) == ["${Stage}-*"]


def may_wake(function: str) -> list[str]:
    """The functions that a function may wake."""
    return [
        resource["Fn::Sub"].rpartition(":function:")[2]
        for allowed, resources in statements(function)
        if "lambda:InvokeFunction" in allowed
        for resource in resources
    ]


# --- what is kept


KEPT = {
    name: made
    for name, made in {**STAGE["Resources"], **TRUTH["Resources"], **RESOURCES}.items()
    if "DeletionPolicy" in made
}


def test_what_nothing_can_rebuild_stays_when_the_stack_goes() -> None:
    tables = {"Events", "Log", "Bodies", "Streams", "Effects", "PolicyCheckpoints", "PolicyParked"}
    tables |= {"Applications", "Control", "Secrets", "Subjects"}
    others = {"ArchiveBucket", "Key", "BackupVault", "UserPool", "PersonalDataKey"}
    assert set(KEPT) == {*(f"{name}Table" for name in tables), *others}
    assert {made["DeletionPolicy"] for made in KEPT.values()} == {"RetainExceptOnCreate"}
    assert {made["UpdateReplacePolicy"] for made in KEPT.values()} == {"Retain"}


def test_a_table_that_nothing_can_rebuild_refuses_to_be_deleted() -> None:
    tables = {name: made["Properties"] for name, made in KEPT.items() if name.endswith("Table")}
    for name, properties in tables.items():
        assert properties["DeletionProtectionEnabled"] == {"Fn::If": ["IsProtected", True, False]}
        # The key of a forgotten subject must not come back.
        assert has_backups(properties) == (name != "SubjectsTable")


def test_where_a_stage_wants_copies_every_table_of_its_truth_is_copied_each_day() -> None:
    made = {name: TRUTH["Resources"][name] for name in TRUTH["Resources"] if "Backup" in name}
    assert {each["Condition"] for each in made.values()} == {"HasBackup"}
    chosen = made["BackupSelection"]["Properties"]["BackupSelection"]
    tables = {n for n, t in TRUTH["Resources"].items() if t["Type"] == "AWS::DynamoDB::Table"}
    assert {name for each in chosen["Resources"] for name, _ in each.values()} == tables
    (rule,) = made["BackupPlan"]["Properties"]["BackupPlan"]["BackupPlanRule"]
    assert rule["TargetBackupVault"] == {"Ref": "BackupVault"}
    assert (rule["ScheduleExpression"], rule["Lifecycle"]) == (
        "cron(0 3 * * ? *)",
        {"DeleteAfterDays": 35},
    )
    assert [name for name, found in stages().items() if found.has_backup] == ["prod"]


def has_backups(properties: Any) -> bool:
    """Whether a table keeps what was deleted from it."""
    specified = properties["PointInTimeRecoverySpecification"]
    kept: bool = specified["PointInTimeRecoveryEnabled"]
    return kept


def test_rows_with_personal_data_have_no_backup() -> None:
    for name, view in DOMAIN.views.items():
        if view.store == "documents":
            made = RESOURCES[f"{to_cfn_resource_name(name)}Table"]["Properties"]
            assert has_backups(made) == (not view.personal)


def test_a_view_that_is_not_personal_cannot_have_the_keys() -> None:
    for name, view in DOMAIN.views.items():
        allowed = {action for actions, _ in statements(name) for action in actions}
        assert ("kms:Decrypt" in allowed) == view.personal


def test_each_stack_has_what_lives_as_long_as_it() -> None:
    """The first application of a stage has the same name as its truth, so names must not meet."""
    had = {
        "stage": {*TABLES["stage"], "announcements", "personal-data"},
        "truth": {*TABLES["truth"], "archive", "bus"},
    }
    assert had == {"stage": set(IN_STAGE), "truth": set(IN_TRUTH)}
    assert not {name.replace("_", "-") for name in DOMAIN.views} & TABLE_NAMES


ARCHIVE = TRUTH["Resources"]["ArchiveBucket"]["Properties"]


def test_the_archive_is_private_and_a_lost_object_can_be_had_back() -> None:
    assert set(ARCHIVE["PublicAccessBlockConfiguration"].values()) == {True}
    assert ARCHIVE["VersioningConfiguration"] == {"Status": "Enabled"}


def test_the_archives_name_is_the_only_one_in_the_world() -> None:
    name = ARCHIVE["BucketName"]["Fn::Sub"]
    assert name == "${Truth}-archive-${AWS::AccountId}-${AWS::Region}"


@pytest.mark.parametrize(
    ("refused", "condition"),
    [
        ("s3:*", {"Bool": {"aws:SecureTransport": "false"}}),
        ("s3:PutObject", {"Null": {"s3:if-none-match": "true"}}),
        ("s3:DeleteObject", {}),
        ("s3:DeleteObjectVersion", {}),
    ],
)
def test_the_archive_refuses_whoever_may_change_it(refused: str, condition: Any) -> None:
    policy = TRUTH["Resources"]["ArchiveBucketPolicy"]["Properties"]["PolicyDocument"]
    (statement,) = [
        s
        for s in policy["Statement"]
        if refused in ([s["Action"]] if isinstance(s["Action"], str) else s["Action"])
    ]
    assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
    assert condition.items() <= statement.get("Condition", {}).items()


# --- the generator


def test_the_files_are_those_that_leftfold_resources_makes() -> None:
    assert differing(wanted()) == [], "run `leftfold resources`"


def test_the_app_has_a_function_for_each_view_and_policy() -> None:
    assert set(FUNCTIONS) == set(app_functions())
    assert {*DOMAIN.views, *DOMAIN.policies} <= set(FUNCTIONS)


def mail(_recorded: Recorded) -> Iterable[Email]:
    return [Email("n", "ada@example.com", "", "")]


def made(
    views: Mapping[str, View], policies: Mapping[str, Policy | Announcer], *others: str
) -> dict[str, Any]:
    """The generated files by name, for a registry and an app of these."""
    files = generated([*others, *views, *policies], views, policies)
    return {path.name: json.loads(text) for path, text in files.items()}


VIEW = replace(bookings, name="by_day", fed="log")


def test_a_search_view_that_follows_the_log_has_no_source_and_no_table() -> None:
    files = made({"by_day": VIEW}, {})
    resources = files["resources.json"]["Resources"]
    properties = resources["ByDay"]["Properties"]
    assert properties["FunctionName"] == {"Fn::Sub": "${AWS::StackName}-by_day"}
    assert "Events" not in properties
    assert {"ByDayLog", "ByDayLagAlarm", "ByDayParkedAlarm"} <= set(resources)
    assert "ByDayTable" not in resources
    allowed = {a for s in files["by-day.json"]["Statement"] for a in s["Action"]}
    assert "es:ESHttpPut" in allowed
    assert not any(action.startswith("kinesis:") for action in allowed)


def test_a_view_on_the_bus_has_its_source_and_its_table() -> None:
    view = replace(balances, name="by_owner")
    resources = made({"by_owner": view}, {})["resources.json"]["Resources"]
    assert resources["ByOwner"]["Properties"]["Events"] == {
        "ByOwnerKinesisEventSource": {"Properties": {"Stream": BUS_STREAM, "Enabled": FED}}
    }
    assert BUS_STREAM["Fn::Sub"].endswith("${AWS::AccountId}:stream/${Truth}-bus")
    table = resources["ByOwnerTable"]["Properties"]
    assert table["TableName"] == {"Fn::Sub": "${AWS::StackName}-by-owner"}


def test_an_ordered_view_has_the_alarms_of_any_other() -> None:
    resources = made({"sums": replace(totals, name="sums")}, {})["resources.json"]["Resources"]
    assert {"SumsParkedAlarm", "SumsLagAlarm", "SumsTable"} <= set(resources)


def test_a_policy_mails_only_if_its_type_says_so() -> None:
    hears = DOMAIN.policies["notify"].hears
    policies = {
        "mails": Policy("mails", hears, mail),
        "debit": replace(DOMAIN.policies["debit_source"], name="debit"),
    }
    files = made({}, policies)
    resources = files["resources.json"]["Resources"]
    assert {"Mails", "MailsLagAlarm", "MailsParkedAlarm", "Debit"} <= set(resources)
    for name, mails in (("mails", True), ("debit", False)):
        text = json.dumps(files[f"{name}.json"])
        assert ("ses:SendEmail" in text, "-effects" in text) == (mails, mails)


def test_the_archiver_may_empty_the_tables_into_the_bucket() -> None:
    allowed = actions("archive")
    assert {f"s3:{call}" for call in ("GetObject", "PutObject", "ListBucket")} <= allowed
    assert {f"dynamodb:{call}Item" for call in ("ConditionCheck", "Delete", "Put")} <= allowed
    assert BOTH["Archive"]["Properties"]["Timeout"] == 900


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_is_told_of_its_stack_and_its_archive(function: str) -> None:
    logical_id = "APIHandler" if function == "api_handler" else to_cfn_resource_name(function)
    variables = RESOURCES[logical_id]["Properties"]["Environment"]["Variables"]
    assert variables["LEFTFOLD_STACK"] == {"Ref": "AWS::StackName"}
    assert variables["LEFTFOLD_ARCHIVE"] == {"Ref": "ArchiveBucket"}


def test_a_function_that_nothing_is_known_of_is_refused() -> None:
    with pytest.raises(ResourcesError, match="nothing is known of the function stray"):
        functions(["stray"], {}, {})


def test_a_registered_view_without_a_function_is_refused() -> None:
    with pytest.raises(ResourcesError, match="by_day is registered but has no function"):
        functions([], {"by_day": VIEW}, {})


def test_every_stage_of_the_file_has_its_own_settings(tmp_path: Path) -> None:
    copied(tmp_path)
    write(generated(["purge"], {}, {}, tmp_path), tmp_path)
    stages = json.loads((tmp_path / ".chalice/config.json").read_text())["stages"]
    memory = {name: stage["lambda_memory_size"] for name, stage in stages.items()}
    assert memory == {"dev": 512, "staging": 512, "prod": 1024}
    for stage in stages.values():
        assert stage["lambda_functions"] == {"purge": {"iam_policy_file": "iam/purge.json"}}


def test_the_policy_of_a_function_that_is_gone_goes_too(tmp_path: Path) -> None:
    copied(tmp_path)
    files = generated(["deadlines", "purge"], {}, {}, tmp_path)
    write(files, tmp_path)
    assert differing(files, tmp_path) == []
    write(generated(["deadlines"], {}, {}, tmp_path), tmp_path)
    policies = [path.name for path in (tmp_path / ".chalice").glob("iam/*.json")]
    assert policies == ["deadlines.json"]


def copied(root: Path) -> None:
    """The files that the generator reads and writes."""
    for folder in ("infra", ".chalice"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("deploy*"))


def test_a_view_that_is_named_like_a_resource_of_the_stack_is_refused() -> None:
    with pytest.raises(ResourcesError, match="view events needs a table events"):
        made({"events": replace(balances, name="events")}, {})
