"""Commands about subjects of personal data: `leftfold forget` and `leftfold subject`."""

import json
import re
import sys

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from chalicelib.leftfold.erasure.erasing import UnknownSubjectError, settled_at
from chalicelib.leftfold.kernel.commit import TAG, instant
from chalicelib.leftfold.subjects.keys import Erasure
from tools.auditing import operator
from tools.console import console, errors
from tools.options import chosen, endpoint_option, stack_option

CASE = re.compile("[A-Za-z0-9._:/#-]{1,64}")


def named(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """SUBJECT, or what is wrong with it."""
    if not re.fullmatch(TAG, value):
        raise click.BadParameter("a subject is what and whose, such as account:17")
    return value


def numbered(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """The number of a case, or what is wrong with it."""
    if value is not None and not CASE.fullmatch(value):
        raise click.BadParameter("is kept for ever: a case's number without spaces, and no name")
    return value


tenant_option = click.option(
    "--tenant", default="main", show_default=True, help="The subject's tenant."
)


@click.command("forget")
@click.argument("subject", callback=named)
@click.option("--case", callback=numbered, help="Why: the number of a case, kept for ever.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@tenant_option
@stack_option
@endpoint_option
def forget_command(
    subject: str,
    case: str | None,
    tenant: str,
    stack: str | None,
    endpoint_url: str | None,
    *,
    yes: bool,
) -> None:
    """Forget SUBJECT, such as account:17: its personal data becomes unreadable, for ever.

    Run again, it shows how far the erasure has come. The key is destroyed at once, and rows are
    folded again. The function `forget` does that once more when no process can have the
    key in its memory any longer, and then writes the report.
    """
    services = chosen(stack, endpoint_url)
    name = f"{tenant}/{subject}"
    erasure = services.data_keys.erasure(name)
    if erasure is None:
        if case is None:
            raise click.UsageError("--case is needed: the number of the case, kept for ever")
        if not services.data_keys.find([name]):
            console.print(str(UnknownSubjectError(name)), style="red", markup=False)
            sys.exit(1)
        if not yes:
            click.confirm(f"Make all personal data of {name} unreadable, for ever?", abort=True)
        erasure = services.in_log_of(name).eraser.begin(name, operator(), case)
    with errors.status("folding rows again"):
        services.in_log_of(name).eraser.run(erasure)
    show_erasure(services.data_keys.erasure(name) or erasure)


def show_erasure(erasure: Erasure) -> None:
    """Shows an erasure, and its report if it has one."""
    console.print(
        f"{erasure.subject} is forgotten since {erasure.at}, by {erasure.by},"
        f" case {erasure.reason}",
        markup=False,
    )
    if erasure.report is None:
        console.print(
            f"under way: the report comes after {instant(settled_at(erasure))}, when no process can"
            " have the key any longer"
        )
        return
    table = Table(box=SIMPLE_HEAD)
    table.add_column("made unreadable or written anew")
    table.add_column("count", justify="right")
    for place, count in erasure.report["places"].items():
        table.add_row(place, f"{count:,}")
    console.print(table)


@click.command("subject")
@click.argument("subject", callback=named)
@tenant_option
@stack_option
@endpoint_option
def subject_command(subject: str, tenant: str, stack: str | None, endpoint_url: str | None) -> None:
    """Print all that is held about SUBJECT, such as account:17, as lines of JSON.

    That it was read is recorded in the subject's audit stream first.
    """
    services = chosen(stack, endpoint_url)
    name = f"{tenant}/{subject}"
    if not services.data_keys.find([name]):
        console.print(str(UnknownSubjectError(name)), style="red", markup=False)
        sys.exit(1)
    services.eraser.record_read(name, operator(), services.new_id())
    for line in services.export.of(name):
        click.echo(json.dumps(line, ensure_ascii=False))


COMMANDS = (forget_command, subject_command)
