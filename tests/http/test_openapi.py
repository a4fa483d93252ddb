"""The description: valid, whole, and made of what serves the routes."""

import ast
import re
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from app import API, app
from chalicelib.bank.account.domain import (
    Account,
    Book,
    Booking,
    Close,
    CloseStatement,
    Command,
    Freeze,
    Open,
    Unfreeze,
    decide,
)
from chalicelib.leftfold.http import console, live
from chalicelib.leftfold.http.unserved import PATHS
from chalicelib.leftfold.kernel import Refused
from tests.http.conftest import Bank
from tests.http.gateway import DOCUMENT, SIGNED

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_description_is_valid_openapi_3_1(bank: Bank) -> None:
    served = bank.get("/openapi.json")
    assert served.status == 200
    assert served.json["openapi"] == "3.1.0"
    OpenAPIV31SpecValidator(served.json).validate()


def test_every_route_of_the_app_is_described_and_no_other() -> None:
    served = {
        (method, path)
        for path, methods in app.routes.items()
        if path not in (*PATHS, *console.PATHS, live.PATH)
        for method in methods
    }
    described = {
        (method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods
    }
    # HEAD is described by its GET.
    served -= {("HEAD", path) for method, path in described if method == "GET"}
    assert served == described == {(route.method, route.path) for route in API.routes}


def test_every_parameter_and_member_has_a_description_or_a_type() -> None:
    for methods in DOCUMENT["paths"].values():
        for operation in methods.values():
            assert operation["summary"]
            for parameter in operation["parameters"]:
                assert parameter["schema"]


def test_every_problem_that_http_raises_is_in_the_table() -> None:
    raised = {
        call.args[0].value
        for file in (ROOT / "chalicelib").rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text()))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id in ("Problem", "refused")
        and isinstance(call.args[0], ast.Constant)
    }
    assert {"bad-cursor", "body-too-large", "entry-missing"} <= raised <= set(API.problems)


BOOKINGS = [
    Book((Booking(direction, amount, currency, "1993-01-03"),))
    for direction in ("credit", "debit")
    for amount in (1, 10**18)
    for currency in ("CZK", "EUR")
]
COMMANDS = [
    Open("Ada", "CZK", "current"),
    *BOOKINGS,
    Freeze(),
    Unfreeze(),
    Close(),
    CloseStatement("2026-01-31"),
]
STATES = [
    Account(status, currency="CZK" if status != "missing" else "", balance=balance, through=through)
    for status in ("missing", "open", "frozen", "closed")
    for balance in (0, 5)
    for through in (None, "2026-01-31")
]


@pytest.mark.parametrize(("command", "state"), list(product(COMMANDS, STATES)))
def test_every_refusal_of_the_rules_is_described_for_its_route(
    command: Command, state: Account
) -> None:
    path = {
        Open: "/accounts",
        CloseStatement: "/accounts/{id}/statements",
        Book: "/accounts/{id}/bookings",
        Freeze: "/accounts/{id}/freeze",
        Unfreeze: "/accounts/{id}/unfreeze",
        Close: "/accounts/{id}/close",
    }[type(command)]
    (route,) = (r for r in API.routes if (r.method, r.path) == ("POST", path))
    assert refusal_of(command, state) in {None, *route.problems}


def refusal_of(command: Command, state: Account) -> str | None:
    try:
        decide(command, state)
    except Refused as refusal:
        return refusal.code
    return None


def test_every_problem_of_a_route_is_described() -> None:
    everywhere = {"method-not-allowed"}
    # Commands that no route sends, for policies send them, or no state refuses with it.
    never = {"year-not-closing", "journal-gathered", "step-answered", "transfer-moved-on"}
    never |= {"account-open"}
    described = f"{DOCUMENT['paths']} {SIGNED['paths']}"
    assert {c for c in API.problems if f"`{c}`" not in described} == everywhere | never


def test_summaries_and_titles_are_made_of_words_and_of_what_a_request_has() -> None:
    said = [route.summary for route in API.routes] + [kind.title for kind in API.problems.values()]
    names = {name for text in said for name in re.findall(r"\w*(?:[a-z][A-Z]|_)\w*", text)}
    assert names <= {"minVersion", "OpenAPI"}


def test_a_command_imports_nothing_that_only_descriptions_and_searches_need() -> None:
    code = "import sys, app; print({'apispec', 'opensearchpy', 'boto3', 'yaml'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "set()"
