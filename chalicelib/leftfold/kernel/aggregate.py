"""A category of streams: its name, its rules and its storage format."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from chalicelib.leftfold.kernel.codec import Codec
from chalicelib.leftfold.kernel.decider import Decider


@dataclass(frozen=True)
class Aggregate:
    """One kind of aggregate. *module* is where its fold is defined: the code that a
    snapshot's fingerprint covers. *carries* are the events that carry the state forward:
    each holds the whole of it, so a commit with one begins an epoch, and a fold can begin
    there. An event that ends the aggregate's life is such a one, too.
    """

    category: str
    decider: Decider[Any, Any, Any]
    codec: Codec[Any]
    module: str
    carries: tuple[type, ...] = ()

    def begins_epoch(self, events: Iterable[Any]) -> bool:
        """Whether a commit of these events begins an epoch."""
        return any(isinstance(event, self.carries) for event in events)

    def stream(self, key: str, tenant: str = "main") -> str:
        """The aggregate id, `<tenant>/<category>-<key>`."""
        return str(AggregateId(tenant, self.category, key))


class AggregateId(NamedTuple):
    """`<tenant>/<category>-<key>`, taken apart; *key* is `[A-Za-z0-9-]{1,64}`."""

    tenant: str
    category: str
    key: str

    def __str__(self) -> str:
        return f"{self.tenant}/{self.category}-{self.key}"

    @classmethod
    def parse(cls, aggregate_id: str) -> "AggregateId":
        """The parts of *aggregate_id*; a category has no hyphen, a tenant no slash."""
        tenant, _, rest = aggregate_id.partition("/")
        category, _, key = rest.partition("-")
        return cls(tenant, category, key)
