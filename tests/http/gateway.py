"""API Gateway in front of the app: requests become the events that it makes of them."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from openapi_schema_validator import OAS31Validator

from app import API, app
from chalicelib.leftfold.http import console, live
from chalicelib.leftfold.http.openapi import document
from chalicelib.leftfold.http.unserved import PATHS, leads
from tests.issuer import token

JSON = "application/json"
DOCUMENT = document(API)
SIGNED = document(API, signed=True)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def code(self) -> str:
        """The problem's code."""
        code: str = self.json["code"]
        return code

    @property
    def pointers(self) -> list[str]:
        """Where the body is wrong."""
        return [error["pointer"] for error in self.json["errors"]]

    @property
    def parameters(self) -> list[str]:
        """Which query parameters are wrong."""
        return [error["parameter"] for error in self.json["errors"]]


@dataclass
class Gateway:
    """Sends requests to the app; every answer must be as the OpenAPI document has it.

    Every request has *token*, unless it has an `Authorization` of its own or *token* is None. Where
    *signer* is an ARN, the API is one of signed requests, and it has signed them.
    """

    token: str | None = field(default_factory=token)
    signer: str | None = field(default=None, kw_only=True)

    def get(self, url: str, **headers: str) -> Answer:
        return self.send("GET", url, None, spelled(headers))

    def post(self, url: str, body: Any = None, **headers: str) -> Answer:
        """Posts JSON; None is no body at all."""
        raw = None if body is None else json.dumps(body).encode()
        return self.post_bytes(url, raw, JSON if raw else None, **headers)

    def post_bytes(
        self, url: str, raw: bytes | None, media_type: str | None = JSON, **headers: str
    ) -> Answer:
        typed = {} if media_type is None else {"content-type": media_type}
        return self.send("POST", url, raw, typed | spelled(headers))

    def send(
        self,
        method: str,
        url: str,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        as_base64: bool = False,
    ) -> Answer:
        event = self.event(method, url, raw, headers, as_base64=as_base64)
        made = app(json.loads(json.dumps(event)), None)
        response = json.loads(json.dumps(made))
        answer = Answer(response["statusCode"], response["headers"], response["body"])
        template = event["resource"]
        if template not in (*PATHS, *console.PATHS, live.PATH):
            check(method, template, answer, SIGNED if self.signer else DOCUMENT)
        return answer

    def event(
        self,
        method: str,
        url: str,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        as_base64: bool = False,
    ) -> dict[str, Any]:
        """What API Gateway makes of a request."""
        parts = urlsplit(url)
        path = parts.path.rstrip("/") or "/"
        template, captured = routed(method, path)
        return {
            "resource": template,
            "path": path,
            "httpMethod": method,
            "headers": self._admitted(headers or {}),
            "multiValueQueryStringParameters": parse_qs(parts.query, keep_blank_values=True)
            or None,
            "pathParameters": captured or None,
            "stageVariables": None,
            "requestContext": {
                "resourcePath": template,
                "httpMethod": method,
                "path": f"/api{path}",
                "identity": {"sourceIp": "127.0.0.1", "userArn": self.signer},
            },
            "body": encoded(raw, as_base64=as_base64),
            "isBase64Encoded": as_base64,
        }

    def _admitted(self, headers: Mapping[str, str]) -> dict[str, str]:
        bearer = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        return bearer | dict(headers)


def spelled(headers: Mapping[str, str]) -> dict[str, str]:
    """Header names from keywords: if_match becomes If-Match."""
    return {name.replace("_", "-").title(): value for name, value in headers.items()}


def encoded(raw: bytes | None, *, as_base64: bool) -> str | None:
    """A body as it is handed on: what is not UTF-8 is lost, unless it is binary."""
    if raw is None:
        return None
    return base64.b64encode(raw).decode() if as_base64 else raw.decode("utf-8", "replace")


def routed(method: str, path: str) -> tuple[str, dict[str, str]]:
    """The resource that serves a path, and its path parameters, still encoded."""
    templates = [
        template
        for template, methods in sorted(app.routes.items(), key=lambda r: "{" in r[0])
        if template not in (*PATHS, live.PATH) and method in methods and leads(template, path)
    ]
    if not templates and path.startswith(f"{live.PREFIX}/"):
        return live.PATH, {"proxy": path.removeprefix(f"{live.PREFIX}/")}
    if not templates:
        return ("/", {}) if path == "/" else ("/{proxy+}", {"proxy": path[1:]})
    captured = zip(templates[0].split("/"), path.split("/"), strict=True)
    return templates[0], {part[1:-1]: text for part, text in captured if "{" in part}


def check(method: str, template: str, answer: Answer, described_in: Any) -> None:
    """Fails unless the OpenAPI document has this answer of this operation; HEAD is its GET's."""
    operation = "get" if method == "HEAD" else method.lower()
    described = described_in["paths"][template][operation]["responses"]
    response = described[str(answer.status)]
    for name in response["headers"]:
        assert name in answer.headers, name
    if "content" not in response:
        assert answer.text == ""
        return
    content = response["content"][answer.headers["Content-Type"]]
    if method == "HEAD":
        assert answer.text == ""
        return
    components = {"components": described_in["components"]}
    OAS31Validator(content["schema"] | components).validate(answer.json)
