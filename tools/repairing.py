"""`leftfold repair`: a commit that code cannot read is put right, or one reader passes it over."""

import getpass
import json
import uuid
from pathlib import Path

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from chalicelib.leftfold.kernel import AggregateId, Refused, StoredEvent
from chalicelib.leftfold.repair.domain import Repaired
from chalicelib.leftfold.repair.service import Asked
from chalicelib.leftfold.wiring.services import Services
from tools.console import console
from tools.options import chosen, endpoint_option, stack_option

SAID = {
    "repair-event-missing": "there is no such commit, or no such event in it",
    "repair-not-needed": "the event can be read: append an event that puts it right",
    "repair-unreadable": "what it is to be read as does not fit: {reason}",
    "repair-not-parked": "the reader has not parked this stream; see leftfold parked",
    "repair-pending": "{by} has proposed a repair of it already; see leftfold repair list",
    "repair-decided": "its repair is in effect, approved by {by}, and stays",
    "repair-missing": "no such repair was proposed; see leftfold repair list",
    "repair-needs-another": "another person than {by} has to approve it",
}


class Repairing(click.Group):
    """Commands whose refusals are said in one line."""

    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except Refused as refusal:
            said = SAID[refusal.code].format(**refusal.facts)
            raise click.ClickException(said) from refusal


by_option = click.option("--by", default=getpass.getuser, help="Who asks.")
why_option = click.option("--why", required=True, help="Why, for those who read it later.")


@click.group("repair", cls=Repairing)
def repair_command() -> None:
    """Put right what code cannot read, without touching what was stored.

    A correction says what an event of one commit is read as, by every reader and for ever.
    It is possible for an event that today's code cannot decode; for any other, append an event
    that puts it right. A skip has one view or policy pass over one commit. Unless the deployment
    says otherwise (LEFTFOLD_REPAIRS=one), another person has to approve. What is in effect stays.
    """


@repair_command.command("list")
@stack_option
@endpoint_option
def list_command(stack: str | None, endpoint_url: str | None) -> None:
    """List all repairs that are in the log."""
    table = Table(box=SIMPLE_HEAD)
    for name in ("stream", "version", "of", "by", "approved by", "why"):
        table.add_column(name, overflow="fold", justify="right" if name == "version" else "left")
    for state in chosen(stack, endpoint_url).repairer.all():
        for of, one in state.proposals.items():
            waits = Text(one.approved_by or "waits", "" if one.approved_by else "bold red")
            table.add_row(state.stream, str(state.version), of, one.by, waits, Text(one.why))
    console.print(table if table.row_count else "nothing was repaired")


@repair_command.command("correct")
@click.argument("stream")
@click.argument("version", type=click.IntRange(1))
@click.option("--index", default=0, help="Which event of the commit.")
@click.option(
    "--as",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help='JSON: a list of {"name": …, "version": …, "body": {…}}; [] for nothing.',
)
@by_option
@why_option
@stack_option
@endpoint_option
def correct_command(  # noqa: PLR0913 - one for each option
    *,
    stream: str,
    version: int,
    index: int,
    file: Path,
    by: str,
    why: str,
    stack: str | None,
    endpoint_url: str | None,
) -> None:
    """Say what an event is read as that cannot be read itself."""
    services = chosen(stack, endpoint_url)
    state = services.repairer.correct(stream, version, index, events_in(file), asked(by, why))
    show(state, f"event-{index}", services)


def events_in(file: Path) -> list[StoredEvent]:
    """The stored events in a file. Raises ClickException."""
    try:
        parts = json.loads(file.read_text())
        return [StoredEvent(part["name"], part["version"], part["body"]) for part in parts]
    except (ValueError, KeyError, TypeError) as error:
        raise click.ClickException(
            f'{file} is no list of {{"name": …, "version": …, "body": {{…}}}}:'
            f" {type(error).__name__}: {error}"
        ) from error


@repair_command.command("skip")
@click.argument("reader")
@click.argument("stream")
@by_option
@why_option
@stack_option
@endpoint_option
def skip_command(
    *,
    reader: str,
    stream: str,
    by: str,
    why: str,
    stack: str | None,
    endpoint_url: str | None,
) -> None:
    """Have READER pass over the commit on which it has failed.

    READER is a view or a policy that has parked STREAM, as `leftfold parked` shows it. An ordered
    view parks all streams of a tenant together, which are called "main/".
    """
    services = chosen(stack, endpoint_url)
    if reader not in {known.name for known in services.readers}:
        names = ", ".join(known.name for known in services.readers)
        raise click.UsageError(f"there is no view or policy {reader!r}; there are {names}")
    stored, repairer = services.stored_name(reader), services.repairer
    state = repairer.skip(stored, stream, asked(by, why))
    show(state, f"reader-{stored}", services)


@repair_command.command("approve")
@click.argument("stream")
@click.argument("version", type=click.IntRange(1))
@click.argument("of")
@by_option
@stack_option
@endpoint_option
def approve_command(
    stream: str, version: int, of: str, by: str, stack: str | None, endpoint_url: str | None
) -> None:
    """Put a repair into effect that another person has proposed.

    OF is what `leftfold repair list` shows: event-0, or reader-NAME.
    """
    services = chosen(stack, endpoint_url)
    show(services.repairer.approve(stream, version, of, asked(by, "")), of, services)


@repair_command.command("withdraw")
@click.argument("stream")
@click.argument("version", type=click.IntRange(1))
@click.argument("of")
@by_option
@stack_option
@endpoint_option
def withdraw_command(
    stream: str, version: int, of: str, by: str, stack: str | None, endpoint_url: str | None
) -> None:
    """Take back a repair that is not in effect."""
    chosen(stack, endpoint_url).repairer.withdraw(stream, version, of, asked(by, ""))
    console.print(f"{of} of version {version} of {stream} is withdrawn", markup=False)


def asked(by: str, why: str) -> Asked:
    """Who asks, under a command id of its own."""
    return Asked(by, why, str(uuid.uuid4()))


def show(state: Repaired, of: str, services: Services) -> None:
    """Says whether a repair is in effect, and what to do next."""
    one = state.proposals[of]
    what = f"{of} of version {state.version} of {state.stream}"
    if one.approved_by is None:
        console.print(
            f"{what} is proposed by {one.by}; another person puts it into effect by\n"
            f"  leftfold repair approve {state.stream} {state.version} {of}",
            markup=False,
            soft_wrap=True,
        )
        return
    console.print(f"{what} is in effect", style="green", markup=False)
    parked = {scope for _, scope, _ in services.parking.all()}
    if parked & {state.stream, f"{AggregateId.parse(state.stream).tenant}/"}:
        console.print("let the parked streams go on by leftfold redrive", markup=False)
