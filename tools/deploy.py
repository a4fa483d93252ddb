"""From a package to a running deployment: stage, truth and application; alike on AWS and MiniStack."""

import json
from dataclasses import dataclass

from chalicelib.leftfold.store.applications import DynamoApplications
from tools.applications import register
from tools.bootstrap import ROOT
from tools.cloud import Cloud, explained
from tools.dependencies import PYTHON
from tools.engines import Progress
from tools.package import Package
from tools.resources import STAGE_TEMPLATE, TRUTH_TEMPLATE
from tools.stacks import Stacks
from tools.uploading import Uploads


@dataclass(frozen=True)
class Deployed:
    """A running application: the base *url* of its API, and all that its stack puts out."""

    stack: str
    url: str
    outputs: dict[str, str]


def deploy(
    package: Package, stack: str, cloud: Cloud, report: Progress, stacks: Stacks | None = None
) -> Deployed:
    """Creates or updates the stacks of the stage *stack*, of its truth, and of its application.

    Raises DeployError; then the stack that failed is as it was before.
    """
    stacks = stacks or Stacks(cloud, report)
    with explained(cloud):
        truth = provision(package, stack, stacks)
        report("deploy: uploading the application")
        uploads = Uploads(cloud, stack)
        code = uploads.code(package.zip, package.fingerprint)
        template = uploads.template(json.loads(package.template.read_text()), code)
        stacks.bring(stack, template, {**truth, **cloud.parameters})
        return find(stack, cloud)


def provision(package: Package, stage: str, stacks: Stacks) -> dict[str, str]:
    """Creates or updates stage and truth, and registers the first application; what they put out.

    Raises DeployError; then the stack that failed is as it was before.
    """
    cloud = stacks.cloud
    with explained(cloud):
        stacks.report("deploy: uploading")
        uploads = Uploads(cloud, stage)
        uploads.make_bucket()
        given = {"Stage": stage, "Truth": stage, "Runtime": f"python{PYTHON}", **cloud.parameters}
        template = uploads.template(json.loads((ROOT / STAGE_TEMPLATE).read_text()))
        stacks.bring(f"{stage}-stage", template, given)
        code = uploads.code(package.truth_zip, package.truth_fingerprint)
        template = uploads.template(json.loads((ROOT / TRUTH_TEMPLATE).read_text()), code)
        stacks.bring(f"{stage}-truth", template, given)
        register(DynamoApplications(cloud.client("dynamodb"), f"{stage}-applications"), stage)
        return given | stacks.outputs(f"{stage}-truth")


def find(stack: str, cloud: Cloud) -> Deployed:
    """The application as it runs. Raises DeployError if there is none."""
    outputs = Stacks(cloud, lambda _: None).outputs(stack)
    return Deployed(stack, cloud.api_url(outputs), outputs)
