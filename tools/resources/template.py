"""The CloudFormation template that Chalice merges into its own."""

from collections.abc import Iterable, Mapping

from chalicelib.leftfold.kernel import Policy, View
from tools.resources.alarms import other_alarms, reader_alarms
from tools.resources.functions import Function, ResourcesError
from tools.resources.permissions import NAMED, Json

# The sweeper wakes a function whose wake was lost, so Lambda keeps no wake for long and repeats none.
WAKE_UP: Json = {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0}
KEEP_LOGS_DAYS = 30


def function_resources(function: Function) -> Json:
    """The properties of a function that Chalice cannot set, and the function's log group."""
    variables: Json = {
        "LEFTFOLD_STACK": {"Ref": "AWS::StackName"},
        "LEFTFOLD_ARCHIVE": {"Ref": "ArchiveBucket"},
    }
    if function.search:
        variables["LEFTFOLD_SEARCH_ENDPOINT"] = {"Fn::GetAtt": ["Search", "DomainEndpoint"]}
        variables["LEFTFOLD_SEARCH_SCHEME"] = {"Ref": "SearchScheme"}
    variables |= function.variables or {}
    properties: Json = {"FunctionName": {"Fn::Sub": function.full_name}}
    if function.woken:
        properties["EventInvokeConfig"] = WAKE_UP
    properties["Environment"] = {"Variables": variables}
    if function.source:
        kind, source = function.source
        event = f"{function.logical_id}{kind}EventSource"
        properties["Events"] = {event: {"Properties": source}}
    return {
        function.logical_id: {"Properties": properties},
        f"{function.logical_id}Log": {
            "Type": "AWS::Logs::LogGroup",
            "Properties": {
                "LogGroupName": {"Fn::Sub": f"/aws/lambda/{function.full_name}"},
                "RetentionInDays": KEEP_LOGS_DAYS,
            },
        },
    }


def documents_table(view: View) -> Json:
    """The table of a view that keeps documents, whose deleted rows expire by themselves.

    A personal view has no backup, which would keep the rows of forgotten subjects. Its rows can
    be made again from the log.
    """
    return {
        "Type": "AWS::DynamoDB::Table",
        "Properties": {
            "TableName": {"Fn::Sub": NAMED(view.name)},
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "key", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "key", "KeyType": "HASH"}],
            "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": not view.personal},
            "SSESpecification": {"SSEEnabled": True},
            "TimeToLiveSpecification": {"AttributeName": "purgeAt", "Enabled": True},
        },
    }


def template(
    base: Json,
    made: Iterable[Function],
    views: Mapping[str, View],
    policies: Mapping[str, Policy],
) -> Json:
    """*base* with the resources of functions, views and policies. Raises ResourcesError."""
    resources = dict(base["Resources"])
    for function in made:
        added = function_resources(function)
        name = function.name
        if name in views and views[name].store == "documents":
            added[f"{function.logical_id}Table"] = documents_table(views[name])
        if reader := views.get(name) or policies.get(name):
            added |= reader_alarms(function, reader)
        added |= other_alarms(function)
        if clash := resources.keys() & added.keys():
            raise ResourcesError(
                f"resources: the function {name} needs a resource {min(clash)}, and"
                " another resource has that name; rename the view or policy"
            )
        resources |= added
    return base | {"Resources": resources}
