"""How one stream goes from one generation to another and back, by bars and marks.

Modelled: two generations with a stream each, copied one for one. A generation's stream is its
commits, native ("n") or copied ("c"), perhaps a bar behind them, and the version whose copy has
the mark. Writers load any version (a first load is arbitrarily stale), append, and answer. Takers
copy, bar, mark and take bars away, one conditional call after another. Both sleep and die
between any two calls. Control goes through the switches, whatever is under way. A bar carries
the number of the switch under which its taker began.

Abstracted: a command is a letter and is never refused. A stream is named by nobody: merging.py and
splitting.py have several. What a client is told is the version, or nothing.

Checks: one generation has the stream at a time; a version is native in one generation at most, and
the same command in both; a
command is taken once; an acknowledged command is in every state that a later command is
taken on. As completion: after the last switch its generation has the stream and all commands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from .checker import LIMIT, Result, check

if TYPE_CHECKING:
    from collections.abc import Iterator

OWNERS = "two generations have the stream"
BOTH = "two generations wrote the same version"
TWICE = "a command was taken twice"
GONE = "an acknowledged command is gone"
OLD = "a command was taken on a state that lacks an acknowledged one"

Switch = tuple[int, int] | None  # from, to; None: abandoned
THERE: tuple[Switch, ...] = ((0, 1),)
BACK: tuple[Switch, ...] = ((0, 1), (1, 0))
AGAIN: tuple[Switch, ...] = ((0, 1), (1, 0), (0, 1))
Next = Literal["read", "bar", "copy", "mark", "unbar"]


class Stream(NamedTuple):
    """The stream in one generation; *bar* is the number of the bar, 0 for none."""

    items: tuple[str, ...] = ()
    bar: int = 0
    mark: int = 0


class Writer(NamedTuple):
    """A writer that is to append *version*, or to answer with it."""

    generation: int
    command: str
    appends: bool
    version: int


class Taker(NamedTuple):
    """A taker's next call: at *version*, with the *bar* that it has read or is to put.

    One that is to read the receiver has read the giver: *version* commits, its *bar*, and its mark
    as *item*.
    """

    source: int
    target: int
    call: Next
    version: int
    bar: int
    item: str


class State(NamedTuple):
    """Both streams, the number of the switch, who is at work, and what clients know."""

    streams: tuple[Stream, Stream]
    number: int
    writers: tuple[Writer, ...]
    takers: tuple[Taker, ...]
    answers: tuple[int, ...]
    bad: str | None = None


Move = tuple[str, State]


@dataclass(frozen=True)
class Handing:
    """A size and the rules in force; the defaults are the design's."""

    switches: tuple[Switch, ...] = THERE
    start: tuple[str, ...] = ("n0",)
    commands: tuple[str, ...] = ("1", "2")
    writers: int = 2
    takers: int = 2
    writers_look: bool = True  # at the newest item, before they decide
    bar_on_condition: bool = True  # the bar's key is free
    tail_first: bool = True  # the mark comes when every commit is copied
    asks_for_absent: bool = True  # the second generation creates a stream behind a bar alone
    names_its_bar: bool = True  # a bar goes only if it is the one that was read
    numbered: bool = True  # of two bars the lower one goes
    control_again: bool = True  # read between the end of a stream and its bar
    reads_apart: bool = False  # first the giver, then the receiver; else both at once
    same_end: bool = True  # a mark is for a copy of the giver's newest commit, as it was read

    def check(self, limit: int = LIMIT) -> Result:
        """Visit every state of this size under these rules."""
        streams = (Stream(self.start), Stream())
        start = State(streams, 0, (), (), (0,) * len(self.commands))
        return check(start, self._steps, self._broken, self._complete, limit)

    def _steps(self, state: State) -> Iterator[Move]:
        if state.bad:
            return
        if state.number < len(self.switches):
            yield "control switches", state._replace(number=state.number + 1)
        if len(state.writers) < self.writers:
            yield from self._begins(state)
        for writer in set(state.writers):
            yield "a writer dies", _without(state, writer)
            yield self._goes_on(state, writer)
        if state.number and len(state.takers) < self.takers:
            for source, target in ((0, 1), (1, 0)):
                for number in self._numbers(state):
                    if taker := self._reads(state, source, target, number):
                        yield f"a taker is to {taker.call}", _with(state, taker)
        for taker in set(state.takers):
            yield "a taker dies", _without(state, taker)
            yield self._takes(state, taker)

    def _begins(self, state: State) -> Iterator[Move]:
        """Writers with commands that nobody has answered, and loads of any age."""
        for generation in (0, 1) if state.number else (0,):
            newest = len(state.streams[generation].items)
            for command, answer in zip(self.commands, state.answers, strict=True):
                for version in () if answer else range(newest + 1):
                    for sees_bar in (False, True) if version == newest else (False,):
                        writer = self._decides(
                            state, generation, command, version, sees_bar=sees_bar
                        )
                        if writer:
                            yield f"{generation} loads {command} at {version}", _with(state, writer)

    def _decides(
        self, state: State, generation: int, command: str, version: int, *, sees_bar: bool
    ) -> Writer | None:
        stream = state.streams[generation]
        known = _commands(stream.items[:version])
        if command in known:
            return Writer(generation, command, appends=False, version=known.index(command) + 1)
        looks = self.writers_look
        if looks and ((sees_bar and stream.bar) or not self._owns(state, generation, version)):
            return None
        return Writer(generation, command, appends=True, version=version + 1)

    def _goes_on(self, state: State, writer: Writer) -> Move:
        generation, command, appends, version = writer
        rest, stream = _without(state, writer), state.streams[writer.generation]
        if not appends:
            at = self.commands.index(command)
            answers = (*state.answers[:at], version, *state.answers[at + 1 :])
            return "answered", rest._replace(answers=answers)
        if len(stream.items) == version - 1 and not stream.bar:
            known = _commands(stream.items)
            lacks = any(
                answer and acknowledged not in known
                for acknowledged, answer in zip(self.commands, state.answers, strict=True)
            )
            written = _put(rest, generation, stream._replace(items=(*stream.items, f"n{command}")))
            taken = written._replace(bad=OLD if lacks else None)
            return "appended", _with(taken, writer._replace(appends=False))
        again = self._decides(state, generation, command, len(stream.items), sees_bar=True)
        return "lost the version", _with(rest, again) if again else rest

    def _owns(self, state: State, generation: int, version: int | None = None) -> bool:
        """Whether the generation writes behind *version*, as far as its items say."""
        stream = state.streams[generation]
        version = len(stream.items) if version is None else version
        if version:
            return stream.items[version - 1][0] == "n" or stream.mark == version
        first = state.streams[0]
        return generation == 0 or not self.asks_for_absent or bool(first.bar and not first.items)

    def _numbers(self, state: State) -> range:
        """The switches that a taker may take for the last one, when it has read both streams."""
        return range(state.number if self.control_again else 1, state.number + 1)

    def _reads(self, state: State, source: int, target: int, number: int) -> Taker | None:
        """A taker that begins, or goes on after a call."""
        if not self.reads_apart:
            return self._read(state, source, target, number)
        giver = state.streams[source]
        return Taker(source, target, "read", len(giver.items), giver.bar, str(giver.mark))

    def _read(self, state: State, source: int, target: int, number: int) -> Taker | None:
        """The next call of a hand-over, from consistent reads of both streams and of control,
        which says *number*.
        """
        giver, receiver = state.streams[source], state.streams[target]
        have, lacks = len(receiver.items), len(giver.items) - len(receiver.items)
        after = (receiver.bar, have + 1)
        found: tuple[Next, int, int, str] | None = None
        if lacks > 0 and (self.tail_first or not have):
            # What is a copy there was written here, and is on its way back from nowhere.
            if giver.items[have][0] == "n":
                found = ("copy", *after, f"c{giver.items[have][1:]}")
        elif not giver.bar:
            if self._may_bar(state, source, target, number):
                found = ("bar", number if self.numbered else 1, len(giver.items) + 1, "")
        elif lacks <= 0 or not self.tail_first:
            if have and receiver.items[-1][0] == "c" and receiver.mark != have:
                if lacks >= 0 or not self.same_end:
                    found = ("mark", 0, have, "")
            elif receiver.bar and self._goes(state, receiver, giver, (source, target)):
                found = ("unbar", *after, "")
        if found is None:
            return None
        call, bar, version, item = found
        return Taker(source, target, call, version, bar, item)

    def _may_bar(self, state: State, source: int, target: int, number: int) -> bool:
        """Whether the target wants the stream and lacks it, and the source has it to give."""
        wanted = self.switches[number - 1] == (source, target)
        lacks = bool(state.streams[target].bar) or not self._owns(state, target)
        return wanted and lacks and self._owns(state, source)

    def _goes(self, state: State, receiver: Stream, giver: Stream, switch: tuple[int, int]) -> bool:
        """Whether the receiver's bar goes, now that the giver has one."""
        if self.numbered:
            return receiver.bar < giver.bar
        return self.switches[state.number - 1] == switch

    def _takes(self, state: State, taker: Taker) -> Move:
        source, target, call, version, bar, item = taker
        giver, receiver = state.streams[source], state.streams[target]
        rest = _without(state, taker)
        if call == "read":
            seen = _put(rest, source, Stream(giver.items[:version], bar, int(item)))
            found = self._read(seen, source, target, state.number)
            return "reads the receiver", _with(rest, found) if found else rest
        is_read = receiver.bar == bar or not self.names_its_bar
        changed: State | None = None
        if call == "bar" and (len(giver.items) == version - 1 or not self.bar_on_condition):
            if not giver.bar:
                kept = giver.items[: version - 1]
                changed = _put(rest, source, giver._replace(items=kept, bar=bar))
        elif (
            call == "copy" and len(receiver.items) == version - 1 and (not receiver.bar or is_read)
        ):
            changed = _put(rest, target, Stream((*receiver.items, item), 0, receiver.mark))
        elif call == "mark" and len(receiver.items) == version:
            changed = _put(rest, target, receiver._replace(mark=version))
        elif call == "unbar" and receiver.bar and is_read:
            changed = _put(rest, target, receiver._replace(bar=0))
        if changed is None:
            return f"too late to {call}", rest
        again = self._reads(changed, source, target, changed.number)
        return f"{call} at {version}", _with(changed, again) if again else changed

    def _broken(self, state: State) -> str | None:
        if state.bad:
            return state.bad
        if all(s.items and not s.bar and self._owns(state, g) for g, s in enumerate(state.streams)):
            return OWNERS
        blue, green = (stream.items for stream in state.streams)
        for version in range(max(len(blue), len(green))):
            here = [items[version] for items in (blue, green) if len(items) > version]
            natives = [item for item in here if item[0] == "n"]
            if len(natives) != 1 or len({item[1:] for item in here}) > 1:
                return BOTH
        known = _commands(max(blue, green, key=len))
        if len(set(known)) < len(known):
            return TWICE
        for command, answer in zip(self.commands, state.answers, strict=True):
            if answer and (len(known) < answer or known[answer - 1] != command):
                return GONE
        return None

    def _complete(self, state: State) -> bool:
        if state.number < len(self.switches) or state.writers or state.takers:
            return False
        last = self.switches[-1]
        active = last[1] if last else 0
        stream = state.streams[active]
        known = _commands(stream.items)
        owned = self._owns(state, active) and not stream.bar
        return owned and all(state.answers) and set(self.commands) <= set(known)


def _commands(items: tuple[str, ...]) -> list[str]:
    return [item[1:] for item in items]


def _put(state: State, generation: int, stream: Stream) -> State:
    other = state.streams[1 - generation]
    return state._replace(streams=(other, stream) if generation else (stream, other))


def _with(state: State, actor: Writer | Taker) -> State:
    if isinstance(actor, Writer):
        return state._replace(writers=tuple(sorted([*state.writers, actor])))
    return state._replace(takers=tuple(sorted([*state.takers, actor])))


def _without(state: State, actor: Writer | Taker) -> State:
    if isinstance(actor, Writer):
        writers = list(state.writers)
        writers.remove(actor)
        return state._replace(writers=tuple(writers))
    takers = list(state.takers)
    takers.remove(actor)
    return state._replace(takers=tuple(takers))
