"""What is imported when a Lambda function starts, and what pure code imports at all."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.bootstrap import ROOT

HEAVY = ("chalicelib.leftfold.http", "marshmallow", "opensearchpy", "apispec", "boto3")
PURE = sorted(
    path
    for package in ("kernel", "contexts")
    for path in (ROOT / "chalicelib" / package).rglob("*.py")
)
# What a pure package may import of chalicelib.
BELOW = {
    "kernel": ("chalicelib.leftfold.kernel",),
    "contexts": ("chalicelib.leftfold.kernel", "chalicelib.bank"),
}


def imported_at_start(module: str) -> set[str]:
    """Those of the heavy modules that importing *module* brings."""
    program = f"import sys, {module}; print(*(m for m in {HEAVY!r} if m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-B", "-c", program],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("function", ["relay", "views", "upkeep"])
def test_a_function_for_events_starts_without_http_and_clients(function: str) -> None:
    assert imported_at_start(f"chalicelib.leftfold.functions.{function}") == set()


def test_the_api_starts_without_clients_and_without_its_description() -> None:
    assert imported_at_start("app") == {"chalicelib.leftfold.http", "marshmallow"}


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
def test_kernel_and_contexts_import_the_standard_library_and_themselves(path: Path) -> None:
    package = path.relative_to(ROOT / "chalicelib").parts[0]
    assert [name for name in imports(path) if not is_below(name, package)] == []
