"""A deployment on DynamoDB Local: the real services, with faults in each of their clients."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import cycle
from threading import Lock
from typing import TYPE_CHECKING, Any

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.kernel import Recorded, Row, View
from chalicelib.leftfold.policies.outside import MemoryOutside
from chalicelib.leftfold.projection.documents import DynamoRows
from chalicelib.leftfold.projection.memory import MemoryRows
from chalicelib.leftfold.projection.rows import RowStore, Save, StoredRow
from chalicelib.leftfold.relay.publisher import Publisher
from chalicelib.leftfold.relay.relay import Relay
from chalicelib.leftfold.relay.sequencer import AT_FIRST, Memory, Sequencer
from chalicelib.leftfold.store.bus import Bus
from chalicelib.leftfold.store.ports import Waker
from chalicelib.leftfold.subjects.memory import MemoryKeyService
from chalicelib.leftfold.wiring.services import Services
from chalicelib.leftfold.wiring.settings import Settings
from tests.clock import Clock
from tests.engines.faults import Faults
from tests.teller import Teller
from tools.tables import create_tables, dynamodb_client

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# As the services' own clients; and without any, so that each fault reaches our code.
RETRIES = (
    {"mode": "standard", "total_max_attempts": 4},
    {"total_max_attempts": 1},
)
ROLES = ("writer", "relay", "view", "sweeper")

Saved = dict[str, list[tuple[int, Row | None]]]


class NotYetUnderstoodError(Exception):
    """What a view raises on an event that its code cannot take yet."""


class WallClock(Clock):
    """The machine's own clock."""

    def __call__(self) -> datetime:
        return datetime.now(UTC)


class NotedRows:
    """Any `RowStore`; *saved* notes, by key, what was written. *guard* holds each call."""

    def __init__(
        self,
        rows: RowStore,
        saved: Saved,
        guard: AbstractContextManager[object] | None = None,
    ) -> None:
        self._rows = rows
        self._saved = saved
        self._guard = guard or nullcontext()

    def load(self, keys: Collection[str]) -> dict[str, StoredRow]:
        with self._guard:
            return self._rows.load(keys)

    def save(self, saves: Sequence[Save]) -> set[str]:
        with self._guard:
            conflicts = self._rows.save(saves)
        for save in saves:
            if save.key not in conflicts:
                self._saved.setdefault(save.key, []).append((save.position, save.row))
        return conflicts

    def flush(self) -> None:
        self._rows.flush()

    def expunge(self) -> None:
        self._rows.expunge()

    def scan(self) -> Iterator[tuple[str, StoredRow]]:
        return self._rows.scan()


class Deployment:
    """Tables of its own; each role has two clients, whose faults are drawn from *seed*.

    *poisoned* are (view, aggregate id, version) of events that a view fails on.
    """

    def __init__(self, url: str, seed: int, rate: float) -> None:
        self.stack = create_tables(dynamodb_client(url))
        self.settings = Settings({"LEFTFOLD_STACK": self.stack})
        self.faults = {role: Faults(seed * 10 + n, rate) for n, role in enumerate(ROLES)}
        self.poisoned: set[tuple[str, str, int]] = set()
        self.saved: dict[str, Saved] = {name: {} for name in DOMAIN.views}
        self._views = {name: self._failing(view) for name, view in DOMAIN.views.items()}
        self._memory = {
            name: NotedRows(MemoryRows(), self.saved[name], Lock())
            for name, view in DOMAIN.views.items()
            if view.store == "search"
        }
        self._clients = {
            # Made at once, because many threads take their turns.
            role: cycle(list(self._made(url, faults)))
            for role, faults in self.faults.items()
        }
        self._calm = dynamodb_client(url)

    def services(self, role: str | None = None, **parts: Any) -> Services:
        """The services of one function of this *role*; without one, they meet no faults."""
        client = next(self._clients[role]) if role else self._calm
        return Services(
            self.settings,
            DOMAIN,
            **{
                "dynamodb": client,
                "key_service": MemoryKeyService(),
                "outside": MemoryOutside(),
                "views": self._views,
                "rows": partial(self._rows, client),
                **parts,
            },
        )

    def relaying(self, role: str | None, bus: Bus, waker: Waker) -> Services:
        """The services of a relay, or of a sweeper, on this *bus*."""
        services = self.services(role, waker=waker)
        services.__dict__["relay"] = Relay(
            Sequencer(
                services.events,
                services.log,
                services.pause,
                services.alarm,
                Memory(wary=AT_FIRST),
            ),
            Publisher(services.log, bus, services.checkpoints),
            lambda _error: None,
        )
        return services

    def bank(self, fingerprint: str) -> Teller:
        """The command handler of one function of the API."""
        services = self.services("writer")
        return Teller(services.events, fingerprint, WallClock(), services.pause, services.vault)

    def calm_down(self) -> None:
        """No more faults from now on; late effects have taken place."""
        for faults in self.faults.values():
            faults.stop()

    def _made(self, url: str, faults: Faults) -> Iterator["DynamoDBClient"]:
        for retries in RETRIES:
            client = dynamodb_client(url, retries=retries, max_pool_connections=64)
            faults.into(client)
            yield client

    def _rows(self, client: "DynamoDBClient", view: str) -> RowStore:
        if view in self._memory:
            return self._memory[view]
        rows = DynamoRows(client, self.settings.named(view), WallClock())
        return NotedRows(rows, self.saved[view])

    def _failing(self, view: View) -> View:
        def fold(row: Row | None, recorded: Recorded, key: str) -> Row | None:
            if (view.name, recorded.aggregate_id, recorded.version) in self.poisoned:
                raise NotYetUnderstoodError(view.name)
            return view.fold(row, recorded, key)

        return replace(view, fold=fold)
