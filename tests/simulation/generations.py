"""Histories of two generations: a live system's streams are moved there and back, under every fault.

Clients send commands to either generation, lose answers and try again. Transfers and e-mails are under way. Relays,
copiers, takers and policies of both generations run, die, and sleep for hours. Control switches at random moments. Then
the faults stop, the active generation takes every stream, and the laws are asked.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from types import SimpleNamespace
from typing import Any, Literal

from chalicelib.bank.account.domain import CloseStatement, Freeze, Open, Unfreeze, account
from chalicelib.bank.notices.policies import notify
from chalicelib.bank.transfer.domain import Order, RequestTransfer, transfer
from chalicelib.bank.transfer.policies import credit_target, debit_source, refund_source
from chalicelib.leftfold.commands.handler import CommandHandler, ContentionError, KeyReusedError
from chalicelib.leftfold.commands.loading import BrokenStreamError, owns
from chalicelib.leftfold.commands.owning import IdMovedError, NotOwnedError
from chalicelib.leftfold.generations.control import (
    Control,
    WrongStateError,
    number_of,
    switched,
)
from chalicelib.leftfold.generations.copier import READER, SHARDS, Copier
from chalicelib.leftfold.generations.copying import Copying, NotCopiedYetError, Truth, root_of
from chalicelib.leftfold.generations.memory import MemoryControl
from chalicelib.leftfold.generations.owner import GenerationOwner
from chalicelib.leftfold.generations.passing import passed_of
from chalicelib.leftfold.generations.taking import Taker
from chalicelib.leftfold.kernel import (
    Aggregate,
    AggregateId,
    Boundaries,
    Commit,
    Email,
    Policy,
    Reaction,
    Recorded,
    Refused,
    StoredEvent,
)
from chalicelib.leftfold.kernel.commit import instant
from chalicelib.leftfold.policies.mailing import MemoryMailer
from chalicelib.leftfold.policies.work import PolicyWork, email_of
from chalicelib.leftfold.projection.fold import PoisonError, category_of
from chalicelib.leftfold.projection.partitioned import PartitionedRunner
from chalicelib.leftfold.relay.sequencer import Sequencer
from chalicelib.leftfold.store.logs import log_names, log_of
from chalicelib.leftfold.store.memory import (
    MemoryCheckpoints,
    MemoryEffects,
    MemoryLog,
    MemoryParking,
)
from chalicelib.leftfold.store.ports import MAIN, EffectKey, StreamEntry, Unavailable
from tests.simulation.history import any_chances, stopped
from tests.simulation.laws import (
    causes_are_late,
    chain_is_broken,
    registry_differs,
    streams_are_broken,
)
from tests.simulation.money import NOTICES, address_of, money_appears, transfers_are_wrong
from tests.simulation.ports import Faulty, ReplicatedEvents
from tests.simulation.scheduler import CALM, DAY, Scheduler
from tests.teller import Teller, credit, debit
from tests.vaults import vault_of
from tools.bank.transforms import accounts_merged, card, cards_apart, in_place

Kind = Literal["identity", "events", "split", "merge"]
KINDS: tuple[Kind, ...] = ("identity", "identity", "events", "split", "merge")
AGGREGATES: Mapping[str, Aggregate] = {"account": account, "transfer": transfer, "card": card}
POLICIES = (debit_source, credit_target, refund_source, notify)
# Keys of credit-card accounts.
CARDS = ("c", "d")
# With two logs the second is in another than the other two; with four each has its own.
TENANTS = ("main", "second", "north")
# The numbers of logs of both generations, where they have several.
LOGS = ((2, 1), (1, 2), (2, 2), (4, 4), (4, 2), (2, 4))
START = datetime(2026, 1, 1, tzinfo=UTC)
STEPS = 400_000
ROUNDS = 12
# What a call may raise, and the client knows nothing then.
UNKNOWN = (Unavailable, ContentionError, BrokenStreamError, NotOwnedError)


def stamped(event: StoredEvent) -> StoredEvent:
    """A credit says where it is."""
    if event.name != "account-credited":
        return event
    return event._replace(body={**event.body, "purpose": "green"})


def unstamped(event: StoredEvent) -> StoredEvent:
    """The inverse of `stamped`."""
    if event.name != "account-credited":
        return event
    return event._replace(body={**event.body, "purpose": None})


BOUNDARIES: Mapping[Kind, Boundaries] = {
    "identity": Boundaries(),
    "events": Boundaries([in_place("account", stamped, in_place("account", unstamped))]),
    "split": Boundaries([cards_apart()]),
    "merge": Boundaries([accounts_merged({"b": "a"})]),
}


def policies_of(kind: Kind, name: str) -> Sequence[Policy]:
    """The policies of a generation. Those that follow a split know that a card is no account."""
    if kind == "split" and name == "green":
        return [
            replace(policy, hears=(*policy.hears, card), react=to_cards(policy))
            for policy in POLICIES
        ]
    return POLICIES


def to_cards(policy: Policy) -> Callable[[Recorded], Iterable[Reaction | Email]]:
    """What the policy does; its commands to accounts that are cards now go there."""

    def react(recorded: Recorded) -> Iterator[Reaction | Email]:
        for reaction in policy.react(recorded):
            if isinstance(reaction, Reaction) and reaction.key in CARDS:
                yield replace(reaction, aggregate=card)
            else:
                yield reaction

    return react


@dataclass
class Asked:
    """One command of a client, and what it knows of the outcome."""

    command: Any
    key: str
    command_id: str
    aggregate: Aggregate = account
    outcome: Literal["acknowledged", "refused", "reused", "unknown"] = "unknown"
    place: tuple[str, str, int] | None = None
    tenant: str = "main"

    @property
    def stream(self) -> str:
        return self.aggregate.stream(self.key, self.tenant)


@dataclass
class Rules:
    """What a mutant may replace."""

    taker: type[Taker] = Taker
    copier: type[Copier] = Copier
    copying: type[Copying] = Copying
    handler: Callable[[CommandHandler], CommandHandler] = lambda made: made
    passed: Callable[..., Any] = passed_of
    number: Callable[[Any], int] = number_of
    acting: type[PolicyWork] = PolicyWork
    kinds: tuple[Kind, ...] = KINDS


@dataclass
class Half:
    """The truth of one generation, without faults, and what its policies keep there, by log."""

    name: str
    events: ReplicatedEvents
    logs: Mapping[str, MemoryLog]
    checkpoints: Mapping[str, MemoryCheckpoints]
    parking: MemoryParking = field(default_factory=MemoryParking)

    @classmethod
    def of(cls, name: str, scheduler: Scheduler, logs: int) -> "Half":
        """One with so many logs."""
        registry: dict[str, StreamEntry] | None = {} if logs > 1 else None
        names = log_names(logs)
        return cls(
            name,
            ReplicatedEvents(scheduler),
            {each: MemoryLog(registry) for each in names},
            {each: MemoryCheckpoints() for each in names},
        )

    @property
    def logged(self) -> list[Commit]:
        """What is in the logs, one after another."""
        return [c for log in self.logs.values() for block in log.blocks(0) for c in block.commits]


@dataclass
class BothTeller(Teller):
    """The bank of one generation."""

    changed: Callable[[CommandHandler], CommandHandler] = lambda made: made

    @property
    def handler(self) -> CommandHandler:
        return self.changed(super().handler)


class Both:
    """Both generations, and everybody who is at work on them."""

    def __init__(
        self,
        scheduler: Scheduler,
        kind: Kind,
        rules: Rules,
        *,
        one_copier: bool = False,
        logs: tuple[int, int] = (1, 1),
        tenants: Sequence[str] = ("main",),
    ) -> None:
        self.scheduler = scheduler
        self.tenants = tenants
        # Whether a function copies all its shards at once, or one after another.
        self.one_copier = one_copier
        self.kind = kind
        self.rules = rules
        self.boundaries = BOUNDARIES[kind]
        self.blue = Half.of("blue", scheduler, logs[0])
        self.green = Half.of("green", scheduler, logs[1])
        self.control = MemoryControl()
        self.control.change(None, Control("blue", "green", "replicating"))
        self.effects = MemoryEffects(lambda: self.now)
        self.mailer = MemoryMailer()
        self.asked: list[Asked] = []
        self.invocations = 0
        self.opaque: list[str] = []

    @property
    def random(self) -> Random:
        return self.scheduler.random

    @property
    def now(self) -> datetime:
        return START + timedelta(seconds=self.scheduler.now)

    def pause(self, attempt: int) -> None:
        self.scheduler.sleep(self.random.uniform(0, 0.01 * 2**attempt))

    # --- what invocations are made of

    def half(self, name: str) -> Half:
        return self.blue if name == "blue" else self.green

    def truth(self, name: str) -> Truth:
        """A truth as one invocation sees it."""
        half = self.half(name)
        events: Any = Faulty(half.events, self.scheduler, self._after_write(half))
        logs: dict[str, Any] = {
            each: Faulty(log, self.scheduler) for each, log in half.logs.items()
        }
        log = logs.pop(MAIN)

        def sequence(wanted: Mapping[str, int]) -> None:
            self.start_relay(name, dict(wanted))

        return Truth(name, events, events, log, sequence, name == "blue", logs)

    def taker(self, source: str, target: str) -> Taker | None:
        """A taker of one direction, with that of the other to complete what was begun."""
        boundaries = {"blue": self.boundaries, "green": self.boundaries.back()}
        there, back = boundaries[source], boundaries[target]
        if there is None:
            return None
        control: Any = Faulty(self.control, self.scheduler)
        number = partial(self.rules.number, control)
        made = self.rules.taker(self.copying(source, target, there), self.pause, number)
        if back is None:
            return made
        opposite = self.rules.taker(self.copying(target, source, back), self.pause, number)
        return replace(made, opposite=opposite)

    def copying(self, source: str, target: str, boundaries: Boundaries) -> Copying:
        failed = lambda commit, reason: self.opaque.append(f"{commit} {reason}")  # noqa: E731
        return self.rules.copying(
            self.truth(source), self.truth(target), boundaries, AGGREGATES, vault_of(), failed
        )

    def bank(self, name: str, tenant: str = "main") -> Teller:
        """The API of one generation for a tenant, as one invocation has it."""
        other = "green" if name == "blue" else "blue"
        control: Any = Faulty(self.control, self.scheduler)
        owner = GenerationOwner(name, control, name == "blue", self.taker(other, name))

        def changed(made: CommandHandler) -> CommandHandler:
            return self.rules.handler(replace(made, owner=owner))

        skew = timedelta(seconds=self.random.uniform(-100, 100))
        teller = BothTeller(self.truth(name).table, tenant=tenant, changed=changed)
        teller.clock = lambda: self.now + skew  # type: ignore[assignment]
        teller.pause = self.pause
        return teller

    # --- invocations

    def invoke(self, name: str, code: Callable[[], object], after: float = 0.0) -> None:
        """Runs a function that may fail; nobody waits for it."""

        def handler() -> None:
            try:
                code()
            except (*UNKNOWN, NotCopiedYetError, PoisonError):
                pass

        self.scheduler.spawn(name, handler, after=after)

    def start_relay(self, name: str, wanted: dict[str, int]) -> None:
        half = self.half(name)

        def relay() -> None:
            events: Any = Faulty(half.events, self.scheduler)
            for of, of_log in half.logs.items():
                part = {s: v for s, v in wanted.items() if log_of(s, tuple(half.logs)) == of}
                log: Any = Faulty(of_log, self.scheduler)
                for _ in Sequencer(
                    events, log, self.pause, lambda _: None, clock=lambda: self.now
                ).sequence(part):
                    pass

        self.invoke(f"relay of {name}", relay)

    def start_copier(self, after: float = 0.0) -> None:
        every = range(SHARDS * len(self.blue.logs))
        shards = self.random.sample(every, self.random.randint(1, len(every)))

        def copy() -> None:
            copying = self.copying("blue", "green", self.boundaries)
            checkpoints: Any = Faulty(self.green.checkpoints[MAIN], self.scheduler)
            parking: Any = Faulty(self.green.parking, self.scheduler)
            copier = self.rules.copier(
                copying, checkpoints, parking, lambda act, items: [act(item) for item in items]
            )
            for some in [shards] if self.one_copier else [[shard] for shard in shards]:
                with suppress(NotCopiedYetError):
                    copier.run(some)

        self.invoke("copier", copy, after)

    def start_taker(self, after: float = 0.0) -> None:
        """The background taker takes some of the giver's streams."""

        def take() -> None:
            control = Faulty(self.control, self.scheduler).read()
            if control.state != "switching":
                return
            source = "blue" if control.active == "green" else "green"
            taker = self.taker(source, control.active)
            assert taker is not None
            keys, _ = self.half(source).events.scan(0, 1, None, 10**6)
            targets = sorted(
                {t for stream, _ in keys for t in taker.copying.boundaries.feeds(stream)}
            )
            for target in targets:
                try:
                    taker.take(target, control.switch)
                except (ContentionError, Unavailable):
                    continue

        self.invoke("taker", take, after)

    def start_policy(self, name: str, policy: Any, after: float = 0.0) -> None:
        """A policy of a generation, if it is active when the invocation begins."""
        half = self.half(name)

        def act() -> None:
            if Faulty(self.control, self.scheduler).read().active != name:
                return
            self.invocations += 1
            # Taken before anything waits: another invocation may begin meanwhile.
            owner = f"invocation-{self.invocations}"
            effects: Any = Faulty(self.effects, self.scheduler)
            mailer: Any = Faulty(self.mailer, self.scheduler)
            passed: Any = lambda _commit: False  # noqa: E731
            if name == "green":
                blue = self.blue
                checkpoints = {
                    log: Faulty(of_log, self.scheduler) for log, of_log in blue.checkpoints.items()
                }
                passed = self.rules.passed(policy.name, checkpoints, blue.parking)
            work = self.rules.acting(
                policy,
                self.bank(name).handler,
                effects,
                mailer,
                owner,
                self.pause,
                map,
                vault_of(),
                self.random.choice([1, 5, 100]),
                passed,
            )
            for of in half.logs:
                log: Any = Faulty(half.logs[of], self.scheduler)
                own: Any = Faulty(half.checkpoints[of], self.scheduler)
                parking: Any = Faulty(half.parking, self.scheduler)
                runner = PartitionedRunner(work, log, own, parking, self.pause)
                while runner.catch_up(8):
                    pass

        self.invoke(f"{policy.name} of {name}", act, after)

    def start_redrive(self, name: str, policy: Any, stream: str) -> None:
        """A person redrives a parked process."""
        half = self.half(name)

        def redrive() -> None:
            handler = self.bank(name).handler
            work = self.rules.acting(
                policy,
                handler,
                self.effects,
                self.mailer,
                "redrive",
                self.pause,
                map,
                vault_of(),
            )
            of = log_of(stream, tuple(half.logs))
            log, own = half.logs[of], half.checkpoints[of]
            PartitionedRunner(work, log, own, half.parking, self.pause).redrive(stream)

        self.invoke("redrive", redrive)

    def switch(self) -> None:
        """An operator writes the next switch, or finds that another has."""
        try:
            control = Faulty(self.control, self.scheduler).read()
            if control.state == "switching" and self.boundaries.back() is None:
                return
            Faulty(self.control, self.scheduler).change(control, switched(control))
        except (WrongStateError, Unavailable):
            return

    def _after_write(self, half: Half) -> Callable[[str, tuple[Any, ...], Any], None]:
        def told(name: str, args: tuple[Any, ...], answer: Any) -> None:
            if name in {"append", "put_copy"} and answer is None:
                if not self.scheduler.strikes("drop"):
                    self.start_relay(half.name, {args[0].aggregate_id: args[0].version})
                of_transfer = category_of(args[0].aggregate_id) == "transfer"
                closed = any(event.name.endswith("statement-closed") for event in args[0].events)
                for policy in policies_of(self.kind, half.name):
                    if of_transfer or (closed and policy.name == notify.name):
                        self.start_policy(half.name, policy, self.random.uniform(0, 2))

        return told

    # --- clients

    def client(self, keys: Sequence[str], count: int, ids: Sequence[str]) -> None:
        """Opens accounts, and sends commands to them."""
        random = self.random
        tenant = self.tenants[0] if len(self.tenants) == 1 else random.choice(self.tenants)
        for key in keys:
            kind: Literal["current", "credit-card"] = "credit-card" if key in CARDS else "current"
            email = random.choice([None, "ada@example.com"])
            opening = Open("Ada", "CZK", kind, random.choice([0, 300]), email)
            self.ask(Asked(opening, key, self.new_id(), tenant=tenant))
        for _ in range(count):
            self.scheduler.sleep(random.choice([0.0, 0.1, 1.0, 5.0]))
            if random.random() < 0.3:
                source, target = random.sample("abcd", 2)
                address = random.choice([None, "bob@example.com"])
                amount = random.randint(1, 150)
                order = Order(source, target, amount, "CZK", "2026-01-01", None, address)
                patience = instant(self.now + timedelta(days=400))
                key = f"t{len(self.asked)}"
                asked = RequestTransfer(order, patience)
                self.ask(Asked(asked, key, self.new_id(), transfer, tenant=tenant))
                continue
            amount = random.randint(1, 200)
            command: Any = random.choice([credit(amount), debit(amount)])
            if random.random() < 0.1:
                through = f"2026-{random.randint(1, 12):02}-28"
                # A merge takes the statements of both away.
                closes = [] if self.kind == "merge" else [CloseStatement(through)]
                command = random.choice([Freeze(), Unfreeze(), Unfreeze(), *closes])
            key = random.choice(keys)
            used = {asked.command_id for asked in self.asked if asked.key == key}
            shared = [id_ for id_ in ids if id_ not in used]
            id_ = random.choice(shared) if shared and random.random() < 0.3 else self.new_id()
            self.ask(Asked(command, key, id_, tenant=tenant))

    def new_id(self) -> str:
        return self.random.randbytes(8).hex()

    def ask(self, asked: Asked) -> None:
        """Posts to either generation, until an answer comes or patience ends."""
        self.asked.append(asked)
        for _ in range(self.random.randint(1, 5)):
            name = self.random.choice(["blue", "green"])
            answer = self.answered(lambda: self.serve(name, asked))  # noqa: B023
            if answer == MOVED:
                answer = self.answered(lambda: self.follow(name, asked))  # noqa: B023
            if answer:
                asked.outcome, asked.place = answer
                return

    def answered(self, request: Callable[[], Any]) -> Any:
        """What a request is answered; None if its answer is late or lost. It may go on meanwhile."""
        answers: list[Any] = []
        self.scheduler.spawn("api", lambda: answers.append(request()))
        deadline = self.scheduler.now + 30
        while not answers and self.scheduler.now < deadline:
            self.scheduler.sleep(0.5)
        said = answers[0] if answers else None
        return None if said is None or self.scheduler.strikes("fail_after") else said

    def serve(self, name: str, asked: Asked) -> Any:
        """The answer of one generation; None for none that says anything."""
        bank = self.bank(name, asked.tenant)
        aggregate, command_id = asked.aggregate, asked.command_id
        if name == "green" and self.kind == "split" and asked.key in CARDS:
            aggregate = card

        def done() -> Any:
            try:
                version = bank.do(
                    asked.command, asked.key, command_id=command_id, aggregate=aggregate
                )
            except IdMovedError as moved:
                request = bank.request(asked.command, asked.key, command_id=command_id)
                found = bank.handler.found_in(request, moved.successors)
                return ("acknowledged", (name, *found)) if found else MOVED
            return "acknowledged", (name, aggregate.stream(asked.key, asked.tenant), version)

        return said(done)

    def follow(self, name: str, asked: Asked) -> Any:
        """The answer to a client that follows a 308: a request of its own."""
        bank = self.bank(name, asked.tenant)

        def done() -> Any:
            version = bank.do(asked.command, "a", command_id=f"{asked.command_id} moved")
            return "acknowledged", (name, f"{asked.tenant}/account-a", version)

        return said(done)


# What a client is told that has to send its command to another id.
MOVED = ("moved", None)


def said(done: Callable[[], Any]) -> Any:
    """What an API says of what is done; None for nothing."""
    try:
        return done()
    except Refused:
        return "refused", None
    except KeyReusedError:
        return "reused", None
    except UNKNOWN:
        return None


@dataclass(frozen=True)
class GenerationHistory:
    """What a history was made of, and the laws it broke."""

    seed: int
    kind: Kind
    steps: int
    switches: int
    commits: int
    copies: int
    faults: Counter[str]
    outcomes: Counter[str]
    broken: list[str]


def moved(
    seed: int, rules: Rules | None = None, *, has_several_logs: bool = False
) -> GenerationHistory:
    """Runs the history of *seed*: the same seed, the same history."""
    random = Random(f"generations {seed}")
    scheduler = Scheduler(random, any_chances(random, random.choice([0.0, 0.0, 0.05])))
    rules = rules or Rules()
    kind, one_copier = random.choice(rules.kinds), seed % 4 == 0
    both = Both(scheduler, kind, rules, one_copier=one_copier)
    if has_several_logs:
        logs = random.choice(LOGS)
        both = Both(scheduler, kind, rules, one_copier=one_copier, logs=logs, tenants=TENANTS)
    try:
        live(both)
        heal(both)
        broken = list(broken_laws(both))
    except Exception as error:  # noqa: BLE001 - whatever ends a history is found in its report
        broken = [stopped(error)]
    control = both.control.read()
    assert control is not None
    commits = [c for half in (both.blue, both.green) for c in items(half)]
    return GenerationHistory(
        seed,
        both.kind,
        scheduler.steps,
        control.switch,
        sum(c.root is None for c in commits),
        sum(c.root is not None for c in commits),
        scheduler.faults,
        Counter(asked.outcome for asked in both.asked),
        broken,
    )


def live(both: Both) -> None:
    """Clients at work while control switches, there and perhaps back, and there again."""
    scheduler, random = both.scheduler, both.random
    ids = [both.new_id() for _ in range(3)]
    for _ in range(random.randint(2, 3)):
        keys = random.sample("abcd", random.randint(2, 4))
        count = random.randint(4, 14)
        scheduler.spawn(
            "client",
            lambda keys=keys, count=count: both.client(keys, count, ids),  # type: ignore[misc]
            mortal=False,
        )
    horizon = random.choice([5.0, 30.0, 120.0])
    for _ in range(random.randint(1, 4)):
        scheduler.spawn("operator", both.switch, after=random.uniform(0, horizon))
    for _ in range(random.randint(0, 6)):
        both.start_copier(random.uniform(0, horizon))
    for _ in range(random.randint(0, 6)):
        both.start_taker(random.uniform(0, horizon))
    for _ in range(random.randint(0, 8)):
        name = random.choice(["blue", "green"])
        policy = random.choice(policies_of(both.kind, name))
        both.start_policy(name, policy, random.uniform(0, horizon))
    scheduler.run(STEPS)


def heal(both: Both) -> None:
    """Faults stop. Control ends with a switch, all streams are taken, and policies come to the end."""
    scheduler = both.scheduler
    scheduler.chances = CALM
    control = both.control.read()
    assert control is not None
    if control.state == "replicating":
        both.control.change(control, switched(control))
    for _ in range(ROUNDS):
        scheduler.now += DAY
        for half in (both.blue, both.green):
            keys, _ = half.events.scan(0, 1, None, 10**6)
            both.start_relay(half.name, dict(sorted(keys)))
        both.start_taker()
        scheduler.run(scheduler.steps + STEPS)
        control = both.control.read()
        assert control is not None
        for policy in policies_of(both.kind, control.active):
            both.start_policy(control.active, policy)
            half = both.half(control.active)
            for _, stream, _ in list(half.parking.all(policy.name)):
                both.start_redrive(half.name, policy, stream)
        scheduler.run(scheduler.steps + STEPS)


# --- laws


def items(half: Half) -> list[Commit]:
    """All commits of a generation, stream by stream."""
    keys, _ = half.events.scan(0, 1, None, 10**6)
    return [
        c for stream in sorted({s for s, _ in keys}) for c in half.events.range(stream, 1, 10**6)
    ]


def broken_laws(both: Both) -> Iterator[str]:
    """Every law that the history broke, in words."""
    yield from broken_laws_of_streams(both)
    yield from effects_are_wrong(both)


def broken_laws_of_streams(both: Both) -> Iterator[str]:
    """Those of streams and logs, which hold without any policy as well."""
    control = both.control.read()
    assert control is not None
    active = both.half(control.active)
    other = both.blue if active is both.green else both.green
    for half in (both.blue, both.green):
        yield from logs_are_wrong(half)
    logged = active.logged
    if missing := {key_of(c) for c in items(active)} - {key_of(c) for c in logged}:
        yield f"{active.name}: committed and not logged: {sorted(missing)[:5]}"
    yield from streams_are_not_taken(active, other)
    yield from commands_are_wrong(both)
    yield from streams_are_not_the_transform(both, active, other)
    yield from decided_on_old_states(both.kind, active)
    for tenant in both.tenants:
        of_tenant = [c for c in logged if c.aggregate_id.startswith(f"{tenant}/")]
        booked = [as_before(both.kind, commit) for commit in of_tenant]
        yield from money_appears(booked)
        # An account that was merged into one that nobody has opened is there no more: no refund
        # can reach it, and its transfer is parked for people.
        opened = {
            c.aggregate_id for c in booked if c.events and c.events[0].name == "account-opened"
        }
        if both.kind != "merge" or f"{tenant}/account-a" in opened:
            yield from transfers_are_wrong(booked)
    if parked := list(both.green.parking.all(READER)):
        yield f"the copier has parked {parked}"
    yield from both.opaque


def as_before(kind: Kind, commit: Commit) -> Commit:
    """A commit as the laws of money know it: a card is an account. What is told of an account that
    was merged away is told of the one that it is now.
    """
    body = as_merged if kind == "merge" else lambda body: body
    events = tuple(
        event._replace(name=event.name.replace("card-", "account-"), body=body(event.body))
        for event in commit.events
    )
    return commit._replace(aggregate_id=logical(commit.aggregate_id), events=events)


def as_merged(body: Any) -> Any:
    """A body of an event in which account b is a wherever money comes from or goes to."""
    if not isinstance(body, dict):
        return body
    return {
        name: "a" if name in {"source", "target"} and value == "b" else as_merged(value)
        for name, value in body.items()
    }


def effects_are_wrong(both: Both) -> Iterator[str]:
    """G4: each e-mail is in the ledger of the stage once, under the root of what it tells of, and was
    sent: once, but for who died or failed on the way.
    """
    control = both.control.read()
    assert control is not None
    logged = both.half(control.active).logged
    due: dict[EffectKey, str] = {}
    for commit in vault_of().opened(logged):
        codec = AGGREGATES[category_of(commit.aggregate_id)].codec
        for index, stored in enumerate(commit.events):
            for event in codec.decode(stored):
                if address := address_of(event):
                    at, name = commit.root_index(index), NOTICES[type(event)]
                    due[EffectKey(notify.name, *root_of(commit), at, name)] = address
    texts = {key: email_of(key, decided(both, key)) for key in both.effects.stored}
    if (recorded := {key: email.to for key, email in texts.items()}) != due:
        yield f"G4: {recorded} are recorded, {due} are due"
    if open_ := [key for key, effect in both.effects.stored.items() if effect.answer is None]:
        yield f"G4: never done: {open_}"
    sent = Counter(both.mailer.sent)
    if set(sent) != set(texts.values()):
        yield f"G4: {sent} were sent, {texts} are recorded"
    faults = both.scheduler.faults
    may_double = sum(
        faults[f] for f in ("crash", "zombie", "fail_before", "fail_after", "contended")
    )
    if sent.total() - len(texts) > may_double:
        yield f"G4: {sent.total()} were sent for {len(texts)}"


def decided(both: Both, key: EffectKey) -> Any:
    """An effect of the ledger, opened."""
    effect = both.effects.stored[key].effect
    if "sealed" not in effect:
        return effect
    place = ("effect", *key)
    of_stream = (each for each in both.tenants if key.aggregate_id.startswith(f"{each}/"))
    tenant = next(of_stream, both.tenants[0])
    text = vault_of().open_whole(tenant, effect["subjects"], place, effect["sealed"])
    assert text is not None
    return json.loads(text)


def logs_are_wrong(half: Half) -> Iterator[str]:
    """Each log of a generation is what every log is, and has its own tenants' commits and no bar."""
    for name, log in half.logs.items():
        yield from log_is_wrong(half, name, log)


def log_is_wrong(half: Half, name: str, log: MemoryLog) -> Iterator[str]:
    """One of them."""
    world: Any = SimpleNamespace(log=log, events=half.events)
    logged = [c for block in log.blocks(0) for c in block.commits]
    strange = {c.aggregate_id for c in logged if log_of(c.aggregate_id, tuple(half.logs)) != name}
    if strange:
        yield f"{half.name}: {name} has commits of other tenants: {sorted(strange)}"
    streams: dict[str, list[Commit]] = defaultdict(list)
    for commit in logged:
        streams[commit.aggregate_id].append(commit)
    laws = (
        chain_is_broken(world),
        streams_are_broken(world, streams),
        causes_are_late(logged),
        registry_differs(world, logged),
    )
    for law in laws:
        for broken in law:
            yield f"{half.name}, {name}: {broken}"


def key_of(commit: Commit) -> tuple[str, int]:
    return commit.aggregate_id, commit.version


def streams_are_not_taken(active: Half, other: Half) -> Iterator[str]:
    """In the end the active generation has every stream, and the other one none."""
    for stream in sorted({c.aggregate_id for c in items(other)}):
        page = other.events.newest(stream, consistent=True)
        if owns(page.commits, page.bar):
            yield f"completion: {other.name} still has {stream}"
    for stream in sorted({c.aggregate_id for c in items(active)}):
        page = active.events.newest(stream, consistent=True)
        newest = page.commits[0]
        if page.bar or (newest.root and not newest.mark):
            yield f"completion: {active.name} does not have {stream}"


def commands_are_wrong(both: Both) -> Iterator[str]:
    """G1: a command that was acknowledged is native once, one that was refused never is."""
    natives: Counter[tuple[str, str]] = Counter()
    for half in (both.blue, both.green):
        for commit in items(half):
            if commit.root is None:
                natives[commit.command_id, logical(commit.aggregate_id)] += 1
    for asked in both.asked:
        number = natives[asked.command_id, logical(asked.stream)]
        if asked.key == "b":
            number += natives[f"{asked.command_id} moved", f"{asked.tenant}/account-a"]
        yield from told_wrong(asked, number)
        if asked.place:
            name, at, version = asked.place
            found = [c.command_id for c in both.half(name).events.range(at, version, version)]
            if [id_.removesuffix(" moved") for id_ in found] != [asked.command_id]:
                yield f"G1: {asked.command_id} was told of another at {asked.place}"


def told_wrong(asked: Asked, number: int) -> Iterator[str]:
    """What a client was told of a command that was taken *number* times."""
    what = f"{asked.command_id} to {asked.stream}"
    if number > 1:
        yield f"G1: {what} was taken {number} times"
    if asked.outcome == "acknowledged" and not number:
        yield f"G1: {what} was acknowledged and is nowhere"
    if asked.outcome == "reused":
        yield f"G1: {what} was told that its key is another's"
    if asked.outcome == "refused" and number:
        yield f"G1: {what} was refused and taken"


def logical(stream: str) -> str:
    """A card is what its account was."""
    return stream.replace("/card-", "/account-")


def streams_are_not_the_transform(both: Both, active: Half, other: Half) -> Iterator[str]:
    """G3: the active generation has every commit of the other one, transformed, once and in order."""
    boundaries = both.boundaries if active is both.green else both.boundaries.back()
    assert boundaries is not None
    roots: dict[str, list[tuple[str, int]]] = defaultdict(list)
    found: dict[tuple[str, tuple[str, int]], Commit] = {}
    for commit in items(active):
        roots[commit.aggregate_id].append(root_of(commit))
        found[commit.aggregate_id, root_of(commit)] = commit
    for stream, each in roots.items():
        if len(set(each)) < len(each):
            yield f"G3: {stream} has a commit twice: {each}"
    yield from copies_are_wrong(boundaries, items(other), found)
    written = Counter((c.aggregate_id, c.version) for c in items(active) if c.root is None)
    written.update((c.aggregate_id, c.version) for c in items(other) if c.root is None)
    if both.boundaries.back() is not None and max(written.values(), default=0) > 1:
        yield f"G2: two generations wrote the same version: {written.most_common(3)}"


def copies_are_wrong(
    boundaries: Boundaries,
    commits: Sequence[Commit],
    found: Mapping[tuple[str, tuple[str, int]], Commit],
) -> Iterator[str]:
    """Each of *commits* is *found* in every stream that it feeds, with its events, in order."""
    vault = vault_of()
    states: dict[str, Any] = {}
    lasts: dict[tuple[str, str], int] = {}
    for commit in commits:
        id_ = commit.aggregate_id
        (opened,) = vault.opened([commit])
        made = boundaries.made(opened, states.get(id_, boundaries.initial(id_)))
        states[id_] = made.state
        for target, expected in made.events.items():
            copy = found.get((target, root_of(commit)))
            if copy is None:
                yield f"G3: version {commit.version} of {id_} is not in {target}"
                continue
            if copy.version <= lasts.get((id_, target), 0):
                yield f"G3: {target} has another order than {id_}"
            lasts[id_, target] = copy.version
            is_copy = copy.source == (id_, commit.version)
            (read,) = vault.opened([copy])
            if is_copy and read.events != tuple(event for _, event in expected):
                yield f"G3: version {copy.version} of {target} is not the transform"
            if is_copy and boundaries.stays(id_) and copy.events != commit.events:
                yield f"G3: version {copy.version} of {target} is sealed anew"


def decided_on_old_states(kind: Kind, active: Half) -> Iterator[str]:
    """G2: every decision stands: no debit was taken that the balance before it did not bear."""
    streams: dict[str, list[Commit]] = defaultdict(list)
    for commit in items(active):
        streams[commit.aggregate_id].append(commit)
    for stream, commits in streams.items():
        aggregate = AGGREGATES[AggregateId.parse(stream).category]
        if aggregate is transfer:
            continue
        state = aggregate.decider.initial
        for commit in commits:
            events = [e for stored in commit.blind().events for e in aggregate.codec.decode(stored)]
            frozen = state.status == "frozen"
            state = aggregate.decider.fold(events, state)
            booked = any("ited" in event.name for event in commit.events)
            debited = any("debited" in event.name for event in commit.events)
            # What two accounts decided apart may be too much for the one that they became.
            own = commit.root is None or kind != "merge"
            overdrawn = state.status != "missing" and state.balance + state.credit_limit < 0
            if own and debited and overdrawn:
                yield f"G2: {stream} is overdrawn at version {commit.version}"
            refund = any(event.body.get("operation") == "transfer-back" for event in commit.events)
            if booked and own and frozen and not refund:
                yield f"G2: {stream} took a booking while frozen, at version {commit.version}"
