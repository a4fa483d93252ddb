"""Commands that move what is closed out of the tables, and bring it back."""

import sys
from datetime import UTC, datetime, timedelta

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from chalicelib.leftfold.archive.archiver import GRACE, ITEM_OVERHEAD, Restore, Volume
from chalicelib.leftfold.archive.epochs import DamagedArchiveError
from chalicelib.leftfold.commands.loading import BrokenStreamError
from chalicelib.leftfold.store.events import item_size
from chalicelib.leftfold.store.ports import Unavailable
from chalicelib.leftfold.wiring.services import Services
from tools.auditing import audited
from tools.console import bar, console, errors
from tools.options import chosen, endpoint_option, stack_option
from tools.texts import counted

# List prices of us-east-1, in dollars for a GB and month: Standard tables, S3 Standard.
TABLE_PRICE, ARCHIVE_PRICE = 0.25, 0.023
GB = 1e9
NOBODY_WRITES = timedelta(0)


@click.command("archive")
@click.option(
    "--before",
    type=click.DateTime(["%Y-%m-%d"]),
    required=True,
    metavar="DATE",
    help="Only what was closed, or logged, before this day (UTC).",
)
@click.option("--dry-run", is_flag=True, help="Tell what would be moved, and move nothing.")
@click.option("--log/--no-log", default=True, help="Also blocks of the log.", show_default=True)
@click.option(
    "--idle",
    is_flag=True,
    help="No command is being executed and none will come late: do not wait 24 hours.",
)
@stack_option
@endpoint_option
def archive_command(
    *,
    before: datetime,
    dry_run: bool,
    log: bool,
    idle: bool,
    stack: str | None,
    endpoint_url: str | None,
) -> None:
    """Move closed epochs, and old blocks of the log, to the archive.

    Each is copied, read back and compared before it is deleted. May be stopped and run
    again. Exits with 1 if a stream could not be archived.
    """
    until, grace = before.replace(tzinfo=UTC), NOBODY_WRITES if idle else GRACE
    services = chosen(stack, endpoint_url)
    if not dry_run:
        audited(services, "archive", f"before {until:%Y-%m-%d}")
    if not archive(services, until, grace, dry=dry_run, log=log):
        sys.exit(1)


def archive(
    services: Services, before: datetime, grace: timedelta, *, dry: bool = False, log: bool = True
) -> bool:
    """Archives, and shows what was moved, or would be if *dry*; False if a stream failed."""
    before_archiving = None if dry else weigh(services)
    epochs, failed = archive_epochs(services, before, grace, dry=dry)
    rows = {"closed epochs": epochs}
    if log:
        with errors.status("pruning the log"):
            pruned = (prune(each, before, dry=dry) for each in services.in_each_log)
            rows["blocks of the log"] = sum(pruned, Volume())
    console.print(report(rows, dry=dry))
    if before_archiving is not None:
        console.print(
            f"the events table had {described(before_archiving)}; it has {described(weigh(services))}"
        )
    for stream, reason in failed.items():
        console.print(f"{stream}: {reason}", style="red", markup=False)
    return not failed


def weigh(services: Services) -> Volume:
    """Every item of the events table, by a scan: half a read unit for each 4 KB."""
    pages = services.dynamodb.get_paginator("scan").paginate(
        TableName=services.settings.named("events")
    )
    with errors.status("weighing the events table"):
        sizes = [item_size(item) + ITEM_OVERHEAD for page in pages for item in page["Items"]]
    return Volume(items=len(sizes), size=sum(sizes))


def described(volume: Volume) -> str:
    """Items, bytes and price in words."""
    monthly = price(volume.size, TABLE_PRICE)
    return f"{volume.items:,} items of {volume.size:,} bytes, ${monthly} a month"


def archive_epochs(
    services: Services, before: datetime, grace: timedelta, *, dry: bool
) -> tuple[Volume, dict[str, str]]:
    """The volume that was moved, or would be if *dry*, and why some streams failed.

    A busy stream, one whose registry item the relay is writing, fails alone.
    """
    archiver = services.archiver(grace)
    candidates = list(archiver.candidates())
    moved, failed = Volume(), dict[str, str]()
    move = archiver.plan if dry else archiver.run
    with bar("archiving streams", len(candidates)) as progress:
        (task,) = progress.task_ids
        for stream, entry in candidates:
            try:
                for step in move(stream, entry, before):
                    moved += step
            except (BrokenStreamError, DamagedArchiveError) as error:
                failed[stream] = str(error)
            except Unavailable as error:
                failed[stream] = f"busy; run it again ({error})"
            progress.advance(task)
    return moved, failed


def prune(services: Services, before: datetime, *, dry: bool) -> Volume:
    """The volume of the log that was moved, or would be if *dry*."""
    pruner = services.pruner
    return sum((pruner.plan if dry else pruner.run)(before), Volume())


def report(rows: dict[str, Volume], *, dry: bool) -> Table:
    """Items, bytes and the monthly price of their storage, before and after."""
    title = "would be moved to the archive" if dry else "moved to the archive"
    table = Table(
        box=SIMPLE_HEAD,
        title=title,
        caption=f"list prices a GB and month: DynamoDB ${TABLE_PRICE}, S3 ${ARCHIVE_PRICE}",
    )
    table.add_column("what")
    for name in ("items", "bytes", "$ a month", "objects", "bytes now", "$ a month now"):
        table.add_column(name, justify="right")
    for what, moved in rows.items():
        after = ("—", "—") if dry else (f"{moved.stored:,}", price(moved.stored, ARCHIVE_PRICE))
        table.add_row(
            what,
            f"{moved.items:,}",
            f"{moved.size:,}",
            price(moved.size, TABLE_PRICE),
            f"{moved.objects:,}",
            *after,
        )
    return table


def price(size: int, for_a_gb: float) -> str:
    """Dollars a month for *size* bytes."""
    return f"{size / GB * for_a_gb:,.6f}"


@click.command("restore")
@click.argument("aggregate")
@click.option("--epoch", type=click.IntRange(1), default=1, help="And all later archived ones.")
@stack_option
@endpoint_option
def restore_command(
    aggregate: str, epoch: int, stack: str | None, endpoint_url: str | None
) -> None:
    """Bring archived epochs of AGGREGATE (<tenant>/<category>-<id>) back, verified.

    May be stopped and run again. The archive keeps its objects.
    """
    services = audited(chosen(stack, endpoint_url), "restore", aggregate, f"epoch {epoch}")
    restore = Restore(services.event_table, services.log_table, services.archive)
    try:
        count = restore.run(aggregate, epoch)
    except (LookupError, BrokenStreamError) as error:
        raise click.ClickException(str(error)) from error
    console.print(f"{counted(count, 'commit')} of {aggregate} are back", style="green")


COMMANDS = (archive_command, restore_command)
