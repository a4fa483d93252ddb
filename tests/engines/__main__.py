"""The recorded runs: python -m tests.engines [run|sweeper|poison|shards|race]."""

from contextlib import ExitStack
from dataclasses import replace

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.engines.plan import Plan, Report
from tests.engines.run import run
from tests.engines.shards import Shards
from tools.engines import DynamoDBLocal, KinesisLocal

PLANS = {
    "run": Plan(commits=20_000, streams=500),
    "sweeper": Plan(commits=20_000, streams=500, transport=False),
    "poison": Plan(commits=5_000, streams=500, poison=True),
    "shards": Plan(commits=5_000, streams=500),
    "race": Plan(commits=2_000, streams=1, writers=2, relays=2, workers=1),
}


@click.command()
@click.argument("what", type=click.Choice(list(PLANS)), default="run")
@click.option("--commits", type=int, help="How many commands are to be acknowledged.")
@click.option("--streams", type=int, help="How many accounts there are.")
@click.option("--seed", default=1, show_default=True, help="Decides the draws of all faults.")
def main(what: str, commits: int | None, streams: int | None, seed: int) -> None:
    """Run the real code on DynamoDB Local with faults in every client; exit 1 if a law broke.

    "sweeper" has no transport at all, "poison" one event that a view fails on, "shards"
    the bus on kinesis-local with a split and a merge, "race" two clients on one account.
    """
    console = Console()
    chosen = PLANS[what]
    plan = replace(
        chosen, commits=commits or chosen.commits, streams=streams or chosen.streams, seed=seed
    )
    with ExitStack() as stack:
        url = stack.enter_context(DynamoDBLocal()).url
        shards = None
        if what == "shards":
            kinesis = stack.enter_context(KinesisLocal())
            shards = stack.enter_context(Shards(kinesis.url, seed, plan.rate))
        bar = stack.enter_context(Progress(console=console))
        task = bar.add_task("", total=plan.commits)
        report = run(
            plan,
            url,
            shards,
            lambda phase, done: bar.update(task, description=phase, completed=done),
        )
    console.print(table_of(what, report))
    for law in report.broken[:20]:
        console.print(law, markup=False)
    raise SystemExit(1 if report.broken else 0)


def table_of(what: str, report: Report) -> Table:
    """The run in figures."""
    table = Table("what", "number", title=f"engines: {what}")
    table.columns[1].justify = "right"
    plan = report.plan
    figures: dict[str, object] = {
        "seed": plan.seed,
        "streams": plan.streams,
        "writers": plan.writers,
        "relays": plan.relays if plan.transport else 0,
        "sweepers meanwhile": 0 if plan.transport else plan.sweepers,
        "commits": report.commits,
        "blocks": report.blocks,
        **{f"seconds {phase}": round(took, 1) for phase, took in report.seconds.items()},
        "commits/s": round(report.commits / report.seconds["writing"], 1),
        **{f"commands {name}": n for name, n in sorted(report.outcomes.items())},
        "requests repeated by clients": report.again,
        **{f"fault {name}": n for name, n in sorted(report.struck.items())},
        "records dropped": report.dropped,
        "records repeated": report.repeated,
        **{f"invocations failed, {name}": n for name, n in sorted(report.failed.items())},
        "logged by the last sweeps": report.swept,
        "streams parked, then redriven": len(report.parked),
        "rows that waited for it": len(report.stuck),
        **{
            f"{role} {operation} per commit": round(n / report.commits, 3)
            for role, requests in report.requests.items()
            for operation, n in sorted(requests.items())
        },
        "broken laws": len(report.broken),
    }
    for name, number in figures.items():
        table.add_row(name, f"{number:,}")
    return table


if __name__ == "__main__":
    main()
