"""`leftfold scan-events`: which versions of which events a deployment has, and who reads them."""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from chalicelib.leftfold.kernel import Aggregate, AggregateId, StoredEvent
from chalicelib.leftfold.repair.domain import repair
from chalicelib.leftfold.store.ports import Log, Unavailable
from chalicelib.leftfold.wiring.services import Services
from tools.bootstrap import ROOT
from tools.console import bar, console
from tools.options import chosen, endpoint_option, stack_option
from tools.ranges import by_ranges
from tools.schemas import FIXTURES, EventVersion, text_of


class Found(NamedTuple):
    """The stored events of a range: how many of each version, and the first commit of each."""

    counts: Counter[EventVersion]
    first: dict[EventVersion, tuple[str, int]]

    def add(self, other: "Found") -> None:
        """Adds what was found later in the log."""
        self.counts.update(other.counts)
        for event, where in other.first.items():
            self.first.setdefault(event, where)


@click.command("scan-events")
@click.option("--workers", default=1, type=click.IntRange(1), help="Processes that read the log.")
@click.option("--write-fixtures", is_flag=True, help="Write the fixtures that are missing.")
@stack_option
@endpoint_option
def scan_command(
    *, workers: int, write_fixtures: bool, stack: str | None, endpoint_url: str | None
) -> None:
    """Count the versions of all events in the log and its archive.

    Says which upcasts nobody needs any more, and which events the code cannot read. With
    --write-fixtures, the first event of each version that has no fixture becomes one, with the
    events of its stream before it: only for a deployment that has made-up data. Exits with 1 if
    there is an event that the code does not know.
    """
    services = chosen(stack, endpoint_url)
    found = Found(Counter(), {})
    for each in services.in_each_log:
        end = each.log.head().next_position
        with bar("scanning events", end) as progress:
            (task,) = progress.task_ids
            here = partial(scan, each.replayed_log)
            there = partial(scan_there, stack, endpoint_url, each.settings.log)
            for positions, part in by_ranges(end, workers, here if workers == 1 else there):
                found.add(part)
                progress.advance(task, positions)
    unknown = show(found, services)
    if write_fixtures:
        for path in fixtures_of(found, services, ROOT):
            console.print(f"written: {path}", soft_wrap=True)
    if unknown:
        raise click.exceptions.Exit(1)


def scan_there(
    stack: str | None, endpoint_url: str | None, name: str, first: int, last: int
) -> Found:
    """A range of a deployment's log *name*."""
    return scan(chosen(stack, endpoint_url).in_log(name).replayed_log, first, last)


def scan(log: Log, first: int, last: int) -> Found:
    """The stored events from position *first* to before *last*. Raises `Unavailable`."""
    found = Found(Counter(), {})
    following = first
    for block in log.blocks(first):
        if block.first_position > following:
            break
        for position, commit in enumerate(block.commits, block.first_position):
            if first <= position < last:
                category = AggregateId.parse(commit.aggregate_id).category
                for stored in commit.events:
                    event = EventVersion(category, stored.name, stored.version)
                    found.counts[event] += 1
                    found.first.setdefault(event, (commit.aggregate_id, commit.version))
        following = block.next_position
        if following >= last:
            return found
    raise Unavailable(f"the log does not show position {following}")


def show(found: Found, services: Services) -> int:
    """Shows the events, and how many the code does not know."""
    table = Table(box=SIMPLE_HEAD)
    for name in ("category", "event", "version", "events", "read"):
        right = name in ("version", "events")
        table.add_column(name, overflow="fold", justify="right" if right else "left")
    unknown = 0
    # With the engine's own: what operators have done is in every log.
    known = {**services.aggregates, repair.category: repair}
    for event, count in sorted(found.counts.items()):
        how = reading(event, known.get(event.category))
        unknown += how is None
        said = Text(how or "not known to the code", "" if how else "bold red")
        table.add_row(event.category, event.name, str(event.version), f"{count:,}", said)
    console.print(table)
    needless = [
        f"{aggregate.category}: ({name!r}, {version})"
        for aggregate in services.domain.aggregates.values()
        for name, version in sorted(aggregate.codec.upcasts)
        if not found.counts[EventVersion(aggregate.category, name, version)]
    ]
    if needless:
        console.print("no event here needs these upcasts:", *needless, sep="\n  ", markup=False)
    return unknown


def reading(event: EventVersion, aggregate: Aggregate | None) -> str | None:
    """How the code reads a version of an event; None if it does not know it."""
    if aggregate is None:
        return None
    codec = aggregate.codec
    if event.name in codec.events and codec.version(event.name) == event.version:
        return "as it is"
    key = event.name, event.version
    if key in codec.ahead:
        return "ahead of its writer"
    return "by an upcast" if key in codec.upcasts else None


def fixtures_of(found: Found, services: Services, root: Path) -> Iterator[Path]:
    """Writes the fixtures that are missing; their paths."""
    for event, (stream, version) in sorted(found.first.items()):
        path = FIXTURES / event.file
        if event.category not in services.domain.aggregates or (root / path).exists():
            continue
        commits = services.events.range(stream, 1, version)
        stored = [part for commit in commits for part in commit.events]
        at = next(
            place
            for place, part in enumerate(stored)
            if (part.name, part.version) == (event.name, event.version)
        )
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text_of(fixture(stored[:at], stored[at])))
        yield path


def fixture(earlier: list[StoredEvent], event: StoredEvent) -> dict[str, object]:
    """The text of a fixture, as JSON."""
    return {"earlier": [part._asdict() for part in earlier], "event": event._asdict()}
