"""Runs many histories, or one again: python -m tests.simulation --first 1 --count 1000."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.simulation.forgetting import Forgotten, forgetting
from tests.simulation.generations import GenerationHistory, moved
from tests.simulation.history import Report, history
from tests.simulation.logs import logged
from tests.simulation.releases import released


@click.command()
@click.option("--first", default=1, show_default=True, help="The first seed.")
@click.option("--count", default=1_000, show_default=True, help="How many seeds.")
@click.option("--workers", default=2, show_default=True, help="How many processes.")
@click.option("--generations", is_flag=True, help="Histories of two generations.")
@click.option(
    "--forgetting", "forgets", is_flag=True, help="Histories in which people are forgotten."
)
@click.option("--releases", is_flag=True, help="Histories of two releases on one truth.")
@click.option("--logs", is_flag=True, help="Histories of several logs.")
def main(
    *,
    first: int,
    count: int,
    workers: int,
    generations: bool,
    forgets: bool,
    releases: bool,
    logs: bool,
) -> None:
    """Run seeded histories and report steps, faults and broken laws; exit 1 if any broke.

    With --generations and --logs, histories of two generations that have several logs.
    """
    one: Callable[[int], Report | GenerationHistory | Forgotten] = moved if generations else history
    one = forgetting if forgets else one
    one = released if releases else one
    if logs:
        one = partial(moved, has_several_logs=True) if generations else logged
    console = Console()
    began = time.monotonic()
    with ProcessPoolExecutor(workers) as pool:
        seeds = range(first, first + count)
        reports = list(
            track(pool.map(one, seeds, chunksize=8), "histories", total=count, console=console)
        )
    seconds = time.monotonic() - began
    console.print(table_of(reports, seconds))
    broken = [report for report in reports if report.broken]
    for report in broken[:20]:
        console.print(f"seed {report.seed}: {report.broken[:3]}", markup=False)
    raise SystemExit(1 if broken else 0)


def table_of(reports: Sequence[Report | GenerationHistory | Forgotten], seconds: float) -> Table:
    """The run in figures."""
    table = Table("what", "number", title="simulation")
    table.columns[1].justify = "right"
    faults: Counter[str] = sum((r.faults for r in reports), Counter())
    outcomes: Counter[str] = sum((r.outcomes for r in reports), Counter())
    figures = {
        "histories": len(reports),
        "seeds": f"{reports[0].seed}..{reports[-1].seed}",
        "steps": sum(r.steps for r in reports),
        "commits": sum(r.commits for r in reports),
        **{f"commands {name}": n for name, n in sorted(outcomes.items())},
        **{f"fault {name}": n for name, n in sorted(faults.items())},
        "seconds": round(seconds),
        "broken laws": sum(bool(r.broken) for r in reports),
    }
    for name, number in figures.items():
        table.add_row(name, f"{number:,}" if isinstance(number, int) else str(number))
    return table


if __name__ == "__main__":
    main()
