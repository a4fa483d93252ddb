"""`leftfold reconcile`: brings tables that were restored at different moments to one point.

What the log proves stays: its blocks, as far as they are chained and whole. Everything else follows from
them, and from the commits in the events table. Nobody else may use the tables meanwhile. It may be
killed at any point and run again.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.archive.s3 import S3Archive
from chalicelib.leftfold.kernel import Commit, lane_of
from chalicelib.leftfold.relay.publisher import Published
from chalicelib.leftfold.store.blocks import hash_of
from chalicelib.leftfold.store.checkpoints import DynamoCheckpoints, DynamoParking
from chalicelib.leftfold.store.ports import (
    Block,
    Checkpoints,
    EventStore,
    Head,
    Log,
    ParkedStream,
    Parking,
    StreamEntry,
)
from chalicelib.leftfold.store.readers import Reader, ends_of
from chalicelib.leftfold.wiring.services import Services
from chalicelib.leftfold.wiring.settings import Settings
from tools.cloud import Cloud, explained
from tools.console import console, errors
from tools.options import endpoint_option
from tools.texts import counted

# Keys of the events table in one look.
KEYS = 1_000

Progress = Callable[[str], None]
# A reader's stored name and the key of one of its checkpoints.
Place = tuple[str, int]


@dataclass
class Plan:
    """What has to be done to restored tables, as `examine` has found it.

    *head* is the end of what the log proves. *returned* are commits of the log that the events table
    lacks. *cut* are the first positions of blocks behind the head. *lost* are commits of these blocks
    that cannot be had: an earlier one of their stream is nowhere. *entries* are those of the registry
    that differ. *moves* are checkpoints beyond the head, and *parked* streams that are.
    """

    head: Head = field(default_factory=Head)
    returned: list[Commit] = field(default_factory=list)
    cut: list[int] = field(default_factory=list)
    lost: list[tuple[str, int]] = field(default_factory=list)
    entries: dict[str, StreamEntry | None] = field(default_factory=dict)
    moves: dict[Place, tuple[int, int]] = field(default_factory=dict)
    parked: dict[tuple[str, str], tuple[ParkedStream, ParkedStream | None]] = field(
        default_factory=dict
    )
    moves_head: bool = False
    unlogged: int = 0

    @property
    def is_done(self) -> bool:
        """Whether the tables are at one point already."""
        found = (self.returned, self.cut, self.entries, self.moves, self.parked)
        return not any(found) and not self.moves_head


@dataclass(frozen=True)
class Restored:
    """The tables of a truth. *log* has the archived segments, *table* the blocks in the tables alone."""

    events: EventStore
    log: Log
    table: Log
    checkpoints: Checkpoints
    parking: Parking
    readers: Sequence[Reader]

    def examine(self, progress: Progress = lambda _: None) -> Plan:
        """What has to be done. Reads the whole log, and the keys of all events."""
        newest = self._newest(progress)
        plan, whole = Plan(), dict(self.log.registry())
        entries: dict[str, StreamEntry] = {}
        for block in proved(self.log.blocks(0)):
            self._follow(plan, block, entries, newest)
            progress(f"proved up to position {plan.head.next_position - 1:,}")
        self._behind(plan, newest)
        for stream, entry in entries.items():
            archived = whole.get(stream, entry).archived_through
            if whole.get(stream) != entry._replace(archived_through=archived):
                plan.entries[stream] = entry._replace(archived_through=archived)
        plan.entries |= dict.fromkeys(whole.keys() - entries.keys())
        plan.moves_head = self.table.head() != plan.head
        plan.unlogged = sum(
            version - (entries[stream].next - 1 if stream in entries else 0)
            for stream, version in newest.items()
        )
        self._beyond(plan)
        return plan

    def apply(self, plan: Plan) -> None:
        """Does it: first what adds, then what takes away, then what points to it."""
        for commit in plan.returned:
            self.events.append(commit)
        self.table.delete(plan.cut)
        self.table.mend(plan.head, plan.entries)
        for (reader, key), (old, new) in plan.moves.items():
            self.checkpoints.move(reader, key, old, new)
        for (reader, scope), (before, after) in plan.parked.items():
            self.parking.release(reader, scope, before.last)
            if after is not None:
                self.parking.park(reader, scope, after)

    def _newest(self, progress: Progress) -> dict[str, int]:
        """The newest version of each stream in the events table."""
        newest: dict[str, int] = {}
        after: str | None = None
        seen = 0
        while True:
            places, after = self.events.scan(0, 1, after, KEYS)
            for stream, version in places:
                newest[stream] = max(version, newest.get(stream, 0))
            seen += len(places)
            progress(f"{seen:,} commits in the events table")
            if after is None:
                return newest

    def _follow(
        self, plan: Plan, block: Block, entries: dict[str, StreamEntry], newest: dict[str, int]
    ) -> None:
        """Takes a block that is proved."""
        lanes = list(plan.head.lanes)
        for position, commit in enumerate(block.commits, block.first_position):
            stream = commit.aggregate_id
            lanes[lane_of(stream)] = position
            entries[stream] = StreamEntry(commit.version + 1, position, commit.epoch)
            self._return(plan, commit, newest)
        newest_format = max(plan.head.format, block.format)
        plan.head = Head(block.next_position, block.hash, tuple(lanes), newest_format)

    def _return(self, plan: Plan, commit: Commit, newest: dict[str, int]) -> None:
        """Brings a commit back that the events table lacks, if its stream goes so far."""
        has = newest.get(commit.aggregate_id, 0)
        if commit.version == has + 1:
            plan.returned.append(commit)
            newest[commit.aggregate_id] = commit.version
        elif commit.version > has:
            plan.lost.append((commit.aggregate_id, commit.version))

    def _behind(self, plan: Plan, newest: dict[str, int]) -> None:
        """What is behind the proved part: its commits are kept, its blocks are not."""
        end = plan.head.next_position
        plan.cut = [b.first_position for b in self.table.blocks(end, heard=()) if is_at(b, end)]
        for block in self.table.blocks(end):
            if is_at(block, end) and hash_of(block) == block.hash:
                for commit in block.commits:
                    self._return(plan, commit, newest)

    def _beyond(self, plan: Plan) -> None:
        """Checkpoints and parked streams that are beyond the head."""
        last = plan.head.next_position - 1
        for reader in self.readers:
            ends = ends_of(reader, plan.head)
            found = self.checkpoints.read(reader.stored_name, list(ends))
            for key, position in found.items():
                if position > ends[key]:
                    plan.moves[reader.stored_name, key] = position, ends[key]
        for reader_name, scope, parked in self.parking.all():
            if parked.last > last:
                shorter = parked._replace(last=last) if parked.first <= last else None
                plan.parked[reader_name, scope] = parked, shorter


def is_at(block: Block, position: int) -> bool:
    """Whether the block begins at the position or behind it."""
    return block.first_position >= position


def proved(blocks: Iterable[Block]) -> Iterable[Block]:
    """The blocks from the beginning on, as long as each is whole and chained to the one before."""
    following, previous = 0, ""
    for block in blocks:
        chained = (block.first_position, block.previous_hash) == (following, previous)
        if not chained or hash_of(block) != block.hash:
            return
        yield block
        following, previous = block.next_position, block.hash


@click.command("reconcile")
@click.argument("truth")
@click.option("--archive", metavar="BUCKET", default="", help="By default TRUTH-archive.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@click.option("--yes", is_flag=True, help="Do it without asking.")
@endpoint_option
def reconcile_command(
    *, truth: str, archive: str, dry_run: bool, yes: bool, endpoint_url: str | None
) -> None:
    """Bring tables that were restored to one point in time together.

    TRUTH is the name with which the restored tables begin, such as leftfold-dev--restored. Point-in-time
    recovery restores each table by itself, and a transaction may be in one and not in another. The log
    is kept as far as it proves itself; its commits are put back into the events table where that lacks
    them; registry, head, checkpoints and parked streams follow. Nobody may use the tables meanwhile.
    What the log lacks is logged afterwards by `leftfold sweep --now`.
    """
    restored = restored_at(truth, archive, endpoint_url)
    with explained(Cloud(endpoint_url)), errors.status("reading") as status:
        plan = restored.examine(status.update)
    console.print(shown(plan))
    for stream, version in plan.lost[:20]:
        console.print(f"lost: version {version} of {stream}", style="red", markup=False)
    if plan.is_done:
        console.print("the tables are at one point")
    elif not dry_run and (yes or click.confirm("Change the tables so?", err=True)):
        restored.apply(plan)
        console.print("done; now deploy on it, and log what waits: leftfold sweep --now")


def restored_at(truth: str, archive: str, endpoint_url: str | None) -> Restored:
    """The restored tables whose names begin with *truth*."""
    cloud = Cloud(endpoint_url)
    names = {"LEFTFOLD_STACK": truth, "LEFTFOLD_TRUTH": truth, "LEFTFOLD_ARCHIVE": archive}
    settings = Settings(names)
    services = Services(
        settings,
        DOMAIN,
        dynamodb=cloud.client("dynamodb"),
        archive=S3Archive(partial(cloud.client, "s3"), settings.archive),
    )
    return Restored(
        services.events,
        services.log,
        services.log_table,
        DynamoCheckpoints(services.dynamodb, settings.named("policy-checkpoints"), settings.log),
        DynamoParking(services.dynamodb, settings.named("policy-parked")),
        [*services.policies.values(), Published()],
    )


def shown(plan: Plan) -> Table:
    """The plan for people."""
    table = Table(box=SIMPLE_HEAD, show_header=False)
    table.add_row("the log proves itself up to position", f"{plan.head.next_position - 1:,}")
    table.add_row("blocks behind that, to be taken away", f"{len(plan.cut):,}")
    table.add_row("commits of the log that the events table lacks", f"{len(plan.returned):,}")
    table.add_row("commits that cannot be had", f"{len(plan.lost):,}")
    table.add_row("entries of the registry that differ", f"{len(plan.entries):,}")
    table.add_row(
        "checkpoints and parked streams beyond", f"{len(plan.moves) + len(plan.parked):,}"
    )
    table.add_row("commits that wait to be logged", counted(plan.unlogged, "commit"))
    return table


COMMANDS = (reconcile_command,)
