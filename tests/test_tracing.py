"""Spans: which of them a trace gets, and how they reach a collector."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import count
from typing import Any

import pytest

from chalicelib.leftfold.tracing import MOST, NotSentError, Traces, collector

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
SAMPLED, NOT_SAMPLED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"


class Collected:
    """Traces whose spans are kept here."""

    def __init__(self, *, down: bool = False) -> None:
        self.down = down
        self.spans: list[dict[str, Any]] = []
        self.lost: list[tuple[int, str]] = []
        clock, ids = count(1_000), count(1)
        self.traces = Traces(
            "blue",
            self._post,
            lambda *lost: self.lost.append(lost),
            now=lambda: next(clock),
            new_id=lambda size: next(ids).to_bytes(size, "big"),
        )

    def _post(self, body: bytes) -> None:
        if self.down:
            raise NotSentError("down")
        (resource,) = json.loads(body)["resourceSpans"]
        (service,) = resource["resource"]["attributes"]
        assert service == {"key": "service.name", "value": {"stringValue": "blue"}}
        (scope,) = resource["scopeSpans"]
        self.spans += scope["spans"]


def test_a_request_is_a_span_under_the_clients_and_hands_its_own_on() -> None:
    made = Collected()
    with made.traces.request("GET /accounts", SAMPLED) as traceparent:
        pass
    made.traces.send()
    (span,) = made.spans
    assert (span["traceId"], span["parentSpanId"], span["kind"]) == (TRACE, PARENT, 2)
    assert traceparent == f"00-{TRACE}-{span['spanId']}-01"
    assert int(span["startTimeUnixNano"]) < int(span["endTimeUnixNano"])


@pytest.mark.parametrize("given", [None, "", "x", f"00-{'0' * 32}-{PARENT}-01"])
def test_a_request_without_a_trace_begins_one(given: str | None) -> None:
    made = Collected()
    with made.traces.request("GET /accounts", given) as traceparent:
        pass
    made.traces.send()
    (span,) = made.spans
    assert "parentSpanId" not in span
    assert traceparent == f"00-{span['traceId']}-{span['spanId']}-01"


def test_work_for_many_commits_is_a_span_in_each_of_their_traces_once() -> None:
    made = Collected()
    other = SAMPLED.replace(TRACE, "1" * 32)
    with made.traces.during("balances", [SAMPLED, other, SAMPLED]):
        pass
    made.traces.send()
    assert [(span["traceId"], span["parentSpanId"]) for span in made.spans] == [
        (TRACE, PARENT),
        ("1" * 32, PARENT),
    ]


def test_a_trace_that_is_not_sampled_has_no_span() -> None:
    made = Collected()
    with made.traces.request("GET /accounts", NOT_SAMPLED) as traceparent:
        assert traceparent.endswith("-00")
    with made.traces.during("balances", [NOT_SAMPLED]):
        pass
    made.traces.send()
    assert made.spans == []


def test_what_fails_is_a_span_that_says_so_without_the_errors_text() -> None:
    made = Collected()
    with pytest.raises(ValueError, match="secret"), made.traces.during("balances", [SAMPLED]):
        raise ValueError("secret")
    made.traces.send()
    assert made.spans[0]["status"] == {"code": 2, "message": "ValueError"}
    assert "secret" not in json.dumps(made.spans)


def test_spans_that_nobody_takes_are_lost_and_counted() -> None:
    made = Collected(down=True)
    with made.traces.during("balances", [SAMPLED]):
        pass
    made.traces.send()
    made.traces.send()
    assert made.lost == [(1, "down")]


def test_an_invocation_sends_no_more_than_a_collector_takes() -> None:
    made = Collected()
    with made.traces.during("balances", [f"00-{n:032x}-{PARENT}-01" for n in range(1, MOST + 4)]):
        pass
    made.traces.send()
    assert len(made.spans) == MOST
    assert [lost for lost, _ in made.lost] == [3]


@pytest.fixture
def listening() -> Iterator[tuple[str, list[tuple[str, str | None, bytes]]]]:
    """A collector's address, and what it gets."""
    got: list[tuple[str, str | None, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, self.headers["Authorization"], body))
            self.send_response(200 if body == b"{}" else 400)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", got
        server.shutdown()
        thread.join()


def test_a_collector_gets_spans_with_the_headers_that_it_asks_for(
    listening: tuple[str, list[tuple[str, str | None, bytes]]],
) -> None:
    url, got = listening
    post = collector(f"{url}/", {"Authorization": "Bearer key"})
    post(b"{}")
    assert got == [("/v1/traces", "Bearer key", b"{}")]
    with pytest.raises(NotSentError, match="400"):
        post(b"wrong")


def test_a_collector_that_is_down_is_waited_for_no_longer_than_a_second() -> None:
    with pytest.raises(NotSentError):
        collector("http://127.0.0.1:9", {})(b"{}")
