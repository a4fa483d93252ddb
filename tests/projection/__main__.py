"""A recorded run: python -m tests.projection [--accounts N] [--workers N] [--kill-every S] [--seed N].

The bank's file is imported and archived on MiniStack and OpenSearch. Then views lose their rows and
checkpoints, and the application's own state machine fills them, while functions are killed, and the
execution is stopped and the command killed at random. At the end the rows have to be those of the log.
"""

import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any

import click
from opensearchpy.exceptions import NotFoundError
from rich.table import Table

from chalicelib.leftfold.kernel import View
from chalicelib.leftfold.projection.search import connect
from chalicelib.leftfold.wiring.services import Services
from tests.journey.transfers import Plan, Report, killing
from tools.bank.import_file import Selection, import_file
from tools.bank.run import BANK_FILE, CURRENCY, Local, archive_closed, local
from tools.bootstrap import ROOT
from tools.console import console
from tools.deployment_services import reach
from tools.filling import RUNNING
from tools.last_deployment import Current, forget, remember

STACK = "leftfold-fill"
# By ranges; by lanes; an ordered view.
VIEWS = ("bookings", "balances", "totals")
MOST_STOPS = 5


@dataclass
class Filled:
    """How one view was filled."""

    view: str
    positions: int
    rows: int
    seconds: float
    stopped: int
    killed: int
    right: bool


@click.command()
@click.option("--accounts", default=60, show_default=True)
@click.option("--statements", default=10, show_default=True)
@click.option("--workers", default=2, show_default=True)
@click.option("--kill-every", default=3.0, show_default=True, help="Mean seconds; 0: nobody.")
@click.option("--stop-every", default=10.0, show_default=True, help="Mean seconds; 0: never.")
@click.option("--seed", default=1, show_default=True)
def main(
    *,
    accounts: int,
    statements: int,
    workers: int,
    kill_every: float,
    stop_every: float,
    seed: int,
) -> None:
    """Fill views by the state machine while it is killed and stopped; exit 1 if a row is wrong."""
    with local(console.print, stack=STACK) as running:
        current = Current(STACK, running.deployed.url, running.cloud.endpoint_url)
        remember(current)
        try:
            chosen = Selection(CURRENCY, accounts, statements)
            import_file(current.url, BANK_FILE, chosen, then=lambda: archive_closed(current))
        finally:
            forget()
        services = reach(current)
        segments = len(list(services.log_table.segments()))
        trial = Trial(running, services, workers, kill_every or None, stop_every, seed)
        made = [trial.fill(view) for view in VIEWS]
        console.print(figures(made, segments, workers, seed))
    sys.exit(0 if all(one.right for one in made) else 1)


@dataclass
class Trial:
    """Fills views of one deployment, and disturbs it."""

    running: Local
    services: Services
    workers: int
    kill_every: float | None
    stop_every: float
    seed: int

    def __post_init__(self) -> None:
        self.random = Random(self.seed)

    def fill(self, view: str) -> Filled:
        """Takes a view's rows away, and has them filled."""
        wipe(self.services, self.services.views[view])
        report, began = Report(), time.monotonic()
        plan = Plan(kill_every=self.kill_every, seed=self.seed)
        with killing(self.running.functions_of, plan, report):
            stopped = self.until_filled(view)
        seconds = time.monotonic() - began
        check = begin("replay", view, "--check", running=self.running)
        told, _ = check.communicate()
        console.print(told, markup=False)
        rows = sum(1 for _ in self.services.rows(view).scan())
        positions = self.services.log.head().next_position
        right = check.returncode == 0
        return Filled(view, positions, rows, seconds, stopped, report.killed, right)

    def until_filled(self, view: str) -> int:
        """Begins the command again until it succeeds; how often it was stopped."""
        for stopped in range(MOST_STOPS + 1):
            fill = begin(
                *("fill", view, "--on", "aws", "--workers", str(self.workers)),
                running=self.running,
            )
            disturbed = self.stop_every and stopped < MOST_STOPS
            patience = self.random.uniform(0, 2 * self.stop_every) if disturbed else None
            try:
                out, _ = fill.communicate(timeout=patience)
            except subprocess.TimeoutExpired:
                # The command, and then the execution that it has started.
                fill.kill()
                fill.communicate()
                stop_executions(self.running)
                continue
            console.print(out, markup=False)
            if fill.returncode == 0:
                return stopped
        raise SystemExit(f"{view} was not filled")


def begin(*words: str, running: Local) -> "subprocess.Popen[str]":
    """A command of leftfold's."""
    where = ("--stack", STACK, "--endpoint-url", str(running.cloud.endpoint_url))
    return subprocess.Popen(
        [sys.executable, "-m", "tools", *words, *where],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def stop_executions(running: Local) -> None:
    """Stops each execution that runs."""
    states = running.cloud.client("stepfunctions")
    for machine in states.list_state_machines()["stateMachines"]:
        found = states.list_executions(
            stateMachineArn=machine["stateMachineArn"], statusFilter=RUNNING
        )
        for execution in found["executions"]:
            states.stop_execution(executionArn=execution["executionArn"])


def wipe(services: Services, view: View) -> None:
    """Takes the rows of a view and all of its checkpoints away, as if it were new."""
    named = services.settings.named
    if view.store == "search":
        client = connect(services.settings.search_url)
        with suppress(NotFoundError):
            client.indices.delete(index=f"{named(view.stored_name).lower()}-rows")
    else:
        empty(services, named(view.stored_name), ["key"])
    keep = {f"{services.settings.log}#{name}" for name in (view.stored_name, view.fill_name)}
    empty(services, named("view-checkpoints"), ["reader", "checkpointKey"], keep)


def empty(services: Services, table: str, keys: list[str], readers: set[str] | None = None) -> None:
    """Deletes the items of a table, or those of *readers* alone."""
    pages = services.dynamodb.get_paginator("scan").paginate(TableName=table)
    items: list[Any] = [item for page in pages for item in page["Items"]]
    for item in items:
        if readers is None or item["reader"]["S"] in readers:
            services.dynamodb.delete_item(TableName=table, Key={key: item[key] for key in keys})


def figures(made: list[Filled], segments: int, workers: int, seed: int) -> Table:
    """The run in figures."""
    table = Table(
        *("view", "positions", "rows", "seconds", "executions stopped", "processes killed"),
        "rows of the log",
        title=f"{segments} segments, {workers} workers, seed {seed}",
    )
    for one in made:
        table.add_row(
            *(one.view, f"{one.positions:,}", f"{one.rows:,}", f"{one.seconds:.0f}"),
            *(str(one.stopped), str(one.killed), "yes" if one.right else "NO"),
        )
    return table


if __name__ == "__main__":
    main()
