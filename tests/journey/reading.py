"""Clients post everything twice and read back what they wrote: python -m tests.journey.reading [--accounts N].

Deployed on MiniStack. Each of 8 clients opens accounts of the bank's file and books their rows; every
request is sent twice with its Idempotency-Key. Then each account is read once with `minVersion`, without
another try: an answer `view-behind` counts.
"""

import os
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import click
import httpx
from rich.console import Console
from rich.table import Table

from tools.bank.bank_file import read
from tools.bank.histories import History, bookings_body, histories, opening_key
from tools.bank.latency import percentiles
from tools.bank.run import BANK_FILE, CURRENCY, local
from tools.signing_in import of_deployment

STACK = "leftfold-reading"
CLIENTS = 8
# Rows of an account: a few batches.
LEAST, MOST = 20, 60
REQUEST_SECONDS = 300


@dataclass
class Report:
    """What the clients saw."""

    rows: int = 0
    seconds: float = 0.0
    posted: Counter[str] = field(default_factory=Counter)
    read: Counter[str] = field(default_factory=Counter)
    waited: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Client:
    """Posts twice, and reads once."""

    http: httpx.Client
    url: str
    report: Report

    def write(self, history: History) -> tuple[str, int]:
        """Opens the account and books its rows; its id and version."""
        version = self._post("/accounts", history.opening, opening_key(history))
        for period in history.periods():
            for batch in period.batches():
                body = bookings_body(batch, history.currency)
                path = f"/accounts/{history.account}/bookings"
                version = self._post(path, body, f"{history.account}-{version}")
        return history.account, version

    def read(self, account: str, version: int) -> None:
        """Reads an account as its last command left it."""
        began = time.monotonic()
        answer = self.http.get(f"{self.url}/accounts/{account}", params={"minVersion": version})
        self.report.waited.append(time.monotonic() - began)
        shown = answer.status_code == 200 and answer.json()["version"] >= version
        self.report.read["shown" if shown else answer.json().get("code", "older")] += 1

    def _post(self, path: str, body: Mapping[str, Any], key: str) -> int:
        versions = set()
        for _ in range(2):
            answer = self.http.post(
                f"{self.url}{path}", json=body, headers={"Idempotency-Key": key}
            )
            self.report.posted[str(answer.status_code)] += 1
            versions.add(answer.raise_for_status().json()["version"])
        (version,) = versions
        return int(version)


@click.command()
@click.option("--accounts", default=240, show_default=True)
def main(*, accounts: int) -> None:
    """Write and read back; exit 1 if an answer was not what was written."""
    console = Console()
    found, _ = histories(read(BANK_FILE, CURRENCY).lines, CURRENCY, over="1998-12")
    chosen = [one for one in found if LEAST <= len(one.lines) <= MOST][:accounts]
    report = Report(rows=sum(len(one.lines) for one in chosen))
    with local(console.print, stack=STACK) as running, httpx.Client(trust_env=False) as http:
        http.auth = of_deployment(running.deployed, running.cloud.endpoint_url)
        http.timeout = httpx.Timeout(REQUEST_SECONDS)
        client = Client(http, running.deployed.url.rstrip("/"), report)
        load = os.getloadavg()[0]
        with ThreadPoolExecutor(CLIENTS) as threads:
            began = time.monotonic()
            written = list(threads.map(client.write, chosen))
            report.seconds = time.monotonic() - began
            list(threads.map(lambda one: client.read(*one), written))
        console.print(table_of(report, len(chosen), load))
    raise SystemExit(0 if set(report.read) == {"shown"} else 1)


def table_of(report: Report, accounts: int, load: float) -> Table:
    """The run in figures."""
    table = Table("what", "figure", title="what was written is read back")
    table.columns[1].justify = "right"
    measured = percentiles(report.waited)
    figures: dict[str, object] = {
        "load before": round(load, 1),
        "accounts, rows": f"{accounts}, {report.rows:,}",
        "rows a second, each posted twice": round(report.rows / report.seconds),
        **{f"posts answered {code}": count for code, count in sorted(report.posted.items())},
        **{f"read back: {what}": count for what, count in sorted(report.read.items())},
        "read back, p50 s": round(measured.p50, 2) if measured else "—",
        "read back, p99 s": round(measured.p99, 2) if measured else "—",
    }
    for name, figure in figures.items():
        table.add_row(name, str(figure))
    return table


if __name__ == "__main__":
    main()
