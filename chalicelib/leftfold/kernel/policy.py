"""A policy: a pure function from an event to commands and effects; one workflow step."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from chalicelib.leftfold.kernel.aggregate import Aggregate
from chalicelib.leftfold.kernel.view import Recorded, Row, View


@dataclass(frozen=True)
class Reaction:
    """A command to the aggregate *key* that an event leads to.

    Its answer goes back to the process, the aggregate whose event it was: *accepted* makes
    a command to it from the version that the command made, *refused* one from the code
    and the facts of a refusal. Without *accepted* nothing is recorded. A refusal without
    *refused* is one that nobody foresaw, and parks the process; *refused* asks for a policy
    that says what it *awaits*.
    """

    aggregate: Aggregate
    key: str
    command: Any
    accepted: Callable[[int], Any] | None = None
    refused: Callable[[str, dict[str, Any]], Any] | None = None


class Email(NamedTuple):
    """An effect outside the system: a plain-text message to one address."""

    to: str
    subject: str
    text: str


@dataclass(frozen=True)
class Policy:
    """One workflow step: what it does about the events of *hears*, from the log's first one.

    *name* is in the id of each command and the place of each effect: under another one
    they are others, so it is never changed. *react* names the
    commands and effects that an event leads to, always the same ones in the same order; it
    depends on the event alone. *awaits* says, from the state of the process and the event,
    whether the step is still to be taken: False, for ever, once an answer is recorded or
    the process was ended otherwise. A step has one answer, however many functions take it
    at the same time (docs/adr/0010). Without *awaits* each command is sent whatever becomes
    of the process, and taken once, which costs a quarter; but no refusal can be recorded
    then.
    """

    name: str
    hears: tuple[Aggregate, ...]
    react: Callable[[Recorded], Iterable[Reaction | Email]]
    awaits: Callable[[Any, Any], bool] | None = None

    @property
    def fed(self) -> Literal["log"]:
        """A policy follows the log, woken by wakes."""
        return "log"


@dataclass(frozen=True)
class Deadline:
    """What aggregates are told that have waited for too long.

    *view* is a search view with a date field `deadline`: an instant in ISO 8601, or None in
    the rows of those that wait for nothing. *key* names the aggregate of a row, *command*
    makes what it is told. Its rules decide: it may have moved on since the row was written.
    """

    name: str
    view: View
    aggregate: Aggregate
    key: Callable[[Row], str]
    command: Callable[[Row], Any]
