"""From a package to a running deployment: stage, truth and application; alike on AWS and MiniStack."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.leftfold.generations.control import DynamoControl
from chalicelib.leftfold.store.applications import DynamoApplications
from chalicelib.leftfold.store.checkpoints import DynamoCheckpoints
from chalicelib.leftfold.store.logs import WrongLogsError, check_logs, recorded_logs
from chalicelib.leftfold.store.ports import Checkpoints
from chalicelib.leftfold.subjects.dynamo import DynamoKeys
from tools.applications import register
from tools.bootstrap import ROOT
from tools.cloud import Cloud, DeployError, explained
from tools.engines import Progress
from tools.package import Package
from tools.provisioned import chalice_api, write_down
from tools.resources import BESIDE_TEMPLATE, STAGE_TEMPLATE, TEMPLATE, TRUTH_TEMPLATE
from tools.resources.access import NOWHERE
from tools.stacks import Stacks
from tools.stages import APP, Stage, running
from tools.uploading import Uploads

Facts = Mapping[str, str]
# The end of the name of the stack beside Chalice's functions.
BESIDE = "-beside"


@dataclass(frozen=True)
class Deployed:
    """A running application: the base *url* of its API, and all that its stack puts out."""

    stack: str
    url: str
    outputs: dict[str, str]


def deploy(
    package: Package, stage: Stage, cloud: Cloud, report: Progress, stacks: Stacks | None = None
) -> Deployed:
    """Creates or updates the stacks of a stage, of its truth, and of its application.

    Raises DeployError; then the stack that failed is as it was before.
    """
    stacks = stacks or Stacks(cloud, report)
    with explained(cloud):
        facts = provision(package, stage, stacks)
        report("deploy: uploading the application")
        uploads = Uploads(cloud, stage.prefix)
        code = uploads.code(package.zip, package.fingerprint)
        template = uploads.template(application_template(package, stage), code)
        stacks.bring(stage.prefix, template, facts)
        deployed = find(stage.prefix, cloud)
        let_console_sign_in(stage, stacks, deployed.url)
        return deployed


def application_template(package: Package, stage: Stage) -> dict[str, Any]:
    """The template of an application of *stage*.

    Whether its API calls an alias is written out. API Gateway gets a new deployment where the text of
    the API has changed, and none where the value of a parameter has.
    """
    text = package.template.read_text()
    made: dict[str, Any] = json.loads(text.replace("${ApiAlias}", stage.parameters["ApiAlias"]))
    return made


def provision(package: Package, stage: Stage, stacks: Stacks) -> Facts:
    """Creates or updates stage and truth, and registers the first application.

    Returns what an application is told of them. Raises DeployError; then the stack that failed is
    as it was before.
    """
    cloud = stacks.cloud
    with explained(cloud):
        check_not_gone(stage, stacks)
        if stacks.find(truth_stack(stage)) is not None:
            check_number_of_logs(stage, stage.prefix, cloud)
        stacks.report("deploy: uploading")
        uploads = Uploads(cloud, stage.prefix)
        uploads.make_bucket()
        facts = {**stage.parameters, "Truth": stage.prefix, **cloud.parameters}
        template = uploads.template(read(STAGE_TEMPLATE))
        stacks.bring(stage_stack(stage), template, facts)
        facts |= {"KeyArn": "", **stacks.outputs(stage_stack(stage))}
        code = uploads.code(package.truth_zip, package.truth_fingerprint)
        template = uploads.template(read(TRUTH_TEMPLATE), code)
        built = {"Runtime": running(), "Architecture": package.architecture}
        stacks.bring(truth_stack(stage), template, facts | built)
        standing = applications(stage.prefix, cloud)
        register(standing, stage.prefix, package.folds)
        # While another application is active, the bus feeds that one alone.
        is_active = standing.known().active == stage.prefix
        facts["FedByBus"] = str(is_active).lower()
        return facts | stacks.outputs(truth_stack(stage))


def check_not_gone(stage: Stage, stacks: Stacks) -> None:
    """Raises DeployError if a later generation has taken the streams of the first truth, and that was
    dropped: another one of its name would be empty, and take commands.
    """
    if stacks.find(stage_stack(stage)) is None or stacks.find(truth_stack(stage)) is not None:
        return
    control = DynamoControl(stacks.cloud.client("dynamodb"), f"{stage.prefix}-control").read()
    if control is not None:
        name = control.active.removeprefix(f"{stage.prefix}--")
        raise DeployError(
            f"{control.active} has the events of this stage; `leftfold generation create {name}"
            " --transform` deploys the present code there"
        )


def check_number_of_logs(stage: Stage, truth: str, cloud: Cloud) -> None:
    """Raises DeployError if a truth of the stage has commits, and another number of logs."""
    try:
        check_logs(recorded_logs(logs_record(truth, cloud)), stage.logs)
    except WrongLogsError as error:
        raise DeployError(str(error)) from error


def logs_record(truth: str, cloud: Cloud) -> Checkpoints:
    """Where it is recorded how many logs a truth has."""
    return DynamoCheckpoints(cloud.client("dynamodb"), f"{truth}-policy-checkpoints")


def let_console_sign_in(stage: Stage, stacks: Stacks, url: str) -> None:
    """Lets the stage's user pool send people back to the console of the API at *url*.

    Nobody knows that address before there is an API. Another issuer is told by hand.
    """
    stack = stage_stack(stage)
    now = stacks.parameters(stack)
    named = [one for one in now["ConsoleUrls"].split(",") if one != NOWHERE]
    page = f"{url}/console/index.html"
    if page not in named and not now["OtherIssuer"]:
        stacks.report("deploy: letting the console sign in")
        stacks.change(stack, {"ConsoleUrls": ",".join([*named, page])})


def provision_for_chalice(package: Package, stage: Stage, stacks: Stacks) -> Path:
    """Makes all but what `chalice deploy` makes, and writes it down; the file.

    Raises DeployError; then the stack that failed is as it was before.
    """
    cloud = stacks.cloud
    with explained(cloud):
        facts = {**provision(package, stage, stacks), "Application": stage.prefix}
        template = Uploads(cloud, stage.prefix).template(read(BESIDE_TEMPLATE))
        stacks.bring(beside_stack(stage), template, facts)
        kept = stacks.parameters(beside_stack(stage))
        home = {
            "Account": cloud.account,
            "Region": cloud.region,
            "Partition": cloud.partition,
        }
        return write_down(stage.name, {**defaults(read(TEMPLATE)), **kept, **facts, **home})


def find(stack: str, cloud: Cloud, root: Path = ROOT) -> Deployed:
    """The application as it runs, whoever has deployed it. Raises DeployError if there is none.

    The address of an API that Chalice has made is empty where Chalice's own note of it is not.
    """
    stacks = Stacks(cloud, lambda _: None)
    with explained(cloud):
        beside = f"{stack}{BESIDE}"
        is_chalices = stacks.find(stack) is None and stacks.find(beside) is not None
    outputs = stacks.outputs(beside if is_chalices else stack)
    if not is_chalices:
        return Deployed(stack, cloud.api_url(outputs), outputs)
    api = chalice_api(stack.removeprefix(f"{APP}-"), root)
    made = {"EndpointURL": api.url, "RestAPIId": api.api_id} if api else {}
    return Deployed(stack, cloud.api_url(made) if made else "", outputs)


def applications(truth: str, cloud: Cloud) -> DynamoApplications:
    """The register of a truth's applications."""
    return DynamoApplications(cloud.client("dynamodb"), f"{truth}-applications")


def data_keys(stage: Stage, cloud: Cloud) -> DynamoKeys:
    """The table of the stage's data keys, which knows whom erasures wait for."""
    return DynamoKeys(cloud.client("dynamodb"), f"{stage.prefix}-subjects")


def stage_stack(stage: Stage) -> str:
    """The name of the stack of what outlives every truth."""
    return f"{stage.prefix}-stage"


def truth_stack(stage: Stage) -> str:
    """The name of the truth's stack."""
    return f"{stage.prefix}-truth"


def beside_stack(stage: Stage) -> str:
    """The name of the stack of what stands beside the functions of `chalice deploy`."""
    return f"{stage.prefix}{BESIDE}"


def read(template: Path) -> dict[str, Any]:
    """One of the generated templates."""
    made: dict[str, Any] = json.loads((ROOT / template).read_text())
    return made


def defaults(template: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of a template that have defaults."""
    return {
        name: made["Default"] for name, made in template["Parameters"].items() if "Default" in made
    }


def check_way(stage: Stage, way: str) -> None:
    """Raises DeployError for a stage that is deployed in another way."""
    if stage.way == way:
        return
    cures = {
        "cloudformation": f"`leftfold deploy --stage {stage.name}`",
        "chalice": f"`leftfold provision --stage {stage.name}`, then `chalice deploy --stage"
        f" {stage.name}`",
    }
    raise DeployError(
        f'the stage {stage.name} is deployed by {cures[stage.way]}; for another way, set way = "{way}"'
        " in infra/stages.toml"
    )
