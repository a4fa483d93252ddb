"""A recorded run: python -m tests.projection.large [--events N] [--workers N,N] [--view V].

Segments are made of the bank's file, one commit for each of its rows, and lie in a folder. A log of
any length is these segments again and again, at other positions: each time they are read, proved,
unpacked, decoded and folded anew. A worker tells its own processor's time and its own memory.
"""

import resource
import time
from collections.abc import Collection, Iterator
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import click
from rich.table import Table

from chalicelib.bank.account.domain import Credited, Debited, Opened, account
from chalicelib.domain import DOMAIN
from chalicelib.leftfold.archive.segments import pack_blocks
from chalicelib.leftfold.kernel import Commit
from chalicelib.leftfold.kernel.commit import traceparent_of
from chalicelib.leftfold.projection.replay import Replayed, replay_range, together
from chalicelib.leftfold.projection.typed import typed, unpack_blocks_quickly
from chalicelib.leftfold.store.blocks import STREAMS_PER_BLOCK, seal
from chalicelib.leftfold.store.memory import MemoryLog
from chalicelib.leftfold.store.ports import Block, Head
from tools.bank.bank_file import read
from tools.bank.run import BANK_FILE, CURRENCY
from tools.console import bar, console
from tools.ranges import by_ranges

SEGMENT = 10_000
AT = "2026-01-01T00:00:00.000Z"


class Segments(NamedTuple):
    """The segments in a *folder*, each with its first position, and the positions of them all."""

    folder: Path
    firsts: tuple[int, ...]
    size: int


class Work(NamedTuple):
    """What a worker made, the processor's seconds that it took, and its memory in MB."""

    made: Replayed
    seconds: float
    memory: int


def commits_of_file() -> Iterator[Commit]:
    """A commit for each row of the bank's file, after one that opens its account."""
    versions: dict[str, int] = {}
    for line in read(BANK_FILE, CURRENCY).lines:
        stream = account.stream(line.account, "main")
        if stream not in versions:
            versions[stream] = 1
            yield commit(stream, 1, Opened(line.account, CURRENCY, "current", 0))
        versions[stream] += 1
        kind = Credited if line.direction == "credit" else Debited
        yield commit(stream, versions[stream], kind(line.amount, CURRENCY, line.day))


def commit(stream: str, version: int, event: object) -> Commit:
    """A commit of one event."""
    return Commit(
        aggregate_id=stream,
        version=version,
        events=(account.codec.encode(event),),
        command_id=f"01980000-0000-7000-8000-{version:012}",
        body_hash="0123456789abcdef",
        at=AT,
        actor="bank",
        authority="bank",
        correlation_id="01980000-0000-7000-8000-000000000000",
        traceparent=traceparent_of(f"{stream} {version}"),
    )


def make(folder: Path, most: int) -> Segments:
    """Segments of up to *most* rows of the file."""
    head, firsts = Head(), list[int]()
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
        for some in batches(most):
            block, head = seal(head, some)
            blocks.append(block)
            progress.advance(task, len(some))
            if head.next_position - blocks[0].first_position >= SEGMENT:
                write()
    if blocks:
        write()
    return Segments(folder, tuple(firsts), head.next_position)


def batches(most: int) -> Iterator[list[Commit]]:
    """Commits of as many streams as a block takes, or fewer."""
    batch: list[Commit] = []
    for number, one in enumerate(commits_of_file()):
        if number == most:
            break
        batch.append(one)
        if len(batch) == STREAMS_PER_BLOCK:
            yield batch
            batch = []
    if batch:
        yield batch


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
        folder, firsts, size = self._laps
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


@click.command()
@click.option("--events", default=10_000_000, show_default=True)
@click.option("--distinct", default=200_000, show_default=True, help="Rows of the file.")
@click.option("--workers", default="1,2", show_default=True)
@click.option("--view", default="totals", show_default=True)
@click.option("--at-once", default=100_000, show_default=True)
def main(*, events: int, distinct: int, workers: str, view: str, at_once: int) -> None:
    """Replay a long log by each number of workers; exit 1 if the rows differ."""
    table = Table(
        *("workers", "events", "seconds", "a second", "a processor's second"),
        *("MB after a tenth", "MB at the end"),
        title=view,
    )
    rows = []
    with TemporaryDirectory() as folder:
        segments = make(Path(folder), distinct)
        console.print(f"{len(segments.firsts)} segments of {segments.size:,} commits")
        for count in map(int, workers.split(",")):
            began, used, memory = time.monotonic(), 0.0, list[int]()
            parts: list[Replayed] = []
            with bar(f"{count} workers", events) as progress:
                (task,) = progress.task_ids
                job = partial(work, segments, view)
                for positions, done in by_ranges(events, count, job, at_once):
                    used += done.seconds
                    memory.append(done.memory)
                    # Few rows stay: they are merged as they come.
                    parts = [together(DOMAIN.views[view], [*parts, done.made])]
                    progress.advance(task, positions)
            took = time.monotonic() - began
            rows.append(dict(parts[0].rows))
            table.add_row(
                *(str(count), f"{events:,}", f"{took:,.0f}", f"{events / took:,.0f}"),
                *(f"{events / used:,.0f}", str(memory[len(memory) // 10]), str(max(memory))),
            )
    console.print(table)
    raise SystemExit(0 if all(one == rows[0] for one in rows) else 1)


if __name__ == "__main__":
    main()
