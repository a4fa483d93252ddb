"""The app over memory behind a real port, for commands that are given a URL."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread

from tests.http.answering import Answering
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

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
