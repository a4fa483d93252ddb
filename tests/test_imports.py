"""What is imported when a Lambda function starts, and what pure code imports at all."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.bootstrap import ROOT
from tools.domain_package import domain_package

HEAVY = (
    *("chalicelib.leftfold.http", "marshmallow", "opensearchpy", "apispec", "boto3"),
    *("jwt", "cryptography"),
)
CODE = ROOT / "chalicelib"
# The package of the domain that this tree runs.
OWN = domain_package()
# Not pure: HTTP and application logic of the contexts.
IMPURE = ("http", "http.py", "service.py")
PURE = sorted(
    path
    for folder in ("leftfold/kernel", OWN.rpartition(".")[2])
    for path in (CODE / folder).rglob("*.py")
    if not set(path.relative_to(CODE).parts) & set(IMPURE)
)
KERNEL = "chalicelib.leftfold.kernel"
# What pure code may import of chalicelib, by its package.
BELOW = {"leftfold": (KERNEL,), OWN.rpartition(".")[2]: (KERNEL, OWN)}


# A module as Lambda imports it from the package, which has an index of the domain.
START = """
import sys
from pathlib import Path
from chalicelib.leftfold.wiring import domain_index
domain_index.INDEX = Path(sys.argv[1])
import {}
print(*sys.modules)
"""
# Those of the engine that each request needs, whatever its route: 69 on 2026-11-27. One more takes up
# to 3 ms from the first answer of each process.
MOST_OF_ENGINE = 75
# Parts of the API: requests for their routes alone need them.
PARTS = ("feed", "operating", "repairing", "upkeep", "health", "subjects", "history", "openapi")


def imported_at_start(module: str, index: Path | str = "/none") -> set[str]:
    """The modules that importing *module* brings, from a package with this *index*."""
    done = subprocess.run(
        [sys.executable, "-B", "-c", START.format(module), str(index)],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return set(done.stdout.split())


def test_a_function_for_events_starts_without_http_and_clients() -> None:
    assert not imported_at_start("chalicelib.functions") & {*HEAVY}


@pytest.mark.slow
def test_the_api_starts_without_clients_and_without_its_description() -> None:
    brought = imported_at_start("app") & {*HEAVY}
    assert brought == {"chalicelib.leftfold.http", "marshmallow"}


def test_the_packaged_api_starts_with_what_each_request_needs(index: Path) -> None:
    brought = imported_at_start("app", index)
    assert brought & {*HEAVY} == {"chalicelib.leftfold.http", "marshmallow"}
    assert [name for name in brought if name.startswith(OWN)] == []
    assert brought.isdisjoint(f"chalicelib.leftfold.http.{part}" for part in PARTS)
    ours = [name for name in brought if name.startswith("chalicelib")]
    assert len(ours) <= MOST_OF_ENGINE, sorted(ours)


def test_the_api_starts_without_the_pattern_of_a_validator_that_nothing_uses() -> None:
    """Once marshmallow compiles it when it is used, `late_patterns` can go."""
    program = """
import app
from marshmallow import ValidationError
from marshmallow.validate import Email
print(type(Email.DOMAIN_REGEX).__name__)
for address in ("ada@example.org", "ada@example"):
    try:
        print(Email()(address))
    except ValidationError:
        print("refused")
"""
    done = subprocess.run(
        [sys.executable, "-B", "-c", program],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert done.stdout.split() == ["LatePattern", "ada@example.org", "refused"]


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            assert node.module is not None
            yield node.module


def is_below(name: str, package: str) -> bool:
    """Whether *name* is of the standard library, or of what *package* may use."""
    if name.partition(".")[0] in sys.stdlib_module_names:
        return True
    return any(name == below or name.startswith(f"{below}.") for below in BELOW[package])


@pytest.mark.parametrize("path", PURE, ids=lambda path: str(path.relative_to(ROOT)))
def test_kernel_and_rules_import_the_standard_library_and_themselves(path: Path) -> None:
    package = path.relative_to(CODE).parts[0]
    assert [name for name in imports(path) if not is_below(name, package)] == []


ENGINE = sorted(
    [
        *(CODE / "leftfold").rglob("*.py"),
        CODE / "functions.py",
        ROOT / "infra/stage.json",
        ROOT / "infra/truth.json",
    ]
)
# Words of the bank that the engine has no other use for.
BANKS = re.compile(r"\b(banks?|bookings?|rankings?|statements?|transfers?)\b", re.IGNORECASE)


def test_the_engine_never_names_the_bank() -> None:
    named = {
        str(path.relative_to(ROOT)): found
        for path in ENGINE
        # IAM's word, in every policy document.
        if (found := BANKS.findall(path.read_text().replace('"Statement"', "")))
    }
    assert named == {}
