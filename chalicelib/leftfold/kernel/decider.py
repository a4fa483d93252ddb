"""The rules of an aggregate as three values: decide, evolve, initial."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

C = TypeVar("C")
S = TypeVar("S")
E = TypeVar("E")


@runtime_checkable
class ToFact(Protocol):
    """A value that has its own JSON among the facts of a refusal."""

    def to_fact(self) -> Any:
        """The JSON of the value, as clients see it."""


class Refused(Exception):  # noqa: N818 - a refusal is an answer, not an error
    """A command that the rules turn down.

    *code* is part of the HTTP contract. *facts* give the reasons: JSON values, or values
    with a `to_fact`. *version* is the version of the state that the rules refused the
    command on; the command handler sets it.
    """

    version: int | None = None

    def __init__(self, code: str, **facts: Any) -> None:
        super().__init__(code)
        self.code = code
        self.facts = facts


@dataclass(frozen=True)
class Decider(Generic[C, S, E]):
    """The rules of an aggregate.

    *decide* turns a command and a state into events, or raises `Refused`. *evolve* folds one
    event into a state, and never fails on a stored event.
    """

    decide: Callable[[C, S], list[E]]
    evolve: Callable[[S, E], S]
    initial: S

    def fold(self, events: Iterable[E], state: S | None = None) -> S:
        """The state after *events*. The fold begins with *state*, or with the initial state."""
        return reduce(self.evolve, events, self.initial if state is None else state)
