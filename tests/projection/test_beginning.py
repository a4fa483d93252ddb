"""A policy that is added to a log with commits begins where it says, and for good."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.leftfold.kernel import Aggregate, Context, Decider, Domain, Email, Policy, Recorded
from chalicelib.leftfold.kernel.commit import instant
from chalicelib.leftfold.policies.beginning import BeginningCheckpoints, first_since
from chalicelib.leftfold.store.blocks import seal
from chalicelib.leftfold.store.memory import MemoryCheckpoints, MemoryLog
from chalicelib.leftfold.store.ports import Head, Unavailable
from chalicelib.leftfold.store.readers import WHOLE_LOG
from chalicelib.leftfold.wiring.services import Services
from chalicelib.leftfold.wiring.settings import Settings
from tests.builders import codec
from tests.commits import commit
from tests.projection.views import piles

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def react(_recorded: Recorded) -> Iterable[Email]:
    return ()


def evolve(state: int, _event: object) -> int:
    return state


pile = Aggregate("pile", Decider(lambda _command, _state: [], evolve, 0), codec)
notify = Policy("notify", (pile,), react)


def minute(number: int) -> datetime:
    return BEGAN + timedelta(minutes=number)


def log_of(blocks: list[list[int]]) -> MemoryLog:
    """A log of blocks of commits, by the minutes in which they were made."""
    log, head, keys = MemoryLog(), Head(), count()
    for minutes in blocks:
        made = [commit(f"main/pile-{next(keys)}", at=instant(minute(m))) for m in minutes]
        block, next_head = seal(head, made)
        log.put_body(block)
        assert log.append(block, head, next_head, {})
        head = next_head
    return log


def begins(policy: Policy, log: MemoryLog, checkpoints: MemoryCheckpoints) -> int:
    begun = BeginningCheckpoints(policy, log, checkpoints)
    return begun.read(policy.stored_name, [WHOLE_LOG])[WHOLE_LOG]


@pytest.mark.parametrize(
    ("since", "checkpoint"),
    [
        ("beginning", -1),
        ("now", 5),
        (minute(-1), -1),
        (minute(0), -1),
        (minute(1), 0),
        (minute(2), 2),
        (minute(3), 3),
        (minute(5), 5),
        (minute(5).astimezone(timezone(timedelta(hours=2))), 5),
    ],
)
def test_a_policy_begins_before_the_first_commit_that_it_acts_on(
    since: datetime, checkpoint: int
) -> None:
    log = log_of([[0, 1, 1], [2, 3], [4]])
    assert begins(replace(notify, since=since), log, MemoryCheckpoints()) == checkpoint


def test_where_it_begins_is_decided_once() -> None:
    log, checkpoints = log_of([[0, 1]]), MemoryCheckpoints()
    assert begins(replace(notify, since="now"), log, checkpoints) == 1
    assert begins(replace(notify, since="beginning"), log, checkpoints) == 1
    assert begins(replace(notify, since="now"), log_of([[0, 1], [2]]), checkpoints) == 1


def test_a_policy_that_is_there_from_the_first_commit_on_misses_none() -> None:
    checkpoints = MemoryCheckpoints()
    later = replace(notify, since="now")
    assert begins(later, log_of([]), checkpoints) == -1
    # The first commits came before its first run.
    assert begins(later, log_of([[0, 1]]), checkpoints) == -1


@given(
    st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=3), max_size=6), st.integers(-1, 10)
)
def test_an_instant_has_the_position_that_a_look_at_every_commit_finds(
    blocks: list[list[int]], wanted: int
) -> None:
    in_time = sorted(m for block in blocks for m in block)
    sizes = [len(block) for block in blocks]
    ordered = [[in_time.pop(0) for _ in range(size)] for size in sizes]
    flat = [m for block in ordered for m in block]
    expected = next((p for p, m in enumerate(flat) if m >= wanted), len(flat))
    assert first_since(log_of(ordered), minute(wanted)) == expected


def test_a_log_with_a_hole_has_no_position_for_an_instant() -> None:
    log = log_of([[0], [1], [2]])
    del log._links[1]
    with pytest.raises(Unavailable):
        first_since(log, minute(1))


def test_an_instant_says_in_which_time_zone_it_is() -> None:
    with pytest.raises(ValueError, match="say in which time zone"):
        replace(notify, since=datetime(2026, 1, 1))  # noqa: DTZ001 - that is the mistake


def services(policy: Policy, log: MemoryLog, checkpoints: MemoryCheckpoints) -> Services:
    domain = Domain((Context(aggregates=(pile,), policies=(policy,)),))
    return Services(Settings({"LEFTFOLD_STACK": "s"}), domain, log=log, checkpoints=checkpoints)


def test_a_deployment_decides_where_policies_begin() -> None:
    log, checkpoints = log_of([[0, 1]]), MemoryCheckpoints()
    services(replace(notify, since="now"), log, checkpoints).begin_policies()
    assert checkpoints.read("notify", [WHOLE_LOG]) == {WHOLE_LOG: 1}
    services(replace(notify, name="other"), log, checkpoints).begin_policies()
    assert checkpoints.begin("other", WHOLE_LOG, 9) == 9


def test_a_renamed_policy_goes_on_where_it_was() -> None:
    log, checkpoints = log_of([[0, 1]]), MemoryCheckpoints()
    assert checkpoints.begin("notify", WHOLE_LOG, 0) == 0
    inform = replace(notify, name="inform", since="now", stored_as="notify")
    made = services(inform, log, checkpoints)
    made.begin_policies()
    assert checkpoints.read("inform", [WHOLE_LOG]) == {WHOLE_LOG: -1}
    assert made.stored_under("notify") == "inform"
    assert made.beginning("inform").read("notify", [WHOLE_LOG]) == {WHOLE_LOG: 0}


def test_two_readers_are_not_stored_under_one_name() -> None:
    other = replace(piles, name="others", stored_as="piles")
    with pytest.raises(ValueError, match="'piles' is used twice"):
        Domain((Context(views=(piles, other)),))
    with pytest.raises(ValueError, match="'notify' is used twice"):
        Domain((Context(views=(replace(piles, stored_as="notify"),), policies=(notify,)),))
