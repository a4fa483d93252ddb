"""A collector of OpenTelemetry's spans for one machine: it keeps the newest traces, and shows them.

`leftfold run --traces` starts it. On AWS a collector is what `otlp_endpoint` in infra/stages.toml names.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

# So many traces are kept.
KEPT = 100
MILLISECOND = 1_000_000

Json = dict[str, Any]


class Collected:
    """The spans of the newest traces, by trace, oldest first."""

    def __init__(self) -> None:
        self._traces: dict[str, list[tuple[str, Json]]] = {}
        self._lock = Lock()

    def take(self, request: Json) -> None:
        """Keeps the spans of a request of OTLP."""
        with self._lock:
            for service, span in spans_of(request):
                trace = self._traces.pop(span["traceId"], [])
                self._traces[span["traceId"]] = [*trace, (service, span)]
            for oldest in list(self._traces)[:-KEPT]:
                del self._traces[oldest]

    def shown(self) -> str:
        """All traces as text, newest first: when each span began, how long it took, and where."""
        with self._lock:
            traces = [(trace, list(spans)) for trace, spans in self._traces.items()]
        return "\n".join(line for each in reversed(traces) for line in lines_of(*each)) + "\n"


def spans_of(request: Json) -> Iterator[tuple[str, Json]]:
    """Each span of a request, with the service that made it."""
    for resource in request["resourceSpans"]:
        (service,) = (a["value"]["stringValue"] for a in resource["resource"]["attributes"])
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                yield service, span


def lines_of(trace: str, spans: list[tuple[str, Json]]) -> Iterator[str]:
    """A trace, line by line."""
    in_order = sorted(spans, key=lambda span: int(span[1]["startTimeUnixNano"]))
    began = int(in_order[0][1]["startTimeUnixNano"])
    yield f"trace {trace}"
    yield f"{'began ms':>10}{'took ms':>10}  span"
    for service, span in in_order:
        start, end = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
        failed = span["status"].get("message", "")
        what = f"{span['name']} ({service})" + (f", failed: {failed}" if failed else "")
        yield f"{(start - began) / MILLISECOND:10.1f}{(end - start) / MILLISECOND:10.1f}  {what}"
    yield ""


@contextmanager
def collecting(port: int = 0) -> Iterator[str]:
    """A collector that runs meanwhile; its address, at which GET shows the traces."""
    collected = Collected()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collected.take(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self._answer("application/json", "{}")

        def do_GET(self) -> None:
            self._answer("text/plain; charset=utf-8", collected.shown())

        def _answer(self, media_type: str, text: str) -> None:
            body = text.encode()
            self.send_response(200)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
