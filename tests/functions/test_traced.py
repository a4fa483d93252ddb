"""What an operator finds of one request: its spans in every function, and the lines of its logs."""

import json
from typing import Any

import pytest

from chalicelib.domain import DOMAIN
from chalicelib.functions import handler
from chalicelib.leftfold import lines
from chalicelib.leftfold.http import log
from chalicelib.leftfold.store.ports import Unavailable
from chalicelib.leftfold.wiring import process
from tests.commits import commit
from tests.functions import test_functions as functions
from tests.functions.test_functions import SCHEDULED, Context, Functions, bus_event, stream_event
from tests.http.conftest import Bank
from tests.http.samples import booking, czk
from tests.test_tracing import SAMPLED, TRACE, Collected

site = functions.site


def collected() -> Collected:
    """The spans of the services of this process from now on."""
    made = Collected()
    process.services().__dict__["traces"] = made.traces
    return made


def test_a_transfer_is_one_trace_from_its_request_to_its_rows() -> None:
    bank = Bank()
    for key in "ab":
        bank.open(key)
    bank.post("/accounts/a/credits", booking("7.00"))
    bank.act()
    made = collected()
    order = {"transferId": "t", "source": "a", "target": "b", "amount": czk("7.00")}
    bank.post("/transfers", {**order, "valueDate": "2026-01-01"}, traceparent=SAMPLED)
    bank.act()
    made.traces.send()
    assert {span["traceId"] for span in made.spans} == {TRACE}
    (request,) = (span for span in made.spans if span["name"] == "POST /transfers")
    others = [span for span in made.spans if span is not request]
    assert {span["parentSpanId"] for span in others} == {request["spanId"]}
    assert {"debit_source", "credit_target", "balances", "totals", "transfers"} <= {
        span["name"] for span in others
    }


def test_the_relays_span_is_sent_before_its_invocation_ends(site: Functions) -> None:
    made = collected()
    written = commit("main/account-a", 1)
    site.write(written)
    handler("relay")(stream_event(written), Context())
    assert [span["name"] for span in made.spans] == ["relay"]
    assert made.spans[0]["traceId"] == written.traceparent.split("-")[1]
    handler("balances")(bus_event(*(r.to_bytes() for r in site.bus.records)), Context())
    assert [span["name"] for span in made.spans] == ["relay", "balances"]


def test_nothing_is_traced_without_a_collector(site: Functions) -> None:
    assert site.services.traces is None


POWERTOOLS = {"level", "timestamp", "service", "message", "function_name", "cold_start"}


class OnLambda(Context):
    """Lambda's context of one invocation."""

    function_name = "test-sweeper"
    aws_request_id = "request-1"


def written(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(text) for text in capsys.readouterr().out.splitlines()]


@pytest.mark.usefixtures("site")
def test_every_line_of_a_function_names_its_invocation(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "_is_cold", True)
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-abc;Parent=def;Sampled=1")
    handler("sweeper")(SCHEDULED, OnLambda())
    first = written(capsys)
    handler("sweeper")(SCHEDULED, OnLambda())
    again = written(capsys)
    assert len(first) > len(DOMAIN.views)
    for line in first:
        assert line.keys() >= POWERTOOLS
        told = line["service"], line["function_name"], line["function_request_id"]
        assert told == ("test", "test-sweeper", "request-1")
        assert (line["cold_start"], line["xray_trace_id"]) == (True, "1-abc")
    assert {line["cold_start"] for line in again} == {False}


def test_every_line_of_a_request_has_the_correlation_id_of_its_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(log.log, "info", lambda _form, text: shown.append(text))
    answer = Bank().get("/accounts/a")
    (line,) = map(json.loads, shown)
    assert line.keys() >= POWERTOOLS
    assert line["correlation_id"] == answer.headers["X-Correlation-Id"]
    assert (line["level"], line["route"], line["code"]) == (
        "INFO",
        "/accounts/{id}",
        "account-missing",
    )


def test_a_function_that_fails_says_so_in_a_line_without_the_errors_text(
    site: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    def down(_name: str) -> Any:
        raise Unavailable("of Ada")

    site.services.__dict__["rows"] = down
    with pytest.raises(Unavailable):
        handler("balances")({"Records": []}, OnLambda())
    (line,) = written(capsys)
    assert (line["level"], line["exception_name"]) == ("ERROR", "Unavailable")
    assert "Ada" not in json.dumps(line)
