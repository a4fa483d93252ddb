"""`leftfold fill`: makes a view's rows of the whole log, by many workers at once."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from multiprocessing.synchronize import Event
from typing import Any

import click

from chalicelib.leftfold.projection.filling import Fill, FillTooOldError, NotDoneError, Plan
from chalicelib.leftfold.projection.replay import Replayed, replay_range
from chalicelib.leftfold.wiring.services import Services
from tools.cloud import Cloud, explained
from tools.console import bar, console
from tools.fill_estimate import estimate, table
from tools.last_deployment import Current, recall
from tools.options import chosen, endpoint_option, stack_option
from tools.prices import prices
from tools.ranges import AT_ONCE, by_ranges
from tools.stages import Stage, stages
from tools.texts import counted
from tools.workers import CONTEXT, processes

# Seconds between two looks at how far a fill is.
LOOK = 1.0
SHOWN_AS = "%H:%M:%S"
RUNNING = "RUNNING"


@click.command("fill")
@click.argument("view")
@click.option("--workers", default=1, type=click.IntRange(1, 64), help="How many work at once.")
@click.option(
    "--units",
    default=0.0,
    type=click.FloatRange(0),
    help="KB of rows that all workers together write in a second; 0 sets no bound.",
)
@click.option(
    "--on",
    "where",
    type=click.Choice(("here", "aws")),
    default="here",
    help="Processes of this machine, or the deployment's own state machine.",
)
@click.option("--dry-run", is_flag=True, help="Say what it will take, and do nothing.")
@stack_option
@endpoint_option
def fill_command(  # noqa: PLR0913 - one for each option
    *,
    view: str,
    dry_run: bool,
    workers: int,
    units: float,
    where: str,
    stack: str | None,
    endpoint_url: str | None,
) -> None:
    """Make the rows of VIEW of the whole log, archive and all.

    For a view that is new, or of a new generation. Its own function does the same, alone; many
    workers are faster. Queries may go on meanwhile. A fill that was stopped goes on where it was.
    """
    services = chosen(stack, endpoint_url)
    if view not in services.views:
        names = ", ".join(services.views)
        raise click.UsageError(f"there is no view {view!r}; the views are {names}")
    filling = services.fill(view)
    try:
        if dry_run:
            plan = filling.planned()
            made = estimate(filling, plan, workers, units)
            dollars = made.cost(filling.view, workers, stage_of(services), prices())
            console.print(table(filling.view, made, workers, dollars))
            return
        plan = filling.plan()
        began = time.monotonic()
        if where == "here":
            if workers > 1 and filling.view.merge is not None:
                by_merging(filling, plan, workers, partial(fold_there, stack, endpoint_url, view))
            else:
                work = partial(work_there, stack, endpoint_url, view, units)
                by_processes(filling, plan, workers, work)
            filling.finish(plan)
            services.waker.wake(view)
        else:
            current = recall() if stack is None else Current(stack, "", endpoint_url)
            by_state_machine(filling, plan, current, {"workers": workers, "units": units})
    except (FillTooOldError, NotDoneError) as error:
        raise click.ClickException(str(error)) from error
    took = timedelta(seconds=round(time.monotonic() - began))
    console.print(f"{view} has all of {counted(plan.end, 'position')}: {took}")
    tell_parked(services, view)


def stage_of(services: Services) -> Stage:
    """The stage that a deployment belongs to; one that is not in infra/stages.toml is like the first."""
    known = list(stages().values())
    return next((one for one in known if one.prefix == services.settings.stage), known[0])


def tell_parked(services: Services, view: str) -> None:
    """Tells of streams on which the view failed."""
    parked = sum(1 for _ in services.parking.all(services.stored_name(view)))
    if parked:
        console.print(
            f"{counted(parked, 'stream')} parked: `leftfold parked` lists them", style="bold red"
        )


@contextmanager
def shown(filling: Fill, plan: Plan) -> Iterator[Callable[[], None]]:
    """A bar with the time at which the fill will end; gives what brings it up to date."""
    before = filling.progress(plan)
    began = time.monotonic()
    with bar(f"filling {filling.view.name}", before.total) as progress:
        (task,) = progress.task_ids

        def look() -> None:
            done = filling.progress(plan).done
            new = done - before.done
            until = ""
            if new:
                left = (before.total - done) * (time.monotonic() - began) / new
                until = f", until {time.strftime(SHOWN_AS, time.localtime(time.time() + left))}"
            progress.update(task, completed=done, description=f"filling {filling.view.name}{until}")

        look()
        yield look


# --- processes of this machine

# Whether the workers of this process shall stop.
_stopping: Event | None = None


def _begin(stopping: Event) -> None:
    global _stopping  # noqa: PLW0603 - how a pool gives each of its processes something
    _stopping = stopping


def goes_on() -> bool:
    """Whether this process may go on."""
    return _stopping is None or not _stopping.is_set()


def work_there(
    stack: str | None, endpoint_url: str | None, view: str, units: float, worker: int, workers: int
) -> None:
    """All parts of one worker, on a deployment."""
    work_on(chosen(stack, endpoint_url).fill(view, units / workers), worker, workers)


def work_on(filling: Fill, worker: int, workers: int) -> None:
    """All parts of one worker."""
    for part in filling.plan().of_worker(worker, workers):
        if not filling.work(part, goes_on):
            return


def by_processes(filling: Fill, plan: Plan, workers: int, work: Callable[[int, int], None]) -> None:
    """Has each of *workers* do its *work*, a function of a module, in a process of its own.

    One that fails stops the others, and its error is raised.
    """
    stopping = CONTEXT.Event()
    with processes(workers, _begin, stopping) as pool, shown(filling, plan) as look:
        waiting: set[Future[None]] = {
            pool.submit(work, worker, workers) for worker in range(workers)
        }
        try:
            while waiting:
                done, waiting = wait(waiting, LOOK)
                for job in done:
                    job.result()
                look()
        finally:
            stopping.set()


def fold_there(
    stack: str | None, endpoint_url: str | None, view: str, first: int, last: int
) -> Replayed:
    """A range of a deployment's log, folded from nothing."""
    filling = chosen(stack, endpoint_url).fill(view)
    return replay_range(filling.view, filling.log, first, last, repairs=filling.repairs)


def by_merging(
    filling: Fill,
    plan: Plan,
    workers: int,
    fold: Callable[[int, int], Replayed],
    at_once: int = AT_ONCE,
) -> None:
    """Has *workers* fold ranges of an ordered view, and merges what they made, in order."""
    first = filling.followed()
    with shown(filling, plan) as look:
        for positions, made in by_ranges(plan.end, workers, fold, at_once, first):
            filling.merge(first, made)
            first += positions
            look()


# --- the deployment's state machine


def by_state_machine(filling: Fill, plan: Plan, current: Current, asked: dict[str, Any]) -> None:
    """Starts an execution of the state machine, or follows the one that runs, until it ends.

    Raises ClickException if it fails.
    """
    cloud = Cloud(current.endpoint_url)
    states = cloud.client("stepfunctions")
    name = f"stateMachine:{current.stack}-fill"
    machine = f"arn:{cloud.partition}:states:{cloud.region}:{cloud.account}:{name}"
    view = filling.view.name
    with explained(cloud):
        execution = running(states, machine, view)
        if execution is None:
            told = json.dumps({"view": view, **asked})
            execution = states.start_execution(stateMachineArn=machine, input=told)["executionArn"]
        else:
            console.print("this view is being filled; stopping here does not stop it")
        with shown(filling, plan) as look:
            while (found := states.describe_execution(executionArn=execution))["status"] == RUNNING:
                look()
                time.sleep(LOOK)
    if found["status"] != "SUCCEEDED":
        why = found.get("cause") or found.get("error") or found["status"]
        raise click.ClickException(
            f"the execution ended as {found['status']}: {why}; start the fill again, and it goes on"
            f" where it stopped: {execution}"
        )


def running(states: Any, machine: str, view: str) -> str | None:
    """The execution that fills the view now, if there is one."""
    for one in states.list_executions(stateMachineArn=machine, statusFilter=RUNNING)["executions"]:
        arn: str = one["executionArn"]
        if json.loads(states.describe_execution(executionArn=arn)["input"])["view"] == view:
            return arn
    return None
