"""The parts of the API: which of them a request of a packaged application imports, and what it answers."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from app import API
from chalicelib.domain import DOMAIN
from chalicelib.leftfold.http.api import Api, listing_of
from chalicelib.leftfold.http.openapi import document
from chalicelib.leftfold.kernel import Context, Domain
from tests.http.gateway import routed
from tools.bootstrap import ROOT

# A process of the API. It prints the status of each answer, and the modules that it has then.
SERVE = """
import json, sys
from pathlib import Path
from chalicelib.leftfold.wiring import domain_index
domain_index.INDEX = Path(sys.argv[1])
from app import app
for event in json.loads(sys.argv[2]):
    print(app(event, None)["statusCode"], *sys.modules)
"""
ALL = {"account", "ledger", "notices", "transfer"}


def event(method: str, path: str) -> dict[str, Any]:
    """A request without a token, as API Gateway hands it on."""
    template, captured = routed(method, path)
    return {
        "resource": template,
        "path": path,
        "httpMethod": method,
        "headers": {},
        "multiValueQueryStringParameters": None,
        "pathParameters": captured or None,
        "stageVariables": None,
        "requestContext": {"resourcePath": template, "httpMethod": method, "path": path},
        "body": None,
        "isBase64Encoded": False,
    }


def served(index: Path, *requests: tuple[str, str], **variables: str) -> list[tuple[int, set[str]]]:
    """The statuses of requests to one new process, and the contexts that it had imported then."""
    events = json.dumps([event(*request) for request in requests])
    done = subprocess.run(
        [sys.executable, "-B", "-c", SERVE, str(index), events],
        cwd=ROOT,
        env={**os.environ, "LEFTFOLD_STACK": "test", **variables},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    # Between them are lines of the log.
    lines = [line.split() for line in done.stdout.splitlines() if line[:1].isdigit()]
    return [(int(status), contexts(modules)) for status, *modules in lines]


def contexts(modules: Iterable[str]) -> set[str]:
    """The contexts of the bank that are among *modules*."""
    parts = (name.split(".") for name in modules if name.startswith("chalicelib.bank."))
    return {part[2] for part in parts} & ALL


def test_a_request_imports_the_part_that_has_its_route(index: Path) -> None:
    expected = {
        ("GET", "/health"): (200, set()),
        ("GET", "/nothing"): (404, set()),
        ("DELETE", "/accounts/a"): (405, set()),
        ("GET", "/live/nothing"): (404, set()),
        ("GET", "/live/accounts/a"): (401, {"account"}),
        ("POST", "/transfers"): (401, {"account", "transfer"}),
        ("GET", "/log"): (401, ALL),
        ("GET", "/accounts/a"): (401, ALL),
    }
    assert served(index, *expected) == list(expected.values())


def test_a_process_that_is_made_before_a_request_comes_imports_all_parts(index: Path) -> None:
    up = ("GET", "/health")
    for begun_by, imported in (("provisioned-concurrency", ALL), ("on-demand", set())):
        variables = {"AWS_LAMBDA_INITIALIZATION_TYPE": begun_by}
        assert served(index, up, **variables) == [(200, imported)]


def test_the_index_leads_to_every_route_and_problem(index: Path) -> None:
    packaged = Api(DOMAIN, API.description, json.loads(index.read_text()))
    assert list(packaged.listings) == list(API.listings)
    assert [listing_of(route) for route in packaged.routes] == list(API.listings)
    assert packaged.problems == API.problems
    feed = next(listing for listing in packaged.listings if listing.name == "follow_log")
    assert packaged.route(feed) is packaged.route(feed), "each part is imported once"
    assert document(packaged) == document(API)


def test_two_contexts_cannot_have_a_problem_of_one_name() -> None:
    http = next(context.http for context in DOMAIN.contexts if context.http)
    twice = Domain([Context(http=http), Context(http=f"{http}.problems")])
    with pytest.raises(ValueError, match="is used twice in the domain"):
        Api(twice, "")
