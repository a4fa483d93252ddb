"""`leftfold generation verify`: proves a change by workers, from both logs and from the rows of both.

A proof that was killed goes on where it was, on any machine: what it has found so far is in the
later generation's archive.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from chalicelib.leftfold.generations.copying import Truth
from chalicelib.leftfold.generations.proof import changed_numbers
from chalicelib.leftfold.generations.proving import SHARDS, Found, Proof, Prover
from chalicelib.leftfold.kernel import Boundaries, Commit, Row, View
from chalicelib.leftfold.kernel.commit import canonical, instant
from chalicelib.leftfold.kernel.repair import NO_REPAIRS, Repairs
from chalicelib.leftfold.projection.fold import fold
from chalicelib.leftfold.projection.replay import replay
from chalicelib.leftfold.projection.rewinding import commits_of
from chalicelib.leftfold.projection.rows import NEVER, RowStore, StoredRow
from chalicelib.leftfold.projection.runner import opened_by
from chalicelib.leftfold.store.applications import Application
from chalicelib.leftfold.store.ports import StreamEntry, Unavailable
from chalicelib.leftfold.store.readers import checkpoint_key
from chalicelib.leftfold.subjects.opening import Opener
from chalicelib.leftfold.wiring.services import Services
from tools.changing import change_of
from tools.cloud import Cloud, DeployError
from tools.console import bar, console
from tools.deploy import applications
from tools.deploying import stage_option
from tools.deployment_services import reach
from tools.last_deployment import Current
from tools.operations import live_differences, quickly
from tools.options import endpoint_option
from tools.texts import counted
from tools.workers import processes

SHOWN = 20
# Differences of a view that its result lists.
LISTED = 1_000


@dataclass
class RowsFound:
    """What a proof has found in the rows of a view.

    Of *rows*, those that *went_on* show commits that the later generation has made itself, and those
    *under_way* are right as far as their view has come. *how* tells what they were compared with.
    """

    view: str
    how: str
    rows: int = 0
    went_on: int = 0
    under_way: int = 0
    differing: int = 0
    differences: list[str] = field(default_factory=list)

    def differ(self, what: str) -> None:
        """Notes a difference."""
        self.differing += 1
        if len(self.differences) < LISTED:
            self.differences.append(f"{self.view}: {what}")


@dataclass(frozen=True)
class Rows:
    """The rows of a partitioned view in both generations, *there* the giver's and *here* the receiver's.

    *behind* tells whether the receiver's view has still to pass a position of its log for a stream.
    """

    view: View
    giver: Truth
    receiver: Truth
    there: RowStore
    here: RowStore
    boundaries: Boundaries
    opener: Opener
    behind: Callable[[str, int], bool]
    repairs: Repairs = NO_REPAIRS

    def compared(self) -> RowsFound:
        """Whether the receiver's rows are the giver's, byte for byte, where their stream stays as it is."""
        found = RowsFound(self.view.name, "the rows of the earlier generation")
        theirs = {key: digest(row) for key, row in self._rows(self.there)}
        left = []
        for key, row in self._rows(self.here):
            found.rows += 1
            if theirs.pop(key, None) != digest(row):
                left.append(key)
        found.rows += len(theirs)
        for key in sorted({*left, *theirs}):
            self._look_again(key, found)
        return found

    def _rows(self, rows: RowStore) -> Iterator[tuple[str, Row]]:
        for key, stored in rows.scan():
            if stored.row is not None and self.boundaries.stays(key):
                yield key, stored.row

    def _look_again(self, key: str, found: RowsFound) -> None:
        """Compares a row as it is now with what the giver's stream makes of it up to the same commit."""
        here, there = (rows.load([key]).get(key, NEVER) for rows in (self.here, self.there))
        if is_same(here.row, there.row):
            return
        if here.position < 0:
            self._missing(key, there, found)
            return
        commit = commit_at(self.receiver, key, here.position)
        if commit.source is None:
            found.went_on += 1
        elif is_same(self._made(self.giver, *commit.source, key), here.row):
            found.under_way += 1
        else:
            found.differ(f"the row {key} is not what the earlier stream makes of it")

    def _missing(self, key: str, there: StoredRow, found: RowsFound) -> None:
        """A row that the giver has, and the receiver has not."""
        commit = commit_at(self.giver, key, there.position)
        stream = commit.aggregate_id
        entry = self.receiver.log.streams([stream]).get(stream, StreamEntry())
        if entry.next <= commit.version or self.behind(stream, entry.position):
            found.under_way += 1
        elif self._made(self.receiver, stream, entry.next - 1, key) is None:
            found.went_on += 1
        elif self.here.load([key]).get(key, NEVER).position < 0:
            found.differ(f"the row {key} is missing")

    def _made(self, truth: Truth, stream: str, version: int, key: str) -> Row | None:
        """The row that the commits of a stream make, up to a version."""
        rows: dict[str, StoredRow] = {}
        for commit in commits_of(truth.events, stream, 1, version):
            opened = opened_by(self.view, [commit], self.opener)
            rows |= fold(self.view, [(commit.version, opened[0])], rows, self.repairs)
        return rows.get(key, NEVER).row


def digest(row: Row | None) -> bytes:
    """A hash of a row's bytes."""
    return hashlib.sha256(canonical(row).encode()).digest()[:16]


def is_same(one: Row | None, other: Row | None) -> bool:
    """Whether two rows have the same bytes."""
    return canonical(one) == canonical(other)


def commit_at(truth: Truth, key: str, position: int) -> Commit:
    """The commit at a position of the log that a row of this key is made of. Raises `Unavailable` if
    the log does not show it yet.
    """
    # A row's key begins with its tenant, as its stream does.
    for block in truth.log_with(key).blocks(position, 1):
        return block.commits[position - block.first_position]
    raise Unavailable(f"the log does not show position {position}")


@dataclass(frozen=True)
class Work:
    """A proof, as one worker does it.

    *receiver* has the services of the generation that is proved, and *giver* those of the other
    one; None where its application is gone. *same* are the views that both fold alike.
    """

    prover: Prover
    proof: Proof
    receiver: Services
    giver: Services | None
    same: frozenset[str]

    @property
    def items(self) -> list[str]:
        """What workers do side by side: the shards, and the rows of each view."""
        views = sorted(self.receiver.views) if self.giver else []
        return [*(f"shard-{shard}" for shard in range(SHARDS)), *(f"rows-{view}" for view in views)]

    def do(self, item: str, told: Callable[[int], object] = lambda _commits: None) -> None:
        """Does one of them, unless it was done. Raises `Unavailable`."""
        kind, _, name = item.partition("-")
        if kind == "shard":
            self.prover.run(self.proof, int(name), told=told)
        elif self._kept(name) is None:
            text = canonical(asdict(self.rows(name)))
            self.prover.archive.put(f"{self.proof.name}/{item}.json", text.encode())

    def rows(self, name: str) -> RowsFound:
        """Compares the rows of a view: with those of the other generation where a stream makes a row
        alone, and where both fold it alike; else with what the log makes of them.
        """
        giver, services = self.giver, self.receiver
        view = services.views[name]
        if giver is None or view.order == "ordered" or name not in self.same:
            return replayed(view, services)
        copying = self.prover.copying
        rows = Rows(
            view,
            copying.giver,
            copying.receiver,
            giver.rows(name),
            services.rows(name),
            copying.boundaries,
            services.vault,
            partial(is_behind, services, view),
            services.repairs,
        )
        return rows.compared()

    def found(self) -> tuple[Found, list[RowsFound]] | None:
        """What all of it has found; None while something is not done."""
        found = self.prover.found(self.proof)
        kept = [self._kept(item[5:]) for item in self.items if item.startswith("rows-")]
        rows = [each for each in kept if each is not None]
        return None if found is None or len(rows) < len(kept) else (found, rows)

    def _kept(self, view: str) -> RowsFound | None:
        data = self.prover.archive.get(f"{self.proof.name}/rows-{view}.json")
        return None if data is None else RowsFound(**json.loads(data))


def is_behind(services: Services, view: View, stream: str, position: int) -> bool:
    """Whether a view has still to pass a position of its log, which a commit of the stream has."""
    key = checkpoint_key(view, stream)
    checkpoints = services.in_log_of(stream).checkpoints
    return checkpoints.read(view.stored_name, [key])[key] < position


def replayed(view: View, services: Services) -> RowsFound:
    """Whether the live rows of a view are what its logs make of them."""
    found = RowsFound(view.name, "a replay of its log")
    for each in services.in_each_log:
        made = replay(*quickly(view, each), lambda _: None, each.repairs, each.vault)
        found.rows += len(made.rows)
        different = live_differences(made, each.views[view.name], each)
        if different is None:
            found.differ("it is behind, so its rows cannot be compared")
        for row in different or ():
            found.differ(f"the row {row.key} is not what the log makes of it")
        for stream, reason in made.stopped.items():
            found.differ(f"{stream or 'it'} stopped: {reason}")
    return found


def work_of(
    services: Services,
    endpoint_url: str | None,
    proof: Proof | None = None,
    *,
    afresh: bool = False,
) -> Work:
    """The *proof*, or the one that is under way, or a new one. *services* are the later generation's."""
    control = services.control.read()
    switch = control.switch if control else 0
    prover = services.generations.prover(proof.switch if proof else switch)
    name = f"proofs/{services.settings.truth}/switch-{switch}/{instant(services.clock())}"
    proof = proof or prover.begun(name, switch, afresh=afresh)
    cloud = Cloud(endpoint_url)
    giver, receiver = (
        active_on(truth, cloud)
        for truth in (prover.copying.giver.name, prover.copying.receiver.name)
    )
    there, here = (
        reach(Current(app.name, "", endpoint_url)) if app else None for app in (giver, receiver)
    )
    folds = receiver.folds if receiver else {}
    same = {
        view for view, made in (giver.folds if giver else {}).items() if folds.get(view) == made
    }
    return Work(prover, proof, here or services, there, frozenset(same))


def active_on(truth: str, cloud: Cloud) -> Application | None:
    """The application of a truth whose rows count; None if it is gone."""
    known = applications(truth, cloud).known()
    return known.applications.get(known.active or truth)


def do_there(name: str, endpoint_url: str | None, proof: Proof, item: str) -> str:
    """Does one item of a proof, in a process of its own."""
    services, _ = change_of(name, endpoint_url)
    work_of(services, endpoint_url, proof).do(item)
    return item


def do_all(work: Work, workers: int, there: Callable[[Proof, str], str]) -> None:
    """Does all items, in this process or by several; shows how far it is."""
    items = work.items
    if workers == 1:
        with bar("proving", SHARDS * work.proof.commits) as progress:
            (task,) = progress.task_ids
            for item in items:
                progress.update(task, description=f"proving {item}")
                work.do(item, lambda commits: progress.advance(task, commits))
        return
    with bar("proving", len(items)) as progress, processes(workers) as pool:
        (task,) = progress.task_ids
        for job in as_completed(pool.submit(there, work.proof, item) for item in items):
            progress.update(task, advance=1, description=f"proved {job.result()}")


def report_of(services: Services, work: Work, found: Found, rows: Sequence[RowsFound]) -> Any:
    """A report as the archive keeps it."""
    copying = work.prover.copying
    return {
        "at": instant(services.clock()),
        "giver": copying.giver.name,
        "receiver": copying.receiver.name,
        "giverUpTo": work.proof.giver,
        "receiverUpTo": work.proof.receiver,
        "switch": work.proof.switch,
        "streams": found.streams,
        "earlierStreams": found.earlier_streams,
        "earlierCommits": found.earlier_commits,
        "earlierEvents": found.earlier_events,
        "commitsWithoutEvents": found.dropped,
        "copies": found.total.commits,
        "events": found.total.events,
        "hash": f"{found.total.hash:032x}",
        "madeHere": found.native,
        "settled": found.settled,
        "underWay": found.under_way,
        "invariantsBefore": found.before,
        "invariantsAfter": found.after,
        "rows": [asdict(each) for each in rows],
        "differences": differences(found, rows),
    }


def differences(found: Found, rows: Sequence[RowsFound]) -> list[str]:
    """Everything that is not as it should be, in words; a limited number of each shard and view."""
    return [*found.all_differences(), *(each for view in rows for each in view.differences)]


def ended(services: Services, work: Work) -> tuple[Found, list[RowsFound]]:
    """What a proof has found, once its report is kept. The next proof is a new one.

    Raises DeployError while an item is not done.
    """
    made = work.found()
    if made is None:
        raise DeployError("the proof is not whole; run `leftfold generation verify` again")
    report = report_of(services, work, *made)
    work.prover.archive.put(f"{work.proof.name}/report.json", canonical(report).encode())
    work.prover.ended()
    return made


@click.command("verify")
@click.option("--workers", default=1, type=click.IntRange(1), show_default=True, help="Processes.")
@click.option("--afresh", is_flag=True, help="Begin anew where a proof was killed.")
@stage_option
@endpoint_option
def verify_command(*, workers: int, afresh: bool, name: str, endpoint_url: str | None) -> None:
    """Prove that the active generation is the transform of the other one, while both are at work.

    For each stream the number of copies and events, and the sum of their hashes along the commits
    that they descend from; the invariants that contexts declare; and the rows of each view, byte
    for byte. A stream that differs is looked at again: it may be on its way. Killed, the proof goes
    on where it was, here or on another machine. Its report is kept in the later generation's
    archive. Exits with 1 if there is a difference.
    """
    services, control = change_of(name, endpoint_url)
    if services.settings.earlier is None:
        raise DeployError(
            f"{control.blue} is gone, so there is nothing to compare {control.green} with; the reports"
            " of earlier proofs are in its archive, under proofs/"
        )
    work = work_of(services, endpoint_url, afresh=afresh)
    do_all(work, workers, partial(do_there, name, endpoint_url))
    found, rows = ended(services, work)
    console.print(
        f"{counted(found.earlier_commits, 'commit')} in {counted(found.earlier_streams, 'stream')}"
        f" became {counted(found.total.commits, 'copy')} in {found.streams:,};"
        f" {counted(found.native, 'commit')} were made here since",
        soft_wrap=True,
    )
    if found.settled or found.under_way:
        console.print(
            f"{counted(found.settled, 'stream')} came while the proof ran,"
            f" {found.under_way:,} are on their way",
            soft_wrap=True,
        )
    for invariant, before in found.before.items():
        console.print(f"{invariant}: {before:,} before, {found.after.get(invariant, 0):,} after")
    if rows:
        console.print(table_of(rows))
    for difference in differences(found, rows)[:SHOWN]:
        console.print(difference, style="red", markup=False)
    number = found.differing + sum(each.differing for each in rows)
    number += len(list(changed_numbers(found.before, found.after)))
    console.print(f"{counted(number, 'difference')}; the report is {work.proof.name}/report.json")
    if number:
        raise SystemExit(1)


def table_of(rows: Sequence[RowsFound]) -> Table:
    """What was found in the rows of each view."""
    table = Table("view", "compared with", box=SIMPLE_HEAD)
    for column in ("rows", "changed here since", "under way", "differ"):
        table.add_column(column, justify="right")
    for each in rows:
        numbers = (each.rows, each.went_on, each.under_way, each.differing)
        table.add_row(each.view, each.how, *(f"{number:,}" for number in numbers))
    return table
