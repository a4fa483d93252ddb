"""Prints, as JSON, where the code of each fold, view and policy of the domain begins.

`fingerprints` runs the text of this module in a process of its own, in the folder of a copy of
chalicelib. A root is [module, symbol], or [text] for a value that counts as it is.
"""

import functools
import json
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.kernel import Aggregate, Announcer, Codec, Policy, View
from chalicelib.leftfold.subjects.audit import with_engines_own

Root = tuple[str, ...]

KERNEL = "chalicelib.leftfold.kernel"
# How the engine reads events and states, and how it makes rows of events.
OF_FOLDS: tuple[Root, ...] = ((f"{KERNEL}.codec", "Codec"), (f"{KERNEL}.decider", "Decider"))
OF_VIEWS: tuple[Root, ...] = (
    (f"{KERNEL}.codec", "Codec"),
    ("chalicelib.leftfold.projection.fold", "Folding"),
)
OF_POLICIES: tuple[Root, ...] = (
    (f"{KERNEL}.codec", "Codec"),
    (f"{KERNEL}.policy", "Policy"),
)
SCALARS = (str, int, float, bool, type(None), bytes)


def of_fold(aggregate: Aggregate) -> Iterator[Root]:
    """The fold of an aggregate: how its events are read, folded, and kept as a state."""
    yield from OF_FOLDS
    yield from of_codec(aggregate.codec)
    yield from of(aggregate.decider.evolve, ())
    yield from of(aggregate.decider.initial, ())


def of_view(view: View) -> Iterator[Root]:
    """How a view makes rows."""
    yield from OF_VIEWS
    for category, codec in sorted(view.codecs.items()):
        yield (category,)
        yield from of_codec(codec)
    made_by = (view.keys, view.fold, view.order, view.accumulates, view.personal)
    for part in (*made_by, view.store, view.fields):
        yield from of(part, ())


def of_policy(policy: Policy | Announcer) -> Iterator[Root]:
    """What a policy does about events; not the rules that take its commands."""
    yield from OF_POLICIES
    for aggregate in policy.hears:
        yield (aggregate.category,)
        yield from of_codec(aggregate.codec)
    made_by = (
        (policy.events, policy.since)
        if isinstance(policy, Announcer)
        else (policy.react, policy.personal)
    )
    for part in made_by:
        yield from of(part, ())


def of_codec(codec: Codec[Any]) -> Iterator[Root]:
    """The names of events, their classes, their upcasts, and what is read ahead of its writer."""
    for name, kind in sorted(codec.events.items()):
        yield (name,)
        yield from of(kind, ())
    for (name, version), upcast in sorted(codec.upcasts.items()):
        yield (f"{name} {version}",)
        yield from of(upcast, ())
    for (name, version), reader in sorted(codec.ahead.items()):
        yield (f"{name} {version} ahead",)
        yield from of(reader, ())


def of(value: Any, within: tuple[int, ...]) -> Iterator[Root]:
    """The code and the data that a value of a rule stands for."""
    if id(value) in within:
        return
    within = (*within, id(value))
    wrapped = getattr(value, "__wrapped__", None)
    if wrapped is not None:
        yield from of(wrapped, within)
    elif isinstance(value, types.FunctionType):
        yield from of_function(value, within)
    elif isinstance(value, types.MethodType):
        yield from of(value.__func__, within)
        yield from of(value.__self__, within)
    elif isinstance(value, functools.partial):
        yield from of((value.func, value.args, value.keywords), within)
    elif isinstance(value, type):
        yield symbol_of(value)
    elif isinstance(value, SCALARS):
        yield (repr(value),)
    elif isinstance(value, Enum):
        yield symbol_of(type(value))
        yield (value.name,)
    else:
        yield symbol_of(type(value))
        for part in parts_of(value):
            yield from of(part, within)


def of_function(function: types.FunctionType, within: tuple[int, ...]) -> Iterator[Root]:
    """A function, with the values that it has from where it was made."""
    top = function.__qualname__.partition(".")[0]
    # A lambda of a module has no name: the statement that it is in has a line.
    line = function.__code__.co_firstlineno
    yield (function.__module__, f"line {line}" if top == "<lambda>" else top)
    kept = [cell.cell_contents for cell in function.__closure__ or ()]
    yield from of((kept, function.__defaults__, function.__kwdefaults__), within)


def symbol_of(kind: type) -> Root:
    """The symbol of a class."""
    return (kind.__module__, kind.__qualname__.partition(".")[0])


def parts_of(value: Any) -> Iterable[Any]:
    """The values that a value is made of."""
    if isinstance(value, Mapping):
        return [part for item in sorted(value.items(), key=repr) for part in item]
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=repr)
    if isinstance(value, (tuple, list)):
        return value
    if is_dataclass(value):
        return [getattr(value, member.name) for member in fields(value)]
    # Something else that can be called, or whose text is all that is known of it.
    return [vars(value)] if hasattr(value, "__dict__") else [str(value)]


def aggregates() -> Iterator[Root]:
    """The symbols that stand for aggregates. A policy that names the aggregate to which it sends a
    command does not depend on the rules of that.
    """
    for name, module in sorted(sys.modules.items()):
        for symbol, value in sorted(vars(module).items()):
            if isinstance(value, Aggregate):
                yield (name, symbol)


def main() -> None:
    """Prints the roots by kind and name, and the symbols of aggregates."""
    found = {
        "aggregates": list(aggregates()),
        "folds": {
            name: list(of_fold(part)) for name, part in with_engines_own(DOMAIN.aggregates).items()
        },
        "views": {name: list(of_view(part)) for name, part in DOMAIN.views.items()},
        "policies": {name: list(of_policy(part)) for name, part in DOMAIN.policies.items()},
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
