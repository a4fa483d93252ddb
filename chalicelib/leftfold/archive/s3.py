"""The archive on S3: objects that are written once."""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from chalicelib.leftfold.store.dynamo import translated
from chalicelib.leftfold.store.ports import Unavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class S3Archive:
    """`Archive` in one bucket. *connect* makes the client when it is first needed, because most
    functions never use the archive.
    """

    def __init__(self, connect: Callable[[], "S3Client"], bucket: str) -> None:
        self._connect = connect
        self._bucket = bucket

    @cached_property
    def _client(self) -> "S3Client":
        return self._connect()

    def put(self, key: str, data: bytes) -> bool:
        with translated():
            try:
                self._client.put_object(Bucket=self._bucket, Key=key, Body=data, IfNoneMatch="*")
            except ClientError as error:
                code = error.response["Error"]["Code"]
                # Another writer is at the same key: which of the two wins is not known yet.
                if code == "ConditionalRequestConflict":
                    raise Unavailable(code) from error
                if code != "PreconditionFailed":
                    raise
                return False
        return True

    def get(self, key: str) -> bytes | None:
        with translated():
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=key)
            except ClientError as error:
                if error.response["Error"]["Code"] != "NoSuchKey":
                    raise
                return None
            data: bytes = answer["Body"].read()
        return data
