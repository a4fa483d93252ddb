"""Histories of several logs: tenants in different logs, and the functions that all logs share.

Relay, views and sweeper are those of a deployment with several logs. Each has faults as in the other
histories: lost, late and repeated messages, calls that fail, functions that die or sleep.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any

from chalicelib.bank.account.views import balances, totals
from chalicelib.leftfold.kernel import Commit, Row, View
from chalicelib.leftfold.projection.memory import MemoryRows
from chalicelib.leftfold.projection.partitioned import PartitionedRunner
from chalicelib.leftfold.projection.runner import ViewWork
from chalicelib.leftfold.relay.publisher import Publisher
from chalicelib.leftfold.relay.relay import Relay, Relays, wanted_of
from chalicelib.leftfold.relay.sequencer import Sequencer
from chalicelib.leftfold.relay.sweeper import Sweeper
from chalicelib.leftfold.store.bus import LaneRecord
from chalicelib.leftfold.store.logs import log_names, log_of
from chalicelib.leftfold.store.memory import MemoryCheckpoints, MemoryLog, MemoryParking
from chalicelib.leftfold.store.ports import StreamEntry, Unavailable
from chalicelib.leftfold.store.readers import ends_of
from chalicelib.leftfold.subjects.opening import CLOSED
from tests.simulation.history import STEPS, Report, any_chances, stopped
from tests.simulation.laws import (
    chain_is_broken,
    checkpoints_went_back,
    registry_differs,
    rows_differ,
    rows_were_wrong_on_the_way,
    streams_are_broken,
)
from tests.simulation.ports import Faulty, PartialRows, ReplicatedEvents
from tests.simulation.scheduler import CALM, DAY, MINUTE, Scheduler
from tests.simulation.world import START
from tools.bank.bench import credit

TENANTS = tuple(f"tenant-{number}" for number in range(6))
VIEWS: tuple[View, ...] = (balances, totals)
ROUNDS = 3


@dataclass
class Faults:
    """What a mutant takes away."""

    own_checkpoints: bool = True
    sweeps_all: bool = True
    splits_records: bool = True


@dataclass
class Group:
    """A log, and what belongs to it alone. What it shares with the others is in *site*."""

    site: "Site"
    name: str
    log: MemoryLog
    checkpoints: MemoryCheckpoints
    moved: dict[tuple[str, int], list[int]] = field(default_factory=dict)

    def has(self, key: str) -> bool:
        """Whether the tenant of a stream's or a row's key belongs here."""
        return log_of(key, self.site.names) == self.name

    # --- what the functions are made of

    def relay(self) -> Relay:
        site = self.site
        log: Any = Faulty(self.log, site.scheduler, self._after_block)
        return Relay(
            Sequencer(site.stored(), log, site.pause, lambda _: None, clock=lambda: site.now),
            Publisher(log, site, self._checkpoints(), self.name),
            lambda _error: None,
        )

    def runner(self, view: View) -> PartitionedRunner:
        site = self.site
        rows: Any = Faulty(
            PartialRows(site.rows[view.name], site.scheduler),
            site.scheduler,
            partial(site.after_save, view.name),
        )
        return PartitionedRunner(
            ViewWork(view, rows),
            self._port(self.log),
            self._checkpoints(),
            self._port(site.parking),
            site.pause,
        )

    def sweeper(self, relays: Any, beside: Sequence[Sweeper] = ()) -> Sweeper:
        site = self.site
        return Sweeper(
            site.stored(),
            self._port(self.log),
            relays,
            self._port(self.checkpoints),
            self,
            VIEWS,
            lambda: site.now,
            site.found_strays,
            beside,
        )

    def wake(self, function: str, _wanted: Mapping[str, int] = {}, /) -> None:
        """The waker, which says the log that has grown: a wake may be lost, or be heard twice."""
        view = next(view for view in VIEWS if view.name == function)
        for _ in range(self.site.copies()):
            self.site.start(function, lambda: self.follow(view))

    def follow(self, view: View) -> None:
        runner = self.runner(view)
        while runner.catch_up(8):
            pass

    def _port(self, port: Any) -> Any:
        return Faulty(port, self.site.scheduler)

    def _checkpoints(self) -> Any:
        return Faulty(self.checkpoints, self.site.scheduler, self._after_move)

    def _after_block(self, name: str, _args: tuple[Any, ...], answer: Any) -> None:
        if name == "append" and answer is True:
            self.wake(totals.name)

    def _after_move(self, name: str, args: tuple[Any, ...], answer: Any) -> None:
        if name == "move" and answer:
            reader, key, _, new = args
            self.moved.setdefault((reader, key), []).append(new)

    # --- what is left of a history, for the laws

    @property
    def events(self) -> Any:
        return self.site.events

    @property
    def parking(self) -> MemoryParking:
        return self.site.parking

    @property
    def vault(self) -> Any:
        return CLOSED

    @property
    def rows(self) -> Mapping[str, Any]:
        return {name: OfGroup(rows, self) for name, rows in self.site.rows.items()}

    @property
    def saved(self) -> Mapping[str, Mapping[str, Sequence[tuple[int, Row | None]]]]:
        return {
            view: {key: history for key, history in saved.items() if self.has(key)}
            for view, saved in self.site.saved.items()
        }


@dataclass
class OfGroup:
    """The rows of one group's tenants."""

    rows: MemoryRows
    group: Group

    def scan(self) -> Iterator[tuple[str, Any]]:
        return ((key, row) for key, row in self.rows.scan() if self.group.has(key))


@dataclass
class Site:
    """What all logs share: tables, functions, and the transport between them."""

    scheduler: Scheduler
    names: tuple[str, ...]
    faults: Faults
    rows: dict[str, MemoryRows] = field(
        default_factory=lambda: {view.name: MemoryRows() for view in VIEWS}
    )
    saved: dict[str, dict[str, list[tuple[int, Row | None]]]] = field(default_factory=dict)
    parking: MemoryParking = field(default_factory=MemoryParking)
    stream_records: list[Commit] = field(default_factory=list)
    bus_records: dict[str, list[LaneRecord]] = field(
        default_factory=lambda: {view.name: [] for view in VIEWS}
    )

    def __post_init__(self) -> None:
        self.events = ReplicatedEvents(self.scheduler)
        registry: dict[str, StreamEntry] = {}
        shared = MemoryCheckpoints()
        self.groups = {
            name: Group(
                self,
                name,
                MemoryLog(registry),
                MemoryCheckpoints() if self.faults.own_checkpoints else shared,
            )
            for name in self.names
        }

    @property
    def now(self) -> datetime:
        return START + timedelta(seconds=self.scheduler.now)

    def pause(self, attempt: int) -> None:
        self.scheduler.sleep(self.scheduler.random.uniform(0, 0.01 * 2**attempt))

    def stored(self) -> Any:
        return Faulty(self.events, self.scheduler, self._after_commit)

    def relays(self) -> Relays:
        relays = {name: group.relay() for name, group in self.groups.items()}
        return Relays(relays, lambda run, names: [run(name) for name in names])

    def found_strays(self, places: Sequence[tuple[str, int]]) -> None:
        raise AssertionError(f"nobody wrote {places}")

    # --- writers and functions

    def write(self, tenant: str, count: int) -> None:
        """A client's life: bookings on two accounts, each asked for until it is answered."""
        random, versions = self.scheduler.random, Counter[str]()
        for _ in range(count):
            self.scheduler.sleep(random.choice([0.0, 0.01, 1.0, MINUTE]))
            stream = f"{tenant}/account-{random.choice('ab')}"
            versions[stream] += 1
            commit = credit(stream, versions[stream])
            while not self._is_taken(commit):
                self.scheduler.sleep(1.0)

    def _is_taken(self, commit: Commit) -> bool:
        try:
            self.stored().append(commit)
        except Unavailable:
            return False
        return True

    def start(self, name: str, code: Callable[[], object], after: float = 0.0) -> None:
        """Invokes a function, which may fail for what it cannot reach."""

        def run() -> None:
            try:
                code()
            except Unavailable:
                return

        self.scheduler.spawn(name, run, after=after)

    def start_relay(self) -> None:
        batch = self._taken(self.stream_records)
        wanted = wanted_of((c.aggregate_id, c.version) for c in batch)
        self.start("relay", lambda: self.relays().run(wanted, batch))

    def start_view(self, view: View) -> None:
        batch = self._taken(self.bus_records[view.name])
        parts = by_name(batch) if self.faults.splits_records else {self.names[0]: batch}
        for name, records in parts.items():
            self.start(view.name, partial(self._handle, self.groups[name], view, records))

    def _handle(self, group: Group, view: View, records: Sequence[LaneRecord]) -> None:
        group.runner(view).handle(records)

    def start_sweeper(self, after: float = 0.0) -> None:
        self.start("sweeper", self._sweep, after)

    def _sweep(self) -> None:
        relays = self.relays()
        first, *others = self.groups.values()
        beside = [group.sweeper(relays) for group in others] if self.faults.sweeps_all else []
        first.sweeper(relays, beside).run()

    # --- the transport

    def publish(self, records: Sequence[LaneRecord]) -> None:
        """The bus, which all logs share."""
        self.scheduler.travel()
        for record in records:
            if self.scheduler.strikes("fail_before"):
                raise Unavailable("publish: some records were not taken")
            sent = LaneRecord.from_bytes(record.to_bytes())
            for view in VIEWS:
                if view.fed == "bus":
                    self._deliver(sent, self.bus_records[view.name], partial(self.start_view, view))

    def copies(self) -> int:
        """How often a message arrives."""
        if self.scheduler.strikes("drop"):
            return 0
        return 2 if self.scheduler.strikes("repeat") else 1

    def _deliver(self, item: Any, waiting: list[Any], start: Callable[[], None]) -> None:
        for _ in range(self.copies()):
            late = self.scheduler.strikes("late")
            delay = self.scheduler.random.uniform(0, 10 * MINUTE if late else 2)
            self.scheduler.spawn(
                "transport", partial(self._arrive, item, waiting, start), after=delay, mortal=False
            )

    def _arrive(self, item: Any, waiting: list[Any], start: Callable[[], None]) -> None:
        waiting.append(item)
        start()

    def _taken(self, waiting: list[Any]) -> list[Any]:
        count = min(len(waiting), self.scheduler.random.randint(1, 8))
        batch, waiting[:count] = waiting[:count], []
        return batch

    def _after_commit(self, name: str, args: tuple[Any, ...], answer: Any) -> None:
        if name == "append" and answer is None:
            self._deliver(args[0], self.stream_records, self.start_relay)

    def after_save(self, view: str, name: str, args: tuple[Any, ...], conflicts: Any) -> None:
        """Notes what was written of each row."""
        if name == "save":
            for save in args[0]:
                if save.key not in conflicts:
                    history = self.saved.setdefault(view, {}).setdefault(save.key, [])
                    history.append((save.position, save.row))


def by_name(records: Sequence[LaneRecord]) -> dict[str, list[LaneRecord]]:
    """The records of each log: a view's function reads each in that log."""
    parts: dict[str, list[LaneRecord]] = defaultdict(list)
    for record in records:
        parts[record.log].append(record)
    return parts


def logged(seed: int, faults: Faults | None = None) -> Report:
    """Runs the history of *seed*, with two to four logs."""
    random = Random(f"logs {seed}")
    scheduler = Scheduler(random, any_chances(random, 0.0))
    site = Site(scheduler, log_names(random.choice([2, 2, 3, 4])), faults or Faults())
    broken: list[str] = []
    try:
        for tenant in TENANTS:
            scheduler.spawn(
                "client", partial(site.write, tenant, random.randint(1, 8)), mortal=False
            )
        site.start_sweeper(after=random.uniform(0, 10 * MINUTE))
        scheduler.run(STEPS)
        scheduler.chances = CALM
        for _ in range(ROUNDS):
            scheduler.now += DAY
            site.start_sweeper()
            scheduler.run(scheduler.steps + STEPS)
        broken += broken_laws(site)
    except Exception as error:  # noqa: BLE001 - whatever ends a history is found in its report
        broken.append(stopped(error))
    commits = sum(group.log.head().next_position for group in site.groups.values())
    return Report(seed, scheduler.steps, commits, scheduler.faults, Counter(), broken)


def broken_laws(site: Site) -> Iterator[str]:
    """The laws of a log, of each; and that every commit is in the log of its tenant, once."""
    places, _ = site.events.scan(0, 1, None, 10**9)
    for group in site.groups.values():
        commits = [commit for block in group.log.blocks(0) for commit in block.commits]
        streams: dict[str, list[Commit]] = defaultdict(list)
        for commit in commits:
            streams[commit.aggregate_id].append(commit)
        own = sorted((c.aggregate_id, c.version) for c in commits)
        if own != sorted(place for place in places if group.has(place[0])):
            yield f"G1: {group.name} does not have the commits of its tenants"
        yield from chain_is_broken(group)
        yield from streams_are_broken(group, streams)
        yield from registry_differs(group, commits)
        yield from rows_differ(group, VIEWS)
        yield from rows_were_wrong_on_the_way(group, VIEWS)
        yield from checkpoints_went_back(group)
        for view in VIEWS:
            ends = ends_of(view, group.log.head())
            done = group.checkpoints.read(view.stored_name, list(ends))
            if any(done[key] < end for key, end in ends.items()):
                yield f"I8: {view.name} has not come to the end of {group.name}"
    if parked := list(site.parking.all()):
        yield f"I8: still parked: {parked[:3]}"
