"""The app over memory: the real handler, log, runners and views, at a standing clock."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import randbytes
from typing import TYPE_CHECKING, Any

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.commands.handler import CommandHandler
from chalicelib.leftfold.generations.memory import MemoryControl
from chalicelib.leftfold.kernel.uuid7 import uuid7
from chalicelib.leftfold.policies.mailing import MemoryMailer
from chalicelib.leftfold.policies.outside import MemoryOutside
from chalicelib.leftfold.projection.freshness import Freshness
from chalicelib.leftfold.relay.sequencer import Sequencer
from chalicelib.leftfold.repair.stored import StoredRepairs
from chalicelib.leftfold.store.alarms import MemoryAlarms
from chalicelib.leftfold.store.applications import MemoryApplications
from chalicelib.leftfold.store.following import Follower
from chalicelib.leftfold.store.memory import (
    MemoryCheckpoints,
    MemoryEffects,
    MemoryEvents,
    MemoryLog,
    MemoryParking,
    MemoryRequestCounts,
    MemorySeats,
    MemorySecrets,
)
from chalicelib.leftfold.store.ports import EventStore
from chalicelib.leftfold.subjects.audit import audit
from chalicelib.leftfold.subjects.memory import MemoryKeys
from chalicelib.leftfold.wiring import process
from chalicelib.leftfold.wiring.services import Services
from chalicelib.leftfold.wiring.settings import Settings
from tests.clock import Clock
from tests.http.findable import FindableRows
from tests.http.gateway import Gateway
from tests.issuer import ISSUER, SETTINGS
from tests.vaults import vault_of

if TYPE_CHECKING:
    from chalicelib.leftfold.projection.rows import RowStore


FINGERPRINTS = dict.fromkeys((*DOMAIN.aggregates, audit.category), "fold-1")


class Silent:
    """A waker that nobody hears."""

    def wake(self, function: str, _wanted: Mapping[str, int] = {}) -> None:
        pass


@dataclass
class Application(Gateway):
    """The app of this tree over memory, whatever its domain is, and what lies under it."""

    events: EventStore = field(default_factory=MemoryEvents)
    clock: Clock = field(default_factory=Clock)
    waited: float = 0.0

    def __post_init__(self) -> None:
        self.log = MemoryLog()
        self.checkpoints = MemoryCheckpoints()
        self.parking = MemoryParking()
        self.effects = MemoryEffects(self.clock)
        self.alarm_states = MemoryAlarms()
        self.keys = MemoryKeys()
        self.vault = vault_of(self.keys, lambda: self.clock().timestamp())
        self.mailer = MemoryMailer()
        self.outside = MemoryOutside()
        self.secrets = MemorySecrets()
        self.request_counts = MemoryRequestCounts()
        self.seats = MemorySeats()
        self.rows: dict[str, RowStore] = {
            name: FindableRows(view) for name, view in DOMAIN.views.items()
        }
        self.health: dict[str, bool | str] = {"events": True, "search": True}
        self.use(self.events)

    def use(self, events: Any) -> None:
        """Puts *events*, an `EventStore`, under the app."""
        process.use(
            Services(
                Settings({"LEFTFOLD_STACK": "test", **SETTINGS}),
                DOMAIN,
                signing_keys=ISSUER.published,
                secrets=self.secrets,
                request_counts=self.request_counts,
                seats=self.seats,
                clock=self.clock,
                new_id=self.new_id,
                events=events,
                handler=CommandHandler(
                    events, FINGERPRINTS, self.clock, still, self.vault, StoredRepairs(events)
                ),
                data_keys=self.keys,
                vault=self.vault,
                fingerprints=FINGERPRINTS,
                log=self.log,
                checkpoints=self.checkpoints,
                parking=self.parking,
                effects=self.effects,
                alarm_states=self.alarm_states,
                applications=MemoryApplications(active="test"),
                control=MemoryControl(),
                mailer=self.mailer,
                outside=self.outside,
                pause=still,
                rows=self.rows.__getitem__,
                search_rows=self.rows.__getitem__,
                freshness=Freshness(
                    self.log,
                    self.checkpoints,
                    self.parking,
                    Silent(),
                    lambda: self.waited,
                    self._wait,
                    lambda: 0.0,
                ),
                follower=Follower(self.log, lambda: self.waited, self._wait),
                health=lambda: self.health,
            )
        )

    def new_id(self) -> str:
        """A UUIDv7 of this clock's time."""
        return uuid7(self.clock.milliseconds, randbytes(10))

    def sequence(self) -> None:
        """Brings everything that was written into the log."""
        stored, _ = self.events.scan(0, 1, None, 10**6)
        list(Sequencer(self.events, self.log, still, lambda _: None).sequence(dict(sorted(stored))))

    def settle(self) -> None:
        """Brings everything that was written into the log and the views."""
        self.sequence()
        services = process.services()
        for view in DOMAIN.views.values():
            while services.reader(view.name).catch_up(100):
                pass

    def act(self) -> None:
        """Lets the policies do all that there is to do, step by step."""
        services = process.services()
        before = -1
        while before < self.written():
            before = self.written()
            self.settle()
            for policy in DOMAIN.policies:
                while services.policy(policy).catch_up(100):
                    pass
        self.settle()

    def pages(self, url: str) -> list[list[dict[str, Any]]]:
        """All pages of a list, each asked for with the cursor of the one before."""
        answer = self.get(url)
        found = [answer.json["items"]]
        while answer.json["next"] is not None:
            answer = self.get(f"{url}&cursor={answer.json['next']}")
            found.append(answer.json["items"])
        return found

    def written(self) -> int:
        """How many commits there are in all."""
        return len(self.events.scan(0, 1, None, 10**6)[0])

    def _wait(self, seconds: float) -> None:
        self.waited += seconds


def still(_attempt: int) -> None:
    """Waits for nobody."""
