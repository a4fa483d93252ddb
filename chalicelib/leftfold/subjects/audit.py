"""Audit streams: who had a subject forgotten, who has read its data, and what operators have done.

An aggregate of the engine, in streams of its own. It has no personal data: a subject's stream is
named by a hash of the subject, and a reason is the number of a case. What operators do is in one
stream a month for each tenant.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from chalicelib.leftfold.kernel import Aggregate, Codec, Decider, Refused
from chalicelib.leftfold.kernel.context import by_name


@dataclass(frozen=True)
class RecordErasureBegun:
    """The subject's key is destroyed; *case* is why."""

    subject: str
    case: str


@dataclass(frozen=True)
class RecordErased:
    """Nothing shows the subject's data any more."""

    subject: str
    places: dict[str, int]


@dataclass(frozen=True)
class RecordDataRead:
    """Somebody was shown what is held about the subject."""

    subject: str


@dataclass(frozen=True)
class RecordAction:
    """An operator is about to do *action* with *what*, such as a reader and its streams."""

    action: str
    what: tuple[str, ...]


@dataclass(frozen=True)
class ErasureBegun:
    """No key opens the subject's data any more."""

    subject: str
    case: str


@dataclass(frozen=True)
class Erased:
    """*places* counts what was made unreadable or written anew, by kind."""

    subject: str
    places: dict[str, int]


@dataclass(frozen=True)
class DataRead:
    """The actor of the commit was shown what is held about the subject."""

    subject: str


@dataclass(frozen=True)
class OperatorActed:
    """The actor of the commit has begun *action* with *what*. The record comes before the deed."""

    action: str
    what: tuple[str, ...]


Command = RecordErasureBegun | RecordErased | RecordDataRead | RecordAction
Event = ErasureBegun | Erased | DataRead | OperatorActed

# Names and versions are the storage format: add to this table, never edit it.
codec: Codec[Event] = Codec(
    {
        "erasure-begun": ErasureBegun,
        "subject-erased": Erased,
        "data-read": DataRead,
        "operator-acted": OperatorActed,
    }
)


@dataclass(frozen=True)
class Subject:
    """How far the erasure of a subject has come."""

    stage: Literal["known", "erasing", "erased"] = "known"


def decide(command: Command, subject: Subject) -> list[Event]:
    """The events of a command. Raises `Refused` for a step that is recorded already."""
    match command, subject:
        case RecordErasureBegun(name, case), Subject("known"):
            return [ErasureBegun(name, case)]
        case RecordErased(name, places), Subject("erasing"):
            return [Erased(name, places)]
        case RecordDataRead(name), _:
            return [DataRead(name)]
        case RecordAction(action, what), _:
            return [OperatorActed(action, what)]
        case _:
            raise Refused("erasure-recorded", stage=subject.stage)


def evolve(subject: Subject, event: Event) -> Subject:
    """The subject after an event."""
    match event:
        case ErasureBegun():
            return replace(subject, stage="erasing")
        case Erased():
            return replace(subject, stage="erased")
        case DataRead() | OperatorActed():
            return subject


audit = Aggregate("audit", Decider(decide, evolve, initial=Subject()), codec)


def with_engines_own(aggregates: Mapping[str, Aggregate]) -> Mapping[str, Aggregate]:
    """A domain's aggregates, and the engine's own. Raises ValueError if a name is used twice."""
    return by_name([*aggregates.items(), (audit.category, audit)])


def key_of(subject: str) -> str:
    """The key of a subject's audit stream; a subject has a colon, and a key must not."""
    return hashlib.sha256(subject.encode()).hexdigest()[:32]


def month_of(at: str) -> str:
    """The key of the stream of what operators do in the month of an instant."""
    return f"operators-{at[:7]}"
