"""Bookings and statement closes race on DynamoDB Local, with 5 % of all requests struck."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from random import Random
from time import time_ns
from typing import Any

from chalicelib.bank.account.domain import (
    BalanceBroughtForward,
    CloseStatement,
    Credited,
    Debited,
    StatementClosed,
    account,
)
from chalicelib.leftfold.commands.handler import ContentionError
from chalicelib.leftfold.kernel import Refused
from chalicelib.leftfold.kernel.uuid7 import uuid7
from chalicelib.leftfold.store.ports import Unavailable
from tests.commits import events_in
from tests.engines.deployment import Deployment
from tests.teller import OPENING, Teller, credit, debit

STREAM = account.stream("a", "main")
WRITERS, BOOKINGS, STATEMENTS = 4, 30, 20
SEED = 7


def settled(bank: Teller, command: Any, random: Random) -> int | None:
    """The version that a command made, asked for until it is known; None if refused."""
    command_id = uuid7(time_ns() // 1_000_000, random.randbytes(10))
    while True:
        try:
            return bank.do(command, command_id=command_id)
        except (Unavailable, ContentionError):
            continue
        except Refused:
            return None


def test_each_booking_is_in_one_statement_and_the_sums_are_right(dynamodb_local: str) -> None:
    deployment = Deployment(dynamodb_local, SEED, rate=0.05)
    banks = [deployment.bank("fold") for _ in range(WRITERS + 1)]
    assert settled(banks[0], OPENING, Random(SEED)) == 1

    def book(number: int) -> list[int]:
        random = Random(SEED + number)
        made = [
            settled(
                banks[number], random.choice([credit, credit, debit])(random.randint(1, 99)), random
            )
            for _ in range(BOOKINGS)
        ]
        return [version for version in made if version is not None]

    def close() -> list[int]:
        random, first = Random(SEED), date(2026, 1, 1)
        days = [str(first + timedelta(days=number)) for number in range(STATEMENTS)]
        made = [settled(banks[WRITERS], CloseStatement(day), random) for day in days]
        return [version for version in made if version is not None]

    with ThreadPoolExecutor(WRITERS + 1) as threads:
        closing = threads.submit(close)
        booked = [v for found in threads.map(book, range(WRITERS)) for v in found]
        closed = closing.result()
    deployment.calm_down()
    assert settled(banks[0], CloseStatement("2026-12-31"), Random(SEED)) is not None

    commits = deployment.services().events.range(STREAM, 1, 10**6)
    assert [c.version for c in commits] == list(range(1, len(commits) + 1))
    assert len(booked) == len(set(booked)) == len(commits) - 1 - len(closed) - 1
    assert len(closed) == STATEMENTS
    balance = opening = number = 0
    since: list[int] = []
    epoch, start = 1, 1
    for commit in commits:
        for event in events_in(commit, account.codec):
            match event:
                case Credited(amount):
                    since.append(amount)
                case Debited(amount):
                    since.append(-amount)
                case StatementClosed():
                    number += 1
                    balance += sum(since)
                    assert (event.number, event.bookings) == (number, len(since))
                    assert (event.opening_balance, event.closing_balance) == (opening, balance)
                    assert event.credits - event.debits == sum(since)
                    since, opening = [], balance
                case BalanceBroughtForward():
                    epoch, start = epoch + 1, commit.version
                    assert event.balance == balance
                case _:
                    pass
        assert (commit.epoch, commit.epoch_start) == (epoch, start)
    assert since == []
