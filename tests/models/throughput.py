"""How many commits one log takes and its followers read: python -m tests.models.throughput.

A simulation of times and units, not of rules: a relay takes what has arrived, up to the
streams of a transaction, and writes it in one transaction that takes `TRANSACTION` ms and
its units from a partition that serves `WRITES` a second. Followers read what is written
from a partition that serves `READS` a second. A relay whose head was overtaken has lost the
time and the units, waits as the real one does, and reads the head. Times vary as log-normal
values; a throttled call waits. The figures are for comparisons: AWS's times are others.

Body "in": the commits stand in the block that the transaction writes, as they did before
docs/adr/0016. Body "apart": they are put before the link, under a key of their own.
"""

import math
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from random import Random
from typing import Literal, NamedTuple

import click
from rich.console import Console
from rich.table import Table

from tests.models.timeline import Timeline

# Milliseconds: a transaction of 100 items, a put, and a read on DynamoDB.
TRANSACTION, PUT, READ, THROTTLED = 15.0, 6.0, 5.0, 40.0
# Units a second that one partition serves.
WRITES, READS = 1_000.0, 3_000.0
STREAMS = 98
# KB: a link, the head, and the rest of a body beside its commits.
LINK, HEAD, REST = 0.4, 0.9, 0.2
# Milliseconds: how long a head is claimed, and how long one waits at most before it looks again.
CLAIMED, CLAIM_PAUSE = 300.0, 40.0
# Claims in a row for which a relay did not wait, before it writes without one again; and how often
# one that has just started claims.
WARY, AT_FIRST = 8, 1
# Links of which a follower reads a page.
PAGE = 16


@dataclass
class OneLog(Timeline):
    """What one log does in *seconds* with *rate* commits a second of *size* KB, packed.

    *relays* share the commits, each with a shard of its own.
    """

    body: Literal["in", "apart"]
    rate: float
    turns: Literal["backs off", "claims"] = "backs off"
    size: float = 0.2
    relays: int = 1
    seconds: float = 10.0
    seed: int = 1
    written: int = 0
    blocks: int = 0
    lost: int = 0
    gave_up: int = 0
    units: float = 0.0
    late: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._tokens, self._filled = 0.0, 0.0
        self._head = 0
        # The relay that has the head for itself, and until when.
        self._claim, self._until = -1, 0.0
        # So many claims more each relay makes before it trusts its memory of the head again.
        self._wary = [AT_FIRST if self.turns == "claims" else 0] * self.relays
        self._waiting: list[list[float]] = [[] for _ in range(self.relays)]
        self._busy = [False] * self.relays

    def _arrive(self, relay: int) -> None:
        self._waiting[relay].append(self._now)
        self._later(self._gap(), lambda: self._arrive(relay))
        if not self._busy[relay]:
            self._begin(relay)

    def _begin(self, relay: int, attempt: int = 0) -> None:
        waiting = self._waiting[relay]
        self._busy[relay] = bool(waiting)
        if waiting and self.turns == "claims" and self._wary[relay]:
            self._later(self._takes(READ), partial(self._ask, relay, 0))
        elif waiting:
            self._write(relay, len(waiting[:STREAMS]), self._head, attempt)

    def _ask(self, relay: int, waits: int) -> None:
        """Claims the head, or waits for whoever has it."""
        if self._claim not in (-1, relay) and self._now < self._until:
            self._later(self._random.uniform(5, CLAIM_PAUSE), partial(self._ask, relay, waits + 1))
            return
        self._wary[relay] = WARY if waits else self._wary[relay] - 1
        self._claim, self._until = relay, self._now + CLAIMED
        self.units += 1
        self._tokens -= 1
        count = len(self._waiting[relay][:STREAMS])
        self._later(self._takes(READ), partial(self._write, relay, count, self._head, 0))

    def _write(self, relay: int, count: int, head: int, attempt: int) -> None:
        units = units_of(self.body, count, self.size)
        self._tokens = min(WRITES, self._tokens + WRITES * (self._now - self._filled) / 1000)
        self._filled = self._now
        if self._tokens < units:
            self._later(self._takes(THROTTLED), lambda: self._write(relay, count, head, attempt))
            return
        self._tokens -= units
        self.units += units
        took = self._takes(TRANSACTION)
        if self.body == "apart":
            took += self._takes(PUT)
            self.units += math.ceil(self.size * count + REST)
        self._later(took, lambda: self._written(relay, count, head, attempt))

    def _written(self, relay: int, count: int, head: int, attempt: int) -> None:
        others = self._claim not in (-1, relay) and self._now < self._until
        if head != self._head or others:
            self.lost += 1
            self._wary[relay] = WARY
            attempt += 1
            if attempt == 20:
                self.gave_up += 1
                attempt = 0
            # As `Adapters.pause` waits; the head and the registry are read after it.
            bound = min(1.0, 0.01 * 2**attempt) * 1000
            wait = self._random.uniform(0, bound) + 2 * self._takes(READ)
            if self.turns == "claims":
                wait = 0
            self._later(wait, lambda: self._begin(relay, attempt))
            return
        self._head += 1
        self._claim = -1
        self.blocks += 1
        self.written += count
        waiting = self._waiting[relay]
        self.late += [self._now - arrived for arrived in waiting[:count]]
        del waiting[:count]
        self._begin(relay)

    @property
    def per_second(self) -> float:
        return self.written / self.seconds


def units_of(body: Literal["in", "apart"], count: int, size: float) -> int:
    """The units that a transaction takes from the partition of links and head."""
    commits = REST + size * count if body == "in" else 0
    return 2 * (math.ceil(LINK + commits) + math.ceil(HEAD))


class Followed(NamedTuple):
    """What followers take from the partition that all of them read, and its ceiling."""

    units: float
    blocks: float


def followed(body: Literal["in", "apart"], followers: int, size: float) -> Followed:
    """The units that *followers* read of a full block from the log's partition, and how many
    full blocks a second that partition serves to all of them.
    """
    commits = size * STREAMS + REST
    block = math.ceil((LINK + commits) / 4) if body == "in" else LINK * PAGE / 4 / PAGE
    units = followers * block
    return Followed(units, READS / units)


TURNS: tuple[Literal["backs off", "claims"], ...] = ("backs off", "claims")
BODIES: tuple[Literal["in", "apart"], ...] = ("in", "apart")


def by_size(seconds: float) -> Table:
    """What one relay writes at its limit, by the size of commits, and what followers can read."""
    table = Table("commit", "body", "written/s", "blocks/s", "units/commit", title="one relay")
    table.add_column("full blocks/s for 1, 5, 10, 20 followers")
    for size, body in product((0.1, 0.2, 0.35, 0.65), BODIES):
        world = OneLog(body, 9_000, size=size, seconds=seconds).run()
        read = [followed(body, followers, size).blocks for followers in (1, 5, 10, 20)]
        table.add_row(
            f"{size * 1000:.0f} B",
            body,
            f"{world.per_second:,.0f}",
            f"{world.blocks / seconds:.0f}",
            f"{world.units / world.written:.2f}",
            ", ".join(f"{rate:,.0f}" for rate in read),
        )
    return table


def by_relays(seconds: float) -> Table:
    """What many relays write, each of which has a shard of its own."""
    table = Table(
        "relays", "offered/s", "a loser", "written/s", "lost of 100", "gave up", title="races"
    )
    table.add_column("units/commit")
    table.add_column("p50, p99 ms")
    for rate, relays, turns in product((100, 1_300, 4_000), (1, 2, 4, 8, 32, 256), TURNS):
        world = OneLog("apart", rate, turns, 0.35, relays, seconds).run()
        late = sorted(world.late) or [math.nan]
        table.add_row(
            str(relays),
            f"{rate:,}",
            turns,
            f"{world.per_second:,.0f}",
            f"{100 * world.lost / (world.lost + world.blocks):.0f}",
            str(world.gave_up),
            f"{world.units / max(world.written, 1):.2f}",
            f"{late[len(late) // 2]:,.0f}, {late[len(late) * 99 // 100]:,.0f}",
        )
    return table


def by_neighbour(seconds: float) -> Table:
    """What a tenant waits for that sends one commit a second, beside one that sends many.

    One relay, and a reader that takes commits in the order of the log, as many a second as it can.
    """
    table = Table("the other's commits/s", title="a quiet tenant's wait, p50 and p99 in ms")
    table.add_column("in the log")
    reads = (500, 1_000, 2_000)
    for served in reads:
        table.add_column(f"then in a reader of {served:,}/s")
    for other in (0, 300, 1_000, 4_000, 9_000):
        late = sorted(OneLog("apart", other + 1, size=0.1, seconds=seconds).run().late)
        waits = [waited(other + 1, served, seconds) for served in reads]
        shown = [
            f"{some[len(some) // 2]:,.0f}, {some[len(some) * 99 // 100]:,.0f}"
            for some in (late, *waits)
        ]
        table.add_row(f"{other:,}", *shown)
    return table


def waited(rate: float, served: float, seconds: float, seed: int = 1) -> list[float]:
    """How long commits wait, in ms, sorted, that come *rate* a second and are taken in turn."""
    random, now, free = Random(seed), 0.0, 0.0
    found = []
    while now < seconds * 1000:
        now += random.expovariate(rate / 1000)
        free = max(free, now) + 1000 / served
        found.append(free - now)
    return sorted(found)


@click.command()
@click.option("--seconds", default=10.0, show_default=True, help="How long each run is.")
def main(seconds: float) -> None:
    """Simulate what one log takes, by size of commits, followers and relays."""
    console = Console()
    console.print(by_size(seconds))
    console.print(by_relays(seconds))
    console.print(by_neighbour(seconds))


if __name__ == "__main__":
    main()
