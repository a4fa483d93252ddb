"""A recorded run: python -m tests.generations --help.

Two truths and two applications on one stage of MiniStack, with accounts of the bank's own file. Clients
book money on others beside them, follow redirects and 503 as browsers and SDKs do, while functions are
killed and each step of the operator is killed once and run again. At the end each acknowledged command
has to be in the active truth once, and no other money. The later generation of a split or a merge is
another tree's package (`changed`).
"""

import os
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from threading import Event, Lock, Thread

import click
import httpx
from rich.console import Console
from rich.table import Table

from chalicelib.leftfold.generations.copying import root_of
from chalicelib.leftfold.kernel.uuid7 import uuid7
from tests.generations.changed import CHANGES, Change, environment_of, tree_of
from tests.journey.transfers import OPENING, Plan, Report, killing, open_account
from tests.tree import Tree
from tools.api import Api
from tools.bank.bank_file import read
from tools.bank.histories import histories
from tools.bank.importing import import_all
from tools.bank.latency import percentiles
from tools.bank.run import BANK_FILE, CURRENCY, Local, local
from tools.changing import is_ready
from tools.deployment_services import reach
from tools.last_deployment import Current
from tools.signing_in import of_deployment

BLUE, GREEN = "leftfold-dev", "leftfold-dev--green"
LONGEST = 60.0
# Seconds within which the copier is to come close to the log's end.
STEP_SECONDS = 900.0


@dataclass
class Clients:
    """Clients that book on random accounts. *front* is the address that all of them know."""

    change: Change
    keys: list[str]
    front: httpx.URL
    auth: httpx.Auth
    seed: int
    # Mean seconds that a client waits between two commands.
    pause: float = 0.0
    acknowledged: dict[str, tuple[str, int]] = field(default_factory=dict)
    unknown: dict[str, tuple[str, int]] = field(default_factory=dict)
    waits: list[tuple[float, float]] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    redirected: int = 0
    lock: Lock = field(default_factory=Lock)
    stop: Event = field(default_factory=Event)

    def work(self, number: int) -> None:
        """One client, until it is stopped."""
        random = Random(f"{self.seed} {number}")
        with httpx.Client(
            timeout=35, trust_env=False, auth=self.auth, follow_redirects=True
        ) as client:
            while not self.stop.wait(random.uniform(0, 2 * self.pause)):
                account = random.choice(self.keys)
                sign = random.choice((1, -1))
                amount = random.randrange(1, 500)
                key = uuid7(time.time_ns() // 1_000_000, random.randbytes(10))
                self.book(client, account, sign * amount, key)

    def book(self, client: httpx.Client, account: str, amount: int, key: str) -> None:
        """One command, with its key, until it is answered or a minute has passed."""
        action = "credits" if amount > 0 else "debits"
        kind = "accounts"
        body = {
            "amount": {"amount": f"{abs(amount) / 100:.2f}", "currency": "CZK"},
            "valueDate": "2026-01-01",
        }
        began = time.monotonic()
        with self.lock:
            self.unknown[key] = account, amount
        while time.monotonic() - began < LONGEST:
            try:
                answer = client.post(
                    f"{self.front}/{kind}/{account}/{action}",
                    json=body,
                    headers={"Idempotency-Key": key},
                )
                code = answer.json().get("code", "")
            except (httpx.HTTPError, ValueError) as error:
                code, answer = type(error).__name__, None
            if answer is not None and answer.is_success:
                with self.lock:
                    self.redirected += len(answer.history)
                    self.acknowledged[key] = self.unknown.pop(key)
                    self.waits.append((began, time.monotonic() - began))
                return
            if code == "account-missing" and self.change == "split":
                # Its client knows both: what was an account may be a card.
                kind = "cards"
                continue
            with self.lock:
                self.refused[code] += 1
                if answer is not None and answer.status_code < 500:
                    del self.unknown[key]
                    return
            wait = float(answer.headers.get("Retry-After", 0.1)) if answer is not None else 0.1
            time.sleep(min(wait, 1.0))


@dataclass
class Engine:
    """How long MiniStack takes to say that it is there, asked again and again.

    It updates a stack in the thread that answers everybody, so a client waits for that, too.
    """

    url: str
    took: list[tuple[float, float]] = field(default_factory=list)
    stop: Event = field(default_factory=Event)

    def ask(self) -> None:
        """Asks until it is stopped."""
        with httpx.Client(timeout=120, trust_env=False) as client:
            while not self.stop.wait(0.2):
                began = time.monotonic()
                client.get(f"{self.url}/health")
                self.took.append((began, time.monotonic() - began))

    def worst(self, first: float, last: float) -> float:
        """The longest answer to a question from *first* to *last*."""
        return max((took for began, took in self.took if first < began < last), default=0.0)


@dataclass(frozen=True)
class Run:
    """A deployment, and the tree whose commands change its generations."""

    running: Local
    change: Change
    tree: Tree | None
    random: Random

    def step(self, *command: str, patience: float = 240) -> str:
        """A command of `leftfold generation`: killed at a random moment, then run again."""
        line = [sys.executable, "-m", "tools", "generation", *command]
        line += ["--endpoint-url", str(self.running.cloud.endpoint_url)]
        folder = self.tree.root if self.tree else None
        variables = environment_of(self.tree) if self.tree else None
        first = subprocess.Popen(
            line,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env=variables,
            # Its workers are killed with it.
            start_new_session=True,
        )
        # Packaging alone takes longer; it is killed there, or among its stacks.
        time.sleep(
            self.random.uniform(5, 60) if command[0] == "create" else self.random.uniform(0.5, 4)
        )
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
        began = time.monotonic()
        done = subprocess.run(
            line,
            capture_output=True,
            text=True,
            timeout=patience,
            check=False,
            cwd=folder,
            env=variables,
        )
        if "Traceback" in done.stderr or "\nError: " in f"\n{done.stderr}":
            # At once: the engines take a while to end.
            click.echo(f"{command}: {done.stdout}{done.stderr}", err=True)
            raise RuntimeError(f"{command[0]} failed")
        click.echo(f"{command[0]}: {time.monotonic() - began:.0f} s, after it was killed")
        return done.stdout


@click.command()
@click.option("--change", type=click.Choice(CHANGES), default="identity", show_default=True)
@click.option("--accounts", default=12, show_default=True)
@click.option("--bank", default=50, show_default=True, help="Accounts of the bank's file.")
@click.option("--clients", default=4, show_default=True)
@click.option("--seconds", default=15.0, show_default=True, help="Of each phase.")
@click.option("--pause", default=0.0, show_default=True, help="Mean seconds between two commands.")
@click.option("--kill-every", default=3.0, show_default=True, help="Mean seconds; 0: nobody.")
@click.option("--seed", default=1, show_default=True)
def main(
    *,
    change: Change,
    accounts: int,
    bank: int,
    clients: int,
    seconds: float,
    pause: float,
    kill_every: float,
    seed: int,
) -> None:
    """A change under load: its way there and, where there is one, back; exit 1 if a law broke."""
    console = Console()
    random, killed = Random(seed), Report()
    with ExitStack() as started:
        keys = [f"g{number}" for number in range(accounts)]
        tree = None
        if change != "identity":
            folder = started.enter_context(TemporaryDirectory())
            tree = tree_of(change, keys, Path(folder) / "tree")
        running = started.enter_context(local(console.print, stack=BLUE))
        run = Run(running, change, tree, random)
        auth = of_deployment(running.deployed, running.cloud.endpoint_url)
        with Api(running.deployed.url, auth=auth, attempts=60) as api:
            for number, key in enumerate(keys):
                open_account(api, key, random, "credit-card" if number % 2 else "current")
            console.print(f"{import_some(api, bank):,} rows of the bank's file are booked")
        made = Clients(change, keys, httpx.URL(running.deployed.url), auth, seed, pause)
        engine = Engine(str(running.cloud.endpoint_url))
        threads = [Thread(target=made.work, args=(number,)) for number in range(clients)]
        threads.append(Thread(target=engine.ask))
        marks: list[tuple[str, float]] = []
        plan = Plan(kill_every=kill_every or None, seed=seed)
        try:
            for thread in threads:
                thread.start()
            run.step("create", "green", "--transform", "--yes", patience=900)
            with killing(running.functions_of, plan, killed):
                drive(run, marks, seconds)
        finally:
            made.stop.set()
            engine.stop.set()
            for thread in threads:
                thread.join()
        broken = laws(running, made, keys)
        # Before the engines end, which takes a while.
        console.print(figures(made, marks, killed, engine, seed))
        for law in broken[:20]:
            console.print(law, markup=False)
        console.print(f"{len(broken)} broken laws")
        console.print(run.step("verify", "--workers", "2"))
    sys.exit(1 if broken else 0)


def import_some(api: Api, accounts: int) -> int:
    """Books the first accounts of the bank's file; the number of rows."""
    lines = read(BANK_FILE, CURRENCY).lines
    found, _ = histories(lines, CURRENCY)
    return import_all(api, found[:accounts], lambda *_: None).rows


def drive(run: Run, marks: list[tuple[str, float]], seconds: float) -> None:
    """There, back, there again where there is a way, and the end; each step is killed once and run
    again.
    """
    until(run.running)
    ways = ["switch", "back", "switch"]
    # Clients stay at the address that they have, and follow it.
    for command in ways if run.change == "identity" else ways[:1]:
        marks.append((command, time.monotonic()))
        run.step(command, patience=480)
        time.sleep(seconds)
        run.step("take")
    run.step("finish")


def until(running: Local) -> None:
    """Waits until the copier is close enough for a switch, as long as it comes closer, while clients
    go on writing.
    """
    operator = reach(Current(GREEN, "", running.cloud.endpoint_url)).generations.operator
    least, closer = inf, time.monotonic()
    while not is_ready(status := operator.status()):
        if status.lag < least:
            least, closer = status.lag, time.monotonic()
        if time.monotonic() - closer > STEP_SECONDS:
            raise RuntimeError(
                f"the copier stays {status.lag:,} positions behind, and has parked"
                f" {len(status.parked)} streams: give fewer --clients, who write less than one"
                " function of this engine copies"
            )
        click.echo(f"the copier is {status.lag:,} positions behind, {least:,} at best")
        time.sleep(5)


def laws(running: Local, clients: Clients, keys: list[str]) -> list[str]:
    """What is not as it must be in the active truth."""
    services = reach(Current(GREEN, "", running.cloud.endpoint_url))
    # A commit has a copy in each stream that it feeds.
    roots: defaultdict[str, set[tuple[str, int]]] = defaultdict(set)
    total = 0
    for stream in (f"main/{kind}-{key}" for kind in ("account", "card") for key in keys):
        for commit in services.events.range(stream, 1, 10**6):
            roots[commit.command_id].add(root_of(commit))
            for event in commit.events:
                sign = {"credited": 1, "debited": -1}.get(event.name.rpartition("-")[2], 0)
                total += sign * int(event.body.get("amount", 0))
    found = Counter({command: len(each) for command, each in roots.items()})
    broken: list[str] = []
    broken += [
        f"{k} was acknowledged, and is there {found[k]} times"
        for k in clients.acknowledged
        if found[k] != 1
    ]
    broken += [f"{k} is there {n} times" for k, n in found.items() if n > 1]
    booked = sum(amount for _, amount in clients.acknowledged.values())
    booked += sum(amount for k, (_, amount) in clients.unknown.items() if found[k])
    if total != booked + OPENING * len(keys):
        broken.append(f"the sum is {total}, of which {booked} were booked")
    return broken


def figures(
    clients: Clients, marks: list[tuple[str, float]], killed: Report, engine: Engine, seed: int
) -> Table:
    """The run in figures."""
    table = Table("what", "number", title="a change under load, on MiniStack")
    table.columns[1].justify = "right"
    rows: list[tuple[str, object]] = [
        ("seed", seed),
        ("commands acknowledged", len(clients.acknowledged)),
        ("without an answer at the end", len(clients.unknown)),
        ("redirects followed (308)", clients.redirected),
        ("functions' processes killed", killed.killed),
        *((f"answers {code}", number) for code, number in clients.refused.most_common()),
    ]
    calm = [took for began, took in clients.waits if not marks or began < marks[0][1] - 5]
    for name, waits in (
        ("before the first switch", calm),
        *(
            (f"10 s from {name}", [took for began, took in clients.waits if -3 < began - at < 10])
            for name, at in marks
        ),
    ):
        measured = percentiles(waits)
        if measured:
            worst = max(waits)
            rows.append(
                (
                    f"wait, {name}: p50, p99, worst s",
                    f"{measured.p50:.2f} {measured.p99:.2f} {worst:.2f}",
                )
            )
    rows += [
        (f"MiniStack itself, 10 s from {name}: worst s", f"{engine.worst(at - 3, at + 10):.2f}")
        for name, at in marks
    ]
    for name, number in rows:
        table.add_row(name, str(number))
    return table


if __name__ == "__main__":
    main()
