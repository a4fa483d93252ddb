"""Leftfold's HTTP API as a patient client sees it: retries take the same key, and end."""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

REQUEST_ATTEMPTS = 8
# So often besides for a view that is behind: the API is there, has waited five seconds, and the view
# may be catching up with an import.
CATCHING_UP, CATCHING_UP_ATTEMPTS = "view-behind", 24
LONGEST_WAIT = 30.0
# Above what API Gateway allows itself.
TIMEOUT = httpx.Timeout(35, connect=5)
# An operator must act first: asking again would not help.
FINAL = frozenset({"view-parked"})
# The answer to every command has one of these members.
MADE = frozenset({"version", "entryId"})
# The token is missing or wrong, or does not allow the request: no other request would fare better.
REFUSED = frozenset({401, 403})
CURE = (
    "leave --url out for the newest deployment from this machine, or set LEFTFOLD_TOKEN"
    " (`leftfold token` prints one)"
)

Json = Mapping[str, Any]


class ApiError(Exception):
    """An error in one line: what the API did and the cure."""


@dataclass(frozen=True)
class Answered:
    """An answer: *body* is what was asked for if *ok*, else a problem (RFC 9457)."""

    ok: bool
    status: int
    body: Any

    @property
    def reason(self) -> str:
        """The problem for people: its code, and where in the request it lies."""
        details = [
            f"{error.get('pointer') or error.get('parameter') or error.get('header')}"
            f" {error['detail']}"
            for error in self.body.get("errors", ())
        ]
        said = "; ".join(details) or self.body.get("detail") or self.body.get("title", "")
        return f"{self.body['code']}: {said}"


class Api:
    """The API at *url*; may be used by many threads at once."""

    def __init__(
        self,
        url: str,
        transport: httpx.BaseTransport | None = None,
        pause: Callable[[float], None] = time.sleep,
        auth: httpx.Auth | None = None,
        attempts: int = REQUEST_ATTEMPTS,
    ) -> None:
        """*auth* sends the access tokens. A request is sent up to *attempts* times."""
        self.url = url.rstrip("/")
        self._pause = pause
        self._attempts = attempts
        # The API may be on this machine: a proxy in the environment must not get in between.
        self._client = httpx.Client(
            timeout=TIMEOUT, transport=transport, trust_env=False, auth=auth
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def command(
        self,
        path: str,
        body: Json,
        key: str,
        if_match: int | None = None,
        correlation: str | None = None,
    ) -> Answered:
        """POSTs a command; raises ApiError when the API stays away."""
        headers = {"Idempotency-Key": key}
        if correlation is not None:
            headers["X-Correlation-Id"] = correlation
        if if_match is not None:
            headers["If-Match"] = f'"{if_match}"'
        return self._patiently("POST", path, MADE, json=body, headers=headers)

    def query(self, path: str, **parameters: Any) -> Answered:
        """GETs *path*; raises ApiError when the API, or a view behind it, stays away."""
        return self._patiently("GET", path, None, params=parameters)

    def page(self, path: str, **parameters: Any) -> Answered:
        """GETs a page of a list: its `items`, and the cursor of the `next` page."""
        return self._patiently("GET", path, frozenset({"items"}), params=parameters)

    def _patiently(
        self, method: str, path: str, members: frozenset[str] | None, **request: Any
    ) -> Answered:
        """The answer; an answer that is good has one of these *members*."""
        failure = ""
        wait = 0.0
        attempt, catching_up = 0, CATCHING_UP_ATTEMPTS
        while attempt < self._attempts:
            self._pause(wait)
            wait = random.uniform(0, min(5, 0.1 * 2**attempt))
            try:
                answer = self._client.request(method, f"{self.url}{path}", **request)
            except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:
                # A host with an empty or too long label is a UnicodeError of Python's own.
                raise ApiError(f"{self.url} is not a URL of an API: {error}") from error
            except httpx.RequestError as error:
                failure = str(error) or type(error).__name__
            else:
                answered = _understood(answer, f"{method} {self.url}{path}", members)
                if answered.status in REFUSED:
                    raise ApiError(f"{self.url} lets nobody in so: {answered.reason}; {CURE}")
                if answered.status < 500 and answered.status != 429:
                    return answered
                if answered.body["code"] in FINAL:
                    return answered
                failure = answered.reason
                wait = max(wait, _retry_after(answer))
                if answered.body["code"] == CATCHING_UP and catching_up:
                    catching_up -= 1
                    continue
            attempt += 1
        raise ApiError(
            f"{self.url} gave no answer in {self._attempts} attempts ({failure});"
            " once it answers again, run this again: no command is executed twice"
        )


def _understood(answer: httpx.Response, request: str, members: frozenset[str] | None) -> Answered:
    try:
        body = answer.json()
    except ValueError:
        body = None
    is_object = isinstance(body, dict)
    if answer.is_success and is_object and (members is None or members & body.keys()):
        return Answered(ok=True, status=answer.status_code, body=body)
    if is_object and _is_problem(body):
        return Answered(ok=False, status=answer.status_code, body=body)
    if answer.is_server_error or answer.status_code == 429:
        # A gateway's own words.
        said = {"code": str(answer.status_code), "title": answer.reason_phrase}
        return Answered(ok=False, status=answer.status_code, body=said)
    status = answer.status_code
    raise ApiError(f"{request} gives {status}, not what Leftfold answers; is the URL right?")


def _is_problem(body: Json) -> bool:
    """Whether *body* is a problem as Leftfold has them; other APIs have a `code`, too."""
    errors = body.get("errors", [])
    return isinstance(body.get("code"), str) and (
        isinstance(errors, list)
        and all(isinstance(error, dict) and "detail" in error for error in errors)
    )


def _retry_after(answer: httpx.Response) -> float:
    try:
        return min(LONGEST_WAIT, float(answer.headers.get("Retry-After", "0")))
    except ValueError:
        return 0.0
