"""A bank over memory whose closed epochs leave it, and ports that die at a chosen call."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

from chalicelib.bank.account.domain import Book, Booking, Close, CloseStatement, account
from chalicelib.domain import DOMAIN
from chalicelib.leftfold.archive.archiver import Archiver, Restore, Volume
from chalicelib.leftfold.archive.events import ArchivedEvents
from chalicelib.leftfold.archive.pruner import Pruner
from chalicelib.leftfold.archive.segments import SegmentedLog
from chalicelib.leftfold.kernel import Commit
from chalicelib.leftfold.relay.sequencer import Sequencer
from chalicelib.leftfold.store.memory import (
    MemoryArchive,
    MemoryCheckpoints,
    MemoryEvents,
    MemoryLog,
)
from chalicelib.leftfold.store.readers import Reader, ends_of
from chalicelib.leftfold.subjects.vault import Vault
from tests.clock import Clock
from tests.teller import OPENING, Teller
from tests.vaults import vault_of

A, B = account.stream("a", "main"), account.stream("b", "main")
EVERY = 10**9


class KilledError(Exception):
    """The process ended."""


@dataclass
class Mortal:
    """A process: its ports die together, after the effect of call *last*, or never."""

    last: int = EVERY
    calls: Any = field(default_factory=lambda: count(1))
    done: int = 0

    def __call__(self, port: Any) -> "MortalPort":
        return MortalPort(port, self)

    def survive(self) -> None:
        """Counts a call that has taken effect; it may be the last."""
        self.done = next(self.calls)
        if self.done >= self.last:
            raise KilledError


class MortalPort:
    """Any port of a process that may be killed."""

    def __init__(self, port: Any, process: Mortal) -> None:
        self._port = port
        self._process = process

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._port, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            answer = method(*args, **kwargs)
            if name in {"registry", "blocks", "segments"}:
                answer = iter(list(answer))
            self._process.survive()
            return answer

        return call


@dataclass
class Stage:
    """Tables, archive and log in memory; accounts with statements."""

    clock: Clock = field(default_factory=Clock)
    table: MemoryEvents = field(default_factory=MemoryEvents)
    log: MemoryLog = field(default_factory=MemoryLog)
    archive: MemoryArchive = field(default_factory=MemoryArchive)
    checkpoints: MemoryCheckpoints = field(default_factory=MemoryCheckpoints)
    vault: Vault = field(default_factory=vault_of)

    @property
    def events(self) -> ArchivedEvents:
        """The streams whole, read by a process that has just started."""
        return ArchivedEvents(self.table, self.archive)

    @property
    def whole(self) -> SegmentedLog:
        """The log whole."""
        return SegmentedLog(self.log, self.archive)

    @property
    def bank(self) -> Teller:
        """Accounts."""
        return Teller(self.events, clock=self.clock, vault=self.vault)

    def do(self, command: Any, key: str = "a", **how: Any) -> int:
        """A command, a minute after the last one."""
        self.clock.forward(minutes=1)
        return self.bank.do(command, key, **how)

    def months(self, months: int, key: str = "a", bookings: int = 3) -> None:
        """Opens an account and closes as many statements; one more month is begun."""
        self.do(OPENING, key)
        for month in range(months):
            for _ in range(bookings):
                self.do(credit(month + 1), key)
            self.do(CloseStatement(f"20{month // 12:02}-{month % 12 + 1:02}-28"), key)
            self.clock.forward(days=30)
        self.do(credit(7), key)

    def settle(self) -> None:
        """Logs what was committed."""
        places, _ = self.table.scan(0, 1, None, EVERY)
        sequencer = Sequencer(self.events, self.log, lambda _: None, lambda _: None)
        list(sequencer.sequence(dict(sorted(places))))

    def archiver(self, process: Mortal | None = None, **rules: Any) -> Archiver:
        """An archiver in a process of its own."""
        alive = process or Mortal()
        return Archiver(
            alive(self.table), alive(self.log), alive(self.archive), self.clock, **rules
        )

    def archive_all(self, process: Mortal | None = None, **rules: Any) -> Volume:
        """Archives all that may go."""
        archiver = self.archiver(process, **rules)
        moved = Volume()
        for stream, entry in archiver.candidates():
            moved = sum(archiver.run(stream, entry, self.clock()), moved)
        return moved

    def restore(self, epoch: int = 1, process: Mortal | None = None) -> int:
        """Brings epochs of account A back."""
        alive = process or Mortal()
        return Restore(alive(self.table), alive(self.log), alive(self.archive)).run(A, epoch)

    def prune(self, process: Mortal | None = None) -> int:
        """Prunes all that may go; the number of blocks."""
        alive = process or Mortal()
        readers = DOMAIN.views.values()
        pruner = Pruner(
            alive(self.log), alive(self.archive), alive(self.checkpoints), readers, self.clock
        )
        return sum(pruned.items for pruned in pruner.run(self.clock() - timedelta(hours=1)))

    def read_by_all(self) -> None:
        """Every view and every policy has done with the log."""
        head = self.log.head()
        readers: tuple[Reader, ...] = (*DOMAIN.views.values(), *DOMAIN.policies.values())
        for reader in readers:
            for key, end in ends_of(reader, head).items():
                (reached,) = self.checkpoints.read(reader.name, [key]).values()
                self.checkpoints.move(reader.name, key, reached, end)

    def history(self, stream: str = A) -> list[str]:
        """All commits of a stream as lines."""
        return [commit.line for commit in self.events.range(stream, 1, EVERY)]

    def paged(self, stream: str = A) -> list[str]:
        """The same, newest first, as a load looks back."""
        page = self.events.newest(stream, consistent=True)
        commits = list(page.commits)
        while page.more:
            page = self.events.newest(stream, limit=3, below=commits[-1].version, consistent=True)
            commits += page.commits
        return [commit.line for commit in commits]

    def versions(self, stream: str = A) -> list[int]:
        """The versions whose items are in the table."""
        return [commit.version for commit in self.table.range(stream, 1, EVERY)]

    def first(self, stream: str = A) -> Commit:
        """Version 1 as the table has it."""
        return self.table.range(stream, 1, 1)[0]


def credit(amount: int) -> Book:
    return Book((Booking("credit", amount, "CZK", "2026-01-01"),))


def ended(site: Stage, key: str = "b") -> None:
    """An account that was opened and closed."""
    site.do(OPENING, key)
    site.do(Close(), key)
