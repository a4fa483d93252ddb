"""The end of a stage: what goes, what stays, and what is refused."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Self

import pytest

from tests.contracts import moto
from tools.applications import application
from tools.cloud import Cloud, DeployError
from tools.deploy import applications
from tools.destroy import destroy_truth
from tools.stacks import Stacks
from tools.stages import stage
from tools.tables import create_tables

DEV = stage("dev")
OTHER = replace(DEV, name="dev2")


class Pools:
    """User pools, by id; moto has them only with a package more."""

    def __init__(self) -> None:
        self.names = {f"id-{each.name}": f"{each.prefix}-users" for each in (DEV, OTHER)}

    def get_paginator(self, _operation: str) -> Self:
        return self

    def paginate(self, **_: int) -> list[dict[str, Any]]:
        return [{"UserPools": [{"Id": key, "Name": name}]} for key, name in self.names.items()]

    def delete_user_pool(self, *, UserPoolId: str) -> None:  # noqa: N803 - AWS's name
        del self.names[UserPoolId]


class Account(Cloud):
    """An account whose user pools are here."""

    def __init__(self) -> None:
        super().__init__()
        self.pools = Pools()

    def client(self, service: str) -> Any:
        return self.pools if service == "cognito-idp" else super().client(service)


def kept_by(cloud: Account) -> dict[str, Any]:
    """What nothing can make again, by kind."""
    return {
        "tables": cloud.client("dynamodb").list_tables()["TableNames"],
        "buckets": [b["Name"] for b in cloud.client("s3").list_buckets()["Buckets"]],
        "pools": list(cloud.pools.names.values()),
    }


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """An account in which a stage has all that it keeps, and another stage some of it."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")
    monkeypatch.setenv("AWS_DEFAULT_REGION", moto.REGION)
    with moto.in_process():
        made = Account()
        dynamodb, s3 = made.client("dynamodb"), made.client("s3")
        create_tables(dynamodb, DEV.prefix)
        events = dynamodb.describe_table(TableName=f"{DEV.prefix}-events")["Table"]
        dynamodb.create_table(
            TableName=f"{OTHER.prefix}-events",
            KeySchema=events["KeySchema"],
            AttributeDefinitions=events["AttributeDefinitions"],
            BillingMode="PAY_PER_REQUEST",
        )
        for each in (DEV, OTHER):
            bucket = f"{each.prefix}-archive-{made.account}-{made.region}"
            where = {"LocationConstraint": moto.REGION}
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=where)
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
            for body in (b"1", b"2"):
                s3.put_object(Bucket=bucket, Key="epochs/a", Body=body)
            s3.delete_object(Bucket=bucket, Key="epochs/a")
        yield made


def destroy(cloud: Account) -> None:
    destroy_truth(DEV, Stacks(cloud, lambda _: None))


@pytest.mark.slow
def test_a_truth_goes_with_all_that_it_kept_and_no_other_does(cloud: Account) -> None:
    """Also what a run that was killed has left of it; and a run more does nothing."""
    before = kept_by(cloud)
    cloud.client("dynamodb").delete_table(TableName="leftfold-dev-applications")
    destroy(cloud)
    left = kept_by(cloud)
    assert {"leftfold-dev-events", "leftfold-dev-effects"} <= {*before["tables"]}
    # The application's tables are not the truth's to delete.
    assert {"leftfold-dev2-events", "leftfold-dev-view-checkpoints"} <= {*left["tables"]}
    assert not {"leftfold-dev-events", "leftfold-dev-effects"} & {*left["tables"]}
    for kind in ("buckets", "pools"):
        assert left[kind] == [name for name in before[kind] if "-dev2-" in name]
    destroy(cloud)
    assert kept_by(cloud) == left


@pytest.mark.slow
def test_a_truth_on_which_an_application_stands_is_not_destroyed(cloud: Account) -> None:
    applications(DEV.prefix, cloud).register(application("leftfold-dev--green", {}))
    before = kept_by(cloud)
    with pytest.raises(DeployError, match="applications stand on this truth: leftfold-dev--green"):
        destroy(cloud)
    assert kept_by(cloud) == before
