"""The `leftfold` command."""

import signal
import sys
from typing import Any, NoReturn

import click

from chalicelib.leftfold.archive.epochs import ArchiveConflictError, DamagedArchiveError
from chalicelib.leftfold.generations.control import WrongStateError
from chalicelib.leftfold.store.ports import Unavailable
from tools import domain, event_model_files, resources
from tools.bootstrap import ROOT
from tools.cloud import DeployError
from tools.console import INTERRUPTED, console, errors
from tools.dependencies import PackagingError
from tools.deploying import COMMANDS as DEPLOYING
from tools.domain_package import DomainError
from tools.engines import EngineError
from tools.event_model import registered
from tools.event_versions import COMMANDS as EVENT_VERSIONS
from tools.event_versions import show_written, write_schemas
from tools.generations import COMMANDS as GENERATIONS
from tools.last_deployment import STAGE, NoDeploymentError
from tools.new_context import NewContextError, new_context
from tools.operations import COMMANDS
from tools.package import package
from tools.reconciling import COMMANDS as RECONCILING
from tools.schemas import SchemaError
from tools.stages import StageError

# Errors whose text says in one line what is wrong, and the cure.
EXPLAINED: tuple[type[Exception], ...] = (
    ArchiveConflictError,
    DamagedArchiveError,
    DeployError,
    DomainError,
    EngineError,
    WrongStateError,
    NewContextError,
    NoDeploymentError,
    PackagingError,
    StageError,
    resources.ResourcesError,
    SchemaError,
    Unavailable,
    *domain.ERRORS,
)
HELP = {"help_option_names": ["-h", "--help"], "show_default": True, "max_content_width": 100}


class Commands(click.Group):
    """Commands that fail in one line, without a traceback."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except EXPLAINED as error:
            raise click.ClickException(str(error)) from error
        except KeyboardInterrupt:
            errors.print("stopped")
            sys.exit(INTERRUPTED)


stage_option = click.option("--stage", default=STAGE, help="Stage in infra/stages.toml.")


@click.group(cls=Commands, context_settings=HELP)
def leftfold() -> None:
    """Serverless event sourcing, on this machine and on AWS.

    `leftfold COMMAND --help` explains a command.
    """


@leftfold.command("package")
@stage_option
def package_command(stage: str) -> None:
    """Make the deployment package, if anything has changed.

    The zip file and its CloudFormation template go to .leftfold/build.
    """
    with errors.status("packaging") as status:
        made = package(stage, status.update)
    zipped, unzipped = made.sizes()
    state = "made" if made.made_anew else "unchanged"
    size = f"{zipped / 1e6:.1f} MB zipped, {unzipped / 1e6:.1f} MB unzipped"
    console.print(f"package {state}: {size}: {made.zip.relative_to(ROOT)}", soft_wrap=True)


@leftfold.command("resources")
def resources_command() -> None:
    """Generate the resources and permissions of each view, policy and function.

    Writes infra/resources.json, .chalice/config.json and .chalice/iam/*.json from the
    domain, the app's functions and infra/base.json. Run it after a change to these.
    """
    for path in resources.write(resources.wanted()):
        console.print(f"made anew: {path}", soft_wrap=True)


@leftfold.command("event-model")
def event_model_command() -> None:
    """Draw how commands, events, views and policies lead to each other, from the code.

    Writes docs/event-model.md (diagrams of commands, events, views and policies),
    docs/events.md (the fields of events), docs/asyncapi.json (messages and their schemas)
    and docs/schemas (as `leftfold schema` does). Run it after a change to these.
    """
    for path in event_model_files.write(event_model_files.generated(registered())):
        console.print(f"made anew: {path}", soft_wrap=True)
    show_written(write_schemas())


@leftfold.command("new-context")
@click.argument("name")
def new_context_command(name: str) -> None:
    """Write a small context that works, to be made your own.

    NAME is one lower-case word in the singular, such as loan. The context is a folder in
    the package of your domain, with a test of its own; CONTEXTS lists it.
    """
    made = new_context(name)
    for path in made.files:
        console.print(f"written: {path}", soft_wrap=True)
    console.print(f"changed: {made.listed_in}", soft_wrap=True)
    console.print(
        f"\nNow run\n  leftfold resources     (its function, its permissions, its table)\n"
        f"  leftfold event-model   (docs/event-model.md and docs/asyncapi.json)\n"
        f"  .leftfold/venv/bin/pytest {made.tests}",
        soft_wrap=True,
    )


for command in (
    *domain.COMMANDS,
    *DEPLOYING,
    *COMMANDS,
    *EVENT_VERSIONS,
    *GENERATIONS,
    *RECONCILING,
):
    leftfold.add_command(command)


def end(_number: int, _frame: object) -> NoReturn:
    """SIGTERM stops everything that was started, as Ctrl-C does."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, end)
    leftfold.main(prog_name="leftfold")
