"""Commits, lanes, ids."""

from uuid import RFC_4122, UUID

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.leftfold.kernel import AggregateId, Commit, lane_of
from chalicelib.leftfold.kernel.uuid7 import uuid7
from tests.commits import commit


@given(st.integers(1, 10**9), st.lists(st.tuples(st.text(), st.integers(1, 99)), max_size=3))
def test_a_commit_survives_the_log(version: int, deps: list[tuple[str, int]]) -> None:
    written = commit("main/account-ž", version, deps=tuple(deps))
    assert Commit.from_line(written.to_line()) == written
    assert "\n" not in written.to_line()


def test_lanes_never_change() -> None:
    assert [lane_of(f"main/account-{n}") for n in range(5)] == [28, 10, 48, 38, 5]


def test_an_aggregate_id_comes_apart_as_it_was_put_together() -> None:
    whole = AggregateId("main", "account", "a-1-b")
    assert AggregateId.parse(str(whole)) == whole


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=16))
def test_a_uuid7_keeps_its_time_and_sorts_by_it(milliseconds: int, entropy: bytes) -> None:
    made = UUID(uuid7(milliseconds, entropy))
    assert (made.version, made.variant) == (7, RFC_4122)
    assert made.int >> 80 == milliseconds
