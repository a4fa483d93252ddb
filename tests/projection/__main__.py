"""A recorded run: python -m tests.projection [--commits N] [--workers N] [--kill-every S] [--seed N].

A log made of the bank's file, archived in segments, on MiniStack and OpenSearch, with the packaged
function `fill` and the application's state machine, and nothing else. Views are filled by it, while the
function's processes are killed, and its executions are stopped and begun again. At the end the rows
have to be those of a replay, byte for byte.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from random import Random
from threading import Event
from typing import Any

import click
from rich.table import Table

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.archive import pruner
from chalicelib.leftfold.archive.pruner import Pruner
from chalicelib.leftfold.archive.s3 import S3Archive
from chalicelib.leftfold.projection.replay import compare, replay
from chalicelib.leftfold.relay.sequencer import entries_after
from chalicelib.leftfold.relay.waker import LambdaWaker
from chalicelib.leftfold.store.blocks import seal
from chalicelib.leftfold.store.ports import Head, StreamEntry
from chalicelib.leftfold.wiring.services import Services
from chalicelib.leftfold.wiring.settings import Settings
from tests.beside import beside
from tests.journey.transfers import Plan, Report, killing
from tests.projection.large import batches
from tools.cloud import Cloud
from tools.console import bar, console
from tools.deploy import read
from tools.engines import MiniStack, OpenSearch
from tools.filling import RUNNING, by_state_machine
from tools.last_deployment import STAGE, Current
from tools.package import package
from tools.resources import TEMPLATE
from tools.tables import create_tables

STACK = "leftfold-fill"
ACCOUNT = "000000000000"
# By ranges; by lanes; an ordered view.
VIEWS = ("bookings", "balances", "totals")
# Commits of a segment, so that a short log has many.
SEGMENT = 2_000
MOST_STOPS = 3


@dataclass
class Filled:
    """How one view was filled."""

    view: str
    rows: int
    seconds: float
    stopped: int
    killed: int
    differences: int


@dataclass
class Deployment:
    """The engines, the services behind them, and the process of the functions' engine."""

    cloud: Cloud
    services: Services
    functions_of: int | None


@click.command()
@click.option("--commits", default=30_000, show_default=True)
@click.option("--workers", default=2, show_default=True)
@click.option("--kill-every", default=4.0, show_default=True, help="Mean seconds; 0: nobody.")
@click.option("--stop-every", default=12.0, show_default=True, help="Mean seconds; 0: never.")
@click.option("--seed", default=1, show_default=True)
def main(*, commits: int, workers: int, kill_every: float, stop_every: float, seed: int) -> None:
    """Fill views by the state machine while it is killed and stopped; exit 1 if a row is wrong."""
    random = Random(seed)
    with site() as made:
        segments = write(made.services, commits)
        plan = Plan(kill_every=kill_every or None, seed=seed)
        done = [fill(made, view, workers, plan, stop_every, random) for view in VIEWS]
    table = Table(
        *("view", "rows", "seconds", "executions stopped", "processes killed", "rows that differ"),
        title=f"{commits:,} commits, {segments} segments, {workers} workers, seed {seed}",
    )
    for one in done:
        table.add_row(
            *(one.view, f"{one.rows:,}", f"{one.seconds:.0f}", str(one.stopped)),
            *(str(one.killed), str(one.differences)),
        )
    console.print(table)
    sys.exit(any(one.differences for one in done))


@contextmanager
def site() -> Iterator[Deployment]:
    """Engines with tables, a bucket, the function and the state machine."""
    with ExitStack() as started:
        search = OpenSearch(None, progress=console.print)
        engine = MiniStack(None, opensearch=search.endpoint, progress=console.print)
        started.callback(search.stop)
        started.callback(engine.stop)
        engine.start()
        search.start()
        cloud = Cloud(engine.url)
        create_tables(cloud.client("dynamodb"), STACK)
        settings = Settings(
            {
                "LEFTFOLD_STACK": STACK,
                "LEFTFOLD_SEARCH_ENDPOINT": search.endpoint,
                "LEFTFOLD_SEARCH_SCHEME": "http",
            }
        )
        cloud.client("s3").create_bucket(Bucket=settings.archive)
        deploy(cloud, settings)
        services = Services(
            settings,
            DOMAIN,
            dynamodb=cloud.client("dynamodb"),
            archive=S3Archive(partial(cloud.client, "s3"), settings.archive),
            waker=LambdaWaker(cloud.client("lambda"), settings.function),
        )
        yield Deployment(cloud, services, engine.process)


def deploy(cloud: Cloud, settings: Settings) -> None:
    """The function and the state machine, as the template has them."""
    made = package(STAGE, console.print)
    resources = read(TEMPLATE)["Resources"]
    cloud.client("lambda").create_function(
        FunctionName=f"{STACK}-fill",
        Runtime="python3.11",
        Handler="chalicelib.functions.fill",
        Role=f"arn:aws:iam::{ACCOUNT}:role/fill",
        Code={"ZipFile": made.zip.read_bytes()},
        Timeout=900,
        MemorySize=1024,
        Environment={"Variables": dict(settings._variables)},
    )
    definition: str = resources["FillMachine"]["Properties"]["DefinitionString"]["Fn::Sub"]
    for name, value in {
        "${AWS::StackName}": STACK,
        "${AWS::Partition}": "aws",
        "${AWS::Region}": cloud.region,
        "${AWS::AccountId}": ACCOUNT,
    }.items():
        definition = definition.replace(name, value)
    cloud.client("stepfunctions").create_state_machine(
        name=f"{STACK}-fill", definition=definition, roleArn=f"arn:aws:iam::{ACCOUNT}:role/fill"
    )


def write(services: Services, commits: int) -> int:
    """A log of so many commits; all but its end is archived. The number of segments."""
    head, entries = Head(), dict[str, StreamEntry]()
    with bar("writing the log", commits) as progress:
        (task,) = progress.task_ids
        for some in batches(commits):
            block, next_head = seal(head, some)
            after = entries_after(block)
            moves = {id_: (entries.get(id_, StreamEntry(1)), one) for id_, one in after.items()}
            services.log_table.put_body(block)
            assert services.log_table.append(block, head, next_head, moves)
            entries |= after
            head = next_head
            progress.advance(task, len(some))
    pruner.COMMITS_IN_SEGMENT = SEGMENT
    pruning = Pruner(services.log_table, services.archive, services.checkpoints, (), services.clock)
    volumes = pruning.run(services.clock() + timedelta(days=1))
    # The last segments stay blocks of the table: a fill reads both.
    return sum(1 for _, volume in zip(range(max(1, commits // SEGMENT - 1)), volumes, strict=False))


def fill(
    made: Deployment, view: str, workers: int, plan: Plan, stop_every: float, random: Random
) -> Filled:
    """Has a view filled, whatever is stopped and killed."""
    filling = made.services.fill(view)
    current = Current(STACK, "", made.cloud.endpoint_url)
    report, stops, began = Report(), list[float](), time.monotonic()
    with (
        killing(made.functions_of, plan, report),
        stopping(made.cloud, stop_every, random, stops.append),
    ):
        while True:
            try:
                asked = {"workers": workers, "units": 0}
                by_state_machine(filling, filling.plan(), current, asked)
                break
            except click.ClickException as error:
                console.print(f"{view}: {error}", markup=False)
    seconds = time.monotonic() - began
    whole = replay(
        filling.view,
        filling.log,
        lambda _position: None,
        filling.repairs,
        filling.opener,
    )
    live = dict(made.services.rows(view).scan())
    differences = len(list(compare(whole.rows, live.items())))
    return Filled(view, len(live), seconds, len(stops), report.killed, differences)


@contextmanager
def stopping(
    cloud: Cloud, every: float, random: Random, told: Callable[[float], None]
) -> Iterator[None]:
    """Stops what is executed now and then, a few times."""

    def work(ended: Event) -> None:
        states: Any = cloud.client("stepfunctions")
        machine = f"arn:aws:states:{cloud.region}:{ACCOUNT}:stateMachine:{STACK}-fill"
        for _ in range(MOST_STOPS if every else 0):
            if ended.wait(random.uniform(0, 2 * every)):
                return
            found = states.list_executions(stateMachineArn=machine, statusFilter=RUNNING)
            for execution in found["executions"]:
                if json.loads(
                    states.describe_execution(executionArn=execution["executionArn"])["input"]
                ).get("workers"):
                    states.stop_execution(executionArn=execution["executionArn"])
                    told(time.monotonic())

    with beside(work):
        yield


if __name__ == "__main__":
    main()
