"""What must hold after any history: the invariants I1-I8 and the clients' view."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Protocol

from chalicelib.bank.account.domain import Credited, account
from chalicelib.domain import DOMAIN
from chalicelib.leftfold.kernel import LANES, Commit, Row, View, lane_of
from chalicelib.leftfold.kernel.commit import canonical
from chalicelib.leftfold.projection.fold import Folding, category_of
from chalicelib.leftfold.projection.replay import compare, replay
from chalicelib.leftfold.projection.rows import RowStore, StoredRow
from chalicelib.leftfold.projection.runner import seen
from chalicelib.leftfold.store.blocks import hash_of
from chalicelib.leftfold.store.ports import (
    Checkpoints,
    EventStore,
    Log,
    Parking,
    StreamEntry,
    Unavailable,
)
from chalicelib.leftfold.store.readers import ends_of
from chalicelib.leftfold.subjects.vault import Vault
from tests.commits import events_in
from tests.simulation.clients import Call
from tests.simulation.world import VIEWS


class Subject(Protocol):
    """What is left of a history, on any storage.

    *saved* has, by view and key, each (position, row) written, in order; *moved* each
    position that a reader's key was moved to.
    """

    @property
    def events(self) -> EventStore: ...
    @property
    def log(self) -> Log: ...
    @property
    def checkpoints(self) -> Checkpoints: ...
    @property
    def parking(self) -> Parking: ...
    @property
    def vault(self) -> Vault: ...
    @property
    def rows(self) -> Mapping[str, RowStore]: ...
    @property
    def saved(self) -> Mapping[str, Mapping[str, Sequence[tuple[int, Row | None]]]]: ...
    @property
    def moved(self) -> Mapping[tuple[str, int], Sequence[int]]: ...


def violations(world: Subject, calls: Sequence[Call]) -> list[str]:
    """Every law that the history broke, in words; none for a good one."""
    commits = [c for block in world.log.blocks(0) for c in block.commits]
    streams: dict[str, list[Commit]] = defaultdict(list)
    for commit in commits:
        streams[commit.aggregate_id].append(commit)
    return [
        *chain_is_broken(world),
        *streams_are_broken(world, streams),
        *causes_are_late(commits),
        *registry_differs(world, commits),
        *something_is_missing(world, commits),
        *rules_are_broken(world),
        *epochs_are_wrong(world),
        *clients_were_told_wrong(world, calls),
        *rows_differ(world),
        *rows_were_wrong_on_the_way(world),
        *checkpoints_went_back(world),
    ]


def chain_is_broken(world: Subject) -> Iterator[str]:
    """I1: blocks dense, chained, and the head at their end."""
    position, previous = 0, ""
    lanes = [-1] * LANES
    for block in world.log.blocks(0):
        if block.first_position != position:
            yield f"I1: a block begins at {block.first_position}, not at {position}"
        if block.previous_hash != previous or block.hash != hash_of(block):
            yield f"I1: the chain breaks at {position}"
        seen: dict[int, int] = {}
        for place, commit in enumerate(block.commits, block.first_position):
            lane = lane_of(commit.aggregate_id)
            seen.setdefault(lane, lanes[lane])
            lanes[lane] = place
        if seen != dict(block.previous_in_lane):
            yield f"I1: the block at {position} names wrong places before it"
        position, previous = block.next_position, block.hash
    head = world.log.head()
    if (head.next_position, head.hash, list(head.lanes)) != (position, previous, lanes):
        yield "I1: the head is not at the end"


def streams_are_broken(world: Subject, streams: dict[str, list[Commit]]) -> Iterator[str]:
    """I2, I3, I4: each stream in the log contiguous, ascending, and as committed."""
    for aggregate_id, logged in streams.items():
        if [c.version for c in logged] != list(range(1, len(logged) + 1)):
            yield f"I2/I3: {aggregate_id} is logged as {[c.version for c in logged]}"
        stored = world.events.range(aggregate_id, 1, 10**6)
        committed = {c.version: c.line for c in stored}
        if any(committed.get(c.version) != c.line for c in logged):
            yield f"I4: {aggregate_id} is logged otherwise than committed"


def causes_are_late(commits: Sequence[Commit]) -> Iterator[str]:
    """I5: what a commit depends on is logged before it."""
    logged: set[tuple[str, int]] = set()
    for commit in commits:
        if not set(commit.deps) <= logged:
            yield f"I5: {commit.aggregate_id} {commit.version} is before its cause"
        logged.add((commit.aggregate_id, commit.version))


def registry_differs(world: Subject, commits: Sequence[Commit]) -> Iterator[str]:
    """I6: the registry is the fold of the log."""
    folded = {
        c.aggregate_id: StreamEntry(c.version + 1, position, c.epoch)
        for position, c in enumerate(commits)
    }
    if folded != dict(world.log.registry()):
        yield "I6: the registry is not the fold of the log"


def something_is_missing(world: Subject, commits: Sequence[Commit]) -> Iterator[str]:
    """I8: every commit is logged, streams are dense, and every reader has come to the end."""
    logged = {(c.aggregate_id, c.version) for c in commits}
    places, _ = world.events.scan(0, 1, None, 10**9)
    if missing := set(places) - logged:
        yield f"I8: committed but not logged: {sorted(missing)[:5]}"
    newest = Counter(aggregate_id for aggregate_id, _ in places)
    if any(version > newest[aggregate_id] for aggregate_id, version in places):
        yield "a stream has a hole"
    head = world.log.head()
    for view in VIEWS:
        ends = ends_of(view, head)
        done = world.checkpoints.read(view.name, list(ends))
        if any(done[key] < end for key, end in ends.items()):
            yield f"I8: {view.name} has not come to the end"
    if parked := list(world.parking.all()):
        yield f"I8: still parked: {parked[:3]}"


def rules_are_broken(world: Subject) -> Iterator[str]:
    """No stream has events that its own rules would not have led to."""
    decider, codec = account.decider, account.codec
    for aggregate_id, _ in world.log.registry():
        if category_of(aggregate_id) != account.category:
            continue
        state = decider.initial
        for commit in world.events.range(aggregate_id, 1, 10**6):
            events = events_in(commit, codec)
            ended = commit.version > 1 and state.status in ("missing", "closed")
            if ended and not any(is_refund(event) for event in events):
                yield f"{aggregate_id} {commit.version} changes a {state.status} account"
            state = decider.fold(events, state)
            if state.balance < -state.credit_limit:
                yield f"{aggregate_id} {commit.version} overdraws the account"


def is_refund(event: Any) -> bool:
    """What no account refuses, closed or not."""
    return isinstance(event, Credited) and event.operation == "transfer-back"


def epochs_are_wrong(world: Subject) -> Iterator[str]:
    """An epoch begins where the state is carried forward, and nowhere else; a fold of it
    alone is the whole state.
    """
    for aggregate_id, _ in world.log.registry():
        aggregate = DOMAIN.aggregates[category_of(aggregate_id)]
        decider, codec = aggregate.decider, aggregate.codec
        state, live = decider.initial, decider.initial
        epoch, start = 1, 1
        for commit in world.events.range(aggregate_id, 1, 10**6):
            events = events_in(commit, codec)
            if aggregate.begins_epoch(events):
                epoch, start, live = epoch + 1, commit.version, decider.initial
            state, live = decider.fold(events, state), decider.fold(events, live)
            if (commit.epoch, commit.epoch_start) != (epoch, start) or live != state:
                yield f"{aggregate_id} {commit.version} is in no right epoch"


def clients_were_told_wrong(world: Subject, calls: Sequence[Call]) -> Iterator[str]:
    """Acknowledged: once, where it was said. Refused: nowhere. Unknown: at most once."""
    found: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for place in world.events.scan(0, 1, None, 10**9)[0]:
        (commit,) = world.events.range(*place, place[1])
        if not commit.actor.startswith(("policy:", "deadline:")):
            found[commit.command_id].append(place)
    for call in calls:
        places = found.pop(call.command_id, [])
        said = [(call.stream, call.version)]
        if call.outcome == "acknowledged" and places != said:
            yield f"acknowledged at {said}, found at {places}"
        if call.outcome == "refused" and places:
            yield f"refused, but found at {places}"
        if len(places) > 1:
            yield f"found more than once: {places}"
    if found:
        yield f"nobody asked for {list(found.values())[:3]}"
    yield from real_time_is_turned(calls)


def real_time_is_turned(calls: Sequence[Call]) -> Iterator[str]:
    """Per stream linearizable: what was answered before another was asked comes first."""
    taken: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        if call.outcome == "acknowledged":
            taken[call.stream].append(call)
    for key, acknowledged in taken.items():
        latest = 0
        by_version = sorted(acknowledged, key=lambda call: call.version)
        for call in by_version:
            if call.answered < latest:
                yield f"{key}: version {call.version} was answered before an earlier was asked"
            latest = max(latest, call.asked)


def rows_differ(world: Subject, views: Sequence[View] = VIEWS) -> Iterator[str]:
    """I7, and live order is replay order: every view equals its replay, byte for byte."""
    for view in views:
        try:
            replayed = replay(view, world.log, lambda _position: None, opener=world.vault)
        except Unavailable as error:
            yield f"I7: {view.name} cannot be replayed: {error}"
            continue
        for difference in compare(replayed.rows, world.rows[view.name].scan()):
            yield f"I7: {view.name}: {difference}"


def rows_were_wrong_on_the_way(world: Subject, views: Sequence[View] = VIEWS) -> Iterator[str]:
    """Every row ever saved was the fold of a beginning of the log, and none went back."""
    for view in views:
        right = {key: set[str]() for key in world.saved.get(view.name, {})}
        rows: dict[str, StoredRow] = {}
        for block in world.log.blocks(0):
            for position, commit in enumerate(block.commits, block.first_position):
                folding = Folding(view, seen(view, [(position, commit)], world.vault))
                changed = folding.onto(rows)
                rows |= changed
                for poison in folding.poisons.values():
                    yield f"I7: {view.name} cannot be folded: {poison}"
                for key, (row, at, _) in changed.items():
                    right.setdefault(key, set()).add(canonical([at, row]))
        for key, history in world.saved.get(view.name, {}).items():
            if not {canonical(list(state)) for state in history} <= right[key]:
                yield f"I7: {view.name} {key} was saved as no fold of the log"
            positions = [at for at, _ in history]
            if view.accumulates and any(b <= a for a, b in pairwise(positions)):
                yield f"I7: {view.name} {key} went back: {positions}"


def checkpoints_went_back(world: Subject) -> Iterator[str]:
    """What a query was told to be there stays there."""
    for (reader, key), positions in world.moved.items():
        if any(b < a for a, b in pairwise(positions)):
            yield f"I7: the checkpoint of {reader} {key} went back: {positions}"
