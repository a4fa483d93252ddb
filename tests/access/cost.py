"""A recorded run: python -m tests.access.cost [--commands N].

What access adds to a command on DynamoDB Local: the same command by the same process, in turns with a
token that is verified, compared and counted, and without any of it. Alternating, both have the same
machine, whatever else that does.
"""

import logging
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import click
from rich.console import Console
from rich.table import Table

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.access.callers import HOUSE, SCOPES, Caller, granted
from chalicelib.leftfold.http import accept
from chalicelib.leftfold.subjects.memory import MemoryKeyService
from chalicelib.leftfold.wiring import process
from chalicelib.leftfold.wiring.services import Services
from chalicelib.leftfold.wiring.settings import Settings
from tests.engines.meter import Meter
from tests.http.gateway import Gateway
from tests.http.samples import booking, opening
from tests.issuer import AUDIENCE, ISSUER, SETTINGS, SUBJECT
from tools.bank.latency import percentiles
from tools.engines import DynamoDBLocal
from tools.tables import create_tables, dynamodb_client

STACK = "cost"
WARMING = 50
ANYBODY = Caller(SUBJECT, AUDIENCE, "main", frozenset((*map(granted, SCOPES), HOUSE)))


class Measured:
    """Commands of one kind: wall-clock and processor seconds, calls and units."""

    def __init__(self) -> None:
        self.waited: list[float] = []
        self.worked: list[float] = []
        self.calls: Counter[str] = Counter()
        self.units: Counter[str] = Counter()

    def add(self, gateway: Gateway, meter: Meter) -> None:
        """Sends one command."""
        meter.reset()
        began, worked = time.perf_counter(), time.process_time()
        answer = gateway.post("/accounts/a/credits", booking("0.01"))
        self.worked.append(time.process_time() - worked)
        self.waited.append(time.perf_counter() - began)
        assert answer.status == 200, answer.text
        for (call, table), count in meter.calls.items():
            self.calls[f"{call} {table}"] += count
            self.units[f"{call} {table}"] += meter.units[call, table]

    def row(self, name: str) -> list[str]:
        """A line of the table."""
        waited, worked = percentiles(self.waited), percentiles(self.worked)
        assert waited is not None
        assert worked is not None
        number = len(self.waited)
        return [
            name,
            *(f"{1000 * each:.2f}" for each in (waited.p50, waited.p99, worked.p50)),
            f"{self.calls.total() / number:.2f}",
            f"{self.units.total() / number:.2f}",
        ]


@click.command()
@click.option("--commands", default=2_000, show_default=True, help="Of each kind.")
def main(*, commands: int) -> None:
    """Measure what verifying, comparing and counting add to a command."""
    logging.getLogger("leftfold.http").setLevel(logging.CRITICAL)
    with DynamoDBLocal() as engine:
        client = dynamodb_client(engine.url)
        create_tables(client, STACK)
        meter = Meter(client, dynamodb_client(engine.url))
        parts: dict[str, Any] = {
            "dynamodb": client,
            "key_service": MemoryKeyService(),
            "signing_keys": ISSUER.published,
            "clock": lambda: datetime.now(UTC),
        }
        settings = {"LEFTFOLD_STACK": STACK, "LEFTFOLD_TENANT_RATE": "100000", **SETTINGS}
        process.use(Services(Settings(settings), DOMAIN, **parts))
        gateway = Gateway()
        assert gateway.post("/accounts", opening(accountId="a")).status == 201
        with_it, without = Measured(), Measured()
        for number in range(WARMING + commands):
            if number == WARMING:
                with_it, without = Measured(), Measured()
            with_it.add(gateway, meter)
            # Every request is let in, as one caller's.
            with patch.object(accept, "admit", return_value=ANYBODY):
                without.add(gateway, meter)
    table = Table("command", "ms p50", "ms p99", "processor ms p50", "calls", "units")
    table.add_row(*with_it.row("with access"))
    table.add_row(*without.row("without"))
    console = Console()
    console.print(table)
    more = {name: with_it.calls[name] - without.calls[name] for name in with_it.calls}
    console.print(
        f"calls that access adds, in {commands:,}: { ({k: v for k, v in more.items() if v}) }"
    )


if __name__ == "__main__":
    main()
