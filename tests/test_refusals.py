"""Every refusal that a context can raise has a problem, so that no client gets a 500 for it."""

import ast
from collections.abc import Iterator
from importlib import import_module
from inspect import getfile
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

from app import API
from chalicelib.domain import DOMAIN
from tools.bootstrap import ROOT
from tools.domain_package import domain_package

HTTP = "chalicelib/leftfold/http"
Function = tuple[ModuleType, ast.FunctionDef]


def functions(folder: Path) -> Iterator[Function]:
    """Every function below *folder*, with its module."""
    for path in sorted(folder.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        module = import_module(name.removesuffix(".__init__"))
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.FunctionDef):
                yield module, node


DOMAIN_FUNCTIONS = list(functions(ROOT.joinpath(*domain_package().split("."))))


def calls(function: ast.FunctionDef, called: str) -> Iterator[ast.Call]:
    """The calls of *called* in a function."""
    for node in ast.walk(function):
        match node:
            case ast.Call(ast.Name(name)) if name == called:
                yield node


def refusals(module: ModuleType, function: ast.FunctionDef) -> Iterator[str]:
    """The codes with which a function refuses."""
    for call in calls(function, "Refused"):
        assert call.args, f"{where(module, call)}: a refusal without a code"
        yield from codes(call.args[0], function, module)


def codes(  # noqa: C901 - one match lists every form
    code: ast.expr, function: ast.FunctionDef, module: ModuleType
) -> Iterator[str]:
    """The texts that *code*, an expression within *function*, can be."""
    match code:
        case ast.Constant(str(text)):
            yield text
        case ast.IfExp(_, one, other):
            yield from codes(one, function, module)
            yield from codes(other, function, module)
        case ast.JoinedStr(parts):
            for texts in product(*(list(codes(part, function, module)) for part in parts)):
                yield "".join(texts)
        case ast.FormattedValue(value):
            yield from codes(value, function, module)
        case ast.Attribute(ast.Name(), "code"):
            # Of another refusal, which is among the others.
            return
        case ast.Attribute(ast.Name(name), member) if hint := hints(module, function).get(name):
            yield from literals(get_type_hints(hint)[member], where(module, code))
        case ast.Name(name) if hint := hints(module, function).get(name):
            yield from literals(hint, where(module, code))
        case ast.Name(name) if taken := taken_from(function, name):
            # Of a command that passes it on: whatever such commands are made with.
            kind = getattr(module, taken[0])
            for made_in, maker in DOMAIN_FUNCTIONS:
                for call in calls(maker, kind.__name__):
                    yield from codes(call.args[taken[1]], maker, made_in)
        case _:
            raise AssertionError(
                f"{where(module, code)}: the code {ast.unparse(code)} cannot be read; write a"
                " text, or a field or parameter whose type is a Literal"
            )


def hints(module: ModuleType, function: ast.FunctionDef) -> dict[str, Any]:
    """The types of a function's parameters; of a function within another, none."""
    stored = getattr(module, function.name, None)
    return {} if stored is None else get_type_hints(stored)


def taken_from(function: ast.FunctionDef, name: str) -> tuple[str, int] | None:
    """The class whose pattern binds *name*, and the place of the field that it takes."""
    for node in ast.walk(function):
        match node:
            case ast.MatchClass(ast.Name(kind), patterns):
                for place, pattern in enumerate(patterns):
                    if isinstance(pattern, ast.MatchAs) and pattern.name == name:
                        return kind, place
    return None


def literals(hint: Any, at: str) -> tuple[str, ...]:
    """The texts of a Literal."""
    assert get_origin(hint) is Literal, f"{at}: {hint} is no Literal, so its texts are not known"
    return get_args(hint)


def where(module: ModuleType, node: ast.expr) -> str:
    """The line of *node*."""
    return f"{Path(getfile(module)).relative_to(ROOT)}:{node.lineno}"


def listed_in(module: ModuleType) -> str:
    """The file in which the context of *module* lists its problems."""
    package = module.__name__.rpartition(".")[0]
    for context in DOMAIN.contexts:
        if context.http and context.http.startswith(f"{package}."):
            path = Path(getfile(import_module(context.http)))
            beside = path.parent / "problems.py"
            return str((beside if beside.exists() else path).relative_to(ROOT))
    return "the http of its context"


RAISED = {
    code: module for module, function in DOMAIN_FUNCTIONS for code in refusals(module, function)
}


@pytest.mark.parametrize("code", sorted(RAISED))
def test_every_refusal_of_the_rules_has_a_problem(code: str) -> None:
    module = RAISED[code]
    assert code in API.problems, (
        f"{Path(getfile(module)).relative_to(ROOT)} refuses with {code!r}, which is no problem of"
        f" the API, so a client would get a 500; add it to `problems` in {listed_in(module)}"
    )


@pytest.mark.parametrize("route", API.routes, ids=lambda route: route.name)
def test_every_problem_that_a_route_names_is_a_problem_of_the_api(route: Any) -> None:
    missing = () if route.aggregate is None else (f"{route.aggregate.category}-missing",)
    assert {*route.problems, *missing} <= set(API.problems)


def test_every_problem_that_is_raised_over_http_is_a_problem_of_the_api() -> None:
    raised = {
        call.args[0].value: where(module, call)
        for module, function in (*DOMAIN_FUNCTIONS, *functions(ROOT / HTTP))
        for call in calls(function, "Problem")
        if isinstance(call.args[0], ast.Constant)
    }
    assert {code: at for code, at in raised.items() if code not in API.problems} == {}
