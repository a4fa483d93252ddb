"""Spans of OpenTelemetry: which function worked for a request, when, and for how long.

A commit names the trace of the request that led to it, so the relay, the views and the policies
add their spans to that trace. A trace whose `traceparent` says that it is not sampled has none.
"""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from chalicelib.leftfold.kernel.commit import is_traceparent

Json = dict[str, Any]
# OpenTelemetry's numbers of the kinds of spans, and of a status.
SPAN_KINDS = {"internal": 1, "server": 2, "consumer": 5}
FAILED = 2
# Seconds. A trace is worth no more of an invocation.
EXPORT_SECONDS = 1.0
# More spans of one invocation are dropped.
MOST = 2_000


class NotSentError(Exception):
    """The collector did not take the spans."""


@dataclass
class Traces:
    """The spans of this process, until they are sent.

    *post* sends the JSON of OTLP; it raises `NotSentError`. *lost* is told how many spans were
    not sent, and why. Nobody waits for a trace twice: what is not taken is lost.
    """

    service: str
    post: Callable[[bytes], None]
    lost: Callable[[int, str], None]
    now: Callable[[], int] = time.time_ns
    new_id: Callable[[int], bytes] = os.urandom
    _spans: list[Json] = field(default_factory=list)

    @contextmanager
    def request(self, name: str, traceparent: str | None) -> Iterator[str]:
        """A span of a request; gives the `traceparent` by which others are called in its course."""
        if traceparent is None or not is_traceparent(traceparent):
            traceparent = f"00-{self.new_id(16).hex()}-{'0' * 16}-01"
        version, trace, parent, flags = traceparent.split("-")
        own = self.new_id(8).hex()
        with self._span(name, "server", [(trace, parent, flags)], own):
            yield f"{version}-{trace}-{own}-{flags}"

    @contextmanager
    def during(self, name: str, traceparents: Iterable[str]) -> Iterator[None]:
        """A span in each of the traces *traceparents*, for work that is done for all of them."""
        parents = sorted({(t, p, f) for _, t, p, f in (x.split("-") for x in traceparents)})
        with self._span(name, "consumer", parents):
            yield

    def send(self) -> None:
        """Sends what there is. It never fails."""
        spans, self._spans = self._spans, []
        if not spans:
            return
        try:
            self.post(json.dumps(otlp(self.service, spans[:MOST])).encode())
        except NotSentError as error:
            self.lost(len(spans), str(error))
        else:
            if len(spans) > MOST:
                self.lost(len(spans) - MOST, f"more than {MOST} spans of one invocation")

    @contextmanager
    def _span(
        self,
        name: str,
        kind: Literal["server", "consumer"],
        parents: Iterable[tuple[str, str, str]],
        own: str = "",
    ) -> Iterator[None]:
        began, status = self.now(), {}
        try:
            yield
        except BaseException as error:
            status = {"code": FAILED, "message": type(error).__name__}
            raise
        finally:
            self._spans += [
                {
                    "traceId": trace,
                    "spanId": own or self.new_id(8).hex(),
                    **({"parentSpanId": parent} if parent.strip("0") else {}),
                    "name": name,
                    "kind": SPAN_KINDS[kind],
                    "startTimeUnixNano": str(began),
                    "endTimeUnixNano": str(self.now()),
                    "status": status,
                }
                for trace, parent, flags in parents
                if int(flags, 16) & 1
            ]


def otlp(service: str, spans: Iterable[Json]) -> Json:
    """The request of OTLP over HTTP, in its JSON form."""
    attribute = {"key": "service.name", "value": {"stringValue": service}}
    scope = {"scope": {"name": "leftfold"}, "spans": list(spans)}
    return {"resourceSpans": [{"resource": {"attributes": [attribute]}, "scopeSpans": [scope]}]}


def collector(endpoint: str, headers: Mapping[str, str]) -> Callable[[bytes], None]:
    """What posts spans to the collector at *endpoint*."""

    def post(body: bytes) -> None:
        import urllib.request

        url = f"{endpoint.rstrip('/')}/v1/traces"
        typed = {"Content-Type": "application/json", **headers}
        request = urllib.request.Request(url, body, typed, method="POST")  # noqa: S310 - a setting
        try:
            with urllib.request.urlopen(request, timeout=EXPORT_SECONDS):  # noqa: S310 - a setting
                pass
        except OSError as error:
            raise NotSentError(f"{type(error).__name__}: {error}") from error

    return post
