"""Reads from a rule's syntax tree what it can do about an event or a command of one class.

Branches that a class cannot take are left out, where `match` or `isinstance` decides. What
else a branch depends on is not known here, so it counts as taken: the answer may name too
much, but never too little.
"""

import ast
import builtins
import inspect
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from types import FunctionType, ModuleType
from typing import Any, get_args

from chalicelib.leftfold.kernel import Reaction
from tools.domain_package import domain_package

CONTEXTS = f"{domain_package()}."
# The fields of a `Reaction` whose commands record its answers.
ANSWERS = ("accepted", "refused")
REACTION = [member.name for member in fields(Reaction)]

# Expressions, as text, whose class is known.
Known = Mapping[str, type]


@dataclass
class Reach:
    """*classes* are all that is named where the code can come; *answers* those of them in
    what a `Reaction` says of its answers. *gives* says whether something is yielded or returned.
    """

    classes: set[type] = field(default_factory=set)
    answers: set[type] = field(default_factory=set)
    gives: bool = False


def reach(function: Callable[..., Any], known: Known) -> Reach:
    """The reach of *function*, and of the context's functions that it names, if *known* is so."""
    return _reach(function, known, ())


def first_parameter(function: Callable[..., Any]) -> str:
    """The name of what a function is given first."""
    return next(iter(inspect.signature(function).parameters))


def _reach(function: Any, known: Known, within: tuple[Any, ...]) -> Reach:
    walk = _Walk(function, known, (*within, function))
    tree = _tree(function)
    walk.block(tree.body)
    return walk.reach


@cache
def _tree(function: Any) -> ast.FunctionDef:
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    if not isinstance(tree, ast.FunctionDef):
        raise TypeError(f"{function!r} is no function with a name: its code cannot be read")
    return tree


class _Walk(ast.NodeVisitor):
    """One pass over the part of a function that can run."""

    def __init__(self, function: Any, known: Known, within: tuple[Any, ...]) -> None:
        self.reach = Reach()
        self._known = known
        self._within = within
        self._scope: Mapping[str, Any] = function.__globals__
        self._local = set(_assigned(_tree(function)))

    # --- what can run

    def block(self, statements: Iterable[ast.stmt]) -> None:
        for statement in statements:
            self.visit(statement)
            if self._ends(statement):
                return

    def visit_If(self, node: ast.If) -> None:
        truth = self._truth(node.test)
        self.visit(node.test)
        if truth is not False:
            self.block(node.body)
        if truth is not True:
            self.block(node.orelse)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        truth = self._truth(node.test)
        self.visit(node.test)
        if truth is not False:
            self.visit(node.body)
        if truth is not True:
            self.visit(node.orelse)

    def visit_Match(self, node: ast.Match) -> None:
        self.visit(node.subject)
        for case in node.cases:
            matches = self._matches(case.pattern, node.subject)
            if matches is False:
                continue
            if case.guard is not None:
                self.visit(case.guard)
            self.block(case.body)
            if matches and case.guard is None:
                return

    def _ends(self, statement: ast.stmt) -> bool:
        if isinstance(statement, ast.If) and self._truth(statement.test):
            return any(map(self._ends, statement.body))
        return isinstance(statement, ast.Return | ast.Raise)

    def _truth(self, test: ast.expr) -> bool | None:
        """The value of *test*; None if it is not known."""
        match test:
            case ast.Call(ast.Name("isinstance"), [subject, kinds]):
                kind = self._known.get(ast.unparse(subject))
                return None if kind is None else issubclass(kind, self._kinds(kinds))
            case ast.UnaryOp(ast.Not(), operand):
                truth = self._truth(operand)
                return None if truth is None else not truth
            case ast.Compare(ast.Call() as call, [ast.IsNot()], [ast.Constant(None)]):
                called = self._called(call)
                return False if called is not None and not called.gives else None
        return None

    def _matches(self, pattern: ast.pattern, subject: ast.expr) -> bool | None:
        """Whether *pattern* takes *subject*, None where that is not known."""
        match pattern, subject:
            case ast.MatchAs(None), _:
                return True
            case ast.MatchAs(ast.pattern() as inner), _:
                return self._matches(inner, subject)
            case ast.MatchSequence(patterns), ast.Tuple(subjects):
                pairs = zip(patterns, subjects, strict=False)
                return _all([self._matches(each, part) for each, part in pairs])
            case ast.MatchOr(patterns), _:
                return _not(_all([_not(self._matches(each, subject)) for each in patterns]))
            case ast.MatchClass(), _:
                return self._matches_class(pattern, subject)
        return None

    def _matches_class(self, pattern: ast.MatchClass, subject: ast.expr) -> bool | None:
        kind = self._known.get(ast.unparse(subject))
        if kind is None:
            return None
        if not issubclass(kind, self._kinds(pattern.cls)):
            return False
        return None if pattern.patterns or pattern.kwd_patterns else True

    def _kinds(self, node: ast.expr) -> tuple[type, ...]:
        """The classes of a class, a tuple or a union."""
        match node:
            case ast.Tuple(parts):
                return tuple(kind for part in parts for kind in self._kinds(part))
            case ast.BinOp(left, ast.BitOr(), right):
                return (*self._kinds(left), *self._kinds(right))
        return flat(self._value(node))

    # --- what it names

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is not None:
            self.visit(node.value)
            self.reach.gives |= not _is_nothing(node.value)

    def visit_Yield(self, node: ast.Yield) -> None:
        self.reach.gives = True
        self.generic_visit(node)

    def visit_YieldFrom(self, node: ast.YieldFrom) -> None:
        self.reach.gives = True
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.block(node.body)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        called = self._called(node)
        if called is not None:
            self._take(called)
        elif isinstance(node.func, ast.Name) and node.func.id == "isinstance":
            return
        else:
            self.visit(node.func)
        reaction = self._value(node.func) is Reaction
        for place, argument in enumerate(node.args):
            self._argument(argument, answer=reaction and REACTION[place] in ANSWERS)
        for keyword in node.keywords:
            self._argument(keyword.value, answer=reaction and keyword.arg in ANSWERS)

    def _argument(self, argument: ast.expr, *, answer: bool) -> None:
        before = self.reach
        self.reach = Reach() if answer else before
        self.visit(argument)
        if answer:
            before.answers |= self.reach.classes
            self.reach = before

    def visit_Name(self, node: ast.Name) -> None:
        self._name(self._value(node))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        value = self._value(node)
        if value is None:
            self.generic_visit(node)
        self._name(value)

    def _name(self, value: Any) -> None:
        if isinstance(value, type):
            self.reach.classes.add(value)
        elif self._is_ours(value):
            self._take(_reach(value, {}, self._within))

    def _take(self, other: Reach) -> None:
        self.reach.classes |= other.classes
        self.reach.answers |= other.answers

    def _called(self, call: ast.Call) -> Reach | None:
        """The reach of a function of the context with these arguments; None if it is no such function."""
        function = self._value(call.func)
        if not self._is_ours(function):
            return None
        given: dict[str, type] = {}
        names = tuple(inspect.signature(function).parameters)
        for name, argument in zip(names, call.args, strict=False):
            text = ast.unparse(argument)
            for known, kind in self._known.items():
                if known == text or known.startswith(f"{text}."):
                    given[f"{name}{known.removeprefix(text)}"] = kind
        return _reach(function, given, self._within)

    def _is_ours(self, value: Any) -> bool:
        return (
            isinstance(value, FunctionType)
            and value.__module__.startswith(CONTEXTS)
            and value not in self._within
        )

    def _value(self, node: ast.expr) -> Any:
        """The value of a name of the module, or of a name in a module that it imports."""
        match node:
            case ast.Name(name) if name not in self._local:
                return self._scope.get(name, getattr(builtins, name, None))
            case ast.Attribute(ast.Name(name), attribute) if name not in self._local:
                module = self._scope.get(name)
                return getattr(module, attribute) if isinstance(module, ModuleType) else None
        return None


def flat(kinds: Any) -> tuple[type, ...]:
    """The classes of a union, in its order; of a class, that class."""
    return tuple(k for a in get_args(kinds) for k in flat(a)) if get_args(kinds) else (kinds,)


def _assigned(tree: ast.AST) -> Iterator[str]:
    """Names that a function uses for values of its own."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(name, ast.Store()) | ast.arg(name) | ast.MatchAs(_, str(name)):
                yield name


def _all(parts: list[bool | None]) -> bool | None:
    if False in parts:
        return False
    return None if None in parts else True


def _not(part: bool | None) -> bool | None:  # noqa: FBT001 - a truth value, not a switch
    return None if part is None else not part


def _is_nothing(node: ast.expr) -> bool:
    """Whether this is None, or an empty tuple."""
    return ast.unparse(node) in ("None", "()")
