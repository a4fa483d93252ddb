"""Archiving: closed epochs of one stream leave the events table.

Modelled: writers that load the last version and put the next one, and may retry that
put as long as they live; openers that put version 1 without a load, at any time; a
relay that logs the next version it finds; archivers that copy a closed, logged epoch, or
a part of one, verify the copy, put the tombstone at version 1 and then delete, in any order; a copy
that may not have landed; a crash at every step, after which another run takes up the
rest. The last epoch is the live one: it never leaves the table, also where it ends the
aggregate's life, so that a load finds the stream's newest version whatever is deleted.

Abstracted: the 24 hours are "no writer whose put aims at the epoch is alive"; loads are
strongly consistent (an older view of the stream is a writer that waits).

Checks I2 (a version is never given to a second commit), I4 and I8 (what leaves the
table is in the log), and that no commit is lost or hidden: each is in the table, or in
the archive and covered by the tombstone. As completion: everything is logged, and only tombstone and live epoch stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple

from .checker import LIMIT, Result, check

if TYPE_CHECKING:
    from collections.abc import Iterator

TAKEN = "I2 a freed version is given to a second commit"
UNLOGGED = "I8 an archived commit is not in the log"
LOST = "a commit is in neither the table nor the archive"
HIDDEN = "a commit is not in the table, and no tombstone leads to it"


class Writer(NamedTuple):
    """A writer and the version it puts; an opener puts version 1 unseen."""

    phase: Literal["idle", "opens", "puts"] = "idle"
    version: int = 0


class Archiver(NamedTuple):
    """A run over the part of an epoch with versions `first`..`last`; `read` is the tombstone's."""

    phase: Literal["idle", "copied", "verified", "deleting"] = "idle"
    first: int = 0
    last: int = 0
    read: int = 0


class State(NamedTuple):
    """The stream in its two places; `through` is the tombstone's, 0 without one."""

    writers: tuple[Writer, ...]
    archivers: tuple[Archiver, ...]
    written: int = 0
    items: frozenset[int] = frozenset()
    through: int = 0
    archived: frozenset[int] = frozenset()
    logged: int = 0
    fault: str | None = None


Move = tuple[str, State]


@dataclass(frozen=True)
class Archiving:
    """A size and the rules in force; the defaults are the design's.

    `ends` gives the last version of each epoch; the last one is live. `keeps_live` False
    lets that go too, once it has ended the stream. `cuts` gives the last version of each
    part that does not end its epoch: a part goes once its epoch is closed.
    """

    ends: tuple[int, ...] = (2, 4, 5)
    cuts: tuple[int, ...] = ()
    writers: int = 2
    archivers: int = 1
    grace: bool = True
    only_logged: bool = True
    verifies: bool = True
    keeps_version_1: bool = True
    tombstone_first: bool = True
    tombstone_condition: bool = True
    keeps_live: bool = True
    deletes: Literal["any order", "oldest first"] = "any order"
    copies_if_absent: bool = True

    def check(self, limit: int = LIMIT) -> Result:
        """Visit every state of this size under these rules."""
        initial = State((Writer(),) * self.writers, (Archiver(),) * self.archivers)
        return check(initial, self._steps, _broken, self._complete, limit)

    def _steps(self, state: State) -> Iterator[Move]:
        following = state.logged + 1
        if following in state.items and not (following == 1 and state.through):
            yield f"version {following} is logged", state._replace(logged=following)
        for index, writer in enumerate(state.writers):
            yield from self._writer(state, index, writer)
        for index, archiver in enumerate(state.archivers):
            yield from self._archiver(state, index, archiver)

    def _writer(self, state: State, index: int, writer: Writer) -> Iterator[Move]:
        if writer.phase == "idle":
            opens = _writer(state, index, Writer("opens", 1))
            yield "an opener begins", opens
            if last := self._loaded(state):
                puts = _writer(state, index, Writer("puts", last + 1))
                yield f"a writer loads version {last}", puts
            return
        yield "a writer ends", _writer(state, index, Writer())
        if writer.version in state.items:
            return
        label = f"version {writer.version} is put"
        if writer.version <= state.written:
            yield label, state._replace(fault=TAKEN)
            return
        items = state.items | {writer.version}
        put = state._replace(written=writer.version, items=items)
        yield f"{label}; its writer may try again", put

    def _loaded(self, state: State) -> int:
        """Give the version a strong load finds last; 0 where nothing may follow."""
        last = max(state.items, default=0)
        if last == 1 and state.through:
            last = state.through
        return 0 if last == self.ends[-1] else last

    def _archiver(self, state: State, index: int, archiver: Archiver) -> Iterator[Move]:
        if archiver.phase != "idle":
            yield "an archiver crashes", _archiver(state, index, Archiver())
        match archiver.phase:
            case "idle":
                yield from self._copies(state, index)
            case "copied":
                if not self.verifies or _epoch(archiver) <= state.archived:
                    label = "an archiver sees its copy" if self.verifies else "an archiver goes on"
                    verified = archiver._replace(phase="verified")
                    yield label, _archiver(state, index, verified)
            case "verified":
                deleting = archiver._replace(phase="deleting")
                if self.tombstone_first:
                    yield self._buries(state, index, archiver, deleting)
                else:
                    yield "an archiver goes on", _archiver(state, index, deleting)
            case "deleting":
                yield from self._deletes(state, index, archiver)

    def _copies(self, state: State, index: int) -> Iterator[Move]:
        """Take up a part of a closed epoch that is the next one, or was left half deleted."""
        for before, last in pairwise(sorted((0, *self.ends, *self.cuts))):
            first = before + 1
            end = next(end for end in self.ends if last <= end)
            closed = end < state.written or (
                end == state.written == self.ends[-1] and not self.keeps_live
            )
            logged = not self.only_logged or last <= state.logged
            archiver = Archiver("copied", first, last, state.through)
            if not (closed and logged and self._unfinished(state, archiver)):
                continue
            label = f"an archiver copies {first}..{last}"
            yield f"{label}, which does not land", _archiver(state, index, archiver)
            present = _epoch(archiver) & self._commits(state)
            kept = state.archived - (frozenset() if self.copies_if_absent else _epoch(archiver))
            copied = state._replace(archived=kept | present)
            yield label, _archiver(copied, index, archiver)

    def _unfinished(self, state: State, archiver: Archiver) -> bool:
        if state.through < archiver.last:
            return archiver.first == 1 or state.through == archiver.first - 1
        return bool(_epoch(archiver) & self._commits(state))

    def _commits(self, state: State) -> frozenset[int]:
        """Give the versions whose commit is in the table: a tombstone is none."""
        return state.items - {1} if state.through and self.keeps_version_1 else state.items

    def _buries(self, state: State, index: int, archiver: Archiver, after: Archiver) -> Move:
        """Put the tombstone, on condition that nobody has since it was read."""
        if archiver.read >= archiver.last:
            return "the tombstone stands already", _archiver(state, index, after)
        if self.tombstone_condition and state.through != archiver.read:
            return "another archiver was faster", _archiver(state, index, Archiver())
        buried = state._replace(through=archiver.last)
        label = f"version 1 becomes a tombstone through {archiver.last}"
        return label, _archiver(buried, index, after)

    def _deletes(self, state: State, index: int, archiver: Archiver) -> Iterator[Move]:
        late = any(w.phase == "puts" and w.version <= archiver.last for w in state.writers)
        if self.grace and late:
            return
        freed = frozenset(range(1 + self.keeps_version_1, archiver.last + 1))
        left = sorted(freed & state.items)
        for version in left[: 1 if self.deletes == "oldest first" else None]:
            items = state.items - {version}
            yield f"an archiver deletes version {version}", state._replace(items=items)
        if left:
            return
        if self.tombstone_first:
            yield "an archiver is done", _archiver(state, index, Archiver())
        else:
            yield self._buries(state, index, archiver, Archiver())

    def _complete(self, state: State) -> bool:
        closed, last = self.ends[-2:] if self.keeps_live else (self.ends[-1],) * 2
        stays = {1, *range(closed + 1, last + 1)}
        return (state.logged, state.through) == (last, closed) and state.items <= stays


def _epoch(archiver: Archiver) -> frozenset[int]:
    return frozenset(range(archiver.first, archiver.last + 1))


def _broken(state: State) -> str | None:
    if state.fault:
        return state.fault
    gone = frozenset(range(1, state.written + 1)) - state.items
    if state.through:
        gone |= {1}
    if any(version > state.logged for version in gone):
        return UNLOGGED
    if not gone <= state.archived:
        return LOST
    return HIDDEN if max(gone, default=0) > state.through else None


def _writer(state: State, index: int, writer: Writer) -> State:
    writers = [*state.writers[:index], writer, *state.writers[index + 1 :]]
    return state._replace(writers=tuple(sorted(writers)))


def _archiver(state: State, index: int, archiver: Archiver) -> State:
    archivers = [*state.archivers[:index], archiver, *state.archivers[index + 1 :]]
    return state._replace(archivers=tuple(sorted(archivers)))
