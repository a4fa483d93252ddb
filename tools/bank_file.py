"""A bank's CSV file, read line by line: what can be booked, and what cannot, with the reason."""

import csv
import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, TextIO, get_args

from chalicelib.bank.money import LARGEST_AMOUNT, Money
from tools.files import FileError

if TYPE_CHECKING:
    import _csv

Direction = Literal["credit", "debit"]
NEEDED = (
    "transaction_id",
    "account_id",
    "date",
    "direction",
    "operation",
    "amount",
    "balance_after",
    "purpose",
    "counterparty_bank",
    "counterparty_account",
)
_ACCOUNT = re.compile(r"[A-Za-z0-9-]{1,64}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# What stands for bytes that are no text.
_UNDECODED = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True)
class Line:
    """One row that can be booked; amounts are in minor units, *number* is its line in the file."""

    number: int
    transaction: str
    account: str
    day: str
    direction: Direction
    amount: int
    balance_after: int
    operation: str | None = None
    purpose: str | None = None
    counterparty_bank: str | None = None
    counterparty_account: str | None = None

    @property
    def change(self) -> int:
        """What the row adds to the balance."""
        return self.amount if self.direction == "credit" else -self.amount


class Rejected(NamedTuple):
    """A line that was not booked, and why."""

    number: int
    reason: str


def read(path: Path, currency: str) -> tuple[list[Line], list[Rejected]]:
    """All lines of a .csv or .csv.gz file, in order. Raises FileError."""
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        # What is no UTF-8 shall cost its own line, not the file.
        with opener(path, "rt", encoding="utf-8-sig", errors="replace", newline="") as file:
            return _sorted_out(file, path, currency)
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FileError(f"{path} cannot be read: {reason}") from error


def _sorted_out(file: TextIO, path: Path, currency: str) -> tuple[list[Line], list[Rejected]]:
    rows = csv.reader(file, strict=True)
    header = next(rows, [])
    missing = [name for name in NEEDED if name not in header]
    if missing:
        raise FileError(
            f"{path} has no column {', '.join(missing)}; examples/README.md lists them all"
        )
    lines: list[Line] = []
    rejected: list[Rejected] = []
    seen: dict[str, int] = {}
    for number, row in _numbered(rows, rejected):
        try:
            line = _line(number, header, row, currency)
        except ValueError as error:
            rejected.append(Rejected(number, str(error)))
            continue
        first = seen.setdefault(line.transaction, number)
        if first == number:
            lines.append(line)
        else:
            reason = f"transaction {line.transaction} is on line {first} already"
            rejected.append(Rejected(number, reason))
    return lines, rejected


def _numbered(rows: "_csv.Reader", rejected: list[Rejected]) -> Iterator[tuple[int, list[str]]]:
    """Rows with the numbers of their lines; empty lines are no rows."""
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            rejected.append(Rejected(rows.line_num, f"is not CSV: {error}"))
        else:
            if row:
                yield rows.line_num, row


def _line(number: int, header: list[str], row: list[str], currency: str) -> Line:
    """Raises ValueError with a reason for people."""
    if len(row) != len(header):
        raise ValueError(f"has {len(row)} columns, not {len(header)}")
    if any(_UNDECODED in value for value in row):
        raise ValueError("is not UTF-8")
    held = {name: value.strip() for name, value in zip(header, row, strict=True)}
    amount = _minor("amount", held["amount"], currency)
    if not 0 < amount < LARGEST_AMOUNT:
        raise ValueError(f"amount {held['amount']} must be above zero and not absurd")
    return Line(
        number=number,
        transaction=_given("transaction_id", held),
        account=_account(_given("account_id", held)),
        day=_day(_given("date", held)),
        direction=_direction(_given("direction", held)),
        amount=amount,
        balance_after=_minor("balance_after", held["balance_after"], currency),
        operation=held["operation"] or None,
        purpose=held["purpose"] or None,
        counterparty_bank=held["counterparty_bank"] or None,
        counterparty_account=held["counterparty_account"] or None,
    )


def _given(name: str, held: dict[str, str]) -> str:
    if not held[name]:
        raise ValueError(f"{name} is missing")
    return held[name]


def _account(text: str) -> str:
    if not _ACCOUNT.fullmatch(text):
        raise ValueError(f"account_id {text!r} must be 1 to 64 letters, digits and hyphens")
    return text


def _day(text: str) -> str:
    try:
        # Python alone would also take 19930103 and 1993-W01-1.
        date.fromisoformat(text if _DAY.fullmatch(text) else "")
    except ValueError:
        raise ValueError(f'date {text!r} must be a day like "1993-01-03"') from None
    return text


def _direction(text: str) -> Direction:
    for direction in get_args(Direction):
        if text == direction:
            return direction  # type: ignore[no-any-return]
    raise ValueError(f"direction {text!r} must be credit or debit")


def _minor(name: str, text: str, currency: str) -> int:
    try:
        return Money.parse(text, currency).minor
    except ValueError as error:
        raise ValueError(f"{name} {text!r} {error}") from None
