"""Putting a mutant into a process that has imported its module already.

A fault inside a function takes the place of that function's code object, in every living
function that was made from it: nothing is imported again. A fault in what ran when the module
was imported needs the module anew: all our modules are forgotten, and the next import finds
the mutant's tree in place of the file.
"""

import ast
import gc
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

# It stays while all else is forgotten.
TOOL = __name__.rpartition(".")[0]
StreamVersion = tuple[str, int, int]
Functions = dict[str, list[FunctionType]]


class NotPlantedError(Exception):
    """No living function could take the mutant's code."""


def living_functions(root: Path) -> Functions:
    """Every function of a file below the root that is alive, by the file's path."""
    found: Functions = {}
    for each in gc.get_objects():
        if isinstance(each, FunctionType):
            path = Path(each.__code__.co_filename)
            if path.is_absolute() and is_ours(root, str(path)):
                found.setdefault(path.relative_to(root).as_posix(), []).append(each)
    return found


def codes_of(code: CodeType) -> Iterator[CodeType]:
    """A code object and all that it holds."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes_of(constant)


def by_place(code: CodeType) -> dict[StreamVersion, CodeType]:
    """The code objects of a module by qualified name, first line, and number there."""
    found: dict[StreamVersion, CodeType] = {}
    for each in codes_of(code):
        number = sum(key[:2] == (each.co_qualname, each.co_firstlineno) for key in found)
        found[each.co_qualname, each.co_firstlineno, number] = each
    return found


def replace_code(
    functions: Sequence[FunctionType], filename: str, old: str, new: ast.Module
) -> None:
    """Puts a mutant's code into the living functions. Raises NotPlantedError."""
    before = by_place(compile(old, filename, "exec", dont_inherit=True))
    after = by_place(compile(new, filename, "exec", dont_inherit=True))
    if before.keys() != after.keys():
        raise NotPlantedError
    changed = {place: after[place] for place, code in before.items() if code != after[place]}
    planted = 0
    for function in functions:
        code = function.__code__
        for place, other in changed.items():
            if place[:2] == (code.co_qualname, code.co_firstlineno) and code == before[place]:
                try:
                    function.__code__ = other
                except ValueError as error:  # it closes over other names
                    raise NotPlantedError from error
                planted += 1
                break
    if not planted:
        raise NotPlantedError


class TreeInPlaceOfFile(MetaPathFinder, Loader):
    """Finds one module in a syntax tree."""

    def __init__(self, name: str, filename: str, tree: ast.Module) -> None:
        self._name = name
        self._filename = filename
        self._tree = tree

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        is_package = self._filename.endswith("__init__.py")
        spec = spec_from_loader(fullname, self, origin=self._filename, is_package=is_package)
        if spec and is_package:
            spec.submodule_search_locations = [str(Path(self._filename).parent)]
        return spec

    def create_module(self, _spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        module.__file__ = self._filename
        exec(compile(self._tree, self._filename, "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - it is what a loader does


def module_name(path: str) -> str:
    """The name that a file is imported by."""
    parts = Path(path).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_ours(root: Path, file: str) -> bool:
    """Whether a file is of the tree, and not of what is installed in it."""
    path = Path(file)
    return path.is_relative_to(root) and not path.relative_to(root).parts[0].startswith(".")


def import_anew(root: Path, path: str, tree: ast.Module) -> None:
    """Forgets all modules below the root; the one of a path will be the mutant's."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        is_tool = f"{name}.".startswith(f"{TOOL}.") or f"{TOOL}.".startswith(f"{name}.")
        if file and is_ours(root, file) and not is_tool:
            del sys.modules[name]
    sys.meta_path.insert(0, TreeInPlaceOfFile(module_name(path), str(root / path), tree))
