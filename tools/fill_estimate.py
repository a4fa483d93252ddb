"""What a fill will take, before it begins: from samples of the log, and from list prices."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from rich.box import SIMPLE_HEAD
from rich.table import Table

from chalicelib.leftfold.kernel import Commit, View
from chalicelib.leftfold.projection.budget import units_of
from chalicelib.leftfold.projection.filling import EVENTS, Fill, Plan
from chalicelib.leftfold.projection.fold import PoisonError, hears, touched_by
from chalicelib.leftfold.projection.replay import replay_range
from chalicelib.leftfold.projection.rows import Save
from tools.prices import Price, money
from tools.stages import Stage

# Samples of the log, and positions of each.
SAMPLES, POSITIONS = 8, 500
# Rows that one worker is assumed to save in a second: sixteen calls of 6 ms at a time to DynamoDB, as
# docs/cost.md takes them; OpenSearch by bulk.
SAVED = {"documents": 16 / 0.006, "search": 5_000.0}
# Positions of a segment, and state transitions of a worker besides those of its calls.
SEGMENT, TRANSITIONS = 10_000, 3
# Seconds of a call of the worker's function.
CALL = 840.0


@dataclass(frozen=True)
class Estimate:
    """Of a fill: *events* that are heard, *rows* that are saved, *units* of writes, and the *reads*
    of units of rows, each over all workers; *requests* to the archive; *seconds* of one worker.
    """

    positions: int
    events: int
    rows: int
    units: int
    reads: int
    requests: int
    seconds: float

    def cost(self, view: View, workers: int, stage: Stage, price: Mapping[str, Price]) -> float:
        """Dollars, on AWS."""
        of = {name: entry.price for name, entry in price.items()}
        calls = workers * (1 + int(self.seconds / CALL))
        in_table = view.store == "documents"
        return (
            in_table * (self.units * of["dynamodb_write"] + self.reads * of["dynamodb_read"])
            + self.requests * of["s3_get"]
            + calls * (of["lambda_request"] + 2 * of["state_transition"])
            + (TRANSITIONS + workers) * of["state_transition"]
            + workers * self.seconds * stage.memory / 1024 * of[f"lambda_{stage.architecture}"]
        )


def estimate(filling: Fill, plan: Plan, workers: int, budget: float) -> Estimate:
    """What is left of *plan*, by *workers* who may write *budget* units a second together."""
    done, positions = filling.progress(plan)
    left = positions - done
    if not left:
        return Estimate(0, 0, 0, 0, 0, 0, 0.0)
    # The view as if it asked for no personal data: nothing is opened for an estimate.
    view = replace(filling.view, personal=False)
    began = time.perf_counter()
    read = heard = saves = 0
    for first in places(plan):
        commits = list(sample(filling, first, plan.end))
        read += len(commits)
        heard += sum(len(commit.events) for _, commit in commits)
        saves += rows_of(view, commits)
    each = (time.perf_counter() - began) / max(read, 1)
    size = row_units(filling, view, plan)
    # Parts by lanes read the whole log each, and save no more rows for that.
    share = left / positions * (plan.end - plan.first)
    rows = round(saves / max(read, 1) * share)
    units = round(rows * size)
    busy = min(workers, len(plan.parts))
    by_one = left / busy * each + rows / busy / SAVED[view.store]
    return Estimate(
        left,
        round(heard / max(read, 1) * share),
        rows,
        units,
        rows if view.accumulates else 0,
        -(-left // SEGMENT),
        max(by_one, units / budget if budget else 0),
    )


def places(plan: Plan) -> list[int]:
    """Where the samples begin: all over the log."""
    step = max(POSITIONS, (plan.end - plan.first) // SAMPLES)
    return list(range(plan.first, plan.end, step))[:SAMPLES]


def sample(filling: Fill, first: int, end: int) -> Iterable[tuple[int, Commit]]:
    """The commits of some positions."""
    for block in filling.log.blocks(first, heard=filling.view.categories):
        for position, commit in enumerate(block.commits, block.first_position):
            if first <= position < min(first + POSITIONS, end):
                yield position, commit
        if block.next_position >= first + POSITIONS:
            return


def rows_of(view: View, commits: Iterable[tuple[int, Commit]]) -> int:
    """How many rows *commits* make that are saved together."""
    keys: set[str] = set()
    for position, commit in commits:
        if hears(view, commit.aggregate_id):
            try:
                keys.update(key for key, _ in touched_by(view, position, commit))
            except PoisonError:
                keys.add(commit.aggregate_id)
    return len(keys)


def row_units(filling: Fill, view: View, plan: Plan) -> float:
    """The write units of a row: of the first rows of the log, if the fill begins there."""
    if plan.first:
        return 1.0
    made = replay_range(view, filling.log, 0, min(plan.end, EVENTS), repairs=filling.repairs)
    sizes = [units_of(Save(key, row.row, row.position, None)) for key, row in made.rows.items()]
    return sum(sizes) / len(sizes) if sizes else 1.0


def table(view: View, made: Estimate, workers: int, dollars: float) -> Table:
    """The estimate, for people."""
    shown = Table("a fill of", view.name, box=SIMPLE_HEAD)
    shown.columns[1].justify = "right"
    takes = timedelta(seconds=round(made.seconds))
    for name, value in {
        "positions to read, over all parts": f"{made.positions:,}",
        "events that the view hears, about": f"{made.events:,}",
        "rows to save, at most about": f"{made.rows:,}",
        "KB of rows to write (write units)": f"{made.units:,}",
        "requests to the archive": f"{made.requests:,}",
        f"time, {workers} workers, about": str(takes),
        "at list prices on AWS, about": money(dollars),
    }.items():
        shown.add_row(name, value)
    return shown
