"""The commands that make, change and end deployments."""

import sys
from collections.abc import Sequence

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from tools.after import finish
from tools.cloud import Cloud, DeployError, explained
from tools.console import console, errors
from tools.deploy import Deployed, check_way, deploy, find, provision_for_chalice, read
from tools.deployment_services import reach
from tools.destroy import destroy_application, destroy_truth
from tools.front import Front
from tools.last_deployment import STAGE, Current, remember
from tools.options import endpoint_option
from tools.package import package
from tools.resources import TEMPLATE, differing, write
from tools.resources import wanted as wanted_files
from tools.stacks import Change, Stacks, wanted
from tools.stages import Stage, stage
from tools.truths import active_application, standing

stage_option = click.option(
    "--stage", "name", default=STAGE, show_default=True, help="Stage in infra/stages.toml."
)
repairs_option = click.option(
    "--repairs",
    type=click.Choice(["two", "one"]),
    help="How many persons the repair of a commit takes; kept from the last deployment, at first two.",
)
yes_option = click.option("--yes", is_flag=True, help="Make the changes without asking.")
alarm_topic_option = click.option(
    "--alarm-topic",
    metavar="ARN",
    help='SNS topic that alarms notify; kept from the last deployment, taken away by "".',
)
mail_from_option = click.option(
    "--mail-from",
    metavar="ADDRESS",
    help='Sender of e-mail, verified in SES; kept from the last deployment, taken away by "".',
)


def asked(stack: str, changes: Sequence[Change]) -> bool:
    """Shows the changes of a stack, and asks for them. Raises DeployError where nobody can answer."""
    console.print(table_of(stack, changes))
    if not sys.stdin.isatty():
        raise DeployError(f"nobody is here to agree to the changes of {stack}; give --yes")
    return click.confirm(f"Change {stack} so?", err=True)


def shown(stack: str, changes: Sequence[Change]) -> bool:
    """Shows the changes of a stack, and agrees."""
    console.print(table_of(stack, changes))
    return wanted(stack, changes)


def table_of(stack: str, changes: Sequence[Change]) -> Table:
    """The changes of a stack; in red, what takes away what is there."""
    table = Table(box=SIMPLE_HEAD, title=stack, title_justify="left")
    for name in ("change", "resource", "kind"):
        table.add_column(name)
    for change in sorted(changes, key=lambda each: (not each.loses, each.action, each.resource)):
        action = "REPLACE" if change.replaced else change.action
        style = "bold red" if change.loses else None
        table.add_row(action, change.resource, change.kind, style=style)
    return table


def checked(name: str, way: str, endpoint_url: str | None) -> Stage:
    """The stage, if it is deployed in this way and this Python may package for it.

    Raises DeployError, also if the generated files are not those of infra/stages.toml and the app.
    """
    found = stage(name)
    check_way(found, way)
    if endpoint_url is None:
        found.check_runtime()
    stale = differing(wanted_files())
    if stale:
        raise DeployError(f"{stale[0]} is not what the code says; run `leftfold resources`")
    return found


@click.command("deploy")
@stage_option
@alarm_topic_option
@mail_from_option
@repairs_option
@click.option(
    "--rollback-alarm",
    "alarms",
    multiple=True,
    metavar="ARN",
    help="An alarm that rolls the change back if it goes off meanwhile; may be repeated.",
)
@yes_option
@endpoint_option
def deploy_command(  # noqa: PLR0913 - one for each option
    *,
    name: str,
    alarm_topic: str | None,
    mail_from: str | None,
    repairs: str | None,
    alarms: tuple[str, ...],
    yes: bool,
    endpoint_url: str | None,
) -> None:
    """Deploy to AWS, or to a stand-in for it.

    Packages and uploads, shows what would change in the stacks of stage, truth and application,
    asks, and changes it. A change that fails is rolled back. Credentials and region are those of
    the AWS environment variables and profiles.
    """
    found = checked(name, "cloudformation", endpoint_url)
    cloud = Cloud(endpoint_url, alarm_topic, mail_from, repairs)
    # Packaging takes a while: what would fail at once does so before it.
    cloud.check()
    with errors.status("packaging") as status:
        made = package(name, status.update)
    stacks = Stacks(cloud, told, shown if yes else asked, alarms)
    deployed = deploy(made, found, cloud, told, stacks)
    address = lead_address(found, stacks)
    made_current(deployed, endpoint_url)
    for output, value in sorted(deployed.outputs.items()):
        console.print(f"{output:<16} {value}", soft_wrap=True)
    console.print(f"{'API':<16} {deployed.url}", soft_wrap=True)
    console.print(f"{'Address':<16} {address}", soft_wrap=True)


def lead_address(found: Stage, stacks: Stacks) -> str:
    """Leads the stage's address to the active application, which may be another one than that which
    was deployed; the address. Raises DeployError.
    """
    with explained(stacks.cloud):
        app = active_application(found, stacks)
        if app is None:
            return "no application is active; `leftfold generation activate NAME` leads to one"
        return Front(found, stacks).lead_to(app, standing(found, stacks))


def made_current(deployed: Deployed, endpoint_url: str | None) -> None:
    """Makes it the deployment that commands speak to; its policies begin."""
    current = Current(deployed.stack, deployed.url, endpoint_url)
    remember(current)
    reach(current).begin_policies()


@click.command("provision")
@stage_option
@alarm_topic_option
@mail_from_option
@repairs_option
@click.option("--after", is_flag=True, help="Set what Chalice cannot, after `chalice deploy`.")
@yes_option
@endpoint_option
def provision_command(  # noqa: PLR0913 - one for each option
    *,
    name: str,
    alarm_topic: str | None,
    mail_from: str | None,
    repairs: str | None,
    after: bool,
    yes: bool,
    endpoint_url: str | None,
) -> None:
    """Make what `chalice deploy --stage STAGE` needs, and write it down.

    Makes or changes stage and truth, and the tables, log groups and alarms of the application.
    Then writes infra/provisioned/STAGE.json, and from it the stage in .chalice/config.json with the
    permissions of each function. With --after, it only sets what Chalice cannot: the routes of the
    function feed, the API's own refusals, its throttling, and how often a wake is repeated.
    """
    found = checked(name, "chalice", endpoint_url)
    cloud = Cloud(endpoint_url, alarm_topic, mail_from, repairs)
    if after:
        for what in finish(found, cloud, read(TEMPLATE)):
            console.print(f"set: {what}", soft_wrap=True)
        made_current(find(found.prefix, cloud), endpoint_url)
        return
    cloud.check()
    with errors.status("packaging") as status:
        made = package(name, status.update)
    stacks = Stacks(cloud, told, shown if yes else asked)
    written = [provision_for_chalice(made, found, stacks), *write(wanted_files())]
    for path in written:
        console.print(f"written: {path}", soft_wrap=True)
    console.print(
        f"\nNow run\n  chalice deploy --stage {name}\n  leftfold provision --stage {name} --after",
        soft_wrap=True,
    )


@click.command("destroy")
@stage_option
@click.option("--truth", is_flag=True, help="Delete events, log, archive and ledger, too.")
@click.option("--really", metavar="NAME", default="", help="With --truth: its name, once more.")
@endpoint_option
def destroy_command(*, name: str, truth: bool, really: str, endpoint_url: str | None) -> None:
    """Delete the application of a stage. Its truth stays, and a deploy makes all rows again.

    With --truth, and the truth's name once more after --really, all that the stage has ever kept is
    deleted, too, and cannot be had back.
    """
    found = stage(name)
    if truth and really != found.prefix:
        raise DeployError(
            f"--truth deletes every event of {found.prefix} for ever; if that is meant, add"
            f" --really {found.prefix}"
        )
    stacks = Stacks(Cloud(endpoint_url), told)
    destroy_application(found, stacks)
    console.print(f"{found.prefix}: the application is deleted")
    if truth:
        destroy_truth(found, stacks)
        console.print(f"{found.prefix}: the truth is deleted")
    else:
        console.print(f"the truth stays: {found.prefix}-truth, {found.prefix}-stage")


def told(text: str) -> None:
    """Shows progress on stderr."""
    errors.print(text, soft_wrap=True, style="dim", markup=False)


COMMANDS = (deploy_command, provision_command, destroy_command)
