"""The faults are what they say: before the effect, after it, late, or half of it."""

from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from chalicelib.leftfold.store.events import DynamoEvents
from chalicelib.leftfold.store.log import DynamoLog
from chalicelib.leftfold.store.ports import ContendedError, Unavailable
from tests.commits import commit
from tests.engines.faults import Faults
from tools.tables import create_tables, dynamodb_client, log_tables

SINGLE = {"retries": {"total_max_attempts": 1}}
A = "main/account-a"


class Chosen(Faults):
    """Every request meets the one kind that is chosen."""

    def __init__(self, kind: str) -> None:
        super().__init__(seed=1, rate=1.0)
        self._kinds = {name: strike for name, strike in self._kinds.items() if name == kind}
        self._special = {name: ops for name, ops in self._special.items() if name == kind}


@pytest.fixture
def table(dynamodb_local: str) -> str:
    return create_tables(dynamodb_client(dynamodb_local))


@pytest.mark.parametrize(
    ("kind", "has_effect"),
    [
        ("throttled", 0),
        ("failed before", 0),
        ("failed after", 1),
        ("timed out after", 1),
        ("timed out, late effect", 1),
    ],
)
def test_a_failed_write_has_the_effect_that_its_kind_says(
    dynamodb_local: str, table: str, kind: str, has_effect: int
) -> None:
    faults = Chosen(kind)
    client = dynamodb_client(dynamodb_local, **SINGLE)
    faults.into(client)
    with pytest.raises(Unavailable):
        DynamoEvents(client, f"{table}-events").append(commit(A))
    faults.stop()
    calm = DynamoEvents(dynamodb_client(dynamodb_local), f"{table}-events")
    assert len(calm.range(A, 1, 9)) == has_effect
    assert faults.struck == {kind: 1}
    assert faults.requests == {"PutItem": 1}


@pytest.mark.parametrize("kind", ["failed after", "timed out after"])
def test_botocore_retries_what_took_effect_and_the_commit_that_holds_comes_back(
    dynamodb_local: str, table: str, kind: str
) -> None:
    faults = Chosen(kind)
    client = dynamodb_client(dynamodb_local)
    faults.into(client)
    until_struck(faults, 1)
    assert DynamoEvents(client, f"{table}-events").append(commit(A)) == commit(A)
    assert faults.requests == {"PutItem": 2}


def test_half_of_a_batch_is_read_and_the_rest_asked_for_again(
    dynamodb_local: str, table: str
) -> None:
    client = dynamodb_client(dynamodb_local)
    keys = [{"aggregateId": {"S": f"main/account-{n}"}} for n in range(4)]
    for key in keys:
        client.put_item(TableName=f"{table}-streams", Item=key)
    faults = Chosen("partly done")
    faults.into(client)
    page = client.batch_get_item(RequestItems={f"{table}-streams": {"Keys": keys}})
    assert len(page["Responses"][f"{table}-streams"]) == 2
    assert page["UnprocessedKeys"][f"{table}-streams"]["Keys"] == keys[2:]


def test_a_write_of_one_item_is_refused_for_a_transaction_and_a_read_is_not(
    dynamodb_local: str, table: str
) -> None:
    """As DynamoDB does where two meet, and DynamoDB Local never does."""
    faults = Chosen("contended")
    client = dynamodb_client(dynamodb_local)
    faults.into(client)
    events = DynamoEvents(client, f"{table}-events")
    log = DynamoLog(client, log_tables(table))
    with pytest.raises(ContendedError):
        events.append(commit(A))
    with pytest.raises(ContendedError):
        events.replace(commit(A), commit(A))
    with pytest.raises(ContendedError):
        log.mark_archived(A, 0, 1)
    with pytest.raises(ContendedError):
        log.delete([1])
    # Nor does botocore try again.
    assert faults.requests == {"PutItem": 2, "UpdateItem": 1, "Query": 1, "DeleteItem": 1}
    assert faults.struck == {"contended": 4}
    calm = DynamoEvents(dynamodb_client(dynamodb_local), f"{table}-events")
    assert list(calm.range(A, 1, 9)) == []


def test_the_seed_decides_the_draws(dynamodb_local: str, table: str) -> None:
    def drawn(seed: int) -> list[type[Exception] | None]:
        faults = Faults(seed, rate=0.5)
        client = dynamodb_client(dynamodb_local, **SINGLE)
        faults.into(client)
        try:
            return [
                outcome(lambda: client.describe_table(TableName=f"{table}-log")) for _ in range(40)
            ]
        finally:
            faults.stop()

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def outcome(call: Callable[[], object]) -> type[Exception] | None:
    try:
        call()
    except (ClientError, ReadTimeoutError) as error:
        return type(error)
    return None


def until_struck(faults: Faults, times: int) -> None:
    """Takes the faults away once *times* requests were struck."""
    kinds = dict(faults._kinds)
    left = [times]

    def strike(kind: str) -> Callable[..., object]:
        def struck(request: object) -> object:
            left[0] -= 1
            if left[0] == 0:
                faults.rate = 0.0
            return kinds[kind](request)  # type: ignore[arg-type]

        return struck

    faults._kinds = {kind: strike(kind) for kind in kinds}  # type: ignore[misc]
