"""From committed items to the log and the bus, whatever is told, lost or repeated."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.kernel import Commit, lane_of
from chalicelib.leftfold.relay import sweeper as sweeping
from chalicelib.leftfold.relay.plan import PLAN_EVENTS
from chalicelib.leftfold.relay.publisher import MARK, Publisher
from chalicelib.leftfold.relay.relay import Relay, wanted_of
from chalicelib.leftfold.relay.sequencer import (
    APPEND_ATTEMPTS,
    AT_FIRST,
    CLAIM_ATTEMPTS,
    CLAIMED,
    SHORT,
    WARY,
    Sequencer,
)
from chalicelib.leftfold.relay.sweeper import PARTS, ROUND, Note, Sweeper
from chalicelib.leftfold.store.blocks import cut, hash_of, pack, seal, unpack
from chalicelib.leftfold.store.bus import GZIP, PLAIN, RECORD_LIMIT, LaneRecord
from chalicelib.leftfold.store.memory import MemoryCheckpoints, MemoryEvents, MemoryLog
from chalicelib.leftfold.store.ports import Block, Head, Unavailable
from chalicelib.leftfold.wiring.services import Services
from chalicelib.leftfold.wiring.settings import Settings
from tests.commits import commit
from tests.faults import Counting, Lossy, Unchecked


class MemoryBus:
    """A bus that keeps what was published."""

    def __init__(self) -> None:
        self.records: list[LaneRecord] = []

    def publish(self, records: Sequence[LaneRecord]) -> None:
        self.records += [LaneRecord.from_bytes(record.to_bytes()) for record in records]


class Tables:
    """A store with a log, a bus and any number of relays."""

    def __init__(self) -> None:
        self.events = MemoryEvents()
        self.log = MemoryLog()
        self.bus = MemoryBus()
        self.checkpoints = MemoryCheckpoints()
        self.alarms: list[dict[str, tuple[str, int]]] = []
        self.strays: list[tuple[str, int]] = []
        self.woken: list[str] = []
        self.unpublished: list[Unavailable] = []

    def relay(self, **ports: object) -> Relay:
        parts = {"events": self.events, "log": self.log, "bus": self.bus} | ports
        return Relay(
            Sequencer(parts["events"], parts["log"], lambda _: None, self.alarm),  # type: ignore[arg-type]
            Publisher(parts["log"], parts["bus"], self.checkpoints),  # type: ignore[arg-type]
            self.unpublished.append,
        )

    def alarm(self, blocked: Mapping[str, tuple[str, int]]) -> None:
        self.alarms.append(dict(blocked))

    def wake(self, function: str, _wanted: Mapping[str, int] = {}) -> None:
        self.woken.append(function)

    def write(self, *commits: Commit) -> list[Commit]:
        for each in commits:
            assert self.events.append(each) is None
        return list(commits)

    def logged(self) -> list[tuple[str, int]]:
        return [(c.aggregate_id, c.version) for block in self.log.blocks(0) for c in block.commits]


def now() -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC)


def stream(name: str, length: int) -> list[Commit]:
    return [commit(f"main/account-{name}", version) for version in range(1, length + 1)]


# --- the log


def test_hinted_commits_are_logged_in_the_order_of_their_streams() -> None:
    world = Tables()
    a, b = world.write(*stream("a", 3)), world.write(*stream("b", 2))
    world.relay().run(wanted_of((c.aggregate_id, c.version) for c in a + b))
    assert sorted(world.logged()) == sorted((c.aggregate_id, c.version) for c in a + b)
    assert [v for s, v in world.logged() if s == "main/account-a"] == [1, 2, 3]


def test_images_that_came_with_the_hints_are_not_read_again() -> None:
    world = Tables()
    commits = world.write(*stream("a", 1), *stream("b", 1))
    events = Counting(world.events)
    world.relay(events=events).run(wanted_of((c.aggregate_id, c.version) for c in commits), commits)
    assert len(world.logged()) == 2
    assert events.calls == {}


def test_a_hint_pulls_the_earlier_commits_that_nobody_told_of() -> None:
    world = Tables()
    commits = world.write(*stream("a", 5))
    world.relay().run({"main/account-a": 5}, commits[4:])
    assert world.logged() == [("main/account-a", v) for v in range(1, 6)]


@pytest.mark.slow
def test_a_stream_longer_than_a_plan_is_logged_whole() -> None:
    world = Tables()
    world.write(*stream("a", PLAN_EVENTS + 300))
    assert world.relay().run({"main/account-a": PLAN_EVENTS + 300}) == PLAN_EVENTS + 300
    assert world.logged() == [("main/account-a", v) for v in range(1, PLAN_EVENTS + 301)]


def test_a_hint_for_what_is_not_there_is_harmless_and_alarms_nobody() -> None:
    world = Tables()
    world.write(*stream("a", 1))
    world.relay().run({"main/account-a": 9, "main/account-z": 1})
    assert world.logged() == [("main/account-a", 1)]
    assert world.alarms == []


def test_a_hint_for_a_version_that_no_stream_can_have_costs_nothing() -> None:
    world = Tables()
    world.write(*stream("a", 1))
    world.relay().run({"main/account-a": 10**18})
    assert world.logged() == [("main/account-a", 1)]
    assert world.alarms == []


def test_a_hint_for_what_is_logged_changes_nothing() -> None:
    world = Tables()
    commits = world.write(*stream("a", 3))
    world.relay().run({"main/account-a": 3})
    log = Counting(world.log)
    world.relay(log=log).run({"main/account-a": 2}, commits)
    assert log.calls["append"] == 0
    assert len(world.logged()) == 3


def test_a_cause_that_nobody_told_of_is_logged_before_its_effect() -> None:
    world = Tables()
    world.write(*stream("a", 3))
    world.write(commit("main/account-b", 1, deps=(("main/account-a", 2),)))
    world.relay().run({"main/account-b": 1})
    assert world.logged() == [
        ("main/account-a", 1),
        ("main/account-a", 2),
        ("main/account-b", 1),
    ]


@pytest.mark.slow
def test_causes_are_followed_however_deep() -> None:
    world = Tables()
    depth = 3_000
    world.write(commit("main/account-0", 1))
    for n in range(1, depth):
        world.write(commit(f"main/account-{n}", 1, deps=((f"main/account-{n - 1}", 1),)))
    world.relay().run({f"main/account-{depth - 1}": 1})
    assert world.logged() == [(f"main/account-{n}", 1) for n in range(depth)]


def test_a_commit_that_is_lost_from_its_stream_holds_back_the_later_ones_and_alarms() -> None:
    world = Tables()
    world.write(commit(), commit(version=3), *stream("b", 1))
    world.relay().run({"main/account-a": 3, "main/account-b": 1})
    assert world.logged() == [("main/account-a", 1), ("main/account-b", 1)]
    assert world.alarms == [{"main/account-a": ("main/account-a", 2)}]


def test_a_missing_cause_holds_back_its_own_stream_alone_and_alarms() -> None:
    world = Tables()
    world.write(
        commit("main/account-a", 1),
        commit("main/account-a", 2, deps=(("main/account-x", 1),)),
        commit("main/account-a", 3),
        *stream("b", 2),
    )
    world.relay().run({"main/account-a": 3, "main/account-b": 2})
    assert sorted(world.logged()) == [
        ("main/account-a", 1),
        ("main/account-b", 1),
        ("main/account-b", 2),
    ]
    assert world.alarms == [{"main/account-a": ("main/account-x", 1)}]
    world.write(commit("main/account-x", 1))
    world.relay().run({"main/account-a": 3})
    assert len(world.logged()) == 6


def test_causes_in_a_circle_hold_back_their_streams_and_nothing_else() -> None:
    world = Tables()
    world.write(
        commit("main/account-a", 1, deps=(("main/account-b", 1),)),
        commit("main/account-b", 1, deps=(("main/account-a", 1),)),
        *stream("c", 1),
    )
    world.relay().run({"main/account-a": 1, "main/account-b": 1, "main/account-c": 1})
    assert world.logged() == [("main/account-c", 1)]
    assert set(world.alarms[0]) == {"main/account-a", "main/account-b"}


def test_streams_that_wait_for_each_other_in_turn_are_logged_in_turn() -> None:
    world = Tables()
    world.write(
        commit("main/account-a", 1),
        commit("main/account-b", 1, deps=(("main/account-a", 1),)),
        commit("main/account-a", 2, deps=(("main/account-b", 1),)),
        commit("main/account-b", 2, deps=(("main/account-a", 2),)),
    )
    world.relay().run({"main/account-b": 2})
    assert [(s[-1], v) for s, v in world.logged()] == [("a", 1), ("b", 1), ("a", 2), ("b", 2)]


@pytest.mark.parametrize("kind", ["before", "after"])
@pytest.mark.parametrize("number", range(1, 9))
def test_a_relay_that_loses_any_one_call_logs_all_once(kind: str, number: int) -> None:
    world = Tables()
    world.write(*stream("a", 200), *stream("b", 3))
    log = Lossy(world.log, **{kind: frozenset({number})})
    wanted = {"main/account-a": 200, "main/account-b": 3}
    try:
        world.relay(log=log).run(wanted)
    except Unavailable:
        world.relay().run(wanted)
    assert len(world.logged()) == len(set(world.logged())) == 203
    assert world.log.head().next_position == 203


def test_a_relay_that_never_wins_gives_up_and_says_so() -> None:
    world = Tables()
    world.write(*stream("a", 1))

    class Busy(MemoryLog):
        tries = 0

        def append(self, *_: object) -> bool:
            Busy.tries += 1
            return False

    with pytest.raises(Unavailable):
        world.relay(log=Busy()).run({"main/account-a": 1})
    assert Busy.tries == APPEND_ATTEMPTS


# --- blocks


def test_a_block_takes_98_streams_at_most() -> None:
    plan = [commit(f"main/account-{n % 150}", 1 + n // 150) for n in range(300)]
    assert len({c.aggregate_id for c in cut(plan)}) == 98
    assert len(cut(plan)) == 98


def test_a_block_is_cut_at_64_kb_packed_and_a_larger_commit_stands_alone() -> None:
    def incompressible(version: int, size: int) -> Commit:
        text = Random(version).randbytes(size).hex()
        return commit("main/account-a", version, command_id=text)

    plan = [incompressible(version, 2_000) for version in range(1, 101)]
    taken = cut(plan)
    assert 8 < len(taken) < 40
    assert len(pack(taken)) <= 64 * 1024
    assert len(cut([incompressible(1, 100_000), *plan])) == 1


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.integers(1, 7))
def test_sealed_blocks_chain_and_know_the_last_position_of_each_lane(
    names: list[int], size: int
) -> None:
    commits = [commit(f"main/account-{name}", n + 1) for n, name in enumerate(names)]
    head, last = Head(), dict.fromkeys(range(64), -1)
    for start in range(0, len(commits), size):
        block, after = seal(head, commits[start : start + size])
        assert (block.first_position, block.previous_hash) == (start, head.hash)
        assert block.hash == after.hash == hash_of(block)
        for lane, previous in block.previous_in_lane.items():
            assert previous == last[lane]
        for position, each in enumerate(block.commits, start):
            last[lane_of(each.aggregate_id)] = position
        assert after.lanes == tuple(last.values())
        assert unpack(pack(block.commits)) == list(block.commits)
        head = after


def test_a_changed_commit_breaks_the_chain() -> None:
    block, _ = seal(Head(), stream("a", 2))
    forged = block._replace(commits=[block.commits[0], commit("main/account-a", 2, amount=9)])
    assert hash_of(forged) != block.hash


# --- the bus


def test_each_block_is_published_lane_by_lane_with_the_place_before_it() -> None:
    world = Tables()
    world.write(*stream("a", 2), *stream("b", 2))
    for version in (1, 2):
        world.relay().run({"main/account-a": version, "main/account-b": version})
    lane = lane_of("main/account-a")
    first, second = (r for r in world.bus.records if r.lane == lane)
    assert (first.previous_in_lane, second.previous_in_lane) == (-1, first.last_position)
    assert world.checkpoints.read(MARK, [0]) == {0: 3}


def test_what_a_relay_did_not_publish_the_next_one_does() -> None:
    world = Tables()
    world.write(*stream("a", 3))
    world.relay(bus=Lossy(world.bus, before=frozenset({1}))).run({"main/account-a": 2})
    assert world.bus.records == []
    assert len(world.unpublished) == 1
    world.relay().run({"main/account-a": 3})
    assert [p for r in world.bus.records for p, _ in r.commits or ()] == [0, 1, 2]


def test_a_record_over_256_kb_carries_positions_only() -> None:
    text = Random(1).randbytes(RECORD_LIMIT).hex()
    record = LaneRecord("main", 1, 0, 0, -1, [(0, commit(command_id=text))])
    assert len(record.to_bytes()) < 500
    assert LaneRecord.from_bytes(record.to_bytes()) == record._replace(commits=None)


@given(st.text(max_size=2000), st.lists(st.integers(0, 9), max_size=4, unique=True))
def test_a_record_survives_the_bus_plain_or_packed(text: str, positions: list[int]) -> None:
    """A small one is plain: a shard takes no more records of it if it is smaller."""
    carried = [(n, commit(command_id=f"{text} {n}")) for n in sorted(positions)]
    record = LaneRecord("main", 1, 0, 9, -1, carried)
    data = record.to_bytes()
    assert LaneRecord.from_bytes(data) == record
    assert len(data) <= PLAIN or data.startswith(GZIP)


def test_the_log_goes_on_while_the_bus_takes_nothing() -> None:
    world = Tables()
    down = Lossy(world.bus, before=frozenset(range(1000)))
    relay = world.relay(bus=down)
    for version in (1, 2, 3):
        world.write(commit(version=version))
        relay.run({"main/account-a": version})
    assert len(world.logged()) == 3
    assert len(world.unpublished) == 3
    world.relay().run({})
    assert [p for r in world.bus.records for p, _ in r.commits or ()] == [0, 1, 2]


def test_a_block_that_is_seen_before_an_earlier_one_is_not_published_over_it() -> None:
    world = Tables()
    world.write(*stream("a", 3))
    for version in (1, 2, 3):
        world.relay(bus=MemoryBus()).run({"main/account-a": version})
    blocks = list(world.log.blocks(0))

    class Hiding(MemoryLog):
        def blocks(self, position: int, *_: object, **__: object) -> Iterator[Block]:
            seen = [b for b in blocks if b.next_position > position]
            return iter(seen[:1] + seen[2:])

    checkpoints = MemoryCheckpoints()
    Publisher(Hiding(), world.bus, checkpoints).publish()
    assert [p for r in world.bus.records for p, _ in r.commits or ()] == [0, 1, 2]
    assert checkpoints.read(MARK, [0]) == {0: 2}


# --- the sweeper


def test_the_sweeper_logs_what_no_record_told_of_and_wakes_who_is_behind() -> None:
    from chalicelib.domain import DOMAIN

    world = Tables()
    for n in range(40):
        world.write(*stream(str(n), 3))
    sweeper = Sweeper(
        world.events,
        world.log,
        world.relay(),
        world.checkpoints,
        world,
        DOMAIN.views.values(),
        now,
        world.strays.extend,
    )
    runs = 1
    while not sweeper.run(lambda: False).is_round:
        runs += 1
    assert runs == PARTS
    assert len(set(world.logged())) == len(world.logged()) == 120
    assert set(world.woken) == set(DOMAIN.views)
    assert sweeper.run().logged == 0


def every_minute(world: Tables) -> Sweeper:
    """A sweeper whose runs are a minute apart."""
    moments = count()
    return Sweeper(
        world.events,
        world.log,
        world.relay(),
        world.checkpoints,
        world,
        [],
        lambda: datetime.fromtimestamp(60 * next(moments), UTC),
        world.strays.extend,
    )


def test_a_round_tells_how_long_it_goes_on_and_when_it_ends() -> None:
    world = Tables()
    world.write(*stream("a", 3))
    sweeper = every_minute(world)
    reported = [sweeper.run(lambda: False) for _ in range(PARTS + 1)]
    assert [each.round_took for each in reported] == [0, 60, 120, 180, 240, 300, 360, 420, 60]
    assert [each.is_round for each in reported] == [False] * 7 + [True, False]


@pytest.mark.parametrize("lost", range(1, 2 * PARTS + 6))
def test_a_sweeper_that_dies_at_any_call_is_followed_by_one_that_goes_on(lost: int) -> None:
    world = Tables()
    for n in range(PARTS):
        world.write(commit(f"main/account-{n}"))
    sweeper = every_minute(world)
    process = Lossy(world.checkpoints, after=frozenset({lost}))
    with suppress(Unavailable):
        replace(sweeper, checkpoints=process).run()
    world.write(*(commit(f"main/account-{n}", 2) for n in range(PARTS)))
    for _ in range(2):
        sweeper.run()
    assert len(world.logged()) == 2 * PARTS


def test_a_small_table_is_seen_whole_in_every_run() -> None:
    world = Tables()
    world.write(*stream("a", 3))
    sweeper = every_minute(world)
    assert [sweeper.run().is_round for _ in range(3)] == [True] * 3


def test_the_runs_of_a_large_table_are_as_large_as_the_round_needs() -> None:
    """5,000 items a minute, whatever the table's size, were 33 hours for 10 million."""
    ten_million = 10_000
    assert Note(0, whole=ten_million).budget == 28
    assert -(-ten_million // 28) <= ROUND // timedelta(minutes=1)
    # Before a round has ended, what it has seen says that the table is so large at least.
    assert Note(0, pages=ten_million, whole=5).budget == 28
    assert Note(0, pages=ten_million // 2, whole=ten_million).budget == 28


def test_no_run_takes_more_of_the_tables_capacity_than_is_said() -> None:
    units_of_a_page = 1024 // 4 / 2
    assert Note(0, whole=10**6).budget * units_of_a_page <= 15_360
    assert Note(0).budget == PARTS


def test_a_round_ends_in_time_however_much_a_table_has_grown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sweeping, "PAGE", 1)
    monkeypatch.setattr(sweeping, "RUNS", 10)
    world = Tables()
    for n in range(100):
        world.write(*stream(str(n), 4))
    sweeper = every_minute(world)

    def runs_of_a_round() -> int:
        return next(runs for runs in count(1) if sweeper.run().is_round)

    first, second = runs_of_a_round(), runs_of_a_round()
    assert second <= 10 < first < 40


def test_a_whole_sweep_at_once_leaves_the_round_where_it_is() -> None:
    """An operator does not wait for the round, and does not disturb it."""
    world = Tables()
    for n in range(40):
        world.write(*stream(str(n), 3))
    sweeper = every_minute(world)
    sweeper.run(lambda: False)
    before = sweeper.noted()
    logged = len(world.logged())
    reported = [page for part in range(PARTS) for page in sweeper.sweep_part(part)]
    assert sum(seen for seen, _ in reported) == 120
    assert sum(found for _, found in reported) == 120 - logged
    assert len(set(world.logged())) == len(world.logged()) == 120
    assert sweeper.noted() == before


@pytest.mark.parametrize(
    "note",
    [
        '{"began":0.0,"segment":3}',
        '{"part":3}',
        '{"began":0.0,"part":8}',
        '{"began":0.0,"place":"x"}',
        "[]",
        "{",
        "3",
    ],
)
def test_a_note_that_other_code_has_left_stops_no_sweep(note: str) -> None:
    world = Tables()
    world.write(*stream("a", 1), *stream("b", 1))
    sweeper = every_minute(world)
    sweeper.checkpoints.write_note(sweeping.READER, note)
    for _ in range(2):
        sweeper.run()
    assert len(world.logged()) == 2


def test_the_sweeper_alarms_of_items_that_no_commit_can_be_and_logs_all_others() -> None:
    world = Tables()
    world.events = events = Unchecked()
    strays = [("main/account-a", -5), ("main/account-b", 0), ("main/account-", 1), ("", 2)]
    for place in strays:
        events.put(commit(*place))
    world.write(*stream("a", 2))
    sweeper = Sweeper(
        world.events,
        world.log,
        world.relay(),
        world.checkpoints,
        world,
        [],
        now,
        world.strays.extend,
    )
    assert sweeper.run().logged == 2
    assert sorted(world.strays) == sorted(strays)
    assert world.logged() == [("main/account-a", 1), ("main/account-a", 2)]


def test_a_commit_above_a_hole_is_never_logged_and_the_sweeper_alarms() -> None:
    """The port cannot see the hole without a read: this is where it shows."""
    world = Tables()
    world.write(commit(version=3))
    sweeper = Sweeper(
        world.events,
        world.log,
        world.relay(),
        world.checkpoints,
        world,
        [],
        now,
        world.strays.extend,
    )
    assert sweeper.run().logged == 0
    assert world.alarms == [{"main/account-a": ("main/account-a", 1)}]


# --- relays that race take turns


class Racing:
    """Two relays, each with a memory of its own, and a clock that stands unless one waits."""

    def __init__(self) -> None:
        self.world = Tables()
        self.now = now()
        self.waited: list[int] = []
        self.log = Counting(self.world.log)
        self.ours, self.other = (self._sequencer(log) for log in (self.log, self.world.log))

    def _sequencer(self, log: Any) -> Sequencer:
        return Sequencer(
            self.world.events, log, self._pause, self.world.alarm, clock=lambda: self.now
        )

    def _pause(self, attempt: int) -> None:
        self.waited.append(attempt)
        self.now += timedelta(milliseconds=20)

    def run(self, sequencer: Sequencer, name: str, version: int) -> Counter[str]:
        """One commit with its image; the calls of the log that *ours* made."""
        self.log.calls.clear()
        commits = self.world.write(commit(f"main/account-{name}", version))
        list(sequencer.sequence({commits[0].aggregate_id: version}, commits))
        return self.log.calls

    def beaten(self) -> Counter[str]:
        """The calls of *ours* in a run in which the other has been faster."""
        self.run(self.ours, "a", 1)
        self.run(self.other, "b", 1)
        return Counter(self.run(self.ours, "a", 2))


UNCLAIMED = {"put_body": 1, "append": 1}
CLAIMING = {"streams": 1, "claim": 1, "put_body": 1, "append": 1}


def test_a_relay_that_was_beaten_claims_the_head_for_some_blocks() -> None:
    racing = Racing()
    lost = {**CLAIMING, "put_body": 2, "append": 2, "head": 1}
    assert racing.beaten() == lost
    for version in range(3, 3 + WARY - 1):
        assert racing.run(racing.ours, "a", version) == CLAIMING
    # It has waited for nobody: it trusts its memory again.
    assert racing.run(racing.ours, "a", 2 + WARY) == UNCLAIMED
    assert racing.waited == []


def test_a_relay_waits_for_the_one_that_has_claimed_the_head_and_loses_nothing() -> None:
    racing = Racing()
    racing.beaten()
    assert racing.world.log.claim("another", racing.now, racing.now + CLAIMED) is not None
    calls = racing.run(racing.ours, "a", 3)
    # The other never wrote: its claim ended after a while.
    assert len(racing.waited) == 16
    assert calls == {**CLAIMING, "claim": 17}
    assert racing.world.logged()[-1] == ("main/account-a", 3)
    for version in range(4, 4 + WARY):
        assert racing.run(racing.ours, "a", version) == CLAIMING
    assert racing.run(racing.ours, "a", 4 + WARY) == UNCLAIMED


def test_a_relay_that_has_waited_once_takes_turns_for_some_blocks_more() -> None:
    racing = Racing()
    racing.beaten()
    soon = racing.now + timedelta(milliseconds=1)
    assert racing.world.log.claim("another", racing.now, soon) is not None
    assert racing.run(racing.ours, "a", 3) == {**CLAIMING, "claim": 2}
    assert racing.waited == [SHORT]
    for version in range(4, 4 + WARY):
        assert racing.run(racing.ours, "a", version) == CLAIMING
    assert racing.run(racing.ours, "a", 4 + WARY) == UNCLAIMED


def test_a_relay_without_a_claim_loses_to_the_one_that_has_it() -> None:
    racing = Racing()
    racing.run(racing.ours, "a", 1)
    claimed = racing.world.log.claim("another", racing.now, racing.now + CLAIMED)
    assert claimed is not None
    racing.run(racing.ours, "a", 2)
    assert set(racing.waited) == {SHORT}
    assert racing.world.logged() == [("main/account-a", 1), ("main/account-a", 2)]


def test_a_relay_that_is_never_let_in_says_so() -> None:
    racing = Racing()
    racing.beaten()
    far = racing.now + timedelta(days=1)
    assert racing.world.log.claim("another", racing.now, far) is not None
    with pytest.raises(Unavailable, match="other relays had claimed the head"):
        racing.run(racing.ours, "a", 3)
    assert len(racing.waited) == CLAIM_ATTEMPTS


def test_a_gap_in_a_stream_is_not_taken_for_another_relay() -> None:
    racing = Racing()
    racing.run(racing.ours, "a", 1)
    racing.world.write(*stream("b", 1))
    calls = racing.run(racing.ours, "b", 2)
    assert "claim" not in calls
    assert racing.run(racing.ours, "a", 2) == UNCLAIMED


def test_of_relays_that_race_for_long_one_loses_one_transaction_in_nine() -> None:
    racing = Racing()
    calls: Counter[str] = Counter()
    for version in range(1, 101):
        calls += racing.run(racing.ours, "a", version)
        racing.run(racing.other, "b", version)
    assert calls["append"] - 100 <= 100 // WARY + 1


def test_a_relay_that_has_just_started_claims_its_first_block_and_trusts_its_memory_then() -> None:
    racing = Racing()
    racing.run(racing.other, "b", 1)
    racing.ours.memory.wary = AT_FIRST
    assert racing.run(racing.ours, "a", 1) == CLAIMING
    assert racing.run(racing.ours, "a", 2) == UNCLAIMED


def test_relays_that_start_together_lose_nothing_if_each_waits_for_its_turn() -> None:
    racing = Racing()
    racing.run(racing.other, "b", 1)
    assert racing.world.log.claim("another", racing.now, racing.now + CLAIMED) is not None
    racing.ours.memory.wary = AT_FIRST
    calls = racing.run(racing.ours, "a", 1)
    assert (calls["append"], calls["claim"] > 1) == (1, True)


def test_the_relay_of_a_deployment_begins_so() -> None:
    tables = Tables()
    services = Services(
        Settings({}),
        DOMAIN,
        events=tables.events,
        log=tables.log,
        checkpoints=tables.checkpoints,
        bus=tables.bus,
    )
    assert services.relay.sequencer.memory.wary == AT_FIRST
