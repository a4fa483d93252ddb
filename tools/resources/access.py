"""Who gets access tokens: the user pool of a stage, its clients, and what its tokens say.

A stage that is given another issuer has none of it. Either way its outputs `TokenIssuer`,
`TokenKeys`, `TokenAudience` and `TenantClaim` are the parameters of its applications.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chalicelib.leftfold.access import claims
from chalicelib.leftfold.access.callers import RESOURCE
from tools.resources.permissions import Json, logging

# The tenant of the machine client that every stage has.
FIRST_TENANT = "main"
SAYS: Mapping[str, str] = {
    "commands": "Send commands",
    "queries": "Read views and histories",
    "feed": "Follow the log",
    "operate": "Operate a tenant",
    "house": "Operate for all tenants",
}
# Minutes.
MACHINES_TOKEN, PEOPLES_TOKEN = 60, 15
# Hours for which whoever has signed in to the console stays so.
SHIFT = 10
# For members that only a stage with a user pool has.
OWN: Json = {"Condition": "IssuesTokens"}
POOL: Json = {"Ref": "UserPool"}
CLAIMS = "${Stage}-claims"


def parameter(says: str, default: str = "") -> Json:
    """A parameter of the stage's template."""
    return {"Type": "String", "Default": default, "Description": says}


# Cognito wants a page to come back to before there is one.
NOWHERE = "https://localhost/console/index.html"
PARAMETERS: Json = {
    "OtherIssuer": parameter("The iss of tokens of another issuer; then there is no user pool"),
    "OtherKeys": parameter("The address of the other issuer's JWK set"),
    "MoreAudience": parameter(
        "What a token's aud, or Cognito's client_id, may be, separated by commas; the clients of"
        " the user pool's template are always among them"
    ),
    "TenantClaim": parameter("The claim of a token that has the tenant", "tenant"),
    "OtherSignIn": parameter("The other issuer's authorisation endpoint, for the console"),
    "OtherToken": parameter("The other issuer's token endpoint, for the console"),
    "OtherConsole": parameter("The console's client id at the other issuer"),
    "ConsoleUrls": parameter(
        "Where the console's page is, separated by commas; `leftfold deploy` adds that of the API",
        NOWHERE,
    ),
    "CognitoEndpoint": parameter(
        "Where Cognito publishes its keys if that is not the issuer's address, as on a"
        " developer's machine"
    ),
}
CONDITIONS: Json = {
    "IssuesTokens": {"Fn::Equals": [{"Ref": "OtherIssuer"}, ""]},
    "HasCognitoEndpoint": {"Fn::Not": [{"Fn::Equals": [{"Ref": "CognitoEndpoint"}, ""]}]},
}


def chosen(own: Any, other: str) -> Json:
    """*own* with a user pool, or else the parameter *other*."""
    return {"Fn::If": ["IssuesTokens", own, {"Ref": other}]}


KEYS: Json = {
    "Fn::If": [
        "HasCognitoEndpoint",
        {"Fn::Sub": "${CognitoEndpoint}/${UserPool}/.well-known/jwks.json"},
        {"Fn::Sub": "https://${UserPool.ProviderName}/.well-known/jwks.json"},
    ]
}
CLIENTS = ("MachineClient", "OperatorClient", "PeopleClient", "ConsoleClient")
AUDIENCE: Json = {"Fn::Sub": ",".join(f"${{{name}}}" for name in (*CLIENTS, "MoreAudience"))}
POOLS_OWN = "https://${UserPoolDomain}.auth.${AWS::Region}.amazoncognito.com/oauth2"
TOKEN_URL: Json = {"Fn::Sub": f"{POOLS_OWN}/token"}


def endpoint(name: str) -> Json:
    """An endpoint of the user pool, as a browser reaches it."""
    local = {"Fn::Sub": f"${{CognitoEndpoint}}/oauth2/{name}"}
    return {"Fn::If": ["HasCognitoEndpoint", local, {"Fn::Sub": f"{POOLS_OWN}/{name}"}]}


OUTPUTS: Json = {
    "TokenIssuer": {
        "Value": chosen({"Fn::Sub": "https://${UserPool.ProviderName}"}, "OtherIssuer")
    },
    "TokenKeys": {"Value": chosen(KEYS, "OtherKeys")},
    "TokenAudience": {"Value": chosen(AUDIENCE, "MoreAudience")},
    "TenantClaim": {"Value": {"Ref": "TenantClaim"}},
    "SignIn": {"Value": chosen(endpoint("authorize"), "OtherSignIn")},
    "SignInToken": {"Value": chosen(endpoint("token"), "OtherToken")},
    "Console": {"Value": chosen({"Ref": "ConsoleClient"}, "OtherConsole")},
    "TokenUrl": {**OWN, "Value": TOKEN_URL},
    **{name: {**OWN, "Value": {"Ref": name}} for name in ("UserPool", *CLIENTS)},
}


def resources(kept: Json) -> Json:
    """All resources by their logical ids; *kept* is said of what must outlive its stack."""
    return {
        **trigger(),
        "UserPool": user_pool(kept),
        "UserPoolDomain": of_pool("Domain", Domain={"Fn::Sub": "${Stage}-${AWS::AccountId}"}),
        "ApiScopes": of_pool(
            "ResourceServer",
            Identifier=RESOURCE,
            Name=RESOURCE,
            Scopes=[{"ScopeName": n, "ScopeDescription": says} for n, says in SAYS.items()],
        ),
        "TenantScopes": of_pool(
            "ResourceServer",
            Identifier="tenant",
            Name="tenant",
            Scopes=[
                {"ScopeName": FIRST_TENANT, "ScopeDescription": f"Act for {FIRST_TENANT}"},
            ],
        ),
        **{
            f"{right.title()}Group": of_pool(
                "Group", GroupName=right, Description=f"{says}: the scope {RESOURCE}/{right}"
            )
            for right, says in SAYS.items()
        },
        "MachineClient": machine("machine", "commands", "queries", "feed"),
        "OperatorClient": machine("operator", "queries", "feed", "operate", "house"),
        "PeopleClient": of_pool(
            "Client",
            ClientName="people",
            GenerateSecret=False,
            ExplicitAuthFlows=[
                "ALLOW_USER_SRP_AUTH",
                "ALLOW_REFRESH_TOKEN_AUTH",
                # By AWS credentials, which could set any password anyway.
                "ALLOW_ADMIN_USER_PASSWORD_AUTH",
            ],
            PreventUserExistenceErrors="ENABLED",
            EnableTokenRevocation=True,
            # All but the tenant, which people must not choose.
            WriteAttributes=["name"],
            AccessTokenValidity=PEOPLES_TOKEN,
            TokenValidityUnits={"AccessToken": "minutes"},
        ),
        "ConsoleClient": of_pool(
            "Client",
            ClientName="console",
            # A page can keep no secret: PKCE takes its place.
            GenerateSecret=False,
            AllowedOAuthFlowsUserPoolClient=True,
            AllowedOAuthFlows=["code"],
            # People have the scopes of their groups.
            AllowedOAuthScopes=["openid"],
            SupportedIdentityProviders=["COGNITO"],
            CallbackURLs={"Fn::Split": [",", {"Ref": "ConsoleUrls"}]},
            ExplicitAuthFlows=["ALLOW_REFRESH_TOKEN_AUTH"],
            PreventUserExistenceErrors="ENABLED",
            EnableTokenRevocation=True,
            WriteAttributes=["name"],
            AccessTokenValidity=PEOPLES_TOKEN,
            RefreshTokenValidity=SHIFT,
            TokenValidityUnits={"AccessToken": "minutes", "RefreshToken": "hours"},
        ),
    }


def of_pool(kind: str, **properties: Any) -> Json:
    """A resource of the user pool."""
    return {
        "Type": f"AWS::Cognito::UserPool{kind}",
        **OWN,
        "Properties": {"UserPoolId": POOL, **properties},
    }


def machine(name: str, *rights: str) -> Json:
    """A client that signs in by its secret, for the first tenant."""
    client = of_pool(
        "Client",
        ClientName=name,
        GenerateSecret=True,
        AllowedOAuthFlowsUserPoolClient=True,
        AllowedOAuthFlows=["client_credentials"],
        AllowedOAuthScopes=[*(f"{RESOURCE}/{right}" for right in rights), f"tenant/{FIRST_TENANT}"],
        ExplicitAuthFlows=[],
        AccessTokenValidity=MACHINES_TOKEN,
        TokenValidityUnits={"AccessToken": "minutes"},
    )
    return {**client, "DependsOn": ["ApiScopes", "TenantScopes"]}


def user_pool(kept: Json) -> Json:
    """The people and machines of a stage. Nobody signs up by themselves."""
    return {
        "Type": "AWS::Cognito::UserPool",
        **OWN,
        **kept,
        "Properties": {
            "UserPoolName": {"Fn::Sub": "${Stage}-users"},
            # The least plan whose trigger can write into access tokens.
            "UserPoolTier": "ESSENTIALS",
            "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": True},
            "AccountRecoverySetting": {
                "RecoveryMechanisms": [{"Name": "admin_only", "Priority": 1}]
            },
            "MfaConfiguration": "OPTIONAL",
            "EnabledMfas": ["SOFTWARE_TOKEN_MFA"],
            "Policies": {"PasswordPolicy": {"MinimumLength": 14}},
            "Schema": [
                {
                    "Name": "tenant",
                    "AttributeDataType": "String",
                    "Mutable": True,
                    "StringAttributeConstraints": {"MinLength": "1", "MaxLength": "32"},
                }
            ],
            "LambdaConfig": {
                "PreTokenGenerationConfig": {
                    "LambdaArn": {"Fn::GetAtt": ["Claims", "Arn"]},
                    # People and machines; V2_0 would be for people alone.
                    "LambdaVersion": "V3_0",
                }
            },
        },
    }


def trigger() -> Json:
    """The function that writes tenant and scopes into tokens, with its text in the template."""
    return {
        "ClaimsLog": {
            "Type": "AWS::Logs::LogGroup",
            **OWN,
            "Properties": {
                "LogGroupName": {"Fn::Sub": f"/aws/lambda/{CLAIMS}"},
                "RetentionInDays": 30,
            },
        },
        "ClaimsRole": {
            "Type": "AWS::IAM::Role",
            **OWN,
            "Properties": {
                "AssumeRolePolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "lambda.amazonaws.com"},
                            "Action": "sts:AssumeRole",
                        }
                    ],
                },
                "Policies": [
                    {
                        "PolicyName": "logs",
                        "PolicyDocument": {
                            "Version": "2012-10-17",
                            "Statement": [logging(CLAIMS)],
                        },
                    }
                ],
            },
        },
        "Claims": {
            "Type": "AWS::Lambda::Function",
            **OWN,
            "Properties": {
                "FunctionName": {"Fn::Sub": CLAIMS},
                "Runtime": "python3.13",
                "Handler": "index.handler",
                # Cognito waits for five.
                "Timeout": 5,
                "MemorySize": 128,
                "Role": {"Fn::GetAtt": ["ClaimsRole", "Arn"]},
                "Code": {"ZipFile": Path(claims.__file__).read_text()},
            },
        },
        "ClaimsPermission": {
            "Type": "AWS::Lambda::Permission",
            **OWN,
            "Properties": {
                "FunctionName": {"Ref": "Claims"},
                "Action": "lambda:InvokeFunction",
                "Principal": "cognito-idp.amazonaws.com",
                "SourceArn": {"Fn::GetAtt": ["UserPool", "Arn"]},
            },
        },
    }
