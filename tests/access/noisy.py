"""A recorded run: python -m tests.access.noisy [--rate N] [--seconds S] [--seats N].

One tenant imports as fast as it is let, on MiniStack and OpenSearch, while another books now and then
and asks for its row, its totals and its feed. Then the first one has as many requests wait as the
function of the feed serves at a time. At last an event of the first tenant cannot be read by anybody:
its stream is parked in every view, and the tenant in the ordered one. The second tenant must go on.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
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
# Requests that the function of the feed serves at a time, here: as many wait.
ROOM = 8


@dataclass
class Seen:
    """What the quiet tenant has waited for, in seconds: commands, its rows, its totals, its feed."""

    commands: list[float] = field(default_factory=list)
    rows: list[float] = field(default_factory=list)
    totals: list[float] = field(default_factory=list)
    feed: list[float] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)


def live_quietly(target: Target, seconds: float) -> Seen:
    """Books, waits for the row and for the totals, again and again."""
    seen, bearer, until = Seen(), token(QUIET), time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.monotonic()
        answer = target.post("/accounts/q/credits", booking("1.00"), bearer)
        if not answer.is_success:
            seen.refused[code_of(answer)] += 1
            continue
        seen.commands.append(time.monotonic() - began)
        version = answer.json()["version"]
        for path, found in (
            (f"/accounts/q?minVersion={version}", seen.rows),
            (f"/totals?account=q&minVersion={version}", seen.totals),
        ):
            while not (shown := target.get(path, bearer)).is_success:
                seen.refused[code_of(shown)] += 1
            found.append(time.monotonic() - began)
        began = time.monotonic()
        answer = target.get("/log?limit=1", bearer)
        if answer.is_success:
            seen.feed.append(time.monotonic() - began)
        else:
            seen.refused[f"feed: {code_of(answer)}"] += 1
        time.sleep(PACE)
    return seen


def code_of(answer: httpx.Response) -> str:
    """The code of a problem; the status of an answer that API Gateway makes itself."""
    try:
        return str(answer.json()["code"])
    except (ValueError, KeyError):
        return str(answer.status_code)


def book(target: Target, number: int) -> httpx.Response:
    """A command of the noisy tenant."""
    return target.post(f"/accounts/n{number}/credits", booking("1.00"), token(NOISY))


def wait(target: Target, _number: int) -> httpx.Response:
    """A request of the noisy tenant that waits for what does not come."""
    return target.get("/log?from=end&wait=20", token(NOISY))


@contextmanager
def sending(
    send: Callable[[Target, int], httpx.Response], threads: int, target: Target, told: Counter[str]
) -> Iterator[None]:
    """The noisy tenant sends from many threads, and rests only where it is told to."""
    stop = Event()

    def go_on(number: int) -> None:
        with httpx.Client(timeout=300, trust_env=False) as client:
            own = replace(target, client=client)
            while not stop.is_set():
                answer = send(own, number)
                told["served" if answer.is_success else code_of(answer)] += 1
                if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
                    stop.wait(float(answer.headers.get("Retry-After", "1")))

    running = [Thread(target=go_on, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in running:
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


def totals_of_the_parked(target: Target) -> str:
    """What the noisy tenant is told of the totals that its newest command leads to."""
    answer = book(target, 1)
    made(answer)
    version = answer.json()["version"]
    while True:
        answer = target.get(f"/totals?account=n1&minVersion={version}", token(NOISY))
        if answer.is_success or code_of(answer) not in {"view-behind", "too-many-requests"}:
            return "shown" if answer.is_success else code_of(answer)


@click.command()
@click.option(
    "--rate", default=20, show_default=True, help="Requests a second of a tenant; 0: any."
)
@click.option("--seconds", default=30.0, show_default=True, help="Of each phase.")
@click.option(
    "--seats",
    default=ROOM // 2,
    show_default=True,
    help=f"Requests of a tenant that the feed serves at a time, of {ROOM} of all; 0: any.",
)
def main(*, rate: int, seconds: float, seats: int) -> None:
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
        shared = replace(
            stage("dev"), name="shared", tenant_rate=rate, feed_concurrency=ROOM, feed_seats=seats
        )
        deployed = deploy(package("dev", lambda _: None), shared, cloud, lambda _: None)
        target = Target(deployed, cloud, client)
        made(target.post("/accounts", opening(accountId="q"), token(QUIET)))
        for number in range(IMPORTERS):
            made(target.post("/accounts", opening(accountId=f"n{number}"), token(NOISY)))
        live_quietly(target, 5)
        phases = {"alone": live_quietly(target, seconds)}
        imported: Counter[str] = Counter()
        waited: Counter[str] = Counter()
        with sending(book, IMPORTERS, target, imported):
            phases["while the other imports"] = live_quietly(target, seconds)
        with sending(wait, ROOM, target, waited):
            phases["while the other waits"] = live_quietly(target, seconds)
        break_an_event(target)
        phases["while the other is parked"] = live_quietly(target, seconds)
        stopped = totals_of_the_parked(target)
        # Before the engines end, which takes a while.
        console.print(figures(phases))
        console.print(
            f"the other tenant, at {rate} requests/s: {dict(imported)}; totals: {stopped}"
        )
        console.print(f"its {ROOM} requests that wait, with {seats} seats: {dict(waited)}")
    went_on = all(seen.totals and (seen.feed or not seats) for seen in phases.values())
    raise SystemExit(0 if went_on and stopped == "view-parked" else 1)


def figures(phases: dict[str, Seen]) -> Table:
    """The quiet tenant's waits."""
    table = Table(
        *("phase", "bookings", "command p50/p99 s", "row p50/p99 s", "totals p50/p99 s"),
        *("feed p50/p99 s", "told"),
    )
    for name, seen in phases.items():
        waits = [percentiles(found) for found in (seen.commands, seen.rows, seen.totals, seen.feed)]
        shown = [f"{one.p50:.2f} / {one.p99:.2f}" if one else "-" for one in waits]
        table.add_row(name, str(len(seen.totals)), *shown, str(dict(seen.refused)))
    return table


if __name__ == "__main__":
    main()
