"""Fills a view's rows from the whole log, by many workers at once.

A fill divides the log into parts, each of which one worker takes at a time:

- A view that does not accumulate has a part for each range of positions. A row replaces any row of
  a lower position, so the order of the ranges does not matter.
- A partitioned view that accumulates has a part for each few lanes, from the beginning to the end.
  All commits of a stream are in one lane, so each row has one part, which takes it in order.
- An ordered view has one part, with the view's own checkpoint: one worker reads it in order.

A part keeps a checkpoint of its own, which moves after the rows are saved. So a worker that dies, or
that is started twice, costs time and nothing else (docs/adr/0036). When all parts are done, the view's
checkpoints move to the end of the fill, and its function goes on from there.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from chalicelib.leftfold.kernel import LANES, View, lane_of
from chalicelib.leftfold.kernel.repair import NO_REPAIRS, Repairs
from chalicelib.leftfold.projection.partitioned import PartitionedRunner
from chalicelib.leftfold.projection.replay import Replayed, merged
from chalicelib.leftfold.projection.rows import KEEP_DELETED, RowRejectedError, RowStore, Save
from chalicelib.leftfold.projection.runner import Pause, ViewWork
from chalicelib.leftfold.store.ports import (
    Checkpoints,
    Log,
    ParkedStream,
    Parking,
    Unavailable,
)
from chalicelib.leftfold.store.readers import WHOLE_LOG, ends_of
from chalicelib.leftfold.subjects.opening import CLOSED, Opener

# Positions of a range, unless that would be more than `MOST_PARTS` ranges.
RANGE = 25_000
MOST_PARTS = 1_000
LANES_OF_A_PART = 4
# Blocks that a worker takes between two looks at its time, and events between two saves.
BLOCKS = 128
EVENTS = 10_000
# Events between two saves of a fill that has a budget.
FEW_EVENTS = 500
# How often in a row a store may refuse before a worker gives up.
STORE_ATTEMPTS = 30
# The marks of deleted rows must not expire while an older commit may still come.
LONGEST = KEEP_DELETED - timedelta(days=1)

# The keys of a fill's own checkpoints: its end, its beginning, the time of its begin, then its parts.
END, FIRST, BEGAN, PARTS = 0, 1, 2, 16


class Part(NamedTuple):
    """The commits of *lanes* from position *first* to before *last*, under the *key* of their
    checkpoint.
    """

    key: int
    first: int
    last: int
    lanes: range


class Plan(NamedTuple):
    """All parts of a fill, from position *first* to before *end*; *began* is the time of its begin."""

    first: int
    end: int
    began: datetime
    parts: tuple[Part, ...]

    def of_worker(self, worker: int, workers: int) -> tuple[Part, ...]:
        """The parts of one of several workers. The view's own runner goes on from the beginning, so
        workers begin at the end.
        """
        return self.parts[::-1][worker::workers]


class Progress(NamedTuple):
    """How many positions of how many are done, over all parts."""

    done: int
    total: int


class FillTooOldError(Exception):
    """A fill began so long ago that marks of deleted rows may be gone."""

    is_impersonal = True


class NotDoneError(Exception):
    """A fill cannot be finished before all of its parts are done."""

    is_impersonal = True


def parts_of(view: View, first: int, end: int) -> tuple[Part, ...]:
    """The parts of a fill: the same ones each time they are asked for."""
    everyone = range(LANES)
    if first >= end:
        return ()
    if view.order == "ordered":
        return (Part(PARTS, first, end, everyone),)
    if view.accumulates:
        lanes = [range(n, n + LANES_OF_A_PART) for n in range(0, LANES, LANES_OF_A_PART)]
        return tuple(Part(PARTS + n, first, end, each) for n, each in enumerate(lanes))
    size = max(RANGE, -(-(end - first) // MOST_PARTS))
    return tuple(
        Part(PARTS + n, begins, min(begins + size, end), everyone)
        for n, begins in enumerate(range(first, end, size))
    )


@dataclass(frozen=True)
class Fill:
    """The fill of one view; any number of workers may take part, in any number of processes.

    *log* and *view* may be those of a quick replay. A fill that *has_budget* saves fewer rows at a
    time.
    """

    view: View
    rows: RowStore
    log: Log
    checkpoints: Checkpoints
    parking: Parking
    pause: Pause
    now: Callable[[], datetime]
    repairs: Repairs = NO_REPAIRS
    opener: Opener = CLOSED
    has_budget: bool = False

    def plan(self) -> Plan:
        """What is to be done: the fill that has begun, or else one of all that the view has not.

        Callers that race get the same plan. Raises `FillTooOldError`.
        """
        name = self.view.fill_name
        begin = self.checkpoints.begin
        end = begin(name, END, self.log.head().next_position)
        first = begin(name, FIRST, self.followed())
        began = datetime.fromtimestamp(
            begin(name, BEGAN, int(self.now().timestamp())), tz=self.now().tzinfo
        )
        plan = Plan(first, end, began, parts_of(self.view, first, end))
        if self.now() - began > LONGEST and not self._is_finished(plan):
            raise FillTooOldError(
                f"the fill of {self.view.name} began at {began:%Y-%m-%d %H:%M}: marks of rows that"
                " were deleted since may be gone; make the rows in a new generation"
            )
        return plan

    def planned(self) -> Plan:
        """The fill that has begun, or the one that would begin now; nothing is begun."""
        own = self.checkpoints.read(self.view.fill_name, [END, FIRST])
        begun = own[END] >= 0
        end = own[END] if begun else self.log.head().next_position
        first = own[FIRST] if begun else self.followed()
        return Plan(first, end, self.now(), parts_of(self.view, first, end))

    def work(self, part: Part, goes_on: Callable[[], bool]) -> bool:
        """Takes a part until it is done, or until *goes_on* says no; whether it is done.

        Raises `Unavailable` once a store has refused `STORE_ATTEMPTS` times in a row.
        """
        runner, refused = self._runner(part), 0
        while True:
            try:
                # The view's own runner may have come here meanwhile.
                if self.followed() >= part.last or not runner.advance(part.last - 1, BLOCKS):
                    return True
                refused = 0
            except Unavailable:
                refused += 1
                if refused >= STORE_ATTEMPTS:
                    raise
                self.pause(refused)
            if not goes_on():
                return False

    def merge(self, first: int, made: Replayed) -> None:
        """Merges what a range of an ordered view, from position *first*, made of nothing into its
        rows, and moves its checkpoint.

        Where its runner has come in between, the range failed, or a tenant is parked, its runner
        takes the range. Raises as `work` does.
        """
        waits = made.stopped or any(True for _ in self.parking.all(self.view.stored_name))
        if not waits and self.followed() == first and self._merged(first, made):
            name = self.view.stored_name
            self.checkpoints.move(name, WHOLE_LOG, first - 1, made.position)
        self.work(Part(PARTS, first, made.position + 1, range(LANES)), lambda: True)

    def _merged(self, first: int, made: Replayed) -> bool:
        """Whether all rows of a range are saved. One that is saved at its position has been before."""
        loaded = self.rows.load(made.rows)
        saves = []
        for key, later in made.rows.items():
            if loaded[key].position == later.position:
                continue
            if loaded[key].position >= first:
                return False
            row, position, _ = merged(self.view, key, loaded[key], later)
            saves.append(Save(key, row, position, loaded[key]))
        try:
            conflicts = self.rows.save(saves)
        except RowRejectedError:
            return False
        self.rows.flush()
        return not conflicts

    def progress(self, plan: Plan) -> Progress:
        """How far the fill is."""
        return Progress(
            sum(self._done(plan).values()), sum(part.last - part.first for part in plan.parts)
        )

    def finish(self, plan: Plan) -> None:
        """Moves the view's checkpoints to the end of the fill. Raises `NotDoneError`."""
        done = self._done(plan)
        waiting = [part for part in plan.parts if done[part] < part.last - part.first]
        if waiting:
            raise NotDoneError(
                f"{len(waiting)} of {len(plan.parts)} parts of the fill of {self.view.name} are not"
                " done: start it again, and it goes on where it stopped"
            )
        if self.view.order == "ordered":
            return
        # A runner that moves a checkpoint meanwhile has looked before it, and begins again.
        while behind := self._behind(plan.end - 1):
            for key, position in behind.items():
                self.checkpoints.move(self.view.stored_name, key, position, plan.end - 1)

    def _behind(self, end: int) -> dict[int, int]:
        """The view's own checkpoints that are before *end*."""
        keys = ends_of(self.view, self.log.head())
        reached = self.checkpoints.read(self.view.stored_name, keys)
        return {key: position for key, position in reached.items() if position < end}

    def _is_finished(self, plan: Plan) -> bool:
        return self.followed() >= plan.end

    def _done(self, plan: Plan) -> dict[Part, int]:
        """How many positions of each part are done: by its worker, or by the view's own runner."""
        followed = self.followed()
        own = self.checkpoints.read(self.view.fill_name, [part.key for part in plan.parts])
        return {
            part: min(max(own[part.key] + 1, followed, part.first), part.last) - part.first
            for part in plan.parts
        }

    def followed(self) -> int:
        """The first position that the view's own runner has not done."""
        head = self.log.head()
        ends = ends_of(self.view, head)
        reached = self.checkpoints.read(self.view.stored_name, ends)
        behind = [position for key, position in reached.items() if position < ends[key]]
        return min(behind) + 1 if behind else head.next_position

    def _runner(self, part: Part) -> PartitionedRunner:
        """The runner of a part. That of an ordered view has the view's own checkpoint."""
        checkpoints, parking = self.checkpoints, self.parking
        if self.view.order == "partitioned":
            checkpoints = PartCheckpoints(checkpoints, self.view.fill_name, part)
            parking = parking if self.view.accumulates else WholeStreams(parking)
        work = PartWork(
            self.view, self.rows, self._size, self.opener, self.repairs, lanes=part.lanes
        )
        return PartitionedRunner(work, self.log, checkpoints, parking, self.pause)

    @property
    def _size(self) -> int:
        return FEW_EVENTS if self.has_budget else EVENTS


@dataclass(frozen=True)
class PartWork(ViewWork):
    """`Work` of a view on the streams of some *lanes*, with one checkpoint for all of them."""

    lanes: Collection[int] = range(LANES)

    @property
    def fed(self) -> Literal["bus", "log"]:
        return "log"

    def hears(self, aggregate_id: str) -> bool:
        if not super().hears(aggregate_id):
            return False
        return len(self.lanes) == LANES or lane_of(aggregate_id) in self.lanes


@dataclass(frozen=True)
class PartCheckpoints:
    """`Checkpoints` in which a reader has one key, that of a part, under the name of the *fill*."""

    inner: Checkpoints
    fill: str
    part: Part

    def read(self, reader: str, keys: Collection[int]) -> dict[int, int]:  # noqa: ARG002
        reached = self.inner.read(self.fill, [self.part.key])[self.part.key]
        return {WHOLE_LOG: max(reached, self.part.first - 1)}

    def begin(self, reader: str, key: int, position: int) -> int:
        return self.inner.begin(reader, key, position)

    def move(self, reader: str, key: int, old: int, new: int) -> bool:  # noqa: ARG002
        former = -1 if old == self.part.first - 1 else old
        return self.inner.move(self.fill, self.part.key, former, new)

    def note(self, reader: str) -> str | None:
        return self.inner.note(reader)

    def write_note(self, reader: str, text: str) -> None:
        self.inner.write_note(reader, text)


@dataclass(frozen=True)
class WholeStreams:
    """`Parking` for ranges, which are taken in any order.

    A stream that fails in one range is taken in all others, and is parked from the log's beginning:
    a redrive takes it whole, and its rows go by position.
    """

    inner: Parking

    def find(self, view: str, aggregate_ids: Collection[str]) -> dict[str, ParkedStream]:  # noqa: ARG002
        return {}

    def park(self, view: str, aggregate_id: str, parked_stream: ParkedStream) -> bool:
        return self.inner.park(view, aggregate_id, parked_stream._replace(first=0))

    def extend(self, view: str, aggregate_id: str, last: int) -> bool:
        return self.inner.extend(view, aggregate_id, last)

    def release(self, view: str, aggregate_id: str, last: int) -> bool:
        return self.inner.release(view, aggregate_id, last)

    def all(self, view: str | None = None) -> Iterator[tuple[str, str, ParkedStream]]:
        return self.inner.all(view)
