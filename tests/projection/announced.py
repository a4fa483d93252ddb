"""Announcers for tests; and a seeded history in which nearly every call fails somehow.

python -m tests.projection.announced --first SEED --count N
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from runpy import run_path
from typing import Any

import click

from chalicelib.leftfold.kernel import Aggregate, Announcer, Commit, Decider, StoredEvent
from chalicelib.leftfold.kernel.repair import NO_REPAIRS, Repairs
from chalicelib.leftfold.policies.announcing import AnnouncerWork
from chalicelib.leftfold.policies.outside import Answer, CloudEvent, MemoryOutside, Outside
from chalicelib.leftfold.projection.partitioned import PartitionedRunner
from chalicelib.leftfold.store.blocks import seal
from chalicelib.leftfold.store.memory import (
    MemoryCheckpoints,
    MemoryEvents,
    MemoryLog,
    MemoryParking,
)
from chalicelib.leftfold.store.ports import Head, StreamEntry, Unavailable
from tests.application import still
from tests.builders import Added, Removed, codec, stream
from tests.commits import commit
from tests.projection.runners import CrashError
from tools.bootstrap import ROOT

SUBSCRIBE = run_path(str(ROOT / "examples" / "subscribe.py"), run_name="subscribe")


def evolve(state: int, _event: object) -> int:
    return state


pile = Aggregate("pile", Decider(lambda _command, _state: [], evolve, 0), codec)
tell = Announcer("tell", (pile,), (Removed,))


@dataclass
class Announced:
    """A log with its streams, an announcer behind it, and what others get of it."""

    outside: Outside = field(default_factory=MemoryOutside)
    announcer: Announcer = tell
    repairs: Repairs = NO_REPAIRS
    log: MemoryLog = field(default_factory=MemoryLog)
    events: MemoryEvents = field(default_factory=MemoryEvents)
    head: Head = field(default_factory=Head)
    entries: dict[str, StreamEntry] = field(default_factory=dict)
    commits: list[Commit] = field(default_factory=list)
    # The attempts of the announcer before which it paused.
    paused: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.checkpoints, self.parking = MemoryCheckpoints(), MemoryParking()

    def block(self, *written: tuple[str, Sequence[Any]], **more: Any) -> None:
        """Appends a block of (aggregate id, events)."""
        before, made = dict(self.entries), []
        for position, (aggregate_id, events) in enumerate(written, self.head.next_position):
            version = self.entries.get(aggregate_id, StreamEntry()).next
            stored = tuple(e if isinstance(e, StoredEvent) else codec.encode(e) for e in events)
            one = commit(aggregate_id, version)._replace(events=stored, **more)
            assert self.events.append(one) is None
            made.append(one)
            self.entries[aggregate_id] = StreamEntry(version + 1, position)
        block, head = seal(self.head, made)
        moves = {
            one.aggregate_id: (
                before.get(one.aggregate_id, StreamEntry()),
                self.entries[one.aggregate_id],
            )
            for one in made
        }
        self.log.put_body(block)
        assert self.log.append(block, self.head, head, moves)
        self.head = head
        self.commits += made

    @property
    def work(self) -> AnnouncerWork:
        return AnnouncerWork(
            self.announcer,
            self.events,
            self.outside,
            "urn:leftfold:t:main",
            self.repairs,
            self.paused.append,
            3,
        )

    @property
    def runner(self) -> PartitionedRunner:
        return PartitionedRunner(self.work, self.log, self.checkpoints, self.parking, still)

    def run(self) -> None:
        while self.runner.catch_up(3):
            pass

    def told(self) -> list[CloudEvent]:
        assert isinstance(self.outside, MemoryOutside)
        return self.outside.taken


GONE = Removed()


class Flaky(MemoryOutside):
    """A way out with the faults of EventBridge: entries that fail, answers that are lost, death."""

    def __init__(self, chance: Random) -> None:
        super().__init__()
        self._chance = chance

    def put(self, announcements: Sequence[CloudEvent]) -> Answer:
        fate = self._chance.random()
        if fate < 0.1:
            raise CrashError
        later = []
        for one in announcements:
            if self._chance.random() < 0.8:
                self.taken.append(one)
                # Its answer may be lost.
                if self._chance.random() < 0.8:
                    continue
            later.append(one)
        if fate > 0.9:
            raise CrashError
        return Answer(tuple(later))


def grown(site: Announced, chance: Random) -> None:
    """A few commits of some streams."""
    written = [
        (
            stream(chance.choice("abcd")),
            [chance.choice([Added(1), GONE]) for _ in range(chance.randint(1, 3))],
        )
        for _ in range(chance.randint(1, 6))
    ]
    site.block(*written)


def delivered(taken: Sequence[CloudEvent], chance: Random) -> Iterator[CloudEvent]:
    """What a queue behind EventBridge gives: in no order, some of it again, once it is late."""
    again = [one for one in taken if chance.random() < 0.2]
    whole = [*taken, *again]
    chance.shuffle(whole)
    yield from whole


def kept_of(taken: Sequence[CloudEvent], chance: Random) -> list[tuple[str, str]]:
    """The streams and revisions that the example keeps, in its order."""
    database = sqlite3.connect(":memory:")
    database.executescript(SUBSCRIBE["TABLES"])
    for said in delivered(taken, chance):
        SUBSCRIBE["take"](database, said)
    assert database.execute("SELECT * FROM waiting").fetchall() == []
    rows = database.execute("SELECT stream, sequence FROM kept ORDER BY number").fetchall()
    return [(name.removeprefix("urn:leftfold:t:main "), sequence) for name, sequence in rows]


def wanted_of(site: Announced) -> dict[str, list[str]]:
    """The sequences of what is to be announced of each stream, in order."""
    found: dict[str, list[str]] = {}
    for position, one in enumerate(site.commits):
        for index, stored in enumerate(one.events):
            if stored.name == "removed":
                found.setdefault(one.aggregate_id, []).append(f"{position:015}.{index:05}.000")
    return found


def by_stream(kept: Sequence[tuple[str, str]]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, sequence in kept:
        found.setdefault(name, []).append(sequence)
    return found


def told_through_faults(seed: int) -> int:
    """A history in which nearly every call fails somehow: each event arrives, once and in order.

    Returns how many there were.
    """
    chance = Random(seed)
    flaky = Flaky(chance)
    site = Announced(flaky)
    for _ in range(chance.randint(1, 12)):
        grown(site, chance)
        if chance.random() < 0.7:
            with suppress(CrashError, Unavailable):
                site.run()
    behind = True
    while behind:
        with suppress(CrashError, Unavailable):
            behind = site.runner.catch_up(1)
    kept = kept_of(flaky.taken, chance)
    assert by_stream(kept) == wanted_of(site)
    return len(kept)


@click.command()
@click.option("--first", default=0, show_default=True, help="The first seed.")
@click.option("--count", default=2_000, show_default=True, help="How many histories.")
def main(first: int, count: int) -> None:
    """Histories, each of its own seed; fails with the first that is not as it should be."""
    announced = 0
    for seed in range(first, first + count):
        try:
            announced += told_through_faults(seed)
        except AssertionError:
            click.echo(f"seed {seed}")
            raise
    click.echo(f"{count:,} histories: {announced:,} events announced, each stream in order")


if __name__ == "__main__":
    main()
