"""How one stream becomes two: blue's A feeds green's A and D, and both stand behind A's one bar.

Modelled: blue's stream A with a bar behind it in the end; green's streams A and D, each with
copies of A's commits and, once it is complete, a mark. The transform leaves the event of a command in one of
the two, and the other has a copy without an event. Writers, takers and a copier as in merging.py:
any load is arbitrarily stale; everyone sleeps and dies between any two calls.

Abstracted: a command is (name, the green stream that has its event, the green stream that a
client sends it to). These two differ where a command moves with the new boundaries.

Checks: each green stream has a copy of each of A's commits, in order, at A's versions; once it takes commands it
lacks none; a command is taken once. As completion: every command is answered, and both streams take commands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from .checker import LIMIT, Result, check
from .writers import Writer, Writers, added, dropped

if TYPE_CHECKING:
    from collections.abc import Iterator

FALSE = "green is not the transform of blue"
LACKS = "a green stream takes commands and lacks a commit of blue"
TWICE = "a command was taken twice"
NOWHERE = "a command was acknowledged and is nowhere"

BLUE, A, D = 0, 1, 2
GREEN = (A, D)


class Command(NamedTuple):
    """A command: the green stream that has its event, and the one that it is sent to in green."""

    name: str
    event: int
    sent_to: int


class Taker(NamedTuple):
    """One who takes a green stream over, and the version of the bar."""

    place: int
    call: Literal["read", "bar", "copy"] = "read"
    version: int = 0


class Copier(NamedTuple):
    """A copier that is to put *item* at *version* of a green stream."""

    place: int
    version: int
    item: str


class State(NamedTuple):
    """Items are "nX" (native), "cX" (a copy with the event of X) and "eX" (one without it)."""

    streams: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
    bar: bool
    marks: tuple[int, ...]
    switching: bool
    writers: tuple[Writer, ...]
    takers: tuple[Taker, ...]
    copiers: tuple[Copier, ...]
    answers: tuple[bool, ...]


Move = tuple[str, State]
STAYS = (Command("1", A, A), Command("2", D, D))
MOVES = (Command("1", A, A), Command("2", A, D))


@dataclass(frozen=True)
class Splitting(Writers[State]):
    """A size and the rules in force; the defaults are the design's."""

    start: tuple[str, ...] = ("na",)
    commands: tuple[Command, ...] = STAYS
    writers: int = 1
    takers: int = 1
    copiers: int = 1
    copies_all: bool = True  # into D as well what leaves no event there
    keeps_keys: bool = True  # a copy has the command's key
    copies_first: bool = True  # the mark comes when every commit is copied
    bars: bool = True

    def check(self, limit: int = LIMIT) -> Result:
        """Visit every state of this size under these rules."""
        unanswered = (False,) * len(self.commands)
        start = State((self.start, (), ()), False, (), False, (), (), (), unanswered)  # noqa: FBT003
        return check(start, self._steps, self._broken, self._complete, limit)

    def _steps(self, state: State) -> Iterator[Move]:
        if not state.switching:
            yield "control switches", state._replace(switching=True)
        yield from self._writes(state)
        yield from self._takes(state)
        yield from self._copies(state)

    def _places(self, state: State, command: Command) -> tuple[int, ...]:
        return (BLUE, command.sent_to) if state.switching else (BLUE,)

    def _items(self, state: State, place: int) -> tuple[str, ...]:
        return state.streams[place]

    def _is_barred(self, state: State, place: int) -> bool:
        return place == BLUE and state.bar

    def _put(self, state: State, place: int, item: str) -> State:
        streams = list(state.streams)
        streams[place] = (*streams[place], item)
        return state._replace(streams=(streams[0], streams[1], streams[2]))

    def _decides(self, state: State, place: int, name: str, version: int) -> Writer | None:
        items = state.streams[place]
        if self._finds(place, name, items[:version]):
            return Writer(place, name, appends=False, version=version)
        if not self._owns(state, place, version):
            return None
        return Writer(place, name, appends=True, version=version + 1)

    def _finds(self, place: int, name: str, items: tuple[str, ...]) -> bool:
        lost = place == D and not self.keeps_keys
        return any(item[1:] == name and (item[0] == "n" or not lost) for item in items)

    def _owns(self, state: State, place: int, version: int) -> bool:
        """Whether *place* writes behind *version*, as far as a load of that version shows."""
        items = state.streams[place]
        if place == BLUE:
            return version < len(items) or not state.bar
        if place not in state.marks:
            return False
        return version == len(items) or (version > 0 and items[version - 1][0] == "n")

    def _takes(self, state: State) -> Iterator[Move]:
        if state.switching and len(state.takers) < self.takers:
            for place in GREEN:
                if place not in state.marks:
                    yield "a taker begins", added(state, "takers", Taker(place))
        for taker in set(state.takers):
            rest = dropped(state, "takers", taker)
            yield "a taker dies", rest
            yield self._call(state, rest, taker)

    def _call(self, state: State, rest: State, taker: Taker) -> Move:
        blue = state.streams[BLUE]
        if taker.call == "read":
            ready = state.bar or not self.bars
            after = taker._replace(call="copy" if ready else "bar", version=len(blue) + 1)
            return "a taker reads A", added(rest, "takers", after)
        if taker.call == "bar":
            if len(blue) == taker.version - 1 and not state.bar:
                return "a taker bars A", added(
                    rest._replace(bar=True), "takers", taker._replace(call="copy")
                )
            return "a taker comes too late", added(rest, "takers", Taker(taker.place))
        following = self._following(state, taker.place)
        if following and self.copies_first:
            return "a taker copies", self._put(state, taker.place, following[0])
        marks = tuple(sorted({*state.marks, taker.place}))
        return "a taker marks", rest._replace(marks=marks)

    def _copies(self, state: State) -> Iterator[Move]:
        if len(state.copiers) < self.copiers:
            for place in GREEN:
                following = self._following(state, place)
                if following and place not in state.marks:
                    copier = Copier(place, len(state.streams[place]) + 1, following[0])
                    yield "a copier reads", added(state, "copiers", copier)
        for copier in set(state.copiers):
            rest = dropped(state, "copiers", copier)
            yield "a copier dies", rest
            if len(state.streams[copier.place]) == copier.version - 1:
                yield "a copier copies", self._put(rest, copier.place, copier.item)

    def _made(self, state: State, place: int) -> list[str]:
        """What blue's A becomes at *place*."""
        events = {command.name: command.event for command in self.commands}
        made: list[str] = []
        for item in state.streams[BLUE]:
            has_event = events.get(item[1:], A) == place
            if has_event or place == A or self.copies_all:
                made.append(("c" if has_event else "e") + item[1:])
        return made

    def _following(self, state: State, place: int) -> list[str]:
        copied = [item for item in state.streams[place] if item[0] != "n"]
        return self._made(state, place)[len(copied) :]

    def _broken(self, state: State) -> str | None:
        blue = [item[1:] for item in state.streams[BLUE]]
        natives = [i[1:] for place in GREEN for i in state.streams[place] if i[0] == "n"]
        if len(set(blue + natives)) < len(blue + natives):
            return TWICE
        for place in GREEN:
            copies = [item for item in state.streams[place] if item[0] != "n"]
            made = self._made(state, place)
            if copies != made[: len(copies)]:
                return FALSE
            if len(copies) < len(state.streams[place]) and len(copies) < len(made):
                return LACKS
        for command, answered in zip(self.commands, state.answers, strict=True):
            if answered and command.name not in blue + natives:
                return NOWHERE
        return None

    def _complete(self, state: State) -> bool:
        at_rest = not (state.writers or state.takers or state.copiers)
        return state.marks == GREEN and all(state.answers) and at_rest
