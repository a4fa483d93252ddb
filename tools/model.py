"""The event model: what leads to what, read from the code itself.

Nothing is listed here. A command leads to the events that its cases of `decide` name,
directly or in the functions that they call; a policy reacts to the events that it names and
sends the commands that it names; a view hears the events that its keys and its fold name,
or all of a category of which they name none. A helper counts with all that it can make, so
an arrow says "may lead to".
"""

import ast
import inspect
import sys
import textwrap
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any, get_args

from chalicelib.kernel import Aggregate, Deadline, Email, Policy, View

Classes = tuple[type, ...]
# What an aggregate's own code is under.
CONTEXTS = "chalicelib.contexts"


@dataclass(frozen=True)
class CommandModel:
    """A command and the stored names of the events that it may lead to."""

    name: str
    events: tuple[str, ...]


@dataclass(frozen=True)
class AggregateModel:
    """One kind of aggregate: its commands, and its events by stored name."""

    category: str
    context: str
    commands: tuple[CommandModel, ...]
    events: tuple[str, ...]


@dataclass(frozen=True)
class ViewModel:
    """A view and what it hears: (category, stored name)."""

    name: str
    context: str
    hears: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class PolicyModel:
    """A policy: the (category, event) that it reacts to, the (category, command) that it
    sends, and those that carry an answer back to the process.
    """

    name: str
    context: str
    hears: tuple[tuple[str, str], ...]
    sends: tuple[tuple[str, str], ...]
    answers: tuple[tuple[str, str], ...]
    mails: bool


@dataclass(frozen=True)
class Model:
    """The whole application."""

    aggregates: tuple[AggregateModel, ...]
    views: tuple[ViewModel, ...]
    policies: tuple[PolicyModel, ...]

    @property
    def contexts(self) -> tuple[str, ...]:
        held = [a.context for a in self.aggregates]
        held += [v.context for v in self.views]
        held += [p.context for p in self.policies]
        return tuple(dict.fromkeys(held))


def model_of(
    aggregates: Collection[Aggregate],
    views: Collection[View],
    policies: Collection[Policy],
    deadlines: Collection[Deadline] = (),
) -> Model:
    """The model of an application. A deadline is shown as a policy that hears a view."""
    commands = {kind: a.category for a in aggregates for kind in commands_of(a)}
    return Model(
        tuple(map(aggregate_model, aggregates)),
        tuple(map(view_model, views)),
        (
            *(policy_model(policy, commands) for policy in policies),
            *(deadline_model(deadline, commands) for deadline in deadlines),
        ),
    )


def aggregate_model(aggregate: Aggregate) -> AggregateModel:
    """An aggregate's commands, each with its events."""
    names = {kind: name for name, kind in aggregate.codec.events.items()}
    decide = aggregate.decider.decide
    made = []
    for command in commands_of(aggregate):
        found = set(named(branches(decide, command), globals_of(decide), names))
        events = tuple(name for kind, name in names.items() if kind in found)
        made.append(CommandModel(command.__name__, events))
    return AggregateModel(
        aggregate.category, context_of(aggregate.module), tuple(made), tuple(names.values())
    )


def view_model(view: View) -> ViewModel:
    """A view with the events that make its rows."""
    heard = []
    for category, codec in view.codecs.items():
        kinds = {kind: name for name, kind in codec.events.items()}
        found = {kind for part in (view.keys, view.fold) for kind in named_by(part, kinds)}
        heard += [(category, name) for kind, name in kinds.items() if kind in found or not found]
    return ViewModel(view.name, context_of(view.fold.__module__), tuple(heard))


def policy_model(policy: Policy, commands: Mapping[type, str]) -> PolicyModel:
    """A policy: what it reacts to, what it sends, and what becomes of the answers."""
    heard = []
    for aggregate in policy.hears:
        kinds = {kind: name for name, kind in aggregate.codec.events.items()}
        found = set(named_by(policy.react, kinds))
        heard += [(aggregate.category, name) for kind, name in kinds.items() if kind in found]
    tree, scope = body_of(policy.react), globals_of(policy.react)
    answering = [
        keyword.value
        for node in ast.walk(ast.Module(tree, []))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg in ("accepted", "refused")
    ]
    answers = set(named(answering, scope, commands))
    sent = set(named(tree, scope, commands)) - answers
    return PolicyModel(
        policy.name,
        context_of(policy.react.__module__),
        tuple(heard),
        tuple((commands[kind], kind.__name__) for kind in commands if kind in sent),
        tuple((commands[kind], kind.__name__) for kind in commands if kind in answers),
        mails=Email in set(named_by(policy.react, (Email,))),
    )


def deadline_model(deadline: Deadline, commands: Mapping[type, str]) -> PolicyModel:
    """A deadline: rows of a view whose time is over lead to a command."""
    sent = set(named_by(deadline.command, commands))
    return PolicyModel(
        f"deadline {deadline.name}",
        context_of(deadline.command.__module__),
        (("view", deadline.view.name),),
        tuple((commands[kind], kind.__name__) for kind in commands if kind in sent),
        (),
        mails=False,
    )


def context_of(module: str) -> str:
    """The folder of contexts/ that a module is in."""
    return module.removeprefix(f"{CONTEXTS}.").split(".")[0]


def commands_of(aggregate: Aggregate) -> Classes:
    """The members of the union `Command` of an aggregate's module."""
    return get_args(vars(sys.modules[aggregate.module])["Command"])


# --- reading code


def body_of(function: Callable[..., Any]) -> list[ast.stmt]:
    """The statements of a function, without its signature."""
    definition: Any = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    return list(definition.body)


def globals_of(function: Callable[..., Any]) -> dict[str, Any]:
    """What the names in a function mean."""
    return vars(sys.modules[function.__module__])


def branches(decide: Callable[..., Any], command: type) -> list[ast.AST]:
    """The bodies of the cases of `decide` that take *command*."""
    scope = globals_of(decide)
    taken: list[ast.AST] = []
    for statement in body_of(decide):
        if isinstance(statement, ast.Match):
            for case in statement.cases:
                if takes(first_of(case.pattern), command, scope):
                    taken += case.body
        else:
            taken.append(statement)
    return taken


def first_of(pattern: ast.pattern) -> ast.pattern:
    """The part of a case that is about the command."""
    return pattern.patterns[0] if isinstance(pattern, ast.MatchSequence) else pattern


def takes(pattern: ast.pattern, command: type, scope: Mapping[str, Any]) -> bool:
    """Whether a pattern may match a command of this type."""
    match pattern:
        case ast.MatchClass(cls=ast.Name(name)):
            return issubclass(command, scope[name])
        case ast.MatchOr(patterns):
            return any(takes(each, command, scope) for each in patterns)
        case ast.MatchAs(pattern=inner) if inner is not None:
            return takes(inner, command, scope)
    return True


def named_by(function: Callable[..., Any], kinds: Collection[type]) -> Iterator[type]:
    """Those of *kinds* that a function names, in patterns and checks as well."""
    yield from named(body_of(function), globals_of(function), kinds, patterns=True)


def named(
    nodes: Iterable[ast.AST],
    scope: Mapping[str, Any],
    kinds: Collection[type],
    *,
    patterns: bool = False,
    seen: frozenset[FunctionType] = frozenset(),
) -> Iterator[type]:
    """Those of *kinds* that code names, itself or in the application's functions it calls.

    Without *patterns* only what is made counts: not what is merely compared with.
    """
    for name in names_in(nodes, patterns=patterns):
        meant = scope.get(name)
        if isinstance(meant, type):
            yield from (kind for kind in kinds if kind is meant)
        elif isinstance(meant, dict):
            yield from (kind for kind in meant if kind in kinds)
        elif isinstance(meant, FunctionType) and is_ours(meant) and meant not in seen:
            yield from named(
                body_of(meant), globals_of(meant), kinds, patterns=patterns, seen=seen | {meant}
            )


def is_ours(function: FunctionType) -> bool:
    """Whether a function belongs to a context."""
    return function.__module__.startswith(CONTEXTS)


def names_in(nodes: Iterable[ast.AST], *, patterns: bool) -> Iterator[str]:
    """The names that code uses; annotations are none."""
    for node in nodes:
        match node:
            case ast.Name(name):
                yield name
            case ast.AnnAssign(target=_, annotation=_, value=value) if value is not None:
                yield from names_in([value], patterns=patterns)
            case ast.Call(ast.Name("isinstance"), [value, _]) if not patterns:
                yield from names_in([value], patterns=patterns)
            case ast.MatchClass(cls=kind, patterns=inner, kwd_patterns=keywords):
                if patterns:
                    yield from names_in([kind], patterns=True)
                yield from names_in([*inner, *keywords], patterns=patterns)
            case _:
                yield from names_in(ast.iter_child_nodes(node), patterns=patterns)
