"""AWS, or what stands in for it: clients, and failures in words for people."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
)

LOCAL_REGION = "us-east-1"
# A stand-in on this machine answers at once or is not running, so a few short attempts are enough.
LOCAL = Config(retries={"mode": "standard", "total_max_attempts": 3})


class DeployError(Exception):
    """An error in one line: what went wrong and the cure."""


class Cloud:
    """AWS, or at *endpoint_url* what stands in for it."""

    def __init__(
        self,
        endpoint_url: str | None = None,
        alarm_topic: str | None = None,
        mail_from: str | None = None,
        repairs: str | None = None,
    ) -> None:
        self.endpoint_url = endpoint_url
        self._told = {"AlarmTopic": alarm_topic, "MailFrom": mail_from, "Repairs": repairs}
        self._session = boto3.Session() if endpoint_url is None else local_session()

    def client(self, service: str) -> Any:
        """A client of any service."""
        return self._session.client(  # type: ignore[call-overload]
            service, endpoint_url=self.endpoint_url, config=LOCAL if self.endpoint_url else None
        )

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters that are given; a stack keeps what it has of the others."""
        scheme = "http" if self.endpoint_url else "https"
        return {
            "SearchScheme": scheme,
            "CognitoEndpoint": self.endpoint_url or "",
            **{name: value for name, value in self._told.items() if value is not None},
        }

    @property
    def credentials(self) -> Any:
        """The credentials of the clients. Raises DeployError if there are none."""
        found = self._session.get_credentials()
        if found is None:
            raise DeployError("no AWS credentials; set AWS_PROFILE to a role that may call the API")
        return found

    @property
    def region(self) -> str:
        """The region of the clients."""
        name: str = self.client("sts").meta.region_name
        return name

    @property
    def partition(self) -> str:
        """The part of AWS that the region is in."""
        name: str = self.client("sts").meta.partition
        return name

    @cached_property
    def account(self) -> str:
        """The number of the account."""
        number: str = self.client("sts").get_caller_identity()["Account"]
        return number

    def check(self) -> None:
        """Raises DeployError if there is no answer, or there are no credentials that AWS accepts."""
        with explained(self):
            _ = self.account

    def api_url(self, outputs: dict[str, str]) -> str:
        """The URL of the stack's API."""
        public = outputs["EndpointURL"].rstrip("/")
        if self.endpoint_url is None:
            return public
        stage = urlsplit(public).path
        api = outputs["RestAPIId"]
        return f"{self.endpoint_url}/restapis/{api}{stage}/_user_request_"


def local_session() -> boto3.Session:
    """Credentials that MiniStack accepts."""
    return boto3.Session(
        region_name=LOCAL_REGION,
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106 - engines take any
    )


@contextmanager
def explained(cloud: Cloud) -> Iterator[None]:
    """Turns AWS's failures into one line with the cure."""
    try:
        yield
    except EndpointConnectionError as error:
        where = cloud.endpoint_url or "AWS"
        raise DeployError(f"{where} does not answer; is it running, and the network up?") from error
    except NoCredentialsError as error:
        raise DeployError("no AWS credentials; set AWS_PROFILE, or give --endpoint-url") from error
    except NoRegionError as error:
        raise DeployError("no AWS region; set AWS_DEFAULT_REGION") from error
    except ClientError as error:
        raise DeployError(f"AWS refused {error.operation_name}: {error}") from error
    except BotoCoreError as error:
        raise DeployError(f"AWS: {error}") from error
