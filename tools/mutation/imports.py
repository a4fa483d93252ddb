"""Which modules a test file imports, with all that these import."""

import ast
from collections.abc import Mapping
from pathlib import Path

from tools.mutation.planting import module_name


def imported_by(path: str, source: str, paths: Mapping[str, str]) -> set[str]:
    """The files, of *paths* by module name, that a file imports anywhere, or names in a text
    for `import_module`; of a package, what runs before its module, too.
    """
    names: set[str] = set()
    package = Path(path).parent.parts
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            whole = ".".join(part for part in (above, node.module or "") if part)
            names |= {whole, *(f"{whole}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in paths:
            names.add(node.value)
    with_packages = {
        ".".join(parts[:count])
        for name in names
        if (parts := name.split("."))
        for count in range(1, len(parts) + 1)
    }
    return {paths[name] for name in with_packages if name in paths}


def closures(root: Path, sources: Mapping[str, str]) -> dict[str, set[str]]:
    """For each file of the tests: the sources that it imports, by whatever way."""
    tests = {p.relative_to(root).as_posix(): p.read_text() for p in root.glob("tests/**/*.py")}
    # An app that registers everything stands at the root, and is imported, too.
    others = {path.name: path.read_text() for path in root.glob("*.py")}
    texts = {**sources, **tests, **others}
    paths = {module_name(path): path for path in texts}
    direct = {path: imported_by(path, text, paths) for path, text in texts.items()}
    found: dict[str, set[str]] = {}
    for test in tests:
        seen: set[str] = set()
        above = [folder / "conftest.py" for folder in Path(test).parents]
        waiting = [test, *(path for each in above if (path := each.as_posix()) in texts)]
        while waiting:
            for path in direct[waiting.pop()] - seen:
                seen.add(path)
                waiting.append(path)
        found[test] = seen
    return found
