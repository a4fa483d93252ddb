"""The rules of repairs: proposed by one person, put into effect by another where that is asked.

What is in effect stays: readers have passed the commit by it.
"""

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import Literal

from chalicelib.leftfold.kernel import Aggregate, AggregateId, Codec, Decider, Refused, StoredEvent
from chalicelib.leftfold.kernel.commit import canonical
from chalicelib.leftfold.kernel.repair import Correction, Repair

CATEGORY = "repair"
MOST_EVENTS = 20


@dataclass(frozen=True)
class ReadAs:
    """A stored event in the place of another; *body* is canonical JSON."""

    name: str
    version: int
    body: str

    @property
    def stored(self) -> StoredEvent:
        """The stored event itself."""
        return StoredEvent(self.name, self.version, json.loads(self.body))


@dataclass(frozen=True)
class Propose:
    """Asks for a repair of version *version* of *stream*.

    *of* names it within the commit: `event-<index>` for a correction, `reader-<stored name>` for
    a skip. *reads_as* is there in a correction only. With *second*, another person has to approve.
    """

    stream: str
    version: int
    of: str
    why: str
    by: str
    second: bool
    reads_as: tuple[ReadAs, ...] = ()


@dataclass(frozen=True)
class Approve:
    """Puts a repair into effect."""

    of: str
    by: str


@dataclass(frozen=True)
class Withdraw:
    """Takes back a repair that is not in effect."""

    of: str
    by: str


@dataclass(frozen=True)
class RepairProposed:
    """A repair that is not in effect yet."""

    stream: str
    version: int
    of: str
    why: str
    by: str
    reads_as: tuple[ReadAs, ...]


@dataclass(frozen=True)
class RepairApproved:
    """From now on readers go by the repair."""

    of: str
    by: str


@dataclass(frozen=True)
class RepairWithdrawn:
    """The repair will not be."""

    of: str
    by: str


Command = Propose | Approve | Withdraw
Event = RepairProposed | RepairApproved | RepairWithdrawn

# Names and versions are the storage format: add to this table, never edit it.
codec: Codec[Event] = Codec(
    {
        "repair-proposed": RepairProposed,
        "repair-approved": RepairApproved,
        "repair-withdrawn": RepairWithdrawn,
    }
)


@dataclass(frozen=True)
class Proposal:
    """A repair; *approved_by* is None until it is in effect."""

    why: str
    by: str
    reads_as: tuple[ReadAs, ...]
    approved_by: str | None = None


@dataclass(frozen=True)
class Repaired:
    """The repairs of one commit, by what they are of."""

    status: Literal["missing", "open"] = "missing"
    stream: str = ""
    version: int = 0
    proposals: dict[str, Proposal] = field(default_factory=dict)


def decide(command: Command, state: Repaired) -> list[Event]:
    """Proposed once, decided once. Raises `Refused`."""
    proposal = state.proposals.get(command.of)
    if proposal is not None and proposal.approved_by is not None:
        raise Refused("repair-decided", by=proposal.approved_by)
    match command:
        case Propose(stream, version, of, why, by, second, reads_as):
            if proposal is not None:
                raise Refused("repair-pending", by=proposal.by)
            proposed = RepairProposed(stream, version, of, why, by, reads_as)
            return [proposed] if second else [proposed, RepairApproved(of, by)]
        case Approve(of, by):
            if proposal is None:
                raise Refused("repair-missing")
            if proposal.by == by:
                raise Refused("repair-needs-another", by=by)
            return [RepairApproved(of, by)]
        case Withdraw(of, by):
            if proposal is None:
                raise Refused("repair-missing")
            return [RepairWithdrawn(of, by)]


def evolve(state: Repaired, event: Event) -> Repaired:
    """The repairs after an event."""
    match event:
        case RepairProposed(stream, version, of, why, by, reads_as):
            proposals = state.proposals | {of: Proposal(why, by, reads_as)}
            return Repaired("open", stream, version, proposals)
        case RepairApproved(of, by):
            approved = replace(state.proposals[of], approved_by=by)
            return replace(state, proposals=state.proposals | {of: approved})
        case RepairWithdrawn(of):
            left = {name: one for name, one in state.proposals.items() if name != of}
            return replace(state, proposals=left)


repair = Aggregate(CATEGORY, Decider(decide, evolve, Repaired()), codec)


def stream_of(aggregate_id: str, version: int) -> str:
    """The stream with the repairs of a commit, in the tenant of the commit."""
    digest = hashlib.sha256(canonical([aggregate_id, version]).encode()).hexdigest()
    return repair.stream(digest[:32], AggregateId.parse(aggregate_id).tenant)


def in_effect(state: Repaired) -> Repair:
    """What readers go by."""
    decided = {of: one for of, one in state.proposals.items() if one.approved_by is not None}
    corrections = {
        int(of.removeprefix("event-")): Correction(
            tuple(part.stored for part in one.reads_as), one.why, one.by, one.approved_by or ""
        )
        for of, one in decided.items()
        if of.startswith("event-")
    }
    skipped = (of.removeprefix("reader-") for of in decided if of.startswith("reader-"))
    return Repair(corrections, frozenset(skipped))
