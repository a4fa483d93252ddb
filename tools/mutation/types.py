"""Faults that the type checker refuses: `make check` ends with them before any test runs."""

import ast
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from tools.mutation.mutants import Mutant, mutated

# `path:line: error: what  [code]`
ERROR = re.compile(r"^(?P<where>.+?):\d+: error: (?P<what>.+)$", re.MULTILINE)
IGNORED = "type: ignore"


class Types:
    """mypy with the project's settings on *code*, with one module of *sources* replaced.

    It keeps what it knows of all other modules below *kept*, so that a fault takes it a second.
    """

    def __init__(
        self, root: Path, code: Sequence[str], sources: Mapping[str, str], kept: Path
    ) -> None:
        self._root = root
        self._code = code
        self._sources = sources
        self._kept = kept
        self._known = cache(self._known_errors)

    def refuses(self, mutant: Mutant) -> str:
        """What is wrong with the types of a mutant, in words; "" if nothing is."""
        tree = mutated(mutant, self._sources[mutant.path])
        found = self._errors(mutant.path, tree) - self._known(mutant.path)
        return next(iter(sorted(found)), "")

    def _known_errors(self, path: str) -> Counter[str]:
        """The errors that a module has without its comments, which a tree does not have either."""
        source = self._sources[path]
        return self._errors(path, ast.parse(source)) if IGNORED in source else Counter()

    def _errors(self, path: str, tree: ast.Module) -> Counter[str]:
        with tempfile.NamedTemporaryFile("w", suffix=".py") as shadow:
            shadow.write(ast.unparse(tree))
            shadow.flush()
            checked = subprocess.run(
                [
                    *(sys.executable, "-m", "mypy", "--cache-dir", str(self._kept)),
                    *("--no-error-summary", "--no-pretty", "--hide-error-context"),
                    *("--shadow-file", path, shadow.name, *self._code),
                ],
                cwd=self._root,
                capture_output=True,
                text=True,
                check=False,
            )
        # 2 says that mypy itself has failed, or that this is no Python.
        if checked.returncode not in {0, 1}:
            raise RuntimeError(checked.stdout + checked.stderr)
        return Counter(
            f"{each['where']}: {each['what']}" for each in ERROR.finditer(checked.stdout)
        )
