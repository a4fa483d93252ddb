"""What every count of requests promises."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.leftfold.store.memory import MemoryRequestCounts
from chalicelib.leftfold.store.ports import RequestCounts
from chalicelib.leftfold.store.requests import DynamoRequestCounts
from tools.tables import create_tables, dynamodb_client

AT = 1_700_000_000


@pytest.fixture(
    params=["memory", pytest.param("dynamodb", marks=pytest.mark.engine("dynamodb_local"))]
)
def counts(request: pytest.FixtureRequest) -> RequestCounts:
    if request.param == "memory":
        return MemoryRequestCounts()
    client = dynamodb_client(request.getfixturevalue("dynamodb_local"))
    return DynamoRequestCounts(client, f"{create_tables(client)}-requests")


def test_a_window_of_a_tenant_is_counted_by_itself(counts: RequestCounts) -> None:
    assert counts.add("a", AT, 25) == 25
    assert counts.add("a", AT, 3) == 28
    assert counts.add("b", AT, 1) == 1
    assert counts.add("a", AT + 10, 1) == 1


def test_nothing_is_lost_among_many(counts: RequestCounts) -> None:
    with ThreadPoolExecutor(8) as threads:
        totals = list(threads.map(lambda _: counts.add("a", AT, 2), range(40)))
    assert sorted(totals) == list(range(2, 82, 2))
