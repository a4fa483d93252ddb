"""A context is one part of a domain, exported as one value; a domain is all of its contexts."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from chalicelib.leftfold.kernel.aggregate import Aggregate
from chalicelib.leftfold.kernel.announcer import Announcer
from chalicelib.leftfold.kernel.commit import StoredEvent
from chalicelib.leftfold.kernel.policy import Deadline, Policy
from chalicelib.leftfold.kernel.transform import Boundaries, Transform
from chalicelib.leftfold.kernel.view import View

T = TypeVar("T")


@dataclass(frozen=True)
class Context:
    """Everything that the engine needs to run one part of a domain.

    *http* is the import path of the module that holds the context's `routes` (a tuple of
    `Route`), `problems` (a `Kind` for each refusal code) and, if it likes, `bodies` (by category, a
    function that makes the body that clients see of a stored one). It is a path and not a module,
    because functions that events start must not import HTTP.

    *transforms* say how streams of the generation before this one become streams of this one; a
    category without one stays as it is. *invariants* are numbers that no transform may change, such
    as the sum of money: by name, what a stored event adds to each.
    """

    aggregates: tuple[Aggregate, ...] = ()
    views: tuple[View, ...] = ()
    policies: tuple[Policy | Announcer, ...] = ()
    deadlines: tuple[Deadline, ...] = ()
    http: str | None = None
    transforms: tuple[Transform, ...] = ()
    invariants: Mapping[str, Callable[[StoredEvent], int]] = field(default_factory=dict)


class Domain:
    """All contexts of an application. Each mapping finds one kind of part by its name.

    Raises ValueError if two parts of one kind have the same name. A view and a policy cannot
    share a name either, because each has a Lambda function and checkpoints of its name.
    Nor can two of them be stored under one name, nor one category have two transforms.
    """

    def __init__(self, contexts: Iterable[Context]) -> None:
        self.contexts: Sequence[Context] = tuple(contexts)
        self.aggregates: Mapping[str, Aggregate] = by_name(
            (aggregate.category, aggregate)
            for context in self.contexts
            for aggregate in context.aggregates
        )
        self.views: Mapping[str, View] = by_name(
            (view.name, view) for context in self.contexts for view in context.views
        )
        self.policies: Mapping[str, Policy | Announcer] = by_name(
            (policy.name, policy) for context in self.contexts for policy in context.policies
        )
        self.deadlines: Mapping[str, Deadline] = by_name(
            (deadline.name, deadline) for context in self.contexts for deadline in context.deadlines
        )
        # The names of the views that hear of commits from the bus.
        self.fed_by_bus: Collection[str] = [v.name for v in self.views.values() if v.fed == "bus"]
        readers: list[View | Policy | Announcer] = [*self.views.values(), *self.policies.values()]
        by_name((reader.name, None) for reader in readers)
        by_name((reader.stored_name, None) for reader in readers)
        self.invariants: Mapping[str, Callable[[StoredEvent], int]] = by_name(
            item for context in self.contexts for item in context.invariants.items()
        )
        self.boundaries = Boundaries(t for context in self.contexts for t in context.transforms)


def by_name(named: Iterable[tuple[str, T]]) -> dict[str, T]:
    """The parts by their names. Raises ValueError if two parts have the same name."""
    found: dict[str, T] = {}
    for name, part in named:
        if name in found:
            raise ValueError(
                f"the name {name!r} is used twice in the domain; rename one of the two"
            )
        found[name] = part
    return found
