"""What copying and taking take on DynamoDB Local: python -m tests.engines.rates --help.

Once by one thread with calls and units counted, as the engine reports them, and once as the functions
do it, side by side, with the time.
"""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import click
from rich.console import Console
from rich.table import Table

from chalicelib.leftfold.generations.control import DynamoControl
from chalicelib.leftfold.generations.operating import Operator
from chalicelib.leftfold.store.events import DynamoEvents
from chalicelib.leftfold.store.log import DynamoLog
from chalicelib.leftfold.wiring.services import side_by_side
from tests.engines.meter import Meter
from tests.generations.site import Site, truth_of
from tests.teller import OPENING, credit
from tools.engines import DynamoDBLocal
from tools.tables import create_tables, dynamodb_client, log_tables


class Taken(NamedTuple):
    """One step: its seconds, its calls, and what they consumed; a thing is a copy or a stream."""

    step: str
    things: int
    seconds: float
    calls: int
    written: float
    read: float


WRITES = {"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"}


def steps(url: str, streams: int, commits: int, *, counted: bool) -> Iterator[Taken]:
    """Copies and takes so many streams of so many commits."""
    # As many connections as there are threads.
    client = dynamodb_client(url, max_pool_connections=64)
    names = {name: create_tables(client) for name in ("blue", "green")}
    blue, green = (
        truth_of(
            name,
            DynamoEvents(client, f"{stack}-events"),
            DynamoLog(client, log_tables(stack)),
            first=name == "blue",
        )
        for name, stack in names.items()
    )
    control = DynamoControl(client, f"{names['blue']}-control")
    site = Site(control=control, blue=blue, green=green)
    for number in range(streams):
        for command in [OPENING, *(credit(100) for _ in range(commits - 1))]:
            site.teller("blue").do(command, f"{number:06}")
    site.log(site.blue)
    meter = Meter(client, dynamodb_client(url)) if counted else None
    spread: Any = site.copier.spread if counted else side_by_side
    site.copier = replace(site.copier, spread=spread)
    operator = Operator(
        site.control,
        site.copier,
        site.there,
        site.back,
        site.checkpoints,
        site.parking,
        spread,
    )
    for step, things, act in (
        ("copied", streams * commits, site.copy),
        ("switched", 1, lambda: operator.switch(0)),
        ("taken", streams, operator.take),
    ):
        if meter:
            meter.reset()
        began = time.perf_counter()
        act()
        seconds = time.perf_counter() - began
        units = meter.units if meter else {}
        written = sum(n for (call, _), n in units.items() if call in WRITES)
        read = sum(n for (call, _), n in units.items() if call not in WRITES)
        calls = meter.calls.total() if meter else 0
        if step != "switched":
            yield Taken(step, things, seconds, calls, written, read)


@click.command()
@click.option("--streams", default=200, show_default=True)
@click.option("--commits", default=5, show_default=True, help="Of each stream.")
def main(*, streams: int, commits: int) -> None:
    """Measure copying, for each copy, and taking, for each stream."""
    table = Table("step", "how", "each: calls", "write units", "read units", "a second")
    table.title = f"{streams:,} streams of {commits} commits, DynamoDB Local"
    with DynamoDBLocal() as engine:
        for counted in (True, False):
            for taken in steps(engine.url, streams, commits, counted=counted):
                each = [
                    f"{number / taken.things:.2f}" if counted else ""
                    for number in (taken.calls, taken.written, taken.read)
                ]
                how = "one thread" if counted else "side by side"
                table.add_row(taken.step, how, *each, f"{taken.things / taken.seconds:,.0f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
