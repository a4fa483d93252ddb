"""Tokens that must not be accepted, each by what is wrong with it."""

import base64
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import jwt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.issuer import AUDIENCE, FOR_EVER, ISSUER, NAME, SUBJECT, Issuer, new_key

NOW = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
GOOD: Mapping[str, Any] = {
    "iss": NAME,
    "sub": SUBJECT,
    "client_id": AUDIENCE,
    "token_use": "access",
    "scope": "leftfold/commands leftfold/queries leftfold/feed leftfold/operate",
    "exp": FOR_EVER,
    "tenant": "main",
}
STRANGER = new_key()


def changed(**claims: Any) -> str:
    """A good token with other claims; one that is None is left out."""
    made = {**GOOD, **claims}
    return ISSUER.sign({name: claim for name, claim in made.items() if claim is not None})


def unsigned(header: Mapping[str, Any]) -> str:
    """A token without a signature, as "alg": "none" has it."""
    return (
        ".".join(
            base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
            for part in (header, dict(GOOD))
        )
        + "."
    )


def signed_by(key: Any, algorithm: str, **header: Any) -> str:
    """A good token's claims, signed by another key."""
    return jwt.encode(dict(GOOD), key, algorithm, headers={"kid": "key-1", **header})


def with_the_public_key(**header: Any) -> str:
    """HS256 with the issuer's public key as the secret, which PyJWT itself refuses to sign."""
    public = ISSUER.keys["key-1"].public_key()
    secret = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    algorithm = jwt.get_algorithm_by_name("HS256")
    head, body = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in ({"alg": "HS256", "kid": "key-1", **header}, dict(GOOD))
    )
    signature = algorithm.sign(head + b"." + body, secret)
    return b".".join((head, body, base64.urlsafe_b64encode(signature).rstrip(b"="))).decode()


def tampered() -> str:
    """A good token whose tenant was changed after it was signed."""
    head, _, signature = changed().split(".")
    body = base64.urlsafe_b64encode(json.dumps({**GOOD, "tenant": "other"}).encode())
    return ".".join((head, body.decode().rstrip("="), signature))


def with_a_key_of_its_own() -> str:
    """A token that brings the key with which it was signed."""
    stranger = Issuer({"key-1": STRANGER})
    (jwk,) = stranger.published()["keys"]
    return signed_by(STRANGER, "ES256", jwk=jwk, jku="https://attacker.test/jwks.json")


# By what is wrong; each is refused with 401 token-invalid.
FORGED: dict[str, Callable[[], str]] = {
    "no token at all": lambda: "x",
    "empty parts": lambda: "..",
    "not yet valid": lambda: changed(nbf=NOW + 31),
    "issued in the future": lambda: changed(iat=NOW + 31),
    "expiry is text": lambda: changed(exp="2200-01-01"),
    "expiry is true": lambda: changed(exp=True),
    "no expiry": lambda: changed(exp=None),
    "another issuer": lambda: changed(iss="https://issuer.test/another-stage"),
    "an issuer that begins alike": lambda: changed(iss=f"{NAME}.attacker.test"),
    "no issuer": lambda: changed(iss=None),
    "a list of issuers": lambda: changed(iss=[NAME]),
    "another audience": lambda: changed(aud="another-api"),
    "another client": lambda: changed(client_id="another-app"),
    "an audience that begins alike": lambda: changed(aud=f"{AUDIENCE}-2"),
    "no audience": lambda: changed(client_id=None, azp=AUDIENCE),
    "audience is an object": lambda: changed(aud={AUDIENCE: 1}),
    "an identity token": lambda: changed(token_use="id"),  # noqa: S106 - a claim
    "a refresh token": lambda: changed(token_use="refresh"),  # noqa: S106 - a claim
    "no subject": lambda: changed(sub=None),
    "an empty subject": lambda: changed(sub=""),
    "a subject of the engine's own": lambda: changed(sub="policy:notify"),
    "another subject of the engine's own": lambda: changed(sub="deadline:expire"),
    "a subject that breaks lines": lambda: changed(sub="ada\r\nSet-Cookie: a=b"),
    "a subject of 256 characters": lambda: changed(sub="a" * 256),
    "a client that breaks lines": lambda: changed(client_id="a\nb", aud=AUDIENCE),
    "alg none": lambda: unsigned({"alg": "none", "kid": "key-1"}),
    "alg None in capitals": lambda: unsigned({"alg": "NONE", "kid": "key-1"}),
    "no alg": lambda: unsigned({"kid": "key-1"}),
    "HS256 with the public key": with_the_public_key,
    "HS256 in the name of ES256": lambda: with_the_public_key(alg="ES256"),
    "another key of this id": lambda: signed_by(STRANGER, "ES256"),
    "an unknown key": lambda: signed_by(STRANGER, "ES256", kid="key-2"),
    "a key id that is a path": lambda: signed_by(STRANGER, "ES256", kid="../../dev/null"),
    "a key of its own": with_a_key_of_its_own,
    "changed after it was signed": tampered,
    "another kind of token": lambda: ISSUER.sign(GOOD, typ="logout+jwt"),
    "a critical header that nobody knows": lambda: ISSUER.sign(GOOD, crit=["b64x"], b64x=False),
    "9 KB": lambda: changed(padding="x" * 9_000),
}
