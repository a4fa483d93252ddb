"""OpenSearch in particular: finding, deleted rows, the index, and partial failures."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from opensearchpy import OpenSearch, exceptions

from chalicelib.leftfold.kernel import Row, View
from chalicelib.leftfold.projection import search
from chalicelib.leftfold.projection.indexing import BULK_BYTES, batches
from chalicelib.leftfold.projection.rows import NEVER, RowRejectedError, Save
from chalicelib.leftfold.projection.search import SearchRows, connect
from chalicelib.leftfold.store.ports import Unavailable
from tests.clock import Clock

A, B, C = "main/account-a", "main/account-b", "main/account-c"
VIEW = View(
    "found",
    {},
    lambda _recorded: (),
    lambda _row, _recorded, _key: None,
    store="search",
    fields={"n": "long", "name": "text", "tag": "keyword", "on": "date"},
)
EVERYTHING: dict[str, Any] = {"match_all": {}}


class Client:
    """A client of the real engine whose bulk requests fail as the test says.

    *faults* are used up one by one: "busy" refuses the request, "half" takes the first
    row and refuses the others, "lost" takes them all and loses the answer, "missing"
    finds no index at all.
    """

    def __init__(self, client: OpenSearch, *faults: str) -> None:
        self._client = client
        self._faults = list(faults)
        self.sizes: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def bulk(self, body: str, **request: Any) -> Any:
        self.sizes.append(len(body.encode()))
        fault = self._faults.pop(0) if self._faults else None
        if fault == "busy":
            raise exceptions.TransportError(429, "rejected_execution_exception", {})
        if fault == "missing":
            raise exceptions.NotFoundError(404, "index_not_found_exception", {})
        if fault == "half":
            lines = body.splitlines(keepends=True)
            answer = self._client.bulk(body="".join(lines[:2]), **request)
            refused = {"status": 429, "error": {"type": "rejected_execution"}}
            answer["items"] += [{"index": refused}] * (len(lines) // 2 - 1)
            return answer
        answer = self._client.bulk(body=body, **request)
        if fault == "lost":
            raise exceptions.ConnectionTimeout("TIMEOUT", "timed out", None)
        return answer


class Nothing:
    """A client that finds nothing of what it is asked for, not even an error for each."""

    def __getattr__(self, name: str) -> Any:
        def call(**_: Any) -> Any:
            raise exceptions.NotFoundError(404, "index_not_found_exception", {})

        return call


class Pauses:
    """Remembers the pauses instead of pausing."""

    def __init__(self) -> None:
        self.attempts: list[int] = []

    def __call__(self, attempt: int) -> None:
        self.attempts.append(attempt)


@pytest.fixture(scope="module")
def client(opensearch: str) -> Iterator[OpenSearch]:
    client = connect(opensearch)
    yield client
    client.close()


@pytest.fixture
def name(client: OpenSearch) -> Iterator[str]:
    name = f"found-{uuid4().hex}"
    yield name
    client.indices.delete(index=f"{name}*")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
def rows(client: OpenSearch, name: str, clock: Clock, pauses: Pauses) -> SearchRows:
    return SearchRows(client, name, VIEW, clock, pauses)


def put(rows: SearchRows, *saved: tuple[str, Row | None]) -> None:
    loaded = rows.load([key for key, _ in saved])
    saves = [Save(key, row, loaded[key].position + 1, loaded[key]) for key, row in saved]
    assert rows.save(saves) == set()
    rows.flush()


def test_without_an_index_nothing_is_found_and_nothing_fails(
    rows: SearchRows, clock: Clock
) -> None:
    assert rows.find_everywhere(EVERYTHING, [], None, 10) == ([], [], 0)
    assert rows.purge(clock()) == 0


def test_rows_are_found_by_words_exact_values_and_ranges(rows: SearchRows) -> None:
    put(
        rows,
        (A, {"n": 1, "name": "Ada Lovelace", "tag": "x-y", "on": "1993-01-03"}),
        (B, {"n": 2, "name": "Charles Babbage", "tag": "x", "on": "1994-01-03"}),
    )
    for query in (
        {"match": {"name": "lovelace"}},
        {"term": {"name.keyword": "Ada Lovelace"}},
        {"term": {"tag": "x-y"}},
        {"range": {"on": {"lt": "1994-01-01"}}},
        {"range": {"n": {"lte": 1}}},
    ):
        found = rows.find_everywhere(query, [], None, 10)
        assert [row["n"] for row in found.rows] == [1]
        assert found.total == 1


def test_a_found_row_is_the_saved_row_with_its_position_and_its_tenant(rows: SearchRows) -> None:
    put(rows, (A, {"n": 1, "tag": None}))
    assert rows.find_everywhere(EVERYTHING, [], None, 10).rows == [
        {"n": 1, "tag": None, "position": 0, "tenant": "main"}
    ]


def test_pages_follow_one_another_also_among_equals(rows: SearchRows) -> None:
    put(rows, *((f"k{n}", {"n": n, "tag": "same"}) for n in range(7)))
    seen: list[int] = []
    after = None
    while (found := rows.find_everywhere(EVERYTHING, [{"tag": "desc"}], after, 3)).rows:
        assert found.total == 7
        seen += [row["n"] for row in found.rows]
        after = found.sorts[-1]
    assert seen == list(range(7))


def test_a_deleted_row_is_not_found(rows: SearchRows) -> None:
    put(rows, (A, {"n": 1}), (B, {"n": 1}))
    put(rows, (A, None))
    assert rows.find_everywhere({"term": {"n": 1}}, [], None, 10).total == 1
    assert rows.find_everywhere(EVERYTHING, [], None, 10).total == 1


def test_a_purge_removes_old_tombstones_only(rows: SearchRows, clock: Clock) -> None:
    put(rows, (A, {"n": 1}), (B, None))
    clock.forward(days=8)
    put(rows, (C, None))
    assert rows.purge(clock() - timedelta(days=7)) == 1
    rows.flush()
    assert {key for key, _ in rows.scan()} == {A, C}


def test_a_row_that_was_purged_can_come_again(rows: SearchRows, clock: Clock) -> None:
    put(rows, (A, None))
    stale = rows.load([A])[A]
    clock.forward(days=8)
    assert rows.purge(clock()) == 1
    assert rows.save([Save(A, {"n": 1}, 5, stale)]) == {A}
    assert rows.save([Save(A, {"n": 1}, 5, rows.load([A])[A])]) == set()


def test_two_functions_that_make_the_index_at_once_make_one(
    client: OpenSearch, name: str, clock: Clock, pauses: Pauses
) -> None:
    def first_save(key: str) -> set[str]:
        return SearchRows(client, name, VIEW, clock, pauses).save([Save(key, {"n": 1}, 0, NEVER)])

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(first_save, map(str, range(8)))) == 8 * [set()]
    rows = SearchRows(client, name, VIEW, clock, pauses)
    assert all(row.row == {"n": 1} for row in rows.load(list("01234567")).values())


def test_an_index_that_was_deleted_is_made_anew_with_its_mapping(
    rows: SearchRows, client: OpenSearch, name: str
) -> None:
    put(rows, (A, {"tag": "x"}))
    client.indices.delete(index=f"{name}-rows")
    put(rows, (A, {"tag": "x"}))
    mapping = client.indices.get_mapping(index=name)[f"{name}-rows"]["mappings"]
    assert mapping["dynamic"] == "strict"
    assert mapping["properties"]["tag"]["type"] == "keyword"


def test_an_index_that_lost_its_alias_gets_it_back_with_its_rows(
    rows: SearchRows, client: OpenSearch, name: str
) -> None:
    put(rows, (A, {"n": 1}))
    client.indices.delete_alias(index=f"{name}-rows", name=name)
    # It was not seen: only its condition keeps the new row out.
    assert rows.save([Save(A, {"n": 2}, 1, NEVER), Save(B, {"n": 2}, 1, NEVER)]) == {A}
    assert rows.load([A])[A].row == {"n": 1}


def test_a_request_that_finds_no_index_is_sent_again_when_there_is_one(
    client: OpenSearch, name: str, clock: Clock, pauses: Pauses
) -> None:
    faulty: Any = Client(client, "missing", "missing")
    rows = SearchRows(faulty, name, VIEW, clock, pauses)
    assert rows.save([Save(A, {"n": 1}, 1, NEVER)]) == set()
    assert rows.load([A])[A].row == {"n": 1}
    assert pauses.attempts == [1, 2]


def test_a_load_that_finds_no_index_finds_no_rows(clock: Clock, pauses: Pauses) -> None:
    nothing: Any = Nothing()
    assert SearchRows(nothing, "nowhere", VIEW, clock, pauses).load([A, B]) == {A: NEVER, B: NEVER}


def test_an_index_without_a_field_of_the_view_is_no_fault_of_a_row(
    client: OpenSearch, name: str, clock: Clock, pauses: Pauses
) -> None:
    older = replace(VIEW, fields={"n": "long"})
    put(SearchRows(client, name, older, clock, pauses), (A, {"n": 1}))
    with pytest.raises(Unavailable, match="strict_dynamic_mapping_exception"):
        SearchRows(client, name, VIEW, clock, pauses).save([Save(B, {"tag": "x"}, 1, NEVER)])


def test_an_index_that_is_closed_is_no_fault_of_a_row(
    rows: SearchRows, client: OpenSearch, name: str
) -> None:
    put(rows, (A, {"n": 1}))
    client.indices.close(index=name)
    with pytest.raises(Unavailable, match="index_closed_exception"):
        rows.save([Save(B, {"n": 1}, 1, NEVER)])


def test_a_field_that_the_view_does_not_declare_is_rejected(rows: SearchRows) -> None:
    for field in ("m", "key", "position", "format", "deleted"):
        with pytest.raises(RowRejectedError):
            rows.save([Save(A, {field: 1}, 1, NEVER)])


def test_a_view_cannot_declare_what_the_store_uses(
    client: OpenSearch, clock: Clock, pauses: Pauses
) -> None:
    view = VIEW.__class__(**{**vars(VIEW), "fields": {"position": "long"}})
    with pytest.raises(ValueError, match="position"):
        SearchRows(client, "reserved", view, clock, pauses)


def test_all_values_that_the_mapping_refuses_are_told_and_the_others_saved(
    rows: SearchRows,
) -> None:
    saves = [
        Save(A, {"n": 2**63}, 1, NEVER),
        Save(B, {"n": 1}, 1, NEVER),
        Save(C, {"on": "no date"}, 1, NEVER),
    ]
    with pytest.raises(RowRejectedError) as caught:
        rows.save(saves)
    assert set(caught.value.reasons) == {A, C}
    assert rows.load([B])[B].row == {"n": 1}


def test_rows_refused_for_load_are_sent_again_and_no_others(
    client: OpenSearch, name: str, clock: Clock, pauses: Pauses
) -> None:
    put(SearchRows(client, name, VIEW, clock, pauses), (C, {"n": 0}))
    pauses.attempts.clear()
    faulty: Any = Client(client, "busy", "half", "half")
    rows = SearchRows(faulty, name, VIEW, clock, pauses)
    saves = [Save(key, {"n": 1}, 1, NEVER) for key in (A, B, C)]
    # C was there: distinguished from those that were only refused.
    assert rows.save(saves) == {C}
    assert [row.row for row in rows.load([A, B]).values()] == 2 * [{"n": 1}]
    assert pauses.attempts == [1, 2, 3]
    assert faulty.sizes == sorted(faulty.sizes, reverse=True)


def test_a_cluster_that_stays_busy_is_unavailable(
    client: OpenSearch, name: str, clock: Clock, pauses: Pauses
) -> None:
    faulty: Any = Client(client, *(["busy"] * search.BULK_ATTEMPTS))
    with pytest.raises(Unavailable):
        SearchRows(faulty, name, VIEW, clock, pauses).save([Save(A, {}, 1, NEVER)])


def test_a_lost_answer_is_unavailable_and_the_next_save_meets_the_row(
    client: OpenSearch, name: str, clock: Clock, pauses: Pauses
) -> None:
    put(SearchRows(client, name, VIEW, clock, pauses), (C, {"n": 0}))
    faulty: Any = Client(client, "lost")
    rows = SearchRows(faulty, name, VIEW, clock, pauses)
    accumulating, single = Save(A, {"n": 1}, 1, NEVER), Save(B, {"n": 1}, 1, None)
    with pytest.raises(Unavailable):
        rows.save([accumulating, single])
    assert rows.save([accumulating, single]) == {A}


def test_an_unreachable_cluster_is_unavailable(clock: Clock, pauses: Pauses) -> None:
    client = connect("http://127.0.0.1:1")
    rows = SearchRows(client, "nowhere", VIEW, clock, pauses)
    for call in (
        lambda: rows.load([A]),
        lambda: rows.save([Save(A, {}, 1, NEVER)]),
        rows.flush,
        lambda: list(rows.scan()),
        lambda: rows.find_everywhere(EVERYTHING, [], None, 1),
        lambda: rows.purge(clock()),
    ):
        with pytest.raises(Unavailable):
            call()
    client.close()


def test_requests_stay_below_the_limit_and_keep_every_row() -> None:
    lines = {str(n): "x" * 400_000 for n in range(40)} | {"big": "x" * 2 * BULK_BYTES}
    made = list(batches(lines))
    assert {key: text for batch in made for key, text in batch.items()} == lines
    for batch in made:
        assert len(batch) == 1 or sum(map(len, batch.values())) <= BULK_BYTES


def test_a_request_is_filled_to_its_limit_and_each_begins_at_nothing() -> None:
    half, byte = "x" * (BULK_BYTES // 2), "x"
    lines = {"a": half, "b": half, "c": half, "d": half, "e": byte, "f": half}
    assert [list(batch) for batch in batches(lines)] == [["a", "b"], ["c", "d"], ["e", "f"]]
    over = {"a": half, "b": half, "c": half, "d": half + byte}
    assert [list(batch) for batch in batches(over)] == [["a", "b"], ["c"], ["d"]]
    small = {"a": byte, "b": byte, "c": half, "d": half, "e": half}
    assert [list(batch) for batch in batches(small, 2)] == [["a", "b"], ["c", "d"], ["e"]]


def test_an_application_that_is_dropped_takes_its_indexes_along_and_nobody_elses(
    client: OpenSearch, name: str, clock: Clock, pauses: Pauses
) -> None:
    mine, next_one, other = name, f"{name}--green", f"{name}2"
    for app in (mine, next_one, other):
        for view in ("accounts", "bookings"):
            put(SearchRows(client, f"{app}-{view}", VIEW, clock, pauses), (A, {"n": 1}))
    assert search.drop_indexes(client, mine) == [f"{mine}-accounts-rows", f"{mine}-bookings-rows"]
    assert search.drop_indexes(client, mine) == []
    assert not client.indices.exists_alias(name=f"{mine}-accounts")
    for app in (next_one, other):
        assert len(search.indexes_of(client, app)) == 2
