"""Takes streams over: copies what is missing, bars the earlier stream, marks the later one.

Any number of takers may be at a stream, and each may die between any two calls: every call has its
condition, and the next taker goes on from what it reads (docs/adr/0028, tests/models/handing.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chalicelib.leftfold.commands.handler import ContentionError
from chalicelib.leftfold.commands.loading import owns
from chalicelib.leftfold.commands.owning import Successor
from chalicelib.leftfold.generations.copying import (
    AT_ONCE,
    Copying,
    End,
    NotCopiedYetError,
    check_sources,
    end_of,
    is_same,
)
from chalicelib.leftfold.kernel import Bar, Boundaries, Commit
from chalicelib.leftfold.store.ports import BarredError, StreamEntry

# A step copies AT_ONCE commits at most: so many steps take a stream that is far behind.
STEPS = 400
# How often a take waits for others: the relay, another taker. It is a command that waits.
WAITS = 12


@dataclass(frozen=True)
class Taker:
    """Hands streams from the giver of *copying* to its receiver. *pause* waits after a lost step.

    *number* reads the number of the last switch from control. It is asked before each bar, after the
    end that the bar is put behind: a taker that has slept since an earlier switch bars nothing.
    *opposite* completes the hand-over of the switch before, the other way; None where there is none.
    """

    copying: Copying
    pause: Callable[[int], None]
    number: Callable[[], int]
    opposite: "Taker | None" = None

    def take(self, target: str, switch: int) -> None:
        """Makes the stream *target* the receiver's. *switch* is the number of the switch that wants it.

        Raises `ContentionError` and `Unavailable`. The next call goes on.
        """
        waited = 0
        for _ in range(STEPS):
            try:
                found = self.advance(target, switch)
            except NotCopiedYetError as missing:
                self._bring(missing)
                found = "waits"
            if found == "owned":
                return
            if found == "waits":
                waited += 1
                if waited > WAITS:
                    break
                self.pause(waited)
        raise ContentionError(target)

    def _bring(self, missing: NotCopiedYetError) -> None:
        """Copies what the log has to the merged stream for which a cause is missing."""
        giver = self.copying.giver
        giver.sequence(dict([missing.source]))
        newest = end_of(self.copying.receiver, missing.target).newest
        sources = self.copying.boundaries.sources(missing.target)
        copy_merged(self.copying, missing.target, newest, sources, self._put)

    def is_nowhere(self, target: str) -> bool:
        """Whether the giver has neither commit nor bar in any source of *target*."""
        sources = self.copying.boundaries.sources(target)
        return all(end_of(self.copying.giver, source) == (None, None) for source in sources)

    def advance(self, target: str, switch: int | None) -> str:
        """Takes one step. "owned" if the receiver has the stream, "waits" if another has to act first.

        Without a *switch* only a hand-over is completed whose bars are there.
        """
        giver, receiver = self.copying.giver, self.copying.receiver
        sources = self.copying.boundaries.sources(target)
        # The giver is read first: what it has, the receiver had before, or lacks now.
        ends = {source: end_of(giver, source) for source in sources}
        mine = end_of(receiver, target)
        if has(mine) and (mine.newest is not None or receiver.first):
            return "owned"
        if len(sources) == 1 and mine.version < ends[sources[0]].version:
            self._copy_tail(sources[0], target, mine, ends[sources[0]].version)
            return "goes on"
        open_ = [source for source in sources if ends[source].bar is None]
        if open_:
            return self._bar(open_[0], ends[open_[0]], mine, switch)
        if len(sources) != 1 and not self._copy_logged(ends, target, mine):
            return "waits"
        return self._complete(target, end_of(receiver, target), ends, switch)

    def _bar(self, source: str, end: End, mine: End, switch: int | None) -> str:
        """Bars a source that the giver has; completes the hand-over to it if it has it not yet."""
        if switch is None:
            return "waits"
        absent = self.copying.giver.first or (mine.newest is None and mine.bar is not None)
        if has(end) and (end.newest is not None or absent):
            if self.number() != switch:
                raise ContentionError(source)
            self.copying.giver.table.bar(Bar(source, end.version + 1, switch))
            return "goes on"
        return self._give_back(source)

    def _give_back(self, source: str) -> str:
        """Completes the hand-over of the switch before: the giver has to have what it is to give."""
        if self.opposite is None:
            return "waits"
        return "waits" if self.opposite.advance(source, None) == "waits" else "goes on"

    def _complete(self, target: str, mine: End, ends: "dict[str, End]", switch: int | None) -> str:
        """Everything is copied, and every source has its bar."""
        table = self.copying.receiver.table
        bars = [end.bar.switch for end in ends.values() if end.bar]
        newest = mine.newest
        if newest is not None and newest.root is not None and not newest.mark:
            if not is_whole(newest, ends):
                return "goes on"
            table.mark(target, newest.version, switch or min(bars, default=1))
            return "goes on"
        if mine.bar is not None and mine.bar.switch < min(bars, default=0):
            table.remove_bar(mine.bar)
            return "goes on"
        if mine.bar is None:
            return "owned"
        # The giver's bar is older than one's own: it was to have the stream back, and has not.
        return self._give_back(next(iter(ends))) if switch is not None else "waits"

    def _copy_tail(self, source: str, target: str, mine: End, last: int) -> None:
        """Copies the next commits of a stream's only source, straight from its items."""
        first, over, before = mine.version + 1, mine.bar, mine.newest
        tail = self.copying.giver.events.range(source, first, min(last, first + AT_ONCE - 1))
        for commit in tail:
            copy = self.copying.copy(commit, target, before, None, waits=False)
            if not self._put(copy, over):
                return
            before, over = copy, None

    def _put(self, copy: Commit, over: Bar | None) -> bool:
        """Whether the copy is there now. One that takes the place of a bar is told of, because
        the events table's stream does not tell of it.
        """
        receiver = self.copying.receiver
        try:
            holder = receiver.table.put_copy(copy, over)
        except BarredError:
            return False
        if over is not None and holder is None:
            receiver.sequence({copy.aggregate_id: copy.version})
        return holder is None or is_same(holder, copy)

    def _copy_logged(self, ends: "dict[str, End]", target: str, mine: End) -> bool:
        """Copies what a merged stream lacks, in the order of the log, once all sources are barred.

        False if the log has not passed their bars yet, or another was faster.
        """
        giver = self.copying.giver
        entries = giver.log.streams(list(ends))
        unlogged = {
            source: end.version
            for source, end in ends.items()
            if entries.get(source, StreamEntry()).next <= end.version
        }
        if unlogged:
            giver.sequence(unlogged)
            return False
        return copy_merged(self.copying, target, mine.newest, tuple(ends), self._put)


def copy_merged(
    copying: Copying,
    target: str,
    newest: Commit | None,
    sources: Sequence[str],
    put: Callable[[Commit, Bar | None], bool],
) -> bool:
    """Copies to a merged stream all that the log has behind its *newest* copy; False if another was
    faster. A stream that is taken has everything. Raises `SeveralLogsError`.
    """
    if newest is not None and owns([newest], None):
        return True
    # Whatever is in another log would be left behind.
    check_sources(target, sources, tuple(copying.giver.logs))
    before = newest
    done = -1 if newest is None or newest.position is None else newest.position
    end = max(
        (entry.position for entry in copying.giver.log.streams(list(sources)).values()), default=-1
    )
    log = copying.giver.log_with(sources[0])
    for block in log.blocks(done + 1) if done < end else ():
        if block.first_position > end:
            break
        for position, commit in enumerate(block.commits, block.first_position):
            if position <= done or commit.aggregate_id not in sources:
                continue
            copy = copying.copy(commit, target, before, position, waits=False)
            if not put(copy, None):
                return False
            before = copy
    return True


def successors_of(aggregate_id: str, boundaries: Boundaries) -> list[Successor]:
    """The streams that an id has become, if no later stream has that id."""
    if boundaries.sources(aggregate_id):
        return []
    return [
        Successor(fed, aggregate_id if len(boundaries.sources(fed)) > 1 else None)
        for fed in boundaries.feeds(aggregate_id)
    ]


def is_whole(newest: Commit, ends: "dict[str, End]") -> bool:
    """Whether the ends of the sources are still those that a receiver was read with whose *newest*
    copy is to be marked. A giver with fewer commits than their copies was read before it had its
    stream back: its bar is of an earlier switch.
    """
    if len(ends) != 1:
        return True
    (end,) = ends.values()
    return newest.version == end.version


def has(end: End) -> bool:
    """Whether a generation has the stream, as far as its end shows."""
    return owns([end.newest] if end.newest else [], end.bar)
