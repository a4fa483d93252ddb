"""A recorded run: python -m tests.access.noisy [--rate N] [--seconds S] [--seed N].

One tenant imports as fast as it is let, on MiniStack and OpenSearch, while another books now and then
and asks for its row and its totals. Then an event of the first tenant cannot be read by anybody: its
stream is parked in every view, and the tenant in the ordered one. The second tenant must go on.
"""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from threading import Event, Thread

import click
import httpx
from rich.console import Console
from rich.table import Table

from chalicelib.leftfold.kernel import StoredEvent
from tests.access.__main__ import Target, WithIssuer, issuing, made
from tests.commits import commit
from tests.http.samples import booking, opening
from tests.issuer import house_token, token
from tools.bank.latency import percentiles
from tools.deploy import deploy
from tools.deployment_services import reach
from tools.engines import MiniStack, OpenSearch
from tools.last_deployment import Current
from tools.package import package
from tools.stages import stage

NOISY, QUIET = "noisy", "quiet"
IMPORTERS, PACE = 8, 0.5


@dataclass
class Seen:
    """What the quiet tenant has waited for, in seconds: commands, its rows, its totals."""

    commands: list[float] = field(default_factory=list)
    rows: list[float] = field(default_factory=list)
    totals: list[float] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)


def live_quietly(target: Target, seconds: float) -> Seen:
    """Books, waits for the row and for the totals, again and again."""
    seen, bearer, until = Seen(), token(QUIET), time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.monotonic()
        answer = target.post("/accounts/q/credits", booking("1.00"), bearer)
        if not answer.is_success:
            seen.refused[answer.json()["code"]] += 1
            continue
        seen.commands.append(time.monotonic() - began)
        version = answer.json()["version"]
        for path, found in (
            (f"/accounts/q?minVersion={version}", seen.rows),
            (f"/totals?account=q&minVersion={version}", seen.totals),
        ):
            while not (shown := target.get(path, bearer)).is_success:
                seen.refused[shown.json()["code"]] += 1
            found.append(time.monotonic() - began)
        time.sleep(PACE)
    return seen


@contextmanager
def importing(target: Target, taken: Counter[str]) -> Iterator[None]:
    """The noisy tenant sends commands from many threads, and waits only where it is told to."""
    stop = Event()

    def send(number: int) -> None:
        with httpx.Client(timeout=300, trust_env=False) as client:
            own = replace(target, client=client)
            while not stop.is_set():
                answer = own.post(f"/accounts/n{number}/credits", booking("1.00"), token(NOISY))
                taken["taken" if answer.is_success else answer.json()["code"]] += 1
                if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
                    stop.wait(float(answer.headers["Retry-After"]))

    threads = [Thread(target=send, args=(number,)) for number in range(IMPORTERS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def break_an_event(target: Target) -> None:
    """Writes an event that nobody can read into a stream of the noisy tenant, and lets it be found."""
    current = Current(target.deployed.stack, target.deployed.url, target.cloud.endpoint_url)
    events = reach(current).events
    stream = f"{NOISY}/account-n0"
    unread = (StoredEvent("account-credited", 99, {}),)
    while True:
        version = len(events.range(stream, 1, 10**6)) + 1
        if events.append(commit(stream, version)._replace(events=unread)) is None:
            break
    target.until(
        "/readers/totals/parked",
        house_token(NOISY),
        lambda shown: [one["stream"] for one in shown["items"]] == [f"{NOISY}/"],
    )


@click.command()
@click.option(
    "--rate", default=20, show_default=True, help="Requests a second of a tenant; 0: any."
)
@click.option("--seconds", default=30.0, show_default=True, help="Of each phase.")
def main(*, rate: int, seconds: float) -> None:
    """Measure what one tenant waits for while another one imports; exit 1 if it is stopped."""
    console = Console()
    with ExitStack() as started:
        keys = started.enter_context(issuing())
        search = OpenSearch(progress=console.print)
        services = MiniStack(opensearch=search.endpoint, progress=console.print)
        started.callback(search.stop)
        started.callback(services.stop)
        services.start()
        search.start()
        client = started.enter_context(httpx.Client(timeout=300, trust_env=False))
        cloud = WithIssuer(services.url, keys)
        shared = replace(stage("dev"), name="shared", tenant_rate=rate)
        deployed = deploy(package("dev", lambda _: None), shared, cloud, lambda _: None)
        target = Target(deployed, cloud, client)
        made(target.post("/accounts", opening(accountId="q"), token(QUIET)))
        for number in range(IMPORTERS):
            made(target.post("/accounts", opening(accountId=f"n{number}"), token(NOISY)))
        live_quietly(target, 5)
        phases = {"alone": live_quietly(target, seconds)}
        taken: Counter[str] = Counter()
        with importing(target, taken):
            phases["while the other imports"] = live_quietly(target, seconds)
        break_an_event(target)
        phases["while the other is parked"] = live_quietly(target, seconds)
        stopped = target.get("/totals?account=n1&minVersion=1", token(NOISY)).json()["code"]
        # Before the engines end, which takes a while.
        console.print(figures(phases))
        console.print(f"the other tenant, at {rate} requests/s: {dict(taken)}; totals: {stopped}")
    raise SystemExit(0 if all(seen.totals for seen in phases.values()) else 1)


def figures(phases: dict[str, Seen]) -> Table:
    """The quiet tenant's waits."""
    table = Table(
        "phase", "bookings", "command p50/p99 s", "row p50/p99 s", "totals p50/p99 s", "told"
    )
    for name, seen in phases.items():
        waits = [percentiles(found) for found in (seen.commands, seen.rows, seen.totals)]
        shown = [f"{one.p50:.2f} / {one.p99:.2f}" if one else "-" for one in waits]
        table.add_row(name, str(len(seen.totals)), *shown, str(dict(seen.refused)))
    return table


if __name__ == "__main__":
    main()
