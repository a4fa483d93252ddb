"""A safeguard that is taken away is missed: the runs would show it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.leftfold.commands import loading
from chalicelib.leftfold.kernel import Commit
from chalicelib.leftfold.projection import documents
from chalicelib.leftfold.projection.fold import PoisonError
from chalicelib.leftfold.relay.sequencer import Sequencer
from chalicelib.leftfold.store.events import DynamoEvents
from chalicelib.leftfold.store.log import DynamoLog
from chalicelib.leftfold.store.ports import StreamVersion, Unavailable
from tests.engines.plan import Plan
from tests.engines.run import run

# Few streams and many faults: what can go wrong soon does.
PLAN = Plan(commits=100, streams=4, rate=0.15)
# The race is among the relays: no view is at work beside them.
RELAYS = replace(PLAN, relays=8, workers=0, drop=0.0)
# Among the functions of a view: more of them, with all of the records of two streams.
VIEWS = replace(PLAN, streams=2, workers=4, drop=0.0)
# The first one that shows the fault ends the search. A fault that needs a race may need a few.
SEEDS = range(1, 21)

Plant = Callable[[pytest.MonkeyPatch], None]


def no_own_attempt_recognised(patch: pytest.MonkeyPatch) -> None:
    append = DynamoEvents.append

    def anonymous(
        events: DynamoEvents, commit: Commit, unless: StreamVersion | None = None
    ) -> Commit | None:
        holder = append(events, commit, unless)
        return holder and holder._replace(command_id="someone else's")

    patch.setattr(DynamoEvents, "append", anonymous)
    patch.setattr(loading.Loaded, "version_of", lambda *_: None)


def no_condition_on_the_registry(patch: pytest.MonkeyPatch) -> None:
    move = DynamoLog._move_stream

    def anyway(log: DynamoLog, *entries: Any) -> dict[str, Any]:
        update = move(log, *entries)["Update"]
        del update["ConditionExpression"]
        update["ExpressionAttributeValues"].pop(":expected", None)
        return {"Update": update}

    patch.setattr(DynamoLog, "_move_stream", anyway)


def no_condition_on_head_and_block(patch: pytest.MonkeyPatch) -> None:
    def bare(method: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
        def anyway(*arguments: Any) -> dict[str, Any]:
            put = method(*arguments)["Put"]
            return {"Put": {"TableName": put["TableName"], "Item": put["Item"]}}

        return anyway

    # Relays that take turns hardly ever race.
    patch.setattr(Sequencer, "_is_beaten", lambda relay: setattr(relay.memory, "head", None))
    patch.setattr(DynamoLog, "_put_link", bare(DynamoLog._put_link))
    patch.setattr(DynamoLog, "_move_head", bare(DynamoLog._move_head))


def rows_saved_on_no_condition(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(documents, "condition_of", lambda _save: {})


@pytest.mark.parametrize(
    ("plant", "plan", "shown_by"),
    [
        (no_own_attempt_recognised, RELAYS, "found more than once"),
        (no_condition_on_the_registry, RELAYS, "I2/I3"),
        (no_condition_on_head_and_block, RELAYS, "I1"),
        (rows_saved_on_no_condition, VIEWS, "I7"),
    ],
)
def test_a_safeguard_that_is_taken_away_is_missed(
    dynamodb_local: str, monkeypatch: pytest.MonkeyPatch, plant: Plant, plan: Plan, shown_by: str
) -> None:
    plant(monkeypatch)
    assert any(shows(replace(plan, seed=seed), dynamodb_local, shown_by) for seed in SEEDS)


def shows(plan: Plan, url: str, law: str) -> bool:
    """Whether the run breaks *law*, or leaves a log that can't be folded or followed."""
    try:
        return any(law in broken for broken in run(plan, url).broken)
    except (PoisonError, Unavailable):
        return True
