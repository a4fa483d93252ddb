"""DynamoDB calls, with botocore's errors turned into the errors of the ports."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.leftfold.store.ports import CallRefusedError, ContendedError, Unavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

BATCH_KEYS, BATCH_TRIES = 100, 8

# Errors that pass: the caller can try again.
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

# Errors that answer a condition of the call: the adapter that set the condition catches them.
_CONDITION_FAILED = {"ConditionalCheckFailedException", "TransactionCanceledException"}


@contextmanager
def translated() -> Iterator[None]:
    """Turns botocore's errors into those of the ports.

    Time-outs, throttles and server faults become `Unavailable`, a conflict of transactions
    `ContendedError`, all others `CallRefusedError`. A failed condition passes as it is.
    """
    try:
        yield
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code = error.response.get("Error", {}).get("Code", "")
        if code == "TransactionConflictException":
            raise ContendedError(code) from error
        if code in _TRANSIENT or status >= 500:
            raise Unavailable(code) from error
        if code in _CONDITION_FAILED:
            raise
        raise CallRefusedError(code, str(error)) from error
    except BotoCoreError as error:
        raise Unavailable(str(error)) from error


def limited(limit: int | None) -> Any:
    """The argument `Limit` of a query; nothing if there is no limit."""
    return {} if limit is None else {"Limit": limit}


def batch_get(
    client: "DynamoDBClient",
    table: str,
    keys: Sequence[dict[str, Any]],
    *,
    consistent: bool = True,
) -> Iterator[dict[str, Any]]:
    """The items that exist under *keys*, in no order, unless told otherwise read consistently.

    Raises `Unavailable` if DynamoDB leaves keys unprocessed in each of `BATCH_TRIES` attempts.
    """
    waiting = list(keys)
    for _ in range(BATCH_TRIES):
        rest: list[dict[str, Any]] = []
        for start in range(0, len(waiting), BATCH_KEYS):
            request = {
                "Keys": waiting[start : start + BATCH_KEYS],
                "ConsistentRead": consistent,
            }
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
    """Writes all or nothing. False if a condition failed, or if another call changed the items."""
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
