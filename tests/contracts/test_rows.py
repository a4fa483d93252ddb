"""What every row store promises."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from opensearchpy import OpenSearch

from chalicelib.leftfold.kernel import Row, View
from chalicelib.leftfold.projection.documents import DynamoRows
from chalicelib.leftfold.projection.memory import MemoryRows
from chalicelib.leftfold.projection.rows import (
    KEY_BYTES,
    NEVER,
    ROW_BYTES,
    RowRejectedError,
    RowStore,
    Save,
    StoredRow,
)
from chalicelib.leftfold.projection.search import SearchRows, connect
from tests.clock import Clock
from tools.tables import create_tables, dynamodb_client

A, B, C = "main/account-a", "main/account-b", "main/account-c"
VIEW = View(
    "contract",
    {},
    lambda _recorded: (),
    lambda _row, _recorded, _key: None,
    store="search",
    fields={"n": "long", "name": "text", "tag": "keyword", "on": "date"},
)


class Pauses:
    """Counts pauses instead of pausing."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, _attempt: int) -> None:
        self.count += 1


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def search_client(opensearch: str) -> Iterator[OpenSearch]:
    client = connect(opensearch)
    yield client
    client.close()


@pytest.fixture
def search(search_client: OpenSearch, clock: Clock) -> Iterator[SearchRows]:
    name = f"Contract-{uuid4().hex}"
    yield SearchRows(search_client, name, VIEW, clock, Pauses())
    search_client.indices.delete(index=f"{name.lower()}*")


@pytest.fixture(
    params=[
        "memory",
        pytest.param("dynamodb", marks=pytest.mark.engine("dynamodb_local")),
        pytest.param("opensearch", marks=pytest.mark.engine("opensearch")),
    ]
)
def rows(request: pytest.FixtureRequest, clock: Clock) -> RowStore:
    if request.param == "memory":
        return MemoryRows()
    if request.param == "opensearch":
        found: RowStore = request.getfixturevalue("search")
        return found
    client = dynamodb_client(request.getfixturevalue("dynamodb_local"))
    return DynamoRows(client, f"{create_tables(client)}-balances", clock)


def load(rows: RowStore, key: str) -> StoredRow:
    return rows.load([key])[key]


def save(rows: RowStore, key: str, row: Row | None, position: int) -> None:
    """Saves over whatever is there."""
    assert rows.save([Save(key, row, position, load(rows, key))]) == set()


def stored(rows: RowStore, key: str) -> tuple[Row | None, int]:
    row, position, _ = load(rows, key)
    return row, position


def test_a_row_that_was_never_there_is_at_position_minus_1(rows: RowStore) -> None:
    assert rows.load([A, B]) == {A: NEVER, B: NEVER}
    assert rows.load([]) == {}
    assert list(rows.scan()) == []
    rows.flush()


def test_a_saved_row_is_loaded_with_its_position_at_once(rows: RowStore) -> None:
    save(rows, A, {"n": 1}, 0)
    assert stored(rows, A) == ({"n": 1}, 0)
    save(rows, A, {"n": 2}, 7)
    assert stored(rows, A) == ({"n": 2}, 7)


def test_saving_nothing_does_nothing(rows: RowStore) -> None:
    assert rows.save([]) == set()


def test_of_two_writers_from_the_same_load_one_wins(rows: RowStore) -> None:
    save(rows, A, {"n": 1}, 1)
    loaded = load(rows, A)
    assert rows.save([Save(A, {"n": 2}, 2, loaded)]) == set()
    # Its position is higher: only the condition on what was loaded keeps it out.
    assert rows.save([Save(A, {"n": 3}, 3, loaded)]) == {A}
    assert stored(rows, A) == ({"n": 2}, 2)


def test_of_two_writers_who_saw_no_row_one_wins(rows: RowStore) -> None:
    never = load(rows, A)
    assert rows.save([Save(A, {"n": 2}, 2, never)]) == set()
    assert rows.save([Save(A, {"n": 3}, 3, never)]) == {A}
    assert stored(rows, A) == ({"n": 2}, 2)


def test_a_row_that_is_gone_from_the_position_it_was_loaded_at_is_not_written(
    rows: RowStore,
) -> None:
    assert rows.save([Save(A, {"n": 2}, 2, StoredRow({"n": 1}, 1, (0, 1)))]) == {A}
    assert load(rows, A) == NEVER


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param("dynamodb", marks=pytest.mark.engine("dynamodb_local")),
        pytest.param("opensearch", marks=pytest.mark.engine("opensearch")),
    ],
    indirect=True,
)
def test_of_many_racing_writers_one_wins_each_round(rows: RowStore) -> None:
    for position in range(3):
        loaded = load(rows, A)
        saves = [[Save(A, {"n": n}, position, loaded)] for n in range(8)]
        with ThreadPoolExecutor(8) as threads:
            conflicts = list(threads.map(rows.save, saves))
        assert sorted(map(len, conflicts)) == [0] + 7 * [1]


def test_of_several_rows_each_is_judged_for_itself(rows: RowStore) -> None:
    save(rows, A, {"n": 1}, 1)
    stale = load(rows, A)
    save(rows, A, {"n": 2}, 2)
    saves = [Save(A, {"n": 9}, 3, stale), Save(B, {"n": 9}, 3, NEVER)]
    assert rows.save(saves) == {A}
    assert stored(rows, A) == ({"n": 2}, 2)
    assert stored(rows, B) == ({"n": 9}, 3)


def test_without_accumulation_a_lower_position_never_overwrites(rows: RowStore) -> None:
    for position, n in ((0, 1), (5, 2), (5, 3), (3, 4), (0, 5)):
        assert rows.save([Save(A, {"n": n}, position, None)]) == set()
    assert stored(rows, A) == ({"n": 2}, 5)


def test_without_accumulation_a_tombstone_is_not_brought_back(rows: RowStore) -> None:
    rows.save([Save(A, {"n": 1}, 1, None)])
    rows.save([Save(A, None, 2, None)])
    assert rows.save([Save(A, {"n": 1}, 1, None)]) == set()
    assert stored(rows, A) == (None, 2)


def test_a_tombstone_keeps_its_position_and_can_be_written_over(rows: RowStore) -> None:
    save(rows, A, {"n": 1}, 1)
    save(rows, A, None, 2)
    assert stored(rows, A) == (None, 2)
    save(rows, A, {"n": 3}, 3)
    assert stored(rows, A) == ({"n": 3}, 3)


def test_a_tombstone_stands_in_the_way_of_those_who_saw_no_row(rows: RowStore) -> None:
    save(rows, A, None, 2)
    assert rows.save([Save(A, {"n": 1}, 3, NEVER)]) == {A}


def test_a_scan_gives_every_row_and_tombstone(rows: RowStore) -> None:
    save(rows, A, {"n": 1}, 1)
    save(rows, B, None, 2)
    save(rows, C, {"n": 3}, 3)
    rows.flush()
    scanned = {key: (row, position) for key, (row, position, _) in rows.scan()}
    assert scanned == {A: ({"n": 1}, 1), B: (None, 2), C: ({"n": 3}, 3)}


def test_more_rows_than_one_call_takes_are_saved_loaded_and_scanned(
    rows: RowStore,
) -> None:
    keys = [f"main/account-{n}" for n in range(1_050)]
    saves = [Save(key, {"n": n}, n, NEVER) for n, key in enumerate(keys)]
    assert rows.save(saves) == set()
    loaded = rows.load(keys)
    assert [loaded[key][:2] for key in keys] == [({"n": n}, n) for n in range(1_050)]
    rows.flush()
    assert {key for key, _ in rows.scan()} == set(keys)


@pytest.mark.parametrize("n", [10**18, -(10**18), 2**63 - 1, 2**53 + 1])
def test_large_integers_stay_exact(rows: RowStore, n: int) -> None:
    save(rows, A, {"n": n}, max(0, n))
    rows.flush()
    assert stored(rows, A)[0] == {"n": n}
    assert [row for _, (row, _, _) in rows.scan()] == [{"n": n}]


@pytest.mark.parametrize(
    "key",
    ["main/účet-ž/💶", "a b?c=d&e#f%2F", '"quoted"\\', "k" * KEY_BYTES, "💶" * 128],
)
def test_any_key_within_the_limit_is_a_key(rows: RowStore, key: str) -> None:
    save(rows, key, {"name": "příliš žluťoučký 💶\n"}, 1)
    assert stored(rows, key) == ({"name": "příliš žluťoučký 💶\n"}, 1)


def test_rows_keep_what_is_empty_null_or_a_list(rows: RowStore) -> None:
    row = {"name": "", "tag": None, "n": [1, 2], "on": "2026-01-01"}
    save(rows, A, row, 1)
    assert stored(rows, A) == (row, 1)


@pytest.mark.parametrize(
    ("key", "row"),
    [
        ("", {"n": 1}),
        ("k" * (KEY_BYTES + 1), {"n": 1}),
        (A, {"name": "x" * ROW_BYTES}),
        (A, {"name": "\ud800"}),
        (A, {"n": float("nan")}),
        (A, {"n": object()}),
    ],
)
def test_what_no_store_takes_is_rejected_and_nothing_is_sent(
    rows: RowStore, key: str, row: Row
) -> None:
    with pytest.raises(RowRejectedError) as caught:
        rows.save([Save(B, {"n": 1}, 1, NEVER), Save(key, row, 1, NEVER)])
    assert set(caught.value.reasons) == {key}
    assert load(rows, B) == NEVER


def test_a_row_of_the_largest_size_is_taken(rows: RowStore) -> None:
    row = {"name": "x" * (ROW_BYTES - len('{"name":""}'))}
    save(rows, "k" * KEY_BYTES, row, 10**15)
    assert stored(rows, "k" * KEY_BYTES) == (row, 10**15)
