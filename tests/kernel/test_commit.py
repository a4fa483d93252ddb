"""Commits, lanes, ids."""

import json
from typing import Any
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.leftfold.kernel import (
    AggregateId,
    Archived,
    Commit,
    StoredEvent,
    UnknownFormatError,
    lane_of,
)
from chalicelib.leftfold.kernel.commit import (
    MEMBERS,
    OF_COPIES,
    canonical,
    is_tag,
    is_traceparent,
    traceparent_of,
)
from chalicelib.leftfold.kernel.uuid7 import uuid7
from tests.commits import commit


@given(st.integers(1, 10**9), st.lists(st.tuples(st.text(), st.integers(1, 99)), max_size=3))
def test_a_commit_survives_the_log(version: int, deps: list[tuple[str, int]]) -> None:
    written = commit("main/account-ž", version, deps=tuple(deps))
    assert Commit.from_line(written.line) == written
    assert "\n" not in written.line


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=8,
)
VERSIONS = st.integers(1, 10**9)
ORIGINS = st.tuples(st.text(), VERSIONS)
BODIES = st.dictionaries(st.text(), JSON, max_size=3)
FACTS: dict[str, st.SearchStrategy[Any]] = {
    "aggregate_id": st.text(),
    "version": VERSIONS,
    "events": st.lists(
        st.tuples(st.text(), VERSIONS, BODIES).map(lambda event: StoredEvent(*event)),
        max_size=3,
    ).map(tuple),
    "command_id": st.text(),
    "body_hash": st.text(),
    "at": st.text(),
    "actor": st.text(),
    "authority": st.text(),
    "correlation_id": st.text(),
    "traceparent": st.text(),
    "tags": st.lists(st.text(), max_size=3).map(tuple),
    "deps": st.lists(ORIGINS, max_size=3).map(tuple),
    "epoch": VERSIONS,
    "epoch_start": VERSIONS,
}
COMMITS = st.fixed_dictionaries(FACTS).map(lambda facts: Commit(**facts))
COPIED: dict[str, st.SearchStrategy[Any]] = {
    "root": ORIGINS,
    "source": ORIGINS,
    "position": st.none() | st.integers(0, 10**12),
    "indexes": st.lists(st.integers(0, 10**12), max_size=3).map(tuple),
    "addressed": st.none() | st.text(),
}
COPIES = st.tuples(COMMITS, st.fixed_dictionaries(COPIED)).map(
    lambda drawn: drawn[0]._replace(**drawn[1])
)


@given(COMMITS | COPIES)
def test_a_line_that_was_read_is_written_again_byte_for_byte(written: Commit) -> None:
    line = written.line
    assert Commit.from_line(line) == written
    assert Commit.from_line(line).line == line
    assert json.loads(line).keys() <= MEMBERS


@given(COMMITS | COPIES)
def test_a_line_is_canonical_json_of_all_its_members(written: Commit) -> None:
    """It is written member by member, as one encoder would write the whole."""
    members = json.loads(written.line)
    assert canonical(members) == written.line
    assert Commit.from_json(members) == written._replace(snapshot=None, mark=0, progress=None)


@given(COMMITS | COPIES, st.text().filter(lambda name: name not in MEMBERS), JSON)
def test_a_member_that_this_engine_does_not_know_is_refused(
    written: Commit, name: str, value: Any
) -> None:
    newer = json.loads(written.line) | {name: value}
    with pytest.raises(UnknownFormatError, match="unknown members"):
        Commit.from_json(newer)


@given(COMMITS, st.text().filter(lambda name: name not in StoredEvent._fields), JSON)
def test_a_member_of_an_event_that_this_engine_does_not_know_is_refused(
    written: Commit, name: str, value: Any
) -> None:
    newer = json.loads(written._replace(events=(StoredEvent("e", 1, {}),)).line)
    newer["events"][0][name] = value
    with pytest.raises(UnknownFormatError, match="an event has the members"):
        Commit.from_json(newer)


@pytest.mark.parametrize(
    "changed",
    [
        {"format": 2},
        {"format": 0},
        {"format": "1"},
        {"format": None},
        {"kind": "bar"},
        {"kind": "copy"},
        {"kind": "tombstone"},
        {"root": ["main/account-b", 1]},
        {"position": 1},
        {"indexes": [1]},
        {"addressed": "main/account-b"},
    ],
)
def test_a_line_of_another_format_or_kind_is_refused(changed: dict[str, Any]) -> None:
    line = json.dumps(json.loads(commit().line) | changed)
    with pytest.raises(UnknownFormatError, match="version 1 of main/account-a is of format"):
        Commit.from_line(line)


def test_a_line_without_a_format_is_refused() -> None:
    line = json.loads(commit().line)
    del line["format"]
    with pytest.raises(UnknownFormatError, match="is of format None"):
        Commit.from_json(line)


def test_one_member_tells_commits_copies_and_tombstones_apart() -> None:
    origin = ("main/account-b", 1)
    copy = commit(root=origin, source=origin)
    tombstone = commit()._replace(events=(), archive=Archived(1, "k", "h"))
    assert [c.kind for c in (commit(), copy, tombstone)] == ["commit", "copy", "tombstone"]
    assert [json.loads(c.line)["kind"] for c in (commit(), copy)] == ["commit", "copy"]


def test_a_commit_that_is_no_copy_has_no_origin_in_its_line() -> None:
    assert MEMBERS - json.loads(commit().line).keys() == OF_COPIES


@given(st.text())
def test_the_traceparent_of_a_command_is_one_and_stays_the_same(command_id: str) -> None:
    made = traceparent_of(command_id)
    assert is_traceparent(made)
    assert made == traceparent_of(command_id)


TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        (f"00-{TRACE}-{PARENT}-01", True),
        (f"cc-{TRACE}-{PARENT}-00", True),
        (f"ff-{TRACE}-{PARENT}-00", False),
        (f"00-{'0' * 32}-{PARENT}-01", False),
        (f"00-{TRACE}-{'0' * 16}-01", False),
        (f"00-{TRACE.upper()}-{PARENT}-01", False),
        (f"00-{TRACE}-{PARENT}-01-x", False),
        (f"00-{TRACE}-{PARENT}", False),
        (f"00-{TRACE}-{PARENT}-01\n", False),
        ("", False),
    ],
)
def test_a_traceparent_is_one_of_w3c_trace_context(text: str, *, valid: bool) -> None:
    assert is_traceparent(text) == valid


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("customer:17", True),
        ("order-line:A-1", True),
        ("customer:", False),
        (":17", False),
        ("customer", False),
        ("Customer:17", False),
        ("customer:17:18", False),
        ("customer: 17", False),
        (f"customer:{'1' * 65}", False),
        ("customer:17\n", False),
    ],
)
def test_a_tag_is_a_word_and_a_key(text: str, *, valid: bool) -> None:
    assert is_tag(text) == valid


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
