"""A deployment in one process: clients, API, relays, views and sweeper as tasks."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from operator import itemgetter
from random import Random
from typing import TYPE_CHECKING, Any

from chalicelib.bank.account.views import balances, bookings, ranking, totals
from chalicelib.bank.notices.policies import notify
from chalicelib.bank.transfer.deadlines import next_step
from chalicelib.bank.transfer.policies import credit_target, debit_source, refund_source
from chalicelib.bank.transfer.views import transfers
from chalicelib.domain import DOMAIN
from chalicelib.leftfold.archive.pruner import Pruner
from chalicelib.leftfold.archive.segments import SegmentedLog
from chalicelib.leftfold.commands.handler import ContentionError
from chalicelib.leftfold.kernel import (
    Commit,
    Email,
    Policy,
    Reaction,
    Recorded,
    Row,
    View,
)
from chalicelib.leftfold.kernel.commit import instant
from chalicelib.leftfold.kernel.repair import NO_REPAIRS
from chalicelib.leftfold.policies.deadlines import Timekeeper
from chalicelib.leftfold.policies.mailing import MemoryMailer
from chalicelib.leftfold.policies.work import Cause, PolicyWork, effect_of
from chalicelib.leftfold.projection.ahead import Ahead
from chalicelib.leftfold.projection.fold import PoisonError, category_of, recorded_of
from chalicelib.leftfold.projection.memory import MemoryRows
from chalicelib.leftfold.projection.partitioned import PartitionedRunner
from chalicelib.leftfold.projection.replay import replay
from chalicelib.leftfold.projection.runner import ViewWork
from chalicelib.leftfold.relay.publisher import Published, Publisher
from chalicelib.leftfold.relay.relay import Relay, wanted_of
from chalicelib.leftfold.relay.sequencer import WARY, Sequencer
from chalicelib.leftfold.relay.sweeper import Sweeper
from chalicelib.leftfold.store.bus import LaneRecord
from chalicelib.leftfold.store.memory import (
    MemoryArchive,
    MemoryCheckpoints,
    MemoryEffects,
    MemoryParking,
)
from chalicelib.leftfold.store.ports import EffectKey, Unavailable
from chalicelib.leftfold.subjects.memory import MemoryKeys
from chalicelib.leftfold.subjects.vault import Vault
from tests.simulation.ports import Faulty, PartialRows, ReplicatedEvents, SteppedLog
from tests.simulation.scheduler import DAY, MINUTE, Scheduler
from tests.teller import Teller
from tests.vaults import vault_of

if TYPE_CHECKING:
    from chalicelib.leftfold.store.readers import Reader

START = datetime(2026, 1, 1, tzinfo=UTC)
# Clocks differ by under five minutes between any client and any function.
SKEW = 149.0
VIEWS = (balances, ranking, bookings, totals, transfers)
POLICIES = (debit_source, credit_target, refund_source, notify)
FOLLOWERS: tuple[View | Policy, ...] = (totals, transfers, *POLICIES)
SLICE = 8


class NotYetUnderstoodError(Exception):
    """What a view raises on an event that its code cannot take yet."""


def replayed(world: "World", view: View) -> None:
    """Folds the whole log into a view's rows, as `leftfold replay` does."""
    replay(view, world.log, lambda _position: None, opener=world.vault)


@dataclass
class Parts:
    """What a mutant may replace: each makes one part of the world."""

    log: Callable[[], SteppedLog] = SteppedLog
    rows: Callable[[], MemoryRows] = MemoryRows
    checkpoints: Callable[[], MemoryCheckpoints] = MemoryCheckpoints
    parking: Callable[[], MemoryParking] = MemoryParking
    bank: type[Teller] = Teller
    sequencer: type[Sequencer] = Sequencer
    pruner: type[Pruner] = Pruner
    publisher: type[Publisher] = Publisher
    partitioned: type[PartitionedRunner] = PartitionedRunner
    acting: type[PolicyWork] = PolicyWork
    policy: type[PartitionedRunner] = PartitionedRunner
    replay: Callable[["World", View], None] = replayed
    has_sweeper: bool = True
    # Three clients who ask for transfers above all, where that is what a mutant gets wrong.
    hurries: bool = False


@dataclass
class World:
    """All storage, and the transport between the functions, with its faults."""

    scheduler: Scheduler
    parts: Parts = field(default_factory=Parts)
    poisoned: set[tuple[str, str, int]] = field(default_factory=set)
    saved: dict[str, dict[str, list[tuple[int, Row | None]]]] = field(default_factory=dict)
    moved: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    bus_is_down_until: float = 0.0
    idle_relays: list[Relay] = field(default_factory=list)
    stream_records: list[Commit] = field(default_factory=list)
    bus_records: dict[str, list[LaneRecord]] = field(default_factory=dict)
    appended: list[Commit] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    transfers: int = 0
    unplanned: list[Email] = field(default_factory=list)
    invocations: int = 0
    wary: int = WARY
    # What a query with minVersion was told at once, by stream and version, where clients ask.
    asks: bool = False
    told: list[tuple[str, int, Row | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.events = ReplicatedEvents(self.scheduler)
        self.table = self.parts.log()
        self.table.between = self.scheduler.travel
        self.archive = MemoryArchive()
        self.log = self.whole(self.table)
        self.checkpoints = self.parts.checkpoints()
        self.parking = self.parts.parking()
        self.rows = {view.name: self.parts.rows() for view in VIEWS}
        self.views = {view.name: self._failing(view) for view in VIEWS}
        self.policies = {policy.name: self._erring(policy) for policy in POLICIES}
        self.effects = MemoryEffects(lambda: self.now)
        self.mailer = MemoryMailer()
        self.keys = MemoryKeys()
        self.vault = vault_of(self.keys, lambda: self.scheduler.now)

    @property
    def random(self) -> Random:
        return self.scheduler.random

    def whole(self, table: Any) -> SegmentedLog:
        """The log over a table, and the segments."""
        return SegmentedLog(table, self.archive)

    # --- what the functions are made of

    def stored(self, told: Callable[[str, tuple[Any, ...], Any], None] = lambda *_: None) -> Any:
        """The events, as one invocation reaches them."""
        return Faulty(self.events, self.scheduler, told)

    def own_vault(self) -> Vault:
        """The vault of the process that an invocation runs in."""
        return self.vault

    def bank(self, fingerprint: str) -> Teller:
        """The API's command handler, as one invocation has it."""
        skew = timedelta(seconds=self.random.uniform(-SKEW, SKEW))
        bank = self.parts.bank(self.stored(self._after_commit), fingerprint)
        bank.clock = lambda: self.now + skew  # type: ignore[assignment]
        bank.pause = self.pause
        bank.vault = self.own_vault()
        return bank

    def relay(self) -> Relay:
        """The relay's code, as one invocation has it."""
        log: Any = self.whole(Faulty(self.table, self.scheduler, self._after_block))
        checkpoints = Faulty(self.checkpoints, self.scheduler, self._after_move)
        events = self.stored()
        return Relay(
            self.parts.sequencer(
                events,
                log,
                self.pause,
                lambda _held_back: None,
                clock=lambda: self.now,
                wary=self.wary,
            ),
            self.parts.publisher(log, self, checkpoints),
            lambda _error: None,
        )

    def policy(self, policy: str) -> PartitionedRunner:
        """A policy's runner, as one invocation has it."""
        self.invocations += 1
        handler = self.bank(self.random.choice(["fold-1", "fold-2"])).handler
        acting = self.parts.acting(
            self.policies[policy],
            handler,
            Faulty(self.effects, self.scheduler),
            Faulty(self.mailer, self.scheduler, self._after_send),
            f"invocation-{self.invocations}",
            self.pause,
            map,
            handler.vault,
            self.random.choice([1, 5, 100]),
        )
        return self.parts.policy(
            acting,
            self.whole(Faulty(self.table, self.scheduler)),
            Faulty(self.checkpoints, self.scheduler, self._after_move),
            Faulty(self.parking, self.scheduler, self._after_park),
            self.pause,
        )

    def runner(self, view: str) -> Any:
        """The runner of a view or a policy, as one invocation has it."""
        if view in self.policies:
            return self.policy(view)
        log = self.whole(Faulty(self.table, self.scheduler))
        checkpoints = Faulty(self.checkpoints, self.scheduler, self._after_move)
        rows = Faulty(
            PartialRows(self.rows[view], self.scheduler), self.scheduler, self._after_save(view)
        )
        parking = Faulty(self.parking, self.scheduler, self._after_park)
        return self.parts.partitioned(
            ViewWork(self.views[view], rows, opener=self.own_vault()),
            log,
            checkpoints,
            parking,
            self.pause,
        )

    def sweeper(self) -> Sweeper:
        """The sweeper's code, as one invocation has it."""
        events = self.stored()
        log = self.whole(Faulty(self.table, self.scheduler))
        checkpoints = Faulty(self.checkpoints, self.scheduler)
        readers: list[Reader] = [*VIEWS, *POLICIES]
        return Sweeper(
            events,
            log,
            self.relay(),
            checkpoints,
            self,
            readers,
            lambda: self.now,
            self._found_strays,
        )

    def pruner(self) -> Pruner:
        """The pruner's code, as one invocation has it."""
        table, archive = (Faulty(port, self.scheduler) for port in (self.table, self.archive))
        readers: list[Reader] = [*VIEWS, *POLICIES, Published()]
        return self.parts.pruner(
            table, archive, Faulty(self.checkpoints, self.scheduler), readers, lambda: self.now
        )

    def _found_strays(self, places: Sequence[tuple[str, int]]) -> None:
        raise AssertionError(f"nobody wrote {places}")

    def timekeeper(self) -> Timekeeper:
        """The deadlines' code, as one invocation has it."""
        handler = self.bank("fold-1").handler
        return Timekeeper([next_step], self._overdue, handler, lambda: self.now)

    def _overdue(self, view: str, now: datetime) -> Iterator[Row]:
        """What the search finds: transfers that wait, as far as the view has come."""
        rows = [
            {**row, "tenant": key.partition("/")[0]}
            for key, (row, _, _) in self.rows[view].scan()
            if row and row["deadline"]
        ]
        overdue = [row for row in rows if row["deadline"] < instant(now)]
        yield from sorted(overdue, key=itemgetter("deadline"), reverse=True)

    @property
    def now(self) -> datetime:
        return START + timedelta(seconds=self.scheduler.now)

    def pause(self, attempt: int) -> None:
        self.scheduler.sleep(self.random.uniform(0, 0.01 * 2**attempt))

    # --- invocations

    def start_relay(self) -> None:
        """Invokes the relay with some of the waiting stream records, in any order."""
        batch = self._taken(self.stream_records)
        if batch:
            wanted = wanted_of((c.aggregate_id, c.version) for c in batch)
            self._invoke(
                "relay",
                lambda: self._relay_once(wanted, batch),
                again=lambda: self._deliver(batch, self.stream_records, self.start_relay),
            )

    def _relay_once(self, wanted: dict[str, int], batch: list[Commit]) -> None:
        """A warm instance, if one is idle and lives on: it remembers what it wrote last."""
        warm = self.idle_relays and self.random.random() < 0.8
        relay = self.idle_relays.pop() if warm else self.relay()
        try:
            relay.run(wanted, batch)
        except Unavailable:
            self.idle_relays.append(relay)
            raise
        self.idle_relays.append(relay)

    def start_view(self, view: str) -> None:
        """Invokes a view's function with some of the waiting bus records, in any order."""
        waiting = self.bus_records.setdefault(view, [])
        batch = self._taken(waiting)
        if batch:
            self._invoke(
                view,
                lambda: self.runner(view).handle(batch),
                again=lambda: self._deliver(batch, waiting, lambda: self.start_view(view)),
            )

    def start_sweeper(self, after: float = 0.0) -> None:
        """Invokes the sweeper."""
        if self.parts.has_sweeper:
            self._invoke("sweeper", lambda: self.sweeper().run(), after=after)

    def start_pruner(self, after: float = 0.0) -> None:
        """Invokes the pruner, which prunes what is an hour old."""
        self._invoke("pruner", self._prune, after=after)

    def _prune(self) -> None:
        for _ in self.pruner().run(self.now - timedelta(hours=1)):
            pass

    def start_deadlines(self, after: float = 0.0) -> None:
        """Invokes the function that tells transfers of their deadlines."""
        self._invoke("deadlines", self._tell_of_deadlines, after=after)

    def _tell_of_deadlines(self) -> None:
        try:
            self.timekeeper().run(lambda: True)
        except* (Unavailable, ContentionError):
            pass

    def start_redrive(self, view: str, scope: str, after: float = 0.0) -> None:
        """A person redrives a stream that may be parked, or a tenant in an ordered view."""
        self._invoke("redrive", lambda: self.runner(view).redrive(scope), after=after)

    def wake(self, function: str, _wanted: Mapping[str, int] = {}) -> None:
        """The waker: a wake may be lost, or be heard twice."""
        if not self.scheduler.strikes("drop"):
            for _ in range(2 if self.scheduler.strikes("repeat") else 1):
                self._invoke(function, lambda: self._follow(function))

    def publish(self, records: Sequence[LaneRecord]) -> None:
        """The bus: each record may be lost, repeated, late, out of order, or not taken."""
        self.scheduler.travel()
        for record in records:
            is_down = self.scheduler.now < self.bus_is_down_until
            self.scheduler.faults["bus_down"] += is_down
            if is_down or self.scheduler.strikes("fail_before"):
                raise Unavailable("publish: some records were not taken")
            copy = LaneRecord.from_bytes(record.to_bytes())
            for view in (v.name for v in VIEWS if v.fed == "bus"):
                waiting = self.bus_records.setdefault(view, [])
                self._deliver([copy], waiting, partial(self.start_view, view))

    def _follow(self, view: str) -> None:
        runner = self.runner(view)
        while runner.catch_up(SLICE):
            pass

    def _invoke(
        self,
        name: str,
        code: Callable[[], object],
        *,
        again: Callable[[], None] = lambda: None,
        after: float = 0.0,
    ) -> None:
        """Runs a function; Lambda starts it *again* when it fails, though not for ever."""
        failed = [True]

        def handler() -> None:
            try:
                code()
            except (Unavailable, ContentionError, PoisonError):
                return
            failed[0] = False

        def done(_ended: bool) -> None:  # noqa: FBT001 - the scheduler's word
            if failed[0] and self.random.random() < 0.7:
                again()

        self.scheduler.spawn(name, handler, after=after, done=done)

    def _deliver(self, items: Sequence[Any], waiting: list[Any], start: Callable[[], None]) -> None:
        scheduler = self.scheduler
        for item in items:
            if scheduler.strikes("drop"):
                continue
            copies = 2 if scheduler.strikes("repeat") else 1
            for _ in range(copies):
                delay = self.random.uniform(0, 2)
                if scheduler.strikes("late"):
                    delay = self.random.uniform(0, 10 * MINUTE)
                if scheduler.strikes("day_late"):
                    delay = DAY + self.random.uniform(0, MINUTE)
                self.later(delay, partial(self._arrive, item, waiting, start))

    def _arrive(self, item: Any, waiting: list[Any], start: Callable[[], None]) -> None:
        waiting.append(item)
        start()

    def later(self, delay: float, act: Callable[[], object]) -> None:
        """Does something after *delay* seconds."""
        self.scheduler.spawn("transport", act, after=delay, mortal=False)

    def _taken(self, waiting: list[Any]) -> list[Any]:
        count = min(len(waiting), self.random.randint(1, 8))
        if self.random.random() < 0.3:
            self.random.shuffle(waiting)
        batch, waiting[:count] = waiting[:count], []
        return batch

    # --- what the world notices

    def _after_commit(self, name: str, args: tuple[Any, ...], answer: Any) -> None:
        if name == "append" and answer is None:
            self.appended.append(args[0])
            self._deliver([args[0]], self.stream_records, self.start_relay)
            if self.asks and len(self.appended) % 4 == 0:
                self._ask_for(args[0])

    def _ask_for(self, commit: Commit) -> None:
        """Asks for the account as the commit left it, wherever relay and view are by now."""
        if category_of(commit.aggregate_id) in balances.categories:
            found = Ahead(
                balances,
                self.rows[balances.name],
                self.log,
                self.events,
                self.checkpoints,
                self.parking,
                self.vault,
                NO_REPAIRS,
            ).row(commit.aggregate_id, commit.version)
            if found is not None:
                self.told.append((commit.aggregate_id, commit.version, found.row))

    def _after_block(self, name: str, args: tuple[Any, ...], answer: Any) -> None:
        if name == "append" and answer is True:
            for follower in FOLLOWERS:
                if follower.categories.intersection(args[0].categories):
                    self.wake(follower.name)

    def _after_move(self, name: str, args: tuple[Any, ...], answer: Any) -> None:
        if name == "move" and answer:
            reader, key, _, new = args
            self.moved.setdefault((reader, key), []).append(new)
            if reader in self.policies:
                self._look_at_passed(*args)

    def _look_at_passed(self, policy: str, _slot: int, old: int, new: int) -> None:
        """Notes a step that a policy has passed, whose command was taken and is not recorded."""
        known = {commit.command_id for commit in self.appended}
        heard = {aggregate.category for aggregate in self.policies[policy].hears}
        for block in self.log.blocks(old + 1):
            for position, commit in enumerate(block.commits, block.first_position):
                passed = old < position <= new
                if not passed or category_of(commit.aggregate_id) not in heard:
                    continue
                parked = self.parking.find(policy, [commit.aggregate_id])
                for cause in self._causes(policy, position, commit):
                    taken, answered = (
                        cause.command_id(policy, what) for what in ("command", "accepted")
                    )
                    if taken in known and answered not in known and not parked:
                        self.unanswered.append(f"{policy} {commit.aggregate_id} {commit.version}")

    def _causes(self, policy: str, position: int, commit: Commit) -> Iterator[Cause]:
        """What the policy reacts to in the commit, by the name of each reaction."""
        codec = DOMAIN.aggregates[category_of(commit.aggregate_id)].codec
        whole = {one.name: one for one in POLICIES}[policy]
        for recorded in recorded_of(codec, position, self.vault.opened([commit])[0]):
            for reaction in whole.reactions(recorded):
                yield Cause(recorded, commit, reaction.name)

    def _after_park(self, name: str, args: tuple[Any, ...], answer: Any) -> None:
        """People mend what parked a stream or a tenant, after a while, and redrive it."""
        if name == "park" and answer:
            view, scope, _ = args
            mended = self.random.uniform(0, self.random.choice([0.1, 1, 10, 10 * MINUTE]))
            self.later(mended, lambda: self._mend(view, scope))
            for _ in range(self.random.randint(0, 8)):
                self.start_redrive(view, scope, mended + self.random.uniform(0, 2))

    def _after_send(self, _name: str, args: tuple[Any, ...], _answer: Any) -> None:
        if effect_of(args[0]) not in map(self.decided, self.effects.stored):
            self.unplanned.append(args[0])

    def decided(self, key: EffectKey) -> Any:
        """An effect of the ledger, opened."""
        effect = self.effects.stored[key].effect
        if "sealed" not in effect:
            return effect
        place = ("effect", *key)
        text = self.vault.open_whole("main", effect["subjects"], place, effect["sealed"])
        return None if text is None else json.loads(text)

    def _mend(self, view: str, scope: str) -> None:
        self.poisoned -= {
            poison for poison in self.poisoned if poison[0] == view and poison[1].startswith(scope)
        }

    def _after_save(self, view: str) -> Callable[[str, tuple[Any, ...], Any], None]:
        history = self.saved.setdefault(view, {})

        def note(name: str, args: tuple[Any, ...], conflicts: Any) -> None:
            if name == "save":
                for save in args[0]:
                    if save.key not in conflicts:
                        history.setdefault(save.key, []).append((save.position, save.row))

        return note

    def _failing(self, view: View) -> View:
        """The view, which fails on poisoned commits until they are taken from the set."""

        def fold(row: Row | None, recorded: Recorded, key: str) -> Row | None:
            if (view.name, recorded.aggregate_id, recorded.version) in self.poisoned:
                self.scheduler.faults["poison"] += 1
                raise NotYetUnderstoodError(view.name)
            return view.fold(row, recorded, key)

        return replace(view, fold=fold)

    def _erring(self, policy: Policy) -> Policy:
        """The policy, which fails on poisoned commits until they are taken from the set."""

        def react(recorded: Recorded) -> Iterable[Reaction | Email]:
            if (policy.name, recorded.aggregate_id, recorded.version) in self.poisoned:
                self.scheduler.faults["poison"] += 1
                raise NotYetUnderstoodError(policy.name)
            return policy.react(recorded)

        return replace(policy, react=react)
