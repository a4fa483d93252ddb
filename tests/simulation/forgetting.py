"""Histories in which people are forgotten while commands, views, policies, archiver and a second
application are at work, and processes die or hang at any call.

Every process keeps keys for as long as the code lets it, and a function lives for a quarter of an
hour. Whatever a person is called, and whatever is written for her, begins with `secret`.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any

from chalicelib.bank.account.domain import Book, Open
from chalicelib.bank.account.views import balances, bookings
from chalicelib.bank.transfer.domain import RequestTransfer
from chalicelib.bank.transfer.views import transfers
from chalicelib.domain import DOMAIN
from chalicelib.leftfold.archive.archiver import Archiver
from chalicelib.leftfold.archive.epochs import ArchiveConflictError
from chalicelib.leftfold.archive.events import ArchivedEvents
from chalicelib.leftfold.commands import handler
from chalicelib.leftfold.commands.loading import BrokenStreamError
from chalicelib.leftfold.erasure.auditing import Auditing
from chalicelib.leftfold.erasure.erasing import Eraser, UnknownSubjectError
from chalicelib.leftfold.kernel import ERASED, AggregateId, Commit, Email, Recorded, Row, View
from chalicelib.leftfold.kernel.personal import values_at
from chalicelib.leftfold.kernel.repair import NO_REPAIRS
from chalicelib.leftfold.projection.fold import category_of
from chalicelib.leftfold.projection.replay import compare, replay
from chalicelib.leftfold.relay.sequencer import WARY
from chalicelib.leftfold.store.ports import EffectKey
from chalicelib.leftfold.subjects.audit import audit, key_of, with_engines_own
from chalicelib.leftfold.subjects.memory import MemoryKeyService
from chalicelib.leftfold.subjects.vault import KEY_AGE, Vault
from tests.simulation.clients import Call, Client
from tests.simulation.history import any_chances, bodies_are_wrong, stopped
from tests.simulation.laws import (
    chain_is_broken,
    checkpoints_went_back,
    real_time_is_turned,
    rows_differ,
    rules_are_broken,
    streams_are_broken,
)
from tests.simulation.money import (
    NOTICES,
    address_of,
    answers_are_late,
    money_appears,
    policies_are_behind,
    transfers_are_wrong,
)
from tests.simulation.ports import Faulty, PartialRows
from tests.simulation.scheduler import CALM, DAY, HOUR, MINUTE, Scheduler
from tests.simulation.world import VIEWS, NotYetUnderstoodError, World

LONGEST = 15 * MINUTE
NAPS = (1.0, 10.0, MINUTE, 10 * MINUTE)
# A function of the green application has the name of its view, with this before it.
GREEN = "green_"
GREEN_VIEWS = tuple(replace(v, name=GREEN + v.name) for v in (balances, bookings, transfers))
APPLICATIONS: Mapping[str, tuple[View, ...]] = {"blue": VIEWS, "green": GREEN_VIEWS}
PROCESSES = 4
STEPS = 400_000
ROUNDS = 5


@dataclass(frozen=True)
class Forgotten:
    """What a history was made of, and the laws it broke."""

    seed: int
    steps: int
    commits: int
    faults: Counter[str]
    outcomes: Counter[str]
    broken: list[str]


class Person(Client):
    """A client whose every text says that it is secret, and whose."""

    def worded(self, command: Any, key: str) -> Any:
        match command:
            case Open():
                return replace(command, owner=f"secret {key}", email=f"secret {key}@example.com")
            case Book(booked):
                purpose = f"secret {key} {self.world.random.randrange(1000)}"
                return Book(tuple(replace(each, purpose=purpose) for each in booked))
            case RequestTransfer(order):
                mine = f"secret {order.source}"
                address = order.notify and f"{mine}@example.com"
                return replace(command, order=replace(order, purpose=mine, notify=address))
        return command


@dataclass
class ForgettingWorld(World):
    """A deployment with two applications, an archive, and processes that keep keys."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.table_of_events = self.events
        self.events = ArchivedEvents(self.table_of_events, self.archive)  # type: ignore[assignment]
        self.rows |= {view.name: self.parts.rows() for view in GREEN_VIEWS}
        self.views |= {view.name: self._failing(view) for view in GREEN_VIEWS}
        self.stored_keys: Any = Faulty(self.keys, self.scheduler, self._after_key)
        now = lambda: self.scheduler.now  # noqa: E731
        service = MemoryKeyService()
        self.processes = [Vault(self.stored_keys, service, now) for _ in range(PROCESSES)]
        self.erased: dict[str, float] = {}
        self.sent: list[tuple[float, Email]] = []
        self.reasons: list[str] = []
        self.shown: list[str] = []

    @property
    def fresh(self) -> Vault:
        """The vault of a process that has just begun."""
        return Vault(self.keys, MemoryKeyService(), lambda: 0.0)

    def own_vault(self) -> Vault:
        return self.random.choice(self.processes)

    def stored(self, told: Callable[[str, tuple[Any, ...], Any], None] = lambda *_: None) -> Any:
        table: Any = Faulty(self.table_of_events, self.scheduler, told)
        archive: Any = Faulty(self.archive, self.scheduler)
        return ArchivedEvents(table, archive)

    def eraser(self, application: str) -> Eraser:
        """The erasures' code, as one invocation of an application has it."""
        bank = self.bank("fold-1")
        audits = replace(bank.handler, fingerprints={audit.category: "audit"})
        return Eraser(
            application,
            self.stored_keys,
            audits.vault,
            self.stored(),
            self.whole(Faulty(self.table, self.scheduler)),
            with_engines_own(DOMAIN.aggregates),
            {view.name: view for view in APPLICATIONS[application]},
            self._rows_of,
            Auditing(audits, audits.clock),
            audits.clock,
            self.pause,
            NO_REPAIRS,
        )

    def _rows_of(self, view: str) -> Any:
        return Faulty(PartialRows(self.rows[view], self.scheduler), self.scheduler)

    def archiver(self) -> Archiver:
        """The archiver's code. No function here lives for an hour."""
        events, log, archive = (
            Faulty(port, self.scheduler)
            for port in (self.table_of_events, self.table, self.archive)
        )
        made: Any = Archiver
        archiver: Archiver = made(events, log, archive, lambda: self.now, timedelta(hours=1))
        return archiver

    # --- invocations

    def start_erasure(self, subject: str, application: str, after: float) -> None:
        """An operator has a subject forgotten, and asks again until there is an answer."""

        def ask() -> None:
            with suppress(UnknownSubjectError):
                eraser = self.eraser(application)
                eraser.run(eraser.begin(subject, "operator:eve", "case-7"))

        again = lambda: self.later(MINUTE, partial(self._invoke, "operator", ask))  # noqa: E731
        self._invoke("operator", ask, again=again, after=after)

    def start_forget(self, application: str, after: float = 0.0) -> None:
        """The function `forget` of an application."""
        self._invoke("forget", lambda: self._go_on(application), after=after)

    def _go_on(self, application: str) -> None:
        eraser = self.eraser(application)
        for erasure in eraser.unfinished():
            eraser.run(erasure)

    def start_green(self, after: float = 0.0) -> None:
        """The green application fills its rows from the log, or goes on with it."""
        for view in GREEN_VIEWS:
            self._invoke(view.name, partial(self._follow, view.name), after=after)

    def start_archiver(self, after: float = 0.0) -> None:
        """Invokes the archiver."""
        self._invoke("archiver", self._archive, after=after)

    def _archive(self) -> None:
        archiver = self.archiver()
        # What another run or a lost message has in hand is left to the next run.
        with suppress(BrokenStreamError, ArchiveConflictError):
            for stream, entry in archiver.candidates():
                for _ in archiver.run(stream, entry, self.now):
                    pass

    # --- what the world notices

    def _after_key(self, name: str, args: tuple[Any, ...], answer: Any) -> None:
        if name == "erase" and answer is not None:
            self.erased.setdefault(args[0].subject, self.scheduler.now)
        if name == "finish":
            self.shown += [
                f"when the report was written, {place}" for place in shown(self, *args[:1])
            ]

    def _after_send(self, _name: str, args: tuple[Any, ...], _answer: Any) -> None:
        self.sent.append((self.scheduler.now, args[0]))

    def _after_park(self, name: str, args: tuple[Any, ...], answer: Any) -> None:
        if name == "park":
            self.reasons.append(args[2].reason)
        super()._after_park(name, args, answer)

    def _failing(self, view: View) -> View:
        """The view, which fails with the event's text on poisoned commits until they are mended."""

        def fold(row: Row | None, recorded: Recorded, key: str) -> Row | None:
            if (view.name, recorded.aggregate_id, recorded.version) in self.poisoned:
                raise NotYetUnderstoodError(str(recorded.event))
            return view.fold(row, recorded, key)

        return replace(view, fold=fold)


def forgetting(seed: int) -> Forgotten:
    """Runs the history of *seed*: the same seed, the same history.

    In half of them a snapshot is due after a few commits, so that there are some.
    """
    random = Random(seed)
    code = vars(handler)
    before, code["SNAPSHOT_EVERY"] = code["SNAPSHOT_EVERY"], random.choice([3, 20])
    try:
        return lived(seed, random)
    finally:
        code["SNAPSHOT_EVERY"] = before


def lived(seed: int, random: Random) -> Forgotten:
    """The history, and whether the laws held."""
    chances = replace(
        any_chances(random, random.choice([0.0, 0.05])),
        zombie=random.choice([0.0, 0.003, 0.02]),
        day_late=0.0,
    )
    scheduler = Scheduler(random, chances, longest=LONGEST, naps=NAPS)
    world = ForgettingWorld(scheduler)
    world.wary = random.choice([0, WARY])
    calls: list[Call] = []
    broken: list[str] = []
    try:
        calls = live(world)
        heal(world)
        broken += violations(world, calls)
    except Exception as error:  # noqa: BLE001 - whatever ends a history is found in its report
        broken.append(stopped(error))
    return Forgotten(
        seed,
        scheduler.steps,
        world.log.head().next_position,
        scheduler.faults,
        Counter(call.outcome for call in calls),
        broken,
    )


def live(world: ForgettingWorld) -> list[Call]:
    """Clients at work, one or two people forgotten, and functions that fail."""
    scheduler, random = world.scheduler, world.random
    for _ in range(random.choice([0, 2, 5])):
        view = random.choice([*VIEWS, *GREEN_VIEWS]).name
        world.poisoned.add((view, f"main/account-{random.choice('ab')}", random.randint(1, 12)))
    crowd = [
        Person(
            world,
            random.sample("abc", random.randint(2, 3)),
            random.randint(8, 20),
            0.0,
            random.choice([(0.0, 1.0, 30.0), (5.0, 100.0, 300.0)]),
            random.choice([0.2, 0.5]),
            0.1,
        )
        for _ in range(random.randint(1, 2))
    ]
    for client in crowd:
        scheduler.spawn("client", client.run, mortal=False)
    began = random.uniform(0, 15 * MINUTE)
    for subject in random.sample("abc", random.choice([1, 1, 2])):
        for _ in range(random.choice([1, 1, 2])):
            application, after = random.choice(["blue", "green"]), began + random.uniform(0, 30)
            world.start_erasure(f"main/account:{subject}", application, after)
    green = random.uniform(0, 30 * MINUTE)
    for number in range(15):
        every = 5 * MINUTE * number + random.uniform(0, 30)
        world.start_forget("blue", every)
        world.start_sweeper(every)
        if every > green:
            world.start_green(every)
            world.start_forget("green", every + random.uniform(0, MINUTE))
        world.start_archiver(HOUR + every)
    world.start_green(green)
    world.start_pruner(HOUR + random.uniform(0, 10 * MINUTE))
    scheduler.run(STEPS)
    return [call for client in crowd for call in client.calls]


def heal(world: ForgettingWorld) -> None:
    """Faults stop; what runs by a schedule brings all to the end."""
    world.scheduler.chances = CALM
    world.poisoned.clear()
    for _ in range(ROUNDS):
        world.scheduler.now += DAY
        world.start_sweeper()
        world.start_deadlines()
        world.start_pruner()
        world.start_archiver()
        world.start_green()
        for application in APPLICATIONS:
            world.start_forget(application)
        for view, aggregate_id, _ in list(world.parking.all()):
            world.start_redrive(view, aggregate_id)
        world.scheduler.run(world.scheduler.steps + STEPS)


def violations(world: ForgettingWorld, calls: list[Call]) -> Iterator[str]:
    """Every law that the history broke, in words."""
    world.vault = world.fresh
    commits = [c for block in world.log.blocks(0) for c in block.commits]
    streams: dict[str, list[Commit]] = defaultdict(list)
    for commit in commits:
        streams[commit.aggregate_id].append(commit)
    yield from somebody_is_shown(world)
    yield from somebody_is_told(world)
    yield from somebody_is_remembered(world)
    yield from others_are_hurt(world, commits)
    yield from effects_are_wrong(world, commits)
    yield from clients_were_told_wrong(commits, calls)
    yield from chain_is_broken(world)
    yield from bodies_are_wrong(world)
    yield from streams_are_broken(world, streams)
    yield from rules_are_broken(world)
    yield from rows_differ(world)
    for view in GREEN_VIEWS:
        replayed = replay(view, world.log, lambda _: None, opener=world.vault)
        for difference in compare(replayed.rows, world.rows[view.name].scan()):
            yield f"I7: {view.name}: {difference}"
    yield from checkpoints_went_back(world)
    yield from money_appears(commits)
    yield from transfers_are_wrong(commits)
    yield from answers_are_late(world)
    yield from policies_are_behind(world)
    if {(c.aggregate_id, c.version) for c in world.appended} != {
        (c.aggregate_id, c.version) for c in commits
    }:
        yield "I8: not everything was logged"


def shown(world: ForgettingWorld, subject: str) -> Iterator[str]:
    """The rows that show data of a subject. A counterpart's bookings say what it was told."""
    key = subject.rpartition(":")[2]
    for name, rows in world.rows.items():
        for row_key, row in rows.scan():
            mine = AggregateId.parse(row_key.partition("/0")[0]).key == key
            if f"secret {key}" in str(row.row) and (mine or not name.endswith("bookings")):
                yield f"{name} {row_key} shows {subject}"


def somebody_is_shown(world: ForgettingWorld) -> Iterator[str]:
    """F1: nothing but a row ever has a plain text, and no row that of a forgotten subject."""
    for place in world.shown:
        yield f"F1: {place}"
    for subject in world.erased:
        for place in shown(world, subject):
            yield f"F1: in the end, {place}"
    for commit in world.appended:
        if "secret" in commit.line or "secret" in str(commit.snapshot):
            yield f"F1: {commit.aggregate_id} {commit.version} is stored in plain text"
    for key, effect in world.effects.stored.items():
        if "secret" in str(effect):
            yield f"F1: the effect {key} is stored in plain text"
    for reason in world.reasons:
        if "secret" in reason:
            yield f"F1: a stream was parked for {reason}"


def somebody_is_told(world: ForgettingWorld) -> Iterator[str]:
    """F1: nobody gets an e-mail once no process can have the key."""
    for at, email in world.sent:
        for subject, since in world.erased.items():
            told = f"secret {subject.rpartition(':')[2]}@" in email.to
            if told and at > since + KEY_AGE + LONGEST:
                yield f"F1: {subject} got an e-mail {at - since} s after it was forgotten"


def somebody_is_remembered(world: ForgettingWorld) -> Iterator[str]:
    """F2: who was forgotten has no key again, a report, and one erasure in the audit."""
    if left := [erasure.subject for erasure in world.keys.unfinished()]:
        yield f"F2: not finished: {left}"
    for subject in world.erased:
        if world.keys.find([subject])[subject].wrapped is not None:
            yield f"F2: {subject} has a key again"
        stream = audit.stream(key_of(subject), "main")
        told = [e.name for c in world.events.range(stream, 1, 100) for e in c.events]
        if told != ["erasure-begun", "subject-erased"]:
            yield f"F2: the audit of {subject} says {told}"


def others_are_hurt(world: ForgettingWorld, commits: list[Commit]) -> Iterator[str]:
    """F3: whatever was written for another can be read as it was written."""
    for sealed, opened in zip(commits, world.vault.opened(commits), strict=True):
        tenant, category, key = AggregateId.parse(sealed.aggregate_id)
        if category == audit.category:
            continue
        codec = DOMAIN.aggregates[category].codec
        for stored in opened.events:
            for field in codec.personal(stored.name):
                for path, owner in values_at(stored.body, field.path):
                    whose = owner.get(field.subject.by) if field.subject.by else key
                    told_by_another = owner.get("transfer") is not None
                    is_erased = owner[path[-1]] == ERASED
                    known = f"{tenant}/account:{whose}" not in world.erased
                    if is_erased and known and not told_by_another:
                        yield f"F3: {sealed.aggregate_id} {sealed.version} lost {'.'.join(path)}"


def effects_are_wrong(world: ForgettingWorld, commits: list[Commit]) -> Iterator[str]:
    """F4: each e-mail is decided once and done, and those to others were sent."""
    due: set[EffectKey] = set()
    for commit in commits:
        if category_of(commit.aggregate_id) == audit.category:
            continue
        (opened,) = world.vault.opened([commit])
        codec = DOMAIN.aggregates[category_of(commit.aggregate_id)].codec
        events = [event for stored in opened.events for event in codec.decode(stored)]
        for index, event in enumerate(events):
            if address := address_of(event):
                name = NOTICES[type(event)]
                key = EffectKey("notify", commit.aggregate_id, commit.version, index, name)
                due.add(key)
                stored = world.effects.stored.get(key)
                if stored is None or stored.answer is None:
                    yield f"F4: {key} was never done"
                elif address != ERASED and address not in {email.to for _, email in world.sent}:
                    yield f"F4: {key} was not sent"
    if more := world.effects.stored.keys() - due:
        yield f"F4: nobody asked for {more}"


def clients_were_told_wrong(commits: list[Commit], calls: list[Call]) -> Iterator[str]:
    """F5: acknowledged commands are in the log once, refused ones are not."""
    found: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for commit in commits:
        found[commit.command_id].append((commit.aggregate_id, commit.version))
    for call in calls:
        places = found.get(call.command_id, [])
        if call.outcome == "acknowledged" and places != [(call.stream, call.version)]:
            yield f"F5: acknowledged at {call.stream} {call.version}, found at {places}"
        if (call.outcome == "refused" and places) or len(places) > 1:
            yield f"F5: {call.outcome}, and found at {places}"
    yield from real_time_is_turned(calls)
