"""HTTP to the app over memory: real handler, log and views behind a client of httpx."""

from collections.abc import Callable
from threading import Lock

import httpx

from tests.http.conftest import Bank
from tools.api import Api

Loses = Callable[[int], bool]


class Wire(httpx.BaseTransport):
    """Sends requests to *bank*, one at a time.

    *loses* says which of them, counted from 1, are answered into the void: they take
    effect, and the client sees a broken connection. *refuses* says which the gateway
    turns away before the app sees them.
    """

    def __init__(
        self, bank: Bank, loses: Loses = lambda _: False, refuses: Loses = lambda _: False
    ) -> None:
        self.sent = 0
        self._bank, self._loses, self._refuses = bank, loses, refuses
        self._lock = Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        with self._lock:
            self.sent += 1
            if self._refuses(self.sent):
                return httpx.Response(503, headers={"Retry-After": "2"}, text="overloaded")
            if request.method == "GET":
                self._bank.settle()
            answer = self._bank.send(
                request.method,
                request.url.raw_path.decode(),
                request.read() or None,
                dict(request.headers),
            )
            if self._loses(self.sent):
                raise httpx.ReadError("the connection broke", request=request)
            return httpx.Response(answer.status, headers=answer.headers, text=answer.text)


def api_to(bank: Bank, **faults: Loses) -> Api:
    """A client of the bank that never really waits."""
    return Api("http://leftfold.test", Wire(bank, **faults), lambda _seconds: None)
