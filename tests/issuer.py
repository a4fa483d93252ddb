"""An issuer of access tokens: its signatures are real, and the app verifies them as it does anywhere."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from chalicelib.leftfold.access.callers import HOUSE, SCOPES, granted

NAME = "https://issuer.test/stage"
AUDIENCE = "client-of-tests"
SETTINGS = {
    "LEFTFOLD_ISSUER": NAME,
    "LEFTFOLD_AUDIENCE": f"{AUDIENCE}, another-client",
    "LEFTFOLD_JWKS": "https://issuer.test/jwks.json",
}
# Beyond every test's clock.
FOR_EVER = int(datetime(2200, 1, 1, tzinfo=UTC).timestamp())
SUBJECT = "ada"


def new_key() -> ec.EllipticCurvePrivateKey:
    """A key pair that takes little time to make."""
    return ec.generate_private_key(ec.SECP256R1())


@dataclass
class Issuer:
    """One issuer, with the key pairs by their ids; the last of them signs."""

    keys: dict[str, ec.EllipticCurvePrivateKey] = field(
        default_factory=lambda: {"key-1": new_key()}
    )
    asked: int = 0

    def published(self) -> Mapping[str, Any]:
        """The JWK set; counts how often it was fetched."""
        self.asked += 1
        return {"keys": [public(name, key) for name, key in self.keys.items()]}

    def token(
        self,
        scopes: Sequence[str] = tuple(map(granted, SCOPES)),
        tenant: str | None = "main",
        **changes: Any,
    ) -> str:
        """A token like Cognito's; *changes* are further claims, those that are None are left out."""
        claims = {
            "iss": NAME,
            "sub": SUBJECT,
            "client_id": AUDIENCE,
            "token_use": "access",
            "scope": " ".join(scopes),
            "exp": FOR_EVER,
            "tenant": tenant,
            **changes,
        }
        return self.sign({name: claim for name, claim in claims.items() if claim is not None})

    def sign(self, claims: Mapping[str, Any], **headers: Any) -> str:
        """*claims*, signed with the newest key."""
        name, key = list(self.keys.items())[-1]
        payload = json.dumps(dict(claims)).encode()
        return jwt.PyJWS().encode(
            payload, key, "ES256", headers={"typ": "JWT", "kid": name, **headers}
        )


def public(name: str, key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    """The public half of a key pair as a JWK."""
    made: dict[str, Any] = json.loads(ECAlgorithm.to_jwk(key.public_key()))
    return {**made, "kid": name, "use": "sig", "alg": "ES256"}


# One for all tests: to make a key pair and a token for each would take longer than most of them.
ISSUER = Issuer()


@cache
def token(tenant: str = "main", *scopes: str) -> str:
    """A token of this tenant, with the scopes of all routes if none is named."""
    return ISSUER.token(scopes or tuple(map(granted, SCOPES)), tenant)


def house_token(tenant: str = "main") -> str:
    """A token of an operator of the house, who has the scopes of all routes."""
    return token(tenant, *map(granted, SCOPES), HOUSE)
