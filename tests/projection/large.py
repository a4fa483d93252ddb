"""A recorded run: python -m tests.projection.large [--events N] [--rows N] [--workers N,N] [--view V].

Segments are made of the bank's file, with one or several of its rows in a commit, and lie in a
folder. A log of any length is these segments again and again, at other positions: each time they
are read, proved, unpacked, decoded and folded anew. A worker tells its own processor's time and its
own memory.
"""

import multiprocessing
import resource
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from functools import cache, partial
from hashlib import sha256
from itertools import islice
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import NamedTuple

import click
from rich.table import Table

from chalicelib.bank.account.domain import Credited, Debited, Opened, account
from chalicelib.domain import DOMAIN
from chalicelib.leftfold.archive.pruner import BYTES_IN_SEGMENT, COMMITS_IN_SEGMENT
from chalicelib.leftfold.archive.segments import pack_blocks
from chalicelib.leftfold.kernel import Commit, StoredEvent
from chalicelib.leftfold.kernel.commit import canonical
from chalicelib.leftfold.projection.replay import Replayed, replay_range, together
from chalicelib.leftfold.projection.typed import typed, unpack_blocks_quickly
from chalicelib.leftfold.store.blocks import STREAMS_PER_BLOCK, cut, seal
from chalicelib.leftfold.store.memory import MemoryLog
from chalicelib.leftfold.store.ports import Block, Head
from tools.bank.bank_file import read
from tools.bank.bench import committed
from tools.bank.run import BANK_FILE, CURRENCY
from tools.console import bar, console
from tools.ranges import by_ranges


class Segments(NamedTuple):
    """The segments in a *folder*, each with its first position; the positions and events of all."""

    folder: Path
    firsts: tuple[int, ...]
    size: int
    events: int


class Work(NamedTuple):
    """What a worker made, the processor's seconds that it took, and its memory in MB."""

    made: Replayed
    seconds: float
    memory: int


def commits_of_file(most: int, rows: int) -> Iterator[Commit]:
    """Commits of up to *rows* rows of an account, after one that opens it, of *most* rows in all."""
    versions: dict[str, int] = {}
    waiting: dict[str, list[StoredEvent]] = {}

    def made(stream: str, *events: StoredEvent) -> Commit:
        versions[stream] = versions.get(stream, 0) + 1
        return committed(stream, versions[stream], *events)

    for line in islice(read(BANK_FILE, CURRENCY).lines, most):
        stream = account.stream(line.account, "main")
        if stream not in waiting:
            yield made(stream, account.codec.encode(Opened(line.account, CURRENCY, "current", 0)))
        kind = Credited if line.direction == "credit" else Debited
        some = waiting.setdefault(stream, [])
        some.append(account.codec.encode(kind(line.amount, CURRENCY, line.day, line.operation)))
        if len(some) == rows:
            yield made(stream, *some)
            some.clear()
    for stream, left in waiting.items():
        if left:
            yield made(stream, *left)


def batches(most: int, rows: int = 1) -> Iterator[Sequence[Commit]]:
    """Those commits, as many at a time as a block takes."""
    coming, plan = commits_of_file(most, rows), list[Commit]()
    while plan := [*plan, *islice(coming, STREAMS_PER_BLOCK - len(plan))]:
        some = cut(plan)
        plan = plan[len(some) :]
        yield some


def make(folder: Path, most: int, rows: int) -> Segments:
    """Segments of up to *most* rows of the file."""
    head, firsts, events, size = Head(), list[int](), 0, 0
    blocks: list[Block] = []

    def write() -> None:
        data = pack_blocks(blocks)
        name = folder / f"{blocks[0].first_position:012}"
        name.write_bytes(data)
        name.with_suffix(".sha256").write_text(sha256(data).hexdigest())
        firsts.append(blocks[0].first_position)
        blocks.clear()

    with bar("making segments", most) as progress:
        (task,) = progress.task_ids
        for some in batches(most, rows):
            block, head = seal(head, some)
            blocks.append(block)
            size += sum(len(commit.line) for commit in some)
            held = sum(len(commit.events) for commit in some)
            events += held
            progress.advance(task, held)
            count = head.next_position - blocks[0].first_position
            if count >= COMMITS_IN_SEGMENT or size >= BYTES_IN_SEGMENT:
                write()
                size = 0
    if blocks:
        write()
    return Segments(folder, tuple(firsts), head.next_position, events)


class Laps(MemoryLog):
    """The segments again and again."""

    def __init__(self, segments: Segments) -> None:
        super().__init__()
        self._laps = segments

    def blocks(
        self,
        position: int,
        limit: int | None = None,  # noqa: ARG002 - a replay has none
        heard: Collection[str] | None = None,  # noqa: ARG002 - every block has accounts
    ) -> Iterator[Block]:
        folder, firsts, size, _ = self._laps
        lap, within = divmod(position, size)
        index = max(i for i, first in enumerate(firsts) if first <= within)
        while True:
            data = (folder / f"{firsts[index]:012}").read_bytes()
            proof = (folder / f"{firsts[index]:012}.sha256").read_text()
            assert sha256(data).hexdigest() == proof
            for block in unpack_blocks_quickly(data):
                first, following = (
                    lap * size + at for at in (block.first_position, block.next_position)
                )
                if following > position:
                    yield block._replace(first_position=first, next_position=following)
            index += 1
            if index == len(firsts):
                lap, index = lap + 1, 0


@cache
def laps(segments: Segments) -> Laps:
    """One log for all ranges of a process."""
    return Laps(segments)


def work(segments: Segments, view: str, first: int, last: int) -> Work:
    """A range, folded from nothing."""
    began = time.process_time()
    made = replay_range(typed(DOMAIN.views[view]), laps(segments), first, last)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return Work(made, time.process_time() - began, memory)


def survived(
    job: Callable[[int, int], Work],
    workers: int,
    at_once: int,
    end: int,
    kills: Sequence[int],
    draw: Random,
) -> Iterator[tuple[int, Work]]:
    """The ranges up to position *end*, in order. At each position of *kills* a worker is killed;
    what follows the last range is then begun again by new ones.
    """
    done, waiting = 0, sorted(kills)
    while done < end:
        try:
            for positions, made in by_ranges(end, workers, job, at_once, done):
                done += positions
                yield positions, made
                if waiting and done >= waiting[0] and done < end:
                    waiting.pop(0)
                    draw.choice(multiprocessing.active_children()).kill()
        except BrokenProcessPool:
            console.print(f"a worker was killed; begun again at position {done:,}")


@click.command()
@click.option("--events", default=10_000_000, show_default=True)
@click.option("--distinct", default=200_000, show_default=True, help="Rows of the file.")
@click.option("--rows", default=1, show_default=True, help="Rows in a commit; the import has 100.")
@click.option("--workers", default="1,2", show_default=True)
@click.option("--view", default="totals", show_default=True)
@click.option("--at-once", default=500_000, show_default=True, help="Events of a range, about.")
@click.option("--kills", default=0, show_default=True, help="How often a worker is killed.")
@click.option("--seed", default=1, show_default=True, help="Of when, and whom.")
def main(
    *,
    events: int,
    distinct: int,
    rows: int,
    workers: str,
    view: str,
    at_once: int,
    kills: int,
    seed: int,
) -> None:
    """Replay a long log by each number of workers; exit 1 if the rows differ.

    Workers are killed where there are several.
    """
    table = Table(
        *("workers", "events", "seconds", "a second", "a processor's second"),
        *("MB after a tenth", "MB at the end", "killed", "rows"),
        title=view,
    )
    made = []
    draw = Random(seed)
    with TemporaryDirectory() as folder:
        segments = make(Path(folder), distinct, rows)
        console.print(
            f"{len(segments.firsts)} segments of {segments.size:,} commits with"
            f" {segments.events:,} events"
        )
        each = segments.events / segments.size
        end = round(events / each)
        for count in map(int, workers.split(",")):
            killed = [draw.randrange(end) for _ in range(kills)] if count > 1 else []
            began, used, memory = time.monotonic(), 0.0, list[int]()
            parts: list[Replayed] = []
            with bar(f"{count} workers", end) as progress:
                (task,) = progress.task_ids
                job = partial(work, segments, view)
                ranges = survived(job, count, round(at_once / each), end, killed, draw)
                for positions, done in ranges:
                    used += done.seconds
                    memory.append(done.memory)
                    # Few rows stay: they are merged as they come.
                    parts = [together(DOMAIN.views[view], [*parts, done.made])]
                    progress.advance(task, positions)
            took = time.monotonic() - began
            made.append(dict(parts[0].rows))
            table.add_row(
                *(str(count), f"{events:,}", f"{took:,.0f}", f"{events / took:,.0f}"),
                *(f"{events / used:,.0f}", str(memory[len(memory) // 10]), str(max(memory))),
                *(str(len(killed)), sha256(canonical(made[-1]).encode()).hexdigest()[:12]),
            )
    console.print(table)
    raise SystemExit(0 if all(one == made[0] for one in made) else 1)


if __name__ == "__main__":
    main()
