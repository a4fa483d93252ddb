"""The collector on a developer's machine: it shows what the functions have sent."""

from itertools import count

import httpx

from chalicelib.leftfold.tracing import Traces, collector
from tests.test_tracing import PARENT, SAMPLED, TRACE
from tools.collector import KEPT, Collected, collecting


def test_a_trace_is_shown_in_the_order_in_which_its_spans_began() -> None:
    clock = count(0, 1_500_000)
    with collecting() as url:
        traces = Traces("blue", collector(url, {}), lambda *_: None, now=lambda: next(clock))
        with traces.request("POST /transfers", SAMPLED):
            pass
        with traces.during("relay", [SAMPLED]):
            pass
        traces.send()
        shown = httpx.get(url, trust_env=False).text
    assert shown.splitlines()[:4] == [
        f"trace {TRACE}",
        "  began ms   took ms  span",
        "       0.0       1.5  POST /transfers (blue)",
        "       3.0       1.5  relay (blue)",
    ]


def test_the_newest_traces_are_kept_and_shown_first() -> None:
    collected = Collected()
    for number in range(1, KEPT + 3):
        span = {
            "traceId": f"{number:032x}",
            "spanId": PARENT,
            "name": "relay",
            "startTimeUnixNano": "0",
            "endTimeUnixNano": "1000000",
            "status": {"code": 2, "message": "Unavailable"},
        }
        service = {"attributes": [{"key": "service.name", "value": {"stringValue": "blue"}}]}
        scopes = [{"scope": {"name": "leftfold"}, "spans": [span]}]
        collected.take({"resourceSpans": [{"resource": service, "scopeSpans": scopes}]})
    traces = [line for line in collected.shown().splitlines() if line.startswith("trace")]
    assert len(traces) == KEPT
    assert traces[0] == f"trace {KEPT + 2:032x}"
    assert "relay (blue), failed: Unavailable" in collected.shown()
