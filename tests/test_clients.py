"""How long clients of AWS wait, and how often they ask."""

import pytest

from chalicelib.leftfold.wiring.clients import client


@pytest.mark.parametrize("service", ["dynamodb", "kinesis", "lambda", "s3"])
def test_a_client_gives_up_before_api_gateway_does(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """API Gateway answers for us after 29 seconds, and then nobody says what happened."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    config = client(service).meta.config  # type: ignore[arg-type]
    assert (config.connect_timeout, config.read_timeout) == (1, 3)
    # "standard" waits between attempts; boto's default asks five times.
    assert config.retries["mode"] == "standard"
    assert config.retries["total_max_attempts"] == 3
    assert 3 * (config.connect_timeout + config.read_timeout) < 29


def test_a_client_has_a_connection_for_each_thread_that_uses_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    assert client("dynamodb").meta.config.max_pool_connections == 32
