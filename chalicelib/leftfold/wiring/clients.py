"""Clients of AWS services."""

from threading import Lock
from typing import Any, Literal

from chalicelib.leftfold.wiring.time_left import check_time

# boto3 makes clients from one session, which only one thread at a time may use.
_making = Lock()


def client(
    service: Literal["cloudwatch", "dynamodb", "events", "kinesis", "kms", "lambda", "s3", "ses"],
) -> Any:
    """A client whose time-outs leave its caller the time to answer."""
    import boto3
    from botocore.config import Config

    # SES sends an e-mail again for each retry, so it gets one attempt and more time to answer.
    read_timeout, attempts = (20, 1) if service == "ses" else (3, 3)
    config = Config(
        connect_timeout=1,
        read_timeout=read_timeout,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=32,
    )
    with _making:
        made = boto3.client(service, config=config)
    made.meta.events.register("before-send", check_time)
    return made
