"""The stacks that outlive the application: the stage's and the truth's, with all that they keep.

A new table is one line in `TABLES`, in the stack that it must live as long as, and its name in
chalicelib/leftfold/wiring/settings.py unless it is the application's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tools.resources import access
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
        "control": Table("stage"),
        "effects": Table("policy", "step"),
        "secrets": Table("name"),
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
        "applications": Table("application"),
    },
    "application": {
        "view-checkpoints": CHECKPOINTS,
        "view-parked": PARKED,
        # How many requests each tenant has sent; each count is of use for some seconds.
        "requests": Table("tenant", "#window", expires="expiresAt"),
    },
}
TABLE_NAMES = frozenset(name for tables in TABLES.values() for name in tables)
# The rows of a view, whose deleted rows expire by themselves.
DOCUMENTS = Table("key", expires="purgeAt")
# What nothing can rebuild stays when its stack goes.
KEPT: Json = {"DeletionPolicy": "RetainExceptOnCreate", "UpdateReplacePolicy": "Retain"}


def parameter(says: str, **more: Any) -> Json:
    """A parameter of a template."""
    return {"Type": "String", **more, "Description": says}


def has(name: str) -> Json:
    """The condition that a parameter is not empty."""
    return {"Fn::Not": [{"Fn::Equals": [{"Ref": name}, ""]}]}


STAGE = parameter("The stage's name, with which the names of its resources begin")
TRUTH = parameter("The truth's name, with which the names of its resources begin")
IS_PROTECTED = parameter(
    "Whether tables refuse to be deleted", Default="true", AllowedValues=["true", "false"]
)
ALARM_TOPIC = parameter(
    "The ARN of the SNS topic that every alarm tells; without one, alarms only show", Default=""
)
KEY = parameter("The ARN of the key that encrypts what is kept; AWS's own without one", Default="")
KEEP_LOGS_DAYS = parameter("How long logs are kept", Default="30", AllowedPattern="[0-9]{1,4}")


def is_true(name: str) -> Json:
    """The condition that a parameter is "true"."""
    return {"Fn::Equals": [{"Ref": name}, "true"]}


def yes_or_no(says: str) -> Json:
    """A parameter that is "true" or "false", and false by default."""
    return parameter(says, Default="false", AllowedValues=["true", "false"])


def either(condition: str, then: Any, otherwise: Any = None) -> Json:
    """*then* where a condition holds, else *otherwise*, or nothing."""
    return {"Fn::If": [condition, then, otherwise or {"Ref": "AWS::NoValue"}]}


def table_id(name: str) -> str:
    """The logical id of a table: EventsTable for events."""
    return f"{''.join(part.capitalize() for part in name.split('-'))}Table"


def table(name: str, made: Table, *, kept: bool, key: Any = None) -> Json:
    """A table; one that is *kept* cannot be deleted by mistake.

    *key* is the ARN of the key that encrypts it where the condition HasKey holds.
    """
    own = {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": key or {"Ref": "KeyArn"}}
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
        "SSESpecification": either("HasKey", own, {"SSEEnabled": True}),
    }
    if made.stream:
        properties["StreamSpecification"] = {"StreamViewType": made.stream}
    if made.expires:
        properties["TimeToLiveSpecification"] = {"AttributeName": made.expires, "Enabled": True}
    if kept:
        properties["DeletionProtectionEnabled"] = {"Fn::If": ["IsProtected", True, False]}
    return {"Type": "AWS::DynamoDB::Table", **(KEPT if kept else {}), "Properties": properties}


def tables_of(owner: Owner, key: Any = None) -> Json:
    """The tables of a stack by their logical ids."""
    kept = owner != "application"
    return {
        table_id(name): table(name, made, kept=kept, key=key)
        for name, made in TABLES[owner].items()
    }


def stage_template() -> Json:
    """What outlives every truth: the ledger of effects, secrets, who may come in, the bus of
    announcements, and the key of all that is kept.
    """
    return {
        "Parameters": {
            "Stage": STAGE,
            "IsProtected": IS_PROTECTED,
            "HasOwnKeys": yes_or_no("Whether a key of the account's own encrypts what is kept"),
            **access.PARAMETERS,
        },
        "Conditions": {
            "IsProtected": is_true("IsProtected"),
            "HasKey": is_true("HasOwnKeys"),
            **access.CONDITIONS,
        },
        "Resources": {
            **tables_of("stage", attribute("Key", "Arn")),
            "Key": own_key(),
            # Rules of others are on it, so it outlives every application.
            "AnnouncementBus": {
                "Type": "AWS::Events::EventBus",
                "Properties": {"Name": {"Fn::Sub": NAMED("announcements")}},
            },
            "PersonalDataKey": personal_data_key(),
            "PersonalDataKeyAlias": {
                "Type": "AWS::KMS::Alias",
                "Properties": {
                    "AliasName": {"Fn::Sub": f"alias/{NAMED('personal-data')}"},
                    "TargetKeyId": {"Ref": "PersonalDataKey"},
                },
            },
            **access.resources(KEPT),
        },
        "Outputs": {
            **access.OUTPUTS,
            "Stage": {"Value": {"Ref": "Stage"}},
            "KeyArn": {"Condition": "HasKey", "Value": attribute("Key", "Arn")},
            "PersonalDataKey": {"Value": attribute("PersonalDataKey", "Arn")},
            "AnnouncementBus": {"Value": {"Ref": "AnnouncementBus"}},
        },
    }


def own_key() -> Json:
    """The key of stage and truth. AWS's services use it for whoever may use what it encrypts.

    So no function needs a permission for the key besides that for its table.
    """
    everything = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    services = ("dynamodb", "kinesis", "s3", "es")
    via = [{"Fn::Sub": f"{service}.${{AWS::Region}}.amazonaws.com"} for service in services]
    using = {
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": [
            "kms:Encrypt",
            "kms:Decrypt",
            "kms:ReEncrypt*",
            "kms:GenerateDataKey*",
            "kms:CreateGrant",
            "kms:DescribeKey",
        ],
        "Resource": "*",
        "Condition": {
            "StringEquals": {
                "kms:CallerAccount": {"Ref": "AWS::AccountId"},
                "kms:ViaService": via,
            }
        },
    }
    root = {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}
    return {
        "Type": "AWS::KMS::Key",
        "Condition": "HasKey",
        **KEPT,
        "Properties": {
            "Description": {"Fn::Sub": "What the stage ${Stage} keeps"},
            "EnableKeyRotation": True,
            "KeyPolicy": {
                "Version": "2012-10-17",
                "Statement": [everything | {"Principal": root}, using],
            },
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
                    {
                        "BucketKeyEnabled": either("HasKey", then=True),
                        "ServerSideEncryptionByDefault": either(
                            "HasKey",
                            {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": {"Ref": "KeyArn"}},
                            {"SSEAlgorithm": "AES256"},
                        ),
                    }
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
            "ShardCount": {"Ref": "Shards"},
            "RetentionPeriodHours": 24,
            "StreamEncryption": {
                "EncryptionType": "KMS",
                "KeyId": either("HasKey", {"Ref": "KeyArn"}, "alias/aws/kinesis"),
            },
        },
    }


def search_domain() -> Json:
    """The domain of OpenSearch."""
    return {
        "Type": "AWS::OpenSearchService::Domain",
        "Properties": {
            "EngineVersion": "OpenSearch_3.1",
            "ClusterConfig": {
                "InstanceType": {"Ref": "SearchInstance"},
                "InstanceCount": {"Ref": "SearchInstances"},
                "ZoneAwarenessEnabled": either("HasManySearchInstances", then=True),
                "ZoneAwarenessConfig": either(
                    "HasManySearchInstances", {"AvailabilityZoneCount": 2}
                ),
            },
            "EBSOptions": {
                "EBSEnabled": True,
                "VolumeType": "gp3",
                "VolumeSize": {"Ref": "SearchVolume"},
            },
            # A body cannot name another index than the path, by which IAM knows what is asked for
            # (docs/adr/0050).
            "AdvancedOptions": {"rest.action.multi.allow_explicit_index": "false"},
            "EncryptionAtRestOptions": {
                "Enabled": True,
                "KmsKeyId": either("HasKey", {"Ref": "KeyArn"}),
            },
            "NodeToNodeEncryptionOptions": {"Enabled": True},
            "DomainEndpointOptions": {
                "EnforceHTTPS": True,
                "TLSSecurityPolicy": "Policy-Min-TLS-1-2-2019-07",
            },
        },
    }


def backup() -> Json:
    """Daily copies of the truth's tables, kept for 35 days, where the condition HasBackup holds."""
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "backup.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    managed = (
        "arn:${AWS::Partition}:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup"
    )
    made: Json = {
        "BackupVault": {
            "Type": "AWS::Backup::BackupVault",
            **KEPT,
            "Properties": {"BackupVaultName": {"Fn::Sub": "${Truth}-backup"}},
        },
        "BackupPlan": {
            "Type": "AWS::Backup::BackupPlan",
            "Properties": {
                "BackupPlan": {
                    "BackupPlanName": {"Fn::Sub": "${Truth}-daily"},
                    "BackupPlanRule": [
                        {
                            "RuleName": "daily",
                            "TargetBackupVault": {"Ref": "BackupVault"},
                            "ScheduleExpression": "cron(0 3 * * ? *)",
                            "Lifecycle": {"DeleteAfterDays": 35},
                        }
                    ],
                }
            },
        },
        "BackupRole": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
                "ManagedPolicyArns": [{"Fn::Sub": managed}],
            },
        },
        "BackupSelection": {
            "Type": "AWS::Backup::BackupSelection",
            "Properties": {
                "BackupPlanId": {"Ref": "BackupPlan"},
                "BackupSelection": {
                    "SelectionName": "tables",
                    "IamRoleArn": attribute("BackupRole", "Arn"),
                    "Resources": [attribute(table_id(name), "Arn") for name in TABLES["truth"]],
                },
            },
        },
    }
    return {name: {**resource, "Condition": "HasBackup"} for name, resource in made.items()}
