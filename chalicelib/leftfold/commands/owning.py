"""Who may write a stream: what the handler asks where a stream's own items do not say "you".

A stream that a generation owns says so in the items that every load has (`loading.owns`), so
a command on it asks nobody. `Owner` is asked about the others alone.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class NotOwnedError(Exception):
    """This generation does not write the stream now. Nothing was written."""

    is_impersonal = True


class NotActiveError(NotOwnedError):
    """The generation takes no commands yet: it is being filled."""


class MovedError(NotOwnedError):
    """The stream is another generation's, or is on its way from there."""


class Successor(NamedTuple):
    """A stream in which the commits of another id are now. *addressed* is that id if a command
    is found there only together with it, because other ids have become the same stream.
    """

    aggregate_id: str
    addressed: str | None


class IdMovedError(NotOwnedError):
    """No stream has this id any more; its commits are in *successors*."""

    def __init__(self, aggregate_id: str, successors: Sequence[Successor]) -> None:
        super().__init__(f"{aggregate_id} is now {', '.join(to.aggregate_id for to in successors)}")
        self.successors = successors


class Owner(Protocol):
    """Hands streams over, for the handler."""

    @property
    def first(self) -> bool:
        """Whether a stream without any item is this generation's: no earlier one can have it."""

    def is_nowhere(self, aggregate_id: str) -> bool:
        """Whether no other generation has a commit or a bar in the stream, read consistently. The
        caller has read before that this one has none.
        """

    def take(self, aggregate_id: str) -> None:
        """Takes the stream over: a consistent load then finds it owned, or finds it empty.

        Raises `NotActiveError` and `MovedError` if it is not this generation's turn, `IdMovedError`,
        `ContentionError` if others were faster in each attempt, and `Unavailable`.
        """

    def check_id(self, aggregate_id: str) -> None:
        """Raises `IdMovedError` for a stream without items whose id has moved in a change that is
        over: no other generation is there to be asked for it.
        """


class Alone:
    """`Owner` of a generation that knows no other one. A bar that it meets all the same is heeded."""

    first = True

    def is_nowhere(self, aggregate_id: str) -> bool:  # noqa: ARG002 - there is no other generation
        return True

    def take(self, aggregate_id: str) -> None:
        raise MovedError(aggregate_id)

    def check_id(self, aggregate_id: str) -> None:
        """No id has moved."""


ALONE = Alone()
