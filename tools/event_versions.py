"""Commands about the versions of stored events: schemas, the compatibility report, a count."""

import sys
from collections.abc import Iterable
from pathlib import Path

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from tools import schemas
from tools.compatibility import Finding, breaks, report
from tools.console import console
from tools.scanning import scan_command


@click.command("schema")
@click.option("--check", is_flag=True, help="Only report what became of the released events.")
@click.option("--release", metavar="NAME", help="Record that the release NAME has these events.")
def schema_command(release: str | None, *, check: bool) -> None:
    """Write the JSON Schema of each event, and report what a release would break.

    The schemas go to docs/schemas, a file for each version of each event. Those of released
    versions stay. The report compares with the last release (docs/schemas/released.json) and
    reads every fixture in tests/events. Exits with 1 if something that was released would
    not be read, or has changed.
    """
    from chalicelib.domain import DOMAIN

    if not check:
        show_written(write_schemas())
    found = report(DOMAIN)
    show_report(found)
    if breaks(found):
        sys.exit(1)
    if release is not None:
        new = schemas.release(release, DOMAIN)
        console.print(f"release {release} recorded, with {new:,} new versions of events")


def write_schemas() -> list[Path]:
    """Writes the schemas of the domain's events; the paths of those that have changed."""
    from chalicelib.domain import DOMAIN

    return schemas.write(DOMAIN)


def show_written(paths: Iterable[Path]) -> None:
    """Shows the paths of files that were made anew."""
    for path in paths:
        console.print(f"made anew: {path}", soft_wrap=True)


def show_report(found: list[Finding]) -> None:
    """The findings as a table, what breaks last."""
    table = Table(box=SIMPLE_HEAD)
    for name in ("what", "finding", "detail"):
        table.add_column(name, overflow="fold")
    for subject, kind, detail, wrong in sorted(found, key=lambda finding: finding.breaks):
        table.add_row(subject, Text(kind, "bold red" if wrong else ""), Text(detail))
    if found:
        console.print(table)
    before = schemas.Released.read()
    wrong_ones = len(breaks(found))
    if wrong_ones:
        console.print(f"{wrong_ones:,} breaks since release {before.release}", style="bold red")
    else:
        said = f"all {len(before.events):,} released versions of events are read as they were"
        console.print(said, style="green")


COMMANDS = (schema_command, scan_command)
