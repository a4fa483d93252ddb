"""Faults in the HTTP requests of boto3 clients, below botocore's own retries."""

import json
import time
from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from random import Random
from threading import Lock
from typing import Any, cast

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ReadTimeoutError
from botocore.httpsession import URLLib3Session
from urllib3 import HTTPResponse

CONNECTIONS = 64
DELAY, LATE = 0.05, 0.3

Json = dict[str, Any]


class Faults:
    """Strikes a share *rate* of the requests of every client that it is injected into.

    Kinds, in equal shares: "throttled" and "failed before" have no effect; after
    "failed after" and "timed out after" the engine has done what it was asked; after
    "timed out, late effect" it does so up to `LATE` seconds after the caller was told;
    "delayed" takes up to `DELAY` seconds more. Where a call carries several items,
    "partly done" does half of them and says so; where it writes a single item, "contended"
    refuses it because of a transaction on the item, which DynamoDB does and no engine here
    does by itself: it has no effect. *seed* decides the draws; which request
    meets which draw is up to the threads. *requests* counts what was asked, by
    operation, *struck* the faults by kind.
    """

    def __init__(self, seed: int, rate: float) -> None:
        self.rate = rate
        self.requests: Counter[str] = Counter()
        self.struck: Counter[str] = Counter()
        self._random = Random(seed)
        self._lock = Lock()
        self._session = URLLib3Session(max_pool_connections=CONNECTIONS)
        self._late = ThreadPoolExecutor(CONNECTIONS, "late")
        self._kinds: dict[str, Callable[[AWSPreparedRequest], AWSResponse | None]] = {
            "throttled": throttled,
            "failed before": failed,
            "failed after": self._fail_after,
            "timed out after": self._time_out_after,
            "timed out, late effect": self._time_out_before,
            "delayed": self._delay,
        }
        self._special: dict[str, Collection[str]] = {"partly done": PARTED, "contended": SINGLE}

    def into(self, client: Any) -> None:
        """Strikes requests of *client* from now on."""
        client.meta.events.register("before-send", self._before_send)

    def stop(self) -> None:
        """Strikes no more, and waits for the effects that are late."""
        self.rate = 0.0
        self._late.shutdown()

    def _before_send(self, request: AWSPreparedRequest, event_name: str, **_: Any) -> Any:
        operation = event_name.rpartition(".")[2]
        with self._lock:
            self.requests[operation] += 1
            if self._random.random() >= self.rate:
                return None
            special = (kind for kind, struck in self._special.items() if operation in struck)
            kinds = [*self._kinds, *special]
            if not kinds:
                return None
            kind = self._random.choice(kinds)
            self.struck[kind] += 1
        if kind == "partly done":
            return self._do_partly(request, *PARTED[operation])
        if kind == "contended":
            return contended(request)
        return self._kinds[kind](request)

    def _fail_after(self, request: AWSPreparedRequest) -> AWSResponse:
        self._session.send(request)
        return failed(request)

    def _time_out_after(self, request: AWSPreparedRequest) -> AWSResponse:
        self._session.send(request)
        raise ReadTimeoutError(endpoint_url=request.url)

    def _time_out_before(self, request: AWSPreparedRequest) -> AWSResponse:
        self._late.submit(self._send_late, request, self._drawn(LATE))
        raise ReadTimeoutError(endpoint_url=request.url)

    def _send_late(self, request: AWSPreparedRequest, seconds: float) -> None:
        time.sleep(seconds)
        self._session.send(request)

    def _delay(self, _request: AWSPreparedRequest) -> None:
        time.sleep(self._drawn(DELAY))

    def _drawn(self, most: float) -> float:
        with self._lock:
            return self._random.uniform(0, most)

    def _do_partly(
        self,
        request: AWSPreparedRequest,
        split: Callable[[Json], tuple[Json, Any]],
        join: Callable[[Json, Any], Json],
    ) -> AWSResponse | None:
        asked, left = split(json.loads(cast("bytes", request.body)))
        if not left:
            return None
        request.body = json.dumps(asked).encode()
        request.headers["Content-Length"] = str(len(request.body))
        done = self._session.send(request)
        if done.status_code != 200:
            return done
        return answer(request, 200, join(json.loads(done.content), left))


def answer(request: AWSPreparedRequest, status: int, body: Json) -> AWSResponse:
    """An engine's answer in the JSON protocol."""
    content = HTTPResponse(BytesIO(json.dumps(body).encode()), preload_content=False)
    return AWSResponse(request.url, status, HTTPHeaders(), content)


def throttled(request: AWSPreparedRequest) -> AWSResponse:
    """The refusal of a request for load."""
    return answer(request, 400, {"__type": "ThrottlingException", "message": "injected"})


def failed(request: AWSPreparedRequest) -> AWSResponse:
    """A server's fault."""
    return answer(request, 500, {"__type": "InternalServerError", "message": "injected"})


def contended(request: AWSPreparedRequest) -> AWSResponse:
    """The refusal of a write of one item that a transaction is at."""
    return answer(request, 400, {"__type": "TransactionConflictException", "message": "injected"})


def half_of_keys(asked: Json) -> tuple[Json, Json]:
    """Of a BatchGetItem on one table: one with half the keys, and the rest."""
    ((table, wanted),) = asked["RequestItems"].items()
    keys = wanted["Keys"]
    half = len(keys) // 2
    if not half:
        return asked, {}
    return (
        {**asked, "RequestItems": {table: {**wanted, "Keys": keys[:half]}}},
        {table: {**wanted, "Keys": keys[half:]}},
    )


def with_unprocessed(done: Json, left: Json) -> Json:
    """The answer to a BatchGetItem that left some keys."""
    return {**done, "UnprocessedKeys": left}


def half_of_records(asked: Json) -> tuple[Json, int]:
    """Of a PutRecords: one with half the records, and the number of the others."""
    records = asked["Records"]
    half = len(records) // 2
    if not half:
        return asked, 0
    return {**asked, "Records": records[:half]}, len(records) - half


def with_refused(done: Json, left: int) -> Json:
    """The answer to a PutRecords of which some records were not taken."""
    refused = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "injected"}
    return {
        **done,
        "FailedRecordCount": done.get("FailedRecordCount", 0) + left,
        "Records": [*done["Records"], *([refused] * left)],
    }


# A transaction is told of its conflicts in another way.
SINGLE = {"PutItem", "UpdateItem", "DeleteItem"}
PARTED: dict[str, tuple[Callable[[Json], tuple[Json, Any]], Callable[[Json, Any], Json]]] = {
    "BatchGetItem": (half_of_keys, with_unprocessed),
    "PutRecords": (half_of_records, with_refused),
}
