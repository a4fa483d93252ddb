"""An OpenID Connect issuer as the console meets it: codes with PKCE, and refresh tokens."""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.http.answering import at_a_port
from tests.issuer import ISSUER, house_token

CLIENT = "console-client"
LONG_AGO = 1_000_000_000


@dataclass
class SigningIn:
    """Signs everybody in as an operator of the house at once. *mode* says how it misbehaves:

    "denied", "other-nonce", "expired" (its first access token), "ended" (that, and no refresh).
    """

    mode: str = ""
    codes: dict[str, Mapping[str, str]] = field(default_factory=dict)
    refresh: str = ""
    # What was done, for the test.
    told: list[str] = field(default_factory=list)

    def authorize(self, asked: Mapping[str, str]) -> str:
        """Where the browser goes next."""
        assert asked["response_type"] == "code"
        assert (asked["client_id"], asked["code_challenge_method"]) == (CLIENT, "S256")
        assert len(asked["state"]) >= 43
        assert len(asked["nonce"]) >= 43
        self.told.append("authorize")
        if self.mode == "denied":
            answer = {"error": "access_denied", "error_description": "Ada said no"}
        else:
            code = token_urlsafe()
            self.codes[code] = asked
            answer = {"code": code}
        return f"{asked['redirect_uri']}?{urlencode({**answer, 'state': asked['state']})}"

    def token(self, form: Mapping[str, str]) -> dict[str, Any] | None:
        """The tokens that a form gets; None if it gets none."""
        assert form["client_id"] == CLIENT
        self.told.append(form["grant_type"])
        if form["grant_type"] == "refresh_token":
            if self.mode == "ended" or form["refresh_token"] != self.refresh:
                return None
            return self._tokens(house_token())
        asked = self.codes.pop(form["code"], None)
        if asked is None or asked["redirect_uri"] != form["redirect_uri"]:
            return None
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != asked["code_challenge"]:
            return None
        nonce = "another" if self.mode == "other-nonce" else asked["nonce"]
        is_good = self.mode not in ("expired", "ended")
        access = house_token() if is_good else ISSUER.token(exp=LONG_AGO)
        said = ISSUER.sign({"aud": CLIENT, "nonce": nonce, "sub": "ada"})
        return {**self._tokens(access), "id_token": said}

    def _tokens(self, access: str) -> dict[str, Any]:
        # A refresh token is good for once.
        self.refresh = token_urlsafe()
        return {"access_token": access, "refresh_token": self.refresh, "expires_in": 900}


@contextmanager
def listening(issuer: SigningIn) -> Iterator[str]:
    """The URL of an issuer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/mode":
                issuer.mode = parts.query
                self._answer(200, {})
                return
            to = issuer.authorize(
                {name: values[0] for name, values in parse_qs(parts.query).items()}
            )
            self.send_response(302)
            self.send_header("Location", to)
            self.end_headers()

        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"])).decode()
            found = issuer.token({name: values[0] for name, values in parse_qs(text).items()})
            self._answer(200 if found else 400, found or {"error": "invalid_grant"})

        def _answer(self, status: int, body: object) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Access-Control-Allow-Origin", "*")
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            pass

    with at_a_port(Handler) as url:
        yield url


def settings_at(url: str) -> dict[str, str]:
    """What the application is told of the issuer."""
    return {
        "LEFTFOLD_SIGN_IN": f"{url}/authorize",
        "LEFTFOLD_SIGN_IN_TOKEN": f"{url}/token",
        "LEFTFOLD_CONSOLE": CLIENT,
    }
