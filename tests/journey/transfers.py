"""Transfers through the deployed package while its functions' processes are killed."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from threading import Event
from typing import Any

import httpx
from click.testing import CliRunner

from chalicelib.bank.money import Money
from chalicelib.domain import DOMAIN
from chalicelib.leftfold.kernel.uuid7 import uuid7
from tests.beside import beside
from tools.__main__ import leftfold
from tools.api import Api
from tools.bank.latency import Percentiles, percentiles
from tools.bank.run import Local
from tools.deployment_services import reach
from tools.last_deployment import Current

CURRENCY = "CZK"
OPENING = 1_000_00
WORKERS = 8
# Seconds in which a process is not killed. On a busy machine, functions would else be killed faster than they start,
# and none would ever answer.
YOUTH = 15.0
LOOK_EVERY = 1.0
ENDED = ("completed", "refused", "cancelled", "expired")


@dataclass(frozen=True)
class Plan:
    """*kill_every* is the mean time in seconds between two kills; None: nobody is killed.

    All transfers have to end within *patience* seconds after the last was posted.
    """

    transfers: int = 60
    accounts: int = 10
    kill_every: float | None = 0.5
    seed: int = 1
    patience: float = 300.0


@dataclass
class Report:
    """What became of a plan; *broken* are the laws that do not hold."""

    posted: int = 0
    killed: int = 0
    states: Counter[str] = field(default_factory=Counter)
    seconds_posting: float = 0.0
    seconds_until_all_ended: float = 0.0
    to_completion: Percentiles | None = None
    mails: Counter[str] = field(default_factory=Counter)
    replayed: dict[str, int] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Transfers that ended, by the whole time."""
        whole = self.seconds_until_all_ended
        return sum(self.states.values()) / whole if whole else 0.0


def move_money(
    api: Api,
    plan: Plan,
    redrive: Callable[[], object],
    functions_of: int | None,
    inbox: Callable[[], Counter[str]],
    progress: Callable[[int], None] = lambda _ended: None,
) -> Report:
    """Opens accounts, posts transfers among them, waits until all have ended, and checks.

    *functions_of* is the process whose descendants are the functions. *redrive* lets go on
    what was parked; *inbox* counts the e-mails by address; *progress* is told how many
    transfers have ended.
    """
    random, report = Random(plan.seed), Report()
    keys = [f"m{plan.seed}-{number}" for number in range(plan.accounts)]
    for key in keys:
        open_account(api, key, random)
    with killing(functions_of, plan, report):
        began = time.monotonic()
        ids = post_all(api, plan, keys, random, report)
        report.seconds_posting = time.monotonic() - began
        rows = wait_for_all(api, ids, redrive, plan.patience, progress)
        report.seconds_until_all_ended = time.monotonic() - began
    report.states = Counter(row["state"] for row in rows)
    report.to_completion = percentiles(
        [span(row["requestedAt"], row["endedAt"]) for row in rows if row["state"] == "completed"]
    )
    report.broken = [*money_is_lost(api, keys, rows), *not_once(api, keys, rows)]
    completed = {address_of(row["transferId"]) for row in rows if row["state"] == "completed"}
    report.mails = wait_for_mails(inbox, completed, plan.patience)
    if report.mails.keys() != completed:
        report.broken.append(f"{len(report.mails)} were told of {len(completed)} transfers")
    report.broken += [f"{row['transferId']} is {row['state']}" for row in rows if not ended(row)]
    return report


def open_account(api: Api, key: str, random: Random, kind: str = "current") -> None:
    """An account with money on it."""
    body = {"accountId": key, "owner": key, "kind": kind, "currency": CURRENCY}
    assert api.command("/accounts", body, new_key(random)).ok
    credit = {"amount": czk(OPENING), "valueDate": "2026-01-01"}
    assert api.command(f"/accounts/{key}/credits", credit, new_key(random)).ok


def post_all(api: Api, plan: Plan, keys: list[str], random: Random, report: Report) -> list[str]:
    """Posts every transfer, some of more money than is there, and gives their ids."""
    wanted = []
    for _ in range(plan.transfers):
        source, target = random.sample(keys, 2)
        amount = random.choice([1, 99, 10_000, 30_000, 5 * OPENING])
        wanted.append((source, target, random.randint(1, amount), new_key(random)))

    def post(one: tuple[str, str, int, str]) -> str:
        source, target, amount, key = one
        body = {"source": source, "target": target, "amount": czk(amount)}
        transfer_id = key
        body |= {"valueDate": "2026-01-01", "transferId": transfer_id}
        body |= {"notify": address_of(transfer_id)}
        answer = api.command("/transfers", body, key)
        assert answer.ok, answer.reason
        transfer: str = answer.body["transferId"]
        return transfer

    with ThreadPoolExecutor(WORKERS) as threads:
        ids = list(threads.map(post, wanted))
    report.posted = len(ids)
    return ids


def wait_for_all(
    api: Api,
    ids: list[str],
    redrive: Callable[[], object],
    patience: float,
    progress: Callable[[int], None],
) -> list[dict[str, Any]]:
    """The rows of all transfers once they have ended, or the patience has."""
    deadline = time.monotonic() + patience
    rows: dict[str, dict[str, Any]] = {}
    while time.monotonic() < deadline:
        waiting = [id_ for id_ in ids if not ended(rows.get(id_, {}))]
        if not waiting:
            break
        with ThreadPoolExecutor(WORKERS) as threads:
            for id_, answer in zip(
                waiting,
                threads.map(lambda id_: api.query(f"/transfers/{id_}"), waiting),
                strict=True,
            ):
                if answer.ok:
                    rows[id_] = answer.body
        progress(sum(map(ended, rows.values())))
        redrive()
        time.sleep(LOOK_EVERY)
    return [rows.get(id_, {"transferId": id_, "state": "missing"}) for id_ in ids]


def replay_all(report: Report, stack: str, running: Local) -> None:
    """Folds every view anew: nothing differs, no command is issued and no e-mail sent."""
    url = str(running.cloud.endpoint_url)
    where = ["--stack", stack, "--endpoint-url", url]
    services = reach(Current(stack, running.deployed.url, url))
    before = services.log.head().next_position, inbox(url).total()
    done = {
        view: CliRunner().invoke(leftfold, ["replay", view, "--check", *where])
        for view in DOMAIN.views
    }
    after = services.log.head().next_position, inbox(url).total()
    report.broken += [f"{view}: {d.output[-300:]}" for view, d in done.items() if d.exit_code]
    report.replayed = {
        "views": len(done),
        "commits issued": after[0] - before[0],
        "e-mails sent": after[1] - before[1],
    }
    if after != before:
        report.broken.append(f"replays led from {before} to {after} commits and e-mails")


def inbox(url: str) -> Counter[str]:
    """The e-mails that MiniStack was given to send, by address."""
    answer = httpx.get(f"{url}/_ministack/ses/messages", timeout=30, trust_env=False)
    accounts = answer.json()["messages"].values()
    return Counter(to for sent in accounts for mail in sent for to in mail["To"])


def wait_for_mails(
    inbox: Callable[[], Counter[str]], addresses: set[str], patience: float
) -> Counter[str]:
    """The e-mails by address, once each of *addresses* has one, or the patience has ended."""
    deadline = time.monotonic() + patience
    while not addresses <= inbox().keys() and time.monotonic() < deadline:
        time.sleep(LOOK_EVERY)
    return inbox()


def address_of(transfer: str) -> str:
    """Who is told of a transfer."""
    return f"{transfer}@example.com"


def ended(row: dict[str, Any]) -> bool:
    """Whether nothing more will happen to a transfer."""
    return row.get("state") in ENDED


def money_is_lost(api: Api, keys: list[str], rows: list[dict[str, Any]]) -> Iterator[str]:
    """The sum of all money is what it was, no balance is below zero, each is as moved."""
    expected = dict.fromkeys(keys, OPENING)
    for row in rows:
        if row["state"] == "completed":
            expected[row["source"]] -= minor(row["amount"])
            expected[row["target"]] += minor(row["amount"])
    stored = {key: minor(newest_balance(api, key)) for key in keys}
    if sum(stored.values()) != OPENING * len(keys):
        yield f"the sum of all money was {OPENING * len(keys)} and is {sum(stored.values())}"
    for key in keys:
        if stored[key] != expected[key]:
            yield f"{key} has {stored[key]} and should have {expected[key]}"
        if stored[key] < 0:
            yield f"{key} is below its limit: {stored[key]}"


def newest_balance(api: Api, key: str) -> dict[str, str]:
    """The balance at the version of the account's last event."""
    version = max(event["version"] for event in events_of(api, key))
    answer = api.query(f"/accounts/{key}", minVersion=version)
    balance: dict[str, str] = answer.body["balance"]
    return balance


def events_of(api: Api, key: str) -> list[dict[str, Any]]:
    """Every event of an account, in order."""
    found: list[dict[str, Any]] = []
    following: dict[str, str] = {}
    while True:
        page = api.query(f"/accounts/{key}/events", limit=500, **following).body
        found += page["items"]
        if page["next"] is None:
            return found
        following = {"cursor": page["next"]}


def not_once(api: Api, keys: list[str], rows: list[dict[str, Any]]) -> Iterator[str]:
    """Every leg of a transfer was booked once if it had to be, else never."""
    booked: Counter[tuple[str, str]] = Counter()
    for key in keys:
        for event in events_of(api, key):
            if transfer := event["body"].get("transfer"):
                booked[transfer, event["body"]["operation"]] += 1
    for row in rows:
        legs = {
            "transfer-out": bool(row.get("debitedAt")),
            "transfer-in": row["state"] == "completed",
            "transfer-back": bool(row.get("debitedAt")) and row["state"] != "completed",
        }
        for leg, wanted in legs.items():
            if booked[row["transferId"], leg] != wanted:
                times = booked[row["transferId"], leg]
                yield f"{row['transferId']} is {row['state']}, and {leg} was booked {times} times"


@contextmanager
def killing(parent: int | None, plan: Plan, report: Report) -> Iterator[None]:
    """Kills one of the functions' processes now and then."""
    if parent is None or plan.kill_every is None:
        yield
        return
    random, mean = Random(plan.seed), plan.kill_every
    # When each process was seen first; those that are there already count as old.
    since = dict.fromkeys(functions(parent), 0.0)

    def work(stop: Event) -> None:
        nonlocal since
        while not stop.wait(random.uniform(0, 2 * mean)):
            now = time.monotonic()
            since = {process: since.get(process, now) for process in functions(parent)}
            if old := [process for process, first in since.items() if now - first > YOUTH]:
                report.killed += kill(random.choice(old))

    with beside(work):
        yield


def functions(engine: int) -> list[int]:
    """The processes of Lambda functions: what the engine under its supervisor has started."""
    return [function for service in children(engine) for function in children(service)]


def children(parent: int) -> list[int]:
    """The processes that *parent* started and that still run, by their ids."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent and fields[0] != "Z":
            found.append(int(status.parent.name))
    return found


def kill(process: int) -> bool:
    """Whether the process was there to be killed."""
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def new_key(random: Random) -> str:
    """A UUIDv7 of now."""
    return uuid7(time.time_ns() // 1_000_000, random.randbytes(10))


def czk(amount: int) -> dict[str, str]:
    """MONEY."""
    return {"amount": str(Money(amount, CURRENCY)), "currency": CURRENCY}


def minor(money: dict[str, str]) -> int:
    """The minor units of MONEY."""
    return Money.parse(money["amount"], money["currency"]).minor


def span(began: str, until: str) -> float:
    """Seconds between two instants."""
    return (moment(until) - moment(began)).total_seconds()


def moment(text: str) -> datetime:
    """An instant in ISO 8601."""
    return datetime.fromisoformat(text).astimezone(UTC)
