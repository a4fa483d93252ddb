from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tools.api import CATCHING_UP_ATTEMPTS, LONGEST_WAIT, REQUEST_ATTEMPTS, Api, ApiError

PROBLEM = {"code": "unavailable", "title": "The storage did not answer"}
Answers = list[httpx.Response | Exception]


class Served:
    """A server that gives *answers* one after the other, and how long its client waited."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.requests: list[httpx.Request] = []
        self.waited: list[float] = []
        self._answers = list(answers)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    def api(self) -> Api:
        return Api("http://leftfold.test/api/", httpx.MockTransport(self), self.waited.append)


def good() -> httpx.Response:
    return httpx.Response(200, json={"version": 1})


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("cut"),
        httpx.Response(500, json=PROBLEM),
        httpx.Response(502, text="Bad Gateway"),
        httpx.Response(503, json=PROBLEM),
        httpx.Response(429, json={"message": "Too Many Requests"}),
    ],
)
def test_what_may_pass_is_tried_again_with_the_same_key(
    failure: httpx.Response | Exception,
) -> None:
    served = Served(failure, failure, good())

    assert served.api().command("/accounts", {"a": 1}, "key-1").ok

    sent = {(r.headers["Idempotency-Key"], r.content) for r in served.requests}
    assert len(served.requests) == 3
    assert sent == {("key-1", b'{"a":1}')}


def test_a_problem_of_the_request_is_not_tried_again() -> None:
    served = Served(httpx.Response(409, json={"code": "account-exists", "title": "There is one"}))

    answer = served.api().command("/accounts", {}, "key-1")

    assert (answer.ok, answer.status, len(served.requests)) == (False, 409, 1)
    assert answer.reason == "account-exists: There is one"


def test_the_reason_names_the_places_in_the_request() -> None:
    errors = [{"pointer": "/a", "detail": "must be text"}, {"header": "b", "detail": "is long"}]
    served = Served(httpx.Response(422, json={"code": "invalid-body", "errors": errors}))

    reason = served.api().command("/accounts", {}, "key-1").reason

    assert reason == "invalid-body: /a must be text; b is long"


def test_attempts_end() -> None:
    served = Served(httpx.ConnectError("refused"))

    with pytest.raises(ApiError, match=r"gave no answer in 8 attempts \(refused\)"):
        served.api().query("/health")

    assert len(served.requests) == REQUEST_ATTEMPTS


def test_a_view_that_catches_up_is_waited_for_longer_than_an_api_that_is_away() -> None:
    behind = httpx.Response(503, json={"code": "view-behind", "title": "Not yet"})
    served = Served(*[behind] * 20, good())
    assert served.api().query("/accounts/a", minVersion=7).ok
    # Each answer has waited itself: no pause is long.
    assert max(served.waited) <= 1

    away = Served(behind)
    with pytest.raises(ApiError, match="gave no answer in 8 attempts"):
        away.api().query("/accounts/a", minVersion=7)
    assert len(away.requests) == REQUEST_ATTEMPTS + CATCHING_UP_ATTEMPTS


@pytest.mark.parametrize(
    ("header", "fits"),
    [
        ("3", lambda waited: waited == 3),
        ("9999", lambda waited: waited == LONGEST_WAIT),
        ("Wed, 21 Oct 2026 07:28:00 GMT", lambda waited: waited < 1),
    ],
)
def test_retry_after_is_honoured_within_bounds(header: str, fits: Callable[[float], bool]) -> None:
    served = Served(httpx.Response(503, json=PROBLEM, headers={"Retry-After": header}), good())

    served.api().query("/accounts")

    assert fits(served.waited[1])


def test_a_view_that_waits_for_people_is_not_asked_again() -> None:
    served = Served(httpx.Response(503, json={"code": "view-parked", "title": "It waits"}))

    assert served.api().query("/accounts").body["code"] == "view-parked"
    assert len(served.requests) == 1


def test_an_answer_that_leftfold_never_gives_makes_the_url_suspect() -> None:
    served = Served(httpx.Response(403, json={"message": "Missing Authentication Token"}))

    with pytest.raises(ApiError, match=r"accounts gives 403, .*; is the URL right\?"):
        served.api().query("/accounts")


def test_a_page_of_something_else_makes_the_url_suspect() -> None:
    with pytest.raises(ApiError, match="is the URL right"):
        Served(httpx.Response(200, text="<html>")).api().query("/accounts")


def test_json_of_something_else_makes_the_url_suspect() -> None:
    with pytest.raises(ApiError, match="is the URL right"):
        Served(httpx.Response(200, json={"hello": 1})).api().command("/accounts", {}, "key-1")
    with pytest.raises(ApiError, match="is the URL right"):
        Served(httpx.Response(200, json={"hello": 1})).api().page("/accounts")
    with pytest.raises(ApiError, match="is the URL right"):
        Served(httpx.Response(200, json=["hello"])).api().query("/health")


@pytest.mark.parametrize(
    "body",
    [
        {"code": 404},
        {"code": "x", "errors": ["not here"]},
        {"code": "x", "errors": None},
        {"code": "x", "errors": [{}]},
    ],
)
def test_a_problem_of_another_api_makes_the_url_suspect(body: dict[str, Any]) -> None:
    with pytest.raises(ApiError, match="is the URL right"):
        _ = Served(httpx.Response(404, json=body)).api().query("/accounts").reason
    with pytest.raises(ApiError, match="gave no answer in 8 attempts"):
        Served(httpx.Response(500, json=body)).api().query("/accounts")


@pytest.mark.parametrize("host", ["..x", "a..b:80", "x" * 64, "xn--a"])
def test_a_host_that_no_name_can_be_is_told_at_once(host: str) -> None:
    with Api(f"http://{host}") as api, pytest.raises(ApiError, match="is not a URL of an API"):
        api.query("/accounts")


def test_what_is_no_url_of_an_api_is_told_at_once() -> None:
    with Api("nowhere") as api, pytest.raises(ApiError, match="nowhere is not a URL of an API"):
        api.query("/accounts")


def test_a_body_that_cannot_be_unpacked_may_pass() -> None:
    served = Served(httpx.DecodingError("bad gzip"), good())

    assert served.api().command("/accounts", {}, "key-1").ok


def test_a_command_may_name_the_unit_of_work_that_it_belongs_to() -> None:
    served = Served(good())

    served.api().command("/accounts", {}, "key-1", correlation="rows:1")

    assert served.requests[0].headers["X-Correlation-Id"] == "rows:1"


def test_a_command_may_say_which_version_it_follows() -> None:
    served = Served(good())

    served.api().command("/accounts/a/credits", {}, "key-1", if_match=7)

    assert served.requests[0].headers["If-Match"] == '"7"'
    assert str(served.requests[0].url) == "http://leftfold.test/api/accounts/a/credits"
