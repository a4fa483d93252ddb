"""What API Gateway does before a request reaches the application, and answers by itself."""

from typing import Any

from chalicelib.leftfold.http.browsers import SECURITY
from chalicelib.leftfold.http.problems import MEDIA_TYPE
from tools.resources.permissions import Json


def parameter(says: str, default: str, **more: Any) -> Json:
    """A parameter of the application's template."""
    return {"Type": "String", "Default": default, **more, "Description": says}


PARAMETERS: Json = {
    "ThrottleRate": parameter(
        "Requests a second of all callers together; more are answered with 429",
        "1000",
        AllowedPattern="[0-9]{1,6}",
    ),
    "ThrottleBurst": parameter(
        "Requests that may come at once beyond the rate", "2000", AllowedPattern="[0-9]{1,6}"
    ),
    "TenantRate": parameter(
        "Requests a second of each tenant, in the mean of ten seconds; 0 sets no limit",
        "300",
        AllowedPattern="[0-9]{1,6}",
    ),
    "FeedSeats": parameter(
        "How many requests of each tenant the feed serves at a time; 0 sets no limit",
        "10",
        AllowedPattern="[0-9]{1,3}",
    ),
    "WaitSeats": parameter(
        "How many requests of each tenant may wait for a view at a time; 0 sets no limit",
        "20",
        AllowedPattern="[0-9]{1,3}",
    ),
    "CorsOrigins": parameter(
        "The sites, separated by commas, whose pages may call the API: https://app.example.org", ""
    ),
    "WebAcl": parameter("The ARN of a web ACL of AWS WAF that looks at each request first", ""),
    "Logs": parameter(
        "The number of logs, one for each group of tenants; it stays from the first commit on",
        "1",
        AllowedPattern="[0-9]{1,2}",
    ),
    "OtlpEndpoint": parameter(
        "The address of a collector of OpenTelemetry, such as X-Ray's; without one there are no spans",
        "",
    ),
    "OtlpHeaders": parameter(
        "The headers that it asks for, as name=value, separated by commas", "", NoEcho=True
    ),
    "Access": parameter(
        "How callers show who they are: by access tokens, or by signing requests as IAM roles",
        "tokens",
        AllowedValues=["tokens", "roles"],
    ),
    "AccessLogs": parameter(
        "Whether API Gateway writes a line for each request; the account must have a role for it"
        " first (docs/operations.md)",
        "false",
        AllowedValues=["true", "false"],
    ),
}
# What all functions are told, of whichever stack.
EVERYWHERE: Json = {
    "LEFTFOLD_LOGS": {"Ref": "Logs"},
    "LEFTFOLD_OTLP_ENDPOINT": {"Ref": "OtlpEndpoint"},
    "LEFTFOLD_OTLP_HEADERS": {"Ref": "OtlpHeaders"},
}
CONDITIONS: Json = {
    "WritesAccessLogs": {"Fn::Equals": [{"Ref": "AccessLogs"}, "true"]},
    "HasWebAcl": {"Fn::Not": [{"Fn::Equals": [{"Ref": "WebAcl"}, ""]}]},
}
# Resources that only a stage that CloudFormation deploys has; Chalice has a way of its own.
CLOUDFORMATIONS_OWN = ("WebAclAssociation",)

# The stage of the API, which is a part of its address.
API_STAGE = "api"
# By API Gateway's name: the status, the code and the title of the problem.
GATEWAY_RESPONSES = {
    "DEFAULT_4XX": ("400", "bad-request", "The request is not one that the API takes"),
    "DEFAULT_5XX": ("500", "internal-error", "The server failed unexpectedly"),
    "ACCESS_DENIED": ("403", "forbidden", "The request is not allowed"),
    "INVALID_SIGNATURE": ("403", "forbidden", "The signature of the request is not valid"),
    "EXPIRED_TOKEN": ("403", "forbidden", "The credentials or the signature have expired"),
    # What API Gateway says of a request that is not signed and must be, and of unknown methods.
    "MISSING_AUTHENTICATION_TOKEN": (
        "403",
        "forbidden",
        "The request is not signed, or no resource has this method",
    ),
    "UNAUTHORIZED": ("401", "token-missing", "This request needs an access token"),
    "REQUEST_TOO_LARGE": ("413", "body-too-large", "The request body is too large"),
    "THROTTLED": ("429", "too-many-requests", "There are too many requests at the moment"),
    "QUOTA_EXCEEDED": ("429", "too-many-requests", "There are too many requests at the moment"),
    "INTEGRATION_TIMEOUT": ("504", "outcome-unknown", "There was no answer in time"),
    "INTEGRATION_FAILURE": ("504", "outcome-unknown", "There was no answer in time"),
    "WAF_FILTERED": ("403", "forbidden", "The request is not allowed"),
}
# One line of JSON for each request, with neither token nor body.
LINE = (
    '{"requestId":"$context.requestId","at":"$context.requestTime","ip":"$context.identity.sourceIp",'
    '"method":"$context.httpMethod","path":"$context.resourcePath","status":"$context.status",'
    '"milliseconds":"$context.responseLatency","bytes":"$context.responseLength",'
    '"error":"$context.error.messageString"}'
)


def gateway_response(status: str, code: str, title: str) -> Json:
    """A problem (RFC 9457) that API Gateway answers with."""
    problem = (
        f'{{"type":"/problems/{code}","title":"{title}","status":{status},"code":"{code}",'
        '"requestId":"$context.requestId"}'
    )
    headers = {"Content-Type": MEDIA_TYPE, **SECURITY}
    if status == "429":
        headers["Retry-After"] = "1"
    quote = "'"
    return {
        "statusCode": status,
        # API Gateway knows templates by this type alone; the header says what it really is.
        "responseTemplates": {"application/json": problem},
        "responseParameters": {
            # A value in quotes may have no quote in it.
            f"gatewayresponse.header.{name}": f"{quote}{value}{quote}"
            for name, value in headers.items()
            if quote not in value
        },
    }


def rest_api() -> Json:
    """Settings of the API beside its routes."""
    return {
        "Properties": {
            "DefinitionBody": {
                # By its name CloudWatch tells the APIs of an account apart.
                "info": {"title": {"Ref": "AWS::StackName"}},
                "x-amazon-apigateway-gateway-responses": {
                    kind: gateway_response(*says) for kind, says in GATEWAY_RESPONSES.items()
                },
            },
            "MethodSettings": [
                {
                    "ResourcePath": "/*",
                    "HttpMethod": "*",
                    "MetricsEnabled": True,
                    "ThrottlingRateLimit": {"Ref": "ThrottleRate"},
                    "ThrottlingBurstLimit": {"Ref": "ThrottleBurst"},
                }
            ],
            "AccessLogSetting": {
                "Fn::If": [
                    "WritesAccessLogs",
                    {"DestinationArn": {"Fn::GetAtt": ["AccessLog", "Arn"]}, "Format": LINE},
                    {"Ref": "AWS::NoValue"},
                ]
            },
        }
    }


def resources() -> Json:
    """The log of requests and the firewall, if there are such."""
    stage = "arn:${AWS::Partition}:apigateway:${AWS::Region}::/restapis/${RestAPI}/stages/"
    return {
        "WebAclAssociation": {
            "Type": "AWS::WAFv2::WebACLAssociation",
            "Condition": "HasWebAcl",
            "Properties": {
                "ResourceArn": {"Fn::Sub": f"{stage}${{RestAPI.Stage}}"},
                "WebACLArn": {"Ref": "WebAcl"},
            },
        },
        "AccessLog": {
            "Type": "AWS::Logs::LogGroup",
            "Condition": "WritesAccessLogs",
            "Properties": {
                "LogGroupName": {"Fn::Sub": "/aws/apigateway/${AWS::StackName}"},
                "RetentionInDays": 30,
            },
        },
    }
