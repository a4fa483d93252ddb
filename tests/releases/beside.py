"""A recorded run: python -m tests.releases.beside --help.

Three generations beside each other on one truth of MiniStack, made and led to by the commands that a
person types. While all three are there, transfers run with each of them active in turn, and functions
are killed: each step of a policy, and each e-mail, is taken once. Every row of every generation is then
proved from the log; one of them is filled anew by its own state machine; and two are dropped.
"""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import click
from click.testing import CliRunner
from rich.console import Console
from rich.table import Table

from tests.generations.__main__ import import_some
from tests.journey.transfers import Plan, Report, inbox, move_money
from tools.__main__ import leftfold
from tools.api import Api
from tools.bank.run import Local, local
from tools.cloud import Cloud
from tools.deploy import applications, find
from tools.signing_in import of_deployment

STACK = "leftfold-dev"
OTHERS = ("green", "red")
WAY = ("green", "red", "-")
FILLED = "bookings"
# MiniStack polls all event sources in one thread.
BEHIND = ("--most-behind", "60")
STEP_SECONDS = 900.0


class Shell:
    """A person at a terminal, with the commands as the documents have them."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self.took: list[tuple[str, float]] = []

    def run(self, *command: str) -> str:
        """What a command prints. Raises RuntimeError if it fails."""
        line = [sys.executable, "-m", "tools", *command, "--endpoint-url", self._endpoint]
        began = time.monotonic()
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        took = time.monotonic() - began
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
        self.took.append((" ".join(command), took))
        click.echo(f"$ leftfold {' '.join(command)}    # {took:.0f} s")
        return done.stdout

    def until(self, *command: str) -> str:
        """What a command prints once it says yes."""
        began = time.monotonic()
        while True:
            try:
                return self.run(*command)
            except RuntimeError as error:
                if time.monotonic() - began > STEP_SECONDS:
                    raise
                click.echo(str(error).strip().splitlines()[-1])
                time.sleep(5)


def stack_of(name: str) -> str:
    """The application of a generation."""
    return STACK if name == "-" else f"{STACK}--{name}"


def transfers(running: Local, name: str, plan: Plan) -> Report:
    """Moves money through the generation that is active now."""
    endpoint = str(running.cloud.endpoint_url)
    where = ["--stack", stack_of(name), "--endpoint-url", endpoint]
    before = inbox(endpoint).keys()
    deployed = find(stack_of(name), Cloud(endpoint))
    with Api(deployed.url, auth=of_deployment(deployed, endpoint), attempts=60) as api:
        return move_money(
            api,
            plan,
            lambda: CliRunner().invoke(leftfold, ["redrive", *where]),
            running.functions_of,
            lambda: Counter({to: n for to, n in inbox(endpoint).items() if to not in before}),
        )


def left(running: Local, name: str) -> Iterator[str]:
    """What is still there of a generation that was dropped."""
    client = running.cloud.client
    tables = client("dynamodb").get_paginator("list_tables").paginate()
    kept = [table for page in tables for table in page["TableNames"]]
    functions = client("lambda").get_paginator("list_functions").paginate()
    kept += [each["FunctionName"] for page in functions for each in page["Functions"]]
    yield from (f"{each} is left" for each in kept if each.startswith(f"{stack_of(name)}-"))
    if stack_of(name) in applications(STACK, running.cloud).known().applications:
        yield f"{stack_of(name)} is registered"


@click.command()
@click.option("--transfers", "count", default=30, show_default=True, help="With each active.")
@click.option("--bank", default=20, show_default=True, help="Accounts of the bank's file.")
@click.option("--kill-every", default=2.0, show_default=True, help="Mean seconds; 0: nobody.")
@click.option("--seed", default=1, show_default=True)
def main(*, count: int, bank: int, kill_every: float, seed: int) -> None:
    """Three generations on one truth; exit 1 if a law broke."""
    console, made, broken = Console(), {}, list[str]()
    with ExitStack() as started:
        running = started.enter_context(local(console.print, stack=STACK))
        endpoint = str(running.cloud.endpoint_url)
        shell = Shell(endpoint)
        auth = of_deployment(running.deployed, endpoint)
        with Api(running.deployed.url, auth=auth, attempts=60) as api:
            rows = import_some(api, bank)
        for name in OTHERS:
            shell.run("generation", "create", name, "--yes")
        for number, name in enumerate(WAY):
            shell.until("generation", "status", name, *BEHIND)
            shell.run("generation", "activate", name, *BEHIND)
            plan = Plan(count, 6, kill_every or None, seed + number, patience=STEP_SECONDS)
            made[name] = transfers(running, name, plan)
            broken += made[name].broken
        click.echo(shell.run("generation", "list"))
        for name in WAY:
            shell.until("generation", "check", name, *BEHIND)
        there = ("fill", FILLED, "--stack", stack_of("red"), "--on", "aws", "--workers", "4")
        click.echo(shell.run(*there, "--dry-run"))
        click.echo(shell.run(*there))
        shell.until("replay", FILLED, "--check", "--stack", stack_of("red"))
        click.echo(shell.run("scan-events", "--workers", "2", "--stack", STACK))
        broken += [f"{to} was told {n} times" for to, n in inbox(endpoint).items() if n > 1]
        for name in OTHERS:
            shell.run("generation", "drop", name)
            broken += left(running, name)
        shell.run("verify", "--stack", STACK)
        shell.until("generation", "check", "-", *BEHIND)
        # Before the engines end, which takes a while.
        console.print(figures(made, shell, rows, seed))
        for law in broken[:20]:
            console.print(law, markup=False, soft_wrap=True)
        console.print(f"{len(broken)} broken laws")
    sys.exit(1 if broken else 0)


def figures(made: dict[str, Report], shell: Shell, rows: int, seed: int) -> Table:
    """The run in figures."""
    table = Table("what", "number", title="three generations on one truth, on MiniStack")
    table.columns[1].justify = "right"
    table.add_row("seed", str(seed))
    table.add_row("rows of the bank's file before", f"{rows:,}")
    for name, report in made.items():
        states = Counter[str](report.states)
        told = f"{states.total()} transfers: {', '.join(f'{n} {s}' for s, n in states.items())}"
        mails = f"{report.mails.total()} e-mails"
        table.add_row(f"{stack_of(name)} active", f"{told}; {mails}; {report.killed} killed")
    for command, took in shell.took:
        if command.startswith(("generation activate", "generation create", "fill")):
            table.add_row(command, f"{took:.0f} s")
    return table


if __name__ == "__main__":
    main()
