"""Clients of AWS services."""

from threading import Lock
from typing import Any, Literal

# boto3 makes clients from one session, which is for one thread at a time.
_making = Lock()


def client(service: Literal["dynamodb", "kinesis", "lambda", "s3", "ses"]) -> Any:
    """A client that gives up in time for its caller to answer."""
    import boto3
    from botocore.config import Config

    # Who asks SES twice sends twice: it is asked once, and its answer waited for.
    read_timeout, attempts = (20, 1) if service == "ses" else (3, 3)
    config = Config(
        connect_timeout=1,
        read_timeout=read_timeout,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=32,
    )
    with _making:
        return boto3.client(service, config=config)
