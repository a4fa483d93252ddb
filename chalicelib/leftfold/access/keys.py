"""The issuer's public keys: fetched when they are needed, kept, and asked for again with restraint."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from jwt import PyJWK, PyJWKClient
from jwt.exceptions import PyJWKClientError, PyJWTError

from chalicelib.leftfold.store.ports import Unavailable

# A key that the issuer has withdrawn is trusted for so long at most.
REFRESH_AFTER = timedelta(minutes=10)
# An unknown key id, or an issuer that does not answer, leads to one request in so long.
ASK_AGAIN_AFTER = timedelta(seconds=10)
# While the issuer does not answer, its keys are trusted for so long.
TRUST_FOR = timedelta(hours=4)
# Seconds. API Gateway gives up after 29, and a command needs time of its own.
TIME_OUT = 3

# Algorithms of key pairs. A secret that both sides share could be made of a public key.
ALGORITHMS = frozenset(
    ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
)
SHORTEST_RSA = 2048

# Fetches a JWK set (RFC 7517). Raises `Unavailable`.
Fetch = Callable[[], Mapping[str, Any]]


class UnknownKeyError(Exception):
    """The issuer has published no key of this id."""


class Keys:
    """The keys of one issuer, by their ids.

    A token's key id is any text that a stranger chose, so an unknown one must not lead to a
    request each time: *fetch* is called once in `ASK_AGAIN_AFTER` at most, whatever it answers.
    """

    def __init__(self, fetch: Fetch, clock: Callable[[], datetime]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._keys: Mapping[str, PyJWK] = {}
        self._asked: datetime | None = None
        self._got: datetime | None = None

    def find(self, key_id: str) -> PyJWK:
        """The key of this id. Raises `UnknownKeyError`, and `Unavailable` if there are no keys."""
        now = self._clock()
        if self._is_due(key_id, now):
            self._ask(now)
        if self._got is None or now - self._got > TRUST_FOR:
            raise Unavailable("the issuer's keys cannot be fetched")
        try:
            return self._keys[key_id]
        except KeyError:
            raise UnknownKeyError(key_id) from None

    def _is_due(self, key_id: str, now: datetime) -> bool:
        if self._asked is not None and now - self._asked < ASK_AGAIN_AFTER:
            return False
        fresh = self._got is not None and now - self._got < REFRESH_AFTER
        return not fresh or key_id not in self._keys

    def _ask(self, now: datetime) -> None:
        self._asked = now
        try:
            keys = usable(self._fetch())
        except Unavailable:
            return
        # An issuer without keys is a fault of the issuer, not a withdrawal of all.
        if keys:
            self._keys, self._got = keys, now


def usable(published: Mapping[str, Any]) -> dict[str, PyJWK]:
    """Those keys of a JWK set that may verify signatures; others are passed over."""
    members = published.get("keys")
    found: dict[str, PyJWK] = {}
    for member in members if isinstance(members, list) else []:
        try:
            key = PyJWK(member)
        except (PyJWTError, AttributeError):
            continue
        short = getattr(key.key, "key_size", SHORTEST_RSA) < SHORTEST_RSA and key.key_type == "RSA"
        signs = key.public_key_use in (None, "sig") and key.algorithm_name in ALGORITHMS
        if signs and not short and isinstance(key.key_id, str):
            found[key.key_id] = key
    return found


def fetched(url: str) -> Mapping[str, Any]:
    """The JWK set at *url*, over http or https, without redirects. Raises `Unavailable`."""
    try:
        made: Mapping[str, Any] = PyJWKClient(
            url, cache_jwk_set=False, timeout=TIME_OUT
        ).fetch_data()
    except (PyJWKClientError, OSError, ValueError) as error:
        raise Unavailable(f"{url}: {error}") from error
    return made
