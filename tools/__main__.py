"""The `leftfold` command."""

import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from chalicelib.leftfold.archive.epochs import ArchiveConflictError, DamagedArchiveError
from chalicelib.leftfold.store.ports import Unavailable
from tools import event_model_files, resources
from tools.api import ApiError
from tools.book import is_book
from tools.book_import import Choices, import_book
from tools.bootstrap import ROOT
from tools.cloud import Cloud, DeployError
from tools.current import Current, NoDeploymentError, recall, remember
from tools.dependencies import PackagingError
from tools.deploy import deploy
from tools.engines import EngineError
from tools.event_model import registered
from tools.files import FileError
from tools.import_file import Selection, import_file
from tools.operations import COMMANDS
from tools.package import package
from tools.run import BANK_FILE, CURRENCY, STACK, STAGE, run
from tools.terminal import console, errors

# Each of these says in one line what happened and what to do.
EXPLAINED = (
    ApiError,
    ArchiveConflictError,
    DamagedArchiveError,
    DeployError,
    EngineError,
    FileError,
    NoDeploymentError,
    PackagingError,
    resources.ResourcesError,
    Unavailable,
)
# What a shell makes of a program that Ctrl-C ended.
INTERRUPTED = 130
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


stage_option = click.option("--stage", default=STAGE, help="Stage in .chalice/config.json.")
endpoint_option = click.option(
    "--endpoint-url", metavar="URL", help="MiniStack, or another stand-in for AWS."
)
currency_option = click.option("--currency", default=CURRENCY, help="ISO 4217.")


@click.group(cls=Commands, context_settings=HELP)
def leftfold() -> None:
    """Serverless event sourcing, on this machine and on AWS.

    `leftfold run` is the place to begin.
    """


@leftfold.command("run")
@click.option("--once", is_flag=True, help="Stop after the comparison; exit 0 if all agrees.")
@click.option("--port", default=4566, help="Port of MiniStack, where the API answers.")
@click.option("--search-port", default=9201, help="Port of OpenSearch, 9201 to 9299.")
@click.option("--accounts", type=click.IntRange(1), help="Import only the first N accounts.")
@click.option(
    "--statements",
    type=click.IntRange(0),
    default=100,
    help="Close a statement at each month's end for the first N accounts.",
)
@click.option(
    "--file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    default=BANK_FILE,
    show_default="examples/bank-transactions.csv.gz",
    help="Bank file to import.",
)
def run_command(
    *,
    once: bool,
    port: int,
    search_port: int,
    accounts: int | None,
    statements: int,
    file: Path,
) -> None:
    """Run Leftfold on this machine.

    Starts MiniStack and OpenSearch, deploys, imports a bank file over HTTP, compares
    every balance and the totals with the bank's, and serves until Ctrl-C, which stops
    everything.
    """
    if not run(file, accounts, statements, port, search_port, once=once):
        sys.exit(1)


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
    """Make what Chalice and CloudFormation are told of each view, policy and function.

    Writes infra/resources.json, .chalice/config.json and .chalice/policy-*.json from the
    registry, the app's functions and infra/base.json. Run it after a change to these.
    """
    for path in resources.write(resources.wanted()):
        console.print(f"made anew: {path}", soft_wrap=True)


@leftfold.command("event-model")
def event_model_command() -> None:
    """Show what leads to what, as the code has it.

    Writes docs/event-model.md and .svg (commands, events, views and policies on a timeline)
    and docs/asyncapi.json (messages and their schemas). Run it after a change to these.
    """
    for path in event_model_files.write(event_model_files.generated(registered())):
        console.print(f"made anew: {path}", soft_wrap=True)


@leftfold.command("deploy")
@stage_option
@click.option("--stack", default=STACK, help="Name of the CloudFormation stack.")
@click.option(
    "--alarm-topic",
    default="",
    metavar="ARN",
    help="SNS topic that alarms notify; name it each time.",
)
@click.option(
    "--mail-from",
    default="",
    metavar="ADDRESS",
    help="Verified in SES: who e-mail comes from; name it each time.",
)
@endpoint_option
def deploy_command(
    stage: str, stack: str, alarm_topic: str, mail_from: str, endpoint_url: str | None
) -> None:
    """Deploy to AWS, or to a stand-in for it.

    Packages, uploads, and creates the stack or updates it. Credentials and region are
    those of the AWS environment variables and profiles.
    """
    cloud = Cloud(endpoint_url, alarm_topic, mail_from)
    with errors.status("deploying") as status:
        deployed = deploy(package(stage, status.update), stack, cloud, status.update)
    remember(Current(stack, deployed.url, endpoint_url))
    for name, value in sorted(deployed.outputs.items()):
        console.print(f"{name:<16} {value}", soft_wrap=True)
    console.print(f"{'API':<16} {deployed.url}", soft_wrap=True)


@leftfold.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--url", help="The API; without it, that of the newest deployment.")
@click.option("--accounts", type=click.IntRange(1), help="Import only the first N accounts.")
@click.option(
    "--statements",
    type=click.IntRange(0),
    default=0,
    help="Close a statement at each month's end for the first N accounts.",
)
@click.option(
    "--opening-balance",
    is_flag=True,
    help="Book the balance before an account's first row, if the account has nothing yet.",
)
@click.option(
    "--credit-limit",
    metavar="AMOUNT",
    default="0",
    help="Of an account that is opened, at the least; what its rows need is added.",
)
@currency_option
@click.option("--ledger", metavar="ID", help="The ledger that a book makes; needed for one.")
@click.option(
    "--journals", type=click.IntRange(1, 64), default=16, help="Of the ledger that a book makes."
)
@click.option(
    "--close-all", is_flag=True, help="Close the last year of a book, too, if it is over."
)
@click.option(
    "--reverse-missing",
    is_flag=True,
    help="Reverse the entries of the ledger that the book no longer has.",
)
def import_command(  # noqa: PLR0913 - one for each option
    *,
    file: Path,
    url: str | None,
    accounts: int | None,
    statements: int,
    opening_balance: bool,
    credit_limit: str,
    currency: str,
    ledger: str | None,
    journals: int,
    close_all: bool,
    reverse_missing: bool,
) -> None:
    """Import a bank's CSV file, or a Beancount book, over HTTP and compare the balances.

    FILE is .csv with the columns of examples/README.md: its accounts are opened and booked.
    Or it is .beancount: its entries are posted to a ledger, and each year but the last is
    compared with what Beancount says and closed, if it is over and all of it agrees. Both may
    be gzipped. What is rejected is listed, the rest is imported. May be stopped and run again,
    with the same options: nothing is booked twice. An entry that was edited in a book, or left
    it, stops the import before anything is posted, unless --reverse-missing is given.
    Exits with 1 if anything was rejected or a balance differs.

    Nothing of a bank account is sent while one of its lines is rejected, and no statement of
    it is closed. The mended file, one that has grown, or the next month's file goes on after
    the rows that the account has already.
    """
    try:
        where = url or recall().url
        if not is_book(file):
            selection = Selection(currency, accounts, statements, opening_balance, credit_limit)
            agrees = import_file(where, file, selection)
        elif ledger is None:
            raise click.UsageError("a book needs --ledger, the id of the ledger to make")
        else:
            choices = Choices(journals, close_all, reverse_missing)
            agrees = import_book(where, file, ledger, choices)
        if not agrees:
            sys.exit(1)
    except KeyboardInterrupt:
        errors.print("stopped; run it again to go on: nothing is booked twice")
        sys.exit(INTERRUPTED)


for command in COMMANDS:
    leftfold.add_command(command)


def end(_number: int, _frame: object) -> NoReturn:
    """What a polite kill does: everything that was started is stopped."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, end)
    leftfold.main(prog_name="leftfold")
