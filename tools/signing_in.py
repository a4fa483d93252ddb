"""How the commands show who they are: by access tokens, or by signing each request as an IAM role."""

import os
from collections.abc import Callable, Generator
from threading import Lock
from urllib.parse import urlsplit

import httpx
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from tools.cloud import Cloud, DeployError, explained
from tools.deploy import Deployed, find
from tools.last_deployment import Current, NoDeploymentError, recall
from tools.stacks import Stacks

# A token of another issuer, or for another deployment than the newest.
VARIABLE = "LEFTFOLD_TOKEN"
MACHINE, OPERATOR = "MachineClient", "OperatorClient"


class SignedIn(httpx.Auth):
    """Sends an access token with each request, and gets another one when that has expired.

    *sign_in* returns a new token; many threads may send at once.
    """

    def __init__(self, sign_in: Callable[[], str]) -> None:
        self._sign_in = sign_in
        self._token = ""
        self._lock = Lock()

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        used = self._another("")
        request.headers["Authorization"] = f"Bearer {used}"
        response = yield request
        if response.status_code == httpx.codes.UNAUTHORIZED:
            request.headers["Authorization"] = f"Bearer {self._another(used)}"
            yield request

    def _another(self, refused: str) -> str:
        """A token other than the *refused* one; one for all threads that were refused at once."""
        with self._lock:
            if self._token == refused:
                self._token = self._sign_in()
            return self._token


class Signed(httpx.Auth):
    """Signs each request with AWS Signature Version 4, with the credentials that *cloud* has."""

    requires_request_body = True

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        typed = {name: value for name, value in request.headers.items() if name == "content-type"}
        made = AWSRequest(request.method, str(request.url), data=request.content, headers=typed)
        signer = SigV4Auth(self._cloud.credentials, "execute-api", self._cloud.region)
        signer.add_auth(made)
        request.headers.update(made.headers.items())
        yield request


def signed_in(url: str) -> httpx.Auth | None:
    """What lets requests into the API at *url*; None if nobody knows.

    It is the token of the variable `LEFTFOLD_TOKEN`, or what the deployment takes that was
    remembered last, if *url* is its API.
    """
    given = os.environ.get(VARIABLE)
    if given:
        return SignedIn(lambda: given)
    try:
        current = recall()
    except NoDeploymentError:
        return None
    if current.url.rstrip("/") != url.rstrip("/"):
        return None
    return of_deployment(find(current.stack, Cloud(current.endpoint_url)), current.endpoint_url)


def of_deployment(deployed: Deployed, endpoint_url: str | None) -> httpx.Auth:
    """The tokens of a deployment's own machine client, or signatures where it takes those."""
    if deployed.outputs.get("Access") == "roles":
        return Signed(Cloud(endpoint_url))
    return SignedIn(lambda: token(deployed, endpoint_url))


def token_of(current: Current, client: str = MACHINE) -> str:
    """A new token of *client* of a deployment. Raises DeployError."""
    return token(find(current.stack, Cloud(current.endpoint_url)), current.endpoint_url, client)


def token(deployed: Deployed, endpoint_url: str | None, client: str = MACHINE) -> str:
    """A new token of one of the stage's machine clients. Raises DeployError.

    The client's secret is read with AWS credentials, so it is stored nowhere else.
    """
    if deployed.outputs.get("Access") == "roles":
        raise DeployError(
            f"{deployed.stack} takes no tokens: requests are signed as one of its IAM roles, as by"
            " `curl --aws-sigv4 aws:amz:REGION:execute-api`"
        )
    cloud = Cloud(endpoint_url)
    stage = Stacks(cloud, lambda _: None).outputs(f"{deployed.outputs['Stage']}-stage")
    if client not in stage:
        raise DeployError(
            f"{deployed.stack} takes tokens of an issuer of your own; get one there, and set {VARIABLE}"
        )
    name = stage[client]
    with explained(cloud):
        described = cloud.client("cognito-idp").describe_user_pool_client(
            UserPoolId=stage["UserPool"], ClientId=name
        )
    secret = described["UserPoolClient"]["ClientSecret"]
    url = token_url(stage["TokenUrl"], endpoint_url)
    try:
        answer = httpx.post(
            url,
            data={"grant_type": "client_credentials"},
            auth=(name, secret),
            timeout=30,
            trust_env=False,
        )
        made: str = answer.raise_for_status().json()["access_token"]
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise DeployError(f"{url} gives no token: {error}") from error
    return made


def token_url(public: str, endpoint_url: str | None) -> str:
    """Where a deployment's tokens are got: a stand-in for AWS has all addresses on its own."""
    return public if endpoint_url is None else endpoint_url.rstrip("/") + urlsplit(public).path
