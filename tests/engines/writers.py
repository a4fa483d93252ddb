"""Clients that ask with one key until they know what became of their command."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from time import monotonic_ns, time_ns
from typing import Any

from chalicelib.bank.account.domain import Open
from chalicelib.leftfold.commands.handler import ContentionError
from chalicelib.leftfold.kernel import Refused
from chalicelib.leftfold.kernel.uuid7 import uuid7
from chalicelib.leftfold.store.ports import Unavailable
from tests.simulation.clients import Call
from tests.teller import Teller, credit, debit

# Shares of the commands: on one of the few busy accounts, with a cause elsewhere, debits.
BUSY, CAUSED, DEBITS = 0.1, 0.1, 0.3


@dataclass
class Writer:
    """Opens accounts *own*, then books on any of *keys*, until *goal* commands were taken.

    *acknowledged* is told of each one. *again* counts the requests that left the outcome
    open and were repeated.
    """

    bank: Teller
    random: Random
    own: list[str]
    keys: list[str]
    goal: int
    acknowledged: Callable[[], None]
    calls: list[Call] = field(default_factory=list)
    again: int = 0

    def run(self) -> None:
        """The writer's life, as a thread."""
        for key in self.own:
            self._call(Open("Ada", "CZK", "current"), key)
        busy = self.keys[: max(1, len(self.keys) // 100)]
        taken = len(self.own)
        while taken < self.goal:
            key = self.random.choice(busy if self.random.random() < BUSY else self.keys)
            amount = self.random.randint(1, 500)
            is_debit = self.random.random() < DEBITS
            taken += self._call(debit(amount) if is_debit else credit(amount), key)

    def _call(self, command: Any, key: str) -> bool:
        """Whether the command was taken."""
        call = Call(
            command,
            key,
            uuid7(time_ns() // 1_000_000, self.random.randbytes(10)),
            monotonic_ns(),
            self._cause(key),
        )
        while call.outcome == "unknown":
            try:
                call.version = self.bank.do(
                    command, key, command_id=call.command_id, deps=call.deps
                )
                call.outcome = "acknowledged"
            except Refused:
                call.outcome = "refused"
            except (Unavailable, ContentionError):
                self.again += 1
        call.answered = monotonic_ns()
        self.calls.append(call)
        if call.outcome == "refused":
            return False
        self.acknowledged()
        return True

    def _cause(self, key: str) -> tuple[tuple[str, int], ...]:
        """Now and then the server has read another stream: the cause of this command."""
        if not self.calls or self.random.random() >= CAUSED:
            return ()
        cause = self.random.choice(self.calls)
        if cause.key == key or cause.outcome != "acknowledged":
            return ()
        return ((f"main/account-{cause.key}", cause.version),)
