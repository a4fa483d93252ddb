"""The truths of a stage: the first one, and those of later generations."""

from typing import TYPE_CHECKING

from chalicelib.leftfold.generations.control import Control, ControlTable, DynamoControl
from chalicelib.leftfold.projection.search import connect
from tools.cloud import Cloud, DeployError
from tools.deploy import applications
from tools.stacks import Stacks
from tools.stages import Stage

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


def control_of(found: Stage, cloud: Cloud) -> DynamoControl:
    """The control of a stage."""
    return DynamoControl(cloud.client("dynamodb"), f"{found.prefix}-control")


def active_truth(table: ControlTable, found: Stage) -> str:
    """The name of the truth that takes commands."""
    control = table.read()
    return found.prefix if control is None else control.active


def truths(found: Stage, stacks: Stacks) -> list[str]:
    """The names of the truths of a stage that are there, the first one first."""
    control = control_of(found, stacks.cloud).read() or Control(found.prefix)
    names = dict.fromkeys(
        (found.prefix, *control.past, control.blue, *filter(None, [control.green]))
    )
    return [name for name in names if stacks.find(f"{name}-truth") is not None]


def standing(found: Stage, stacks: Stacks) -> list[str]:
    """The names of all applications of a stage, whichever truth each stands on."""
    cloud = stacks.cloud
    return [
        app
        for truth in truths(found, stacks)
        for app in applications(truth, cloud).known().applications
    ]


def active_application(found: Stage, stacks: Stacks) -> str | None:
    """The application that the stage's address leads to: the active one of the active truth."""
    truth = active_truth(control_of(found, stacks.cloud), found)
    return applications(truth, stacks.cloud).known().active


def search_of(truth: str, stacks: Stacks) -> "OpenSearch":
    """A client of a truth's search domain. Raises DeployError."""
    endpoint = stacks.outputs(f"{truth}-truth")["SearchEndpoint"]
    return connect(f"{stacks.cloud.parameters['SearchScheme']}://{endpoint}")


def truth_with(app: str, found: Stage, stacks: Stacks) -> str:
    """The truth that an application stands on. Raises DeployError."""
    known = {name: applications(name, stacks.cloud).known() for name in truths(found, stacks)}
    for name, on_it in known.items():
        if app in on_it.applications:
            return name
    there = sorted(each for on_it in known.values() for each in on_it.applications)
    raise DeployError(f"there is no application {app}; there are {', '.join(there) or 'none'}")
