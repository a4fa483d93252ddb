"""`leftfold bench`: what Leftfold adds to a floor, measured side by side in one run.

A floor is the least that the same work takes: the same calls by bare boto3, or a plain
loop over the same bytes. Both sides take turns, so what else the machine does hits both.
"""

import gzip
import hashlib
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from operator import add
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import click
import msgspec
from rich.box import SIMPLE_HEAD
from rich.progress import TaskID
from rich.table import Table
from rich.text import Text

from chalicelib.bank.account.domain import Book, Booking, Open, account
from chalicelib.bank.account.views import balances, bookings
from chalicelib.leftfold.commands.handler import CommandHandler, CommandRequest, body_hash
from chalicelib.leftfold.commands.loading import SNAPSHOT_EVERY
from chalicelib.leftfold.kernel import AggregateId, Commit, Recorded, Row, StoredEvent, View
from chalicelib.leftfold.kernel.commit import canonical, traceparent_of
from chalicelib.leftfold.projection.budget import BudgetedRows
from chalicelib.leftfold.projection.documents import THREADS, DynamoRows
from chalicelib.leftfold.projection.filling import EVENTS, FEW_EVENTS
from chalicelib.leftfold.projection.indexing import index_of, lines_of
from chalicelib.leftfold.projection.memory import MemoryRows
from chalicelib.leftfold.projection.replay import replay
from chalicelib.leftfold.projection.rows import RowStore, Save, texts
from chalicelib.leftfold.projection.runner import ViewWork, slices
from chalicelib.leftfold.projection.search import SearchRows, connect
from chalicelib.leftfold.projection.typed import typed, unpack_quickly
from chalicelib.leftfold.relay.publisher import Publisher
from chalicelib.leftfold.relay.relay import Relay, wanted_of
from chalicelib.leftfold.relay.sequencer import Sequencer, entries_after
from chalicelib.leftfold.store.blocks import STREAMS_PER_BLOCK, pack, seal, unpack
from chalicelib.leftfold.store.bus import LaneRecord
from chalicelib.leftfold.store.checkpoints import DynamoCheckpoints
from chalicelib.leftfold.store.events import DynamoEvents, item_of
from chalicelib.leftfold.store.log import DynamoLog
from chalicelib.leftfold.store.memory import MemoryCheckpoints, MemoryEvents, MemoryLog
from chalicelib.leftfold.store.ports import Block, Head, StreamEntry
from chalicelib.leftfold.subjects.dynamo import DynamoKeys
from chalicelib.leftfold.subjects.memory import MemoryKeys, MemoryKeyService
from chalicelib.leftfold.subjects.vault import Vault
from tools.cold import Cold, cold_starts
from tools.console import bar, console
from tools.engines import DynamoDBLocal, OpenSearch
from tools.last_deployment import STAGE
from tools.package import package
from tools.tables import create_tables, dynamodb_client, log_tables
from tools.texts import counted

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from opensearchpy import OpenSearch as SearchClient

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
AT = "2026-01-01T00:00:00.000Z"
BATCH = 50
TURNS = 15
# A budget for a fill: half of what a new on-demand table takes.
UNITS = 2_000
# `bar` has one task.
TASK = TaskID(0)


class Result(NamedTuple):
    """A line of the table: seconds of each side, the promised ratio, and what the floor is."""

    name: str
    leftfold: float
    floor: float
    promised: float
    least: str

    @property
    def ratio(self) -> float:
        return self.leftfold / self.floor


def nothing(_: Any) -> None:
    """For what a benchmark does not need: pauses, alarms, progress."""


class NoBus:
    """A bus that costs nothing, so that the relay is measured on DynamoDB alone."""

    def publish(self, records: Sequence[LaneRecord]) -> None:
        for record in records:
            record.to_bytes()


# --- handling a command


def bench_handler(client: "DynamoDBClient", rounds: int, tick: Callable[[], None]) -> Result:
    """A booking on an existing account, against the same Query and PutItem."""
    stack, floor = create_tables(client), f"{create_tables(client)}-events"
    store = DynamoEvents(client, f"{stack}-events")
    vault = Vault(DynamoKeys(client, f"{stack}-subjects"), MemoryKeyService(), time.monotonic)
    handler = CommandHandler(store, {"account": "bench"}, lambda: MOMENT, nothing, vault)
    handler.execute(request(0))
    client.put_item(TableName=floor, Item=item_of(store.range("main/account-a", 1, 1)[0]))

    def raw(number: int) -> None:
        client.query(
            TableName=floor,
            KeyConditionExpression="aggregateId = :id",
            ExpressionAttributeValues={":id": {"S": "main/account-a"}},
            ScanIndexForward=False,
            Limit=SNAPSHOT_EVERY + 1,
        )
        client.put_item(
            TableName=floor,
            Item=items[number],
            ConditionExpression="attribute_not_exists(aggregateId)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )

    def one(number: int) -> None:
        handler.execute(request(number))
        tick()

    # The floor writes what Leftfold wrote, snapshots and all: the same bytes both ways.
    times: tuple[list[float], list[float]] = ([], [])
    items: dict[int, Any] = {}
    for number in range(1, rounds + 1):
        times[0].append(timed(partial(one, number)))
        items[number] = item_of(store.range("main/account-a", number + 1, number + 1)[0])
        times[1].append(timed(partial(raw, number)))
    left, right = map(statistics.median, times)
    return Result("command", left, right, 1.5, "Query and PutItem")


def request(number: int) -> CommandRequest:
    """The opening of an account, or its next credit."""
    command: Open | Book = Open("Ada", "CZK", "current")
    if number:
        command = Book((Booking("credit", 100, "CZK", "2026-01-01", purpose="rent"),))
    return CommandRequest(
        aggregate=account,
        aggregate_id="main/account-a",
        command=command,
        command_id=f"bench-{number}",
        body_hash=body_hash("bench", number),
        actor="bench",
        correlation_id="bench",
        opens=number == 0,
    )


def timed(work: Callable[[], object]) -> float:
    """Seconds that *work* takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


# --- the relay


def bench_relay(client: "DynamoDBClient", rounds: int, tick: Callable[[], None]) -> Result:
    """Batches of 50 commits on 50 streams, against the bare calls that write their blocks."""
    stacks = [create_tables(client) for _ in range(2)]
    logs = [DynamoLog(client, log_tables(stack)) for stack in stacks]
    events = DynamoEvents(client, f"{stacks[0]}-events")
    checkpoints = DynamoCheckpoints(client, f"{stacks[0]}-policy-checkpoints")
    relay = Relay(
        Sequencer(events, logs[0], nothing, nothing),
        Publisher(logs[0], NoBus(), checkpoints),
        nothing,
    )
    head = Head()

    def bare(body: dict[str, Any], writes: list[dict[str, Any]]) -> None:
        client.put_item(TableName=log_tables(stacks[1]).bodies, Item=body)
        client.transact_write_items(TransactItems=cast("Any", writes))

    times: tuple[list[float], list[float]] = ([], [])
    for number in range(1, rounds + 1):
        commits = [credit(f"main/account-{n}", number) for n in range(BATCH)]
        wanted = wanted_of((c.aggregate_id, c.version) for c in commits)
        block, next_head = seal(head, commits)
        moves = {id_: (StreamEntry(number), e) for id_, e in entries_after(block).items()}
        writes = logs[1].writes_of(block, head, next_head, moves)
        body = logs[1].body_of(block)
        head = next_head
        times[0].append(timed(partial(relay.run, wanted, commits)))
        times[1].append(timed(partial(bare, body, writes)))
        tick()
    left, right = map(statistics.median, times)
    return Result(f"relay of {BATCH}", left, right, 1.5, "body and transaction")


def credit(aggregate_id: str, version: int) -> Commit:
    """A commit of normal size: an opening, or a credit."""
    opening = {"owner": "Ada", "currency": "CZK", "kind": "current", "credit_limit": 0}
    booking = {"amount": 100, "currency": "CZK", "value_date": "2026-01-01", "purpose": "rent"}
    event = (
        StoredEvent("account-opened", 1, opening)
        if version == 1
        else StoredEvent("account-credited", 1, booking)
    )
    return committed(aggregate_id, version, event)


def committed(aggregate_id: str, version: int, *events: StoredEvent) -> Commit:
    """A commit of these events."""
    return Commit(
        aggregate_id=aggregate_id,
        version=version,
        events=events,
        command_id=f"01980000-0000-7000-8000-{version:012}",
        body_hash="0123456789abcdef",
        at=AT,
        actor="bench",
        authority="bench",
        correlation_id="01980000-0000-7000-8000-000000000000",
        traceparent=traceparent_of(f"{aggregate_id} {version}"),
    )


# --- writing


def bench_writing(commits: int, tick: Callable[[], None]) -> list[Result]:
    """Append and log in memory, against a loop that makes each commit's JSON once and hashes it.

    All times are the processor's. The records for a bus are made, as in a deployment.
    """
    appending, logging, plain = [], [], []
    for _ in range(3):
        made = [credit(f"main/account-{n % 1000}", 1 + n // 1000) for n in range(commits)]
        plain.append(worked(partial(plain_writing, made)))
        events, log = MemoryEvents(), MemoryLog()
        relay = Relay(
            Sequencer(events, log, nothing, nothing),
            Publisher(log, NoBus(), MemoryCheckpoints()),
            nothing,
        )
        appending.append(worked(lambda: [events.append(commit) for commit in made]))  # noqa: B023
        logging.append(worked(partial(log_all, relay, made)))
        tick()
    append, both, least = min(appending), min(map(add, appending, logging)), min(plain)
    rates = f"{commits / append:,.0f}/s appended, {commits / both:,.0f}/s appended and logged"
    console.print(f"writing: {counted(commits, 'commit')} in memory, {rates}")
    floor = "each commit's JSON and its hash"
    return [
        Result("append in memory", append, least, 4.0, floor),
        Result("append and log in memory", both, least, 7.0, floor),
    ]


def plain_writing(commits: Sequence[Commit]) -> dict[tuple[str, int], str]:
    """The least that writing is: each commit as JSON once, hashed, and kept by its key."""
    kept: dict[tuple[str, int], str] = {}
    digest = hashlib.sha256()
    for commit in commits:
        line = kept[commit.aggregate_id, commit.version] = canonical(commit)
        digest.update(line.encode())
    return kept


def log_all(relay: Relay, commits: Sequence[Commit]) -> None:
    """Relays the commits, a hundred at a time."""
    for batch in batched(commits, 100):
        relay.run(wanted_of((c.aggregate_id, c.version) for c in batch), batch)


def batched(commits: Sequence[Commit], size: int) -> Iterator[Sequence[Commit]]:
    """The commits in order, *size* at a time."""
    return (commits[at : at + size] for at in range(0, len(commits), size))


# --- replay


class PackedLog(MemoryLog):
    """A log whose blocks lie packed in a file, so that memory shows the replay alone."""

    def __init__(
        self,
        commits: int,
        tick: Callable[[], None],
        made_of: Callable[[Commit], Commit] = lambda commit: commit,
    ) -> None:
        super().__init__()
        # A view that opens personal data needs bodies that are parsed.
        self.unpack: Callable[[bytes], Sequence[Commit]] = unpack_quickly
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the log
        self._sealed: list[tuple[Block, int]] = []
        made = 0
        while made < commits:
            size = min(STREAMS_PER_BLOCK, commits - made)
            batch = [
                made_of(credit(f"main/account-{n % 1000}", 1 + n // 1000))
                for n in range(made, made + size)
            ]
            block, self._head = seal(self._head, batch)
            self._sealed.append((block._replace(commits=()), self._file.write(pack(batch))))
            made += size
            tick()

    def close(self) -> None:
        """Removes the file."""
        self._file.close()

    def packed(self) -> Iterator[tuple[Block, bytes]]:
        """Each block without its commits, and their bytes."""
        self._file.seek(0)
        for block, size in self._sealed:
            yield block, self._file.read(size)

    def blocks(
        self,
        position: int,
        limit: int | None = None,
        heard: Collection[str] | None = None,  # noqa: ARG002 - every block has accounts
    ) -> Iterator[Block]:
        found = (
            b._replace(commits=self.unpack(p))
            for b, p in self.packed()
            if b.next_position > position
        )
        return islice(found, limit)


class StoredLine(msgspec.Struct, gc=False, rename="camel"):
    """What a fold needs of a commit's line."""

    aggregate_id: str
    sequence_number: int
    at: str
    events: list["StoredPart"]


class StoredPart(msgspec.Struct, gc=False):
    """A stored event whose body is not parsed yet."""

    name: str
    version: int
    body: msgspec.Raw


def plain_loop(log: PackedLog) -> dict[str, Row | None]:
    """The least that a replay is: unpack, parse into typed values, fold into a dict."""
    rows: dict[str, Row | None] = {}
    lines = msgspec.json.Decoder(StoredLine)
    codec = account.codec
    decoders = {
        (name, codec.version(name)): msgspec.json.Decoder(kind).decode
        for name, kind in codec.events.items()
    }
    position = 0
    for _, packed in log.packed():
        for line in lines.decode_lines(gzip.decompress(packed)):
            stream = line.aggregate_id
            if AggregateId.parse(stream).category == account.category:
                for index, part in enumerate(line.events):
                    event = decoders[part.name, part.version](part.body)
                    recorded = Recorded(
                        stream, line.sequence_number, index, line.at, position, event
                    )
                    for key in balances.keys(recorded):
                        rows[key] = balances.fold(rows.get(key), recorded, key)
            position += 1
    return rows


def peak() -> int:
    """The most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def bench_replay(commits: int, tick: Callable[[], None]) -> Result:
    """A replay of the balances, against a plain loop over the same bytes, both with msgspec.

    All times are the processor's.
    """
    log = PackedLog(commits, tick)
    before = peak()
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(3):
        times[0].append(worked(lambda: replay(typed(balances), log, nothing)))
        times[1].append(worked(lambda: plain_loop(log)))
        tick()
    left, right = map(min, times)
    rate, grown = commits / left, peak() - before
    console.print(
        f"replay: {counted(commits, 'commit')}, {left:,.1f} s, {rate:,.0f}/s, {grown} MB more memory"
    )
    return Result("replay", left, right, 2.0, "a plain loop over typed values")


# --- rows into their stores


class Kept(MemoryRows):
    """Rows in memory, with what was saved each time."""

    def __init__(self) -> None:
        super().__init__()
        self.saved: list[Sequence[Save]] = []

    def save(self, saves: Sequence[Save]) -> set[str]:
        self.saved.append(saves)
        return super().save(saves)


def fill(view: View, rows: RowStore, log: PackedLog, size: int = EVENTS) -> None:
    """What a worker of `leftfold fill` does with the whole log, *size* events at a time."""
    work = ViewWork(typed(view), rows, size)
    for slice_ in slices(log.blocks(0), 0, size=size):
        if not work.take(slice_.commits).done:
            raise click.ClickException(f"the rows of {view.name} were not taken")


def bench_documents(client: "DynamoDBClient", commits: int, tick: Callable[[], None]) -> Result:
    """The rows of `balances` in DynamoDB, against the bare puts of the same ones."""
    log, kept = PackedLog(commits, tick), Kept()
    fill(balances, kept, log)
    items = [[bare_item(save) for save in saves] for saves in kept.saved]
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(3):
        tables = [f"{create_tables(client)}-balances" for _ in range(2)]
        rows = DynamoRows(client, tables[0], lambda: MOMENT)
        times[0].append(timed(partial(fill, balances, rows, log)))
        times[1].append(timed(partial(put_bare, client, tables[1], items)))
        tick()
    left, right = map(min, times)
    name = f"{sum(map(len, items)):,} loads and puts of documents"
    return Result(name, left, right, 2.0, "bare puts of the same rows")


def put_bare(client: "DynamoDBClient", table: str, items: Sequence[Sequence[Any]]) -> None:
    """Puts the items, on as many connections as a fill does."""

    def put(item: Any) -> None:
        client.put_item(TableName=table, Item=item)

    with ThreadPoolExecutor(THREADS) as threads:
        for some in items:
            list(threads.map(put, some))


def bare_item(save: Save) -> Any:
    """A row as an item."""
    position, text = {"N": str(save.position)}, {"S": canonical(save.row)}
    return {"key": {"S": save.key}, "position": position, "row": text}


def bench_budget(units: int, tick: Callable[[], None]) -> Result:
    """Five seconds' worth of documents by a budget of write *units* a second."""
    log = PackedLog(5 * units, tick)
    rows = BudgetedRows(MemoryRows(), units, time.monotonic, time.sleep)
    took = timed(partial(fill, bookings, rows, log, FEW_EVENTS))
    # What is spent last is paid for by what follows.
    least = 5 - FEW_EVENTS / units
    return Result(f"documents by {units:,} units", took, least, 1.2, "the time that the units take")


# --- rows into a search index

FILLED, BARE = "bench-filled", "bench-bare"


def bench_search(url: str, commits: int, tick: Callable[[], None]) -> Result:
    """A fill of `bookings` into OpenSearch, against a bare bulk load of the same documents.

    Each side makes its index, writes, and makes visible what it wrote.
    """
    kept = Kept()
    times: tuple[list[float], list[float]] = ([], [])
    # Nothing else that the machine does ends a turn.
    client = connect(url, timeout=600)
    with closing(client), closing(PackedLog(commits, tick)) as log:
        fill(bookings, kept, log)
        requests = [request_of(saves) for saves in kept.saved]
        for _ in range(3):
            # Neither side finds the documents of the turn before.
            gone = {"ignore_unavailable": "true"}
            client.indices.delete(index=f"{FILLED}-rows,{BARE}", params=gone)
            rows = SearchRows(client, FILLED, bookings, lambda: MOMENT, nothing)
            times[0].append(timed(partial(fill, bookings, rows, log)))
            times[1].append(timed(partial(load_bare, client, requests)))
            tick()
    left, right = map(min, times)
    name = f"{sum(map(len, kept.saved)):,} documents searched"
    return Result(name, left, right, 2.0, "a bare bulk load of them")


def request_of(saves: Sequence[Save]) -> str:
    """The body of a bulk request that writes the rows."""
    encoded = texts(saves)
    return "".join(lines_of(save, encoded[save.key], MOMENT) for save in saves)


def load_bare(client: "SearchClient", requests: Sequence[str]) -> None:
    """Sends the requests of a fill, which are ready, and makes visible what they wrote."""
    client.indices.create(index=BARE, body=index_of(bookings, f"{BARE}-alias"))
    for request in requests:
        if client.bulk(index=BARE, body=request)["errors"]:
            raise click.ClickException("a bare bulk load failed")
    client.indices.refresh(index=BARE)


# --- personal data


def bench_sealing(commits: int, tick: Callable[[], None]) -> list[Result]:
    """What personal data costs: a command's own time, and replays of a log with sealed data.

    The commands are on events in memory, so nothing but the code's own time is measured. All times
    are the processor's.
    """
    made = Vault(MemoryKeys(), MemoryKeyService(), time.monotonic)
    logs = [
        PackedLog(commits, tick),
        PackedLog(commits, tick, lambda commit: made.seal(account.codec, commit)),
    ]
    unasked = typed(replace(balances, personal=False))
    plain, sealed, opened = [], [], []
    # In turns, and often: a tenth is to be seen beside whatever else the machine does.
    for _ in range(TURNS):
        plain.append(worked(lambda: replay(unasked, logs[0], nothing)))
        sealed.append(worked(lambda: replay(unasked, logs[1], nothing)))
        tick()
    logs[1].unpack = unpack
    opened.append(worked(lambda: replay(balances, logs[1], nothing, opener=made)))
    personal, other = (min(commands_take(p) for _ in range(5)) for p in ("rent", None))
    filed, bare = (min(commands_take(p, 30, 100) for _ in range(5)) for p in ("rent", None))
    return [
        Result("replay that asks for nothing", min(sealed), min(plain), 1.2, "without sealed data"),
        Result("replay that opens", min(opened), min(sealed), 8.0, "one that asks for nothing"),
        Result("1,000 commands, in memory", personal, other, 6.0, "without personal data"),
        Result("30 of an import, 100 rows each", filed, bare, 6.0, "without personal data"),
    ]


def worked(work: Callable[[], object]) -> float:
    """Seconds of the processor that *work* takes: others on the machine do not count."""
    began = time.process_time()
    work()
    return time.process_time() - began


def commands_take(purpose: str | None, commands: int = 1_000, rows: int = 1) -> float:
    """Seconds for commands of so many bookings on twenty accounts in memory."""
    vault = Vault(MemoryKeys(), MemoryKeyService(), time.monotonic)
    events = MemoryEvents()
    handler = CommandHandler(events, {"account": "bench"}, lambda: MOMENT, nothing, vault)
    for key in range(20):
        handler.execute(replace(request(0), aggregate_id=f"main/account-{key}"))
    booked = Book((Booking("credit", 100, "CZK", "2026-01-01", purpose=purpose),) * rows)
    asked = [
        replace(request(n), aggregate_id=f"main/account-{n % 20}", command=booked)
        for n in range(1, commands + 1)
    ]
    return worked(lambda: [handler.execute(each) for each in asked])


WORKS = ("handler", "relay", "writing", "replay", "rows", "search", "sealing", "cold")


@click.command("bench")
@click.argument("work", type=click.Choice(WORKS), required=False)
@click.option("--rounds", default=300, help="How often each side of handler and relay runs.")
@click.option(
    "--commits", default=100_000, help="How long the logs of replay, rows, search and sealing are."
)
def bench_command(work: str | None, rounds: int, commits: int) -> None:
    """Measure what Leftfold adds to a floor, side by side in one run.

    All of it, or one WORK. Exits with 1 if a ratio is above the promised one.
    """
    chosen = (work,) if work else WORKS
    results: list[Result] = []
    if {"handler", "relay"} & set(chosen):
        results += bench_calls(chosen, rounds)
    if "writing" in chosen:
        with bar("writing", 3) as progress:
            results += bench_writing(min(commits, 20_000), partial(progress.advance, TASK))
    if "replay" in chosen:
        with bar("replay", 3 + -(-commits // STREAMS_PER_BLOCK)) as progress:
            results.append(bench_replay(commits, partial(progress.advance, TASK)))
    if "rows" in chosen:
        results += bench_rows(commits)
    if "search" in chosen:
        results.append(bench_indexing(min(commits, 20_000)))
    if "sealing" in chosen:
        with bar("sealing", TURNS + 2 * -(-commits // STREAMS_PER_BLOCK)) as progress:
            results += bench_sealing(commits, partial(progress.advance, TASK))
    if results:
        console.print(ratios(results))
    if "cold" in chosen:
        packaged = package(STAGE, nothing)
        console.print(colds(cold_starts(packaged), *packaged.sizes()))
    sys.exit(any(result.ratio > result.promised for result in results))


def bench_calls(chosen: Collection[str], rounds: int) -> list[Result]:
    """What handler and relay add to their calls to DynamoDB."""
    results = []
    with DynamoDBLocal() as engine:
        client = dynamodb_client(engine.url)
        for name, bench in (("handler", bench_handler), ("relay", bench_relay)):
            if name in chosen:
                with bar(name, rounds) as progress:
                    results.append(bench(client, rounds, partial(progress.advance, TASK)))
    return results


def bench_rows(commits: int) -> list[Result]:
    """What a fill adds to the stores, each on its engine."""
    blocks = -(-commits // STREAMS_PER_BLOCK)
    results = []
    with DynamoDBLocal() as engine, bar("documents", 3 + blocks) as progress:
        client = dynamodb_client(engine.url)
        results.append(bench_documents(client, commits, partial(progress.advance, TASK)))
    with bar("budget", -(-5 * UNITS // STREAMS_PER_BLOCK)) as progress:
        results.append(bench_budget(UNITS, partial(progress.advance, TASK)))
    return results


def bench_indexing(commits: int) -> Result:
    """What a fill adds to OpenSearch."""
    blocks = -(-commits // STREAMS_PER_BLOCK)
    with OpenSearch() as engine, bar("search", 3 + blocks) as progress:
        return bench_search(engine.url, commits, partial(progress.advance, TASK))


def ratios(results: list[Result]) -> Table:
    """The results, each beside its floor and what is promised."""
    table = Table("work", "Leftfold", "floor", "ratio", "promised", "floor is", box=SIMPLE_HEAD)
    for column in table.columns[1:5]:
        column.justify = "right"
    for result in results:
        table.add_row(
            result.name,
            f"{result.leftfold * 1000:,.2f} ms",
            f"{result.floor * 1000:,.2f} ms",
            Text(f"{result.ratio:.2f}x", "green" if result.ratio <= result.promised else "red"),
            f"{result.promised:.1f}x",
            result.least,
        )
    return table


def colds(starts: list[Cold], zipped: int, unzipped: int) -> Table:
    """The functions, with what each imports when it starts."""
    caption = f"package: {zipped / 1e6:.1f} MB zipped, {unzipped / 1e6:.1f} MB unzipped"
    table = Table("function", "import", "modules", caption=caption, box=SIMPLE_HEAD)
    for column in table.columns[1:]:
        column.justify = "right"
    for start in starts:
        table.add_row(start.function, f"{start.seconds * 1000:,.0f} ms", f"{start.modules:,}")
    return table
