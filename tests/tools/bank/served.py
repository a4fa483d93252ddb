"""The app over memory behind a real port, for commands that are given a URL."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from threading import Lock

from tests.http.answering import Answering, at_a_port
from tests.http.conftest import Bank


@contextmanager
def served(bank: Bank) -> Iterator[str]:
    """The URL at which *bank* answers, one request at a time."""
    lock = Lock()

    class Handler(Answering, BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with lock:
                bank.settle()
            self.do_POST()

        def do_POST(self) -> None:
            body = self.body
            with lock:
                sent = bank.send(self.command, self.path, body or None, dict(self.headers))
            self.answer(sent)

    with at_a_port(Handler) as url:
        yield url
