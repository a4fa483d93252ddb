"""The contract of archives, kept by the S3 adapter's requests, on moto."""

from collections.abc import Iterator

import pytest

from chalicelib.leftfold.archive.s3 import S3Archive
from tests.contracts import moto, test_archive

globals().update(moto.suite_of(test_archive))


@pytest.fixture
def archive() -> Iterator[S3Archive]:
    with moto.in_process():
        client = moto.client("s3")
        where = {"LocationConstraint": moto.REGION}
        client.create_bucket(Bucket="archive", CreateBucketConfiguration=where)
        yield S3Archive(lambda: client, "archive")
