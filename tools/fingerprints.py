"""The fingerprint of each fold: of all the code that its snapshots depend on.

It covers the module that defines an aggregate and every chalicelib module that it
imports by name, however indirectly. It does not cover a package's `__init__` that only runs
because a module of the package is imported: a context's `__init__` names views, policies and
routes, and an edited route must discard no snapshot. It is made of syntax trees without docstrings, so comments
and formatting don't count; a changed helper or constant does. Another version of Python
may write down the same tree differently: then old snapshots are passed over, once.
"""

import ast
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "chalicelib"
LENGTH = 32

_LIST_MODULES = """
import json
from chalicelib.domain import DOMAIN
from chalicelib.leftfold.subjects.audit import audit
found = [*DOMAIN.aggregates.values(), audit]
print(json.dumps({aggregate.category: aggregate.module for aggregate in found}))
"""

_Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def fingerprints(root: Path) -> dict[str, str]:
    """The fingerprint of each category of the chalicelib under *root*, the engine's own too."""
    listed = subprocess.run(
        # A process of its own, because this one may have another copy of chalicelib.
        [sys.executable, "-B", "-S", "-c", _LIST_MODULES],
        cwd=root,
        check=True,
        stdout=subprocess.PIPE,
    )
    modules: dict[str, str] = json.loads(listed.stdout)
    return {category: fingerprint(root, module) for category, module in modules.items()}


def fingerprint(root: Path, module: str) -> str:
    """32 hex digits for *module* and the chalicelib modules that it imports."""
    trees: dict[str, ast.Module] = {}
    waiting = {module}
    while waiting:
        name = waiting.pop()
        path = _file_of(root, name)
        if path is None or name in trees:
            continue
        trees[name] = ast.parse(path.read_bytes())
        for imported in _imports(trees[name], name, is_package=path.stem == "__init__"):
            waiting.add(imported)
    digest = hashlib.sha256()
    for name in sorted(trees):
        digest.update(f"{name}\n{ast.dump(_without_docstrings(trees[name]))}\n".encode())
    return digest.hexdigest()[:LENGTH]


def _imports(tree: ast.Module, name: str, *, is_package: bool) -> Iterator[str]:
    """Names that may be modules of chalicelib; `from a import b` gives a and a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = name.split(".")
            upwards = node.level - is_package
            base = parts[: len(parts) - upwards] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            yield source
            yield from (f"{source}.{alias.name}" for alias in node.names)


def _file_of(root: Path, name: str) -> Path | None:
    if name.partition(".")[0] != PACKAGE:
        return None
    path = root.joinpath(*name.split("."))
    candidates = (path / "__init__.py", path.with_suffix(".py"))
    return next((file for file in candidates if file.is_file()), None)


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, _Documented) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return tree
