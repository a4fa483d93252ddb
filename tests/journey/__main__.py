"""A recorded run: python -m tests.journey [--transfers N] [--accounts N] [--kill-every S]."""

import click
from click.testing import CliRunner
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.journey.transfers import Plan, Report, inbox, move_money, replay_all
from tools.__main__ import leftfold
from tools.api import Api
from tools.bank.run import local
from tools.signing_in import of_deployment

STACK = "leftfold-transfers"


@click.command()
@click.option("--transfers", default=1_000, show_default=True)
@click.option("--accounts", default=50, show_default=True)
@click.option("--kill-every", default=0.5, show_default=True, help="Mean seconds; 0: nobody.")
@click.option("--seed", default=1, show_default=True)
def main(*, transfers: int, accounts: int, kill_every: float, seed: int) -> None:
    """Move money through the deployed package while functions are killed; exit 1 if a law broke."""
    console = Console()
    plan = Plan(transfers, accounts, kill_every or None, seed, patience=1_800)
    with Progress(console=console) as bar, local(console.print, stack=STACK) as running:
        task = bar.add_task("ended", total=plan.transfers)
        where = ["--stack", STACK, "--endpoint-url", str(running.cloud.endpoint_url)]

        def redrive() -> None:
            CliRunner().invoke(leftfold, ["redrive", *where])

        auth = of_deployment(running.deployed, running.cloud.endpoint_url)
        with Api(running.deployed.url, auth=auth) as api:
            report = move_money(
                api,
                plan,
                redrive,
                running.functions_of,
                lambda: inbox(str(running.cloud.endpoint_url)),
                lambda ended: bar.update(task, completed=ended),
            )
        replay_all(report, STACK, running)
    console.print(table_of(plan, report))
    for law in report.broken[:20]:
        console.print(law, markup=False)
    raise SystemExit(1 if report.broken else 0)


def table_of(plan: Plan, report: Report) -> Table:
    """The run in figures."""
    table = Table("what", "number", title="transfers while functions are killed")
    table.columns[1].justify = "right"
    measured = report.to_completion
    figures: dict[str, object] = {
        "seed": plan.seed,
        "accounts": plan.accounts,
        "transfers posted": report.posted,
        **dict(sorted(report.states.items())),
        "processes killed": report.killed,
        "seconds posting": round(report.seconds_posting, 1),
        "seconds until all had ended": round(report.seconds_until_all_ended, 1),
        "transfers/s": round(report.per_second, 2),
        "request to completion, p50 s": round(measured.p50, 2) if measured else "—",
        "request to completion, p99 s": round(measured.p99, 2) if measured else "—",
        "told by e-mail": len(report.mails),
        "told twice": sum(count > 1 for count in report.mails.values()),
        **{f"replays: {what}": reported for what, reported in report.replayed.items()},
        "broken laws": len(report.broken),
    }
    for name, number in figures.items():
        table.add_row(name, str(number))
    return table


if __name__ == "__main__":
    main()
