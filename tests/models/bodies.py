"""The body of a block apart from its link: put first, once, outside the transaction.

Modelled: relays that read the head, put the body of the block that they mean to append,
and append the link on condition of the head's hash, as late as they like; a put or an
append whose answer is lost, which is a crash after it; a reader that reads a link, then
its body, and falls back on segments; pruners that copy the oldest block, list its
segment, delete every body at its position one by one, then the link; a crash at every
step. Optionally, a sweeper that deletes orphans while their link is still in the table.

Abstracted: a block is one commit, of one of two contents; a hash is the list of all
contents up to its block, so equal hashes are equal histories and equal bodies; the copy
lands as it was read (pruning.py has the rest); the checkpoints below which blocks are
pruned are left out, so the reader always is one that joined late. A relay that read a
head is dead before a block at that position is old enough to be pruned; `late_puts`
takes that away.

Checks B1 (a link in the table has its body, in the table or in a listed segment), B2
(a reader takes the link's own body, and every position in turn) and I1 (no position is
lost). As completion: the reader reaches the end, everything is pruned, and no body is
left behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from .checker import LIMIT, Result, check

if TYPE_CHECKING:
    from collections.abc import Iterator

Hash = tuple[int, ...]
"""The contents of all blocks up to one: that block's hash."""

BODILESS = "B1 a link has no body"
ANOTHERS = "B2 a reader takes another block's body"
SKIPPED = "B2 a reader passes over a block"
LOST = "I1 a position is in no table and no segment"


class Relay(NamedTuple):
    """A relay: the block that it means to append, and how far it has come with it."""

    phase: Literal["idle", "ready", "half"] = "idle"
    block: Hash = ()


class State(NamedTuple):
    """The log in its places, and who is at work.

    The links from `pruned` on are in the table; the segments before `listed` are listed.
    The reader has taken the positions before `taken`, and may hold the link of the next.
    A pruner is at the block that it copies.
    """

    relays: tuple[Relay, ...]
    pruners: tuple[int, ...]
    chain: Hash = ()
    bodies: frozenset[Hash] = frozenset()
    pruned: int = 0
    listed: int = 0
    taken: int = 0
    holds_link: bool = False
    fault: str | None = None


Move = tuple[str, State]
AWAY = -1


@dataclass(frozen=True)
class Bodies:
    """A size and the rules in force; the defaults are the design's."""

    blocks: int = 2
    relays: int = 2
    pruners: int = 1
    first: Literal["body", "link"] = "body"
    keyed_by: Literal["position and hash", "position"] = "position and hash"
    missing_body: Literal["segment", "passed over"] = "segment"
    lists_first: bool = True
    bodies_first: bool = True
    deletes: Literal["all at the position", "the link's"] = "all at the position"
    sweeps: Literal["nothing", "another's, passed", "any, passed", "another's"] = "nothing"
    late_puts: bool = False

    def check(self, limit: int = LIMIT) -> Result:
        """Visit every state of this size under these rules."""
        initial = State((Relay(),) * self.relays, (AWAY,) * self.pruners)
        return check(initial, self._steps, _broken, self._complete, limit)

    def _steps(self, state: State) -> Iterator[Move]:
        for index, relay in enumerate(state.relays):
            yield from self._relay(state, index, relay)
        for index, at in enumerate(state.pruners):
            yield from self._pruner(state, index, at)
        yield from self._reader(state)
        yield from self._sweeper(state)

    def _relay(self, state: State, index: int, relay: Relay) -> Iterator[Move]:
        if relay.phase == "idle":
            if len(state.chain) < self.blocks:
                for content in (0, 1):
                    block = (*state.chain, content)
                    label = f"a relay reads head {len(state.chain)} and makes {block}"
                    yield label, _relay(state, index, Relay("ready", block))
            return
        yield "a relay crashes", _relay(state, index, Relay())
        puts = (relay.phase == "ready") == (self.first == "body")
        after = Relay("half", relay.block) if relay.phase == "ready" else Relay()
        if puts:
            if self.late_puts or len(relay.block) > state.listed:
                put = state._replace(bodies=self._with(state.bodies, relay.block))
                yield f"a relay puts the body of {relay.block}", _relay(put, index, after)
        elif relay.block[:-1] == state.chain:
            linked = state._replace(chain=relay.block)
            yield f"a relay links {relay.block}", _relay(linked, index, after)

    def _with(self, bodies: frozenset[Hash], block: Hash) -> frozenset[Hash]:
        if self.keyed_by == "position":
            bodies = frozenset(body for body in bodies if len(body) != len(block))
        return bodies | {block}

    def _reader(self, state: State) -> Iterator[Move]:
        at = state.taken
        took = state._replace(taken=at + 1, holds_link=False)
        in_segment = at < state.listed
        if not state.holds_link:
            if state.pruned <= at < len(state.chain):
                yield f"the reader reads link {at}", state._replace(holds_link=True)
            elif in_segment:
                yield f"the reader takes {at} from its segment", took
            return
        found = [body for body in state.bodies if len(body) == at + 1]
        wanted = state.chain[: at + 1]
        if self.keyed_by == "position" and found and wanted not in found:
            yield f"the reader takes {found[0]}", state._replace(fault=ANOTHERS)
        elif wanted in found:
            yield f"the reader takes {at}", took
        elif self.missing_body == "passed over":
            yield f"the reader passes over {at}", state._replace(fault=SKIPPED)
        elif in_segment:
            yield f"the reader takes {at} from its segment instead", took

    def _pruner(self, state: State, index: int, at: int) -> Iterator[Move]:
        oldest = state.pruned
        if at == AWAY:
            if oldest < len(state.chain):
                begins = f"a pruner begins with {oldest}"
                yield begins, _pruner(state, index, oldest)
            return
        yield "a pruner crashes", _pruner(state, index, AWAY)
        if at < oldest:
            return
        if at >= state.listed:
            if state.chain[: at + 1] in state.bodies:
                listed = state._replace(listed=at + 1)
                yield f"a pruner lists the segment of {at}", listed
            if self.lists_first:
                return
        found = [body for body in state.bodies if len(body) == at + 1]
        if self.deletes == "the link's":
            found = [body for body in found if body == state.chain[: at + 1]]
        for body in found:
            deleted = state._replace(bodies=state.bodies - {body})
            yield f"a pruner deletes the body {body}", deleted
        if at < state.listed and not (found and self.bodies_first):
            unlinked = state._replace(pruned=at + 1)
            yield f"a pruner deletes link {at}", _pruner(unlinked, index, AWAY)

    def _sweeper(self, state: State) -> Iterator[Move]:
        if self.sweeps == "nothing":
            return
        for body in state.bodies:
            is_passed = len(body) <= len(state.chain)
            is_the_links = body == state.chain[: len(body)]
            if (is_passed or self.sweeps == "another's") and (
                not is_the_links or self.sweeps == "any, passed"
            ):
                yield f"the sweeper deletes {body}", state._replace(bodies=state.bodies - {body})

    def _complete(self, state: State) -> bool:
        return state.taken == state.pruned == self.blocks and not state.bodies


def _broken(state: State) -> str | None:
    if state.fault:
        return state.fault
    if state.listed < state.pruned:
        return LOST
    for at in range(state.listed, len(state.chain)):
        if state.chain[: at + 1] not in state.bodies:
            # A body that has the link's key but is another's is what the reader finds.
            if any(len(body) == at + 1 for body in state.bodies):
                continue
            return BODILESS
    return None


def _relay(state: State, index: int, relay: Relay) -> State:
    relays = [*state.relays[:index], relay, *state.relays[index + 1 :]]
    return state._replace(relays=tuple(sorted(relays)))


def _pruner(state: State, index: int, at: int) -> State:
    pruners = [*state.pruners[:index], at, *state.pruners[index + 1 :]]
    return state._replace(pruners=tuple(sorted(pruners)))
