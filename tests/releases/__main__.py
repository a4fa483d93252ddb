"""A recorded run: python -m tests.releases --help.

Two releases on one truth of MiniStack, and a domain that leads to one of them. Writers book money and
readers read rows at that domain, while the second release is created, filled, proved and activated,
there and back. No reader may see a row or a list of both releases, or one that lacks something; no
answer may be an error but a 503 that says when to come back; and at the end each row of both is what
the log makes of it by the release's own code, byte for byte.
"""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from threading import Event, Lock, Thread
from typing import Any

import click
import httpx
from rich.console import Console
from rich.table import Table

from chalicelib.leftfold.kernel.uuid7 import uuid7
from tests.journey.transfers import Plan, Report, czk, killing
from tests.releases.edits import DOMAIN_NAME, FIRST, RELEASES, SECOND, Release
from tests.tree import copied
from tools.bank.warm_up import wake
from tools.bootstrap import STATE
from tools.cloud import Cloud
from tools.deploy import find
from tools.deployment_services import reach
from tools.engines import MiniStack, OpenSearch
from tools.last_deployment import Current
from tools.signing_in import of_deployment

BLUE, GREEN = "leftfold-dev", "leftfold-dev--green"
OPENING = 100_000_00
LONGEST = 180.0
STEP_SECONDS = 900
# MiniStack polls all event sources in one thread, and each view is as far behind as one round takes.
BEHIND = ("--most-behind", "60")
BY_OWNER = {release.owner: release for release in RELEASES}
# What the stand-in for API Gateway says when a function's process was killed under a request.
KILLED = (500, 502, 504)


@dataclass
class Clients:
    """Writers and readers at the stage's domain, whatever it leads to."""

    endpoint: str
    auth: httpx.Auth
    keys: list[str]
    seed: int
    kills: bool
    # Mean seconds that a client waits between two requests.
    pause: float = 0.0
    acknowledged: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    unknown: dict[str, tuple[str, int]] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    # The release to which the domain leads, while nobody moves it.
    active: Release | None = None
    lock: Lock = field(default_factory=Lock)
    stop: Event = field(default_factory=Event)

    @contextmanager
    def at_work(self, writers: int, readers: int) -> Iterator[None]:
        """The clients, until the end of the block."""
        jobs = [(self.write, n) for n in range(writers)] + [(self.read, n) for n in range(readers)]
        threads = [Thread(target=work, args=(number,)) for work, number in jobs]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()

    def client(self) -> httpx.Client:
        """A client that reaches the domain without DNS."""
        return httpx.Client(
            base_url=self.endpoint,
            headers={"Host": DOMAIN_NAME},
            timeout=120,
            trust_env=False,
            auth=self.auth,
        )

    def rests(self, random: Random) -> float:
        """How long a client waits before its next request."""
        return random.uniform(0, 2 * self.pause)

    def write(self, number: int) -> None:
        random = Random(f"{self.seed} writer {number}")
        with self.client() as client:
            while not self.stop.wait(self.rests(random)):
                amount = random.choice((1, -1)) * random.randrange(1, 450_00)
                key = uuid7(time.time_ns() // 1_000_000, random.randbytes(10))
                self.book(client, random.choice(self.keys), amount, key)

    def book(self, client: httpx.Client, account: str, amount: int, key: str) -> None:
        """One command, with its key, until it is answered."""
        path = f"/accounts/{account}/{'credits' if amount > 0 else 'debits'}"
        body = {"amount": czk(abs(amount)), "valueDate": "2026-01-01"}
        with self.lock:
            self.unknown[key] = account, amount
        until = time.monotonic() + LONGEST
        while time.monotonic() < until:
            answer = self.told(client, "POST", path, json=body, headers={"Idempotency-Key": key})
            if answer is None:
                continue
            with self.lock:
                del self.unknown[key]
                if answer.is_success:
                    version = answer.json()["version"]
                    self.acknowledged[key] = account, amount, version
            if not answer.is_success and answer.json().get("code") != "insufficient-funds":
                self.broke(f"POST {path}: {answer.status_code} {answer.text[:200]}")
            return

    def read(self, number: int) -> None:
        random = Random(f"{self.seed} reader {number}")
        with self.client() as client:
            while not self.stop.wait(self.rests(random)):
                if random.random() < 0.3:
                    self.read_list(client)
                else:
                    self.read_account(client, random)

    def read_list(self, client: httpx.Client) -> None:
        active = self.active
        answer = self.told(client, "GET", "/accounts", params={"limit": "100"})
        if answer is None:
            return
        rows = answer.json()["items"]
        if {row["accountId"] for row in rows} != set(self.keys):
            self.broke(f"a list has {len(rows)} of {len(self.keys)} accounts")
        if len({release_of(row) for row in rows}) != 1:
            self.broke(f"a list of two releases: {rows}")
        for row in rows:
            self.check(row, active)

    def read_account(self, client: httpx.Client, random: Random) -> None:
        """One account, at least as new as a command that was acknowledged before."""
        with self.lock:
            made = list(self.acknowledged.values()) or [(random.choice(self.keys), 0, 1)]
        account, _, version = random.choice(made)
        path, active = f"/accounts/{account}", self.active
        answer = self.told(client, "GET", path, params={"minVersion": str(version)})
        if answer is None:
            return
        row = answer.json()
        if answer.status_code != 200 or row["version"] < version:
            self.broke(f"GET {path} from {version}: {answer.status_code} {answer.text[:200]}")
            return
        self.check(row, active)

    def check(self, row: dict[str, Any], active: Release | None) -> None:
        """A row is of one release: every booking was folded by the code that has named its owner. It
        is the one that was *active* when it was asked for, unless that has moved since.
        """
        release = release_of(row)
        if active is not None and self.active is active and release is not active:
            self.broke(f"{active.name} is active, and {release.name} has answered")
        with self.lock:
            self.seen[release.name] += 1
        # Its first commit opened the account; each other one is one booking.
        if row["statements"] != release.step * (row["version"] - 1):
            self.broke(f"a row of two releases: {row}")

    def told(
        self, client: httpx.Client, method: str, path: str, **asks: Any
    ) -> httpx.Response | None:
        """An answer; None if the client was told to come back, and has waited."""
        try:
            answer = client.request(method, path, **asks)
        except httpx.HTTPError as error:
            self.count(f"no answer: {type(error).__name__}", wrong=not self.kills)
            time.sleep(0.2)
            return None
        wait = answer.headers.get("Retry-After")
        code = answer.json().get("code", "") if answer.text[:1] == "{" else ""
        if answer.status_code == 503 and wait:
            self.count(f"503 {code}")
            time.sleep(float(wait))
            return None
        if answer.status_code in KILLED:
            self.count(f"{answer.status_code} {code}".strip(), wrong=not self.kills)
            time.sleep(0.2)
            return None
        self.count(f"{method} {answer.status_code} {code}".strip())
        return answer

    def count(self, what: str, *, wrong: bool = False) -> None:
        with self.lock:
            self.answers[what] += 1
        if wrong:
            self.broke(what)

    def broke(self, what: str) -> None:
        with self.lock:
            self.broken.append(what)


def release_of(row: dict[str, Any]) -> Release:
    """The release whose fold has made a row."""
    return BY_OWNER[row["owner"].partition(" ")[0]]


@dataclass
class Operator:
    """A person with the tree of each release, who is killed now and then."""

    trees: dict[str, Path]
    endpoint: str
    random: Random
    show: Console
    took: list[tuple[str, float]] = field(default_factory=list)

    def run(self, release: Release, *command: str, killed: bool = False) -> str:
        """A command of `leftfold` in the tree of a release; killed at a random moment first."""
        line = [sys.executable, "-m", "tools", *command]
        if command[0] != "resources":
            line += ["--endpoint-url", self.endpoint]
        tree = self.trees[release.name]
        environment = {**os.environ, "PYTHONPATH": str(tree)}
        began = time.monotonic()
        if killed:
            first = subprocess.Popen(
                line,
                cwd=tree,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            time.sleep(self.random.uniform(1, 20))
            os.kill(first.pid, signal.SIGKILL)
            first.wait()
            self.settle()
        done = subprocess.run(
            line, cwd=tree, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{command}: {done.stdout}{done.stderr}")
        self.took.append((" ".join(command[:3]), time.monotonic() - began))
        self.show.print(f"{release.name}: {self.took[-1][0]}: {self.took[-1][1]:.0f} s")
        return done.stdout

    def settle(self) -> None:
        """Waits for the updates of stacks that a killed command has begun."""
        formation = Cloud(self.endpoint).client("cloudformation")
        until = time.monotonic() + STEP_SECONDS
        while time.monotonic() < until:
            stacks = formation.describe_stacks()["Stacks"]
            if not any(stack["StackStatus"].endswith("_IN_PROGRESS") for stack in stacks):
                return
            time.sleep(1)

    def until(self, release: Release, *command: str) -> None:
        """Runs a command again until it says yes."""
        until = time.monotonic() + STEP_SECONDS
        while True:
            try:
                self.run(release, *command)
            except RuntimeError as error:
                if time.monotonic() > until:
                    raise
                self.show.print(f"{' '.join(command)}: {last_line(str(error))}", markup=False)
                time.sleep(2)
            else:
                return


@click.command()
@click.option("--accounts", default=12, show_default=True)
@click.option("--writers", default=8, show_default=True)
@click.option("--readers", default=8, show_default=True)
@click.option("--rounds", default=3, show_default=True, help="There and back, so often.")
@click.option("--seconds", default=15.0, show_default=True, help="After each activation.")
@click.option("--pause", default=0.0, show_default=True, help="Mean seconds between two requests.")
@click.option("--budget", default=60.0, show_default=True, help="Minutes; then no round begins.")
@click.option("--kill-every", default=0.0, show_default=True, help="Mean seconds; 0: nobody.")
@click.option("--seed", default=1, show_default=True)
def main(
    *,
    accounts: int,
    writers: int,
    readers: int,
    rounds: int,
    seconds: float,
    pause: float,
    budget: float,
    kill_every: float,
    seed: int,
) -> None:
    """Two releases under load, there and back; exit 1 if a law broke."""
    show, random, killed = Console(), Random(seed), Report()
    last_begin = time.monotonic() + budget * 60
    with TemporaryDirectory() as folder, engines(show) as (services, engine):
        trees = {release.name: made(release, Path(folder)) for release in RELEASES}
        operator = Operator(trees, services, random, show)
        for release in RELEASES:
            operator.run(release, "resources")
        operator.run(FIRST, "deploy", "--yes")
        cloud = Cloud(services)
        wake(find(BLUE, cloud), cloud, show.print)
        keys = [f"r{number}" for number in range(accounts)]
        auth = of_deployment(find(BLUE, cloud), services)
        clients = Clients(services, auth, keys, seed, kill_every > 0, pause)
        opened(clients)
        plan = Plan(kill_every=kill_every or None, seed=seed)
        with clients.at_work(writers, readers), killing(engine, plan, killed):
            clients.active = FIRST
            time.sleep(seconds)
            operator.run(SECOND, "generation", "create", "green", "--yes")
            operator.until(SECOND, "generation", "status", "green", *BEHIND)
            operator.until(SECOND, "generation", "check", "green", *BEHIND)
            while rounds and time.monotonic() < last_begin:
                rounds -= 1
                for release, name in ((SECOND, "green"), (FIRST, "-")):
                    clients.active = None
                    operator.run(
                        release, "generation", "activate", name, "--behind", killed=kill_every > 0
                    )
                    clients.active = release
                    time.sleep(seconds)
        broken = [*clients.broken, *laws(clients, services)]
        for release, name in ((FIRST, "-"), (SECOND, "green")):
            operator.until(release, "generation", "status", name, *BEHIND)
            operator.until(release, "generation", "check", name, *BEHIND)
        operator.run(FIRST, "verify", "--stack", BLUE)
        # Before the engines end, which takes a while.
        show.print(figures(clients, operator, killed, seed))
        for law, times in Counter(broken).most_common(20):
            show.print(f"{times} times: {law}", markup=False, soft_wrap=True)
        show.print(f"{len(broken)} broken laws")
    sys.exit(1 if broken else 0)


def last_line(text: str) -> str:
    """What a command that said no printed last."""
    return (text.strip() or "nothing").splitlines()[-1]


@contextmanager
def engines(show: Console) -> Iterator[tuple[str, int | None]]:
    """The endpoint of MiniStack, and the process under which functions run."""
    search = OpenSearch(progress=show.print)
    services = MiniStack(opensearch=search.endpoint, progress=show.print)
    try:
        services.start()
        search.start()
        yield services.url, services.process
    finally:
        services.stop()
        search.stop()


def made(release: Release, folder: Path) -> Path:
    """A copy of the tree, made a release. It builds with the engines and packages of this tree."""
    root = folder / release.name
    copied(root)
    release.make(root)
    for name in ("build", "console", "browser", "engines"):
        if (STATE / name).exists():
            (root / ".leftfold" / name).symlink_to(STATE / name)
    return root


def opened(clients: Clients) -> None:
    """Opens the accounts, and waits until all are listed."""
    with clients.client() as client:
        for key in clients.keys:
            body = {"accountId": key, "owner": key, "kind": "current", "currency": "CZK"}
            body |= {"creditLimit": czk(OPENING)}  # type: ignore[dict-item]
            while not (answer := client.post("/accounts", json=body)).is_success:
                if answer.status_code == 409:
                    break
                time.sleep(0.5)
        until = time.monotonic() + STEP_SECONDS
        while time.monotonic() < until:
            answer = client.get("/accounts", params={"limit": "100"})
            if answer.is_success and len(answer.json()["items"]) == len(clients.keys):
                return
            time.sleep(0.5)
    raise RuntimeError("the accounts are not listed")


def laws(clients: Clients, endpoint: str) -> Iterator[str]:
    """What is not as it must be in the truth."""
    services = reach(Current(BLUE, "", endpoint))
    found: Counter[str] = Counter()
    versions: Counter[int] = Counter()
    booked = 0
    for key in clients.keys:
        for commit in services.events.range(f"main/account-{key}", 2, 10**6):
            found[commit.command_id] += 1
            (event,) = commit.events
            release = next(each for each in RELEASES if each.version == event.version)
            versions[event.version] += 1
            amount = int(event.body["amount"])
            booked += amount if event.name == "account-credited" else -amount
            if event.name == "account-debited" and amount > release.limit:
                yield f"{release.name} has debited {amount}"
            if ("channel" in event.body) != (release is SECOND):
                yield f"a body of another version than {event.version}: {event.body}"
    yield from (f"nothing was written in version {v}" for v in (1, 2) if not versions[v])
    for command, (account, _, _) in clients.acknowledged.items():
        if found[command] != 1:
            yield f"{command} on {account} was acknowledged, and is there {found[command]} times"
    yield from (
        f"{command} is there {times} times" for command, times in found.items() if times > 1
    )
    sure = sum(amount for _, amount, _ in clients.acknowledged.values())
    sure += sum(amount for command, (_, amount) in clients.unknown.items() if found[command])
    if booked != sure:
        yield f"{booked} is booked, {sure} was acknowledged"
    clients.answers.update({f"events written in version {v}": versions[v] for v in (1, 2)})


def figures(clients: Clients, operator: Operator, killed: Report, seed: int) -> Table:
    """The run in figures."""
    table = Table("what", "number", title="two releases under load, on MiniStack")
    table.columns[1].justify = "right"
    activations = [took for name, took in operator.took if "activate" in name]
    rows: list[tuple[str, object]] = [
        ("seed", seed),
        ("commands acknowledged", f"{len(clients.acknowledged):,}"),
        ("commands without an answer at the end", len(clients.unknown)),
        ("rows read", ", ".join(f"{name} {n:,}" for name, n in sorted(clients.seen.items()))),
        ("functions' processes killed", killed.killed),
        ("activations", len(activations)),
        *((what, f"{number:,}") for what, number in sorted(clients.answers.items())),
    ]
    for name, number in rows:
        table.add_row(name, str(number))
    return table


if __name__ == "__main__":
    main()
