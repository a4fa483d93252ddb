"""The environment of a deployment's functions."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import pytest

from chalicelib.leftfold.wiring.settings import Settings, SignIn
from tools.bootstrap import ROOT

NAME = re.compile(r"LEFTFOLD_[A-Z_]+[A-Z]")
# The command line reads it: a token of whoever types.
OF_THE_COMMAND_LINE = {"LEFTFOLD_TOKEN"}
SIGN_IN = {
    "LEFTFOLD_SIGN_IN": "https://in.example/authorize",
    "LEFTFOLD_SIGN_IN_TOKEN": "https://in.example/token",
    "LEFTFOLD_CONSOLE": "client",
}


class Asked(Mapping[str, str]):
    """An environment in which nothing is set, and which notes what it is asked for."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def properties() -> list[str]:
    return [name for name, value in vars(Settings).items() if isinstance(value, property)]


def test_each_variable_that_is_read_is_described_and_no_other_is() -> None:
    asked = Asked()
    for name in properties():
        with suppress(LookupError):
            getattr(Settings(asked), name)
    assert asked.names == set(NAME.findall(Settings.__doc__ or ""))


def test_what_a_deployment_sets_is_read() -> None:
    said = {
        name
        for folder in ("infra", "tools")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".json", ".py", ".toml"}
        for name in NAME.findall(path.read_text())
    }
    assert said - OF_THE_COMMAND_LINE <= set(NAME.findall(Settings.__doc__ or ""))
    environments = json.loads((ROOT / "infra/resources.json").read_text())
    assert NAME.findall(json.dumps(environments))


@pytest.mark.parametrize(
    ("variables", "name", "value"),
    [
        ({"LEFTFOLD_STACK": "s"}, "stack", "s"),
        ({"LEFTFOLD_STACK": "s", "LEFTFOLD_TRUTH": "t"}, "truth", "t"),
        ({"LEFTFOLD_STACK": "s"}, "truth", "s"),
        ({"LEFTFOLD_STACK": "s", "LEFTFOLD_STAGE": "g"}, "stage", "g"),
        ({"LEFTFOLD_STACK": "s"}, "stage", "s"),
        ({"LEFTFOLD_TRUTH": "t"}, "is_truth", True),
        ({"LEFTFOLD_STACK": "s", "LEFTFOLD_TRUTH": "t"}, "is_truth", False),
        ({"LEFTFOLD_SEARCH_ENDPOINT": "h"}, "search_url", "https://h"),
        (
            {"LEFTFOLD_SEARCH_ENDPOINT": "h", "LEFTFOLD_SEARCH_SCHEME": "http"},
            "search_url",
            "http://h",
        ),
        ({"LEFTFOLD_MAIL_FROM": "a@b"}, "mail_from", "a@b"),
        ({"LEFTFOLD_MAIL_FROM": ""}, "mail_from", None),
        ({"LEFTFOLD_STACK": "s"}, "personal_data_key", "alias/s-personal-data"),
        ({}, "repairs_need_two", True),
        ({"LEFTFOLD_REPAIRS": "one"}, "repairs_need_two", False),
        ({}, "logs", ("main",)),
        ({"LEFTFOLD_LOGS": "3"}, "logs", ("main", "main-1", "main-2")),
        ({"LEFTFOLD_STACK": "s", "LEFTFOLD_TRUTH": "t"}, "archive", "t-archive"),
        ({"LEFTFOLD_ARCHIVE": "bucket"}, "archive", "bucket"),
        ({"LEFTFOLD_EARLIER": "blue"}, "earlier", "blue"),
        ({"LEFTFOLD_EARLIER": ""}, "earlier", None),
        ({"LEFTFOLD_EARLIER_LOGS": "2"}, "earlier_logs", ("main", "main-1")),
        ({}, "earlier_logs", ("main",)),
        ({"LEFTFOLD_EARLIER": "blue"}, "earlier_archive", "blue-archive"),
        (
            {"LEFTFOLD_EARLIER": "blue", "LEFTFOLD_EARLIER_ARCHIVE": "bucket"},
            "earlier_archive",
            "bucket",
        ),
        ({"LEFTFOLD_ORDINAL": "3"}, "ordinal", 3),
        ({"LEFTFOLD_ISSUER": "https://in.example"}, "issuer", "https://in.example"),
        ({"LEFTFOLD_JWKS": "https://in.example/keys"}, "jwks", "https://in.example/keys"),
        ({"LEFTFOLD_AUDIENCE": "a, b,"}, "audience", {"a", "b"}),
        (
            SIGN_IN,
            "sign_in",
            SignIn("https://in.example/authorize", "https://in.example/token", "client", "openid"),
        ),
        (
            {**SIGN_IN, "LEFTFOLD_SIGN_IN_SCOPE": "openid operate"},
            "sign_in",
            SignIn(
                "https://in.example/authorize",
                "https://in.example/token",
                "client",
                "openid operate",
            ),
        ),
        ({**SIGN_IN, "LEFTFOLD_CONSOLE": ""}, "sign_in", None),
        ({**SIGN_IN, "LEFTFOLD_SIGN_IN": ""}, "sign_in", None),
        ({**SIGN_IN, "LEFTFOLD_SIGN_IN_TOKEN": ""}, "sign_in", None),
        ({}, "tenant_claim", "tenant"),
        ({"LEFTFOLD_TENANT_CLAIM": "custom:tenant"}, "tenant_claim", "custom:tenant"),
        ({}, "tenant_rate", 0),
        ({"LEFTFOLD_TENANT_RATE": "50"}, "tenant_rate", 50),
        ({}, "feed_seats", 0),
        ({"LEFTFOLD_FEED_SEATS": "10"}, "feed_seats", 10),
        ({}, "wait_seats", 0),
        ({"LEFTFOLD_WAIT_SEATS": "20"}, "wait_seats", 20),
        (
            {"LEFTFOLD_CORS_ORIGINS": "https://a, https://b"},
            "cors_origins",
            {"https://a", "https://b"},
        ),
        ({}, "cors_origins", set()),
        (
            {"LEFTFOLD_OTLP_ENDPOINT": "https://otlp.example"},
            "otlp_endpoint",
            "https://otlp.example",
        ),
        (
            {"LEFTFOLD_OTLP_HEADERS": "a=1, b = x=y ,=z"},
            "otlp_headers",
            {"a": "1", "b": "x=y"},
        ),
    ],
)
def test_a_setting_is_what_its_variable_says(
    variables: Mapping[str, str], name: str, value: Any
) -> None:
    assert getattr(Settings(variables), name) == value
