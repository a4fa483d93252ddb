"""Repairs as they stand in the streams."""

from dataclasses import dataclass

from chalicelib.leftfold.commands.loading import load
from chalicelib.leftfold.kernel import AggregateId
from chalicelib.leftfold.kernel.repair import Repair
from chalicelib.leftfold.repair.domain import CATEGORY, Repaired, in_effect, repair, stream_of
from chalicelib.leftfold.store.ports import EventStore

# A repair stream is a few commits long: it needs no snapshots.
NO_SNAPSHOT = ""


@dataclass(frozen=True)
class StoredRepairs:
    """`Repairs` of an event store."""

    events: EventStore

    def of(self, aggregate_id: str, version: int) -> Repair:
        if AggregateId.parse(aggregate_id).category == CATEGORY:
            return Repair()
        return in_effect(self.state(aggregate_id, version))

    def state(self, aggregate_id: str, version: int) -> Repaired:
        """All repairs of a commit, those that are not in effect too, read consistently."""
        stream = stream_of(aggregate_id, version)
        loaded = load(self.events, repair, stream, fingerprint=NO_SNAPSHOT, consistent=True)
        state: Repaired = loaded.state
        return state
