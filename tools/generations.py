"""Generations: further applications on the truth of a stage, for releases beside each other."""

import re
import sys
from datetime import timedelta

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from chalicelib.leftfold.store.applications import Applications, Known
from chalicelib.leftfold.subjects.keys import DataKeys
from tools.applications import application, check_folds
from tools.changing import (
    check_droppable,
    create_beside,
    drop_truth,
    show_change,
    told_to,
)
from tools.cloud import Cloud, DeployError, explained
from tools.console import console, errors
from tools.deploy import (
    applications,
    check_way,
    data_keys,
    find,
    let_console_sign_in,
    read,
    stage_stack,
)
from tools.deploying import asked, mail_from_option, shown, stage_option, told, yes_option
from tools.deployment_services import reach
from tools.generation import generation_command
from tools.last_deployment import Current, remember
from tools.operations import show_status
from tools.options import endpoint_option
from tools.package import Package, package
from tools.proving import verify_command
from tools.stacks import Stacks
from tools.stages import Stage, stage
from tools.truths import active_truth, control_of, truth_with, truths
from tools.uploading import Uploads

NAME = re.compile(r"[a-z][a-z0-9]{0,15}")


def named(found: Stage, name: str) -> str:
    """The application of a generation. Raises DeployError for a name that cannot be one."""
    if not NAME.fullmatch(name):
        raise DeployError(f"{name!r} cannot name a generation; take up to 16 of a-z and 0-9")
    return f"{found.prefix}--{name}"


def create(made: Package, found: Stage, name: str, stacks: Stacks) -> str:
    """Brings up a generation on the stage's active truth; its application. It fills its rows from the log.

    Killed, it may be run again. Raises DeployError.
    """
    cloud = stacks.cloud
    app = named(found, name)
    with explained(cloud):
        if stacks.find(f"{app}-truth") is not None:
            raise DeployError(
                f"{app} has a truth of its own; `leftfold generation create {name} --transform`"
                " deploys the present code there"
            )
        truth = active_truth(control_of(found, cloud), found)
        first = stacks.outputs(truth)
        facts = {
            **told_to(truth, stacks),
            **found.parameters,
            **{name: first.get(name, "") for name in ("Earlier", "EarlierArchive", "Ordinal")},
            "Truth": truth,
            **cloud.parameters,
            "KeyArn": "",
            **stacks.outputs(stage_stack(found)),
            **stacks.outputs(f"{truth}-truth"),
            "FedByBus": "false",
        }
        register = applications(truth, cloud)
        check_folds(register.known(), app, made.folds)
        # Registered first, so that the truth's functions wake it as soon as it is there.
        register.register(application(app, made.folds))
        uploads = Uploads(cloud, found.prefix)
        code = uploads.code(made.zip, made.fingerprint)
        stacks.bring(app, uploads.template(read(made.template), code), facts)
    return app


def activate(register: Applications, app: str, stacks: Stacks) -> None:
    """Makes an application the active one: the bus feeds it, and its policies and deadlines run.

    Each step may be repeated, and the first and the last may be missing: until then both are woken
    by the log. Raises DeployError if another was activated meanwhile.
    """
    known = register.known()
    if app not in known.applications:
        raise DeployError(f"there is no application {app}; there are {listed(known)}")
    stacks.change(app, {"FedByBus": "true"})
    if known.active != app and not register.activate(app, known.active):
        raise DeployError(f"{known.active} is not the active one any more; look, and run it again")
    for other in known.applications:
        if other != app:
            stacks.change(other, {"FedByBus": "false"})


def drop(register: Applications, keys: DataKeys, app: str, stacks: Stacks) -> None:
    """Takes a generation away, with its rows, for which no erasure waits any more.

    Raises DeployError for the active one.
    """
    if not register.remove(app):
        raise DeployError(f"{app} is active; activate another generation first")
    stacks.delete(app)
    keys.leave(app)


def listed(known: Known) -> str:
    """The names of all applications."""
    return ", ".join(known.applications) or "none"


generation_argument = click.argument("green", metavar="NAME")


@generation_command.command("create")
@generation_argument
@click.option(
    "--transform",
    is_flag=True,
    help="With a truth of its own, filled through this code's transforms: for other events and streams.",
)
@stage_option
@mail_from_option
@yes_option
@endpoint_option
def create_command(
    *,
    green: str,
    transform: bool,
    name: str,
    mail_from: str | None,
    yes: bool,
    endpoint_url: str | None,
) -> None:
    """Deploy the present code as generation NAME.

    It reads the stage's events, and fills rows of its own from the log: for other views, policies
    and rules. With --transform it also has streams of its own, which are filled from the active
    generation's, and which it takes over with `leftfold generation switch`. Run again, it deploys the
    present code there.
    """
    found = of_cloudformation(name, endpoint_url)
    with errors.status("packaging") as status:
        made = package(name, status.update)
    stacks = Stacks(Cloud(endpoint_url, mail_from=mail_from), told, shown if yes else asked)
    if transform:
        app = named(found, green)
        create_beside(made, found, app, stacks, lambda text: agreed_to(text, yes=yes))
        let_console_sign_in(found, stacks, find(app, stacks.cloud).url)
        console.print(
            f"{app} is filled; `leftfold generation status {green}` shows how far it is,"
            " `leftfold generation switch` lets it take over"
        )
        return
    app = create(made, found, green, stacks)
    let_console_sign_in(found, stacks, find(app, stacks.cloud).url)
    console.print(f"{app} fills its rows; `leftfold generation status {green}` shows how far it is")


@generation_command.command("list")
@stage_option
@endpoint_option
def list_command(*, name: str, endpoint_url: str | None) -> None:
    """List the applications of a stage, with the truth that each stands on."""
    found, cloud = stage(name), Cloud(endpoint_url)
    table = Table(box=SIMPLE_HEAD)
    for column in ("truth", "application", "active", "readers"):
        table.add_column(column)
    with explained(cloud):
        acting = active_truth(control_of(found, cloud), found)
        for truth in truths(found, Stacks(cloud, told)):
            known = applications(truth, cloud).known()
            for each in known.applications.values():
                active = "active" if (truth, each.name) == (acting, known.active) else ""
                table.add_row(truth, each.name, active, f"{len(each.readers)}")
    console.print(table)


@generation_command.command("status")
@generation_argument
@stage_option
@endpoint_option
def status_command(*, green: str, name: str, endpoint_url: str | None) -> None:
    """Show how far generation NAME is; exits with 1 while a view, or the change, is behind.

    Of one with a truth of its own also: what control says, the copier, and what is taken.
    """
    found = stage(name)
    services = reach(Current(application_of(found, green), "", endpoint_url))
    ready = show_status(services, timedelta())
    control = control_of(found, Cloud(endpoint_url)).read()
    if control is not None and control.green == services.settings.truth:
        ready &= show_change(services.generations.operator)
    if not ready:
        sys.exit(1)


@generation_command.command("activate")
@generation_argument
@click.option("--behind", is_flag=True, help="Also while a view is behind.")
@stage_option
@endpoint_option
def activate_command(*, green: str, behind: bool, name: str, endpoint_url: str | None) -> None:
    """Make generation NAME the active one. NAME "-" is the first application of the stage.

    The bus feeds it from now on, and its policies and deadlines run. Back is the same command
    with the other name. Refused while one of its views is behind.
    """
    found = of_cloudformation(name, endpoint_url)
    app = application_of(found, green)
    cloud = Cloud(endpoint_url)
    if not behind and not show_status(reach(Current(app, "", endpoint_url)), timedelta()):
        raise DeployError(f"{app} is behind; wait for it, or give --behind")
    with explained(cloud):
        stacks = Stacks(cloud, told)
        activate(applications(truth_with(app, found, stacks), cloud), app, stacks)
    current = Current(app, find(app, cloud).url, endpoint_url)
    remember(current)
    console.print(f"{app} is active: {current.url}", soft_wrap=True)


@generation_command.command("drop")
@generation_argument
@click.option(
    "--really",
    default="",
    metavar="TRUTH",
    help="With the truth of that name: all its events, its archive and its applications.",
)
@stage_option
@endpoint_option
def drop_command(*, green: str, really: str, name: str, endpoint_url: str | None) -> None:
    """Delete generation NAME with its rows; the active one is refused. NAME "-" is the first one.

    One with a truth of its own is deleted with its truth, once its change is finished or abandoned:
    --really has to name it.
    """
    found = of_cloudformation(name, endpoint_url)
    cloud = Cloud(endpoint_url)
    app, stacks = application_of(found, green), Stacks(cloud, told)
    with explained(cloud):
        if stacks.find(f"{app}-truth") is None:
            register = applications(truth_with(app, found, stacks), cloud)
            drop(register, data_keys(found, cloud), app, stacks)
        else:
            check_droppable(control_of(found, cloud).read(), app)
            if really != app:
                raise DeployError(
                    f"{app} has a truth of its own, and all its events go with it; if nobody needs"
                    f" them, add --really {app}"
                )
            drop_truth(app, found, stacks)
    console.print(f"{app} is deleted")


def application_of(found: Stage, name: str) -> str:
    """The application that a generation's name means; "-" is the first one of the stage."""
    return found.prefix if name == "-" else named(found, name)


def agreed_to(text: str, *, yes: bool) -> bool:
    """Shows what a change takes, and asks for it. Raises DeployError where nobody can answer."""
    console.print(text, soft_wrap=True)
    if not (yes or sys.stdin.isatty()):
        raise DeployError("nobody is here to agree to it; give --yes")
    return yes or click.confirm("Make it?", err=True)


def of_cloudformation(name: str, endpoint_url: str | None) -> Stage:
    """The stage, if CloudFormation deploys it and this Python may package for it."""
    found = stage(name)
    check_way(found, "cloudformation")
    if endpoint_url is None:
        found.check_runtime()
    return found


generation_command.add_command(verify_command)

COMMANDS = (generation_command,)
