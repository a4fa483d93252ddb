"""Requests of the commands, signed as AWS's documentation says."""

import hashlib
import hmac
from functools import reduce

import httpx
import pytest

from tools.cloud import DeployError
from tools.deploy import Deployed
from tools.signing_in import Signed, of_deployment, token

SIGNED = Deployed("leftfold-dev", "https://api.test/api", {"Access": "roles"})


def sent(method: str, url: str, body: bytes = b"") -> httpx.Request:
    """The request that a command sends to a deployment whose requests are signed."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200)

    auth = of_deployment(SIGNED, "http://127.0.0.1:1")
    assert isinstance(auth, Signed)
    with httpx.Client(transport=httpx.MockTransport(answer), auth=auth) as client:
        client.request(method, url, content=body, headers={"Content-Type": "application/json"})
    return seen[0]


def signature(request: httpx.Request, path: str, query: str, body: bytes) -> str:
    """The signature of Version 4, from its steps in AWS's documentation."""
    at = request.headers["X-Amz-Date"]
    names = ("content-type", "host", "x-amz-date")
    canonical = [
        request.method,
        path,
        query,
        *(f"{name}:{request.headers[name]}" for name in names),
        "",
        ";".join(names),
        hashlib.sha256(body).hexdigest(),
    ]
    scope = (at[:8], "us-east-1", "execute-api", "aws4_request")
    digest = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", at, "/".join(scope), digest])
    key = reduce(lambda made, part: hmac.digest(made, part.encode(), "sha256"), scope, b"AWS4local")
    return hmac.new(key, text.encode(), "sha256").hexdigest()


def test_a_command_is_signed_with_its_path_its_query_and_its_body() -> None:
    body = b'{"amount": 1}'
    request = sent("POST", "https://api.test/api/accounts/a%C3%A9?b=2&a=1%20x", body)
    said = request.headers["Authorization"]
    assert said.startswith("AWS4-HMAC-SHA256 Credential=local/")
    assert "SignedHeaders=content-type;host;x-amz-date" in said
    # A path is encoded once more than it is sent; the parameters are in order.
    expected = signature(request, "/api/accounts/a%25C3%25A9", "a=1%20x&b=2", body)
    assert said.endswith(f"Signature={expected}")
    assert request.content == body


def test_there_is_no_token_for_a_deployment_whose_requests_are_signed() -> None:
    with pytest.raises(DeployError, match="takes no tokens: requests are signed as one of its"):
        token(SIGNED, "http://127.0.0.1:1")
