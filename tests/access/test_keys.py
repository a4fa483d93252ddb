"""The issuer's keys: kept, rotated, and asked for with restraint."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from chalicelib.leftfold.access.keys import (
    ASK_AGAIN_AFTER,
    REFRESH_AFTER,
    TRUST_FOR,
    Keys,
    UnknownKeyError,
    fetched,
    usable,
)
from chalicelib.leftfold.store.ports import Unavailable
from tests.clock import Clock
from tests.issuer import Issuer, new_key, public


@dataclass
class Fetching:
    """An issuer that may be down, and the keys that are kept of it."""

    issuer: Issuer = field(default_factory=Issuer)
    clock: Clock = field(default_factory=Clock)
    down: bool = False
    asked: int = 0

    def __post_init__(self) -> None:
        self.keys = Keys(self._fetch, self.clock)

    def _fetch(self) -> Mapping[str, Any]:
        self.asked += 1
        if self.down:
            raise Unavailable("down")
        return self.issuer.published()

    def knows(self, key_id: str) -> bool:
        try:
            return bool(self.keys.find(key_id).key_id == key_id)
        except UnknownKeyError:
            return False


def test_keys_are_fetched_once_and_kept() -> None:
    fetching = Fetching()
    assert [fetching.knows("key-1") for _ in range(3)] == [True] * 3
    assert fetching.asked == 1


def test_ten_thousand_unknown_keys_ask_the_issuer_once() -> None:
    fetching = Fetching()
    assert fetching.knows("key-1")
    assert not any(fetching.knows(f"unknown-{number}") for number in range(10_000))
    assert fetching.asked == 1


def test_under_unknown_keys_the_issuer_is_asked_once_in_a_while_and_known_keys_stay() -> None:
    fetching = Fetching()
    for _ in range(600):
        assert not fetching.knows("unknown")
        assert fetching.knows("key-1")
        fetching.clock.forward(seconds=0.1)
    assert fetching.asked == timedelta(seconds=60) / ASK_AGAIN_AFTER


def test_a_new_key_is_found_at_once_if_nobody_has_asked_in_vain() -> None:
    fetching = Fetching()
    assert fetching.knows("key-1")
    fetching.clock.now += ASK_AGAIN_AFTER
    fetching.issuer.keys["key-2"] = new_key()
    assert fetching.knows("key-2")
    assert fetching.asked == 2


def test_a_withdrawn_key_is_trusted_no_longer_than_until_the_next_refresh() -> None:
    fetching = Fetching()
    assert fetching.knows("key-1")
    fetching.issuer.keys = {"key-2": new_key()}
    fetching.clock.now += REFRESH_AFTER - timedelta(seconds=1)
    assert fetching.knows("key-1")
    fetching.clock.now += timedelta(seconds=1)
    assert not fetching.knows("key-1")


def test_keys_outlive_an_issuer_that_is_down_for_a_while() -> None:
    fetching = Fetching()
    assert fetching.knows("key-1")
    fetching.down = True
    fetching.clock.now += TRUST_FOR
    assert fetching.knows("key-1")
    fetching.clock.now += timedelta(seconds=1)
    with pytest.raises(Unavailable):
        fetching.keys.find("key-1")


def test_an_issuer_that_is_down_is_asked_once_in_a_while() -> None:
    fetching = Fetching(down=True)
    for _ in range(100):
        with pytest.raises(Unavailable):
            fetching.keys.find("key-1")
    assert fetching.asked == 1
    fetching.down = False
    fetching.clock.now += ASK_AGAIN_AFTER
    assert fetching.knows("key-1")


def test_an_issuer_that_publishes_nothing_withdraws_nothing() -> None:
    fetching = Fetching()
    assert fetching.knows("key-1")
    fetching.issuer.keys = {}
    fetching.clock.now += REFRESH_AFTER
    assert fetching.knows("key-1")


GOOD = public("good", new_key())
SHORT = rsa.generate_private_key(65537, 1024).public_key()  # noqa: S505 - it is refused


@pytest.mark.parametrize(
    "other",
    [
        {"kty": "oct", "kid": "secret", "k": "c2VjcmV0", "alg": "HS256"},
        {**GOOD, "kid": "encrypts", "use": "enc"},
        {**GOOD, "kid": 7},
        {name: value for name, value in GOOD.items() if name != "kid"},
        {**GOOD, "kid": "hmac", "alg": "HS256"},
        {**GOOD, "kid": "off-curve", "x": "AAAA"},
        {**RSAAlgorithm.to_jwk(SHORT, as_dict=True), "kid": "short", "use": "sig"},
        {"kty": "moon", "kid": "moon"},
        {},
        "text",
        None,
    ],
)
def test_a_key_that_signs_no_tokens_is_passed_over_and_spoils_no_other(other: Any) -> None:
    assert list(usable({"keys": [other, GOOD]})) == ["good"]


@pytest.mark.parametrize("published", [{}, {"keys": None}, {"keys": "text"}, {"keys": {}}])
def test_what_is_no_key_set_has_no_keys(published: Mapping[str, Any]) -> None:
    assert usable(published) == {}


@pytest.mark.parametrize(
    ("status", "body"), [(404, b"{}"), (302, b"{}"), (200, b"<html>"), (200, b"[1]"), (200, b"")]
)
def test_an_answer_that_is_no_key_set_is_an_outage(status: int, body: bytes) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Location", "http://127.0.0.1:9/")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        with pytest.raises(Unavailable):
            fetched(f"http://127.0.0.1:{server.server_port}/jwks.json")
        thread.join()


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://x/", "data:,{}", "x", "http://127.0.0.1:9/"]
)
def test_keys_come_over_http_from_somebody_who_answers(url: str) -> None:
    with pytest.raises(Unavailable):
        fetched(url)
