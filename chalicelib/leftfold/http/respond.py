"""Serving a route: a request in, an answer or a problem out, and one line in the log."""

import json
import time
from collections.abc import Mapping
from typing import Any

from chalice.app import Request, Response

from chalicelib.leftfold import wiring
from chalicelib.leftfold.http.accept import accept
from chalicelib.leftfold.http.failures import problem_of
from chalicelib.leftfold.http.headers import CORRELATION_ID, IDEMPOTENCY_KEY
from chalicelib.leftfold.http.log import fingerprint, trace, write
from chalicelib.leftfold.http.problems import Problem
from chalicelib.leftfold.http.routes import Answer, Route


def respond(route: Route, request: Request) -> Response:
    """The answer to *request*; nothing is ever raised to Chalice, which would tell it."""
    started = time.perf_counter()
    services = wiring.services()
    correlation_id = request.headers.get(CORRELATION_ID.name, "")
    if not CORRELATION_ID.fits(correlation_id):
        correlation_id = services.new_id()
    told: dict[str, Any] = {}
    try:
        answer = route.answer(accept(route, request, services, correlation_id))
    except Exception as error:  # noqa: BLE001 - whatever it is, the client gets a problem
        problem = problem_of(error)
        told["code"] = problem.code
        if problem.code == "internal-error":
            told["error"] = trace(error)
        answer = answer_of(problem)
    write(
        method=request.method,
        route=route.path,
        status=answer.status,
        milliseconds=round((time.perf_counter() - started) * 1000, 1),
        correlationId=correlation_id,
        command=fingerprint(request.headers.get(IDEMPOTENCY_KEY.name)),
        **told,
    )
    response = response_of(answer, {CORRELATION_ID.name: correlation_id})
    if request.method == "HEAD":
        # The status and the headers that a GET has, also those of a problem (RFC 9110, 9.3.2).
        response.body = ""
    return response


def answer_of(problem: Problem) -> Answer:
    """The answer that tells *problem*."""
    return Answer(problem.body(), problem.headers, problem.kind.status)


def response_of(answer: Answer, extra: Mapping[str, str]) -> Response:
    """The text of *answer*; a problem's is ASCII, as it may repeat what has no encoding."""
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
