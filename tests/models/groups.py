"""How many commits one log and four logs take, from many relays: python -m tests.models.groups.

A relay is the function on one shard of the events table's stream. It gets a batch of commits of
all tenants, splits it by log, writes all logs of the batch side by side, and gets its next batch
when the last of them is written, however many logs there are. Each log has a head, a claim and a
partition of its own. Times and units are those of `tests.models.throughput`.
"""

import math
from dataclasses import dataclass, field
from functools import partial
from itertools import product

import click
from rich.console import Console
from rich.table import Table

from tests.models.throughput import (
    AT_FIRST,
    CLAIM_PAUSE,
    CLAIMED,
    PUT,
    READ,
    STREAMS,
    THROTTLED,
    TRANSACTION,
    WARY,
    WRITES,
    units_of,
)
from tests.models.timeline import Timeline

# The records for each log that the event source gives to one invocation of the relay.
BATCH = 500
SIZE = 0.35


@dataclass
class Log:
    """The head of one log: its *version*, its claim, and what its partition has left."""

    version: int = 0
    owner: int = -1
    until: float = 0.0
    tokens: float = 0.0
    filled: float = 0.0


@dataclass
class Stage(Timeline):
    """*relays* bring *rate* commits a second into *logs*; times are in milliseconds.

    With *one_by_one* a batch is written into its logs one after the other.
    """

    logs: int
    relays: int
    rate: float
    seconds: float = 10.0
    one_by_one: bool = False
    seed: int = 1
    written: int = 0
    lost: int = 0
    blocks: int = 0
    late: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._heads = [Log() for _ in range(self.logs)]
        self._waiting: list[list[tuple[int, float]]] = [[] for _ in range(self.relays)]
        # What is left of the batch of a relay, by log; none while the relay does nothing.
        self._parts: list[dict[int, list[float]]] = [{} for _ in range(self.relays)]
        self._wary = [[AT_FIRST] * self.logs for _ in range(self.relays)]

    @property
    def per_second(self) -> float:
        return self.written / self.seconds

    def _arrive(self, relay: int) -> None:
        self._waiting[relay].append((self._random.randrange(self.logs), self._now))
        self._later(self._gap(), partial(self._arrive, relay))
        if not self._parts[relay]:
            self._invoke(relay)

    def _invoke(self, relay: int) -> None:
        """The relay's next batch."""
        size = BATCH * self.logs
        batch, self._waiting[relay] = self._waiting[relay][:size], self._waiting[relay][size:]
        for log, arrived in batch:
            self._parts[relay].setdefault(log, []).append(arrived)
        for log in list(self._parts[relay])[: 1 if self.one_by_one else None]:
            self._begin(relay, log)

    def _begin(self, relay: int, log: int, waits: int = 0) -> None:
        """The next block of one log of the batch, by a claim where the relay is wary."""
        head = self._heads[log]
        if not self._wary[relay][log]:
            self._write(relay, log, head.version)
        elif head.owner not in (-1, relay) and self._now < head.until:
            wait = self._takes(READ) + self._random.uniform(5, CLAIM_PAUSE)
            self._later(wait, partial(self._begin, relay, log, waits + 1))
        else:
            self._wary[relay][log] = WARY if waits else self._wary[relay][log] - 1
            head.owner, head.until = relay, self._now + CLAIMED
            head.tokens -= 1
            self._later(2 * self._takes(READ), partial(self._write, relay, log, head.version))

    def _write(self, relay: int, log: int, version: int) -> None:
        head = self._heads[log]
        head.tokens = min(WRITES, head.tokens + WRITES * (self._now - head.filled) / 1000)
        head.filled = self._now
        count = len(self._parts[relay][log][:STREAMS])
        units = units_of("apart", count, SIZE)
        if head.tokens < units:
            self._later(self._takes(THROTTLED), partial(self._write, relay, log, version))
            return
        head.tokens -= units
        took = self._takes(PUT) + self._takes(TRANSACTION)
        self._later(took, partial(self._written, relay, log, version, count))

    def _written(self, relay: int, log: int, version: int, count: int) -> None:
        head = self._heads[log]
        if version != head.version or (head.owner not in (-1, relay) and self._now < head.until):
            self.lost += 1
            self._wary[relay][log] = WARY
            self._begin(relay, log)
            return
        head.version, head.owner = head.version + 1, -1
        self.blocks += 1
        self.written += count
        part = self._parts[relay][log]
        self.late += [self._now - arrived for arrived in part[:count]]
        del part[:count]
        if part:
            self._begin(relay, log)
            return
        del self._parts[relay][log]
        if not self._parts[relay]:
            self._invoke(relay)
        elif self.one_by_one:
            self._begin(relay, next(iter(self._parts[relay])))


def table_of(seconds: float) -> Table:
    """What a stage writes, by the number of its logs and of its relays."""
    table = Table("relays", "offered/s", "logs", "a batch", "written/s", "lost of 100")
    table.add_column("p50, p99 ms")
    chosen = ((1, False), (4, True), (4, False))
    for (relays, rate), (logs, one_by_one) in product(
        ((1, 25_000), (4, 25_000), (32, 25_000), (32, 2_000)), chosen
    ):
        stage = Stage(logs, relays, rate, seconds, one_by_one).run()
        late = sorted(stage.late) or [math.nan]
        table.add_row(
            str(relays),
            f"{rate:,}",
            str(logs),
            "in turn" if one_by_one else "at once",
            f"{stage.per_second:,.0f}",
            f"{100 * stage.lost / (stage.lost + stage.blocks):.0f}",
            f"{late[len(late) // 2]:,.0f}, {late[len(late) * 99 // 100]:,.0f}",
        )
    return table


@click.command()
@click.option("--seconds", default=10.0, show_default=True, help="How long each run is.")
def main(seconds: float) -> None:
    """Simulate what a stage with one log and one with four logs takes."""
    Console().print(table_of(seconds))


if __name__ == "__main__":
    main()
