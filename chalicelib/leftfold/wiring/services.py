"""The services that functions, routes and commands use, made of the adapters.

Each service is made, and its module imported, when it is first used. So a Lambda function imports
only the modules that it needs.
"""

import json
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, Unpack

from chalicelib.leftfold import metrics
from chalicelib.leftfold.commands.owning import Owner
from chalicelib.leftfold.errors import told
from chalicelib.leftfold.kernel import Aggregate, Announcer, Domain, Policy, Row
from chalicelib.leftfold.store.logs import WrongLogsError, log_of, record_logs
from chalicelib.leftfold.store.ports import Checkpoints, EventStore
from chalicelib.leftfold.store.readers import WHOLE_LOG, Reader
from chalicelib.leftfold.wiring.adapters import Adapters
from chalicelib.leftfold.wiring.clients import client
from chalicelib.leftfold.wiring.parts import OF_ONE_LOG, Parts
from chalicelib.leftfold.wiring.settings import Settings

if TYPE_CHECKING:
    from chalicelib.leftfold.access.fairness import Fairness
    from chalicelib.leftfold.access.roles import Roles
    from chalicelib.leftfold.access.sealing import Seal
    from chalicelib.leftfold.access.seating import Seating
    from chalicelib.leftfold.access.tokens import Tokens
    from chalicelib.leftfold.archive.archiver import Archiver
    from chalicelib.leftfold.archive.pruner import Pruner
    from chalicelib.leftfold.commands.handler import CommandHandler
    from chalicelib.leftfold.commands.reading import States
    from chalicelib.leftfold.erasure.auditing import Auditing
    from chalicelib.leftfold.erasure.erasing import Eraser
    from chalicelib.leftfold.erasure.export import Export
    from chalicelib.leftfold.kernel.repair import Repair, Repairs
    from chalicelib.leftfold.policies.announcing import AnnouncerWork
    from chalicelib.leftfold.policies.consequences import Consequences
    from chalicelib.leftfold.policies.deadlines import Timekeeper
    from chalicelib.leftfold.policies.outside import Outside
    from chalicelib.leftfold.projection.ahead import Ahead
    from chalicelib.leftfold.projection.filling import Fill
    from chalicelib.leftfold.projection.freshness import Freshness
    from chalicelib.leftfold.projection.partitioned import PartitionedRunner
    from chalicelib.leftfold.projection.runner import Work
    from chalicelib.leftfold.projection.watched import Watch
    from chalicelib.leftfold.relay.relay import Relay, Relaying
    from chalicelib.leftfold.relay.sweeper import Sweeper
    from chalicelib.leftfold.repair.service import Repairer
    from chalicelib.leftfold.store.bus import Bus
    from chalicelib.leftfold.store.following import Follower
    from chalicelib.leftfold.subjects.vault import Vault
    from chalicelib.leftfold.tracing import Traces
    from chalicelib.leftfold.wiring.generations import Generations

# `leftfold package` makes this file; a plain `chalice package` does not.
FINGERPRINTS = Path(__file__).parents[2] / "fingerprints.json"

# The name of the secret that seals cursors.
CURSORS = "cursors"

# Streams whose commands a policy sends at the same time, on half of a client's connections.
AT_ONCE = 16

A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True)
class LateOwner:
    """`Owner` whose code and clients are made at the first stream that its own items do not give to
    this generation.
    """

    first: bool
    # Whether ids may have moved in an earlier change.
    follows: bool
    made: Callable[[], Owner]

    def check_id(self, aggregate_id: str) -> None:
        if self.follows:
            self.made().check_id(aggregate_id)

    def is_nowhere(self, aggregate_id: str) -> bool:
        return self.made().is_nowhere(aggregate_id)

    def take(self, aggregate_id: str) -> None:
        self.made().take(aggregate_id)


@dataclass(frozen=True)
class LateRepairs:
    """`Repairs` whose code and clients are made when a commit could not be read."""

    events: Callable[[], EventStore]

    def of(self, aggregate_id: str, version: int) -> "Repair":
        from chalicelib.leftfold.repair.stored import StoredRepairs

        return StoredRepairs(self.events()).of(aggregate_id, version)


class Services(Adapters):
    """All services of the application; each of *parts* replaces the attribute of its name.

    They read and write one log, `main`; `in_log` gives those of another. Raises TypeError for an
    unknown part.
    """

    # The services of the log `main`, from which those of the other logs are made.
    whole: "Services"

    def __init__(self, settings: Settings, domain: Domain, **parts: Unpack[Parts]) -> None:
        super().__init__(settings, domain)
        unknown = parts.keys() - Parts.__annotations__.keys()
        if unknown:
            raise TypeError(f"Services has no part {', '.join(sorted(unknown))}")
        # An attribute that is set is never computed by its `cached_property`.
        self.__dict__.update(parts)
        self.whole = self
        self._in_logs: dict[str, Services] = {}

    def in_log(self, name: str) -> "Services":
        """The services of the log *name*. All else they share with these. Raises `WrongLogsError`."""
        if name == self.whole.settings.log:
            return self.whole
        if name not in self.settings.logs:
            raise WrongLogsError(
                f"there is work in the log {name!r}, and the settings name {self.settings.logs}; deploy"
                " application and truth with the same number of logs (infra/stages.toml)"
            )
        if name not in self._in_logs:
            made = copy(self)
            shared = self.__dict__.keys() & (Parts.__annotations__.keys() - OF_ONE_LOG)
            made.__dict__ = {
                **{part: self.__dict__[part] for part in shared},
                "domain": self.domain,
                "settings": self.settings.in_log(name),
                "whole": self.whole,
                "_in_logs": self._in_logs,
                **(self.parts_of(name) if self.parts_of else {}),
            }
            self._in_logs[name] = made
        return self._in_logs[name]

    def in_log_of(self, aggregate_id: str) -> "Services":
        """The services of the log that a stream is in, or all streams of a tenant."""
        return self.in_log(log_of(aggregate_id, self.settings.logs))

    @property
    def in_each_log(self) -> "Sequence[Services]":
        """The services of each log."""
        return [self.in_log(name) for name in self.settings.logs]

    @cached_property
    def parts_of(self) -> "Callable[[str], Parts] | None":
        """The parts of each log, where a caller replaces them."""
        return None

    @cached_property
    def tokens(self) -> "Tokens":
        from chalicelib.leftfold.access.keys import Keys
        from chalicelib.leftfold.access.tokens import Tokens

        settings = self.settings
        keys = Keys(self.signing_keys, self.clock)
        return Tokens(settings.issuer, settings.audience, settings.tenant_claim, keys, self.clock)

    @cached_property
    def roles(self) -> "Roles | None":
        """The roles that may call, where requests are signed; None where they have tokens."""
        if not self.settings.roles:
            return None
        from chalicelib.leftfold.access.roles import Roles, roles_of

        return Roles(roles_of(self.settings.roles))

    @cached_property
    def fairness(self) -> "Fairness":
        from chalicelib.leftfold.access.fairness import Fairness

        return Fairness(self.request_counts, self.settings.tenant_rate, self.clock)

    @cached_property
    def feed_seats(self) -> "Seating":
        """Seats in the function `feed`, for as long as a request is served there."""
        return self._seating("feed", self.settings.feed_seats)

    @cached_property
    def wait_seats(self) -> "Seating":
        """Seats for requests that wait for a view."""
        return self._seating("wait", self.settings.wait_seats)

    def _seating(self, room: str, most: int) -> "Seating":
        from chalicelib.leftfold.access.seating import Seating

        return Seating(self.seats, room, most, self.clock, self.new_id)

    @cached_property
    def cursors(self) -> "Seal":
        """Seals the places at which the pages of lists end."""
        from chalicelib.leftfold.access.sealing import Seal

        return Seal(self.secrets.secret(CURSORS))

    @cached_property
    def vault(self) -> "Vault":
        """One for all logs, so that a data key is cached once."""
        return super().vault if self.whole is self else self.whole.vault

    @cached_property
    def policies(self) -> Mapping[str, Policy | Announcer]:
        return self.domain.policies

    @property
    def readers(self) -> Sequence[Reader]:
        """All views and policies."""
        return [*self.views.values(), *self.policies.values()]

    def stored_name(self, name: str) -> str:
        """The name under which the view or the policy *name* is stored."""
        return next((r.stored_name for r in self.readers if r.name == name), name)

    def stored_under(self, stored_name: str) -> str:
        """The name of the view or the policy that is stored under *stored_name*."""
        return next((r.name for r in self.readers if r.stored_name == stored_name), stored_name)

    @property
    def followers(self) -> Sequence[Reader]:
        """The readers that follow the log; Kinesis feeds the others."""
        return [reader for reader in self.readers if reader.fed == "log"]

    @property
    def pruning_waits_for(self) -> Sequence[Reader]:
        """The readers that must have passed a block of the log before it is pruned."""
        return self.readers

    def measured_as(self, reader: Reader) -> Mapping[str, str]:
        """The dimensions of the reader's metrics."""
        return {"view": reader.name}

    @cached_property
    def aggregates(self) -> Mapping[str, Aggregate]:
        """All aggregates by category: those of the domain, and the engine's own.

        Raises ValueError if the domain has an aggregate of the engine's name.
        """
        from chalicelib.leftfold.subjects.audit import with_engines_own

        return with_engines_own(self.domain.aggregates)

    @cached_property
    def fingerprints(self) -> Mapping[str, str]:
        """Fold fingerprint per category.

        In an unpackaged process a random one, so that it trusts only its own snapshots.
        """
        if FINGERPRINTS.exists():
            packaged: dict[str, str] = json.loads(FINGERPRINTS.read_text())["folds"]
            return packaged
        return dict.fromkeys(self.aggregates, f"unpackaged {self.new_id()}")

    @cached_property
    def handler(self) -> "CommandHandler":
        from chalicelib.leftfold.commands.handler import CommandHandler

        return CommandHandler(
            self.events,
            self.fingerprints,
            self.clock,
            self.pause,
            self.vault,
            self.repairs,
            self.owner,
        )

    @cached_property
    def owner(self) -> Owner:
        """Hands over the streams that another generation has."""
        settings = self.settings
        return LateOwner(
            settings.earlier is None, settings.ordinal > 0, lambda: self.generations.owner
        )

    @cached_property
    def generations(self) -> "Generations":
        """One for all logs: it knows each of them by itself."""
        from chalicelib.leftfold.wiring.generations import Generations

        return Generations(self) if self.whole is self else self.whole.generations

    @cached_property
    def repairs(self) -> "Repairs":
        return LateRepairs(lambda: self.events)

    @property
    def repairer(self) -> "Repairer":
        """What proposes and approves repairs."""
        from chalicelib.leftfold.repair.domain import CATEGORY
        from chalicelib.leftfold.repair.service import Repairer
        from chalicelib.leftfold.repair.stored import StoredRepairs

        handler = replace(self.handler, fingerprints={CATEGORY: f"never kept {self.new_id()}"})
        return Repairer(
            handler,
            self.events,
            self.log,
            self.parking,
            StoredRepairs(self.events),
            self.domain.aggregates,
            self.settings.repairs_need_two,
        )

    @cached_property
    def states(self) -> "States":
        from chalicelib.leftfold.commands.reading import States

        return States(self.events, self.fingerprints, self.vault, self.repairs, self.owner)

    @cached_property
    def bus(self) -> "Bus":
        from chalicelib.leftfold.relay.kinesis import KinesisBus

        return KinesisBus(client("kinesis"), self.settings.named("bus"), self.pause)

    @cached_property
    def outside(self) -> "Outside":
        from chalicelib.leftfold.policies.outside import EventBridge

        return EventBridge(client("events"), self.settings.named("announcements"), side_by_side)

    @cached_property
    def relay(self) -> "Relay":
        from chalicelib.leftfold.relay.publisher import Publisher
        from chalicelib.leftfold.relay.relay import Relay
        from chalicelib.leftfold.relay.sequencer import AT_FIRST, Memory, Sequencer

        memory = Memory(wary=AT_FIRST)
        return Relay(
            Sequencer(self.events, self.log, self.pause, self.alarm, memory, self.clock),
            Publisher(self.log, self.bus, self.checkpoints, self.settings.log),
            self.alarm_unpublished,
        )

    @cached_property
    def relays(self) -> "Relaying":
        """What logs the commits of all streams. Raises `WrongLogsError`, before anything is logged."""
        from chalicelib.leftfold.relay.relay import Relays

        record_logs(self.whole.checkpoints, len(self.settings.logs))
        if len(self.settings.logs) == 1:
            return self.relay
        relays = {each.settings.log: each.relay for each in self.in_each_log}
        return Relays(relays, self.side_by_side)

    @property
    def sweeper(self) -> "Sweeper":
        """The sweeper of all logs."""
        first, *others = self.in_each_log
        return first.sweeper_of_log([each.sweeper_of_log() for each in others])

    def sweeper_of_log(self, beside: "Sequence[Sweeper]" = ()) -> "Sweeper":
        """The sweeper that wakes what is behind this log, with those of the logs *beside*."""
        from chalicelib.leftfold.relay.sweeper import Sweeper

        return Sweeper(
            self.events,
            self.log,
            self.whole.relays,
            self.checkpoints,
            self.waker,
            self.readers,
            self.clock,
            self.alarm_unreadable,
            beside,
        )

    def archiver(self, grace: timedelta) -> "Archiver":
        """The archiver, which leaves epochs alone that were closed less than *grace* ago."""
        from chalicelib.leftfold.archive.archiver import Archiver

        return Archiver(self.event_table, self.log_table, self.archive, self.clock, grace)

    @property
    def pruner(self) -> "Pruner":
        from chalicelib.leftfold.archive.pruner import Pruner
        from chalicelib.leftfold.relay.publisher import Published

        readers = [*self.pruning_waits_for, Published()]
        return Pruner(
            self.log_table,
            self.archive,
            self.checkpoints,
            readers,
            self.clock,
            self.settings.log,
        )

    @cached_property
    def freshness(self) -> "Freshness":
        from chalicelib.leftfold.projection.freshness import Freshness

        return Freshness(
            self.log,
            self.checkpoints,
            self.parking,
            self.waker,
            time.monotonic,
            time.sleep,
            random.random,
        )

    def ahead(self, view: str) -> "Ahead":
        """What folds the rows of a view ahead of it, for one answer."""
        from chalicelib.leftfold.projection.ahead import Ahead

        return Ahead(
            self.views[view],
            self.rows(view),
            self.log,
            self.events,
            self.checkpoints,
            self.parking,
            self.vault,
            self.repairs,
        )

    @cached_property
    def follower(self) -> "Follower":
        from chalicelib.leftfold.store.following import Follower

        return Follower(self.log, time.monotonic, time.sleep)

    def reader(self, name: str) -> "PartitionedRunner":
        """The runner of a view or a policy."""
        if name in self.policies:
            return self.policy(name)
        from chalicelib.leftfold.projection.runner import ViewWork
        from chalicelib.leftfold.subjects.opening import CLOSED

        chosen = self.views[name]
        opener = self.vault if chosen.personal else CLOSED
        work = ViewWork(chosen, self.rows(name), opener=opener, repairs=self.repairs)
        return self._lanes(work, self.checkpoints)

    def fill(self, view: str, units: float = 0) -> "Fill":
        """The fill of a view by this worker, which writes up to *units* a second; 0 is no bound."""
        from chalicelib.leftfold.projection.budget import BudgetedRows
        from chalicelib.leftfold.projection.filling import Fill
        from chalicelib.leftfold.projection.typed import typed
        from chalicelib.leftfold.subjects.opening import CLOSED

        chosen, rows = typed(self.views[view]), self.rows(view)
        log = self.opened_log if chosen.personal else self.replayed_log
        if units:
            rows = BudgetedRows(rows, units, time.monotonic, self.rest)
        return Fill(
            chosen,
            rows,
            log,
            self.checkpoints,
            self.parking,
            self.pause,
            self.clock,
            self.repairs,
            self.vault if chosen.personal else CLOSED,
            has_budget=units > 0,
        )

    def policy(self, policy: str) -> "PartitionedRunner":
        """The runner of a policy."""
        found = self.policies[policy]
        if isinstance(found, Announcer):
            return self._lanes(self.announcing(found), self.beginning(policy))
        from chalicelib.leftfold.policies.work import PolicyWork

        work = PolicyWork(
            found,
            self.handler,
            self.effects,
            self.mailer,
            self.new_id(),
            self.pause,
            self.side_by_side,
            self.vault,
        )
        if self.settings.earlier is not None:
            work = replace(work, passed=self.generations.passed(work.stored_name))
        return self._lanes(work, self.beginning(policy))

    @property
    def consequences(self) -> "Consequences":
        """What became of the steps of policies."""
        from chalicelib.leftfold.policies.consequences import Consequences

        policies = [one for one in self.policies.values() if isinstance(one, Policy)]
        return Consequences(
            policies,
            self.events,
            self.log,
            self.checkpoints,
            self.parking,
            self.effects,
            self.vault,
            self.repairs,
        )

    def announcing(self, announcer: Announcer) -> "AnnouncerWork":
        """What an announcer does."""
        from chalicelib.leftfold.policies.announcing import AnnouncerWork

        source = f"urn:leftfold:{self.settings.truth}:{self.settings.log}"
        return AnnouncerWork(announcer, self.events, self.outside, source, self.repairs, self.pause)

    def beginning(self, policy: str) -> Checkpoints:
        """The checkpoints of a policy, which has one as soon as it is read.

        One that ran in the earlier generation hears all copies, and passes over what was done there.
        """
        from chalicelib.leftfold.policies.beginning import BeginningCheckpoints

        found = self.policies[policy]
        if found.since == "beginning":
            return self.checkpoints
        ran = isinstance(found, Policy) and self.settings.earlier is not None
        if ran and self.generations.begun_before(found.stored_name):
            return self.checkpoints
        return BeginningCheckpoints(found, self.log, self.checkpoints)

    def begin_policies(self) -> None:
        """Decides where policies begin that have never run, and keeps it."""
        for name, policy in self.policies.items():
            if policy.since != "beginning":
                for each in self.in_each_log:
                    each.beginning(name).read(policy.stored_name, [WHOLE_LOG])

    def _lanes(self, work: "Work", checkpoints: Checkpoints) -> "PartitionedRunner":
        from chalicelib.leftfold.projection.partitioned import PartitionedRunner
        from chalicelib.leftfold.projection.watched import WatchedWork

        watched = WatchedWork(work, self._watch(work.name)) if self.traces else work
        return PartitionedRunner(watched, self.log, checkpoints, self.parking, self.pause)

    def _watch(self, reader: str) -> "Watch":
        """What adds a reader's spans to the traces of the commits that it takes."""
        from chalicelib.leftfold.projection.watched import unwatched

        traces = self.traces
        if traces is None:
            return unwatched
        return lambda commits: traces.during(reader, [c.traceparent for _, c in commits])

    @cached_property
    def traces(self) -> "Traces | None":
        """The spans of this process, if they are collected."""
        if not self.settings.otlp_endpoint:
            return None
        from chalicelib.leftfold.tracing import Traces, collector

        return Traces(
            self.settings.truth if self.settings.is_truth else self.settings.stack,
            collector(self.settings.otlp_endpoint, self.settings.otlp_headers),
            lambda count, reason: metrics.emit("SpansLost", count, reason=reason),
        )

    def is_active(self) -> bool:
        """Whether this application is the active one of its truth, and its generation acts."""
        return self.applications.known().active == self.settings.stack and self.acts()

    def acts(self) -> bool:
        """Whether the policies and deadlines of this generation run: those of the active one do."""
        control = self.control.read()
        return control is None or control.active == self.settings.truth

    @cached_property
    def timekeeper(self) -> "Timekeeper":
        from chalicelib.leftfold.policies.deadlines import Timekeeper, overdue

        def find(view: str, now: datetime) -> Iterator[Row]:
            return overdue(self.search_rows(view), now)

        return Timekeeper(self.domain.deadlines.values(), find, self.handler, self.clock)

    @cached_property
    def eraser(self) -> "Eraser":
        from chalicelib.leftfold.erasure.erasing import Eraser

        return Eraser(
            self.settings.stack,
            self.data_keys,
            self.vault,
            self.events,
            self.log,
            self.aggregates,
            self.views,
            self.rows,
            self.auditing,
            self.clock,
            self.pause,
            self.repairs,
        )

    @cached_property
    def auditing(self) -> "Auditing":
        from chalicelib.leftfold.erasure.auditing import Auditing

        return Auditing(self.handler, self.clock)

    @cached_property
    def export(self) -> "Export":
        from chalicelib.leftfold.erasure.export import Export

        return Export(self.data_keys, self.vault, self.events, self.aggregates)

    def health(self) -> Mapping[str, bool | str]:
        """Each dependency of the API by name: True, or the error that it has answered with."""
        from chalicelib.leftfold.wiring.health import health

        return health(self)

    def side_by_side(self, act: Callable[[A], B], items: Iterable[A]) -> list[B]:
        """The result of *act* for each of *items*, with up to `AT_ONCE` of them in parallel."""
        return side_by_side(act, items)

    def alarm(self, blocked: Mapping[str, tuple[str, int]]) -> None:
        """Emits the metric of streams that wait for a cause that is not in the log."""
        metrics.emit("StreamsBlocked", len(blocked), streams=sorted(blocked)[:20])

    def alarm_unpublished(self, error: Exception) -> None:
        """Emits the metric of a publish that the bus refused."""
        metrics.emit("PublishesFailed", 1, reason=told(error))

    def alarm_unreadable(self, keys: Sequence[tuple[str, int]]) -> None:
        """Emits the metric of items in the events table that are no commits, by their keys."""
        metrics.emit("UnreadableCommits", len(keys), reason=f"no commit's keys: {keys[:20]}")


def side_by_side(act: Callable[[A], B], items: Iterable[A]) -> list[B]:
    """The result of *act* for each of *items*, with up to `AT_ONCE` of them in parallel."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(act, items))
