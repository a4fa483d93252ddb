"""A bank for tests: the command handler on any event store, without waiting."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypedDict, Unpack

from chalicelib.bank.account.domain import Book, Booking, Open, account
from chalicelib.leftfold.commands.handler import CommandHandler, CommandRequest, body_hash
from chalicelib.leftfold.kernel import Aggregate, to_json
from chalicelib.leftfold.store.ports import EventStore, StreamVersion
from chalicelib.leftfold.subjects.vault import Vault
from tests.clock import Clock
from tests.vaults import vault_of

OPENING = Open("Ada", "CZK", "current")
_numbers = count(1)


def credit(amount: int) -> Book:
    return Book((Booking("credit", amount, "CZK", "2026-01-01"),))


def debit(amount: int) -> Book:
    return Book((Booking("debit", amount, "CZK", "2026-01-01"),))


class Details(TypedDict, total=False):
    """What a test may say of a request besides its command."""

    command_id: str | None
    expected: set[int] | None
    deps: tuple[tuple[str, int], ...]
    may_repeat: bool
    unless: StreamVersion | None
    aggregate: Aggregate


@dataclass
class Teller:
    """Accounts in *events*, changed by commands with ids of their own unless given."""

    events: EventStore
    fingerprint: str = "fold-1"
    clock: Clock = field(default_factory=Clock)
    pause: Callable[[int], None] = lambda _attempt: None
    vault: Vault = field(default_factory=vault_of)
    tenant: str = "main"

    def do(self, command: Any, key: str = "a", **details: Unpack[Details]) -> int:
        """Executes *command* on an account, or on another aggregate; the version it made."""
        return self.handler.execute(self.request(command, key, **details))

    def request(
        self,
        command: Any,
        key: str = "a",
        *,
        command_id: str | None = None,
        expected: set[int] | None = None,
        deps: tuple[tuple[str, int], ...] = (),
        may_repeat: bool = True,
        unless: StreamVersion | None = None,
        aggregate: Aggregate = account,
    ) -> CommandRequest:
        """The request of *command*, with an id of its own unless one is given."""
        return CommandRequest(
            aggregate=aggregate,
            aggregate_id=aggregate.stream(key, self.tenant),
            command=command,
            command_id=command_id or f"command-{next(_numbers)}",
            body_hash=body_hash(type(command).__name__, to_json(command)),
            actor="test",
            correlation_id="test",
            expected=None if expected is None else frozenset(expected),
            opens=isinstance(command, Open),
            deps=deps,
            may_repeat=may_repeat,
            unless=unless,
        )

    @property
    def handler(self) -> CommandHandler:
        fingerprints = dict.fromkeys(("account", "card", "transfer", "queue"), self.fingerprint)
        return CommandHandler(self.events, fingerprints, self.clock, self.pause, self.vault)
