"""Partitioned readers, views and policies: in the order of each stream.

They take commits from records of lanes, and what no record brought from the log; or,
woken by wakes, all of them from the log.

The order of one pass makes it safe. Checkpoints are read, then parked streams, then the work is
done: rows are loaded, saved and made visible, or commands sent and their answers recorded.
Then parked streams are written, then checkpoints moved. Whatever a checkpoint has passed is thus
done or under a parked stream, wherever a pass may die.
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
from chalicelib.leftfold.store.readers import checkpoint_key, ends_of

# Blocks that healing takes from the log before it looks where to go on.
HEALED_AT_ONCE = 64


class Span(NamedTuple):
    """All commits of a key that follow its *checkpoint*, up to position *end*."""

    key: int
    checkpoint: int
    end: int
    commits: Sequence[tuple[int, Commit]]


@dataclass(frozen=True)
class PartitionedRunner:
    """Keeps one partitioned reader going; any number may run at once, on any records."""

    work: Work
    log: Log
    checkpoints: Checkpoints
    parking: Parking
    pause: Pause

    def handle(self, records: Sequence[LaneRecord]) -> None:
        """Brings the lanes of *records* at least as far as the records go.

        Raises `Unavailable`: nothing is lost, and the same records may come again.
        """
        gaps = persistently(self.pause, self.work.name, lambda: self._take_records(records))
        while gaps and self._advance(gaps, HEALED_AT_ONCE):
            pass

    def catch_up(self, blocks: int) -> bool:
        """Brings the keys that are behind forward, by up to *blocks* of the log.

        Returns whether more remains. Raises `Unavailable`.
        """
        return self._advance(ends_of(self.work, self.log.head()), blocks)

    def redrive(self, aggregate_id: str) -> None:
        """Takes a parked stream from the log and unparks it.

        Raises `PoisonError` if it still fails, and `Unavailable`: then it stays parked.
        """
        Redrive(self.work, self.log, self.parking, self.pause).run(aggregate_id)

    def _take_records(self, records: Sequence[LaneRecord]) -> dict[int, int] | None:
        """The lanes that need healing, with their targets; the others are done."""
        lanes = {record.lane for record in records}
        checkpoints = self.checkpoints.read(self.work.name, lanes)
        spans, gaps = spans_of_records(records, checkpoints)
        return gaps if self._settle(spans) else None

    def _advance(self, targets: Mapping[int, int], blocks: int) -> bool:
        """One forward pass over the log for all keys that are before their targets."""
        return persistently(self.pause, self.work.name, lambda: self._take_blocks(targets, blocks))

    def _take_blocks(self, targets: Mapping[int, int], blocks: int) -> bool | None:
        """Whether some key still is before its target; None if others interfered."""
        behind = self._behind(targets)
        if not behind:
            return False
        ends = {key: targets[key] for key in behind}
        first, last = min(behind.values()) + 1, max(ends.values())
        settled = False
        for slice_ in slices(
            self.log.blocks(first, blocks),
            first,
            last,
            lambda commit: checkpoint_key(self.work, commit.aggregate_id) in ends,
            self.work.size,
        ):
            settled = self._take_slice(slice_, ends)
            if not settled:
                break
        return bool(self._behind(ends)) if settled else None

    def _behind(self, targets: Mapping[int, int]) -> dict[int, int]:
        """The checkpoints of the keys that are before their targets."""
        checkpoints = self.checkpoints.read(self.work.name, targets)
        return {key: position for key, position in checkpoints.items() if position < targets[key]}

    def _take_slice(self, slice_: Slice, targets: Mapping[int, int]) -> bool:
        """False if the slice does not follow a checkpoint, or others interfered."""
        behind = self._behind(targets)
        if any(position < slice_.first - 1 for position in behind.values()):
            return False
        return self._settle(self._spans(slice_, behind, targets))

    def _spans(
        self, slice_: Slice, behind: Mapping[int, int], targets: Mapping[int, int]
    ) -> list[Span]:
        """What *slice_* adds to each key that is behind, up to its target."""
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
        """Does the work of *spans* or parks it, then moves their checkpoints.

        False if others changed a row, a parked stream or a checkpoint meanwhile, or if a
        stream had to be parked on the way: look again from the checkpoint.
        """
        commits = sorted(
            (c for s in spans for c in s.commits if self.work.hears(c[1].aggregate_id)),
            key=itemgetter(0),
        )
        first = {c.aggregate_id: position for position, c in reversed(commits)}
        last = {c.aggregate_id: position for position, c in commits}
        parked = self.parking.find(self.work.name, last) if last else {}
        outcome = self.work.take([c for c in commits if c[1].aggregate_id not in parked])
        for stream, reason in outcome.rejected.items():
            self._park(stream, ParkedStream(first[stream], last[stream], reason))
        if not outcome.done:
            return False
        failed = {
            stream: ParkedStream(poison.position, last[stream], poison.reason)
            for stream, poison in outcome.poisons.items()
        }
        marked = [self._park(stream, parked_stream) for stream, parked_stream in failed.items()]
        marked += [
            self.parking.extend(self.work.name, stream, last[stream])
            for stream, parked_stream in parked.items()
            if last[stream] > parked_stream.last
        ]
        return all(marked) and self._move(spans)

    def _park(self, stream: str, parked_stream: ParkedStream) -> bool:
        """False if the stream was parked and unparked by others at the same time."""
        return self.parking.park(self.work.name, stream, parked_stream) or self.parking.extend(
            self.work.name, stream, parked_stream.last
        )

    def _move(self, spans: Sequence[Span]) -> bool:
        name = self.work.name
        moved = [self.checkpoints.move(name, span.key, span.checkpoint, span.end) for span in spans]
        return all(moved)


def spans_of_records(
    records: Sequence[LaneRecord], checkpoints: Mapping[int, int]
) -> tuple[list[Span], dict[int, int]]:
    """What *records* add to each lane without a gap; the targets of the other lanes.

    A lane needs its log if a record of it is missing, or carries positions only.
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
