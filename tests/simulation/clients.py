"""Clients that post commands, lose answers and try again with the same key."""

from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any, Literal

from chalicelib.bank.account.domain import (
    Book,
    Booking,
    Close,
    CloseStatement,
    Freeze,
    Open,
    Unfreeze,
    account,
)
from chalicelib.bank.transfer.domain import Cancel, Order, RequestTransfer, transfer
from chalicelib.leftfold.commands.handler import ContentionError
from chalicelib.leftfold.commands.loading import BrokenStreamError
from chalicelib.leftfold.kernel import Aggregate, Refused
from chalicelib.leftfold.kernel.commit import instant
from chalicelib.leftfold.kernel.uuid7 import uuid7
from chalicelib.leftfold.store.ports import Unavailable
from tests.simulation.world import SKEW, START, World

# A client waits longer than any attempt of the server goes on deciding.
ANSWER_WITHIN = 30.0
TRIES = 4

Outcome = Literal["acknowledged", "refused", "unknown"]


@dataclass
class Call:
    """One command of a client: what it asked, when, and what it knows of the outcome."""

    command: Any
    key: str
    command_id: str
    asked: int
    deps: tuple[tuple[str, int], ...] = ()
    answered: int = 0
    outcome: Outcome = "unknown"
    version: int = 0
    aggregate: Aggregate = account

    @property
    def stream(self) -> str:
        return self.aggregate.stream(self.key, "main")


@dataclass
class Client:
    """Posts *count* commands, one after another, to some of *keys*; *transfers* is the share
    of those that are about transfers.
    """

    world: World
    keys: list[str]
    count: int
    skew: float
    pauses: tuple[float, ...]
    transfers: float
    moods: float
    calls: list[Call] = field(default_factory=list)

    def run(self) -> None:
        """The client's life, as a task."""
        scheduler, random = self.world.scheduler, self.world.random
        for key in self.keys:
            email = random.choice([None, "ada@example.com"])
            self._call(Open("Ada", "CZK", "current", random.choice([0, 300]), email), key)
        for _ in range(self.count):
            scheduler.sleep(random.choice(self.pauses))
            if random.random() < self.transfers:
                self._transfer()
            else:
                self._call(any_command(random, self.moods), random.choice(self.keys))

    def worded(self, command: Any, _key: str) -> Any:
        """The command as it is sent to the aggregate."""
        return command

    def _transfer(self) -> None:
        """Asks for a transfer, and at times thinks better of it while it is under way."""
        random, scheduler = self.world.random, self.world.scheduler
        self.world.transfers += 1
        key = f"t{self.world.transfers}"
        patience = timedelta(seconds=random.choice([1, 30, 600]))
        self._call(
            RequestTransfer(any_order(random), instant(self.world.now + patience)), key, transfer
        )
        if random.random() < 0.3:
            scheduler.sleep(random.choice([0.0, 0.5, 1.0, 2.0, 5.0]))
            self._call(Cancel(), key, transfer)

    def _call(self, command: Any, key: str, aggregate: Aggregate = account) -> None:
        scheduler = self.world.scheduler
        moment = int(START.timestamp() * 1000 + (scheduler.now + self.skew) * 1000)
        drawn = self.world.random.randbytes(10)
        call = Call(
            self.worded(command, key),
            key,
            # Half of the keys tell their time.
            uuid7(moment, drawn) if drawn[0] % 2 else drawn.hex(),
            scheduler.steps,
            self._seen_elsewhere(key),
            aggregate=aggregate,
        )
        self.calls.append(call)
        for _ in range(self.world.random.randint(1, TRIES)):
            if self._attempt(call):
                break
        call.answered = scheduler.steps

    def _seen_elsewhere(self, key: str) -> tuple[tuple[str, int], ...]:
        """Now and then the server has read another stream: the cause of this command."""
        known = [
            c
            for c in self.calls
            if c.outcome == "acknowledged" and c.key != key and c.aggregate is account
        ]
        if not known or self.world.random.random() < 0.7:
            return ()
        cause = self.world.random.choice(known)
        return ((cause.stream, cause.version),)

    def _attempt(self, call: Call) -> bool:
        """Posts once; true if an answer came back in time."""
        world = self.world
        answers: list[tuple[Outcome, int]] = []
        # Two deployments of the code at once: each passes over the other's snapshots.
        fingerprint = world.random.choice(["fold-1", "fold-1", "fold-2"])

        def serve() -> None:
            bank = world.bank(fingerprint)
            try:
                version = bank.do(
                    call.command,
                    call.key,
                    command_id=call.command_id,
                    deps=call.deps,
                    aggregate=call.aggregate,
                )
                answers.append(("acknowledged", version))
            except Refused:
                answers.append(("refused", 0))
            except (Unavailable, ContentionError, BrokenStreamError):
                answers.append(("unknown", 0))

        world.scheduler.spawn("api", serve)
        deadline = world.scheduler.now + ANSWER_WITHIN
        while not answers and world.scheduler.now < deadline:
            world.scheduler.sleep(0.5)
        if not answers or world.scheduler.strikes("fail_after"):
            return False
        call.outcome, call.version = answers[0]
        return call.outcome != "unknown"


def clients(world: World) -> list[Client]:
    """Two to four clients that share some accounts."""
    random = world.random
    keys = list("abcde"[: random.randint(2, 5)])
    pauses = random.choice([(0.0,), (0.0, 0.1, 0.5), (0.0, 0.1, 5.0, 100.0)])
    return [
        Client(
            world,
            random.sample(keys, random.randint(1, len(keys))),
            random.randint(5, 20),
            random.uniform(-SKEW, SKEW),
            pauses,
            random.choice([0.0, 0.2, 0.5]),
            random.choice([0.1, 0.1, 0.4]),
        )
        for _ in range(random.randint(2, 4))
    ]


def hurried(world: World) -> list[Client]:
    """Three clients that ask for transfers and think better of them, one upon the other."""
    return [
        Client(world, list("abcd"), 12, 0.0, (0.0, 0.1, 0.5), transfers=0.7, moods=0.5)
        for _ in range(3)
    ]


def any_order(random: Random) -> Order:
    """A transfer among the shared accounts; now and then one that cannot be."""
    source, target = random.sample("abcde", 2)
    return Order(
        source,
        random.choice([target] * 9 + ["nobody"]),
        random.randint(1, 200),
        random.choice(["CZK"] * 9 + ["EUR"]),
        "2026-01-01",
        notify=random.choice([None, "ada@example.com"]),
    )


def any_command(random: Random, moods: float) -> Any:
    """Bookings for the most part, and statements; *moods* is the share of changes to the
    account's state.
    """
    if random.random() < 0.1:
        return CloseStatement(f"2026-{random.randint(1, 12):02}-28")
    if random.random() < moods:
        return random.choice([Freeze(), Freeze(), Unfreeze(), Unfreeze(), Unfreeze(), Close()])
    return Book(
        tuple(
            Booking(
                random.choice(["credit", "debit"]),
                random.randint(1, 400),
                "CZK",
                "2026-01-01",
            )
            for _ in range(random.choice([1, 1, 1, 2, 5]))
        )
    )
