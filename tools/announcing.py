"""`leftfold announce`: tells other systems once more, from a position of the log."""

import sys

import click

from chalicelib.leftfold.kernel import Announcer
from chalicelib.leftfold.policies.announcing import announced_again
from chalicelib.leftfold.store.ports import MAIN
from chalicelib.leftfold.wiring.services import Services
from tools.console import bar, console
from tools.options import chosen, endpoint_option, stack_option
from tools.texts import counted


@click.command("announce")
@click.argument("announcer")
@click.option(
    "--from", "first", default=0, type=click.IntRange(0), help="The position to begin at."
)
@click.option("--to", "last", type=click.IntRange(0), help="The last position; the log's end.")
@click.option("--log", default=MAIN, show_default=True, help="The log, where there are several.")
@stack_option
@endpoint_option
def announce_command(
    *,
    announcer: str,
    first: int,
    last: int | None,
    log: str,
    stack: str | None,
    endpoint_url: str | None,
) -> None:
    """Announce once more what ANNOUNCER has announced, from a position of the log.

    For a subscriber that begins late, or has lost what its queue held. Every announcement is the
    same as the first time, so whoever has it drops it. Exits with 1 if a stream cannot be
    announced.
    """
    services = in_log(chosen(stack, endpoint_url), log)
    if not announce(services, known(announcer, services), first, last):
        sys.exit(1)


def in_log(services: Services, name: str) -> Services:
    """The services of a log by its name."""
    if name not in services.settings.logs:
        raise click.UsageError(
            f"there is no log {name!r}; the logs are {', '.join(services.settings.logs)}"
        )
    return services.in_log(name)


def known(name: str, services: Services) -> Announcer:
    """An announcer by its name."""
    found = services.policies.get(name)
    if not isinstance(found, Announcer):
        policies = services.policies.items()
        names = [name for name, policy in policies if isinstance(policy, Announcer)]
        raise click.UsageError(
            f"there is no announcer {name!r}; the announcers are {', '.join(names) or 'none'}"
        )
    return found


def announce(services: Services, announcer: Announcer, first: int, last: int | None) -> bool:
    """Announces the positions *first* to *last*; False if a stream cannot be announced."""
    end = services.log.head().next_position - 1
    through = end if last is None else min(last, end)
    if first > through:
        raise click.UsageError(f"the log has no positions {first:,} to {through:,}")
    work = services.announcing(announcer)
    failed: dict[str, str] = {}
    with bar(f"announcing {announcer.name}", through + 1 - first) as progress:
        (task,) = progress.task_ids
        for reached, outcome in announced_again(work, services.log, first, through):
            failed |= {stream: one.reason for stream, one in outcome.poisons.items()}
            progress.update(task, completed=reached + 1 - first)
    for stream, reason in failed.items():
        console.print(f"{stream}: {reason}", style="red", markup=False)
    console.print(f"{counted(through + 1 - first, 'position')} announced once more")
    return not failed
