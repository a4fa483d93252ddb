"""What may be written wrongly at one place of a syntax tree.

Each function takes a node and yields what stands there instead. `None` takes a statement, a
keyword or a guard away.
"""

import ast
import re
from collections.abc import Callable, Iterator
from copy import copy
from typing import Any

Alternative = ast.AST | None

COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
# Their arguments may change places: the result is the same.
IN_ANY_ORDER = {"min", "max"}
CALLED = {"min": "max", "max": "min", "any": "all", "all": "any", "sorted": "list"}
# A condition or a key of DynamoDB: a string whose every part decides something.
CONDITION = re.compile(r"attribute_(?:not_)?exists|[:#]\w+")
CONDITIONS = (
    ("attribute_not_exists", "attribute_exists"),
    ("attribute_exists", "attribute_not_exists"),
    (" = ", " <> "),
    (" < ", " <= "),
    (" <= ", " < "),
    (" > ", " >= "),
    (" >= ", " > "),
    (" AND ", " OR "),
    (" OR ", " AND "),
)


def changed(node: ast.AST, **fields: Any) -> ast.AST:
    """A copy of a node, at its place, with other fields."""
    other = copy(node)
    for name, value in fields.items():
        setattr(other, name, value)
    return other


def without(items: list[Any], index: int) -> list[Any]:
    """A list less one item."""
    return [*items[:index], *items[index + 1 :]]


def of_compare(node: ast.Compare) -> Iterator[Alternative]:
    """Another comparison: the next boundary, then the opposite."""
    for index, op in enumerate(node.ops):
        for other in COMPARED[type(op)]:
            yield changed(node, ops=[*node.ops[:index], other(), *node.ops[index + 1 :]])


def of_bool_op(node: ast.BoolOp) -> Iterator[Alternative]:
    """`or` for `and`, and each operand left out."""
    yield changed(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
    for index in range(len(node.values)):
        rest = without(node.values, index)
        yield rest[0] if len(rest) == 1 else changed(node, values=rest)


def of_unary_op(node: ast.UnaryOp) -> Iterator[Alternative]:
    """Without its `not` or its sign."""
    if isinstance(node.op, ast.Not | ast.USub):
        yield node.operand


def of_bin_op(node: ast.BinOp | ast.AugAssign) -> Iterator[Alternative]:
    """Another operation."""
    other = COMPUTED.get(type(node.op))
    if other:
        yield changed(node, op=other())
    if isinstance(node, ast.AugAssign):
        yield ast.copy_location(ast.Pass(), node)


def of_constant(node: ast.Constant) -> Iterator[Alternative]:
    """One more, one less; the other truth; another name."""
    match node.value:
        case bool(value):
            yield changed(node, value=not value)
        case int(value):
            yield changed(node, value=value + 1)
            yield changed(node, value=value - 1)
        case str(value) if CONDITION.search(value):
            for old, new in CONDITIONS:
                if old in value:
                    yield changed(node, value=value.replace(old, new, 1))
        case str(value) if value and not re.search(r"\s", value):
            yield changed(node, value=f"{value}~")
        case _:
            pass


def of_call(node: ast.Call) -> Iterator[Alternative]:
    """A sister function, a keyword left out, two arguments that change places."""
    if isinstance(node.func, ast.Name) and node.func.id in CALLED:
        called = CALLED[node.func.id]
        keywords = [] if called == "list" else node.keywords
        yield changed(node, func=changed(node.func, id=called), keywords=keywords)
    for index in range(len(node.keywords)):
        yield changed(node, keywords=without(node.keywords, index))
    if isinstance(node.func, ast.Name) and node.func.id in IN_ANY_ORDER:
        return
    for index in range(len(node.args) - 1):
        first, second = node.args[index : index + 2]
        if not any(isinstance(each, ast.Starred | ast.GeneratorExp) for each in (first, second)):
            yield changed(node, args=[*node.args[:index], second, first, *node.args[index + 2 :]])


def of_collection(node: ast.Tuple | ast.List | ast.Set) -> Iterator[Alternative]:
    """Each element left out."""
    if isinstance(getattr(node, "ctx", ast.Load()), ast.Load) and len(node.elts) > 1:
        for index in range(len(node.elts)):
            yield changed(node, elts=without(node.elts, index))


def of_dict(node: ast.Dict) -> Iterator[Alternative]:
    """Each entry left out."""
    for index in range(len(node.keys)):
        yield changed(node, keys=without(node.keys, index), values=without(node.values, index))


def of_slice(node: ast.Slice) -> Iterator[Alternative]:
    """Without a bound."""
    for name in ("lower", "upper", "step"):
        if getattr(node, name) is not None:
            yield changed(node, **{name: None})


def of_branch(node: ast.If | ast.IfExp | ast.While) -> Iterator[Alternative]:
    """The opposite condition; a guard that only raises or leaves, taken away."""
    if not isinstance(node.test, ast.Compare | ast.UnaryOp | ast.Constant):
        yield changed(node, test=ast.copy_location(ast.UnaryOp(ast.Not(), node.test), node.test))
    leaves = ast.Raise | ast.Return | ast.Continue | ast.Break
    if isinstance(node, ast.If) and not node.orelse and isinstance(node.body[-1], leaves):
        yield ast.copy_location(ast.Pass(), node)


def of_comprehension(node: ast.comprehension) -> Iterator[Alternative]:
    """Without each of its conditions."""
    for index in range(len(node.ifs)):
        yield changed(node, ifs=without(node.ifs, index))


def of_return(node: ast.Return | ast.Assign) -> Iterator[Alternative]:
    """None for a value."""
    if node.value is not None and not (
        isinstance(node.value, ast.Constant) and node.value.value is None
    ):
        yield changed(node, value=ast.copy_location(ast.Constant(None), node.value))


def of_assign(node: ast.Assign) -> Iterator[Alternative]:
    """None for a value; a change of an object or of an item that is not made."""
    yield from of_return(node)
    if all(isinstance(target, ast.Attribute | ast.Subscript) for target in node.targets):
        yield ast.copy_location(ast.Pass(), node)


def of_expr(node: ast.Expr) -> Iterator[Alternative]:
    """A call for its effect, or something yielded, left out."""
    if isinstance(node.value, ast.Call):
        yield ast.copy_location(ast.Pass(), node)
    if isinstance(node.value, ast.Yield | ast.YieldFrom):
        # The function stays a generator.
        nothing = ast.copy_location(ast.Tuple([], ast.Load()), node)
        yield changed(node, value=ast.copy_location(ast.YieldFrom(nothing), node))


def of_delete(node: ast.Delete) -> Iterator[Alternative]:
    """What is not deleted."""
    yield ast.copy_location(ast.Pass(), node)


def of_leave(node: ast.Break | ast.Continue) -> Iterator[Alternative]:
    """The other way to leave a turn of a loop."""
    other = ast.Continue if isinstance(node, ast.Break) else ast.Break
    yield ast.copy_location(other(), node)


def of_case(node: ast.match_case) -> Iterator[Alternative]:
    """A case without its guard."""
    if node.guard is not None:
        yield changed(node, guard=None)


def of_match(node: ast.Match) -> Iterator[Alternative]:
    """Each case left out."""
    if len(node.cases) > 1:
        for index in range(len(node.cases)):
            yield changed(node, cases=without(node.cases, index))


def of_pattern(node: ast.MatchOr) -> Iterator[Alternative]:
    """Each pattern left out."""
    for index in range(len(node.patterns)):
        rest = without(node.patterns, index)
        yield rest[0] if len(rest) == 1 else changed(node, patterns=rest)


ALTERNATIVES: dict[type[ast.AST], Callable[[Any], Iterator[Alternative]]] = {
    ast.Compare: of_compare,
    ast.BoolOp: of_bool_op,
    ast.UnaryOp: of_unary_op,
    ast.BinOp: of_bin_op,
    ast.AugAssign: of_bin_op,
    ast.Constant: of_constant,
    ast.Call: of_call,
    ast.Tuple: of_collection,
    ast.List: of_collection,
    ast.Set: of_collection,
    ast.Dict: of_dict,
    ast.Slice: of_slice,
    ast.If: of_branch,
    ast.IfExp: of_branch,
    ast.While: of_branch,
    ast.comprehension: of_comprehension,
    ast.Return: of_return,
    ast.Assign: of_assign,
    ast.Expr: of_expr,
    ast.Delete: of_delete,
    ast.Break: of_leave,
    ast.Continue: of_leave,
    ast.match_case: of_case,
    ast.Match: of_match,
    ast.MatchOr: of_pattern,
}


def alternatives(node: ast.AST) -> list[Alternative]:
    """All that may stand in a node's place."""
    found = ALTERNATIVES.get(type(node))
    return list(found(node)) if found else []
