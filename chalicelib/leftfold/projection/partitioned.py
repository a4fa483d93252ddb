"""The runner of all readers, views and policies, whose work is partitioned into scopes.

A scope is a stream, or all streams of a tenant for an ordered view. A reader takes each scope's commits
in order, and nothing that it makes is of two scopes, so a scope that fails holds up itself alone.

The runner takes commits from lane records, and from the log if records are missing. A wake makes
it take all commits from the log.

The order of a pass makes the runner safe:

1. It reads the checkpoints.
2. It reads the parked scopes.
3. It does the work: rows are loaded, saved and made visible, or commands are sent and their
   answers recorded.
4. It writes the scopes that are to be parked.
5. It moves the checkpoints.

Wherever a pass dies, each commit up to a checkpoint is done or parked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import NamedTuple

from chalicelib.leftfold.kernel import Commit
from chalicelib.leftfold.projection.redrive import Redrive
from chalicelib.leftfold.projection.runner import Pause, Slice, Work, persistently, slices
from chalicelib.leftfold.store.bus import LaneRecord
from chalicelib.leftfold.store.ports import Checkpoints, Log, ParkedStream, Parking
from chalicelib.leftfold.store.readers import WHOLE_LOG, checkpoint_key, ends_of

# Blocks of the log in one pass that fills the gaps between lane records.
HEALED_AT_ONCE = 64


class Span(NamedTuple):
    """All commits of a key that follow its *checkpoint*, up to position *end*."""

    key: int
    checkpoint: int
    end: int
    commits: Sequence[tuple[int, Commit]]


@dataclass(frozen=True)
class PartitionedRunner:
    """Keeps one reader up to date; any number of runners may run, on any records."""

    work: Work
    log: Log
    checkpoints: Checkpoints
    parking: Parking
    pause: Pause

    def handle(self, records: Sequence[LaneRecord]) -> None:
        """Advances the lanes of *records* at least to the ends of the records.

        Raises `Unavailable`. Nothing is lost then, and the same records may be handled again.
        """
        gaps = persistently(self.pause, self.work.name, lambda: self._take_records(records))
        while gaps and self._advance(gaps, HEALED_AT_ONCE):
            pass

    def catch_up(self, blocks: int) -> bool:
        """Advances the keys that are behind, by up to *blocks* blocks of the log.

        Returns whether more remains. Raises `Unavailable`.
        """
        return self._advance(ends_of(self.work, self.log.head()), blocks)

    def advance(self, end: int, blocks: int) -> bool:
        """As `catch_up`, up to position *end*, for a reader with one checkpoint."""
        return self._advance({WHOLE_LOG: end}, blocks)

    def redrive(self, scope: str) -> None:
        """Takes a parked scope's commits from the log and unparks it.

        Raises `PoisonError` if a commit still fails, and `Unavailable`. The scope stays
        parked then.
        """
        Redrive(self.work, self.log, self.parking, self.pause).run(scope)

    def _take_records(self, records: Sequence[LaneRecord]) -> dict[int, int] | None:
        """The targets of lanes with gaps; the other lanes are done. None if others interfered."""
        lanes = {record.lane for record in records}
        checkpoints = self.checkpoints.read(self.work.stored_name, lanes)
        spans, gaps = spans_of_records(records, checkpoints)
        return gaps if self._settle(spans) else None

    def _advance(self, targets: Mapping[int, int], blocks: int) -> bool:
        """One pass over the log for all keys before their targets; whether more remains."""
        return persistently(self.pause, self.work.name, lambda: self._take_blocks(targets, blocks))

    def _take_blocks(self, targets: Mapping[int, int], blocks: int) -> bool | None:
        """Whether a key still is before its target; None if another runner interfered."""
        behind = self._behind(targets)
        if not behind:
            return False
        ends = {key: targets[key] for key in behind}
        first, last = min(behind.values()) + 1, max(ends.values())
        settled = False
        for slice_ in slices(
            self.log.blocks(first, blocks, self.work.categories),
            first,
            last,
            lambda commit: (
                self.work.hears(commit.aggregate_id)
                and checkpoint_key(self.work, commit.aggregate_id) in ends
            ),
            self.work.size,
        ):
            settled = self._take_slice(slice_, ends)
            if not settled:
                break
        return bool(self._behind(ends)) if settled else None

    def _behind(self, targets: Mapping[int, int]) -> dict[int, int]:
        """The checkpoints of the keys that are before their targets."""
        checkpoints = self.checkpoints.read(self.work.stored_name, targets)
        return {key: position for key, position in checkpoints.items() if position < targets[key]}

    def _take_slice(self, slice_: Slice, targets: Mapping[int, int]) -> bool:
        """Takes a slice; False if it does not follow a checkpoint, or another runner interfered."""
        behind = self._behind(targets)
        if any(position < slice_.first - 1 for position in behind.values()):
            return False
        return self._settle(self._spans(slice_, behind, targets))

    def _spans(
        self, slice_: Slice, behind: Mapping[int, int], targets: Mapping[int, int]
    ) -> list[Span]:
        """The commits in *slice_* of each key that is behind, up to its target."""
        commits: dict[int, list[tuple[int, Commit]]] = {key: [] for key in behind}
        for position, commit in slice_.commits:
            key = checkpoint_key(self.work, commit.aggregate_id)
            if key in behind and behind[key] < position <= targets[key]:
                commits[key].append((position, commit))
        return [
            Span(key, checkpoint, min(slice_.last, targets[key]), commits[key])
            for key, checkpoint in behind.items()
            if checkpoint < slice_.last
        ]

    def _settle(self, spans: Sequence[Span]) -> bool:
        """Does the work of *spans*, parks what fails, then moves the checkpoints.

        Returns False if the pass must begin again at the checkpoints: another runner has
        changed a row, a parked scope or a checkpoint, or a store has rejected a row.
        """
        scope = self.work.scope
        commits = sorted(
            (c for s in spans for c in s.commits if self.work.hears(c[1].aggregate_id)),
            key=itemgetter(0),
        )
        first = {scope(c.aggregate_id): position for position, c in reversed(commits)}
        last = {scope(c.aggregate_id): position for position, c in commits}
        parked = self.parking.find(self.work.stored_name, last) if last else {}
        outcome = self.work.take([c for c in commits if scope(c[1].aggregate_id) not in parked])
        for rejected, reason in outcome.rejected.items():
            self._park(rejected, ParkedStream(first[rejected], last[rejected], reason))
        if not outcome.done:
            return False
        failed = {
            poisoned: ParkedStream(poison.position, last[poisoned], poison.reason)
            for poisoned, poison in outcome.poisons.items()
        }
        recorded = [self._park(poisoned, waits) for poisoned, waits in failed.items()]
        recorded += [
            self.parking.extend(self.work.stored_name, waiting, last[waiting])
            for waiting, waits in parked.items()
            if last[waiting] > waits.last
        ]
        return all(recorded) and self._move(spans)

    def _park(self, scope: str, waits: ParkedStream) -> bool:
        """False if another runner parked and unparked the scope at the same time."""
        return self.parking.park(self.work.stored_name, scope, waits) or self.parking.extend(
            self.work.stored_name, scope, waits.last
        )

    def _move(self, spans: Sequence[Span]) -> bool:
        name = self.work.stored_name
        moved = [self.checkpoints.move(name, span.key, span.checkpoint, span.end) for span in spans]
        return all(moved)


def spans_of_records(
    records: Sequence[LaneRecord], checkpoints: Mapping[int, int]
) -> tuple[list[Span], dict[int, int]]:
    """The commits that *records* add to the lanes without gaps; the targets of the other lanes.

    A lane has a gap if one of its records is missing, or has positions without commits.
    """
    spans: list[Span] = []
    gaps: dict[int, int] = {}
    in_order = sorted(records, key=attrgetter("last_position"))
    for lane, checkpoint in checkpoints.items():
        commits: list[tuple[int, Commit]] = []
        end = checkpoint
        for record in in_order:
            if record.lane != lane or record.last_position <= end:
                continue
            if record.commits is None or record.previous_in_lane > end:
                gaps[lane] = max(r.last_position for r in records if r.lane == lane)
                break
            commits += [c for c in record.commits if c[0] > end]
            end = record.last_position
        if lane not in gaps and end > checkpoint:
            spans.append(Span(lane, checkpoint, end, commits))
    return spans, gaps
