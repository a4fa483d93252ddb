"""An OpenSearch that answers as it is told, behind the real client, and remembers requests."""

import json
from dataclasses import dataclass, field
from typing import Any

from opensearchpy import Connection, OpenSearch

MISSING = {"error": {"type": "index_not_found_exception", "reason": "no such index"}}


@dataclass(frozen=True)
class Request:
    """One request; the lines of a bulk request are a list."""

    method: str
    path: str
    body: Any = None
    params: dict[str, Any] = field(default_factory=dict)


@dataclass
class Cluster:
    """Answers in their order, (status, body) each; and the requests that came."""

    answers: list[tuple[int, Any]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def __call__(self, request: Request) -> tuple[int, Any]:
        self.requests.append(request)
        return self.answers.pop(0)

    @property
    def client(self) -> OpenSearch:
        """The real client of this cluster."""
        return OpenSearch(
            hosts=["http://search.test"],
            connection_class=Wire,
            cluster=self,
            max_retries=0,
        )


class Wire(Connection):
    """A connection to a `Cluster`."""

    def __init__(self, cluster: Cluster, **options: Any) -> None:
        super().__init__(**options)
        self._cluster = cluster

    def perform_request(self, method: str, url: str, *args: Any, **_options: Any) -> Any:
        params, body = args
        request = Request(method, url, parsed(body), dict(params or {}))
        status, answer = self._cluster(request)
        text = json.dumps(answer)
        if status >= 300:
            self._raise_error(status, text, "application/json")
        return status, {}, text


def parsed(body: Any) -> Any:
    """A body's JSON, or that of each of its lines."""
    if body is None:
        return None
    text = body.decode() if isinstance(body, bytes) else body
    lines = [json.loads(line) for line in text.splitlines()]
    return lines if text.endswith("\n") else lines[0]
