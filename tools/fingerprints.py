"""Fingerprints: of each fold whose states are kept, of each view, and of each policy's reactions.

A fingerprint is a hash of the code that can be reached: the statements that define the symbols
which a fold names, those which they name, and so on through all modules of chalicelib. So an
edited rule, route or other view changes no view's fingerprint, though their file may be the same.
Where code does not say which symbol it means, more counts rather than less: a module that is
used as a value counts whole, and so do statements of a module that define nothing.

Comments, docstrings and formatting do not count. Another version of Python may write down the
same syntax tree differently: then old snapshots are passed over, once.
"""

import ast
import hashlib
import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

PACKAGE = "chalicelib"
LENGTH = 32
ROOTS = Path(__file__).with_name("fingerprint_roots.py")

Fingerprints = dict[str, dict[str, str]]
_Documented = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_Scope = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_Comprehension = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def fingerprints(root: Path) -> Fingerprints:
    """The fingerprints of the domain of the chalicelib under *root*.

    By kind ("folds", "views", "policies") and name; a fold has the name of its category.
    """
    listed = subprocess.run(
        # A process of its own, because this one may have another copy of chalicelib.
        [sys.executable, "-B", "-S", "-c", ROOTS.read_text()],
        cwd=root,
        check=True,
        stdout=subprocess.PIPE,
    )
    found = json.loads(listed.stdout)
    code = Code(root, {Symbol(*symbol) for symbol in found.pop("aggregates")})
    return {
        kind: {name: code.fingerprint(map(tuple, roots)) for name, roots in parts.items()}
        for kind, parts in found.items()
    }


class Symbol(NamedTuple):
    """A name that a module binds at its top level."""

    module: str
    name: str


class Code:
    """The modules of the chalicelib under *root*, parsed when they are first reached.

    The statements that define the *closed* symbols do not count, nor what these name.
    """

    def __init__(self, root: Path, closed: Collection[Symbol] = ()) -> None:
        self._root = root
        self._closed = closed
        self._modules: dict[str, Module | None] = {}
        self._names: dict[tuple[str, int], Sequence[Symbol]] = {}

    def fingerprint(self, roots: Iterable[tuple[str, ...]]) -> str:
        """32 hex digits for the code that can be reached from *roots*, and for values in them."""
        digest = hashlib.sha256()
        waiting: list[Symbol] = []
        for root in roots:
            match root:
                case (module, symbol):
                    digest.update(f"{module} {symbol.partition(' ')[0]}\n".encode())
                    waiting.append(Symbol(module, symbol))
                case (value,):
                    digest.update(f"={value}\n".encode())
        for module, place, text in self._reached(waiting):
            digest.update(f"{module} {place}\n{text}\n".encode())
        return digest.hexdigest()[:LENGTH]

    def _reached(self, waiting: list[Symbol]) -> Iterator[tuple[str, int, str]]:
        """Each statement that can be reached: its module, a number in order, and its tree."""
        symbols: set[Symbol] = set()
        seen: dict[str, set[int]] = defaultdict(set)
        while waiting:
            symbol = waiting.pop()
            if symbol in symbols or symbol in self._closed:
                continue
            symbols.add(symbol)
            module = self.module(symbol.module)
            if module is None:
                continue
            waiting += self._leads_on(module, symbol.name)
            for index in {*module.statements(symbol.name), *module.others} - seen[module.name]:
                seen[module.name].add(index)
                waiting += self._named(module, index)
        for name, module in sorted(self._modules.items()):
            if module is not None:
                for place, index in enumerate(sorted(seen[name])):
                    yield name, place, module.text(index)

    def module(self, name: str) -> "Module | None":
        """A module by its name; None if it is not of chalicelib, or is none."""
        if name not in self._modules:
            path = self._file_of(name)
            self._modules[name] = Module(name, path) if path else None
        return self._modules[name]

    def _file_of(self, name: str) -> Path | None:
        if name.partition(".")[0] != PACKAGE:
            return None
        path = self._root.joinpath(*name.split("."))
        candidates = (path / "__init__.py", path.with_suffix(".py"))
        return next((file for file in candidates if file.is_file()), None)

    def _named(self, module: "Module", index: int) -> Sequence[Symbol]:
        """The symbols that a statement of a module names."""
        key = (module.name, index)
        if key not in self._names:
            statement = module.tree.body[index]
            self._names[key] = list(dict.fromkeys(self._of(module, statement, frozenset())))
        return self._names[key]

    def _of(self, module: "Module", node: ast.AST, local: frozenset[str]) -> Iterator[Symbol]:
        """The symbols that a part of a statement names; *local* names are its function's own."""
        match node:
            case ast.Name(name, ast.Load()) if name not in local:
                yield from self._value(module, name)
            case ast.Attribute() if isinstance(base := _base_of(node), ast.Name):
                if base.id not in local:
                    yield from self._attribute(module, base.id, _chain_of(node))
                return
            case ast.Import() | ast.ImportFrom() if node not in module.tree.body:
                for source, known_as in imported(node, module).values():
                    yield from self._imported(source, known_as)
            case ast.Constant(str(text)) if node in module.quoted:
                yield from self._of(module, _parsed(text), local)
        for part, names in _parts_of(node, local):
            yield from self._of(module, part, names)

    def _value(self, module: "Module", name: str) -> Iterator[Symbol]:
        """What a name means that is used as a value."""
        if name in module.imports:
            yield from self._imported(*module.imports[name])
        else:
            yield Symbol(module.name, name)

    def _imported(self, source: str, name: str | None) -> Iterator[Symbol]:
        whole = source if name is None else f"{source}.{name}"
        found = self.module(whole)
        if found is not None and (name is None or not self._defines(source, name)):
            yield from (Symbol(whole, each) for each in found.names)
        elif name is not None:
            yield Symbol(source, name)

    def _defines(self, module: str, name: str) -> bool:
        found = self.module(module)
        return found is not None and name in found.bound

    def _leads_on(self, module: "Module", name: str) -> Iterator[Symbol]:
        """Where a name comes from that the module has imported."""
        if name in module.imports:
            yield from self._imported(*module.imports[name])
        elif name not in module.bound:
            yield from (Symbol(source, name) for source in module.stars)

    def _attribute(self, module: "Module", name: str, chain: Sequence[str]) -> Iterator[Symbol]:
        """What `a.b.c` means: c of b where `a.b` is a module, or else what `a` means."""
        if name not in module.imports:
            yield Symbol(module.name, name)
            return
        source, known_as = module.imports[name]
        for part in [*([known_as] if known_as else []), *chain]:
            if self.module(f"{source}.{part}") is None or self._defines(source, part):
                yield Symbol(source, part)
                return
            source = f"{source}.{part}"
        yield from self._imported(source, None)


class Module:
    """The statements of a module, by the names that they bind."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.is_package = path.stem == "__init__"
        self.tree = ast.parse(path.read_bytes())
        self.imports: dict[str, tuple[str, str | None]] = {}
        self.stars: list[str] = []
        self.bound: dict[str, list[int]] = defaultdict(list)
        # Statements that define nothing, such as one that fills a table.
        self.others: set[int] = set()
        self._texts: dict[int, str] = {}
        self.quoted = set(_annotations_in_quotes(self.tree))
        for index, statement in enumerate(self.tree.body):
            self._take(index, statement)

    @cached_property
    def names(self) -> frozenset[str]:
        """All that can be imported from the module."""
        return frozenset({*self.bound, *self.imports})

    def statements(self, name: str) -> Iterable[int]:
        """The statements that bind *name*; "line N" is for the one that has the line."""
        if not name.startswith("line "):
            return self.bound.get(name, ())
        line = int(name.removeprefix("line "))
        return [
            index
            for index, statement in enumerate(self.tree.body)
            if statement.lineno <= line <= (statement.end_lineno or line)
        ]

    def text(self, index: int) -> str:
        """The tree of a statement, without docstrings."""
        if index not in self._texts:
            self._texts[index] = ast.dump(_without_docstrings(self.tree.body[index]))
        return self._texts[index]

    def _take(self, index: int, statement: ast.stmt) -> None:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            return
        names = set(_bound_by(statement))
        if isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING":
            names.add("TYPE_CHECKING")
        for node in _of_one_scope(statement):
            if isinstance(node, ast.Import | ast.ImportFrom):
                self.imports |= imported(node, self)
                if any(alias.name == "*" for alias in node.names):
                    self.stars.append(_source_of(node, self))
        for name in names:
            self.bound[name].append(index)
        if not names and not isinstance(statement, ast.Import | ast.ImportFrom):
            self.others.add(index)


def imported(
    node: ast.Import | ast.ImportFrom, module: Module
) -> dict[str, tuple[str, str | None]]:
    """The names that an import binds, each with its module and its name there."""
    if isinstance(node, ast.Import):
        return {
            alias.asname or alias.name.partition(".")[0]: (
                alias.name if alias.asname else alias.name.partition(".")[0],
                None,
            )
            for alias in node.names
        }
    source = _source_of(node, module)
    return {a.asname or a.name: (source, a.name) for a in node.names if a.name != "*"}


def _source_of(node: ast.Import | ast.ImportFrom, module: Module) -> str:
    if isinstance(node, ast.Import):
        return node.names[0].name
    parts = module.name.split(".")
    upwards = node.level - module.is_package
    base = parts[: len(parts) - upwards] if node.level else []
    return ".".join([*base, *([node.module] if node.module else [])])


def _bound_by(statement: ast.stmt) -> Iterator[str]:
    """Names that a statement of a module binds or changes, without those of its imports."""
    for node in _of_one_scope(statement):
        match node:
            case ast.Import() | ast.ImportFrom():
                continue
            case ast.Subscript(ast.Name(name), ctx=ast.Store()) | ast.Attribute(
                ast.Name(name), ctx=ast.Store()
            ):
                yield name
        yield from _bound_at(node)


def _parts_of(node: ast.AST, local: frozenset[str]) -> Iterable[tuple[ast.AST, frozenset[str]]]:
    """The parts of a node, each with the names that are local there."""
    inside, inner = local, set[ast.AST]()
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
            inside = local | _locals_of(node)
            inner = set(node.body if isinstance(node.body, list) else [node.body])
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            inside = local | _variables_of(node)
            inner = set(ast.iter_child_nodes(node))
    return [(part, inside if part in inner else local) for part in ast.iter_child_nodes(node)]


def _base_of(node: ast.Attribute) -> ast.expr:
    """The `a` of `a.b.c`."""
    value = node.value
    while isinstance(value, ast.Attribute):
        value = value.value
    return value


def _chain_of(node: ast.expr) -> list[str]:
    """The `b.c` of `a.b.c`."""
    return [*_chain_of(node.value), node.attr] if isinstance(node, ast.Attribute) else []


def _locals_of(function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> set[str]:
    """The names that a function binds for itself, without those of functions within it."""
    names = {argument.arg for argument in ast.walk(function.args) if isinstance(argument, ast.arg)}
    body = function.body if isinstance(function.body, list) else [function.body]
    nodes = [node for statement in body for node in _of_one_scope(statement)]
    for node in nodes:
        names |= set(_bound_at(node))
    return names - {name for node in nodes if isinstance(node, ast.Global) for name in node.names}


def _variables_of(comprehension: Comprehension) -> set[str]:
    """The names that a comprehension binds."""
    targets = (node for part in comprehension.generators for node in ast.walk(part.target))
    return {name for node in targets for name in _bound_at(node)}


def _bound_at(node: ast.AST) -> Iterator[str]:
    """The names that a node binds in its function."""
    match node:
        case (
            ast.Name(name, ast.Store())
            | ast.FunctionDef(name)
            | ast.AsyncFunctionDef(name)
            | ast.ClassDef(name)
            | ast.MatchAs(_, str(name))
            | ast.MatchStar(str(name))
            | ast.MatchMapping(rest=str(name))
            | ast.ExceptHandler(name=str(name))
        ):
            yield name
        case ast.Import() | ast.ImportFrom():
            yield from (a.asname or a.name.partition(".")[0] for a in node.names)


def _of_one_scope(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a statement, without bodies of functions and classes, and comprehensions."""
    yield tree
    if not isinstance(tree, (*_Scope, *_Comprehension)):
        for child in ast.iter_child_nodes(tree):
            yield from _of_one_scope(child)


def _annotations_in_quotes(tree: ast.AST) -> Iterator[ast.Constant]:
    for node in ast.walk(tree):
        said = getattr(node, "annotation", None) or getattr(node, "returns", None)
        for part in ast.walk(said) if said else ():
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                yield part


def _parsed(text: str) -> ast.AST:
    """The expression in quotes; an empty one if it is none, as in `Literal["a b"]`."""
    try:
        return ast.parse(text, mode="eval")
    except SyntaxError:
        return ast.Pass()


def _without_docstrings(tree: ast.stmt) -> ast.stmt:
    for node in ast.walk(tree):
        if isinstance(node, _Documented) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return tree
