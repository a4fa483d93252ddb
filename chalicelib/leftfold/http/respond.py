"""Answers a request by its route, or with a problem, and writes one line to the log."""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from chalice.app import Request, Response

from chalicelib.leftfold.errors import trace
from chalicelib.leftfold.http.accept import accept
from chalicelib.leftfold.http.admit import seated
from chalicelib.leftfold.http.browsers import SECURITY, for_site
from chalicelib.leftfold.http.failures import problem_of
from chalicelib.leftfold.http.headers import CORRELATION_ID, IDEMPOTENCY_KEY
from chalicelib.leftfold.http.log import fingerprint, write
from chalicelib.leftfold.http.moved import check_address
from chalicelib.leftfold.http.problems import Kind, Problem, body_of, headers_of
from chalicelib.leftfold.http.routes import Answer, Call, Route
from chalicelib.leftfold.lines import begin
from chalicelib.leftfold.wiring.process import services as current_services
from chalicelib.leftfold.wiring.time_left import LAST_CALL, time_for_calls

# The route that answers a request.
RouteOf = Callable[[Request], Route]


def respond(route_of: RouteOf, request: Request, kinds: Mapping[str, Kind]) -> Response:
    """The response to *request* by its route. *kinds* are the application's problems.

    No exception reaches Chalice, which would show it to the client: not of the route's import either.
    """
    started = time.perf_counter()
    begin("api", request.lambda_context)
    services = current_services()
    correlation_id = request.headers.get(CORRELATION_ID.name, "")
    if not CORRELATION_ID.fits(correlation_id):
        correlation_id = services.new_id()
    failure: dict[str, Any] = {}
    place = request.path
    try:
        route = route_of(request)
        place = route.path
        check_address(request, services.settings.moved_to)
        # A seat is left also when the time for other calls is over.
        with ExitStack() as seat, time_for_calls(LAST_CALL):
            call = accept(route, request, services, correlation_id)
            seat.enter_context(seated(call))
            answer = answered(call)
    except Exception as error:  # noqa: BLE001 - every exception becomes an answer
        problem = problem_of(error, kinds)
        failure["code"] = problem.code
        if problem.code == "internal-error":
            failure["error"] = trace(error)
        answer = answer_of(problem, kinds[problem.code])
    write(
        "request",
        "ERROR" if answer.status >= 500 else "INFO",
        method=request.method,
        route=place,
        status=answer.status,
        milliseconds=round((time.perf_counter() - started) * 1000, 1),
        correlation_id=correlation_id,
        command=fingerprint(request.headers.get(IDEMPOTENCY_KEY.name)),
        **failure,
    )
    if services.traces:
        services.traces.send()
    site = for_site(request.headers, services.settings.cors_origins)
    response = response_of(answer, {**SECURITY, **site, CORRELATION_ID.name: correlation_id})
    if request.method == "HEAD":
        # HEAD has the status and headers of its GET, in a problem too (RFC 9110, 9.3.2).
        response.body = ""
    return response


def answered(call: Call) -> Answer:
    """The answer to a call, in a span of its trace if traces are collected."""
    traces = call.house.traces
    if traces is None:
        return call.route.answer(call)
    name = f"{call.route.method} {call.route.path}"
    with traces.request(name, call.traceparent) as traceparent:
        return call.route.answer(replace(call, traceparent=traceparent))


def answer_of(problem: Problem, kind: Kind) -> Answer:
    """The answer to a request that has failed with *problem*."""
    return Answer(body_of(problem, kind), headers_of(problem, kind), kind.status)


def response_of(answer: Answer, extra: Mapping[str, str]) -> Response:
    """The response of *answer* for Chalice, with *extra* headers.

    A problem is written in ASCII, as it may repeat input that no encoding has.
    """
    headers: dict[str, str | list[str]] = {
        "Content-Type": "application/json",
        **extra,
        **answer.headers,
    }
    if answer.body is None:
        del headers["Content-Type"]
        return Response("", headers, answer.status)
    text = json.dumps(answer.body, allow_nan=False, ensure_ascii=answer.status >= 400)
    return Response(text, headers, answer.status)
