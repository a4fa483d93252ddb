"""The CloudFormation template that Chalice merges into its own."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from chalice.utils import to_cfn_resource_name

from chalicelib.leftfold.functions import FOLLOWING
from chalicelib.leftfold.kernel import Announcer, Policy, View
from tools.resources import edge
from tools.resources.alarms import other_alarms, reader_alarms
from tools.resources.dashboard import dashboard
from tools.resources.filling import state_machine
from tools.resources.functions import Function, ResourcesError
from tools.resources.permissions import Json
from tools.resources.stacks import (
    ALARM_TOPIC,
    DOCUMENTS,
    KEEP_LOGS_DAYS,
    KEY,
    STAGE,
    TABLE_NAMES,
    TRUTH,
    Table,
    has,
    is_true,
    parameter,
    table,
    tables_of,
)
from tools.warm import ALIAS

# A function that serves a route, the route's method and its path.
Served = tuple[str, str, str]

# The sweeper wakes a function whose wake was lost, so Lambda keeps no wake for long and repeats none.
WAKE_UP: Json = {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0}


def function_resources(function: Function) -> Json:
    """The properties of a function that Chalice cannot set, and the function's log group."""
    variables: Json = {
        "LEFTFOLD_STACK": {"Ref": "AWS::StackName"},
        "LEFTFOLD_TRUTH": {"Ref": "Truth"},
        "LEFTFOLD_STAGE": {"Ref": "Stage"},
        "LEFTFOLD_ARCHIVE": {"Ref": "ArchiveBucket"},
        **edge.EVERYWHERE,
        "LEFTFOLD_EARLIER": {"Ref": "Earlier"},
        "LEFTFOLD_EARLIER_ARCHIVE": {"Ref": "EarlierArchive"},
        "LEFTFOLD_EARLIER_LOGS": {"Ref": "EarlierLogs"},
        "LEFTFOLD_ORDINAL": {"Ref": "Ordinal"},
    }
    if function.search:
        variables["LEFTFOLD_SEARCH_ENDPOINT"] = {"Ref": "SearchEndpoint"}
        variables["LEFTFOLD_SEARCH_SCHEME"] = {"Ref": "SearchScheme"}
    variables |= function.variables or {}
    properties: Json = {"FunctionName": {"Fn::Sub": function.full_name}}
    if function.capped:
        cap = {"Ref": f"{function.logical_id}Concurrency"}
        properties["ReservedConcurrentExecutions"] = {
            "Fn::If": [f"Has{function.logical_id}Concurrency", cap, {"Ref": "AWS::NoValue"}]
        }
    if function.woken:
        properties["EventInvokeConfig"] = WAKE_UP
    properties["Environment"] = {"Variables": variables}
    if function.name in FOLLOWING:
        # SAM takes any value of Enabled for true, and hands State on as it is.
        runs = {"Fn::If": ["HasEarlier", "ENABLED", "DISABLED"]}
        every = {"Schedule": "rate(1 minute)", "State": runs}
        event = f"{function.logical_id}Schedule"
        properties["Events"] = {event: {"Type": "Schedule", "Properties": every}}
    if function.source:
        kind, source = function.source
        event = f"{function.logical_id}{kind}EventSource"
        properties["Events"] = {event: {"Properties": source}}
    return {
        function.logical_id: {"Properties": properties},
        f"{function.logical_id}Log": log_group(function),
    }


def documents(view: View) -> Table:
    """The table of a view's rows. A backup of a personal view would keep what is forgotten, and
    its rows can be made again from the log.
    """
    return replace(DOCUMENTS, backups=not view.personal)


def log_group(function: Function) -> Json:
    """The log group of a function."""
    return {
        "Type": "AWS::Logs::LogGroup",
        "Properties": {
            "LogGroupName": {"Fn::Sub": f"/aws/lambda/{function.full_name}"},
            "RetentionInDays": {"Ref": "KeepLogsDays"},
        },
    }


# What the stacks of truth and stage put out, and what a deployment is told by its operator.
PARAMETERS: Json = {
    "Stage": STAGE,
    "Truth": TRUTH,
    "KeyArn": KEY,
    "FedByBus": parameter(
        "Whether the bus feeds the views that it may feed; else they follow the log",
        Default="true",
        AllowedValues=["true", "false"],
    ),
    "MovedTo": parameter(
        "The address to which every request is sent on; without one, they are served here",
        Default="",
    ),
    "KeepLogsDays": KEEP_LOGS_DAYS,
    "ArchiveBucket": parameter("The archive's bucket"),
    "Earlier": parameter("The truth that this one is filled from, if there is one", Default=""),
    "EarlierArchive": parameter("Its archive's bucket", Default=""),
    "EarlierLogs": parameter("The number of its logs", Default="1"),
    "Ordinal": parameter("The number of this generation; that of the first is 0", Default="0"),
    "PersonalDataKey": parameter("The ARN of the KMS key that wraps the keys of personal data"),
    "TokenIssuer": parameter("The iss of the access tokens that the API takes"),
    "TokenKeys": parameter("The address of their issuer's JWK set"),
    "TokenAudience": parameter("What their aud or client_id may be, separated by commas"),
    "TenantClaim": parameter("Their claim that has the tenant"),
    "SignIn": parameter(
        "The issuer's authorisation endpoint; without one, people paste a token into the console",
        Default="",
    ),
    "SignInToken": parameter("The issuer's token endpoint, for the console", Default=""),
    "Console": parameter("The console's client id at the issuer", Default=""),
    "SignInScope": parameter("What the console asks the issuer for", Default="openid"),
    "SearchEndpoint": parameter("The host of the search domain"),
    "SearchArn": parameter("The ARN of the search domain"),
    "SearchScheme": parameter(
        "http where OpenSearch has no certificate, as on a developer's machine",
        Default="https",
        AllowedValues=["https", "http"],
    ),
    "AlarmTopic": ALARM_TOPIC,
    "MailFrom": parameter(
        "The address, verified in SES, that e-mail comes from; without one, none is sent",
        Default="",
    ),
    "Repairs": parameter(
        "How many persons the repair of a commit takes", Default="two", AllowedValues=["two", "one"]
    ),
    "ApiWarm": parameter(
        "How many processes of the API are ready before a request comes; 0: none",
        Default="0",
        AllowedPattern="[0-9]{1,4}",
    ),
    "ApiAlias": parameter(
        "What follows the ARN of the API's function where requests go to an alias of it",
        Default="",
        AllowedPattern=f"(:{ALIAS})?",
    ),
    "FeedConcurrency": parameter(
        "How many requests may wait on the feed at a time. AWS leaves 100 of an account's"
        " concurrency unreserved, so an account with fewer than 120 needs less here; 0 reserves"
        " none and sets no bound",
        Default="20",
        AllowedPattern="[0-9]{1,5}",
    ),
}
CONDITIONS: Json = {
    **{f"Has{name}": has(name) for name in ("AlarmTopic", "MailFrom", "Earlier")},
    "HasKey": has("KeyArn"),
    "IsFedByBus": is_true("FedByBus"),
    "HasFeedConcurrency": {"Fn::Not": [{"Fn::Equals": [{"Ref": "FeedConcurrency"}, "0"]}]},
}
OUTPUTS: Json = {
    **{
        name: {"Value": {"Ref": name}}
        for name in (
            "Stage",
            "Truth",
            "ArchiveBucket",
            "SearchEndpoint",
            "Repairs",
            "Ordinal",
            "Logs",
            "Access",
            "ApiWarm",
        )
    },
    **{
        name: {"Condition": "HasEarlier", "Value": {"Ref": name}}
        for name in ("Earlier", "EarlierArchive", "EarlierLogs")
    },
    "MailFrom": {"Condition": "HasMailFrom", "Value": {"Ref": "MailFrom"}},
}


def serving(function: Function, served: Collection[Served]) -> Json:
    """What sends the requests of the routes *served* by *function* to it, and lets them in.

    Those of the API's function go to its alias, if it has one; Chalice lets them in.
    """
    is_apis = function.name == "api_handler"
    called = f"${{{function.logical_id}.Arn}}" + ("${ApiAlias}" if is_apis else "")
    path = f"lambda:path/2015-03-31/functions/{called}/invocations"
    uri = {"Fn::Sub": "arn:${AWS::Partition}:apigateway:${AWS::Region}:" + path}
    paths: dict[str, Json] = {}
    for name, method, route in served:
        if name == function.name:
            integration = {"x-amazon-apigateway-integration": {"uri": uri}}
            paths.setdefault(route, {})[method.lower()] = integration
    if not paths:
        return {}
    leading: Json = {"RestAPI": {"Properties": {"DefinitionBody": {"paths": paths}}}}
    if is_apis:
        return leading
    api = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${RestAPI}/*"
    return {
        **leading,
        f"{function.logical_id}InvokePermission": {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "FunctionName": {"Ref": function.logical_id},
                "Action": "lambda:InvokeFunction",
                "Principal": "apigateway.amazonaws.com",
                "SourceArn": {"Fn::Sub": api},
            },
        },
    }


def template(
    made: Iterable[Function],
    views: Mapping[str, View],
    policies: Mapping[str, Policy | Announcer],
    served: Collection[Served] = (),
) -> Json:
    """The resources of functions, views, policies and the routes that they serve.

    Raises ResourcesError.
    """
    resources, api = tables_of("application"), edge.rest_api()
    for function in made:
        added = function_resources(function)
        name = function.name
        if name in views and views[name].store == "documents":
            check_table(views[name])
            added[f"{to_cfn_resource_name(views[name].stored_name)}Table"] = table(
                views[name].stored_name, documents(views[name]), kept=False
            )
        if reader := views.get(name) or policies.get(name):
            added |= reader_alarms(function, reader)
        if name == "fill":
            added |= state_machine(function)
        added |= other_alarms(function)
        led = serving(function, served)
        api = merged(api, led.pop("RestAPI", {}))
        added |= led
        if clash := resources.keys() & added.keys():
            raise ResourcesError(
                f"resources: the function {name} needs a resource {min(clash)}, and"
                " another resource has that name; rename the view or policy"
            )
        resources |= added
    return {
        "Parameters": PARAMETERS | edge.PARAMETERS,
        "Conditions": CONDITIONS | edge.CONDITIONS,
        "Resources": {
            **resources,
            "RestAPI": api,
            **edge.resources(),
            "Dashboard": dashboard(),
        },
        "Outputs": OUTPUTS,
    }


def merged(one: Any, other: Any) -> Any:
    """The members of both, at every depth; *other* counts where both have a value."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return other
    return {**one, **{k: merged(one[k], v) if k in one else v for k, v in other.items()}}


def check_table(view: View) -> None:
    """Raises ResourcesError for a view whose table would be named like one of the deployment's."""
    if (name := view.stored_name.replace("_", "-")) in TABLE_NAMES:
        raise ResourcesError(
            f"resources: the view {view.name} needs a table {name}, and another table has that"
            " name; rename the view"
        )
