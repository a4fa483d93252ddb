"""The stacks that outlive the application: the stage's and the truth's, with all that they keep.

A new table is one line in `TABLES`, in the stack that it must live as long as, and its name in
chalicelib/leftfold/wiring/settings.py unless it is the application's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tools.resources.permissions import NAMED, Json

Owner = Literal["stage", "truth", "application"]


@dataclass(frozen=True)
class Table:
    """A DynamoDB table: its keys, what its stream shows, the attribute by which items expire.

    A key is text, or a number where it begins with "#". A table without *backups* is one from
    which an item can be deleted for good.
    """

    key: str
    sort: str = ""
    stream: str = ""
    expires: str = ""
    backups: bool = True


CHECKPOINTS = Table("reader", "#checkpointKey")
PARKED = Table("reader", "aggregateId")
TABLES: Mapping[Owner, Mapping[str, Table]] = {
    "stage": {
        "effects": Table("policy", "step"),
        # A backup would keep the keys of forgotten subjects.
        "subjects": Table("subject", "part", backups=False),
    },
    "truth": {
        "events": Table("aggregateId", "#sequenceNumber", stream="NEW_IMAGE"),
        "log": Table("log", "#firstPosition", stream="NEW_IMAGE"),
        "bodies": Table("block", "hash"),
        "streams": Table("aggregateId"),
        "policy-checkpoints": CHECKPOINTS,
        "policy-parked": PARKED,
    },
    "application": {"view-checkpoints": CHECKPOINTS, "view-parked": PARKED},
}
TABLE_NAMES = frozenset(name for tables in TABLES.values() for name in tables)
# The rows of a view, whose deleted rows expire by themselves.
DOCUMENTS = Table("key", expires="purgeAt")
# What nothing can rebuild stays when its stack goes.
KEPT: Json = {"DeletionPolicy": "RetainExceptOnCreate", "UpdateReplacePolicy": "Retain"}

STAGE: Json = {
    "Type": "String",
    "Description": "The stage's name, with which the names of its resources begin",
}
TRUTH: Json = {
    "Type": "String",
    "Description": "The truth's name, with which the names of its resources begin",
}
IS_PROTECTED: Json = {
    "Type": "String",
    "Default": "true",
    "AllowedValues": ["true", "false"],
    "Description": "Whether tables refuse to be deleted",
}


def table_id(name: str) -> str:
    """The logical id of a table: EventsTable for events."""
    return f"{''.join(part.capitalize() for part in name.split('-'))}Table"


def table(name: str, made: Table, *, kept: bool) -> Json:
    """A table; one that is *kept* cannot be deleted by mistake."""
    keys = [(key, kind) for key, kind in ((made.key, "HASH"), (made.sort, "RANGE")) if key]
    properties: Json = {
        "TableName": {"Fn::Sub": NAMED(name)},
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": key.lstrip("#"), "AttributeType": "N" if key[0] == "#" else "S"}
            for key, _ in keys
        ],
        "KeySchema": [{"AttributeName": key.lstrip("#"), "KeyType": kind} for key, kind in keys],
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": made.backups},
        "SSESpecification": {"SSEEnabled": True},
    }
    if made.stream:
        properties["StreamSpecification"] = {"StreamViewType": made.stream}
    if made.expires:
        properties["TimeToLiveSpecification"] = {"AttributeName": made.expires, "Enabled": True}
    if kept:
        properties["DeletionProtectionEnabled"] = {"Fn::If": ["IsProtected", True, False]}
    return {"Type": "AWS::DynamoDB::Table", **(KEPT if kept else {}), "Properties": properties}


def tables_of(owner: Owner) -> Json:
    """The tables of a stack by their logical ids."""
    kept = owner != "application"
    return {table_id(name): table(name, made, kept=kept) for name, made in TABLES[owner].items()}


def stage_template() -> Json:
    """What outlives every truth: the ledger of effects, and the keys of personal data."""
    return {
        "Parameters": {"Stage": STAGE, "IsProtected": IS_PROTECTED},
        "Conditions": {"IsProtected": {"Fn::Equals": [{"Ref": "IsProtected"}, "true"]}},
        "Resources": {
            **tables_of("stage"),
            "PersonalDataKey": personal_data_key(),
            "PersonalDataKeyAlias": {
                "Type": "AWS::KMS::Alias",
                "Properties": {
                    "AliasName": {"Fn::Sub": f"alias/{NAMED('personal-data')}"},
                    "TargetKeyId": {"Ref": "PersonalDataKey"},
                },
            },
        },
        "Outputs": {
            "Stage": {"Value": {"Ref": "Stage"}},
            "PersonalDataKey": {"Value": attribute("PersonalDataKey", "Arn")},
        },
    }


def truth_template() -> Json:
    """What cannot be rebuilt, the bus that carries it, and the domain that is searched."""
    return {
        "Parameters": {"Stage": STAGE, "Truth": TRUTH, "IsProtected": IS_PROTECTED},
        "Conditions": {"IsProtected": {"Fn::Equals": [{"Ref": "IsProtected"}, "true"]}},
        "Resources": {
            **tables_of("truth"),
            "ArchiveBucket": archive_bucket(),
            "ArchiveBucketPolicy": archive_policy(),
            "BusStream": bus_stream(),
            "Search": search_domain(),
        },
        "Outputs": {
            name: {"Value": value}
            for name, value in {
                "Truth": {"Ref": "Truth"},
                "EventsStream": attribute("EventsTable", "StreamArn"),
                "LogStream": attribute("LogTable", "StreamArn"),
                "ArchiveBucket": {"Ref": "ArchiveBucket"},
                "SearchEndpoint": attribute("Search", "DomainEndpoint"),
                "SearchArn": attribute("Search", "Arn"),
            }.items()
        },
    }


def attribute(resource: str, name: str) -> Any:
    """A reference to an attribute of a resource of the same stack."""
    return {"Fn::GetAtt": [resource, name]}


def personal_data_key() -> Json:
    """The key of KMS that wraps the keys of personal data."""
    account = {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}
    return {
        "Type": "AWS::KMS::Key",
        **KEPT,
        "Properties": {
            "Description": {"Fn::Sub": "Wraps the keys of personal data of ${Stage}"},
            "EnableKeyRotation": True,
            "KeyPolicy": {
                "Version": "2012-10-17",
                "Statement": [
                    # What a function may do with the key is in its own permissions.
                    {
                        "Effect": "Allow",
                        "Principal": {"AWS": account},
                        "Action": "kms:*",
                        "Resource": "*",
                    }
                ],
            },
        },
    }


def archive_bucket() -> Json:
    """The archive. Bucket names are the world's, so its name has account and region."""
    return {
        "Type": "AWS::S3::Bucket",
        **KEPT,
        "Properties": {
            "BucketName": {"Fn::Sub": f"{NAMED('archive')}-${{AWS::AccountId}}-${{AWS::Region}}"},
            "BucketEncryption": {
                "ServerSideEncryptionConfiguration": [
                    {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
                ]
            },
            "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
            "PublicAccessBlockConfiguration": {
                "BlockPublicAcls": True,
                "BlockPublicPolicy": True,
                "IgnorePublicAcls": True,
                "RestrictPublicBuckets": True,
            },
            "VersioningConfiguration": {"Status": "Enabled"},
        },
    }


def archive_policy() -> Json:
    """Nobody reads or writes the archive without TLS, overwrites an object, or deletes a version.

    A put is let through only if it says `If-None-Match: *`, as the archiver's puts do.
    """
    everything = {"Fn::Sub": "${ArchiveBucket.Arn}/*"}
    bucket = attribute("ArchiveBucket", "Arn")

    def deny(name: str, actions: Any, resources: Any, **condition: Any) -> Json:
        refused = {"Sid": name, "Effect": "Deny", "Principal": "*", "Action": actions}
        return {**refused, "Resource": resources, **condition}

    return {
        "Type": "AWS::S3::BucketPolicy",
        "Properties": {
            "Bucket": {"Ref": "ArchiveBucket"},
            "PolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    deny(
                        "TlsOnly",
                        "s3:*",
                        [bucket, everything],
                        Condition={"Bool": {"aws:SecureTransport": "false"}},
                    ),
                    deny(
                        "NoOverwrites",
                        "s3:PutObject",
                        everything,
                        Condition={
                            "Null": {"s3:if-none-match": "true"},
                            "Bool": {"s3:ObjectCreationOperation": "true"},
                        },
                    ),
                    deny("NoDeletes", ["s3:DeleteObject", "s3:DeleteObjectVersion"], everything),
                ],
            },
        },
    }


def bus_stream() -> Json:
    """The bus."""
    return {
        "Type": "AWS::Kinesis::Stream",
        "Properties": {
            "Name": {"Fn::Sub": NAMED("bus")},
            "ShardCount": 1,
            "RetentionPeriodHours": 24,
            "StreamEncryption": {"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"},
        },
    }


def search_domain() -> Json:
    """The domain of OpenSearch."""
    return {
        "Type": "AWS::OpenSearchService::Domain",
        "Properties": {
            "EngineVersion": "OpenSearch_3.1",
            "ClusterConfig": {"InstanceType": "t3.small.search", "InstanceCount": 1},
            "EBSOptions": {"EBSEnabled": True, "VolumeType": "gp3", "VolumeSize": 10},
            "EncryptionAtRestOptions": {"Enabled": True},
            "NodeToNodeEncryptionOptions": {"Enabled": True},
            "DomainEndpointOptions": {
                "EnforceHTTPS": True,
                "TLSSecurityPolicy": "Policy-Min-TLS-1-2-2019-07",
            },
        },
    }
