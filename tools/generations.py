"""Generations: further applications on the truth of a stage, for releases beside each other."""

import re
import sys
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from chalicelib.leftfold.projection.search import drop_indexes
from chalicelib.leftfold.store.applications import Applications, Known
from chalicelib.leftfold.subjects.keys import DataKeys
from tools.applications import application, check_events, check_folds
from tools.bootstrap import ROOT
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
    application_template,
    applications,
    check_number_of_logs,
    check_way,
    data_keys,
    find,
    let_console_sign_in,
    stage_stack,
)
from tools.deploying import asked, mail_from_option, shown, stage_option, told, yes_option
from tools.deployment_services import reach
from tools.fingerprints import fingerprints
from tools.front import Front
from tools.generation import generation_command
from tools.generation_check import MOST_BEHIND, check_release, is_right
from tools.last_deployment import Current, remember
from tools.operations import show_status
from tools.options import endpoint_option
from tools.package import Package, package
from tools.proving import verify_command
from tools.stacks import Stacks
from tools.stages import Stage, stage
from tools.truths import active_truth, control_of, search_of, truth_with, truths
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
        check_number_of_logs(found, truth, cloud)
        register = applications(truth, cloud)
        known = register.known()
        # The first application of the truth may be gone.
        active = known.active or truth
        says = stacks.outputs(active)
        facts = {
            **told_to(active, stacks),
            **found.parameters,
            **{
                name: says.get(name, "")
                for name in ("Earlier", "EarlierArchive", "EarlierLogs", "Ordinal")
            },
            "Truth": truth,
            **cloud.parameters,
            "KeyArn": "",
            **stacks.outputs(stage_stack(found)),
            **stacks.outputs(f"{truth}-truth"),
        }
        # An active one that is deployed again stays fed.
        facts["FedByBus"] = str(known.active == app).lower()
        check_folds(known, app, made.folds)
        registered = application(app, made.folds)
        check_events(known, registered)
        # Registered first, so that the truth's functions wake it as soon as it is there.
        register.register(registered)
        uploads = Uploads(cloud, found.prefix)
        code = uploads.code(made.zip, made.fingerprint)
        template = uploads.template(application_template(made, found), code)
        stacks.bring(app, template, facts)
    return app


def activate(register: Applications, app: str, front: Front) -> str:
    """Makes an application the active one: the stage's address leads to it, the bus feeds it, and its
    policies and deadlines run. Returns the address.

    Each step may be repeated, and any of them may be missing for a while: both applications answer,
    and both are woken by the log. Raises DeployError if another was activated meanwhile.
    """
    known, stacks = register.known(), front.stacks
    if app not in known.applications:
        raise DeployError(f"there is no application {app}; there are {listed(known)}")
    stacks.change(app, {"FedByBus": "true", "MovedTo": ""})
    # Before the register: it knows whose address is left until this is done.
    address = front.lead_to(app, known.applications, left=known.active)
    if known.active != app and not register.activate(app, known.active):
        now = register.known()
        if now.active:
            front.lead_to(now.active, now.applications)
        raise DeployError(f"{known.active} is not the active one any more; look, and run it again")
    for other in known.applications:
        if other != app:
            stacks.change(other, {"FedByBus": "false"})
    return address


def drop(
    register: Applications,
    keys: DataKeys,
    app: str,
    front: Front,
    drop_rows: Callable[[str], object],
) -> None:
    """Takes a generation away, with its rows, for which no erasure waits any more.

    Its tables go with its stack; *drop_rows* takes away what is elsewhere. Raises DeployError for the
    active one.
    """
    if not register.remove(app):
        raise DeployError(f"{app} is active; activate another generation first")
    front.leave(app)
    front.stacks.delete(app)
    # After its functions, one of which would make an index anew.
    drop_rows(app)
    keys.leave(app)


def listed(known: Known) -> str:
    """The names of all applications."""
    return ", ".join(known.applications) or "none"


generation_argument = click.argument("green", metavar="NAME")
most_behind_option = click.option(
    "--most-behind",
    type=click.IntRange(0),
    default=MOST_BEHIND,
    show_default=True,
    help="Seconds that a view may be behind.",
)


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
    """List the applications of a stage, with the truth that each stands on, and where each answers."""
    found, cloud = stage(name), Cloud(endpoint_url)
    stacks = Stacks(cloud, told)
    table = Table(box=SIMPLE_HEAD)
    for column in ("truth", "application", "active", "readers", "address"):
        table.add_column(column)
    with explained(cloud):
        acting = active_truth(control_of(found, cloud), found)
        leads_to = Front(found, stacks).leads_to()
        for truth in truths(found, stacks):
            known = applications(truth, cloud).known()
            for each in known.applications.values():
                active = "active" if (truth, each.name) == (acting, known.active) else ""
                url = find(each.name, cloud).url if stacks.find(each.name) else "not there yet"
                moved = stacks.parameters(each.name).get("MovedTo")
                address = f"{url} (sends on to {moved})" if moved else url
                table.add_row(truth, each.name, active, f"{len(each.readers)}", address)
    console.print(table)
    if found.domain:
        console.print(f"https://{found.domain} leads to {leads_to or 'nothing'}", soft_wrap=True)


@generation_command.command("status")
@generation_argument
@most_behind_option
@stage_option
@endpoint_option
def status_command(*, green: str, most_behind: int, name: str, endpoint_url: str | None) -> None:
    """Show how far generation NAME is; exits with 1 while a view, or the change, is behind.

    Of one with a truth of its own also: what control says, the copier, and what is taken.
    """
    found = stage(name)
    services = reach(Current(application_of(found, green), "", endpoint_url))
    ready = show_status(services, timedelta(seconds=most_behind))
    control = control_of(found, Cloud(endpoint_url)).read()
    if control is not None and control.green == services.settings.truth:
        ready &= show_change(services.generations.operator)
    if not ready:
        sys.exit(1)


@generation_command.command("check")
@generation_argument
@most_behind_option
@stage_option
@endpoint_option
def check_command(*, green: str, most_behind: int, name: str, endpoint_url: str | None) -> None:
    """Prove that generation NAME shows what the log says, before it is activated.

    Folds the whole log by the code of this tree, which has to be the release that was created there,
    and compares each row of each view, byte for byte. Commands may go on: rows that they change
    meanwhile are left out. Exits with 1 if a row differs, if a view is behind, or if anything is
    parked.
    """
    found, cloud = stage(name), Cloud(endpoint_url)
    app = application_of(found, green)
    with explained(cloud):
        truth = truth_with(app, found, Stacks(cloud, told))
        known = applications(truth, cloud).known()
    with errors.status("reading the code"):
        check_release(known, app, fingerprints(ROOT)["views"])
    services = reach(Current(app, "", endpoint_url))
    if not is_right(services, timedelta(seconds=most_behind)):
        sys.exit(1)
    console.print(f"{app} shows what the log says", style="green", soft_wrap=True)


@generation_command.command("activate")
@generation_argument
@most_behind_option
@click.option("--behind", is_flag=True, help="Also while a view is further behind.")
@stage_option
@endpoint_option
def activate_command(
    *, green: str, most_behind: int, behind: bool, name: str, endpoint_url: str | None
) -> None:
    """Make generation NAME the active one. NAME "-" is the first application of the stage.

    The stage's domain leads to it from now on; without a domain, the application that is left sends
    every request on (308). The bus feeds it, and its policies and deadlines run. Back is the same
    command with the other name. Refused while one of its views is behind, or a stream is parked.
    """
    found = of_cloudformation(name, endpoint_url)
    app = application_of(found, green)
    cloud = Cloud(endpoint_url)
    services = reach(Current(app, "", endpoint_url))
    if not behind and not show_status(services, timedelta(seconds=most_behind)):
        raise DeployError(f"{app} is behind; wait for it, or give --behind")
    # A policy that is new in this generation begins here, unless it says otherwise: not at its first pass, which some
    # commit has woken that it is to act on.
    services.begin_policies()
    with explained(cloud):
        stacks = Stacks(cloud, told)
        register = applications(truth_with(app, found, stacks), cloud)
        address = activate(register, app, Front(found, stacks))
    remember(Current(app, find(app, cloud).url, endpoint_url))
    console.print(f"{app} is active: {address}", soft_wrap=True)


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
            truth = truth_with(app, found, stacks)
            drop(
                applications(truth, cloud),
                data_keys(found, cloud),
                app,
                Front(found, stacks),
                partial(drop_indexes, search_of(truth, stacks)),
            )
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
