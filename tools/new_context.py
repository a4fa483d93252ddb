"""`leftfold new-context`: writes a small context that works, from the files in context_template."""

import ast
import builtins
import keyword
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from tools.bootstrap import ROOT
from tools.domain_package import NAMED_IN, domain_package
from tools.resources import TABLE_NAMES, app_functions

TEMPLATES = Path(__file__).parent / "context_template"
# A name becomes part of a path, of a table and of a problem's code: one plain word.
NAME = re.compile(r"[a-z][a-z0-9]*")
LONGEST = 24
# A module that is not written yet looks like a stranger's to ruff.
OWN = 'lint.isort.known-first-party = ["app", "chalicelib", "tests", "tools"]'
MODULES = ("__init__", "domain", "views", "http")


class NewContextError(Exception):
    """Tells in one line why no context was written, and the cure."""


@dataclass(frozen=True)
class Made:
    """*files* are new, *listed_in* is changed, *tests* is the context's test; all below the root."""

    files: tuple[Path, ...]
    listed_in: Path
    tests: Path


@dataclass(frozen=True)
class Taken:
    """The names that an application uses already."""

    categories: frozenset[str]
    functions: frozenset[str]
    paths: frozenset[str]


def new_context(name: str, root: Path = ROOT) -> Made:
    """Writes the context *name* into the domain's package. Raises NewContextError, DomainError.

    Nothing is written unless all of it can be.
    """
    check_word(name)
    package = domain_package(root)
    names = plural(name)
    check_free(name, names, taken())
    folder = Path(*package.split("."))
    tests = Path("tests", folder.name)
    existing = next(
        (
            path
            for path in (folder / name, folder / f"{name}.py", tests / f"test_{name}.py")
            if (root / path).exists()
        ),
        None,
    )
    if existing is not None:
        raise NewContextError(f"new-context: {existing} exists; choose another name")
    words = {
        "package": package,
        "name": name,
        "names": names,
        "Name": name.capitalize(),
        "Names": names.capitalize(),
        "NAME": name.upper(),
    }
    files = {
        **{folder / name / f"{module}.py": filled(module, words) for module in MODULES},
        tests / f"test_{name}.py": filled("test", words),
    }
    listing = folder / "contexts.py"
    listed = with_context((root / listing).read_text(), package, name, listing)
    if not (root / tests / "__init__.py").exists():
        files[tests / "__init__.py"] = ""
    finished = {path: formatted(text, path, root) for path, text in files.items()}
    finished[listing] = formatted(listed, listing, root)
    for path, text in finished.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return Made(tuple(files), listing, tests / f"test_{name}.py")


def filled(module: str, words: Mapping[str, str]) -> str:
    """The template of *module* with *words* in it."""
    return Template((TEMPLATES / f"{module}.py.txt").read_text()).substitute(words)


def formatted(text: str, path: Path, root: Path) -> str:
    """Python code as `ruff` has it: where lines break depends on how long the name is.

    *path* is where the code will be, below *root*; ruff derives from it which imports are the project's own.
    """
    for arguments in (["check", "--select", "I", "--fix-only", "--config", OWN], ["format"]):
        command = [sys.executable, "-m", "ruff", *arguments, "--quiet"]
        text = subprocess.run(
            [*command, "--stdin-filename", str(path), "-"],
            input=text,
            cwd=root,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    return text


def check_word(name: str) -> None:
    """Raises NewContextError for a word that cannot name a context in any application."""
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        raise NewContextError(
            f"new-context: {name!r} cannot name a context; take one word of at most {LONGEST}"
            " lower-case letters and digits, such as loan"
        )
    for word in (name, plural(name)):
        if keyword.iskeyword(word) or keyword.issoftkeyword(word) or hasattr(builtins, word):
            raise NewContextError(
                f"new-context: {word!r} is a word of Python itself; choose another name"
            )
        if word in used_in_templates():
            raise NewContextError(
                f"new-context: {word!r} means something else in the files of a context;"
                " choose another name"
            )


def used_in_templates() -> set[str]:
    """Every name that the templates define or import, in lower case."""
    words = dict.fromkeys(("package", "name", "names", "Name", "Names", "NAME"), "x_")
    found: set[str] = set()
    for template in TEMPLATES.glob("*.txt"):
        for node in ast.walk(ast.parse(Template(template.read_text()).substitute(words))):
            found |= set(names_of(node))
    return {name.lower() for name in found} - {"x_"}


def names_of(node: ast.AST) -> Iterator[str]:
    """The names that one node of a syntax tree binds or reads."""
    match node:
        case ast.Name(name) | ast.arg(name) | ast.ClassDef(name) | ast.FunctionDef(name):
            yield name
        case ast.alias(name):
            yield name.rpartition(".")[2]
        case ast.MatchAs(_, str(name)):
            yield name


def plural(name: str) -> str:
    """The plural of an English noun: the view's name and the path."""
    if name.endswith(("s", "x", "z", "ch", "sh")):
        return f"{name}es"
    if name.endswith("y") and name[-2:-1] not in "aeiou":
        return f"{name[:-1]}ies"
    return f"{name}s"


def taken() -> Taken:
    """The names that the running application uses."""
    from app import API
    from chalicelib import functions
    from chalicelib.domain import DOMAIN
    from chalicelib.leftfold.functions import ENGINE

    of_functions = (*app_functions(), *vars(functions))
    return Taken(
        frozenset(DOMAIN.aggregates),
        frozenset((*of_functions, *ENGINE)),
        frozenset(route.path.split("/")[1] for route in API.routes),
    )


def check_free(name: str, names: str, used: Taken) -> None:
    """Raises NewContextError where another part of the application has one of the names."""
    clashes = (
        (name in used.categories, f"{name!r} is a category of streams already"),
        (names in used.functions, f"its view {names!r} would be named like another function"),
        (names in used.paths, f"its path /{names} is served already"),
        (names in TABLE_NAMES, f"its view {names!r} would be named like a table of the engine"),
    )
    for clash, says in clashes:
        if clash:
            raise NewContextError(f"new-context: {says}; choose another name than {name!r}")


def with_context(text: str, package: str, name: str, path: Path) -> str:
    """The domain's `contexts.py` with one more context in CONTEXTS."""
    tree = ast.parse(text)
    for node in tree.body:
        match node:
            case ast.Assign([ast.Name("CONTEXTS")], ast.Tuple() as value):
                return with_listed(text, tree, value, package, name)
            case ast.AnnAssign(ast.Name("CONTEXTS"), _, ast.Tuple() as value):
                return with_listed(text, tree, value, package, name)
    raise NewContextError(
        f"new-context: {path} has no CONTEXTS = (…), the tuple that {NAMED_IN} imports; add it"
    )


def with_listed(text: str, tree: ast.Module, value: ast.Tuple, package: str, name: str) -> str:
    """*text* with the import of a context, and the context in the tuple *value*."""
    lines = text.splitlines()
    listed = [ast.unparse(element) for element in value.elts]
    new = ", ".join([*listed, name.upper()]) + ("" if listed else ",")
    first, last = value.lineno - 1, (value.end_lineno or value.lineno) - 1
    before, after = lines[first][: value.col_offset], lines[last][value.end_col_offset :]
    lines[first : last + 1] = [f"{before}({new}){after}"]
    imported = f"from {package}.{name} import {name.upper()}"
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    if imports:
        lines.insert(imports[-1].end_lineno or imports[-1].lineno, imported)
    else:
        lines[first:first] = [imported, ""]
    return "\n".join([*lines, ""])
