"""Stages: their file, what is written down of them for Chalice, and what a deployment asks for."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.functions import FOLLOWING
from chalicelib.leftfold.store.checkpoints import DynamoCheckpoints
from chalicelib.leftfold.store.logs import record_logs
from tests.contracts import moto
from tests.tools.tables import shown_as_text
from tools import deploying, stages
from tools.__main__ import leftfold
from tools.bootstrap import ROOT
from tools.cloud import Cloud, DeployError
from tools.deploy import check_number_of_logs, check_way, defaults, find, read
from tools.deploying import checked, table_of
from tools.provisioned import literal, provisioned, write_down
from tools.resources import (
    BESIDE_TEMPLATE,
    FRONT_TEMPLATE,
    STAGE_TEMPLATE,
    TEMPLATE,
    TRUTH_TEMPLATE,
    app_functions,
    asynchronous,
    functions,
)
from tools.resources.files import config, iam_file, permissions
from tools.resources.functions import Function
from tools.stacks import Change
from tools.stages import FILE, Stage, StageError, running, stage, stage_of
from tools.tables import create_tables

DEV = stage("dev")
# What `provision` would have written down.
FACTS = {
    **defaults(read(TEMPLATE)),
    **DEV.parameters,
    "Partition": "aws",
    "Region": "eu-central-1",
    "Account": "123456789012",
    "Application": "leftfold-dev",
    "Truth": "leftfold-dev",
    "ArchiveBucket": "leftfold-dev-archive-123456789012-eu-central-1",
    "PersonalDataKey": "arn:aws:kms:eu-central-1:123456789012:key/personal-data",
    "TokenIssuer": "https://issuer.example",
    "TokenKeys": "https://issuer.example/jwks.json",
    "TokenAudience": "a-client",
    "TenantClaim": "tenant",
    "SearchEndpoint": "search.example",
    "SearchArn": "arn:aws:es:eu-central-1:123456789012:domain/search",
    "MailFrom": "bank@leftfold.example",
    "OtlpEndpoint": "https://collector.example",
}


MANY_ROLES = {f"arn:aws:iam::111122223333:role/r{n}": "main queries" for n in range(99)}


def settings_of(found: Stage) -> dict[str, Any]:
    return {name: value for name, value in vars(found).items() if name != "name"}


def test_a_stage_names_its_stacks_and_never_those_of_another() -> None:
    assert {name: found.prefix for name, found in stages.stages().items()} == {
        "dev": "leftfold-dev",
        "staging": "leftfold-staging",
        "prod": "leftfold-prod",
    }


def test_money_is_protected_in_prod() -> None:
    prod = stage("prod")
    assert (prod.is_protected, prod.has_own_keys, prod.has_backup) == (True, True, True)
    assert prod.parameters["IsProtected"] == "true"


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("dev-2", dict, "'dev-2' cannot name a stage; take up to 16 of a-z and 0-9"),
        ("dev", lambda s: s | {"shards": "2"}, "shards is '2'; it must be of type int"),
        ("dev", lambda s: s | {"shards": True}, "shards is True; it must be of type int"),
        ("dev", lambda s: s | {"wake_window": 301}, "wake_window is 301; it must be 0 to 300"),
        ("dev", lambda s: s | {"logs": 0}, "logs is 0; it must be 1 to 16"),
        ("dev", lambda s: s | {"logs": 17}, "logs is 17; it must be 1 to 16"),
        ("dev", lambda s: s | {"domain": "a.example"}, "a domain needs a certificate, the ARN"),
        ("dev", lambda s: s | {"way": "sam"}, "way is 'sam'; it must be cloudformation or chalice"),
        ("dev", lambda s: s | {"shard": 1}, "too few settings, or unknown ones: shard"),
        ("dev", lambda s: s | {"roles": "main"}, "roles: it must be"),
        ("dev", lambda s: s | {"roles": {"importer": "main queries"}}, "roles: 'importer' is no"),
        ("dev", lambda s: s | {"roles": MANY_ROLES}, "roles: so many roles fit into no"),
        ("dev", lambda _: {}, "too few settings, or unknown ones: api_concurrency, api_warm, arch"),
    ],
)
def test_a_stage_that_is_described_wrongly_is_refused(
    name: str, change: Callable[[Any], Any], says: str
) -> None:
    with pytest.raises(StageError, match=says):
        stage_of(name, change(settings_of(DEV)))


def test_a_deploy_with_another_number_of_logs_is_refused_once_there_are_commits() -> None:
    with moto.in_process():
        cloud = Account()
        table = f"{create_tables(cloud.client('dynamodb'), 'there')}-policy-checkpoints"
        check_number_of_logs(replace(DEV, logs=4), "there", cloud)
        record_logs(DynamoCheckpoints(cloud.client("dynamodb"), table), 4)
        check_number_of_logs(replace(DEV, logs=4), "there", cloud)
        with pytest.raises(DeployError, match=r"this truth has 4 .* set logs = 4 .*stages\.toml"):
            check_number_of_logs(DEV, "there", cloud)


class Account(Cloud):
    """An account of moto's."""

    def client(self, service: str) -> Any:
        return moto.client(service)


def test_every_function_is_told_the_number_of_logs() -> None:
    assert replace(DEV, logs=4).parameters["Logs"] == "4"
    for path in (TRUTH_TEMPLATE, TEMPLATE):
        told = [
            each["Properties"]["Environment"]["Variables"]["LEFTFOLD_LOGS"]
            for each in read(path)["Resources"].values()
            if "Environment" in each.get("Properties", {})
        ]
        assert told
        assert all(each == {"Ref": "Logs"} for each in told)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "infra").mkdir()
    (tmp_path / FILE).write_text("[dev\n")
    with pytest.raises(StageError, match=r"infra/stages\.toml: "):
        stages.stages(tmp_path)


def test_another_python_than_the_stages_is_refused_with_the_cure() -> None:
    replace(DEV, runtime=running()).check_runtime()
    with pytest.raises(StageError, match=r"runs on python3\.99 .* PYTHON=python3\.99 make tools"):
        replace(DEV, runtime="python3.99").check_runtime()


def test_a_stage_is_deployed_in_one_way() -> None:
    check_way(DEV, "cloudformation")
    with pytest.raises(
        DeployError, match=r"by `leftfold deploy --stage dev`; .* way = \"chalice\""
    ):
        check_way(DEV, "chalice")
    with pytest.raises(DeployError, match=r"by `leftfold provision --stage dev`, then `chalice"):
        check_way(replace(DEV, way="chalice"), "cloudformation")


def test_nothing_is_deployed_that_the_file_of_stages_does_not_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deploying, "wanted_files", lambda: {STAGE_TEMPLATE: "of another file"})
    with pytest.raises(DeployError, match="is not what the code says; run `leftfold resources`"):
        checked("dev", "cloudformation", "http://127.0.0.1:1")


def test_a_stage_with_roles_tells_them_to_chalice_and_to_the_functions() -> None:
    """Chalice packages with the stage's variables, by which the app says which routes are signed."""
    roles = {"arn:aws:iam::111122223333:role/importer": "main commands queries"}
    signed = stage_of("dev", settings_of(DEV) | {"roles": roles})
    made = functions(app_functions(), DOMAIN.views, DOMAIN.policies)
    for facts in (None, FACTS):
        written = {"dev": facts} if facts else {}
        found = config(read(TEMPLATE), made, [signed, DEV], written)["stages"]["dev"]
        assert "LEFTFOLD_ROLES" not in found["environment_variables"]  # DEV comes last
        found = config(read(TEMPLATE), made, [signed], written)["stages"]["dev"]
        table = found["environment_variables"]["LEFTFOLD_ROLES"]
        assert json.loads(table) == {"111122223333/importer": "main commands queries"}
    assert signed.parameters["Access"] == "roles"
    assert DEV.parameters["Access"] == "tokens"


def test_no_more_processes_are_ready_than_may_run() -> None:
    def warm(ready: int, bound: int) -> Stage:
        return stage_of(
            "a", {**settings_of(DEV), "api_warm": ready, "api_concurrency": bound, "wait_seats": 0}
        )

    parameters = [warm(*each).parameters for each in ((0, 7), (7, 7), (7, 0))]
    named = [(each["ApiWarm"], each["ApiAlias"]) for each in parameters]
    assert named == [("0", ""), ("7", ":live"), ("7", ":live")]
    with pytest.raises(StageError, match=r"api_warm is 8.*api_concurrency .* which is 7"):
        warm(8, 7)


@pytest.mark.parametrize(
    ("seats", "bound"), [("feed_seats", "feed_concurrency"), ("wait_seats", "api_concurrency")]
)
def test_a_tenant_has_no_more_seats_than_processes_may_run(seats: str, bound: str) -> None:
    def seated(most: int, running: int) -> Stage:
        return stage_of("a", {**settings_of(DEV), seats: most, bound: running})

    name = "FeedSeats" if seats == "feed_seats" else "WaitSeats"
    taken = [seated(*each).parameters[name] for each in ((0, 30), (30, 30), (30, 0))]
    assert taken == ["0", "30", "30"]
    with pytest.raises(StageError, match=rf"{seats} is 31.*{bound} .* which is 30"):
        seated(31, 30)


def test_every_setting_of_a_stage_reaches_a_template() -> None:
    takes = {
        name
        for path in (STAGE_TEMPLATE, TRUTH_TEMPLATE, FRONT_TEMPLATE, TEMPLATE)
        for name in read(path)["Parameters"]
    }
    assert set(DEV.parameters) <= takes


def test_a_stage_says_how_long_a_growing_log_is_watched_before_its_followers_are_woken() -> None:
    sources = {
        name: properties["Properties"].get("MaximumBatchingWindowInSeconds")
        for name, resource in read(TRUTH_TEMPLATE)["Resources"].items()
        for properties in resource.get("Properties", {}).get("Events", {}).values()
        if properties["Type"] == "DynamoDB"
    }
    assert sources == {"Relay": None, "LogGrew": {"Ref": "WakeWindow"}}
    assert replace(DEV, wake_window=2).parameters["WakeWindow"] == "2"


# --- what is written down for Chalice


def test_references_become_the_names_that_are_written_down() -> None:
    assert literal({"Fn::Sub": "arn:${AWS::Partition}:x:${Truth}-y"}, FACTS) == (
        "arn:aws:x:leftfold-dev-y"
    )
    assert literal([{"Ref": "AWS::StackName"}, 1, {"a": {"Ref": "Truth"}}], FACTS) == [
        "leftfold-dev",
        1,
        {"a": "leftfold-dev"},
    ]
    with pytest.raises(KeyError, match="Unknown"):
        literal({"Ref": "Unknown"}, FACTS)


def test_what_is_written_down_is_read_again(tmp_path: Path) -> None:
    assert provisioned("dev", tmp_path) is None
    write_down("dev", FACTS, tmp_path)
    assert provisioned("dev", tmp_path) == FACTS


def test_all_that_is_taken_for_written_down_is_put_out_or_a_setting() -> None:
    outputs = {name for path in (STAGE_TEMPLATE, TRUTH_TEMPLATE) for name in read(path)["Outputs"]}
    own = {"Account", "Region", "Partition", "Application"}
    assert set(FACTS) <= own | outputs | set(DEV.parameters) | set(defaults(read(TEMPLATE)))


def domain_that_chalice_makes(of: Stage) -> object:
    made = config(read(TEMPLATE), MADE, [of], {"dev": FACTS})["stages"]["dev"]
    return made.get("api_gateway_custom_domain")


def test_a_domain_of_the_apis_own_is_chalices_to_make_where_chalice_deploys() -> None:
    theirs = replace(CHALICE, domain="api.example.org", certificate="arn:certificate")
    assert domain_that_chalice_makes(theirs) == {
        "domain_name": "api.example.org",
        "certificate_arn": "arn:certificate",
    }
    assert domain_that_chalice_makes(CHALICE) is None
    # Where it does not, the front has it: in an application, each new one would take it.
    assert domain_that_chalice_makes(replace(theirs, way="cloudformation")) is None


MADE = functions(app_functions(), DOMAIN.views, DOMAIN.policies)
CHALICE = replace(DEV, way="chalice", api_concurrency=7)


def test_a_stage_that_is_provisioned_has_no_reference_left() -> None:
    made = config(read(TEMPLATE), MADE, [CHALICE], {"dev": FACTS})["stages"]["dev"]
    policies = [permissions(function, FACTS) for function in MADE]
    text = json.dumps([made, policies])
    assert "Fn::" not in text
    assert '"Ref"' not in text
    assert "${" not in text
    assert made["environment_variables"]["LEFTFOLD_TRUTH"] == "leftfold-dev"
    assert "" not in made["environment_variables"].values()
    assert {f.name: iam_file(f, "dev") for f in MADE} == {
        name: settings["iam_policy_file"] for name, settings in made["lambda_functions"].items()
    }
    assert made["lambda_functions"]["api_handler"]["reserved_concurrency"] == 7
    assert made["lambda_functions"]["feed"]["reserved_concurrency"] == CHALICE.feed_concurrency


def test_the_room_of_the_feed_is_reserved_once_by_each_way() -> None:
    def reserved(stage: Stage) -> bool:
        made = config(read(TEMPLATE), MADE, [stage], {})["stages"]["dev"]
        return "reserved_concurrency" in made["lambda_functions"]["feed"]

    # The template of CloudFormation has it as a parameter.
    assert not reserved(DEV)
    assert [reserved(replace(CHALICE, feed_concurrency=many)) for many in (0, 9)] == [False, True]


def test_a_function_may_do_the_same_by_both_ways() -> None:
    for function in MADE:
        # The others are for a generation that follows another, which Chalice does not deploy.
        references = [each for each in permissions(function)["Statement"] if "Action" in each]
        for reference, name in zip(
            references[1:],
            permissions(function, FACTS)["Statement"][1:],
            strict=True,
        ):
            assert name["Action"] == reference["Action"]
            assert name["Resource"] == literal(reference["Resource"], FACTS)


# As long as they may be: those of a generation that follows another, in a stage of 16 letters.
LONG = {
    **FACTS,
    **dict.fromkeys(
        ("Stage", "Truth", "Application", "Earlier"), f"leftfold-{'s' * 16}--{'g' * 16}"
    ),
    "Region": "ap-southeast-1",
    "EarlierArchive": "a" * 63,
    "SearchArn": f"arn:aws:es:ap-southeast-1:123456789012:domain/{'d' * 28}",
}


def chosen(value: Any) -> Any:
    """*value* where all conditions hold."""
    match value:
        case {"Fn::If": [_, then, _]}:
            return chosen(then)
        case dict():
            return {key: chosen(each) for key, each in value.items()}
        case list():
            return [chosen(each) for each in value]
    return value


@pytest.mark.parametrize("function", MADE, ids=lambda made: made.name)
def test_iam_takes_the_permissions_of_a_function(function: Function) -> None:
    """10,240 characters in all inline policies of a role. A domain of many views meets it first."""
    document = literal(chosen(permissions(function)), LONG)
    assert len(json.dumps(document, separators=(",", ":"))) <= 10_240


def test_the_apis_function_has_the_name_that_chalice_gives_it() -> None:
    (api,) = [function for function in MADE if function.name == "api_handler"]
    (log,) = permissions(api, FACTS)["Statement"][0]["Resource"]
    assert log.endswith(":log-group:/aws/lambda/leftfold-dev:*")


def test_beside_chalices_functions_stand_all_tables_logs_and_alarms_of_the_application() -> None:
    ours, beside = read(TEMPLATE)["Resources"], read(BESIDE_TEMPLATE)
    assert set(beside["Resources"]) == {
        name
        for name, made in ours.items()
        if "Type" in made and made["Type"] != "AWS::Lambda::Permission"
    } - {"WebAclAssociation"}
    kinds = {made["Type"] for made in beside["Resources"].values()}
    assert {"AWS::DynamoDB::Table", "AWS::Logs::LogGroup", "AWS::CloudWatch::Alarm"} <= kinds
    text = json.dumps(beside)
    assert "AWS::StackName" not in text
    referred = {name for name in beside["Resources"] if json.dumps({"Ref": name}) in text}
    assert referred <= set(beside["Resources"]) | set(beside["Parameters"])
    assert not {made.logical_id for made in MADE} & set(beside["Resources"])
    for function in MADE:
        assert json.dumps({"Ref": function.logical_id}) not in text
    log = beside["Resources"]["APIHandlerLog"]["Properties"]["LogGroupName"]
    assert log == {"Fn::Sub": "/aws/lambda/${Application}"}


@pytest.mark.slow
def test_an_application_is_found_whoever_has_deployed_it(tmp_path: Path) -> None:
    """By its own stack, or by what stands beside Chalice's functions and Chalice's own note."""
    log = {"Type": "AWS::Logs::LogGroup"}
    parameters = {name: {"Type": "String", "Default": value} for name, value in FACTS.items()}
    outputs = read(BESIDE_TEMPLATE)["Outputs"]
    conditions = read(BESIDE_TEMPLATE)["Conditions"]
    template = {"Parameters": parameters, "Conditions": conditions, "Resources": {"Log": log}}
    with moto.in_process(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_DEFAULT_REGION", moto.REGION)
        cloud = Cloud()
        with pytest.raises(DeployError, match="no stack leftfold-dev is deployed"):
            find("leftfold-dev", cloud, tmp_path)
        cloud.client("cloudformation").create_stack(
            StackName="leftfold-dev-beside",
            TemplateBody=json.dumps({**template, "Outputs": outputs}),
        )
        found = find("leftfold-dev", cloud, tmp_path)
        assert (found.stack, found.url) == ("leftfold-dev", "")
        assert {"Stage", "Truth", "ArchiveBucket", "SearchEndpoint"} <= found.outputs.keys()
        assert found.outputs["MailFrom"] == FACTS["MailFrom"]
        note = tmp_path / ".chalice" / "deployed" / "dev.json"
        note.parent.mkdir(parents=True)
        api = {"resource_type": "rest_api", "rest_api_id": "a", "rest_api_url": "https://a/api/"}
        note.write_text(json.dumps({"resources": [api]}))
        assert find("leftfold-dev", cloud, tmp_path).url == "https://a/api"


def test_after_chalice_every_function_that_is_woken_keeps_no_wake_for_long() -> None:
    settings = asynchronous(read(TEMPLATE), "leftfold-dev")
    woken = (*DOMAIN.views, *DOMAIN.policies, *FOLLOWING)
    assert set(settings) == {f"leftfold-dev-{name}" for name in woken}
    assert {each["MaximumRetryAttempts"] for each in settings.values()} == {0}


# --- what is asked for


CHANGES = [
    Change("Add", "Balances", "AWS::Lambda::Function", replaced=False),
    Change("Modify", "EventsTable", "AWS::DynamoDB::Table", replaced=True),
    Change("Remove", "Sums", "AWS::Lambda::Function", replaced=False),
]


def test_what_takes_something_away_comes_first_and_in_red() -> None:
    table = table_of("leftfold-dev-truth", CHANGES)
    assert [str(row.style) for row in table.rows] == ["bold red", "bold red", "None"]
    text = shown_as_text(table)
    assert text.index("REPLACE") < text.index("Remove") < text.index("Add")


def test_where_nobody_can_be_asked_nothing_changes() -> None:
    with pytest.raises(DeployError, match=r"nobody is here .* give --yes"):
        deploying.asked("leftfold-dev", CHANGES)


def test_a_truth_is_destroyed_only_if_its_name_is_said_twice() -> None:
    for really in ([], ["--really", "leftfold-prod"]):
        said = CliRunner().invoke(leftfold, ["destroy", "--stage", "dev", "--truth", *really])
        assert said.exit_code == 1
        assert "add --really leftfold-dev" in said.stderr


def test_the_stages_of_chalice_are_those_of_the_file() -> None:
    chalice = json.loads((ROOT / ".chalice/config.json").read_text())["stages"]
    assert set(chalice) == set(stages.stages())
    assert chalice["prod"]["lambda_architecture"] == stage("prod").architecture
