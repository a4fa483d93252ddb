"""DynamoDB and S3 by moto, in this process: the adapters' requests and answers without an engine.

moto checks every request against the service's model, and evaluates conditions and updates. It
knows neither contention nor eventual consistency, it counts no capacity, and it is not safe among
threads. The contracts' tests that race run on the engines alone.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

import boto3
from moto import mock_aws

REGION = "eu-central-1"


@contextmanager
def in_process() -> Iterator[None]:
    """Clients that are made inside meet moto, and find nothing that an earlier test left."""
    with mock_aws():
        yield


@cache
def client(service: Any) -> Any:
    """A client of moto, made once: that takes longer than most tests."""
    return boto3.client(
        service,
        region_name=REGION,
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106 - moto takes any
    )


def suite_of(contract: ModuleType, *, without: Collection[str] = ()) -> dict[str, object]:
    """All names of a contract's module, less the tests that need an engine or race, and those
    of *without*, which moto answers otherwise than DynamoDB.
    """
    names = {name: value for name, value in vars(contract).items() if not name.startswith("__")}
    tests = {name: value for name, value in names.items() if name.startswith("test_")}
    assert tests.keys() >= set(without)
    left_out = {name for name, test in tests.items() if needs_more(test)} | set(without)
    return {name: value for name, value in names.items() if name not in left_out}


def needs_more(test: Any) -> bool:
    """Whether a test races, or asks for an engine by itself."""
    code = test.__code__
    asked = code.co_varnames[: code.co_argcount]
    return "ThreadPoolExecutor" in code.co_names or any("dynamo_" in name for name in asked)
