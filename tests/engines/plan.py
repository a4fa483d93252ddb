"""What a run is to be, and what it was."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic

from chalicelib.bank.account.domain import account


@dataclass(frozen=True)
class Plan:
    """*rate* is the share of requests that meet a fault, *drop* that of stream and bus
    records that are lost; all others come twice, in any order.

    Without *transport*, only sweepers find commits and wake views. *poison* makes the
    balances fail on one event until all is calm. *workers* is the functions of each view;
    0 leaves views and policies to the repairs.
    """

    commits: int = 240
    streams: int = 24
    writers: int = 8
    relays: int = 4
    workers: int = 2
    sweepers: int = 2
    seed: int = 1
    rate: float = 0.05
    drop: float = 0.3
    transport: bool = True
    poison: bool = False

    @property
    def keys(self) -> list[str]:
        """The accounts."""
        return [f"s{number}" for number in range(self.streams)]

    @property
    def poisoned(self) -> tuple[str, str, int]:
        """(view, aggregate id, version) of the event that the view fails on."""
        return ("balances", account.stream(self.keys[0], "main"), 3)


@dataclass
class Report:
    """What a run was made of, and the laws that it *broke*.

    *again* counts requests that left the outcome open and were repeated, *failed* the
    invocations that ended in an error, by function, *requests* those to DynamoDB and
    Kinesis by role and operation, while there were faults. *parked* are the streams that
    were parked before they were redriven, *stuck* the rows that differed then.
    """

    plan: Plan
    commits: int = 0
    blocks: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    again: int = 0
    requests: dict[str, Counter[str]] = field(default_factory=dict)
    struck: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    dropped: int = 0
    repeated: int = 0
    swept: int = 0
    parked: list[tuple[str, str]] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Notes the seconds that *phase* takes."""
        began = monotonic()
        yield
        self.seconds[phase] = monotonic() - began
