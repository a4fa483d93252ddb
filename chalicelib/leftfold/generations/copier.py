"""Follows the giver's log and copies every commit to the receiver: it fills a generation.

The copier runs by shards of the *later* streams, so that no two shards write one stream, and
follows one log for all of them: a merged stream has the order of that log. Of a giver with several
logs each has shards of its own, which copy what comes from there.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from chalicelib.leftfold.commands.loading import owns
from chalicelib.leftfold.generations.copying import Copying, NotCopiedYetError, end_of, is_same
from chalicelib.leftfold.kernel import Commit, lane_of
from chalicelib.leftfold.kernel.transform import TransformError
from chalicelib.leftfold.store.ports import (
    BarredError,
    Checkpoints,
    ParkedStream,
    Parking,
    StreamVersion,
)

READER = "copier"
# Shards of the copier for each of the giver's logs, each with its lanes of later streams. It is
# never changed while a generation is being filled: the checkpoints are those of shards, of the log
# `main` first.
SHARDS = 8
BLOCKS = 16

Logged = tuple[int, Commit]
# Applies a function to each of the streams: one after another, or side by side.
Spread = Callable[[Callable[[Sequence[Logged]], object], Iterable[Sequence[Logged]]], object]


def shard_of(target: str, log: int = 0) -> int:
    """The shard that copies to a later stream from the giver's log of number *log*."""
    return log * SHARDS + lane_of(target) % SHARDS


class Progress(NamedTuple):
    """The position up to which each shard has *done* everything, and the end of its log."""

    done: Mapping[int, int]
    ends: Mapping[int, int]

    def behind(self, shard: int) -> int:
        """How many positions a shard is behind."""
        return self.ends[shard] - self.done[shard]

    @property
    def lag(self) -> int:
        """How many positions the slowest shard is behind."""
        return max(map(self.behind, self.done))

    def by_name(self) -> dict[str, int]:
        """What is done, with keys that JSON can have."""
        return {str(shard): done for shard, done in self.done.items()}


@dataclass(frozen=True)
class Copier:
    """Copies by the log. *checkpoints* and *parking* are the receiver's.

    Any number of copiers may run: each copy has its own key, and a later copier finds it there.
    """

    copying: Copying
    checkpoints: Checkpoints
    parking: Parking
    spread: Spread

    @property
    def shards(self) -> Collection[int]:
        """The shards of all logs of the giver."""
        return range(SHARDS * len(self.copying.giver.logs))

    def run(
        self, shards: Collection[int] | None = None, goes_on: Callable[[], bool] = lambda: True
    ) -> None:
        """Copies what the logs have for these shards, or all, until *goes_on* says no. A log is read
        once for all its shards, from the one that is furthest behind; several logs take turns.

        A shard in which a stream waits for another stays where it is while the others go on; at the
        logs' ends raises `NotCopiedYetError` if there is one. Raises `Unavailable`.
        """
        done = self.checkpoints.read(READER, self.shards if shards is None else shards)
        turns = {
            number: those
            for number in range(len(self.copying.giver.logs))
            if (those := {shard: at for shard, at in done.items() if shard // SHARDS == number})
        }
        waiting: dict[str, NotCopiedYetError] = {}
        while turns:
            turns = {
                number: those
                for number, those in turns.items()
                if self._step(number, those, waiting)
            }
            if turns and not goes_on():
                break
        if waiting:
            raise next(iter(waiting.values()))

    def _step(
        self, number: int, done: dict[int, int], waiting: dict[str, NotCopiedYetError]
    ) -> bool:
        """Copies the next blocks of a log to its shards, which have *done* so much; False if none goes on."""
        targets, end = self._following(number, done)
        if end is None:
            return False
        found = self._copy(targets)
        waiting |= found
        for shard in {shard_of(target, number) for target in found}:
            del done[shard]
        for shard in [shard for shard, at in done.items() if at < end]:
            self.checkpoints.move(READER, shard, done[shard], end)
            done[shard] = end
        return bool(done)

    def _following(
        self, number: int, done: Mapping[int, int]
    ) -> tuple[dict[str, list[Logged]], int | None]:
        """What a log's next blocks have for each stream of the shards, behind what each has *done*,
        and the position at which these blocks end; None at the log's end.
        """
        targets: dict[str, list[Logged]] = {}
        log = [*self.copying.giver.logs.values()][number]
        blocks = list(islice(log.blocks(min(done.values()) + 1), BLOCKS))
        for block in blocks:
            for position, commit in enumerate(block.commits, block.first_position):
                for target in self._targets(commit):
                    if position > done.get(shard_of(target, number), position):
                        targets.setdefault(target, []).append((position, commit))
        return targets, blocks[-1].next_position - 1 if blocks else None

    def _targets(self, commit: Commit) -> tuple[str, ...]:
        """The later streams that get a copy. What feeds none would be left behind in silence: it is
        parked under its own id, as the transform has failed on it.
        """
        return self.copying.boundaries.feeds(commit.aggregate_id) or (commit.aggregate_id,)

    def progress(self) -> Progress:
        """How far each shard has come."""
        done = self.checkpoints.read(READER, self.shards)
        logs = self.copying.giver.logs.values()
        ends = [log.head().next_position - 1 for log in logs]
        return Progress(done, {shard: ends[shard // SHARDS] for shard in done})

    def redrive(self, target: str) -> bool:
        """Copies what waits for a parked stream, and ends its parking. False if the transform still
        fails on it. Raises `NotCopiedYetError` and `Unavailable`.
        """
        while parked := self.parking.find(READER, [target]).get(target):
            waiting = [
                (position, commit)
                for position, commit in self._logged(target, parked)
                if target in self._targets(commit)
            ]
            try:
                whole = self._copy_stream(target, waiting)
            except BarredError:
                whole = True
            if not whole:
                return False
            self.parking.release(READER, target, parked.last)
        return True

    def _logged(self, target: str, parked: ParkedStream) -> Iterator[Logged]:
        """The commits of the log of a parked stream, at the positions that wait."""
        source, *_ = self.copying.boundaries.sources(target) or (target,)
        for block in self.copying.giver.log_with(source).blocks(parked.first):
            if block.first_position > parked.last:
                return
            for position, commit in enumerate(block.commits, block.first_position):
                if parked.first <= position <= parked.last:
                    yield position, commit

    def _copy(self, targets: dict[str, list[Logged]]) -> dict[str, NotCopiedYetError]:
        """Copies to each stream in order. One on which the transform fails is parked. Returns the
        streams that wait for another, with what they wait for.
        """
        parked = self.parking.find(READER, list(targets))
        named = {id(commits): target for target, commits in targets.items()}
        waiting: dict[str, NotCopiedYetError] = {}

        def copy(commits: Sequence[Logged]) -> None:
            target = named[id(commits)]
            # One that was redriven meanwhile is not parked any more.
            if target in parked and self.parking.extend(READER, target, commits[-1][0]):
                return
            try:
                self._copy_stream(target, commits)
            except BarredError:
                # The earlier generation has the stream again: a taker brings the rest.
                return
            except NotCopiedYetError as error:
                # Others go on: what this stream waits for may be among them.
                waiting[target] = error

        self.spread(copy, targets.values())
        return waiting

    def _copy_stream(self, target: str, commits: Sequence[Logged]) -> bool:
        """Copies to one stream, behind what it has; False if it is parked then. Raises `BarredError`."""
        end = end_of(self.copying.receiver, target)
        if end.bar is not None:
            raise BarredError(end.bar)
        before = end.newest
        if before is not None and owns([before], None):
            # It is taken, so it has every commit of its sources.
            return True
        for position, commit in commits:
            try:
                before = self._copy_one(target, before, position, commit)
            except TransformError as error:
                waits = ParkedStream(position, commits[-1][0], str(error))
                self.parking.park(READER, target, waits)
                return False
        return True

    def _copy_one(
        self, target: str, before: Commit | None, position: int, commit: Commit
    ) -> Commit | None:
        """The stream's newest commit once it has the copy. No copy is put above a hole."""
        merged = self.copying.is_merged(target)
        version = before.version if before else 0
        if merged:
            done = -1 if before is None or before.position is None else before.position
            is_there = position <= done or (before is not None and owns([before], None))
        else:
            is_there = commit.version <= version
        if is_there:
            return before
        if not merged and commit.version > version + 1:
            raise NotCopiedYetError(target, StreamVersion(commit.aggregate_id, version + 1))
        copy = self.copying.copy(commit, target, before, position, waits=True)
        holder = self.copying.receiver.table.put_copy(copy)
        if holder is None or is_same(holder, copy):
            return holder or copy
        # Another copier or a taker is ahead in a merged stream, in the same order.
        return self._copy_one(target, holder, position, commit)
