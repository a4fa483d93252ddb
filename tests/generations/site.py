"""Two generations in memory, or on any other tables: commands to both, a copier, takers, control."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from chalicelib.bank.account.domain import account
from chalicelib.bank.transfer.domain import transfer
from chalicelib.leftfold.commands.handler import CommandHandler
from chalicelib.leftfold.generations.control import (
    Control,
    ControlTable,
    number_of,
    switched,
)
from chalicelib.leftfold.generations.copier import Copier
from chalicelib.leftfold.generations.copying import Copying, NotCopiedYetError, Truth
from chalicelib.leftfold.generations.memory import MemoryControl
from chalicelib.leftfold.generations.owner import GenerationOwner
from chalicelib.leftfold.generations.taking import Taker
from chalicelib.leftfold.kernel import Aggregate, Boundaries, Commit
from chalicelib.leftfold.relay.sequencer import Sequencer
from chalicelib.leftfold.store.memory import (
    MemoryCheckpoints,
    MemoryEvents,
    MemoryLog,
    MemoryParking,
)
from chalicelib.leftfold.store.ports import GenerationTable, Log
from tests.teller import Teller
from tests.vaults import vault_of

AGGREGATES: Mapping[str, Aggregate] = {"account": account, "transfer": transfer}


def no_pause(_attempt: int) -> None:
    """Nobody waits."""


def truth_of(name: str, table: GenerationTable, log: Log, *, first: bool = False) -> Truth:
    """A generation's truth whose relay logs at once when it is asked to."""
    sequencer = Sequencer(table, log, no_pause, lambda _blocked: None)

    def sequence(wanted: Mapping[str, int]) -> object:
        return list(sequencer.sequence(wanted))

    return Truth(name, table, table, log, sequence, first)


@dataclass
class GenerationTeller(Teller):
    """The bank in one generation."""

    owner: GenerationOwner | None = None

    @property
    def handler(self) -> CommandHandler:
        made = super().handler
        return replace(made, owner=self.owner) if self.owner else made


@dataclass
class Site:
    """Blue, green, and what leads from one to the other by *boundaries*."""

    boundaries: Boundaries = field(default_factory=Boundaries)
    aggregates: Mapping[str, Aggregate] = field(default_factory=lambda: AGGREGATES)
    control: ControlTable = field(default_factory=MemoryControl)
    blue: Truth = field(
        default_factory=lambda: truth_of("blue", MemoryEvents(), MemoryLog(), first=True)
    )
    green: Truth = field(default_factory=lambda: truth_of("green", MemoryEvents(), MemoryLog()))
    checkpoints: MemoryCheckpoints = field(default_factory=MemoryCheckpoints)
    parking: MemoryParking = field(default_factory=MemoryParking)
    pause: Callable[[int], None] = no_pause
    opaque: list[Commit] = field(default_factory=list)

    def __post_init__(self) -> None:
        assert self.control.change(None, Control("blue", "green", "replicating"))
        there = self._taker(self.blue, self.green, self.boundaries)
        reverse = self.boundaries.back()
        back = self._taker(self.green, self.blue, reverse) if reverse else None
        self.there = replace(there, opposite=back)
        self.back = replace(back, opposite=there) if back else None
        self.copier = Copier(there.copying, self.checkpoints, self.parking, self._spread)

    def _taker(self, giver: Truth, receiver: Truth, boundaries: Boundaries) -> Taker:
        copying = Copying(giver, receiver, boundaries, self.aggregates, vault_of(), self._failed)
        return Taker(copying, self.pause, partial(number_of, self.control))

    def _failed(self, commit: Commit, _reason: str) -> None:
        self.opaque.append(commit)

    @staticmethod
    def _spread(act: Any, items: Any) -> object:
        return [act(item) for item in items]

    def teller(self, name: str) -> GenerationTeller:
        """The bank in *blue* or *green*."""
        truth = self.blue if name == "blue" else self.green
        taker = self.back if name == "blue" else self.there
        owner = GenerationOwner(name, self.control, truth.first, taker)
        return GenerationTeller(truth.events, pause=self.pause, owner=owner)

    def log(self, truth: Truth) -> None:
        """Brings all commits of a truth into its log."""
        keys, _ = truth.table.scan(0, 1, None, 1_000_000)
        truth.sequence(dict(sorted(keys)))

    def copy(self) -> None:
        """Logs and copies everything."""
        self.log(self.blue)
        while self.copier.progress().lag:
            with suppress(NotCopiedYetError):
                self.copier.run()

    def switch(self) -> None:
        """Puts the next switch into control."""
        control = self.control.read()
        assert control is not None
        assert self.control.change(control, switched(control))

    def take_all(self) -> None:
        """Takes every stream that the giver has, as the background taker does."""
        control = self.control.read()
        assert control is not None
        taker = self.there if control.switch % 2 else self.back
        assert taker is not None
        keys, _ = taker.copying.giver.table.scan(0, 1, None, 1_000_000)
        targets = {t for stream, _ in keys for t in taker.copying.boundaries.feeds(stream)}
        for target in sorted(targets):
            taker.take(target, control.switch)

    def stream(self, truth: Truth, aggregate_id: str) -> list[Commit]:
        """All commits of a stream."""
        return list(truth.table.range(aggregate_id, 1, 10**6))
