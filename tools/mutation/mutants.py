"""The mutants of a module: each is one place of its syntax tree, written wrongly."""

import ast
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tools.mutation.alternatives import Alternative, alternatives

MODULE = "<module>"
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
# These decide nothing when the program runs.
SILENT_CALLS = {"TypeVar", "ParamSpec", "cast", "NewType"}
SILENT_FIELDS = {"annotation", "returns", "type_comment", "decorator_list", "bases"}
BUILTIN_TYPES = {"dict", "frozenset", "list", "set", "tuple", "type"}


@dataclass(frozen=True)
class Mutant:
    """One fault. *function* is the innermost function or class around it, by its qualified
    name; *outer* is the outermost function, None for what runs when the module is imported.
    *spot* and *choice* find it again in the module's tree.
    """

    path: str
    function: str
    was: str
    becomes: str
    line: int = field(compare=False)
    outer: str | None = field(compare=False)
    is_cached: bool = field(compare=False)
    spot: int = field(compare=False)
    choice: int = field(compare=False)
    nth: int = 0

    @property
    def key(self) -> str:
        """What it is called, wherever its lines have moved to."""
        return "\n".join([self.path, self.function, self.was, self.becomes, str(self.nth)])


class Spot(NamedTuple):
    """A node, where it hangs, and what is around it."""

    node: ast.AST
    parent: ast.AST
    name: str
    at: int | None
    statement: ast.AST
    function: str
    outer: str | None
    is_cached: bool


class Around(NamedTuple):
    """What is around a node."""

    statement: ast.AST
    function: str = MODULE
    outer: str | None = None
    is_cached: bool = False

    def inside(self, node: ast.AST) -> "Around":
        """What is around the body of a function or class."""
        name = getattr(node, "name", "<lambda>")
        separator = ".<locals>." if self.outer else "."
        function = name if self.function == MODULE else f"{self.function}{separator}{name}"
        if isinstance(node, ast.ClassDef):
            return self._replace(function=function)
        outer = self.outer or function
        cached = any("cache" in ast.unparse(d) for d in getattr(node, "decorator_list", ()))
        return Around(self.statement, function, outer, self.is_cached or cached)


def spots(tree: ast.Module) -> Iterator[Spot]:
    """Every place where a mutant may be, in the order of the source."""
    yield from _below(tree, Around(tree))


def _below(node: ast.AST, around: Around) -> Iterator[Spot]:
    scoped = isinstance(node, (*FUNCTIONS, ast.ClassDef, ast.Lambda))
    for name, value in ast.iter_fields(node):
        if name in SILENT_FIELDS or _is_silent(node, name):
            continue
        here = around.inside(node) if scoped and name == "body" else around
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.AST) or _says_nothing(child):
                continue
            if _is_docstring(node, name, index, child):
                continue
            is_whole = isinstance(child, ast.stmt | ast.match_case)
            below = here._replace(statement=child) if is_whole else here
            yield Spot(child, node, name, index, *below)
            yield from _below(child, below)


def _is_silent(node: ast.AST, name: str) -> bool:
    match node:
        case ast.Subscript(value=ast.Name(id=id_)) if name == "slice":
            return id_ in BUILTIN_TYPES or id_[:1].isupper()
        case ast.Call(func=ast.Name(id=id_)):
            return id_ in SILENT_CALLS
        case ast.JoinedStr() | ast.FormattedValue():
            return name == "format_spec"
        case ast.Import() | ast.ImportFrom() | ast.Global() | ast.Nonlocal():
            return True
        case _:
            return False


def _says_nothing(child: ast.AST) -> bool:
    match child:
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Assign(targets=[ast.Name(id="__all__")]):
            return True
        case _:
            return False


def _is_docstring(node: ast.AST, name: str, index: int | None, child: ast.AST) -> bool:
    is_text = isinstance(child, ast.Constant) and isinstance(child.value, str)
    if isinstance(node, ast.Expr | ast.JoinedStr):
        return is_text
    return (
        name == "body"
        and index == 0
        and isinstance(child, ast.Expr)
        and isinstance(child.value, ast.Constant)
    )


def hang(spot: Spot, other: Alternative) -> None:
    """Puts another node where a spot's own was."""
    if spot.at is None:
        setattr(spot.parent, spot.name, other)
    else:
        getattr(spot.parent, spot.name)[spot.at] = other


def head_of(statement: ast.AST) -> str:
    """A statement's text; of a compound one, its first lines, without its body."""
    shown: Any = copy(statement)
    if isinstance(shown, ast.Match):
        heads = "; ".join(head_of(case) for case in shown.cases)
        return f"match {ast.unparse(shown.subject)}: {heads}"
    if isinstance(shown, ast.match_case):
        guard = f" if {ast.unparse(shown.guard)}" if shown.guard else ""
        return f"case {ast.unparse(shown.pattern)}{guard}"
    if not hasattr(shown, "body"):
        return ast.unparse(shown)
    leaves = isinstance(shown, ast.If) and not shown.orelse and len(shown.body) == 1
    shown.body = shown.body if leaves else [ast.Expr(ast.Constant(...))]
    for name in ("orelse", "finalbody", "handlers", "decorator_list"):
        if hasattr(shown, name):
            setattr(shown, name, [])
    if isinstance(statement, ast.Try):
        shown.finalbody = [ast.Pass()]
    return ast.unparse(shown)


def mutants_of(path: str, source: str) -> list[Mutant]:
    """All mutants of a module."""
    tree = ast.parse(source)
    found: list[Mutant] = []
    seen: dict[tuple[str, str, str], int] = {}
    for number, spot in enumerate(spots(tree)):
        others = alternatives(spot.node)
        was = head_of(spot.statement) if others else ""
        for choice, other in enumerate(others):
            hang(spot, other)
            statement = other if spot.statement is spot.node else spot.statement
            becomes = head_of(statement) if statement is not None else ""
            hang(spot, spot.node)
            if becomes == was:
                continue
            nth = seen[spot.function, was, becomes] = (
                seen.get((spot.function, was, becomes), -1) + 1
            )
            found.append(
                Mutant(
                    path=path,
                    function=spot.function,
                    was=was,
                    becomes=becomes,
                    line=getattr(spot.node, "lineno", getattr(spot.statement, "lineno", 1)),
                    outer=spot.outer,
                    is_cached=spot.is_cached,
                    spot=number,
                    choice=choice,
                    nth=nth,
                )
            )
    return found


def mutated(mutant: Mutant, source: str) -> ast.Module:
    """A module's tree with the fault in it."""
    tree = ast.parse(source)
    for number, spot in enumerate(spots(tree)):
        if number == mutant.spot:
            hang(spot, alternatives(spot.node)[mutant.choice])
            return ast.fix_missing_locations(tree)
    raise LookupError(f"{mutant.path} has no place {mutant.spot}")


def modules(root: Path, folders: tuple[str, ...]) -> dict[str, str]:
    """The sources below some folders or of some files, by their paths from the root."""
    paths = {
        path
        for folder in folders
        for path in ([root / folder] if (root / folder).is_file() else (root / folder).rglob("*"))
        if path.suffix == ".py"
    }
    return {path.relative_to(root).as_posix(): path.read_text() for path in sorted(paths)}
