"""`leftfold generation`: what this code's transforms would make of a deployment's streams."""

from collections.abc import Sequence

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from chalicelib.leftfold.generations.copier import SHARDS
from chalicelib.leftfold.generations.copying import several_logs
from chalicelib.leftfold.generations.proof import Report, dry_run
from chalicelib.leftfold.kernel import AggregateId, Boundaries
from chalicelib.leftfold.store.logs import log_names
from chalicelib.leftfold.store.ports import Log
from chalicelib.leftfold.subjects.opening import Opener
from tools.console import console, errors
from tools.options import chosen, endpoint_option, stack_option

# A DynamoDB write of a copy, and one each of its stream's bar and mark, in us-east-1: dollars a unit.
WRITE_PRICE = 0.625e-6
# Copies a second of one shard of the copier: assumed, for no run has measured it on AWS. Its shards are functions
# of their own where there is much to copy.
COPIES_A_SECOND = 300
SHOWN = 20


@click.group("generation")
def generation_command() -> None:
    """Releases beside each other: on one truth, or with streams of their own.

    A reading generation has functions, views and rows of its own, and shares events, log and the
    progress of policies with the others; policies and deadlines run in the active one alone:
    `create`, `status`, `activate`, `drop`.

    A writing generation changes events and the boundaries of streams. It has a truth of its own,
    which is filled from the active one's while commands go on, and takes it over stream by stream:
    `plan`, `create --transform`, `status`, `switch`, `verify`, `finish`, `drop`; `back` and `switch`
    lead to and fro, `abandon` ends it before the first switch.
    """


@generation_command.command("plan")
@stack_option
@endpoint_option
def plan_command(stack: str | None, endpoint_url: str | None) -> None:
    """Run this code's transforms over a deployment's log, and write nothing.

    Tells what would become of its streams, commits and events, whether there is a way back, and about
    what it would cost. Exits with 1 if a transform fails, or if its boundaries contradict each other.
    """
    services = chosen(stack, endpoint_url)
    boundaries = services.domain.boundaries
    with errors.status("reading the log"):
        logs = [each.log for each in services.in_each_log]
        faults, report = plan(logs, boundaries, services.vault)
    console.print(described(report))
    console.print(summary(report, boundaries), soft_wrap=True)
    for fault in [*faults, *report.differences()][:SHOWN]:
        console.print(fault, style="red", markup=False)
    if faults or report.failed:
        raise SystemExit(1)


def plan(logs: Sequence[Log], boundaries: Boundaries, opener: Opener) -> tuple[list[str], Report]:
    """What is wrong with the boundaries for a truth's streams, and what would become of its logs."""
    return faults_of(boundaries, logs), dry_run(logs, boundaries, {}, opener)


def faults_of(boundaries: Boundaries, logs: Sequence[Log]) -> list[str]:
    """What is wrong with the boundaries for the streams of a truth, which has these logs."""
    streams = [stream for stream, _ in logs[0].registry(every_log=True)]
    names = log_names(len(logs))
    return [*boundaries.faults(streams), *several_logs(boundaries, streams, names)]


def described(report: Report) -> Table:
    """The report as an aligned table, by category."""
    table = Table(box=SIMPLE_HEAD, title="what this code's transforms would make of the log")
    table.add_column("later streams of")
    for name in ("streams", "copies", "events"):
        table.add_column(name, justify="right")
    categories = sorted({AggregateId.parse(stream).category for stream in report.should})
    for category in categories:
        sums = [
            total
            for stream, total in report.should.items()
            if AggregateId.parse(stream).category == category
        ]
        events = sum(total.events for total in sums)
        table.add_row(
            category, f"{len(sums):,}", f"{sum(t.commits for t in sums):,}", f"{events:,}"
        )
    return table


def summary(report: Report, boundaries: Boundaries) -> str:
    """Where it comes from, whether it can go back, and what it costs at least."""
    units = sum(total.commits for total in report.should.values()) + 2 * len(report.should)
    back = "yes" if boundaries.back() else "no: the way back is a third generation"
    return (
        f"from {report.streams:,} streams, {report.commits:,} commits, {report.events:,} events;"
        f" {report.dropped:,} commits become copies without events\n"
        f"a way back: {back}\n"
        f"at least {units:,} write units, ${units * WRITE_PRICE:,.2f} at list price\n"
        f"{time_of(sum(total.commits for total in report.should.values()))}"
    )


def time_of(copies: int) -> str:
    """How long the copier takes about, alone and by all its shards."""
    minutes = copies / COPIES_A_SECOND / 60
    return (
        f"about {minutes:,.0f} minutes of one copier, or {minutes / SHARDS:,.0f} of"
        f" {SHARDS} side by side"
    )


COMMANDS = (generation_command,)
