"""Commands for operators: how far a deployment is, whether it is right, what is parked."""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from functools import partial
from itertools import product

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from chalicelib.leftfold.archive.segments import SegmentedLog
from chalicelib.leftfold.kernel import View
from chalicelib.leftfold.projection.fold import PoisonError
from chalicelib.leftfold.projection.lag import lag
from chalicelib.leftfold.projection.replay import (
    Difference,
    Replayed,
    compare,
    replay,
    replay_live,
    replay_range,
    together,
)
from chalicelib.leftfold.projection.typed import typed
from chalicelib.leftfold.relay.sweeper import PARTS
from chalicelib.leftfold.store.logs import log_of
from chalicelib.leftfold.store.ports import Log, Unavailable
from chalicelib.leftfold.store.readers import ends_of
from chalicelib.leftfold.wiring.services import Services
from tools.announcing import announce_command
from tools.archiving import COMMANDS as ARCHIVING
from tools.auditing import audited
from tools.console import bar, console, errors
from tools.filling import fill_command
from tools.forgetting import COMMANDS as FORGETTING
from tools.last_deployment import Current, recall
from tools.options import chosen, endpoint_option, stack_option
from tools.polling import PATIENCE, Pause, remaining
from tools.ranges import by_ranges
from tools.repairing import repair_command
from tools.signing_in import MACHINE, OPERATOR, token_of
from tools.texts import counted
from tools.verify import Broken, verify

SHOWN = 20


@click.command("status")
@click.option(
    "--max-age",
    type=click.IntRange(0),
    default=300,
    show_default=True,
    help="Seconds that a reader's oldest commit may wait.",
)
@stack_option
@endpoint_option
def status_command(max_age: int, stack: str | None, endpoint_url: str | None) -> None:
    """Show how far each view and policy is behind the log, and what is parked.

    Exits with 1 if a stream is parked, or if a reader's oldest commit waits too long.
    """
    if not show_status(chosen(stack, endpoint_url), timedelta(seconds=max_age)):
        sys.exit(1)


def show_status(services: Services, max_age: timedelta) -> bool:
    """True if nothing is parked and nothing waits for longer than *max_age*."""
    parked = list(services.parking.all())
    several = len(services.settings.logs) > 1
    table = Table(box=SIMPLE_HEAD)
    for name in ("log", "reader", "kind") if several else ("reader", "kind"):
        table.add_column(name)
    for name in ("positions behind", "oldest waits", "parked streams"):
        table.add_column(name, justify="right")
    late = False
    for each, reader in product(services.in_each_log, services.readers):
        behind = lag(reader, each.log, each.checkpoints, each.clock)
        late |= behind.age > max_age
        waits = f"{behind.age.total_seconds():,.1f} s" if behind.positions else "—"
        here = own_streams(each)
        count = sum(name == reader.stored_name and here(stream) for name, stream, _ in parked)
        kind = reader.order if isinstance(reader, View) else "policy"
        row = (reader.name, kind, f"{behind.positions:,}", waits, f"{count:,}")
        table.add_row(*((each.settings.log, *row) if several else row))
    console.print(table)
    for each in services.in_each_log:
        name = f"the log {each.settings.log}" if several else "the log"
        console.print(f"{name} has {counted(each.log.head().next_position, 'commit')}")
    return not parked and not late


def own_streams(services: Services) -> Callable[[str], bool]:
    """Whether a stream, or the row of a tenant, is of the log of *services*."""
    name, names = services.settings.log, services.settings.logs
    return lambda key: log_of(key, names) == name


@click.command("verify")
@stack_option
@endpoint_option
def verify_command(stack: str | None, endpoint_url: str | None) -> None:
    """Check each log from its first position to its last.

    Positions are dense, blocks are chained, streams are whole and in order, causes come
    first, the registry is the fold of the log, and log and streams have the same commits.
    Exits with 1 if one of these is broken. Commands may go on meanwhile: the newest commits
    get 30 s to be logged.
    """
    services = chosen(stack, endpoint_url)
    end, found = 0, list[Broken]()
    for each in services.in_each_log:
        here = each.log.head().next_position
        with bar(f"checking positions of {each.settings.log}", here) as progress:
            (task,) = progress.task_ids
            advance = partial(progress.update, task)
            found += verify(
                each.events,
                each.log,
                lambda at, advance=advance: advance(completed=at),  # type: ignore[misc]
                own=own_streams(each),
            )
        end += here
    for broken in found[:SHOWN]:
        console.print(f"{broken.promise}: not so: {broken.where}", style="red", markup=False)
    if not report(len(found), f"{counted(end, 'position')} checked", "promises broken"):
        sys.exit(1)


@click.command("replay")
@click.argument("view")
@click.option("--check", is_flag=True, help="Compare with the live rows, byte for byte.")
@click.option("--live", is_flag=True, help="Only live epochs; with --check, also the whole log.")
@click.option(
    "--workers",
    default=1,
    type=click.IntRange(1),
    show_default=True,
    help="Processes, for a view whose rows need no former content, or can be merged.",
)
@stack_option
@endpoint_option
def replay_command(
    *,
    view: str,
    check: bool,
    live: bool,
    workers: int,
    stack: str | None,
    endpoint_url: str | None,
) -> None:
    """Fold the whole log into VIEW's rows, in memory.

    With --check exits with 1 if a live row differs, or if the view stays behind for
    30 s. Rows that were changed meanwhile are left out.
    """
    services = chosen(stack, endpoint_url)
    chosen_view = known(view, services)
    if check and chosen_view.personal:
        # Rows that differ are shown.
        audited(services, "compare", view)
    if live and not chosen_view.from_carried:
        names = ", ".join(v.name for v in services.views.values() if v.from_carried)
        raise click.UsageError(f"{view} keeps older detail; these can be replayed live: {names}")
    if workers > 1 and (live or not by_many(chosen_view)):
        names = ", ".join(v.name for v in services.views.values() if by_many(v))
        raise click.UsageError(
            f"one process has to read the whole log in order; several can replay these: {names}"
        )
    fold_range = partial(replay_there, stack, endpoint_url, view) if workers > 1 else None
    right = [
        replay_log(each, view, workers, fold_range, check=check, live=live)
        for each in services.in_each_log
    ]
    if not all(right):
        sys.exit(1)


def replay_log(
    services: Services,
    view: str,
    workers: int,
    fold_range: Callable[[str, int, int], Replayed] | None,
    *,
    check: bool,
    live: bool,
) -> bool:
    """Folds one log into the view's rows; False if the rows are compared and differ.

    *fold_range* folds a range of the log of a name, in a process of its own.
    """
    end, chosen_view = services.log.head().next_position, services.views[view]
    with bar(f"replaying {view}", end) as progress:
        (task,) = progress.task_ids

        def advance(at: int) -> None:
            progress.update(task, completed=at + 1)

        began = time.perf_counter()
        if live:
            archived = SegmentedLog(services.log_table, services.archive)
            made = replay_live(chosen_view, archived, advance, services.repairs, services.vault)
        elif fold_range is not None:
            there = partial(fold_range, services.settings.log)
            made = together(chosen_view, advancing(by_ranges(end, workers, there), advance))
        else:
            made = replay(
                *quickly(chosen_view, services), advance, services.repairs, services.vault
            )
        took = time.perf_counter() - began
    if live and check and not same_as_whole(chosen_view, services, made, took):
        return False
    console.print(
        f"{counted(len(made.rows), 'row')} of {view} made of {counted(made.position + 1, 'position')}"
    )
    for stream, reason in made.stopped.items():
        console.print(f"stopped {stream}: {reason}", style="red", markup=False)
    return not check or is_live(made, services.views[view], services)


def quickly(view: View, services: Services) -> tuple[View, Log]:
    """The view and the log for a replay."""
    return typed(view), services.opened_log if view.personal else services.replayed_log


def by_many(view: View) -> bool:
    """Whether several processes can replay a view, each of them a range."""
    return view.merge is not None or not view.accumulates


def replay_there(
    stack: str | None, endpoint_url: str | None, view: str, name: str, first: int, last: int
) -> Replayed:
    """A range of a deployment's log, folded; *name* is that of the log."""
    services = chosen(stack, endpoint_url).in_log(name)
    folded, log = quickly(services.views[view], services)
    return replay_range(folded, log, first, last, repairs=services.repairs, opener=services.vault)


def advancing(
    parts: Iterable[tuple[int, Replayed]], advance: Callable[[int], None]
) -> Iterator[Replayed]:
    """The ranges, while the bar advances. Raises ClickException for one in which the view fails."""
    for _, part in parts:
        for reason in part.stopped.values():
            raise click.ClickException(f"replay it by one process, to see all failures: {reason}")
        advance(part.position)
        yield part


def same_as_whole(view: View, services: Services, made: Replayed, took: float) -> bool:
    """Whether the whole log makes the same rows; shows how much longer that takes than *took*.

    Rows that were changed meanwhile are left out.
    """
    began = time.perf_counter()
    with errors.status("replaying the whole log"):
        whole = replay(*quickly(view, services), lambda _: None, services.repairs, services.vault)
    whole_took = time.perf_counter() - began
    console.print(
        f"live epochs {took:,.2f} s, the whole log {whole_took:,.2f} s:"
        f" {whole_took / took:,.1f} times as fast"
    )
    found = [
        difference
        for difference in compare(made.rows, whole.rows.items())
        if not is_newer(difference, made.position)
    ]
    return report(len(found), "live epochs make the same rows as the whole log", "rows differ")


def is_live(
    made: Replayed,
    view: View,
    services: Services,
    pause: Pause = time.sleep,
    patience: timedelta = PATIENCE,
) -> bool:
    """Whether the live rows of *view* are as they were *made*; shows the rows that differ."""
    with errors.status("comparing with the live rows"):
        found = live_differences(made, view, services, pause, patience)
    if found is None:
        console.print("the view is behind: its rows cannot be compared", style="bold red")
        return False
    for difference in found[:SHOWN]:
        console.print(Text(difference.key, style="bold red"))
        console.print(Text(f"  replayed {difference.replayed}\n  live     {difference.live}"))
    return report(len(found), "every live row is as the log makes it", "rows differ")


def live_differences(
    made: Replayed,
    view: View,
    services: Services,
    pause: Pause = time.sleep,
    patience: timedelta = PATIENCE,
) -> list[Difference] | None:
    """The live rows of *view* that are not as they were *made*; None if the view stays behind.

    The view has the time of *patience* to reach what was replayed. Rows that were changed meanwhile are left out.
    """
    # Read after the replay, so that nothing was replayed that is beyond it.
    ends = ends_of(view, services.log.head())

    def behind() -> dict[int, int]:
        reached = services.checkpoints.read(view.stored_name, ends)
        return {key: position for key, position in reached.items() if position < ends[key]}

    if behind():
        # Nobody wakes a reader for commits that it does not hear, such as those of the audit.
        services.waker.wake(view.name)
    if remaining(behind, pause, patience):
        return None
    here = own_streams(services)
    # A row's key begins with its tenant, whose log may be another one.
    live = ((key, row) for key, row in services.rows(view.name).scan() if here(key))
    return [d for d in compare(made.rows, live) if not is_newer(d, made.position)]


@click.command("sweep")
@click.option("--now", is_flag=True, help="Look at the whole events table at once.")
@stack_option
@endpoint_option
def sweep_command(stack: str | None, endpoint_url: str | None, *, now: bool) -> None:
    """Show where the sweeper's round stands; with --now, make a whole round at once.

    The sweeper finds commits whose stream records never reached the relay. After an outage,
    --now logs them without waiting for the sweeper's round, and wakes every reader that is
    behind. It reads some hundred thousand commits a minute. It may be stopped and run again.
    """
    services = chosen(stack, endpoint_url)
    if now:
        sweep_now(audited(services, "sweep"))
    else:
        show_round(services)


def sweep_now(services: Services) -> None:
    """Reads the whole events table, logs what the log misses, wakes readers that are behind."""
    sweeper = services.sweeper
    seen = logged = 0
    with bar("sweeping the events table", PARTS) as progress:
        (task,) = progress.task_ids
        for part in range(PARTS):
            for items, commits in sweeper.sweep_part(part):
                seen, logged = seen + items, logged + commits
            progress.advance(task)
    woken = sweeper.wake()
    console.print(f"{counted(seen, 'commit')} seen, {logged:,} of them logged only now")
    console.print(f"woken: {', '.join(woken)}" if woken else "no reader is behind")


def show_round(services: Services) -> None:
    """Shows how far the sweeper's round is, and how large its runs are."""
    note = services.sweeper.noted()
    if note is None:
        console.print("the sweeper has not run yet")
        return
    goes_on = timedelta(seconds=round(services.clock().timestamp() - note.began))
    console.print(
        f"the round goes on for {goes_on}: {note.part} of {PARTS} parts,"
        f" {note.pages:,} pages; {note.budget} pages a run"
    )
    if note.whole:
        console.print(f"the round before saw {note.whole:,} pages")


@click.command("parked")
@stack_option
@endpoint_option
def parked_command(stack: str | None, endpoint_url: str | None) -> None:
    """List the streams on which a view or a policy has failed, with the reasons.

    Exits with 1 if there are any.
    """
    services = chosen(stack, endpoint_url)
    parked_streams = list(services.parking.all())
    if not parked_streams:
        console.print("nothing is parked")
        return
    table = Table(box=SIMPLE_HEAD)
    for name in ("reader", "stream", "positions", "reason"):
        table.add_column(name, overflow="fold")
    for stored_name, stream, parked_stream in parked_streams:
        table.add_row(
            services.stored_under(stored_name),
            stream,
            f"{parked_stream.first} to {parked_stream.last}",
            Text(parked_stream.reason),
        )
    console.print(table)
    sys.exit(1)


@click.command("redrive")
@click.argument("reader", required=False)
@click.argument("stream", required=False)
@stack_option
@endpoint_option
def redrive_command(
    reader: str | None, stream: str | None, stack: str | None, endpoint_url: str | None
) -> None:
    """Let parked streams go on, after the cause of their failure was mended.

    All of them, or those of READER, a view or a policy, or one STREAM of it. A policy
    then takes the steps that wait. Exits with 1 if one fails again.
    """
    services = chosen(stack, endpoint_url)
    if reader is not None and reader not in services.policies:
        known(reader, services)
    audited(services, "redrive", reader or "all readers", stream or "all streams")
    if not redrive(services, reader, stream):
        sys.exit(1)


def redrive(services: Services, reader: str | None, stream: str | None) -> bool:
    """Redrives parked streams, of *reader* and *stream* if given; False if one fails again."""
    parked = services.parking.all(reader and services.stored_name(reader))
    waiting = [
        (services.stored_under(name), aggregate_id)
        for name, aggregate_id, _ in parked
        if stream in (None, aggregate_id)
    ]
    failed = 0
    with bar("redriving streams", len(waiting)) as progress:
        (task,) = progress.task_ids
        for name, aggregate_id in waiting:
            try:
                services.in_log_of(aggregate_id).reader(name).redrive(aggregate_id)
            except (PoisonError, Unavailable) as error:
                failed += 1
                console.print(f"{name}: {aggregate_id}: {error}", style="red", markup=False)
            progress.advance(task)
    return report(failed, f"{counted(len(waiting), 'stream')} redriven", "streams failed again")


@click.command("token")
@click.option(
    "--operator", is_flag=True, help="A token of an operator of the house, as for the console."
)
@stack_option
@endpoint_option
def token_command(stack: str | None, endpoint_url: str | None, *, operator: bool) -> None:
    """Print a new access token for the API.

    It is one of the stage's own machine client, for the tenant main: to send commands, to read
    views and to follow the log. It is good for an hour. Needs AWS credentials that may read the
    client's secret.
    """
    current = recall() if stack is None else Current(stack, "", endpoint_url)
    # To paste and to pipe: nothing else, in one line.
    click.echo(token_of(current, OPERATOR if operator else MACHINE))


COMMANDS = (
    status_command,
    verify_command,
    replay_command,
    fill_command,
    sweep_command,
    parked_command,
    redrive_command,
    announce_command,
    token_command,
    repair_command,
    *ARCHIVING,
    *FORGETTING,
)


def known(view: str, services: Services) -> View:
    """A view by its name."""
    if view not in services.views:
        names = ", ".join(services.views)
        raise click.UsageError(f"there is no view {view!r}; the views are {names}")
    return services.views[view]


def is_newer(difference: Difference, position: int) -> bool:
    """Whether the live row has commits from beyond *position*."""
    live: int = json.loads(difference.live)["position"]
    return live > position


def report(wrong: int, good: str, bad: str) -> bool:
    """Shows the verdict in one line; True if nothing is wrong."""
    if wrong:
        console.print(f"{wrong:,} {bad}", style="bold red")
    else:
        console.print(good, style="green")
    return wrong == 0
