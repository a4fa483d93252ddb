"""DynamoDB calls, with their failures told apart."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.leftfold.store.ports import ContendedError, Unavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

BATCH_KEYS, BATCH_TRIES = 100, 8

# Errors that a caller can do nothing about but try again; all others are mistakes of ours.
_TRANSIENT = {
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
}


@contextmanager
def translated() -> Iterator[None]:
    """Turns time-outs, throttles and server faults into `Unavailable`."""
    try:
        yield
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code = error.response.get("Error", {}).get("Code", "")
        if code == "TransactionConflictException":
            raise ContendedError(code) from error
        if code in _TRANSIENT or status >= 500:
            raise Unavailable(code) from error
        raise
    except BotoCoreError as error:
        raise Unavailable(str(error)) from error


def limited(limit: int | None) -> Any:
    """The argument `Limit`, if there is one."""
    return {} if limit is None else {"Limit": limit}


def batch_get(
    client: "DynamoDBClient", table: str, keys: Sequence[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """The items that exist of *keys*, read consistently, in no order.

    Raises `Unavailable` when DynamoDB keeps leaving keys unprocessed.
    """
    waiting = list(keys)
    for _ in range(BATCH_TRIES):
        rest: list[dict[str, Any]] = []
        for start in range(0, len(waiting), BATCH_KEYS):
            request = {"Keys": waiting[start : start + BATCH_KEYS], "ConsistentRead": True}
            with translated():
                answer = client.batch_get_item(RequestItems=cast("Any", {table: request}))
            yield from answer["Responses"].get(table, ())
            unprocessed = cast("Any", answer.get("UnprocessedKeys", {}))
            rest += unprocessed.get(table, {}).get("Keys", ())
        waiting = rest
        if not waiting:
            return
    raise Unavailable(f"{len(waiting)} keys of {table} were left unprocessed")


def transact(client: "DynamoDBClient", writes: Sequence[dict[str, Any]]) -> bool:
    """Writes all or nothing; False if a condition failed, or another was at the same items."""
    try:
        with translated():
            client.transact_write_items(TransactItems=cast("Any", writes))
    except client.exceptions.TransactionCanceledException as error:
        reasons = {
            reason.get("Code", "None")
            for reason in cast("Any", error.response).get("CancellationReasons", [])
        }
        if reasons <= {"None", "ConditionalCheckFailed", "TransactionConflict"}:
            return False
        raise Unavailable(", ".join(sorted(reasons))) from error
    return True
