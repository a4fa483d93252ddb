"""Planted faults: each takes one safeguard away, and some history must show it."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from operator import itemgetter
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

from chalicelib.leftfold.archive.pruner import Pruner
from chalicelib.leftfold.commands import handler, loading
from chalicelib.leftfold.commands.handler import CommandHandler, CommandRequest
from chalicelib.leftfold.kernel import Commit, Email, View
from chalicelib.leftfold.policies.work import Cause, PolicyWork
from chalicelib.leftfold.projection import partitioned
from chalicelib.leftfold.projection.fold import Folding
from chalicelib.leftfold.projection.memory import MemoryRows
from chalicelib.leftfold.projection.partitioned import PartitionedRunner, Span
from chalicelib.leftfold.projection.rows import Save
from chalicelib.leftfold.projection.runner import seen
from chalicelib.leftfold.relay import sequencer
from chalicelib.leftfold.relay.plan import Planner
from chalicelib.leftfold.relay.sequencer import Sequencer, entries_after
from chalicelib.leftfold.store.blocks import cut, seal
from chalicelib.leftfold.store.bus import LaneRecord
from chalicelib.leftfold.store.memory import (
    MemoryCheckpoints,
    MemoryEvents,
    MemoryParking,
)
from chalicelib.leftfold.store.ports import (
    Block,
    Head,
    ParkedStream,
    Segment,
    StreamEntry,
    StreamVersion,
)
from tests.simulation.ports import SteppedLog
from tests.simulation.world import POLICIES, START, Parts, World, replayed

Moves = Mapping[str, tuple[StreamEntry, StreamEntry]]


@dataclass(frozen=True)
class Mutant:
    """What is replaced, in the world's parts or by names in modules, and which law must
    show it, by the beginning of its words. *first* is the seed to look from: one that has
    shown it.
    """

    breaks: str
    parts: Parts = field(default_factory=Parts)
    names: tuple[tuple[Any, str, Any], ...] = ()
    first: int = 1

    @contextmanager
    def planted(self) -> Iterator[Parts]:
        """The parts of its world, while its names stand."""
        originals = [(where, name, getattr(where, name)) for where, name, _ in self.names]
        for where, name, replacement in self.names:
            setattr(where, name, replacement)
        try:
            yield self.parts
        finally:
            for where, name, original in originals:
                setattr(where, name, original)


def moves(block: Block, registry: Mapping[str, StreamEntry]) -> Moves:
    return {id_: (registry[id_], after) for id_, after in entries_after(block).items()}


class LogWithoutRegistryCondition(SteppedLog):
    def append(self, block: Block, head: Head, next_head: Head, streams: Moves) -> bool:
        as_held = {
            id_: (self._streams.get(id_, StreamEntry()), after)
            for id_, (_, after) in streams.items()
        }
        return super().append(block, head, next_head, as_held)


class LogWithoutHeadCondition(SteppedLog):
    def append(self, block: Block, head: Head, next_head: Head, streams: Moves) -> bool:
        links, self._head = list(self._links), head
        won = super().append(block, head, next_head, streams)
        if won:
            kept = [link for link in links if link.next_position <= block.first_position]
            self._links = [*kept, self._links[-1]]
        return won


class LogThatPutsBodiesLast(SteppedLog):
    """It links a block, and puts the body then, if the relay is still there to do it."""

    def put_body(self, block: Block) -> None:
        """Later."""

    def append(self, block: Block, head: Head, next_head: Head, streams: Moves) -> bool:
        won = super().append(block, head, next_head, streams)
        if won:
            self.between()
            super().put_body(block)
        return won


class LogThatUnlinksFirst(SteppedLog):
    """It deletes a link before the bodies at its position."""

    def delete(self, first_positions: Collection[int]) -> None:
        for position in first_positions:
            self.delete_link(position)
            self.between()
            super().delete([position])


class LogThatForgetsOrphans(SteppedLog):
    """It deletes the body that a link names, and no other at the position."""

    def delete(self, first_positions: Collection[int]) -> None:
        kept = dict(self._bodies)
        for key in self.links:
            kept.pop(key, None)
        super().delete(first_positions)
        self._bodies |= {key: body for key, body in kept.items() if key[0] in first_positions}


class LogWhoseClaimsNeverEnd(SteppedLog):
    """It lets nobody take over the claim of a relay that has died."""

    def claim(self, owner: str, now: datetime, until: datetime) -> Head | None:  # noqa: ARG002
        return super().claim(owner, START, until)


class LogThatTidiesUp(SteppedLog):
    """It takes every body that has no link for an orphan."""

    def append(self, block: Block, head: Head, next_head: Head, streams: Moves) -> bool:
        won = super().append(block, head, next_head, streams)
        for key in self.bodies - self.links:
            self._bodies.pop(key)
        return won


class PrunerThatListsLast(Pruner):
    """It deletes blocks before their segment is listed."""

    def _write(self, due: Sequence[Block]) -> tuple[Sequence[Block], Segment, int]:
        self.table.delete([block.first_position for block in due])
        return super()._write(due)


class SequencerWithoutGapPull(Sequencer):
    def sequence(
        self,
        wanted: Mapping[str, int],  # noqa: ARG002 - it trusts the records alone
        commits: Iterable[Commit] = (),
    ) -> Iterator[Block]:
        reported = sorted(commits, key=lambda commit: commit.version)
        registry = self.log.streams({commit.aggregate_id for commit in reported})
        new = [c for c in reported if c.version >= registry.get(c.aggregate_id, StreamEntry()).next]
        if not new:
            return
        head = self.log.head()
        block, next_head = seal(
            head, cut(list({(c.aggregate_id, c.version): c for c in new}.values()))
        )
        known = {c.aggregate_id: registry.get(c.aggregate_id, StreamEntry()) for c in new}
        self.log.put_body(block)
        won = self.log.append(block, head, next_head, moves(block, known))
        if won:
            yield block


class SequencerInOrderOfArrival(Sequencer):
    def sequence(
        self,
        wanted: Mapping[str, int],  # noqa: ARG002 - it trusts the records alone
        commits: Iterable[Commit] = (),
    ) -> Iterator[Block]:
        reported = list(commits)
        if not reported:
            return
        head = self.log.head()
        block, next_head = seal(head, cut(reported))
        entries = {commit.aggregate_id: StreamEntry() for commit in reported}
        self.log.put_body(block)
        won = self.log.append(block, head, next_head, moves(block, entries))
        if won:
            yield block


class PlannerWithoutCausalPull(Planner):
    def _unmet(self, commit: Commit) -> None:
        self._enter([aggregate_id for aggregate_id, _ in commit.deps])


class RowsSavedOverLowerOnes(MemoryRows):
    def save(self, saves: Sequence[Save]) -> set[str]:
        super().save([save._replace(loaded=None) for save in saves])
        return set()


class CheckpointsWithoutCondition(MemoryCheckpoints):
    def move(self, reader: str, key: int, old: int, new: int) -> bool:
        return super().move(reader, key, self._positions.get((reader, key), -1), new) or bool(old)


class ParkingWithoutCondition(MemoryParking):
    def release(self, view: str, aggregate_id: str, last: int) -> bool:  # noqa: ARG002
        parked_stream = self.find(view, [aggregate_id]).get(aggregate_id)
        return parked_stream is not None and super().release(view, aggregate_id, parked_stream.last)


class ParkingThatHoldsNobody(MemoryParking):
    def find(self, view: str, aggregate_ids: Collection[str]) -> dict[str, ParkedStream]:  # noqa: ARG002
        return {}


class RunnerThatMovesFirst(PartitionedRunner):
    def _settle(self, spans: Sequence[Span]) -> bool:
        moved = [span._replace(checkpoint=span.end) for span in spans]
        return self._move(spans) and super()._settle(moved)


class Early:
    """A port whose answers to one method were taken too early."""

    def __init__(self, port: Any, name: str, answers: dict[str, Any], rest: str) -> None:
        self._port = port
        self._name = name
        self._answers = answers
        self._rest = rest

    def __getattr__(self, name: str) -> Any:
        return self._answer if name == self._name else getattr(self._port, name)

    def _answer(self, *args: Any) -> dict[str, Any]:
        wanted = args[-1]
        if self._rest == "none":
            return {key: self._answers[key] for key in wanted if key in self._answers}
        late = getattr(self._port, self._name)([k for k in wanted if k not in self._answers])
        return {**late, **{k: self._answers[k] for k in wanted if k in self._answers}}


class RunnerThatReadsRowsFirst(PartitionedRunner):
    def handle(self, records: Sequence[LaneRecord]) -> None:
        commits = [commit for record in records for commit in record.commits or ()]
        work: Any = self.work
        ordered = seen(work.view, sorted(commits, key=itemgetter(0)), work.opener)
        early = work.rows.load(Folding(work.view, ordered).keys)
        rows: Any = Early(work.rows, "load", early, rest="late")
        PartitionedRunner.handle(replace(self, work=replace(work, rows=rows)), records)


class RunnerThatReadsMarkersFirst(PartitionedRunner):
    def handle(self, records: Sequence[LaneRecord]) -> None:
        streams = {c.aggregate_id for record in records for _, c in record.commits or ()}
        early = self.parking.find(self.work.name, streams)
        parking: Any = Early(self.parking, "find", early, rest="none")
        PartitionedRunner.handle(replace(self, parking=parking), records)


def spans_whatever_is_missing(
    records: Sequence[LaneRecord], checkpoints: Mapping[int, int]
) -> tuple[list[Span], dict[int, int]]:
    return spans_of_records([r._replace(previous_in_lane=-1) for r in records], checkpoints)


def append_over_anything(
    events: MemoryEvents, commit: Commit, _unless: StreamVersion | None = None
) -> None:
    events._streams.setdefault(commit.aggregate_id, {})[commit.version] = commit


def any_command_id(_cause: Cause, _policy: str, _purpose: str) -> str:
    return str(uuid4())


class ActingOnAnyState(PolicyWork):
    """It asks whether a step is awaited, and takes it whatever becomes of the process."""

    def _taken(self, cause: Cause, request: CommandRequest) -> int | None:
        handler = self.handler
        unconditional: Any = SimpleNamespace(
            state=handler.state,
            taken=handler.taken,
            execute=lambda request: handler.execute(replace(request, unless=None)),
        )
        return PolicyWork._taken(replace(self, handler=unconditional), cause, request)


class RefusingOnAnyState(PolicyWork):
    """It records a refusal, whatever has become of the account that refused."""

    def _record(
        self,
        cause: Cause,
        answer: Any,
        purpose: str,
        at: StreamVersion,
        unless: StreamVersion | None = None,
    ) -> None:
        super()._record(cause, answer, purpose, at, unless and None)


class SendingFirst(PolicyWork):
    """It sends an e-mail, and records it then."""

    def _send(self, cause: Cause, email: Email) -> None:
        self.mailer.send(email)
        super()._send(cause, email)


def replay_that_acts(world: World, view: View) -> None:
    """A replay that brings the log to the policies as well."""
    replayed(world, view)
    commits = list(enumerate(c for block in world.log.blocks(0) for c in block.commits))
    for policy in POLICIES:
        work = world.policy(policy.name).work
        work.take([commit for commit in commits if work.hears(commit[1].aggregate_id)])


spans_of_records = partitioned.spans_of_records

MUTANTS = {
    "an append without its condition": Mutant(
        "acknowledged", names=((MemoryEvents, "append", append_over_anything),)
    ),
    "no look at earlier commands": Mutant(
        "found more than once", names=((loading.Loaded, "version_of", lambda *_: None),)
    ),
    "a hole in a stale read passed over": Mutant(
        # Before, it stops histories with an error instead.
        "main/account-",
        names=((loading, "is_dense", lambda *_, **__: True),),
        first=23,
    ),
    "a server that decides after its caller has gone": Mutant(
        "refused, but found", names=((handler, "DECIDE_WITHIN", timedelta(days=9)),), first=80
    ),
    "no condition on the registry": Mutant("I2/I3", Parts(log=LogWithoutRegistryCondition)),
    "no condition on the head": Mutant("I1", Parts(log=LogWithoutHeadCondition)),
    "a body put after its link": Mutant("B1: the link", Parts(log=LogThatPutsBodiesLast), first=27),
    "a link deleted before its bodies": Mutant(
        "B1: a body is left", Parts(log=LogThatUnlinksFirst), first=184
    ),
    "the body of a block that lost forgotten": Mutant(
        "B1: a body is left", Parts(log=LogThatForgetsOrphans)
    ),
    "a body without a link taken for an orphan": Mutant("B1: the link", Parts(log=LogThatTidiesUp)),
    "blocks deleted before their segment is listed": Mutant(
        "I1", Parts(pruner=PrunerThatListsLast), first=27
    ),
    "a claim that never ends": Mutant("I8", Parts(log=LogWhoseClaimsNeverEnd), first=19),
    "no gap pull": Mutant("I2/I3", Parts(sequencer=SequencerWithoutGapPull)),
    "no causal pull": Mutant("I5", names=((sequencer, "Planner", PlannerWithoutCausalPull),)),
    "order taken from the stream": Mutant(
        "I2/I3", Parts(log=LogWithoutRegistryCondition, sequencer=SequencerInOrderOfArrival)
    ),
    "no heal": Mutant("I7", names=((partitioned, "spans_of_records", spans_whatever_is_missing),)),
    "a row saved over any lower one": Mutant("I7", Parts(rows=RowsSavedOverLowerOnes)),
    "rows read before the checkpoint, and saved over lower ones": Mutant(
        "I7", Parts(rows=RowsSavedOverLowerOnes, partitioned=RunnerThatReadsRowsFirst)
    ),
    "parked_streams read before the checkpoint": Mutant(
        "I7", Parts(partitioned=RunnerThatReadsMarkersFirst), first=37
    ),
    "a checkpoint without its condition": Mutant(
        "I7: the checkpoint", Parts(checkpoints=CheckpointsWithoutCondition)
    ),
    "a checkpoint moved before the rows are saved": Mutant(
        "I7", Parts(partitioned=RunnerThatMovesFirst)
    ),
    "a parked stream that goes on": Mutant("I7", Parts(parking=ParkingThatHoldsNobody)),
    "redrive without the parked_stream's condition": Mutant(
        "I7", Parts(parking=ParkingWithoutCondition), first=121
    ),
    "no command id": Mutant("transfer ", names=((Cause, "command_id", any_command_id),), first=7),
    "a command taken though its process has moved": Mutant(
        "answer: ", Parts(acting=ActingOnAnyState), first=71
    ),
    "a refusal recorded though what refused has moved": Mutant(
        "answer: ", Parts(acting=RefusingOnAnyState), first=101
    ),
    "a step that is awaited no more passed without a look at its target": Mutant(
        "answer: passed",
        Parts(hurries=True),
        ((CommandHandler, "taken", lambda *_: None),),
        first=219,
    ),
    "a checkpoint moved before a policy acts": Mutant(
        "transfer ", Parts(policy=RunnerThatMovesFirst), first=26
    ),
    "an effect sent before its record": Mutant("effects: sent before", Parts(acting=SendingFirst)),
    "a policy run on replay": Mutant("replay: ", Parts(replay=replay_that_acts)),
    "no sweeper": Mutant("I8", Parts(has_sweeper=False)),
}
