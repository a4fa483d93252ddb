"""Everything that is shipped has a licence that is listed, and is used."""

import json
import re
from importlib.metadata import metadata
from pathlib import Path

import pytest

from tools.bootstrap import ROOT

LISTED = dict(
    re.findall(
        r"^\| ([a-z0-9][a-z0-9-]*) \| (.+) \|$",
        (ROOT / "docs/licences.md").read_text(),
        flags=re.MULTILINE,
    )
)
LISTED.pop("package")
PINNED = re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.txt").read_text(), flags=re.MULTILINE)
CONSOLE = json.loads((ROOT / "console/package-lock.json").read_text())["packages"]
BUNDLED = list(CONSOLE[""]["dependencies"])
ASKED = re.findall(r"^([a-z0-9-]+)", (ROOT / "requirements.in").read_text(), flags=re.MULTILINE)
# What each requirement is imported as, if not by its name.
MODULES = {"opensearch-py": "opensearchpy", "pyjwt": "jwt"}
# Nothing that is shipped may ask more of whoever ships it.
BORNE = {"Apache", "BSD", "MIT", "MPL", "Dual"}


def test_all_that_is_shipped_is_listed_and_nothing_else() -> None:
    assert set(LISTED) == {*PINNED, *BUNDLED, "chalice"}


@pytest.mark.parametrize("name", [*PINNED, "chalice"])
def test_a_package_has_the_licence_that_is_listed(name: str) -> None:
    declared = metadata(name).json
    assert LISTED[name] in (declared.get("license_expression"), declared.get("license"))


@pytest.mark.parametrize("name", BUNDLED)
def test_a_package_of_the_console_has_the_licence_that_is_listed(name: str) -> None:
    assert CONSOLE[f"node_modules/{name}"]["license"] == LISTED[name]


@pytest.mark.parametrize("name", LISTED)
def test_a_licence_asks_for_no_more_than_its_text(name: str) -> None:
    assert re.split("[- ]", LISTED[name])[0] in BORNE


@pytest.mark.parametrize("name", ASKED)
def test_nothing_is_shipped_that_no_code_imports(name: str) -> None:
    module = MODULES.get(name, name)
    # botocore is boto3's; its exceptions are caught by name.
    pattern = re.compile(rf"^ *(?:from|import) {module}\b", flags=re.MULTILINE)
    code = sorted(Path(ROOT / "chalicelib").rglob("*.py"))
    assert any(pattern.search(path.read_text()) for path in code)
