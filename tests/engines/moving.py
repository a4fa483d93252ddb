"""Two generations on DynamoDB: writers at full speed while streams go over, and requests are struck.

`python -m tests.engines.moving --help` runs it at any size.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from random import Random
from threading import Event, Lock, Thread
from typing import Any

import click

from chalicelib.bank.account.domain import Open
from chalicelib.leftfold.generations.control import Control, DynamoControl, number_of, switched
from chalicelib.leftfold.generations.copier import SHARDS, Copier
from chalicelib.leftfold.generations.copying import Copying, NotCopiedYetError, Truth
from chalicelib.leftfold.generations.owner import GenerationOwner
from chalicelib.leftfold.generations.taking import Taker, successors_of
from chalicelib.leftfold.kernel import Commit, Refused
from chalicelib.leftfold.relay.sequencer import Sequencer
from chalicelib.leftfold.store.checkpoints import DynamoCheckpoints, DynamoParking
from chalicelib.leftfold.store.events import DynamoEvents
from chalicelib.leftfold.store.log import DynamoLog
from chalicelib.leftfold.store.ports import MAIN
from tests.engines.faults import Faults
from tests.generations.site import GenerationTeller
from tests.simulation.generations import (
    AGGREGATES,
    BOUNDARIES,
    UNKNOWN,
    Asked,
    Kind,
    broken_laws_of_streams,
)
from tests.teller import credit, debit
from tests.vaults import vault_of
from tools.bank.transforms import card
from tools.engines import DynamoDBLocal
from tools.tables import create_tables, dynamodb_client, log_tables

CONFIG: Mapping[str, Any] = {
    "retries": {"mode": "standard", "total_max_attempts": 3},
    "max_pool_connections": 64,
}


@dataclass
class Side:
    """One generation's tables, through clients whose requests are struck, and through calm ones."""

    name: str
    events: DynamoEvents
    log: DynamoLog
    checkpoints: DynamoCheckpoints
    parking: DynamoParking

    @property
    def logs(self) -> dict[str, DynamoLog]:
        """Its only log, by its name."""
        return {MAIN: self.log}

    @property
    def logged(self) -> list[Commit]:
        """What is in the log."""
        return [commit for block in self.log.blocks(0) for commit in block.commits]


def side(name: str, client: Any, stack: str) -> Side:
    return Side(
        name,
        DynamoEvents(client, f"{stack}-events"),
        DynamoLog(client, log_tables(stack)),
        DynamoCheckpoints(client, f"{stack}-policy-checkpoints"),
        DynamoParking(client, f"{stack}-policy-parked"),
    )


@dataclass
class Figures:
    """What a run has shown. *waits* are seconds from a command's first request to its answer,
    while control is switching.
    """

    kind: Kind
    seconds: float
    outcomes: Counter[str]
    struck: Counter[str]
    waits: list[float]
    taken: int
    took: float
    broken: list[str]

    def wait(self, share: float) -> float:
        """The wait that *share* of the commands did not exceed."""
        return sorted(self.waits)[min(len(self.waits) - 1, int(share * len(self.waits)))]


class Move:
    """A change of generations under load; it has what `broken_laws_of_streams` asks of a history."""

    def __init__(self, url: str, kind: Kind, *, seed: int, rate: float, accounts: int) -> None:
        self.kind = kind
        self.tenants = ("main",)
        self.boundaries = BOUNDARIES[kind]
        self.random = Random(seed)
        self.faults = Faults(seed, rate)
        calm = dynamodb_client(url)
        stacks = {name: create_tables(calm) for name in ("blue", "green")}
        self.blue, self.green = (side(name, calm, stack) for name, stack in stacks.items())
        table = f"{stacks['blue']}-control"
        self.control = DynamoControl(calm, table)
        assert self.control.change(None, Control("blue", "green", "replicating"))
        client = dynamodb_client(url, **CONFIG)
        self.faults.into(client)
        self.struck = {name: side(name, client, stack) for name, stack in stacks.items()}
        self.keys = [f"{letter}{n}" for n in range(accounts // 2) for letter in "ac"]
        if kind == "merge":
            self.keys = ["a", "b", *self.keys]
        self.asked: list[Asked] = []
        self.opaque: list[str] = []
        self.waits: list[float] = []
        self.lock = Lock()
        self.wanted: dict[str, dict[str, int]] = {"blue": {}, "green": {}}
        self.ended = Event()

    def half(self, name: str) -> Side:
        return self.blue if name == "blue" else self.green

    def truth(self, name: str, sides: Mapping[str, Side]) -> Truth:
        own = sides[name]

        def sequence(wanted: Mapping[str, int]) -> None:
            sequencer = Sequencer(own.events, own.log, pause, lambda _: None)
            for _ in sequencer.sequence(wanted):
                pass

        return Truth(name, own.events, own.events, own.log, sequence, name == "blue")

    def taker(self, sides: Mapping[str, Side]) -> Taker:
        blue, green = (self.truth(name, sides) for name in ("blue", "green"))
        failed = lambda commit, why: self.opaque.append(f"{commit} {why}")  # noqa: E731
        copying = Copying(blue, green, self.boundaries, AGGREGATES, vault_of(), failed)
        return Taker(copying, pause, partial(number_of, self.control))

    def teller(self, name: str) -> GenerationTeller:
        taker = self.taker(self.struck) if name == "green" else None
        owner = GenerationOwner(name, self.control, name == "blue", taker)
        return GenerationTeller(self.struck[name].events, pause=pause, owner=owner)

    def read(self) -> Control:
        control = self.control.read()
        assert control is not None
        return control

    # --- threads

    def write(self, seed: int, count: int, keys: list[str]) -> None:
        """A client: opens its accounts, then books on any of them."""
        random = Random(seed)
        tellers = {name: self.teller(name) for name in ("blue", "green")}
        for key in keys:
            kind: Any = "credit-card" if key[0] in "cd" else "current"
            self.ask(tellers, random, Asked(Open("Ada", "CZK", kind, 300), key, new_id(random)))
        for _ in range(count):
            amount = random.randint(1, 200)
            command = random.choice([credit(amount), debit(amount)])
            self.ask(tellers, random, Asked(command, random.choice(self.keys), new_id(random)))

    def ask(self, tellers: Mapping[str, GenerationTeller], random: Random, asked: Asked) -> None:
        """Asks until an answer comes: of the active generation for the most part."""
        began, control = time.monotonic(), self.read()
        while asked.outcome == "unknown":
            control = self.read()
            name = control.active if random.random() < 0.9 else random.choice(["blue", "green"])
            with suppress(*UNKNOWN):
                try:
                    asked.place = self.serve(name, tellers[name], asked)
                    asked.outcome = "acknowledged"
                except Refused:
                    asked.outcome = "refused"
        with self.lock:
            self.asked.append(asked)
            if control.state == "switching":
                self.waits.append(time.monotonic() - began)
            if asked.place:
                at, stream, version = asked.place
                self.wanted[at][stream] = max(version, self.wanted[at].get(stream, 0))

    def serve(self, name: str, teller: GenerationTeller, asked: Asked) -> tuple[str, str, int]:
        """The place of the command in the generation that was asked."""
        aggregate, key, id_ = asked.aggregate, asked.key, asked.command_id
        if name == "green" and self.kind == "split" and key[0] in "cd":
            aggregate = card
        if name == "green" and self.kind == "merge" and key == "b":
            request = teller.request(asked.command, "b", command_id=id_)
            places = successors_of("main/account-b", self.boundaries)
            found = teller.handler.found_in(request, places)
            if found:
                return (name, *found)
            key, id_ = "a", f"{id_} moved"
        version = teller.do(asked.command, key, command_id=id_, aggregate=aggregate)
        return name, aggregate.stream(key, "main"), version

    def relay(self, name: str) -> None:
        truth = self.truth(name, self.struck)
        while not self.ended.is_set():
            with self.lock:
                wanted, self.wanted[name] = self.wanted[name], {}
            with suppress(*UNKNOWN):
                truth.sequence(wanted)
            self.ended.wait(0.05)

    def copy(self) -> None:
        green = self.struck["green"]
        copier = Copier(
            self.taker(self.struck).copying,
            green.checkpoints,
            green.parking,
            lambda act, items: [act(item) for item in items],
        )
        while not self.ended.is_set():
            with suppress(NotCopiedYetError, *UNKNOWN):
                copier.run(range(SHARDS), lambda: False)
            self.ended.wait(0.05)

    def run(self, writers: int, commands: int) -> Figures:
        """Writers at work; control switches after the first half; then all is taken, and checked."""
        began = time.monotonic()
        own = [self.keys[n::writers] for n in range(writers)]
        threads = [Thread(target=self.write, args=(n, commands, own[n])) for n in range(writers)]
        helpers = [Thread(target=self.relay, args=(name,)) for name in ("blue", "green")]
        helpers.append(Thread(target=self.copy))
        for thread in (*threads, *helpers):
            thread.start()
        while len(self.asked) < writers * commands // 2:
            time.sleep(0.01)
        control = self.read()
        assert self.control.change(control, switched(control))
        for thread in threads:
            thread.join()
        self.ended.set()
        for thread in helpers:
            thread.join()
        self.faults.stop()
        return self._finish(began)

    def _finish(self, began: float) -> Figures:
        sides = {"blue": self.blue, "green": self.green}
        truths = {name: self.truth(name, sides) for name in sides}
        took = time.monotonic()
        truths["blue"].sequence(newest(self.blue.events))
        taker = self.taker(sides)
        targets = {t for s in newest(self.blue.events) for t in self.boundaries.feeds(s)}
        for target in sorted(targets):
            taker.take(target, 1)
        took = time.monotonic() - took
        for name, own in sides.items():
            truths[name].sequence(newest(own.events))
        return Figures(
            self.kind,
            time.monotonic() - began,
            Counter(asked.outcome for asked in self.asked),
            self.faults.struck,
            self.waits,
            len(targets),
            took,
            list(broken_laws_of_streams(self)),  # type: ignore[arg-type]
        )


def newest(events: DynamoEvents) -> dict[str, int]:
    """The newest version of every stream."""
    found: dict[str, int] = {}
    for stream, version in keys_of(events):
        found[stream] = max(version, found.get(stream, 0))
    return found


def keys_of(events: DynamoEvents) -> Iterator[tuple[str, int]]:
    after = None
    while True:
        keys, after = events.scan(0, 1, after, 1000)
        yield from keys
        if after is None:
            return


def pause(attempt: int) -> None:
    """A bounded wait, as a deployment has it."""
    time.sleep(min(1.0, 0.01 * 2**attempt) * Random().random())


def new_id(random: Random) -> str:
    return random.randbytes(8).hex()


@click.command()
@click.option("--kind", type=click.Choice(list(BOUNDARIES)), default="split", show_default=True)
@click.option("--commands", default=200, show_default=True, help="Of each writer.")
@click.option("--writers", default=8, show_default=True)
@click.option("--accounts", default=100, show_default=True)
@click.option("--rate", default=0.05, show_default=True, help="The share of requests struck.")
@click.option("--seed", default=1, show_default=True)
def main(*, kind: Kind, commands: int, writers: int, accounts: int, rate: float, seed: int) -> None:
    """Move streams to another generation under load, and print what it was like."""
    with DynamoDBLocal() as engine:
        move = Move(engine.url, kind, seed=seed, rate=rate, accounts=accounts)
        figures = move.run(writers, commands)
    click.echo(f"{kind}: {figures.outcomes}, struck {figures.struck.total()}")
    click.echo(
        f"waited, of {len(figures.waits)} commands while control was switching: p50"
        f" {figures.wait(0.5):.3f} s, p99 {figures.wait(0.99):.3f} s, worst {max(figures.waits):.3f} s"
    )
    click.echo(f"taken in the background: {figures.taken} streams in {figures.took:.1f} s")
    click.echo(f"broken laws: {len(figures.broken)}")
    for broken in figures.broken[:10]:
        click.echo(f"  {broken}")
    raise SystemExit(1 if figures.broken else 0)


if __name__ == "__main__":
    main()
