"""What it takes to copy, take and prove many streams: python -m tests.generations.counting --help.

The real copier, taker and proof on the adapters in memory, which are counted: the calls of each
port, and the units that DynamoDB would bill for the items as they are. Time and money follow from
stated limits; nothing is measured by a clock.
"""

import resource
import time
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from chalicelib.bank.account.domain import Open
from chalicelib.leftfold.generations.copying import Truth
from chalicelib.leftfold.generations.operating import Operator, Taken
from chalicelib.leftfold.generations.proof import prove
from chalicelib.leftfold.kernel import Bar, Commit
from chalicelib.leftfold.store.blocks import is_small
from chalicelib.leftfold.store.events import item_of, item_size
from chalicelib.leftfold.store.log import DynamoLog, LogTables
from chalicelib.leftfold.store.memory import MemoryEvents, MemoryLog
from chalicelib.leftfold.store.ports import Block
from tests.generations.site import Site, truth_of
from tests.generations.test_proof import MONEY
from tests.teller import credit
from tests.vaults import vault_of

# us-east-1, dollars a unit on demand.
WRITE, READ = 0.625e-6, 0.125e-6
# A call of DynamoDB, in seconds; calls of one function at a time; functions of copier and taker.
CALL, AT_ONCE, SHARDS = 0.005, 16, 8
# Write units a second of one table on demand, before a quota is raised.
QUOTA = 40_000
KB = 1024
PAGE = 4 * KB
# Streams that a relay is told of at once, and sizes of items that are kept.
TOLD, KEPT = 980, 10_000


def units(size: int, unit: int) -> int:
    return max(1, -(-size // unit))


class Counted:
    """A port of one generation; *costs* gives what a call reads and writes, by its name."""

    def __init__(self, port: Any, counts: "Counts", costs: Mapping[str, Any]) -> None:
        self._port, self._counts, self._costs = port, counts, costs

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        cost = self._costs.get(name)
        if cost is None:
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            answer = found(*args, **kwargs)
            if isinstance(answer, Iterator):
                return self._each(cost, answer)
            self._counts.add(*cost(self._port, answer, *args))
            return answer

        return call

    def _each(self, cost: Any, items: Iterator[Any]) -> Iterator[Any]:
        for item in items:
            self._counts.add(*cost(self._port, item))
            yield item


class Counts:
    """Calls, read units and write units of what is under way."""

    def __init__(self) -> None:
        self.calls = 0.0
        self.read = 0.0
        self.written = 0.0

    def add(self, read: float, written: float, calls: float = 1) -> None:
        self.calls += calls
        self.read += read
        self.written += written

    def taken(self) -> "Counts":
        """What was counted since the last call."""
        made = Counts()
        made.calls, made.read, made.written = self.calls, self.read, self.written
        self.calls, self.read, self.written = 0.0, 0.0, 0.0
        return made


class IndexedEvents(MemoryEvents):
    """Its scan goes on where it ended: it sorts the keys once, and not for each page."""

    def __init__(self) -> None:
        super().__init__()
        self._keys: dict[int, Sequence[tuple[str, int]]] = {}

    def append(self, commit: Commit, *unless: Any) -> Commit | None:
        self._keys.clear()
        return super().append(commit, *unless)

    def put_copy(self, copy: Commit, over: Bar | None = None) -> Commit | None:
        self._keys.clear()
        return super().put_copy(copy, over)

    def scan(
        self, part: int, parts: int, after: str | None, limit: int
    ) -> tuple[Sequence[tuple[str, int]], str | None]:
        if part not in self._keys:
            self._keys[part] = super().scan(part, parts, None, 10**9)[0]
        keys, end = self._keys[part], int(after or 0) + limit
        return keys[end - limit : end], str(end) if end < len(keys) else None


class IndexedLog(MemoryLog):
    """It finds its blocks without looking at all that come before and after them."""

    def blocks(
        self, position: int, limit: int | None = None, heard: Collection[str] | None = None
    ) -> Iterator[Block]:
        assert limit is None
        first = bisect_right(self._links, position, key=attrgetter("next_position"))
        for number in range(first, len(self._links)):
            block = self._whole(self._links[number], heard)
            assert block is not None
            yield block


# A commit's size by its id, together with the commit, whose id is no other's meanwhile.
_SIZES: dict[int, tuple[Commit, int]] = {}


def size_of(commit: Commit) -> int:
    found = _SIZES.get(id(commit))
    if found is None:
        if len(_SIZES) >= KEPT:
            _SIZES.clear()
        found = _SIZES[id(commit)] = commit, item_size(item_of(commit))
    return found[1]


def page(_port: Any, answer: Any, *_: Any) -> tuple[int, int]:
    return units(sum(map(size_of, getattr(answer, "commits", answer))), PAGE), 0


def copied(_port: Any, _answer: Any, copy: Any, *_: Any) -> tuple[int, int]:
    return 0, units(size_of(copy), KB)


def marked(port: Any, _answer: Any, stream: str, version: int, _switch: int) -> tuple[int, int]:
    return 0, units(size_of(port.range(stream, version, version)[0]), KB)


def scanned(port: Any, answer: Any, *_: Any) -> tuple[float, int]:
    keys, _ = answer
    sizes = sum(size_of(commit) for key in keys for commit in port.range(key[0], key[1], key[1]))
    return units(sizes, PAGE) / 2, 0


TABLE = {
    "newest": page,
    "range": page,
    "put_copy": copied,
    "append": copied,
    "bar": lambda *_: (0, 1),
    "remove_bar": lambda *_: (0, 1),
    "mark": marked,
    "scan": scanned,
}
# Makes items, and calls nobody.
ITEMS = DynamoLog(None, LogTables(*LogTables._fields))  # type: ignore[arg-type]


def body_size(block: Block) -> int:
    return 0 if is_small(block) else item_size(ITEMS.body_of(block))


def logged(_port: Any, _answer: Any, *written: Any) -> tuple[int, int]:
    """A transaction: two units for each begun KB of an item; heads and entries are below one."""
    writes = ITEMS.writes_of(*written)
    sizes = [item_size(write["Put"]["Item"]) if "Put" in write else 1 for write in writes]
    return 0, sum(2 * units(size, KB) for size in sizes)


LOG = {
    "head": lambda *_: (1, 0),
    "streams": lambda _port, answer, *_: (max(1, len(answer)), 0),
    "put_body": lambda _port, _answer, block: (0, body_size(block) and units(body_size(block), KB)),
    "append": logged,
    "blocks": lambda _port, block: (units(body_size(block), PAGE) / 2 + 0.5, 0),
    # Of a page of some thousand entries.
    "registry": lambda *_: (0.02, 0, 0.0002),
}


def counted_site(counts: Counts) -> Site:
    """Two generations in memory whose calls are counted."""
    blue, green = (
        truth_of(
            name,
            Counted(IndexedEvents(), counts, TABLE),
            Counted(IndexedLog(), counts, LOG),
            first=name == "blue",
        )
        for name in ("blue", "green")
    )
    return Site(blue=blue, green=green)


def log_all(truth: Truth, streams: int, commits: int) -> None:
    """Brings everything into a truth's log."""
    for first in range(0, streams, TOLD):
        numbers = range(first, min(streams, first + TOLD))
        truth.sequence({f"main/account-{number:08}": commits for number in numbers})


def steps(streams: int, commits: int) -> Iterator[tuple[str, Counts]]:
    """What each step of a change takes for so many streams of so many commits."""
    counts = Counts()
    site = counted_site(counts)
    blue = site.teller("blue")
    for number in range(streams):
        blue.do(Open("Ada Lovelace", "CZK", "current"), f"{number:08}")
        for _ in range(commits - 1):
            blue.do(credit(100), f"{number:08}")
    log_all(site.blue, streams, commits)
    yield "made", counts.taken()

    # As functions of their own do, each of which reads the log.
    for shard in range(SHARDS):
        site.copier.run([shard])
    yield "copied", counts.taken()
    log_all(site.green, streams, commits)
    yield "logged by green", counts.taken()
    operator = Operator(
        site.control, site.copier, site.there, site.back, site.checkpoints, site.parking
    )
    operator.switch(0)
    counts.taken()
    assert operator.take() == Taken(1, streams, ())
    yield "taken", counts.taken()
    report = prove(site.blue.log, site.green.log, site.boundaries, MONEY, vault_of())
    assert list(report.differences()) == []
    assert (report.commits, report.streams) == (streams * commits, streams)
    yield "proved", counts.taken()


@click.command()
@click.option("--streams", default=2_000, show_default=True)
@click.option("--commits", default=5, show_default=True, help="Of each stream.")
@click.option("--of", "total", default=1_000_000, show_default=True, help="Streams to reckon for.")
def main(*, streams: int, commits: int, total: int) -> None:
    """Count a change of STREAMS streams, and reckon what it takes for more."""
    table = Table("step", "calls/stream", "write units/stream", "read units/stream", "$", "minutes")
    table.title = f"{streams:,} streams of {commits} commits, reckoned for {total:,}"
    began = time.process_time()
    for name, counts in steps(streams, commits):
        took, began = time.process_time() - began, time.process_time()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KB
        click.echo(f"{name}: {took:,.0f} s of the processor, at most {peak:,.0f} MB", err=True)
        if name == "made":
            continue
        calls = counts.calls / streams
        written, read = counts.written / streams, counts.read / streams
        functions = SHARDS if name in {"copied", "taken"} else 1
        seconds = max(calls * total * CALL / AT_ONCE / functions, written * total / QUOTA)
        cost = total * (written * WRITE + read * READ)
        table.add_row(
            name,
            f"{calls:.2f}",
            f"{written:.2f}",
            f"{read:.2f}",
            f"{cost:,.2f}",
            f"{seconds / 60:,.0f}",
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
