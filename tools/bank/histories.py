"""The history of each account in a bank file, and the commands that import it."""

import hashlib
import json
from bisect import bisect_right
from calendar import monthrange
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

from chalicelib.bank.account.domain import Account, Book, Booking, Open, account
from chalicelib.bank.money import Money
from chalicelib.leftfold.kernel import Refused
from chalicelib.leftfold.kernel.uuid7 import uuid7
from tools.bank.bank_file import Line, Rejected

# Rows, and bytes of their texts as JSON, of one command. A run that is repeated cuts the
# same batches, so that their keys are those of the first run: no option.
BATCH, LARGEST_TEXTS = 100, 250_000
# The id, and the operation, of the booking that stands for all that came before a file.
OPENING_BALANCE = "opening-balance"
# No deployment is older. A key's time must not be later than the first attempt, and
# value dates may lie in the future.
_OLDEST = datetime(2025, 1, 1, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Period(NamedTuple):
    """Rows in order, and the last day of their month: None where no statement is closed.

    *opening* and *closing* are the balances, by the rows, before and after them; *first* is
    the index of the first of them in the account's history.
    """

    lines: Sequence[Line]
    through: str | None
    opening: int
    closing: int
    first: int = 0

    @property
    def end(self) -> int:
        """The index after the last row."""
        return self.first + len(self.lines)

    def batches(self) -> Iterator[Sequence[Line]]:
        """The rows of each command."""
        return batches(self.lines)


@dataclass
class History:
    """An account's rows, oldest first. *stated* is the bank's own balance after the last of them.

    With *statements_until*, a month like "1994-03", each month up to it gets a statement.
    *withheld* says why nothing of the account may be sent; None if all rows may be. An account
    that this history opens gets at least *least_credit* as its limit. *newest_first* says in
    which order the file has the rows.
    """

    account: str
    currency: str
    lines: list[Line] = field(default_factory=list)
    stated: int = 0
    statements_until: str | None = None
    withheld: str | None = None
    least_credit: int = 0
    newest_first: bool = False

    @property
    def before(self) -> int:
        """The balance that the bank had before the first row."""
        return self.lines[0].balance_after - self.lines[0].change if self.lines else 0

    @property
    def credit_limit(self) -> int:
        """The limit that the rows need, since a history below zero is imported as it is."""
        balances = accumulate((line.change for line in self.lines), initial=self.before)
        return max(self.least_credit, -min(balances))

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

    def with_opening_balance(self) -> "History":
        """The history with its first balance as a booking of its own, before the first row."""
        if not self.before:
            return self
        first = self.lines[0]
        opening = Line(
            first.number,
            OPENING_BALANCE,
            self.account,
            first.day,
            "credit" if self.before > 0 else "debit",
            abs(self.before),
            self.before,
            operation=OPENING_BALANCE,
        )
        return replace(self, lines=[opening, *self.lines])

    def periods(self) -> Iterator[Period]:
        """The rows month by month, those without rows too; or all in one.

        A statement has what was booked until its close. So a row whose value date lies in a
        month before that of an earlier row belongs to the later month. Rows after the last
        month that gets a statement are a period that stays open.
        """
        until = self.statements_until
        if until is None:
            yield Period(self.lines, None, self.before, self.stated)
            return
        newest = list(accumulate((line.day[:7] for line in self.lines), max))
        balance, first = self.before, 0
        for month in months(newest[0], until):
            end = bisect_right(newest, month)
            rows = self.lines[first:end]
            closing = balance + sum(line.change for line in rows)
            yield Period(rows, last_day(month), balance, closing, first)
            balance, first = closing, end
        if first < len(self.lines):
            yield Period(self.lines[first:], None, balance, self.stated, first)


def batches(lines: Sequence[Line]) -> Iterator[Sequence[Line]]:
    """The rows of each command: at most `BATCH`, and few enough for one commit."""
    start, size = 0, 0
    for index, line in enumerate(lines):
        own = len(json.dumps(texts_of(line)))
        size += own
        if index - start == BATCH or size > LARGEST_TEXTS:
            yield lines[start:index]
            start, size = index, own
    if start < len(lines):
        yield lines[start:]


def texts_of(line: Line) -> tuple[str | None, ...]:
    """The texts of a row."""
    return line.operation, line.purpose, line.counterparty_bank, line.counterparty_account


def months(first: str, last: str) -> Iterator[str]:
    """Months like "1993-12", one after the other."""
    year, month = map(int, first.split("-"))
    end = tuple(map(int, last.split("-")))
    while (year, month) <= end:
        yield f"{year:04}-{month:02}"
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)


def last_day(month: str) -> str:
    """The last day of a month like "1993-12"."""
    year, number = map(int, month.split("-"))
    return f"{month}-{monthrange(year, number)[1]}"


def last_month_before(day: str) -> str:
    """The last month that is over on a day like "2024-03-01": "2024-02"."""
    year, month = map(int, day[:7].split("-"))
    return f"{year - 1:04}-12" if month == 1 else f"{year:04}-{month - 1:02}"


def histories(
    lines: Sequence[Line],
    currency: str,
    *,
    rejected: Sequence[Rejected] = (),
    statements: int = 0,
    over: str = "9999-12",
) -> tuple[list[History], list[Rejected]]:
    """The histories by account, and the lines that do not follow from those before them.

    A line is compared with the balance that the bank stated before it, so that one that is
    wrong does not take those after it along. An account with a line that does not follow, or
    with one of the lines that were *rejected* before, is withheld. Of the first *statements*
    accounts every month is closed, up to the last one of the file, or to *over*, the last one
    that is over.
    """
    found: dict[str, list[Line]] = {}
    for line in lines:
        found.setdefault(line.account, []).append(line)
    missing: dict[str, list[int]] = {}
    for bad in rejected:
        if bad.account is not None:
            missing.setdefault(bad.account, []).append(bad.number)
    orders = {key: is_newest_first(rows) for key, rows in found.items()}
    others = set(orders.values()) - {None} == {True}
    kept: list[History] = []
    not_following: list[Rejected] = []
    for key, as_they_stand in found.items():
        newest_first = others if orders[key] is None else orders[key]
        rows = as_they_stand[::-1] if newest_first else as_they_stand
        gaps = missing.get(key, [])
        breaks = breaks_of(rows, gaps, currency)
        history = History(key, currency, without(breaks, rows), rows[-1].balance_after)
        history.newest_first = bool(newest_first) and len(rows) > 1
        history.withheld = why_withheld(gaps, breaks)
        not_following += breaks
        kept.append(history)
    for history in kept[:statements]:
        history.statements_until = min(over, max(line.day[:7] for line in lines))
    not_following.sort(key=lambda line: line.number)
    return kept, not_following


def is_newest_first(lines: Sequence[Line]) -> bool | None:
    """Whether the file has the account's rows newest first: by their balances, else their days.

    None if neither decides.
    """
    forwards, backwards = (
        sum(before.balance_after + line.change != line.balance_after for before, line in pairs)
        for pairs in (pairwise(lines), pairwise(lines[::-1]))
    )
    if forwards != backwards:
        return backwards < forwards
    days = [line.day for line in lines]
    rising, falling = days == sorted(days), days == sorted(days, reverse=True)
    return falling if rising != falling else None


def without(rejected: Sequence[Rejected], lines: Sequence[Line]) -> list[Line]:
    """The lines that are not among those *rejected*."""
    numbers = {line.number for line in rejected}
    return [line for line in lines if line.number not in numbers]


def breaks_of(lines: Sequence[Line], gaps: Sequence[int], currency: str) -> list[Rejected]:
    """The lines whose balance does not follow from the line before them.

    Nothing is said of a line that has one of the lines *gaps* between it and the one before.
    """
    found: list[Rejected] = []
    for before, line in pairwise(lines):
        would = before.balance_after + line.change
        low, high = sorted((before.number, line.number))
        if would != line.balance_after and not any(low < gap < high for gap in gaps):
            says, had = Money(line.balance_after, currency), Money(before.balance_after, currency)
            reason = f"balance_after {says} does not follow: {had} becomes {Money(would, currency)}"
            found.append(Rejected(line.number, reason, line.account))
    return found


def why_withheld(gaps: Sequence[int], breaks: Sequence[Rejected]) -> str | None:
    """Why nothing of an account is sent: some of its lines cannot be booked, or do not follow."""
    numbers = sorted([*gaps, *(line.number for line in breaks)])
    if not numbers:
        return None
    more = f" and {len(numbers) - 1:,} more" if len(numbers) > 1 else ""
    return f"line {numbers[0]}{more} must be mended first"


def differing_alone(history: History) -> list[Line]:
    """The lines after which the rules alone, without any store, give another balance.

    None, as long as every line follows from the one before it.
    """
    decider = account.decider
    opened = Open("", history.currency, "current", history.credit_limit)
    state: Account = decider.fold(decider.decide(opened, decider.initial))
    differing: list[Line] = []
    for line in history.with_opening_balance().lines:
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
    midnight = datetime.fromisoformat(day).replace(tzinfo=UTC)
    since = min(max(midnight, _EPOCH), _OLDEST) - _EPOCH
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).digest()
    return uuid7(int(since.total_seconds()) * 1000, digest)


def booking_key(account_id: str, lines: Sequence[Line], currency: str) -> str:
    """The key of a batch: of its account, its transactions and what they say."""
    said = [[line.transaction, _booking_body(line, currency)] for line in lines]
    return idempotency_key(lines[0].day, "bookings", account_id, said)


def mark_of(lines: Sequence[Line]) -> str:
    """The correlation id of a batch. It stays with the commit, and identifies the rows."""
    said = json.dumps([line.transaction for line in lines])
    return f"rows:{hashlib.sha256(said.encode()).hexdigest()[:32]}"


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
