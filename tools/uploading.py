"""Code and templates on their way to CloudFormation, through a bucket of the account."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from tools.cloud import Cloud


@dataclass(frozen=True)
class Uploads:
    """What is uploaded for the stage *stage*. An object is named by a hash of its content."""

    cloud: Cloud
    stage: str

    def template(self, template: dict[str, Any], code: str = "") -> str:
        """Brings a template, whose functions have the uploaded *code*, to S3; its URL."""
        for resource in template["Resources"].values():
            if resource["Type"] == "AWS::Serverless::Function":
                resource["Properties"]["CodeUri"] = {"Bucket": self._bucket(), "Key": code}
        body = json.dumps(template).encode()
        key = f"{self.stage}/{hashlib.sha256(body).hexdigest()}.json"
        self._s3.put_object(Bucket=self._bucket(), Key=key, Body=body)
        return f"{self._s3.meta.endpoint_url}/{self._bucket()}/{key}"

    def code(self, zipped: Path, fingerprint: str) -> str:
        """Brings a zip file to S3, unless it is there already; its key."""
        key = f"{self.stage}/{fingerprint}.zip"
        # An object that is there already is whole, because its name is a hash of its content.
        if not self._s3.list_objects_v2(Bucket=self._bucket(), Prefix=key).get("KeyCount"):
            self._s3.upload_file(str(zipped), self._bucket(), key)
        return key

    def make_bucket(self) -> None:
        """Makes the bucket, if the account has none yet."""
        try:
            self._s3.head_bucket(Bucket=self._bucket())
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
            region = self._s3.meta.region_name
            # us-east-1 is the one region that may not be named.
            where = {"CreateBucketConfiguration": {"LocationConstraint": region}}
            given = {} if region == "us-east-1" else where
            self._s3.create_bucket(Bucket=self._bucket(), **given)

    @property
    def _s3(self) -> Any:
        return self.cloud.client("s3")

    def _bucket(self) -> str:
        return f"leftfold-{self.cloud.account}-{self._s3.meta.region_name}"
