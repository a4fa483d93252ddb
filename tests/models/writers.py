"""Writers whose commands find their streams in one of two generations: for merging and splitting.

A writer loads any version that its stream has had, decides on it, and appends behind it or
answers what it has found. It may sleep and die between any two calls.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

# The state of a model: a NamedTuple, with `switching`, `writers` and `answers`.
S = TypeVar("S", bound=Any)


class Writer(NamedTuple):
    """A writer of stream *place* that is to append *version*, or to answer."""

    place: int
    command: str
    appends: bool
    version: int


class Writers(ABC, Generic[S]):
    """A model with writers. A command has a `name`."""

    commands: tuple[Any, ...]
    writers: int

    @abstractmethod
    def _places(self, state: S, command: Any) -> tuple[int, ...]:
        """The streams that a client may send *command* to."""

    @abstractmethod
    def _items(self, state: S, place: int) -> tuple[str, ...]:
        """What stands in a stream."""

    @abstractmethod
    def _is_barred(self, state: S, place: int) -> bool:
        """Whether a bar has the stream's next version."""

    @abstractmethod
    def _decides(self, state: S, place: int, name: str, version: int) -> Writer | None:
        """Who goes on from a load of that version; None if the stream is another generation's."""

    @abstractmethod
    def _put(self, state: S, place: int, item: str) -> S:
        """The state with one more item in a stream."""

    def _writes(self, state: S) -> Iterator[tuple[str, S]]:
        if len(state.writers) < self.writers:
            for command, answered in zip(self.commands, state.answers, strict=True):
                for place in () if answered else self._places(state, command):
                    for version in range(len(self._items(state, place)) + 1):
                        writer = self._decides(state, place, command.name, version)
                        if writer:
                            yield f"{place} loads {version}", added(state, "writers", writer)
        for writer in set(state.writers):
            rest = dropped(state, "writers", writer)
            yield "a writer dies", rest
            yield self._goes_on(state, rest, writer)

    def _goes_on(self, state: S, rest: S, writer: Writer) -> tuple[str, S]:
        place, name, appends, version = writer
        if not appends:
            at = [command.name for command in self.commands].index(name)
            answers = (*state.answers[:at], True, *state.answers[at + 1 :])
            return "answered", rest._replace(answers=answers)
        items = self._items(state, place)
        if len(items) == version - 1 and not self._is_barred(state, place):
            written = self._put(rest, place, f"n{name}")
            return "appended", added(written, "writers", writer._replace(appends=False))
        again = self._decides(state, place, name, len(items))
        return "lost the version", added(rest, "writers", again) if again else rest


def added(state: S, field: str, actor: Any) -> S:
    """The state with one more actor in a field; actors of one kind have no order."""
    changed: S = state._replace(**{field: tuple(sorted([*getattr(state, field), actor]))})
    return changed


def dropped(state: S, field: str, actor: Any) -> S:
    """The state without one such actor."""
    actors = list(getattr(state, field))
    actors.remove(actor)
    changed: S = state._replace(**{field: tuple(actors)})
    return changed
