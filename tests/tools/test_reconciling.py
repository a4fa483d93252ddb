"""Tables that were restored at different moments, brought to one point."""

from collections import Counter
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given as for_all
from hypothesis import strategies as st

from chalicelib.leftfold.archive.segments import SegmentedLog
from chalicelib.leftfold.kernel import LANES, lane_of
from chalicelib.leftfold.relay.publisher import Published
from chalicelib.leftfold.relay.sequencer import Sequencer
from chalicelib.leftfold.store.blocks import hash_of
from chalicelib.leftfold.store.events import DynamoEvents
from chalicelib.leftfold.store.log import DynamoLog
from chalicelib.leftfold.store.memory import (
    MemoryArchive,
    MemoryCheckpoints,
    MemoryEvents,
    MemoryLog,
    MemoryParking,
)
from chalicelib.leftfold.store.ports import ParkedStream, StreamEntry
from chalicelib.leftfold.store.readers import WHOLE_LOG
from tests.commits import commit
from tests.contracts import moto
from tools import reconciling
from tools.__main__ import leftfold
from tools.reconciling import Restored
from tools.tables import create_tables, log_tables

STREAMS = [f"main/account-{key}" for key in "abcd"]
POLICY = Published("acts", "acts")


@dataclass
class Truth:
    """The tables of a truth, and what is done on them."""

    events: Any = field(default_factory=MemoryEvents)
    log: Any = field(default_factory=MemoryLog)
    checkpoints: Any = field(default_factory=MemoryCheckpoints)
    parking: Any = field(default_factory=MemoryParking)

    def write(self, stream: str) -> None:
        version = len(self.events.range(stream, 1, 10**6)) + 1
        assert self.events.append(commit(stream, version)) is None

    def sequence(self, *streams: str) -> None:
        """Logs all that there is of *streams*, or of every stream."""
        places, _ = self.events.scan(0, 1, None, 10**6)
        wanted = dict(sorted(places))
        chosen = {s: v for s, v in wanted.items() if not streams or s in streams}
        list(Sequencer(self.events, self.log, lambda _: None, lambda _: None).sequence(chosen))

    def follow(self) -> None:
        """A policy and the bus come to the end of the log."""
        end = self.log.head().next_position - 1
        for reader in (POLICY.stored_name, Published().stored_name):
            now = self.checkpoints.read(reader, [WHOLE_LOG])[WHOLE_LOG]
            self.checkpoints.move(reader, WHOLE_LOG, now, end)

    def restored(self) -> Restored:
        readers = [POLICY, Published()]
        whole = SegmentedLog(self.log, MemoryArchive())
        return Restored(self.events, whole, self.log, self.checkpoints, self.parking, readers)

    def places(self) -> list[tuple[str, int]]:
        return sorted(self.events.scan(0, 1, None, 10**6)[0])


def mixed(moments: list[Truth]) -> Truth:
    """Each table as it was at another of *moments*: events, log, bodies, streams, checkpoints, parked."""
    events, log, bodies, streams, checkpoints, parking = map(deepcopy, moments)
    log.log._bodies = bodies.log._bodies
    log.log._streams = streams.log._streams
    return Truth(events.events, log.log, checkpoints.checkpoints, parking.parking)


def check(truth: Truth) -> None:
    """The laws of a truth that is whole."""
    position, previous, lanes = 0, "", [-1] * LANES
    logged: list[tuple[str, int]] = []
    entries: dict[str, StreamEntry] = {}
    for block in truth.log.blocks(0):
        assert (block.first_position, block.previous_hash) == (position, previous)
        assert hash_of(block) == block.hash
        for at, one in enumerate(block.commits, position):
            logged.append((one.aggregate_id, one.version))
            lanes[lane_of(one.aggregate_id)] = at
            entries[one.aggregate_id] = StreamEntry(one.version + 1, at, one.epoch)
        position, previous = block.next_position, block.hash
    head = truth.log.head()
    assert (head.next_position, head.hash, list(head.lanes)) == (position, previous, lanes)
    assert dict(truth.log.registry()) == entries
    assert Counter(logged) == Counter(truth.places())
    for stream in STREAMS:
        versions = [version for one, version in logged if one == stream]
        assert versions == list(range(1, len(versions) + 1))
    for reader in (POLICY.stored_name, Published().stored_name):
        assert truth.checkpoints.read(reader, [WHOLE_LOG])[WHOLE_LOG] < position or not position
    assert all(parked.last < position for _, _, parked in truth.parking.all())


def history(random: Random, steps: int) -> list[Truth]:
    """The truth after each step of a random history."""
    truth, moments = Truth(), []
    for _ in range(steps):
        match random.choice(["write", "write", "write", "log", "some", "follow", "park"]):
            case "write":
                truth.write(random.choice(STREAMS))
            case "log":
                truth.sequence()
            case "some":
                truth.sequence(random.choice(STREAMS))
            case "follow":
                truth.follow()
            case "park" if (end := truth.log.head().next_position) > 1:
                parked = ParkedStream(random.randrange(end), end - 1, "planted")
                truth.parking.park(POLICY.stored_name, random.choice(STREAMS), parked)
        moments.append(deepcopy(truth))
    return moments


@pytest.mark.slow
@for_all(st.randoms(use_true_random=False), st.integers(2, 24), st.data())
def test_tables_of_different_moments_come_to_one_point_and_nothing_of_the_events_is_lost(
    random: Random, steps: int, data: st.DataObject
) -> None:
    moments = history(random, steps)
    drawn = data.draw(st.lists(st.integers(0, steps - 1), min_size=6, max_size=6))
    truth = mixed([moments[at] for at in drawn])
    acknowledged, restored = truth.places(), truth.restored()
    plan = restored.examine()
    restored.apply(plan)
    assert restored.examine().is_done
    # Whatever was acknowledged when the events were copied, and whatever the log proves, is there.
    assert set(acknowledged) <= set(truth.places())
    proved = {(c.aggregate_id, c.version) for b in truth.log.blocks(0) for c in b.commits}
    assert proved <= set(truth.places())
    truth.sequence()
    check(truth)


@pytest.mark.parametrize("dies", range(6))
def test_a_run_that_dies_is_finished_by_the_next(dies: int) -> None:
    truth = Truth()
    moments = []
    for streams in (STREAMS[:2], STREAMS[:3], STREAMS[:1]):
        for stream in streams:
            truth.write(stream)
        truth.sequence()
        truth.follow()
        moments.append(deepcopy(truth))
    truth = mixed([moments[at] for at in (0, 2, 1, 0, 2, 2)])
    plan = truth.restored().examine()
    assert (len(plan.returned), plan.cut, len(plan.entries), len(plan.moves)) == (3, [5], 3, 2)
    restored = truth.restored()
    calls = 0

    def dying(port: Any, name: str) -> None:
        method = getattr(port, name)

        def call(*args: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls > dies:
                raise KeyboardInterrupt
            return method(*args)

        port.__dict__[name] = call

    for port, name in (
        (truth.events, "append"),
        (truth.log, "delete"),
        (truth.log, "mend"),
        (truth.checkpoints, "move"),
    ):
        dying(port, name)
    with suppress(KeyboardInterrupt):
        restored.apply(plan)
    for port in (truth.events, truth.log, truth.checkpoints):
        for name in ("append", "delete", "mend", "move"):
            port.__dict__.pop(name, None)
    again = truth.restored()
    again.apply(again.examine())
    truth.sequence()
    check(truth)


def test_a_truth_that_is_whole_is_left_alone() -> None:
    truth = Truth()
    for stream in STREAMS:
        truth.write(stream)
    truth.sequence()
    truth.follow()
    assert truth.restored().examine().is_done


def test_a_commit_whose_earlier_one_is_nowhere_is_told_and_not_taken() -> None:
    before, after = Truth(), Truth()
    for number in range(3):
        after.write(STREAMS[0])
        after.sequence()
        if number == 0:
            before = deepcopy(after)
    bodies = deepcopy(after)
    del bodies.log._bodies[next(key for key in bodies.log._bodies if key[0] == 1)]
    truth = mixed([before, after, bodies, after, after, after])
    plan = truth.restored().examine()
    assert plan.lost == [(STREAMS[0], 3)]
    truth.restored().apply(plan)
    truth.sequence()
    check(truth)
    assert truth.places() == [(STREAMS[0], 1)]


def test_the_command_shows_what_it_would_do_and_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with moto.in_process():
        client = moto.client("dynamodb")
        stack = create_tables(client)
        truth = Truth(DynamoEvents(client, f"{stack}-events"), DynamoLog(client, log_tables(stack)))
        for stream in STREAMS:
            truth.write(stream)
        truth.sequence()
        truth.write(STREAMS[0])
        # The registry of a moment before: nothing of it is there.
        for stream in dict(truth.log.registry()):
            client.delete_item(TableName=f"{stack}-streams", Key={"aggregateId": {"S": stream}})
        monkeypatch.setattr(reconciling, "Cloud", lambda _: moto)

        def run(*more: str) -> str:
            done = CliRunner().invoke(leftfold, ["reconcile", stack, *more])
            return " ".join(done.output.split())

        shown = run("--dry-run")
        assert "entries of the registry that differ 4" in shown
        assert "commits that wait to be logged 1 commit" in shown
        assert dict(truth.log.registry()) == {}
        assert "leftfold sweep --now" in run("--yes")
        assert "at one point" in run()
        truth.sequence()
        assert len(dict(truth.log.registry())) == 4
