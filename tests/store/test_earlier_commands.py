"""A retry finds its first attempt, at the edges of what a load reads."""

from typing import Any

from chalicelib.bank.account.domain import account
from chalicelib.leftfold.commands.handler import CommandRequest, body_hash
from chalicelib.leftfold.commands.loading import CLOCK_SKEW
from chalicelib.leftfold.kernel import to_json
from chalicelib.leftfold.kernel.uuid7 import uuid7
from chalicelib.leftfold.store.memory import MemoryEvents
from chalicelib.leftfold.store.ports import Page
from tests.teller import OPENING, Teller, credit


class Behind(MemoryEvents):
    """An eventually consistent read misses the newest commit."""

    def newest(self, aggregate_id: str, *, consistent: bool = False, **page: Any) -> Page:
        found = super().newest(aggregate_id, consistent=consistent, **page)
        return found if consistent else found._replace(commits=found.commits[1:])


def test_a_policy_that_looks_for_its_earlier_command_reads_consistently() -> None:
    """A policy passes a step over when no earlier command is found. A replica that is late
    would let it pass over a step whose command was taken: the money would be moved back,
    though it has arrived.
    """
    bank = Teller(Behind())
    bank.do(OPENING)
    version = bank.do(credit(5), command_id="step")
    asked = CommandRequest(
        aggregate=account,
        aggregate_id=account.stream("a", "main"),
        command=credit(5),
        command_id="step",
        body_hash=body_hash("Book", to_json(credit(5))),
        actor="test",
        correlation_id="test",
    )
    assert bank.handler.taken(asked) == version


def test_a_command_of_the_very_second_that_a_load_reaches_back_to_is_found() -> None:
    """A load stops where it knows all commands since the earliest time that the first attempt
    can have had. Commands of that same second may lie on both sides of what it knows, so it
    must know a command from before that second; else the retry would book twice.
    """
    bank = Teller(MemoryEvents())
    bank.do(OPENING)
    bank.clock.forward(seconds=3600)
    key = uuid7(bank.clock.milliseconds + CLOCK_SKEW * 1000, b"0123456789")
    version = bank.do(credit(5), command_id=key)
    for _ in range(150):
        bank.do(credit(1))
    assert bank.do(credit(5), command_id=key) == version
