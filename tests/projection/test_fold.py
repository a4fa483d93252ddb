"""Folding is pure, in order, all or nothing for each commit, and never twice."""

from dataclasses import replace
from typing import Any, cast

import pytest

from chalicelib.leftfold.kernel import Codec, Commit, StoredEvent, dropped
from chalicelib.leftfold.policies.work import Cause
from chalicelib.leftfold.projection.fold import Folding, PoisonError, fold, recorded_of
from chalicelib.leftfold.projection.rows import KEY_BYTES, StoredRow
from tests.builders import Added, Event, LogBuilder, Removed, codec, stream
from tests.projection.stories import log_of
from tests.projection.views import additions, buggy, parity, piles

A, B = stream("a"), stream("b")


def commits(*made: tuple[str, list[Event]]) -> list[tuple[int, Commit]]:
    builder = LogBuilder()
    builder.block(*made)
    return list(enumerate(builder.blocks[0].commits))


def test_a_row_has_the_position_of_the_last_commit_that_touched_it() -> None:
    log = commits((A, [Added(1)]), (B, [Added(2)]), (A, [Added(3)]), (B, [Added(4)]))
    assert fold(piles, log[:3], {}) == {
        A: StoredRow({"amounts": [1, 3], "version": 2}, 2),
        B: StoredRow({"amounts": [2], "version": 1}, 1),
    }


def test_commits_at_or_below_a_rows_position_are_left_out() -> None:
    log = commits((A, [Added(1)]), (A, [Added(2)]), (A, [Added(3)]))
    stored = {A: StoredRow({"amounts": [1, 2], "version": 2}, 1)}
    assert fold(piles, log, stored) == {A: StoredRow({"amounts": [1, 2, 3], "version": 3}, 2)}
    assert fold(piles, log[:2], stored) == {}


def test_all_events_of_one_commit_go_into_a_row() -> None:
    log = commits((A, [Added(1), Added(2), Removed(), Added(3)]))
    assert fold(piles, log, {}) == {A: StoredRow({"amounts": [3], "version": 1}, 0)}


def test_a_deleted_row_keeps_its_position() -> None:
    log = commits((A, [Added(1)]), (A, [Removed()]))
    assert fold(piles, log, {}) == {A: StoredRow(None, 1)}


def test_categories_that_the_view_does_not_hear_are_left_out() -> None:
    log = commits((stream("a", "heap"), [Added(1)]))
    assert fold(piles, log, {}) == {}
    assert Folding(piles, log).keys == set()


def test_a_view_that_does_not_accumulate_never_sees_a_former_row() -> None:
    log = commits((A, [Added(1), Added(2)]))
    stored = {f"{A}/1/0": StoredRow({"amount": 9}, -1)}
    assert fold(additions, log, stored)[f"{A}/1/0"] == StoredRow({"amount": 1}, 0)


def test_a_commit_that_fails_goes_into_no_row() -> None:
    log = commits((A, [Added(1)]), (A, [Added(2), Added(13)]), (B, [Added(4)]))
    folding = Folding(buggy(parity), log)
    assert folding.onto({}) == {
        "main/all": StoredRow({"turns": [f"{A}@1"]}, 0),
        "main/odd": StoredRow({"turns": [f"{A}@1"]}, 0),
    }
    assert [p.position for p in folding.poisons.values()] == [1]


def test_a_poison_stops_its_stream_and_no_other_in_a_partitioned_view() -> None:
    log = commits((A, [Added(13)]), (B, [Added(1)]), (A, [Added(2)]), (B, [Added(3)]))
    folding = Folding(buggy(piles), log)
    assert folding.onto({}) == {B: StoredRow({"amounts": [1, 3], "version": 2}, 3)}
    assert set(folding.poisons) == {A}


def test_the_earlier_of_two_failures_is_the_one_that_counts() -> None:
    log = commits((A, [Added(13)]), (A, [Added(2)]))
    unknown = log[1][1]._replace(events=(log[1][1].events[0]._replace(name="lost"),))
    folding = Folding(buggy(piles), [log[0], (1, unknown)])
    folding.onto({})
    assert folding.poisons[A].position == 0


def test_after_a_commit_that_nobody_can_read_its_stream_stops() -> None:
    log = commits((A, [Added(1)]), (A, [Added(2)]), (A, [Added(3)]))
    unknown = log[1][1]._replace(events=(log[1][1].events[0]._replace(name="lost"),))
    folding = Folding(piles, [log[0], (1, unknown), log[2]])
    assert folding.onto({}) == {A: StoredRow({"amounts": [1], "version": 1}, 0)}
    assert folding.poisons[A].position == 1


def test_an_event_goes_once_into_a_row_that_it_names_twice() -> None:
    view = replace(piles, keys=lambda recorded: (recorded.aggregate_id,) * 2)
    assert fold(view, commits((A, [Added(1)])), {})[A].row == {
        "amounts": [1],
        "version": 1,
    }


def test_a_poison_says_which_commit_and_why() -> None:
    log = commits((A, [Added(1)]), (B, [Added(13)]))
    with pytest.raises(PoisonError) as caught:
        fold(buggy(piles), log, {})
    assert (caught.value.aggregate_id, caught.value.position) == (B, 1)
    assert caught.value.reason == "UnluckyError: 13"


def test_an_event_that_nobody_can_read_is_a_poison() -> None:
    ((position, known),) = commits((A, [Added(1)]))
    unknown = known._replace(events=(known.events[0]._replace(version=7),))
    with pytest.raises(PoisonError, match="no event 'added' in version 7"):
        fold(piles, [(position, unknown)], {})


@pytest.mark.parametrize("key", ["", f"{A}{'ž' * KEY_BYTES}", B])
def test_a_key_that_is_empty_or_too_long_or_foreign_is_a_poison(key: str) -> None:
    view = replace(piles, keys=lambda _recorded: (key,))
    with pytest.raises(PoisonError):
        fold(view, commits((A, [Added(1)])), {})


def test_a_stored_event_that_is_read_as_several_is_folded_in_parts() -> None:
    pair: Codec[Event] = Codec(
        {"added": Added},
        upcasts={
            ("pair", 1): lambda body: tuple(
                StoredEvent("added", 1, {"amount": a}) for a in cast("Any", body)
            ),
            ("noise", 1): dropped,
        },
    )
    stored = (
        StoredEvent("noise", 1, {}),
        StoredEvent("pair", 1, cast("Any", [3, 5])),
        StoredEvent("added", 1, {"amount": 7}),
    )
    commit = log_of([[(A, [Added(1)])]]).blocks[0].commits[0]._replace(events=stored)
    view = replace(piles, codecs={"pile": pair})
    assert fold(view, [(0, commit)], {})[A].row == {"amounts": [3, 5, 7], "version": 1}
    places = [(r.event_index, r.part) for r in recorded_of(pair, 0, commit)]
    assert places == [(1, 0), (1, 1), (2, 0)]


def test_the_first_part_keeps_the_steps_of_the_event_that_was_split() -> None:
    commit = log_of([[(A, [Added(1)])]]).blocks[0].commits[0]
    (recorded,) = recorded_of(codec, 0, commit)
    whole = Cause(recorded, commit, "debit")
    parts = [Cause(recorded._replace(part=part), commit, "debit") for part in range(3)]
    assert parts[0].key("policy") == whole.key("policy") == ("policy", A, 1, 0, "debit")
    assert len({cause.command_id("policy", "command") for cause in parts}) == 3
