"""What every adapter of an AWS service or of OpenSearch makes of an error of the service.

A client fails below botocore's own parsing, on its first answer or on its second page. The caller of a port meets
`Unavailable`, `CallRefusedError`, or the value that the port promises; never an error of botocore or opensearchpy.
"""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, Protocol

import boto3
import pytest
from botocore.exceptions import (
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoRegionError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from opensearchpy import OpenSearch
from opensearchpy import exceptions as opensearch
from opensearchpy.connection import Connection

from chalicelib import leftfold
from chalicelib.leftfold.archive.s3 import S3Archive
from chalicelib.leftfold.kernel import Archived, Email
from chalicelib.leftfold.policies.mailing import Mailer, SesMailer
from chalicelib.leftfold.projection.documents import DynamoRows
from chalicelib.leftfold.projection.rows import NEVER, RowStore, Save
from chalicelib.leftfold.projection.search import SearchRows
from chalicelib.leftfold.relay.kinesis import KinesisBus
from chalicelib.leftfold.relay.waker import LambdaWaker
from chalicelib.leftfold.store.blocks import lane_records, seal
from chalicelib.leftfold.store.checkpoints import DynamoCheckpoints, DynamoParking
from chalicelib.leftfold.store.effects import DynamoEffects
from chalicelib.leftfold.store.events import DynamoEvents
from chalicelib.leftfold.store.log import DynamoLog, LogTables
from chalicelib.leftfold.store.ports import (
    Archive,
    CallRefusedError,
    Checkpoints,
    ContendedError,
    EffectKey,
    Effects,
    EventTable,
    Head,
    Log,
    ParkedStream,
    Parking,
    Seats,
    Segment,
    StreamEntry,
    StreamVersion,
    Unavailable,
)
from chalicelib.leftfold.store.seats import DynamoSeats
from tests.clock import Clock
from tests.commits import commit
from tests.projection.test_search import EVERYTHING, VIEW

A, B = "main/account-a", "main/account-b"
URL = "http://127.0.0.1:1"

# An error as a parsed answer of the service (its code and HTTP status), or as an exception below it.
Fault = tuple[str, int] | Exception
Answer = Mapping[str, Any]


def failing(service: str, fault: Fault, *answers: Answer) -> Any:
    """A real client of *service* that gives *answers* in turn, and after them fails."""
    client = client_of(service)
    left = list(answers)

    def answered(**_: object) -> tuple[Any, Answer]:
        if left:
            return SimpleNamespace(status_code=200), left.pop(0)
        if isinstance(fault, Exception):
            raise fault
        code, status = fault
        error = {"Code": code, "Message": "no"}
        # Only a cancelled transaction has reasons; a client ignores them elsewhere.
        reasons = [{"Code": "ValidationError"}, {"Code": "None"}]
        metadata = {"HTTPStatusCode": status}
        return SimpleNamespace(status_code=status), {
            "Error": error,
            "CancellationReasons": reasons,
            "ResponseMetadata": metadata,
        }

    client.meta.events.unregister("before-call", unique_id="answered")
    client.meta.events.register("before-call", answered, unique_id="answered")
    return client


@cache
def client_of(service: str) -> Any:
    """One client of each service, because making one takes long."""
    connect: Any = boto3.client
    return connect(
        service,
        region_name="eu-central-1",
        endpoint_url=URL,
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106 - no service is asked
    )


class Call(NamedTuple):
    """A call of a port's *method*, on an adapter over a client that fails after *answers*."""

    port: type
    service: str
    method: str
    call: Callable[[Any], object]
    answers: tuple[Answer, ...] = ()

    @property
    def name(self) -> str:
        later = f" after {len(self.answers)}" if self.answers else ""
        return f"{self.port.__name__}.{self.method}{later}"


def events(client: Any) -> DynamoEvents:
    return DynamoEvents(client, "events")


def log(client: Any) -> DynamoLog:
    return DynamoLog(client, LogTables("log", "bodies", "streams"))


def checkpoints(client: Any) -> DynamoCheckpoints:
    return DynamoCheckpoints(client, "checkpoints")


def parking(client: Any) -> DynamoParking:
    return DynamoParking(client, "parked")


def effects(client: Any) -> DynamoEffects:
    return DynamoEffects(client, "effects", Clock())


def documents(client: Any) -> DynamoRows:
    return DynamoRows(client, "rows", Clock())


def s3(client: Any) -> S3Archive:
    return S3Archive(lambda: client, "bucket")


def tombstone() -> Any:
    return commit(A)._replace(events=(), archive=Archived(2, "key", "hash"))


BLOCK, NEXT = seal(Head(), [commit(A)])
NOON = Clock()()
HEAD = {
    "Item": {
        "nextPosition": {"N": "1"},
        "hash": {"S": "h"},
        "lanes": {"S": "[]"},
        "format": {"N": "1"},
    }
}
# Its body is not in its link.
LARGE, _ = seal(Head(), [commit(f"main/account-{n}") for n in range(3)])
SEGMENT = Segment(0, 1, "key", "hash", "liveKey", "liveHash")
KEY = EffectKey("policy", A, 1, 0, "hello")
MAIL = Email("hello", "ada@example.com", "Hello", "Good day.")


def more(**key: Mapping[str, str]) -> Answer:
    """An empty page, behind which there is another."""
    return {"Items": [], "LastEvaluatedKey": key}


class Broken:
    """The body of an object, whose connection breaks."""

    def read(self) -> bytes:
        raise ResponseStreamingError(error="connection reset")


CALLS = [
    Call(EventTable, "dynamodb", "append", lambda c: events(c).append(commit(A))),
    Call(
        EventTable,
        "dynamodb",
        "append",
        lambda c: events(c).append(commit(A), StreamVersion(B, 1)),
    ),
    Call(EventTable, "dynamodb", "newest", lambda c: events(c).newest(A)),
    Call(EventTable, "dynamodb", "page", lambda c: events(c).page(A, 1, 9)),
    Call(EventTable, "dynamodb", "range", lambda c: events(c).range(A, 1, 9)),
    Call(
        EventTable,
        "dynamodb",
        "range",
        lambda c: events(c).range(A, 1, 9),
        (more(aggregateId={"S": A}, sequenceNumber={"N": "1"}),),
    ),
    Call(EventTable, "dynamodb", "scan", lambda c: events(c).scan(0, 1, None, 9)),
    Call(EventTable, "dynamodb", "replace", lambda c: events(c).replace(commit(A), tombstone())),
    Call(EventTable, "dynamodb", "delete", lambda c: events(c).delete(tombstone(), [2])),
    Call(Log, "dynamodb", "head", lambda c: log(c).head()),
    Call(Log, "dynamodb", "streams", lambda c: log(c).streams([A])),
    Call(Log, "dynamodb", "claim", lambda c: log(c).claim("a", NOON, NOON)),
    Call(Log, "dynamodb", "claim", lambda c: log(c).claim("a", NOON, NOON), (HEAD,)),
    Call(Log, "dynamodb", "put_body", lambda c: log(c).put_body(LARGE)),
    Call(
        Log,
        "dynamodb",
        "append",
        lambda c: log(c).append(BLOCK, Head(), NEXT, {A: (StreamEntry(), StreamEntry(2, 0, 1))}),
    ),
    Call(Log, "dynamodb", "blocks", lambda c: list(log(c).blocks(0))),
    Call(Log, "dynamodb", "blocks", lambda c: list(log(c).blocks(7))),
    Call(
        Log,
        "dynamodb",
        "blocks",
        lambda c: list(log(c).blocks(0)),
        (more(log={"S": "log"}, firstPosition={"N": "0"}),),
    ),
    Call(Log, "dynamodb", "registry", lambda c: list(log(c).registry())),
    Call(
        Log,
        "dynamodb",
        "registry",
        lambda c: list(log(c).registry()),
        (more(aggregateId={"S": A}),),
    ),
    Call(
        Log,
        "dynamodb",
        "registry",
        lambda c: list(log(c).registry(A, part=1, parts=8, every_log=True)),
    ),
    Call(Log, "dynamodb", "mark_archived", lambda c: log(c).mark_archived(A, 0, 2)),
    Call(Log, "dynamodb", "mend", lambda c: log(c).mend(Head(), {A: StreamEntry(3)})),
    Call(Log, "dynamodb", "delete", lambda c: log(c).delete([0])),
    Call(Log, "dynamodb", "add_segment", lambda c: log(c).add_segment(SEGMENT)),
    Call(Log, "dynamodb", "segments", lambda c: list(log(c).segments())),
    Call(
        Log,
        "dynamodb",
        "segments",
        lambda c: list(log(c).segments()),
        (more(log={"S": "segments"}, firstPosition={"N": "0"}),),
    ),
    Call(Log, "dynamodb", "segment_with", lambda c: log(c).segment_with(7)),
    Call(Checkpoints, "dynamodb", "read", lambda c: checkpoints(c).read("view", [0])),
    Call(Checkpoints, "dynamodb", "begin", lambda c: checkpoints(c).begin("view", 0, 0)),
    Call(Checkpoints, "dynamodb", "move", lambda c: checkpoints(c).move("view", 0, -1, 0)),
    Call(Checkpoints, "dynamodb", "note", lambda c: checkpoints(c).note("view")),
    Call(Checkpoints, "dynamodb", "write_note", lambda c: checkpoints(c).write_note("view", "")),
    Call(Parking, "dynamodb", "find", lambda c: parking(c).find("view", [A])),
    Call(
        Parking,
        "dynamodb",
        "find",
        lambda c: parking(c).find("view", [A]),
        (more(view={"S": "view"}, aggregateId={"S": A}),),
    ),
    Call(
        Parking, "dynamodb", "park", lambda c: parking(c).park("view", A, ParkedStream(0, 0, "-"))
    ),
    Call(Parking, "dynamodb", "extend", lambda c: parking(c).extend("view", A, 1)),
    Call(Parking, "dynamodb", "release", lambda c: parking(c).release("view", A, 1)),
    Call(Parking, "dynamodb", "all", lambda c: list(parking(c).all())),
    Call(Parking, "dynamodb", "all", lambda c: list(parking(c).all("view"))),
    Call(
        Parking,
        "dynamodb",
        "all",
        lambda c: list(parking(c).all()),
        (more(view={"S": "view"}, aggregateId={"S": A}),),
    ),
    Call(Effects, "dynamodb", "plan", lambda c: effects(c).plan(KEY, {}, "me")),
    Call(Effects, "dynamodb", "finish", lambda c: effects(c).finish(KEY, "sent")),
    Call(Effects, "dynamodb", "find", lambda c: effects(c).find(KEY)),
    Call(RowStore, "dynamodb", "load", lambda c: documents(c).load(["a"])),
    Call(RowStore, "dynamodb", "save", lambda c: documents(c).save([Save("a", {}, 0, NEVER)])),
    Call(RowStore, "dynamodb", "scan", lambda c: list(documents(c).scan())),
    Call(
        RowStore,
        "dynamodb",
        "scan",
        lambda c: list(documents(c).scan()),
        (more(key={"S": "a"}),),
    ),
    Call(Seats, "dynamodb", "take", lambda c: DynamoSeats(c, "requests").take("a", 0, "b", 1, 2)),
    Call(Seats, "dynamodb", "leave", lambda c: DynamoSeats(c, "requests").leave("a", 0, "b")),
    Call(Archive, "s3", "put", lambda c: s3(c).put("key", b"")),
    Call(Archive, "s3", "get", lambda c: s3(c).get("key")),
    Call(Mailer, "ses", "send", lambda c: SesMailer(c, "bank@example.com").send(MAIL)),
]

# Reads of this table are consistent, so `flush` calls nothing.
CALLS_NOTHING = {(RowStore, "flush"), (RowStore, "expunge")}

PASSING: list[Fault] = [
    ("ThrottlingException", 400),
    ("InternalServerError", 500),
    ("SomethingNew", 503),
    EndpointConnectionError(endpoint_url=URL),
    ConnectTimeoutError(endpoint_url=URL),
    ReadTimeoutError(endpoint_url=URL),
    CredentialRetrievalError(provider="role", error_msg="no answer"),
]
LASTING = [
    ("AccessDeniedException", 400),
    ("AccessDenied", 403),
    ("ExpiredToken", 400),
    ("ResourceNotFoundException", 400),
    ("NoSuchBucket", 404),
    ("ValidationException", 400),
    ("SomethingNew", 400),
]


def named(fault: Fault) -> str:
    return fault[0] if isinstance(fault, tuple) else type(fault).__name__


def methods(port: type) -> set[str]:
    """The methods that a port asks for, inherited ones included."""
    bases = [base for base in port.__mro__ if base not in (object, Protocol)]
    return {
        name
        for base in bases
        for name, value in vars(base).items()
        if callable(value) and not name.startswith("_")
    }


@pytest.mark.parametrize("port", sorted({call.port for call in CALLS}, key=str))
def test_every_method_of_a_port_is_tried(port: type) -> None:
    tried = {call.method for call in CALLS if call.port is port}
    assert methods(port) - {name for of, name in CALLS_NOTHING if of is port} == tried


@pytest.mark.parametrize("fault", PASSING, ids=named)
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_an_error_that_passes_is_unavailable(call: Call, fault: Fault) -> None:
    with pytest.raises(Unavailable):
        call.call(failing(call.service, fault, *call.answers))


@pytest.mark.parametrize("fault", LASTING, ids=named)
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_an_error_that_lasts_is_a_refused_call_with_the_services_code(
    call: Call, fault: tuple[str, int]
) -> None:
    with pytest.raises(CallRefusedError) as caught:
        call.call(failing(call.service, fault, *call.answers))
    assert caught.value.code == fault[0]


def test_a_transaction_that_can_never_be_taken_is_a_refused_call() -> None:
    client = failing("dynamodb", ("TransactionCanceledException", 400))
    with pytest.raises(CallRefusedError) as caught:
        events(client).append(commit(A), StreamVersion(B, 1))
    assert caught.value.code == "TransactionCanceledException"


@pytest.mark.parametrize("method", ["append", "replace"])
def test_a_conflict_of_transactions_is_contended(method: str) -> None:
    call = next(c for c in CALLS if c.port is EventTable and c.method == method)
    with pytest.raises(ContendedError):
        call.call(failing("dynamodb", ("TransactionConflictException", 400)))


def test_an_object_whose_connection_breaks_is_unavailable() -> None:
    client = failing("s3", ("InternalError", 500), {"Body": Broken()})
    with pytest.raises(Unavailable):
        s3(client).get("key")


@pytest.mark.parametrize("call", [lambda a: a.get("key"), lambda a: a.put("key", b"")])
def test_an_archive_without_a_client_is_unavailable(call: Callable[[Archive], object]) -> None:
    def connect() -> Any:
        raise NoRegionError

    with pytest.raises(Unavailable):
        call(S3Archive(connect, "bucket"))


@pytest.mark.parametrize("fault", [*PASSING, *LASTING], ids=named)
def test_the_bus_is_unavailable_whatever_the_error(fault: Fault) -> None:
    """The log does not wait for the bus, so a missing permission is no reason to stop either."""
    bus = KinesisBus(failing("kinesis", fault), "bus", lambda _attempt: None)
    with pytest.raises(Unavailable):
        bus.publish(lane_records(BLOCK))


@pytest.mark.parametrize("fault", [*PASSING, *LASTING], ids=named)
def test_a_wake_is_lost_and_no_error_is_raised(fault: Fault) -> None:
    waker = LambdaWaker(failing("lambda", fault), lambda function: function)
    waker.wake("relay")


class FailingConnection(Connection):
    """A connection of OpenSearch's client on which every request fails."""

    fault: Exception

    def perform_request(self, *_: object, **__: object) -> Any:
        raise self.fault


def search(fault: Exception) -> SearchRows:
    connection = type("OneFault", (FailingConnection,), {"fault": fault})
    client = OpenSearch(hosts=[URL], connection_class=connection, max_retries=0)
    return SearchRows(client, "rows", VIEW, Clock(), lambda _attempt: None)


SEARCH: dict[str, Callable[[SearchRows], object]] = {
    "load": lambda rows: rows.load([A]),
    "save": lambda rows: rows.save([Save(A, {}, 1, NEVER)]),
    "flush": lambda rows: rows.flush(),
    "expunge": lambda rows: rows.expunge(),
    "scan": lambda rows: list(rows.scan()),
    "find": lambda rows: rows.find_everywhere(EVERYTHING, [], None, 1),
    "purge": lambda rows: rows.purge(Clock()()),
}


def test_every_method_of_search_rows_is_tried() -> None:
    assert methods(RowStore) <= set(SEARCH)


@pytest.mark.parametrize("method", SEARCH)
@pytest.mark.parametrize(
    "fault",
    [
        opensearch.ConnectionError("N/A", "refused", ConnectionRefusedError()),
        opensearch.ConnectionTimeout("TIMEOUT", "late", TimeoutError()),
        opensearch.TransportError(429, "rejected", {}),
        opensearch.TransportError(500, "failed", {}),
        opensearch.TransportError(503, "busy", {}),
        CredentialRetrievalError(provider="role", error_msg="no answer"),
    ],
    ids=lambda fault: f"{type(fault).__name__}-{fault.args[0]}",
)
def test_an_error_of_opensearch_that_passes_is_unavailable(method: str, fault: Exception) -> None:
    with pytest.raises(Unavailable):
        SEARCH[method](search(fault))


@pytest.mark.parametrize("method", SEARCH)
@pytest.mark.parametrize(
    "fault",
    [
        opensearch.RequestError(400, "parsing_exception", {}),
        opensearch.AuthenticationException(401, "no_user", {}),
        opensearch.AuthorizationException(403, "security_exception", {}),
    ],
    ids=lambda fault: fault.error,
)
def test_an_error_of_opensearch_that_lasts_is_a_refused_call(
    method: str, fault: opensearch.TransportError
) -> None:
    with pytest.raises(CallRefusedError) as caught:
        SEARCH[method](search(fault))
    assert caught.value.code == fault.error


def test_no_module_but_an_adapter_catches_errors_of_botocore() -> None:
    engine = Path(leftfold.__path__[0])
    catching = {
        str(path.relative_to(engine))
        for path in engine.rglob("*.py")
        if "botocore.exceptions" in path.read_text()
    }
    assert catching == {
        "archive/s3.py",
        "policies/mailing.py",
        "relay/kinesis.py",
        "relay/waker.py",
        "store/dynamo.py",
    }
