"""States of aggregates that decisions about other aggregates use, kept between requests."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from chalicelib.leftfold.commands.handler import owned
from chalicelib.leftfold.commands.loading import Loaded, load
from chalicelib.leftfold.commands.owning import ALONE, Owner
from chalicelib.leftfold.kernel import Aggregate
from chalicelib.leftfold.kernel.repair import NO_REPAIRS, Repairs
from chalicelib.leftfold.store.ports import Streams
from chalicelib.leftfold.store.tenants import check_own
from chalicelib.leftfold.subjects.vault import Vault

# A state may be some hundred kilobytes.
MOST_KEPT = 32


class KnownStates(Protocol):
    """States of aggregates, to read."""

    def known(self, aggregate: Aggregate, aggregate_id: str) -> Loaded:
        """The state of the last read, however long ago. It is read now if it never was."""

    def newest(self, aggregate: Aggregate, aggregate_id: str) -> Loaded:
        """The state as it is, read consistently."""


class States:
    """Reads aggregates and keeps their states, for rules to which an old state does no harm."""

    def __init__(
        self,
        events: Streams,
        fingerprints: Mapping[str, str],
        vault: Vault,
        repairs: Repairs = NO_REPAIRS,
        owner: Owner = ALONE,
    ) -> None:
        self._events = events
        self._repairs = repairs
        self._owner = owner
        self._fingerprints = fingerprints
        self._vault = vault
        self._kept: dict[str, Loaded] = {}

    def known(self, aggregate: Aggregate, aggregate_id: str) -> Loaded:
        kept = self._kept.get(aggregate_id)
        return kept or self._read(aggregate, aggregate_id, consistent=False)

    def newest(self, aggregate: Aggregate, aggregate_id: str) -> Loaded:
        """The state as it is, read consistently by the stream's owner. Raises `NotOwnedError`."""
        return owned(
            self._owner,
            aggregate_id,
            lambda: self._read(aggregate, aggregate_id, consistent=True),
        )

    def _read(self, aggregate: Aggregate, aggregate_id: str, *, consistent: bool) -> Loaded:
        if aggregate.codec.has_personal:
            raise TypeError(
                f"a state of {aggregate.category!r} has personal data: it must not be kept, because"
                " its subject may be forgotten; load it by the command handler"
            )
        loaded = load(
            self._events,
            aggregate,
            aggregate_id,
            fingerprint=self._fingerprints[aggregate.category],
            vault=self._vault,
            consistent=consistent,
            repairs=self._repairs,
        )
        self._kept.pop(aggregate_id, None)
        while len(self._kept) >= MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[aggregate_id] = loaded
        return loaded


@dataclass(frozen=True)
class TenantStates:
    """The states of one tenant's aggregates, and no others."""

    states: KnownStates
    tenant: str

    def known(self, aggregate: Aggregate, aggregate_id: str) -> Loaded:
        check_own(self.tenant, aggregate_id)
        return self.states.known(aggregate, aggregate_id)

    def newest(self, aggregate: Aggregate, aggregate_id: str) -> Loaded:
        check_own(self.tenant, aggregate_id)
        return self.states.newest(aggregate, aggregate_id)
