"""A policy: a pure function from an event to commands and effects; one workflow step."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from chalicelib.leftfold.kernel.aggregate import Aggregate
from chalicelib.leftfold.kernel.view import Recorded, Row, View

# Names are in the ids of commands and in the keys of effects.
_NAME = re.compile("[a-z0-9]+(?:-[a-z0-9]+)*")
_LONGEST_NAME = 64


class ReactionNameError(ValueError):
    """A policy gave a reaction a name that is malformed, or that another reaction has."""


@dataclass(frozen=True)
class Reaction:
    """A command to the aggregate *key* that an event leads to.

    *name* distinguishes the reaction from the others that the same event leads to. The command's id
    is made of it, so a name is never changed and never given to another reaction. It is words
    of lower-case letters and digits with hyphens between them, 64 characters at most.

    Its answer goes back to the process, the aggregate whose event it was: *accepted* makes
    a command to it from the version that the command made, *refused* one from the code
    and the facts of a refusal. Without *accepted* nothing is recorded. A refusal without
    *refused* is one that nobody foresaw, and parks the process; *refused* asks for a policy
    that says what it *awaits*.
    """

    name: str
    aggregate: Aggregate
    key: str
    command: Any
    accepted: Callable[[int], Any] | None = None
    refused: Callable[[str, dict[str, Any]], Any] | None = None


class Email(NamedTuple):
    """An effect outside the system: a plain-text message to one address.

    *name* is that of a reaction: the key of the effect is made of it.
    """

    name: str
    to: str
    subject: str
    text: str


@dataclass(frozen=True)
class Policy:
    """One workflow step: what it does about the events of *hears*.

    *since* says which commits it acts on, if the log has some when the policy is added: all
    from the "beginning", those that follow "now", or those that were made at an instant or
    later. It is decided once, before the policy's first run, and kept in its checkpoint.

    *name* is that of its function. It is also the name under which its progress, its parked
    processes, the ids of its commands and the keys of its effects are stored. These never
    change, so a policy that gets another name says as *stored_as* what it was called first
    (docs/adr/0021). *react* yields the
    commands and effects that an event leads to, each under a name of its own. It depends on
    the event alone. A later version of *react* may put them in another order, add some and
    leave some out; it never gives a name to another command or effect. *awaits* says, from
    the state of the process and the event, whether the step is still to be taken: False, for
    ever, once an answer is recorded or the process was ended otherwise. A step has one
    answer, however many functions take it at the same time (docs/adr/0010). Without *awaits*
    each command is sent whatever becomes of the process, and taken once, which costs a
    quarter; but no refusal can be recorded then. *personal* says that *react* uses personal
    data, so the policy's events are opened; another policy reads `erased` in personal fields.
    """

    name: str
    hears: tuple[Aggregate, ...]
    react: Callable[[Recorded], Iterable[Reaction | Email]]
    awaits: Callable[[Any, Any], bool] | None = None
    personal: bool = False
    since: Literal["beginning", "now"] | datetime = "beginning"
    stored_as: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.since, datetime) and self.since.tzinfo is None:
            raise ValueError(
                f"the policy {self.name} begins at {self.since}: say in which time zone, as in"
                " datetime(2026, 1, 1, tzinfo=UTC)"
            )

    @property
    def stored_name(self) -> str:
        """The name under which all is stored: the first that the policy had."""
        return self.stored_as or self.name

    @property
    def categories(self) -> frozenset[str]:
        """The categories that the policy listens to."""
        return frozenset(aggregate.category for aggregate in self.hears)

    @property
    def fed(self) -> Literal["log"]:
        """A policy follows the log, woken by wakes."""
        return "log"

    def reactions(self, recorded: Recorded) -> list[Reaction | Email]:
        """All that the event leads to. Raises `ReactionNameError`, and what *react* raises."""
        found = list(self.react(recorded))
        names: set[str] = set()
        for reaction in found:
            name = reaction.name
            if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
                raise ReactionNameError(
                    f"{self.name} names a reaction {name!r}: a name is words of a-z and 0-9 with"
                    f" hyphens between them, {_LONGEST_NAME} characters at most"
                )
            if name in names:
                raise ReactionNameError(
                    f"{self.name} names two reactions to one event {name!r}: give each a name"
                    " of its own"
                )
            names.add(name)
        return found


@dataclass(frozen=True)
class Deadline:
    """A command to aggregates that have waited for too long.

    *view* is a search view with a date field `deadline`: an instant in ISO 8601, or None in
    the rows of those that wait for nothing. *key* names the aggregate of a row, *command*
    makes its command. Its rules decide: it may have moved on since the row was written.
    """

    name: str
    view: View
    aggregate: Aggregate
    key: Callable[[Row], str]
    command: Callable[[Row], Any]
