"""The stack of the front: the stage's own domain, which leads to the active application."""

from tools.resources.edge import API_STAGE
from tools.resources.permissions import Json
from tools.resources.stacks import attribute, has, parameter


def front_template() -> Json:
    """The domain, and the mapping that moves. The domain stays while it leads nowhere."""
    return {
        "Parameters": {
            "DomainName": parameter("The stage's own domain, such as api.example.org"),
            "CertificateArn": parameter("The certificate of that domain, in this region"),
            "Application": parameter("The application that the domain leads to", Default=""),
            "RestApi": parameter("The id of that application's API", Default=""),
        },
        "Conditions": {"LeadsSomewhere": has("RestApi")},
        "Resources": {
            "Domain": {
                "Type": "AWS::ApiGateway::DomainName",
                "Properties": {
                    "DomainName": {"Ref": "DomainName"},
                    "RegionalCertificateArn": {"Ref": "CertificateArn"},
                    "EndpointConfiguration": {"Types": ["REGIONAL"]},
                    "SecurityPolicy": "TLS_1_2",
                },
            },
            # A new RestApiId changes the mapping in place: requests go to one API or to the other.
            "Mapping": {
                "Type": "AWS::ApiGateway::BasePathMapping",
                "Condition": "LeadsSomewhere",
                "Properties": {
                    "DomainName": {"Ref": "Domain"},
                    "RestApiId": {"Ref": "RestApi"},
                    "Stage": API_STAGE,
                },
            },
        },
        "Outputs": {
            "Application": {"Condition": "LeadsSomewhere", "Value": {"Ref": "Application"}},
            "Domain": {"Value": {"Ref": "Domain"}},
            # What the DNS record of the domain leads to.
            "DomainTarget": {"Value": attribute("Domain", "RegionalDomainName")},
        },
    }
