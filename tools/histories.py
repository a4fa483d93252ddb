"""What a bank file says of each account: its history, and the commands that import it."""

import hashlib
import json
from calendar import monthrange
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import accumulate, groupby
from typing import Any, NamedTuple

from chalicelib.bank.account.domain import Account, Book, Booking, Open, account
from chalicelib.bank.money import Money
from chalicelib.leftfold.kernel import Refused
from chalicelib.leftfold.kernel.uuid7 import uuid7
from tools.bank_file import Line, Rejected

# Batches must be cut alike in every run, or rows would be booked twice: no option.
BATCH = 100
# No deployment is older. A key's time must not be later than the first attempt, and
# value dates may lie in the future.
_OLDEST = datetime(2025, 1, 1, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Period(NamedTuple):
    """Rows in order, and the last day of their month: None where no statement is closed.

    *opening* and *closing* are the balances, by the rows, before and after them.
    """

    lines: Sequence[Line]
    through: str | None
    opening: int
    closing: int

    def batches(self) -> Iterator[Sequence[Line]]:
        """The rows of each command."""
        for start in range(0, len(self.lines), BATCH):
            yield self.lines[start : start + BATCH]


@dataclass
class History:
    """An account's rows in order. *stated* is the bank's own balance after the last of them.

    With *statements_until*, a month like "1994-03", each month up to it gets a statement.
    """

    account: str
    currency: str
    lines: list[Line] = field(default_factory=list)
    stated: int = 0
    statements_until: str | None = None

    @property
    def credit_limit(self) -> int:
        """What the rows need: a history that goes below zero shall be taken as it is."""
        balances = accumulate((line.change for line in self.lines), initial=0)
        return max(0, -min(balances))

    @property
    def opening(self) -> dict[str, Any]:
        """The body of POST /accounts."""
        return {
            "accountId": self.account,
            "owner": f"Account {self.account}",
            "kind": "current",
            "currency": self.currency,
            "creditLimit": _money(self.credit_limit, self.currency),
        }

    def periods(self) -> Iterator[Period]:
        """The rows month by month, those without rows too; or all in one."""
        if self.statements_until is None:
            yield Period(self.lines, None, 0, sum(line.change for line in self.lines))
            return
        by_month = {
            month: list(rows) for month, rows in groupby(self.lines, lambda line: line.day[:7])
        }
        balance = 0
        for month in months(self.lines[0].day[:7], self.statements_until):
            rows = by_month.get(month, [])
            closing = balance + sum(line.change for line in rows)
            yield Period(rows, last_day(month), balance, closing)
            balance = closing


def months(first: str, last: str) -> Iterator[str]:
    """Months like "1993-12", one after the other."""
    year, month = map(int, first.split("-"))
    while (text := f"{year:04}-{month:02}") <= last:
        yield text
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)


def last_day(month: str) -> str:
    """The last day of a month like "1993-12"."""
    year, number = map(int, month.split("-"))
    return f"{month}-{monthrange(year, number)[1]}"


def histories(
    lines: Sequence[Line], currency: str, *, statements: int = 0
) -> tuple[list[History], list[Rejected]]:
    """The histories by account, and the lines that do not follow from those before them.

    A line is held against the balance that the bank stated before it, so that a rejected
    one does not take those after it along. Of the first *statements* accounts every month
    is closed, up to the last one of the file.
    """
    found: dict[str, History] = {}
    rejected: list[Rejected] = []
    for line in lines:
        history = found.setdefault(line.account, History(line.account, currency))
        would = history.stated + line.change
        if would == line.balance_after:
            history.lines.append(line)
        else:
            says, had = Money(line.balance_after, currency), Money(history.stated, currency)
            reason = f"balance_after {says} does not follow: {had} becomes {Money(would, currency)}"
            rejected.append(Rejected(line.number, reason))
        history.stated = line.balance_after
    kept = [history for history in found.values() if history.lines]
    for history in kept[:statements]:
        history.statements_until = max(line.day[:7] for line in lines)
    return kept, rejected


def differing_alone(history: History) -> list[Line]:
    """The lines after which the rules alone, without any store, give another balance.

    None, as long as no line was rejected before.
    """
    decider = account.decider
    opened = Open("", history.currency, "current", history.credit_limit)
    state: Account = decider.fold(decider.decide(opened, decider.initial))
    differing: list[Line] = []
    for line in history.lines:
        booking = Booking(line.direction, line.amount, history.currency, line.day)
        with suppress(Refused):
            state = decider.fold(decider.decide(Book((booking,)), state), state)
        if state.balance != line.balance_after:
            differing.append(line)
    return differing


def bookings_body(lines: Sequence[Line], currency: str) -> dict[str, Any]:
    """The body of POST /accounts/{id}/bookings."""
    return {"bookings": [_booking_body(line, currency) for line in lines]}


def idempotency_key(day: str, *content: Any) -> str:
    """The same key for the same content, however often and from whatever file it is sent.

    A UUIDv7 of the value date: never later than the first attempt, so the server looks
    as far back as it takes to recognise it.
    """
    moment = datetime.fromisoformat(day).replace(tzinfo=UTC)
    since = min(max(moment, _EPOCH), _OLDEST) - _EPOCH
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).digest()
    return uuid7(int(since.total_seconds()) * 1000, digest)


def booking_key(account_id: str, lines: Sequence[Line], currency: str) -> str:
    """The key of a batch: of its account, its transactions and what they say."""
    said = [[line.transaction, _booking_body(line, currency)] for line in lines]
    return idempotency_key(lines[0].day, "bookings", account_id, said)


def statement_key(account_id: str, through: str) -> str:
    """The key of a statement's close."""
    return idempotency_key(through, "statement", account_id, through)


def opening_key(history: History) -> str:
    """The key of an account's opening."""
    return idempotency_key(history.lines[0].day, "opening", history.opening)


def _booking_body(line: Line, currency: str) -> dict[str, Any]:
    body = {
        "direction": line.direction,
        "amount": _money(line.amount, currency),
        "valueDate": line.day,
        "operation": line.operation,
        "purpose": line.purpose,
        "counterpartyBank": line.counterparty_bank,
        "counterpartyAccount": line.counterparty_account,
    }
    return {name: value for name, value in body.items() if value is not None}


def _money(minor: int, currency: str) -> dict[str, str]:
    return {"amount": str(Money(minor, currency)), "currency": currency}
