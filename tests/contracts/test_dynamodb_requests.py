"""What the DynamoDB adapters ask for, and what they make of answers that engines never give."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from chalicelib.leftfold.generations.control import DynamoControl
from chalicelib.leftfold.kernel import LANES
from chalicelib.leftfold.projection.documents import DynamoRows
from chalicelib.leftfold.store.applications import DynamoApplications
from chalicelib.leftfold.store.blocks import seal
from chalicelib.leftfold.store.checkpoints import FEW_PARKED, DynamoCheckpoints, DynamoParking
from chalicelib.leftfold.store.dynamo import BATCH_KEYS, BATCH_TRIES, transact
from chalicelib.leftfold.store.effects import DynamoEffects
from chalicelib.leftfold.store.events import DynamoEvents
from chalicelib.leftfold.store.log import DynamoLog
from chalicelib.leftfold.store.ports import (
    CallRefusedError,
    ContendedError,
    EffectKey,
    Head,
    StreamAdvancedError,
    StreamEntry,
    StreamVersion,
    Unavailable,
)
from chalicelib.leftfold.subjects.dynamo import DynamoKeys
from tests.clock import Clock
from tests.commits import commit
from tests.contracts import moto
from tools.tables import create_tables, log_tables

A, B = "main/account-a", "main/account-b"


class Wire:
    """Remembers each request of a client, and may answer it in the place of the service."""

    def __init__(self, client: Any) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.answers: list[tuple[int, str]] = []
        self._events = client.meta.events
        self._events.register("before-parameter-build.dynamodb", self._remember)
        self._events.register_first("before-send.dynamodb", self._answer)

    def close(self) -> None:
        self._events.unregister("before-parameter-build.dynamodb", self._remember)
        self._events.unregister("before-send.dynamodb", self._answer)

    def fail(self, code: str, status: int = 400, **more: Any) -> None:
        """The next request fails so."""
        self.answer({"__type": f"com.amazonaws.dynamodb#{code}", **more}, status)

    def answer(self, body: Any, status: int = 200) -> None:
        """The next request is answered so."""
        self.answers.append((status, json.dumps(body)))

    def _remember(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        self.requests.append((model.name, params))

    def _answer(self, request: Any, **_: Any) -> AWSResponse | None:
        if not self.answers:
            return None
        status, body = self.answers.pop(0)
        return Said(request.url, status, {}, body.encode())


class Said(AWSResponse):
    """An answer whose body has arrived."""

    def __init__(self, url: str, status: int, headers: Any, body: bytes) -> None:
        super().__init__(url, status, headers, None)
        self._content = body


@pytest.fixture
def stack() -> Iterator[str]:
    with moto.in_process():
        yield create_tables(moto.client("dynamodb"))


@pytest.fixture
def client(stack: str) -> Any:  # noqa: ARG001 - the tables are there first
    return moto.client("dynamodb")


@pytest.fixture
def wire(client: Any) -> Iterator[Wire]:
    wire = Wire(client)
    yield wire
    wire.close()
    assert not wire.answers


def test_every_read_that_decides_something_is_consistent(
    stack: str, client: Any, wire: Wire
) -> None:
    """DynamoDB's default may answer with what was there a second ago; a writer, a relay or a
    reader that decides on it would decide wrongly. Engines here always answer consistently.
    """
    events = DynamoEvents(client, f"{stack}-events")
    log = DynamoLog(client, log_tables(stack))
    checkpoints = DynamoCheckpoints(client, f"{stack}-view-checkpoints")
    parking = DynamoParking(client, f"{stack}-view-parked")
    rows = DynamoRows(client, f"{stack}-balances", Clock())
    events.newest(A, consistent=True)
    events.range(A, 1, 9)
    events.page(A, 1, 9)
    log.head()
    log.streams([A])
    list(log.blocks(7))
    list(log.registry())
    list(log.segments())
    log.segment_with(7)
    checkpoints.read("view", range(LANES))
    checkpoints.note("view")
    parking.find("view", [A])
    list(parking.all())
    list(parking.all("view"))
    rows.load([A])
    list(rows.scan())
    DynamoEffects(client, f"{stack}-effects", Clock()).find(EffectKey("notify", A, 1, 0, "done"))
    DynamoApplications(client, f"{stack}-applications").known()
    DynamoControl(client, f"{stack}-control").read()
    DynamoKeys(client, f"{stack}-subjects").parts(A)
    assert len(wire.requests) == 21
    for name, request in wire.requests:
        asked = request["RequestItems"].values() if "RequestItems" in request else [request]
        assert all(each["ConsistentRead"] for each in asked), (name, request)


def test_a_first_look_at_a_stream_costs_half(stack: str, client: Any, wire: Wire) -> None:
    """A command's first load may be stale: the append's condition finds that out."""
    DynamoEvents(client, f"{stack}-events").newest(A)
    ((_, request),) = wire.requests
    assert request["ConsistentRead"] is False
    assert "Limit" not in request


def test_a_page_of_a_stream_asks_for_as_many_items_as_are_wanted(
    stack: str, client: Any, wire: Wire
) -> None:
    DynamoEvents(client, f"{stack}-events").newest(A, limit=3)
    DynamoLog(client, log_tables(stack)).segment_with(3)
    DynamoParking(client, f"{stack}-view-parked").find("view", [A])
    limits = [request["Limit"] for _, request in wire.requests]
    assert limits == [3, 1, FEW_PARKED]


def test_a_scan_brings_keys_alone_and_goes_on_where_it_was(
    stack: str, client: Any, wire: Wire
) -> None:
    """A page of a thousand keys is some kilobytes; of a thousand commits it is megabytes."""
    events = DynamoEvents(client, f"{stack}-events")
    for version in (1, 2, 3):
        assert events.append(commit(A, version)) is None
    wire.requests.clear()
    keys, after = events.scan(0, 1, None, 2)
    assert keys == [(A, 1), (A, 2)]
    assert events.scan(0, 1, after, 2) == ([(A, 3)], None)
    (_, first), (_, then) = wire.requests
    assert first == {
        "TableName": f"{stack}-events",
        "Segment": 0,
        "TotalSegments": 1,
        "Limit": 2,
        "ProjectionExpression": "aggregateId, sequenceNumber, #kind",
        "ExpressionAttributeNames": {"#kind": "kind"},
    }
    assert then["ExclusiveStartKey"] == {"aggregateId": {"S": A}, "sequenceNumber": N(2)}


def test_only_a_condition_elsewhere_makes_an_append_a_transaction(
    stack: str, client: Any, wire: Wire
) -> None:
    """A transaction costs twice as much."""
    events = DynamoEvents(client, f"{stack}-events")
    events.append(commit(A, 1))
    events.append(commit(A, 2), StreamVersion(B, 1))
    assert [name for name, _ in wire.requests] == ["PutItem", "TransactWriteItems"]


def test_where_a_block_begins_is_asked_for_without_its_commits(
    stack: str, client: Any, wire: Wire
) -> None:
    log = DynamoLog(client, log_tables(stack))
    list(log.blocks(5))
    (_, first), (_, then) = wire.requests
    assert first["ProjectionExpression"] == "firstPosition, nextPosition"
    assert "ProjectionExpression" not in then
    wire.requests.clear()
    list(log.blocks(0))
    # From the beginning on nothing has to be found out.
    assert len(wire.requests) == 1


def test_who_wants_so_many_blocks_reads_no_more(stack: str, client: Any, wire: Wire) -> None:
    """A block may have 400 KB: each one that nobody wanted costs 50 units."""
    log = DynamoLog(client, log_tables(stack))
    head = Head()
    for n in range(1, 6):
        block, after = seal(head, [commit(A, n)])
        log.put_body(block)
        assert log.append(block, head, after, {A: (StreamEntry(n), StreamEntry(n + 1, n - 1))})
        head = after
    wire.requests.clear()
    assert len(list(log.blocks(0, 3))) == 3
    assert [request["Limit"] for _, request in wire.requests] == [3]
    # A page that ends early, for its size, leaves the rest to be asked for.
    wire.requests.clear()
    wire.answer(
        {"Items": [], "LastEvaluatedKey": {"log": {"S": "main#links"}, "firstPosition": N(1)}}
    )
    assert [block.first_position for block in log.blocks(0, 2)] == [2, 3]
    starts = [request.get("ExclusiveStartKey") for _, request in wire.requests]
    assert starts == [None, {"log": {"S": "main#links"}, "firstPosition": N(1)}]
    assert list(log.blocks(0, 0)) == []


def N(number: int) -> dict[str, str]:  # noqa: N802 - DynamoDB's name of the type
    return {"N": str(number)}


TRANSIENT = (
    "InternalFailure",
    "InternalServerError",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "ThrottlingException",
    "TransactionInProgressException",
)


@pytest.fixture
def impatient(client: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The client without retries of its own, so that one answer is one attempt."""
    monkeypatch.setattr(client._endpoint, "_needs_retry", lambda *_, **__: False)
    return client


@pytest.mark.parametrize("code", TRANSIENT)
def test_what_may_pass_is_unavailable(stack: str, impatient: Any, wire: Wire, code: str) -> None:
    wire.fail(code)
    with pytest.raises(Unavailable, match=code):
        DynamoLog(impatient, log_tables(stack)).head()


@pytest.mark.parametrize("status", [500, 503, 599])
def test_a_server_that_fails_is_unavailable(
    stack: str, impatient: Any, wire: Wire, status: int
) -> None:
    wire.fail("Whatever", status)
    with pytest.raises(Unavailable, match="Whatever"):
        DynamoLog(impatient, log_tables(stack)).head()


def test_a_mistake_of_ours_is_not_taken_for_an_outage(
    stack: str, impatient: Any, wire: Wire
) -> None:
    for code in ("ValidationException", "AccessDeniedException", "ResourceNotFoundException"):
        wire.fail(code)
        with pytest.raises(CallRefusedError, match=code):
            DynamoLog(impatient, log_tables(stack)).head()


def test_a_single_write_that_meets_a_transaction_is_contended(
    stack: str, impatient: Any, wire: Wire
) -> None:
    """DynamoDB answers so to a write of an item that a transaction is at; no engine does."""
    wire.fail("TransactionConflictException")
    with pytest.raises(ContendedError):
        DynamoEvents(impatient, f"{stack}-events").append(commit(A))


def test_keys_that_were_left_are_asked_for_again_and_no_others(
    stack: str, client: Any, wire: Wire
) -> None:
    table = f"{stack}-view-checkpoints"
    checkpoints = DynamoCheckpoints(client, table)
    assert checkpoints.move("view", 1, -1, 5)
    wire.requests.clear()
    left = [{"reader": {"S": "main#view"}, "checkpointKey": N(1)}]
    wire.answer({"Responses": {table: []}, "UnprocessedKeys": {table: {"Keys": left}}})
    assert checkpoints.read("view", [0, 1]) == {0: -1, 1: 5}
    asked = [request["RequestItems"][table]["Keys"] for _, request in wire.requests]
    assert [len(keys) for keys in asked] == [2, 1]
    assert asked[1] == left


def test_keys_that_are_always_left_are_unavailable(stack: str, client: Any, wire: Wire) -> None:
    table = f"{stack}-view-checkpoints"
    left = [{"reader": {"S": "main#view"}, "checkpointKey": N(1)}]
    for _ in range(BATCH_TRIES):
        wire.answer({"Responses": {}, "UnprocessedKeys": {table: {"Keys": left}}})
    with pytest.raises(Unavailable, match=f"1 keys of {table}"):
        DynamoCheckpoints(client, table).read("view", [1])


def test_a_call_asks_for_a_hundred_keys_at_most(stack: str, client: Any, wire: Wire) -> None:
    """DynamoDB refuses more."""
    DynamoCheckpoints(client, f"{stack}-view-checkpoints").read("view", range(2 * BATCH_KEYS + 1))
    asked = [request["RequestItems"][f"{stack}-view-checkpoints"] for _, request in wire.requests]
    assert [len(each["Keys"]) for each in asked] == [100, 100, 1]


def cancelled(*codes: str) -> dict[str, Any]:
    return {"Message": "cancelled", "CancellationReasons": [{"Code": code} for code in codes]}


CANCELLED = "TransactionCanceledException"
DELETE = {"Delete": {"TableName": "any", "Key": {"aggregateId": {"S": A}, "sequenceNumber": N(1)}}}


@pytest.mark.parametrize("code", ["ConditionalCheckFailed", "TransactionConflict"])
def test_a_transaction_that_came_too_late_is_lost(impatient: Any, wire: Wire, code: str) -> None:
    wire.fail(CANCELLED, **cancelled("None", code))
    assert transact(impatient, [DELETE]) is False


@pytest.mark.parametrize(
    "codes",
    [
        ("ThrottlingError", "None"),
        ("None", "ProvisionedThroughputExceeded"),
        ("ConditionalCheckFailed", "ItemCollectionSizeLimitExceeded"),
    ],
)
def test_a_transaction_that_was_cancelled_for_anything_else_is_not_lost(
    impatient: Any, wire: Wire, codes: tuple[str, ...]
) -> None:
    """Who takes it for lost believes that another has done the work."""
    wire.fail(CANCELLED, **cancelled(*codes))
    with pytest.raises(Unavailable, match=max(codes, key=len)):
        transact(impatient, [DELETE])


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (("TransactionConflict", "None"), ContendedError),
        (("None", "TransactionConflict"), ContendedError),
        (("ThrottlingError", "TransactionConflict"), ContendedError),
        (("None", "ProvisionedThroughputExceeded"), ContendedError),
        (("TransactionConflict", "ConditionalCheckFailed"), StreamAdvancedError),
        (("None", "ValidationError"), CallRefusedError),
        (("TransactionConflict", "ValidationError"), CallRefusedError),
    ],
)
def test_a_conditional_append_tells_why_it_was_not_taken(
    stack: str, impatient: Any, wire: Wire, codes: tuple[str, str], expected: type[Exception]
) -> None:
    wire.fail(CANCELLED, **cancelled(*codes))
    with pytest.raises(expected):
        DynamoEvents(impatient, f"{stack}-events").append(commit(A), StreamVersion(B, 1))


def test_a_failure_of_the_append_itself_is_raised(stack: str, impatient: Any, wire: Wire) -> None:
    """Nothing but the failed condition says that the version is taken."""
    wire.fail("ValidationException")
    with pytest.raises(CallRefusedError, match="ValidationException"):
        DynamoEvents(impatient, f"{stack}-events").append(commit(A))
