"""What a run leaves on an engine, read once into memory for the laws."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from chalicelib.bank.account.domain import account, signed_amount
from chalicelib.domain import DOMAIN
from chalicelib.leftfold.kernel import Row
from chalicelib.leftfold.projection.replay import compare, replay
from chalicelib.leftfold.projection.rows import RowStore
from chalicelib.leftfold.store.memory import MemoryEvents, MemoryLog
from chalicelib.leftfold.store.ports import Checkpoints, EventStore, Parking
from chalicelib.leftfold.subjects.vault import Vault
from chalicelib.leftfold.wiring.services import Services
from tests.commits import events_in
from tests.engines.deployment import Deployment
from tests.simulation.clients import Call

PAGE = 1_000
EVERY_VERSION = (1, 10**9)


@dataclass(frozen=True)
class Left:
    """A `Site`. Threads note their saves in no certain order: *saved* is by position."""

    events: MemoryEvents
    log: MemoryLog
    checkpoints: Checkpoints
    parking: Parking
    vault: Vault
    rows: Mapping[str, RowStore]
    saved: Mapping[str, Mapping[str, Sequence[tuple[int, Row | None]]]]
    moved: Mapping[tuple[str, int], Sequence[int]] = field(default_factory=dict)


def left_by(deployment: Deployment) -> Left:
    """Everything that the tables hold."""
    services = deployment.services()
    events, log = MemoryEvents(), MemoryLog()
    for aggregate_id in sorted({place[0] for place in scanned(services.events)}):
        for commit in services.events.range(aggregate_id, *EVERY_VERSION):
            assert events.append(commit) is None
    log._links = list(services.log.blocks(0))
    for block in log._links:
        log.put_body(block)
    log._head = services.log.head()
    log._streams = dict(services.log.registry())
    saved = {
        view: {key: sorted(history, key=itemgetter(0)) for key, history in rows.items()}
        for view, rows in deployment.saved.items()
    }
    rows = {view: services.rows(view) for view in DOMAIN.views}
    kept = services.checkpoints, services.parking, services.vault
    return Left(events, log, *kept, rows, saved)


def scanned(events: EventStore) -> Iterator[tuple[str, int]]:
    """(aggregate id, version) of every commit."""
    after: str | None = None
    while True:
        places, after = events.scan(0, 1, after, PAGE)
        yield from places
        if after is None:
            return


def balances_are_wrong(left: Left, calls: Sequence[Call]) -> Iterator[str]:
    """Each account holds what its clients were told that they had moved."""
    reported: Counter[str] = Counter()
    for call in calls:
        if call.outcome == "acknowledged":
            bookings = getattr(call.command, "bookings", ())
            reported[account.stream(call.key, "main")] += sum(map(signed_amount, bookings))
    for aggregate_id, balance in reported.items():
        commits = left.events.range(aggregate_id, *EVERY_VERSION)
        decoded = (event for c in commits for event in events_in(c, account.codec))
        stored = account.decider.fold(decoded).balance
        if stored != balance:
            yield f"{aggregate_id} holds {stored}, its clients moved {balance}"


def stuck_rows(services: Services) -> list[str]:
    """The rows that are not as the log makes them, as `<view> <key>`."""
    return [
        f"{name} {difference.key}"
        for name, view in DOMAIN.views.items()
        for difference in compare(
            replay(view, services.log, lambda _position: None, opener=services.vault).rows,
            services.rows(name).scan(),
        )
    ]
