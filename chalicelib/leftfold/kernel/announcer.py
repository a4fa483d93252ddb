"""An announcer: which events other systems are told of, as CloudEvents (docs/adr/0034)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from chalicelib.leftfold.kernel.aggregate import Aggregate

# EventBridge drops an event whose type is longer, and says that it was taken.
LONGEST_TYPE = 128


@dataclass(frozen=True)
class Announcer:
    """The events of *hears* whose classes are *events*, told to other systems.

    It is a policy whose only effect is to tell. It has what every policy has: a function of its
    *name*, a checkpoint, parked streams, and *stored_as* where it was called otherwise first. An
    event is told in the current version of its name. Personal fields are told as `erased`: what
    others keep is out of an erasure's reach.

    *since* is "beginning", or the instant from which on commits are announced. What is announced
    depends on the commit and on this value alone, so it can be announced again at any time. After
    a change of *events* or *since*, `leftfold announce NAME` announces what was left out before.

    Raises ValueError for a class that is no event of *hears*.
    """

    name: str
    hears: tuple[Aggregate, ...]
    events: tuple[type, ...]
    since: Literal["beginning"] | datetime = "beginning"
    stored_as: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.since, datetime) and self.since.tzinfo is None:
            raise ValueError(
                f"the announcer {self.name} begins at {self.since}: say in which time zone, as in"
                " datetime(2026, 1, 1, tzinfo=UTC)"
            )
        found = {kind for aggregate in self.hears for kind in aggregate.codec.events.values()}
        for kind in self.events:
            if kind not in found:
                raise ValueError(
                    f"the announcer {self.name} tells of {kind.__name__}, which is no event of"
                    f" {', '.join(aggregate.category for aggregate in self.hears)}"
                )
        for type_ in self.types:
            if len(type_) > LONGEST_TYPE:
                raise ValueError(
                    f"the announcer {self.name} tells of {type_}, which is longer than the"
                    f" {LONGEST_TYPE} characters that a type can have"
                )

    @property
    def stored_name(self) -> str:
        """The name under which all is stored: the first that the announcer had."""
        return self.stored_as or self.name

    @property
    def categories(self) -> frozenset[str]:
        """The categories that the announcer listens to."""
        return frozenset(aggregate.category for aggregate in self.hears)

    @property
    def fed(self) -> Literal["log"]:
        """An announcer follows the log, woken by wakes."""
        return "log"

    @property
    def types(self) -> tuple[str, ...]:
        """The types of its announcements."""
        return tuple(
            type_of(aggregate.category, name)
            for aggregate in self.hears
            for name, kind in aggregate.codec.events.items()
            if kind in self.events
        )

    def tells(self, event: Any) -> bool:
        """Whether others are told of an event of this class."""
        return type(event) in self.events


def type_of(category: str, name: str) -> str:
    """The type of the announcements of the event *name*, which is unique only in its category."""
    return f"{category}.{name}"
