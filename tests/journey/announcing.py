"""Announcements of the deployed package while its functions fail: python -m tests.journey.announcing [--transfers N].

Money is moved while functions' processes are killed, as in `python -m tests.journey`. Besides, the
announcer's own processes are killed, and it is throttled for seconds at a time. A rule of the stage's
bus fills a queue, from which the example takes what it gets.
"""

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from random import Random
from threading import Event

import click
from click.testing import CliRunner
from rich.console import Console
from rich.table import Table

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.kernel import Announcer
from chalicelib.leftfold.policies.announcing import ordered
from chalicelib.leftfold.policies.outside import CloudEvent
from chalicelib.leftfold.projection.fold import category_of, recorded_of
from chalicelib.leftfold.store.readers import WHOLE_LOG
from chalicelib.leftfold.wiring.services import Services
from tests.beside import beside
from tests.journey.transfers import Plan, functions, inbox, kill, move_money
from tests.projection.announced import SUBSCRIBE, by_stream
from tools.__main__ import leftfold
from tools.api import Api
from tools.bank.run import Local, local
from tools.deployment_services import reach
from tools.last_deployment import Current
from tools.signing_in import of_deployment

STACK = "leftfold-announcing"
ANNOUNCER = "announce"
# Seconds between two faults of the announcer, and how long it is throttled.
FAULT_EVERY, THROTTLED = 4.0, 2.0
ALL_WITHIN = 900.0


@contextmanager
def failing(running: Local, services: Services, seed: int, faults: Counter[str]) -> Iterator[None]:
    """Kills the announcer's processes and throttles it, now and then, and counts that."""
    random = Random(seed)
    name, client = services.settings.function(ANNOUNCER), running.cloud.client("lambda")

    def work(stop: Event) -> None:
        while not stop.wait(random.uniform(0, 2 * FAULT_EVERY)):
            if random.random() < 0.5:
                faults["announcer killed"] += sum(map(kill, processes(running.functions_of, name)))
                continue
            faults["announcer throttled"] += 1
            client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
            stop.wait(THROTTLED)
            client.delete_function_concurrency(FunctionName=name)

    with beside(work):
        yield


def processes(engine: int | None, function: str) -> Iterator[int]:
    """The processes of one function."""
    for process in functions(engine) if engine else ():
        with suppress(OSError):
            if f"AWS_LAMBDA_FUNCTION_NAME={function}\0" in Path(
                f"/proc/{process}/environ"
            ).read_text(errors="replace"):
                yield process


def listened(running: Local, services: Services) -> str:
    """The queue that a rule of the stage's bus fills with all announcements; its address."""
    events, sqs = running.cloud.client("events"), running.cloud.client("sqs")
    bus = services.settings.named("announcements")
    queue: str = sqs.create_queue(QueueName=STACK)["QueueUrl"]
    asked = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    pattern = json.dumps({"source": [{"prefix": "urn:leftfold:"}]})
    events.put_rule(Name=STACK, EventBusName=bus, EventPattern=pattern)
    target = {"Id": "queue", "Arn": asked["Attributes"]["QueueArn"]}
    events.put_targets(Rule=STACK, EventBusName=bus, Targets=[target])
    return queue


def wait_for(services: Services, redrive: Callable[[], object]) -> None:
    """Waits until the announcer has passed the end of the log, and nothing of it is parked."""
    deadline = time.monotonic() + ALL_WITHIN
    end = services.log.head().next_position - 1
    while time.monotonic() < deadline:
        redrive()
        reached = services.checkpoints.read(ANNOUNCER, [WHOLE_LOG])[WHOLE_LOG]
        if reached >= end and not list(services.parking.all(ANNOUNCER)):
            return
        time.sleep(1)


def drained(running: Local, queue: str) -> list[CloudEvent]:
    """All that the queue has got."""
    sqs, taken = running.cloud.client("sqs"), []
    while found := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        for message in found:
            taken.append(json.loads(message["Body"])["detail"])
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return taken


def kept_of(taken: Sequence[CloudEvent]) -> tuple[list[tuple[str, str]], int]:
    """The streams and sequences that the example keeps, in its order, and how many still wait."""
    database = sqlite3.connect(":memory:")
    database.executescript(SUBSCRIBE["TABLES"])
    for said in taken:
        SUBSCRIBE["take"](database, said)
    kept = database.execute("SELECT stream, sequence FROM kept ORDER BY number").fetchall()
    ((waiting,),) = database.execute("SELECT count(*) FROM waiting").fetchall()
    return [(name.rpartition(" ")[2], sequence) for name, sequence in kept], waiting


def wanted_of(services: Services) -> dict[str, list[str]]:
    """The sequences of what is to be announced of each stream, in order, as the log has it."""
    announcer = DOMAIN.policies[ANNOUNCER]
    assert isinstance(announcer, Announcer)
    codecs = {aggregate.category: aggregate.codec for aggregate in announcer.hears}
    found: dict[str, list[str]] = {}
    for block in services.log.blocks(0):
        for position, commit in enumerate(block.commits, block.first_position):
            codec = codecs.get(category_of(commit.aggregate_id))
            for recorded in recorded_of(codec, position, commit.blind()) if codec else ():
                if announcer.tells(recorded.event):
                    sequence = ordered(position, recorded)
                    found.setdefault(commit.aggregate_id, []).append(sequence)
    return found


@click.command()
@click.option("--transfers", default=200, show_default=True)
@click.option("--accounts", default=20, show_default=True)
@click.option("--kill-every", default=2.0, show_default=True, help="Mean seconds.")
@click.option("--seed", default=1, show_default=True)
def main(*, transfers: int, accounts: int, kill_every: float, seed: int) -> None:
    """Compare what the example has taken with the log; exit 1 if they differ."""
    console = Console()
    plan = Plan(transfers, accounts, kill_every, seed, patience=ALL_WITHIN)
    faults: Counter[str] = Counter()
    with local(console.print, stack=STACK) as running:
        url = str(running.cloud.endpoint_url)
        services = reach(Current(STACK, running.deployed.url, url))
        queue = listened(running, services)
        where = ["--stack", STACK, "--endpoint-url", url]
        redrive = partial(CliRunner().invoke, leftfold, ["redrive", *where])
        auth = of_deployment(running.deployed, url)
        with Api(running.deployed.url, auth=auth) as api, failing(running, services, seed, faults):
            report = move_money(api, plan, redrive, running.functions_of, partial(inbox, url))
        wait_for(services, redrive)
        taken, wanted = drained(running, queue), wanted_of(services)
        kept, waiting = kept_of(taken)
        faults["functions killed"] = report.killed
        differing = [name for name in wanted if by_stream(kept).get(name) != wanted[name]]
        figures: dict[str, int] = {
            "seed": seed,
            "transfers posted": report.posted,
            "transfers that have not ended as they should": len(report.broken),
            **faults,
            "events to be announced": sum(map(len, wanted.values())),
            "announcements in the queue": len(taken),
            "kept by the example, each once": len(kept),
            "waiting in the example for an earlier one": waiting,
            "streams": len(wanted),
            "streams that are not as in the log": len(differing),
        }
        table = Table("what", "number", title="announcements while functions fail")
        table.columns[1].justify = "right"
        for what, number in figures.items():
            table.add_row(what, f"{number:,}")
        console.print(table)
    whole = len(kept) == sum(map(len, wanted.values()))
    raise SystemExit(0 if whole and not (differing or waiting or report.broken) else 1)


if __name__ == "__main__":
    main()
