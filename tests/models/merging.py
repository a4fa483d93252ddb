"""How two streams become one: C has the commits of A and B, in the order of the first log.

Modelled: blue's streams A and B, each with a bar behind it in the end; blue's log, in which a
relay logs their commits one by one; green's stream C, which is filled by copiers and takers and
gets its mark once it is complete. Writers send commands to A and B, in green by way of the
stream that their id leads to: C. Any load is arbitrarily stale; everyone sleeps and dies between any two calls.

Abstracted: a command is (name, stream that it is sent to, key). Two commands may have the same
key and the same body. Only one hand-over, there: a merge has no way back.

Checks: C is in the order of blue's log, without a commit twice; once C takes commands it has
every commit of A and B; a command is taken once, in one generation, and is never taken for another.
As completion: every command is answered, and C takes commands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from .checker import LIMIT, Result, check
from .writers import Writer, Writers, added, dropped

if TYPE_CHECKING:
    from collections.abc import Iterator

ORDER = "C is not in the order of blue's log"
LACKS = "C takes commands and lacks a commit of blue"
TWICE = "a command was taken twice"
NOWHERE = "a command was acknowledged and is nowhere"

C = 2  # after blue's streams 0 and 1
Lookup = Literal["key and source", "key"]


class Command(NamedTuple):
    """What a client asks: of blue's stream 0 or 1, under a key."""

    name: str
    stream: int
    key: str


class Taker(NamedTuple):
    """One who takes C over: its next call, and the versions at which A and B are barred."""

    call: Literal["read", "bar", "copy"] = "read"
    stream: int = 0
    version: int = 0
    bars: tuple[int, ...] = ()


class Copier(NamedTuple):
    """A copier that is to put *item* at *version* of C. *source* is its lane, if each has one."""

    version: int
    item: str
    source: int = 0


class State(NamedTuple):
    """Items are "nX" (native) and "cX" (copied) of the command X; *log* has (stream, version)."""

    blue: tuple[tuple[str, ...], tuple[str, ...]]
    bars: tuple[bool, bool]
    log: tuple[tuple[int, int], ...]
    green: tuple[str, ...]
    mark: bool
    switching: bool
    writers: tuple[Writer, ...]
    takers: tuple[Taker, ...]
    copiers: tuple[Copier, ...]
    answers: tuple[bool, ...]


Move = tuple[str, State]
DIFFERENT = (Command("1", 0, "1"), Command("2", 1, "2"))
SAME_KEY = (Command("1", 0, "k"), Command("2", 1, "k"))


@dataclass(frozen=True)
class Merging(Writers[State]):
    """A size and the rules in force; the defaults are the design's."""

    start: tuple[tuple[str, ...], tuple[str, ...]] = (("na",), ("nb",))
    commands: tuple[Command, ...] = DIFFERENT
    writers: int = 1
    takers: int = 1
    copiers: int = 1
    one_order: bool = True  # that of the log; else a copier for each source
    waits_for_log: bool = True  # until it has passed the bars; else tails come from the streams
    bars_all: bool = True  # sources that do not exist, too
    copies_first: bool = True  # the mark comes when every commit is copied
    keeps_keys: bool = True  # a copy has the command's key
    finds_by: Lookup = "key and source"

    def check(self, limit: int = LIMIT) -> Result:
        """Visit every state of this size under these rules."""
        log = tuple((s, v + 1) for s in (0, 1) for v in range(len(self.start[s])))
        unanswered = (False,) * len(self.commands)
        no = (False, False)
        start = State(self.start, no, log, (), False, False, (), (), (), unanswered)  # noqa: FBT003
        return check(start, self._steps, self._broken, self._complete, limit)

    def _steps(self, state: State) -> Iterator[Move]:
        if not state.switching:
            yield "control switches", state._replace(switching=True)
        for stream in (0, 1):
            logged = sum(entry[0] == stream for entry in state.log)
            if logged < len(state.blue[stream]):
                yield "the relay logs", state._replace(log=(*state.log, (stream, logged + 1)))
        yield from self._writes(state)
        yield from self._takes(state)
        yield from self._copies(state)

    # --- writers

    def _places(self, state: State, command: Command) -> tuple[int, ...]:
        return (command.stream, C) if state.switching else (command.stream,)

    def _is_barred(self, state: State, place: int) -> bool:
        return place != C and state.bars[place]

    def _put(self, state: State, place: int, item: str) -> State:
        if place == C:
            return state._replace(green=(*state.green, item))
        first, second = state.blue
        if place:
            return state._replace(blue=(first, (*second, item)))
        return state._replace(blue=((*first, item), second))

    def _decides(self, state: State, place: int, name: str, version: int) -> Writer | None:
        items = self._items(state, place)
        if self._finds(name, items[:version]):
            return Writer(place, name, appends=False, version=version)
        stale = version < len(items)
        owns = state.mark if place == C else stale or not state.bars[place]
        # The mark is on the newest copy: a load without that copy has not seen it.
        if not owns or (place == C and stale and items[version][0] == "c"):
            return None
        return Writer(place, name, appends=True, version=version + 1)

    def _finds(self, name: str, items: tuple[str, ...]) -> bool:
        keys = {command.name: command for command in self.commands}
        for item in items:
            if item[0] == "c" and not self.keeps_keys:
                continue
            if item[1:] == name:
                return True
            other = keys.get(item[1:])
            if self.finds_by == "key" and other and other.key == keys[name].key:
                return True  # and is told another's answer
        return False

    # --- takers and copiers

    def _takes(self, state: State) -> Iterator[Move]:
        if state.switching and len(state.takers) < self.takers and not state.mark:
            yield "a taker begins", added(state, "takers", Taker())
        for taker in set(state.takers):
            rest = dropped(state, "takers", taker)
            yield "a taker dies", rest
            yield from self._call(state, rest, taker)

    def _call(self, state: State, rest: State, taker: Taker) -> Iterator[Move]:
        call, stream, version, bars = taker
        if call == "copy":
            yield from self._completes(state, rest, bars)
            return
        after = taker._replace(call="read", stream=stream + 1)
        if call == "read":
            length = len(state.blue[stream])
            if state.bars[stream] or (stream and not self.bars_all):
                taker = after._replace(bars=(*bars, length if state.bars[stream] else 0))
            else:
                taker = Taker("bar", stream, length + 1, bars)
        elif len(state.blue[stream]) == version - 1 and not state.bars[stream]:
            barred = (True, state.bars[1]) if stream == 0 else (state.bars[0], True)
            rest = rest._replace(bars=barred)
            taker = after._replace(bars=(*bars, version - 1))
        else:
            taker = Taker("read", stream, 0, bars)
        if taker.call == "read" and taker.stream == C:
            taker = Taker("copy", bars=taker.bars)
        yield f"a taker has to {call}", added(rest, "takers", taker)

    def _completes(self, state: State, rest: State, bars: tuple[int, ...]) -> Iterator[Move]:
        merged = self._merged(state)
        if self.waits_for_log:
            if any(bar and (stream, bar) not in state.log for stream, bar in enumerate(bars)):
                return
        else:
            have = _names(state.green)
            tails = [i[1:] for items in state.blue for i in items if i[1:] not in have]
            merged = have + tails
        if len(state.green) < len(merged) and self.copies_first:
            copied = self._put(state, C, f"c{merged[len(state.green)]}")
            yield "a taker copies", copied
        else:
            yield "a taker marks C", rest._replace(mark=True)

    def _copies(self, state: State) -> Iterator[Move]:
        have = _names(state.green)
        open_ = len(state.copiers) < self.copiers and not state.mark
        if open_ and self.one_order:
            following = self._merged(state)[len(have) :]
            if following:
                copier = Copier(len(have) + 1, f"c{following[0]}")
                yield "a copier reads", added(state, "copiers", copier)
        elif open_:
            for lane in (0, 1):
                logged = [state.blue[s][v - 1][1:] for s, v in state.log if s == lane]
                following = [name for name in logged if name not in have]
                if following:
                    copier = Copier(len(have) + 1, f"c{following[0]}", lane)
                    yield "a copier of a lane reads", added(state, "copiers", copier)
        for copier in set(state.copiers):
            rest = dropped(state, "copiers", copier)
            yield "a copier dies", rest
            if len(state.green) == copier.version - 1:
                yield "a copier copies", self._put(rest, C, copier.item)

    # --- what is looked at

    def _items(self, state: State, place: int) -> tuple[str, ...]:
        return state.green if place == C else state.blue[place]

    def _merged(self, state: State) -> list[str]:
        return [state.blue[stream][version - 1][1:] for stream, version in state.log]

    def _broken(self, state: State) -> str | None:
        copied = [item[1:] for item in state.green if item[0] == "c"]
        natives = [item[1:] for item in state.green if item[0] == "n"]
        logged, both = self._merged(state), [item[1:] for items in state.blue for item in items]
        if copied[: len(logged)] != logged[: len(copied)] or len(set(copied)) < len(copied):
            return ORDER
        if len(set(both + natives)) < len(both + natives):
            return TWICE
        if natives and set(both) - set(copied):
            return LACKS
        for command, answered in zip(self.commands, state.answers, strict=True):
            if answered and command.name not in both + natives:
                return NOWHERE
        return None

    def _complete(self, state: State) -> bool:
        at_rest = not (state.writers or state.takers or state.copiers)
        return state.mark and all(state.answers) and at_rest


def _names(items: tuple[str, ...]) -> list[str]:
    return [item[1:] for item in items]
