"""The app's answers on a real port."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from tests.http.gateway import Answer


class Answering(BaseHTTPRequestHandler):
    """A handler of requests that sends what the app has answered, and logs nothing."""

    protocol_version = "HTTP/1.1"

    @property
    def body(self) -> bytes:
        """The request's body; it can be read once."""
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def answer(self, sent: Answer) -> None:
        text = sent.text.encode()
        self.send_response(sent.status)
        for name, value in sent.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        # A client that has gone needs no answer.
        with suppress(BrokenPipeError, ConnectionResetError):
            self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def at_a_port(handler: type[BaseHTTPRequestHandler], port: int = 0) -> Iterator[str]:
    """The URL at which *handler* answers, at a free port unless one is given."""
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
