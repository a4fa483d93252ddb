"""The rules of an aggregate as three values: decide, evolve, initial."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Any, Generic, TypeVar

C = TypeVar("C")
S = TypeVar("S")
E = TypeVar("E")


class Refused(Exception):  # noqa: N818 - a refusal is an answer, not an error
    """A command that the rules turn down.

    *code* is part of the HTTP contract; *facts* are JSON values or objects of the
    context's own that tell why. *version* is that of the state that refused it, once the
    command handler knows.
    """

    version: int | None = None

    def __init__(self, code: str, **facts: Any) -> None:
        super().__init__(code)
        self.code = code
        self.facts = facts


@dataclass(frozen=True)
class Decider(Generic[C, S, E]):
    """*decide* turns a command and a state into events or raises `Refused`;
    *evolve* folds one event into a state, and never fails on a stored event.
    """

    decide: Callable[[C, S], list[E]]
    evolve: Callable[[S, E], S]
    initial: S

    def fold(self, events: Iterable[E], state: S | None = None) -> S:
        """The state after *events*, from *state* or from the initial one."""
        return reduce(self.evolve, events, self.initial if state is None else state)
