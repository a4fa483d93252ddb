"""A client of a search domain: who signs its requests, and who repeats them."""

import pytest

from chalicelib.leftfold.projection.search import connect

DOMAIN = "https://search-bank.eu-west-1.es.example"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")


def test_requests_to_a_domain_of_aws_are_signed_for_it_and_its_region() -> None:
    with connect(DOMAIN) as client:
        signer = client.transport.get_connection().http_auth
        headers = signer("GET", f"{DOMAIN}/_cluster/health", None, {})
    assert "Credential=AKIAEXAMPLE/" in headers["Authorization"]
    assert "/eu-west-1/es/aws4_request" in headers["Authorization"]


def test_requests_to_a_cluster_of_this_machine_are_not_signed() -> None:
    with connect("http://127.0.0.1:9200") as client:
        assert client.transport.get_connection().http_auth is None


@pytest.mark.parametrize("url", [DOMAIN, "http://127.0.0.1:9200"])
def test_the_client_repeats_nothing_and_gives_up_after_ten_seconds(url: str) -> None:
    """Only the caller knows which requests may be repeated."""
    with connect(url) as client:
        assert client.transport.max_retries == 0
        assert client.transport.get_connection().timeout == 10
