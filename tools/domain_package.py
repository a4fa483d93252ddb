"""The package of the domain that this application runs."""

import ast
from pathlib import Path

from tools.bootstrap import ROOT

NAMED_IN = Path("chalicelib/domain.py")


class DomainError(Exception):
    """Tells in one line what is wrong with the domain's package, and the cure."""


def domain_package(root: Path = ROOT) -> str:
    """The import path of the package whose CONTEXTS chalicelib/domain.py imports.

    The file is read and not run, so that a domain with a mistake in it has a package too.
    Raises DomainError.
    """
    tree = ast.parse((root / NAMED_IN).read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and any(name.name == "CONTEXTS" for name in node.names):
            return str(node.module).removesuffix(".contexts")
    raise DomainError(
        f"{NAMED_IN} imports no CONTEXTS; let it import them from `contexts` in the package of"
        " your domain"
    )
