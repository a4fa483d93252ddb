"""Tokens that must not be accepted, each by what is wrong with it."""

import base64
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
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
GOOD_HEADER = '"alg":"ES256","kid":"key-1"'
# Zeros, which some libraries have taken for the signature of everything (CVE-2022-21449).
ZEROS = bytes(64)


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


def written(header: str, claims: str | None = None, signature: bytes = b"") -> str:
    """A token of these texts, which need not be JSON. Nobody has signed it."""
    parts = header.encode(), (claims or json.dumps(dict(GOOD))).encode(), signature
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def of_claims(claims: bytes) -> str:
    """What the issuer has signed, though it is no set of claims."""
    return jwt.PyJWS().encode(claims, ISSUER.keys["key-1"], "ES256", headers={"kid": "key-1"})


def with_the_signature_in_der() -> str:
    """A good token whose signature is written as X.509 writes it, and not as JWS does."""
    text = changed()
    head, _, signature = text.rpartition(".")
    pair = base64.urlsafe_b64decode(f"{signature}==")
    half = len(pair) // 2
    numbers = (int.from_bytes(pair[:half]), int.from_bytes(pair[half:]))
    return f"{head}.{base64.urlsafe_b64encode(encode_dss_signature(*numbers)).decode().rstrip('=')}"


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


# Texts that would be a file, an address, a query or another key, if anybody looked them up.
KEY_IDS = (
    *("", "/dev/null", "file:///dev/null", "https://attacker.test/jwks.json", "//attacker.test"),
    *("key-1\0", "key-1\n", "KEY-1", "key-1' OR '1'='1", "__class__", "\uff4bey-1", "k" * 4_000),
)

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
    # Situations of public reports: see docs/access.md.
    "an expiry that no clock shows": lambda: changed(exp=10**400),
    "an expiry that is infinite": lambda: changed(exp=float("inf")),
    "an expiry that is no number": lambda: changed(exp=float("nan")),
    "a beginning that no clock shows": lambda: changed(nbf=-(10**400)),
    "a beginning that is null": lambda: ISSUER.sign({**GOOD, "nbf": None}),
    "an audience of nobody": lambda: changed(aud=[]),
    "an audience that is null": lambda: ISSUER.sign({**GOOD, "aud": None}),
    "an audience within a list within a list": lambda: changed(aud=[[AUDIENCE]]),
    "a list of kinds": lambda: changed(token_use=["access", "id"]),
    "a subject that is a number": lambda: changed(sub=7),
    "a list of subjects": lambda: changed(sub=["ada"]),
    "a subject that looks alike": lambda: changed(sub="\u0430da"),
    "a client that is an object": lambda: changed(client_id={"a": 1}, aud=AUDIENCE),
    "claims that are a list": lambda: of_claims(b"[1]"),
    "claims that are a number": lambda: of_claims(b"7"),
    "claims that are no UTF-8": lambda: of_claims(b'{"sub":"\xff"}'),
    "claims within claims": lambda: of_claims(b'{"x":' + b"[" * 2_500 + b"]" * 2_500 + b"}"),
    "alg twice": lambda: written(f'{{{GOOD_HEADER},"alg":"none"}}'),
    "alg twice, the other way": lambda: written(f'{{"alg":"none",{GOOD_HEADER}}}'),
    "alg in small letters": lambda: written('{"alg":"es256","kid":"key-1"}', None, ZEROS),
    "a list of algs": lambda: written('{"alg":["ES256"],"kid":"key-1"}', None, ZEROS),
    "another alg for this key": lambda: written('{"alg":"ES384","kid":"key-1"}', None, bytes(96)),
    "a signature of zeros": lambda: written(f"{{{GOOD_HEADER}}}", None, ZEROS),
    "a signature in DER": with_the_signature_in_der,
    "no signature": lambda: changed().rpartition(".")[0] + ".",
    "half a signature": lambda: changed()[:-40],
    "the payload is elsewhere": lambda: ISSUER.sign(GOOD, crit=["b64"], b64=False),
    "a critical header that is a claim": lambda: ISSUER.sign(GOOD, crit=["exp"], exp=FOR_EVER),
    "no critical header named": lambda: ISSUER.sign(GOOD, crit=[]),
    "four parts": lambda: f"{changed()}.x",
    "five parts, as if encrypted": lambda: f"{changed()}.x.y",
    "a header that is a list": lambda: written("[1]"),
    "a header that is null": lambda: written("null"),
    "a header within headers": lambda: written(f'{{{GOOD_HEADER},"x":{"[" * 5_000}'),
    "a header with too long a number": lambda: written(f'{{{GOOD_HEADER},"x":{"9" * 5_000}}}'),
    "a list of key ids": lambda: written('{"alg":"ES256","kid":["key-1"]}', None, ZEROS),
    "half a character for a key id": lambda: written(
        '{"alg":"ES256","kid":"\\ud800"}', None, ZEROS
    ),
    **{
        f"a key id that is {kid[:16]!r}": partial(signed_by, STRANGER, "ES256", kid=kid)
        for kid in KEY_IDS
    },
    **{
        f"a key by {name}": partial(signed_by, STRANGER, "ES256", **{name: where})
        for name, where in (
            ("jku", "https://attacker.test/jwks.json"),
            ("x5u", "https://attacker.test/chain.pem"),
            ("x5c", ["MIIB"]),
            ("x5t", "AAAA"),
        )
    },
    "9 KB": lambda: changed(padding="x" * 9_000),
}
