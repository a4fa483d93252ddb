"""A bank's CSV file, read line by line: what can be booked, and what cannot, with the reason."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from chalicelib.bank.money import LARGEST_AMOUNT, LARGEST_BALANCE, MINOR_DIGITS, Money
from tools.csv_rows import CsvText, Row, same_but_for_case
from tools.files import FileError, read_text
from tools.texts import fitted

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
# The longest texts that the API takes.
LONGEST = {
    "operation": 100,
    "purpose": 500,
    "counterparty_bank": 100,
    "counterparty_account": 100,
}
# A year outside of these is a slip of the pen, such as 0224.
FIRST_YEAR, LAST_YEAR = 1900, 2199
_ACCOUNT = re.compile(r"[A-Za-z0-9-]{1,64}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?")
# Digits of any amount that `Money` parses; all bounds lie far below.
_MOST_DIGITS, _MOST_DECIMALS = 18, 8
# A byte that is not UTF-8, as `read_text` hands it on: 0xE1 is U+DCE1.
_UNDECODED = re.compile("[\udc80-\udcff]")
_LOST = "\N{REPLACEMENT CHARACTER}"
_NO_TEXT = re.compile(f"[\udc80-\udcff{_LOST}]")
_SHOWN = 200
_SEPARATORS = {";": "';'", "\t": "a tab", "|": "'|'"}


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
        """The amount by which the row changes the balance."""
        return self.amount if self.direction == "credit" else -self.amount


class Rejected(NamedTuple):
    """A line that was not booked, and why.

    *account* is the account of a line of a bank file; None: the line may be of any account.
    """

    number: int
    reason: str
    account: str | None = None


class Note(NamedTuple):
    """A change of a line that is booked nevertheless."""

    number: int
    text: str


@dataclass
class BankFile:
    """The content of a file: lines that can be booked, lines that cannot, notes on the former."""

    lines: list[Line] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    @property
    def unattributed(self) -> list[Rejected]:
        """The rejected lines that may be of any account."""
        return [line for line in self.rejected if line.account is None]


def read(path: Path, currency: str) -> BankFile:
    """All lines of a .csv or .csv.gz file, in order. Raises FileError."""
    check_currency(currency)
    text = CsvText(str(path), read_text(path, "surrogateescape"))
    rows = text.rows()
    header = _header(path, next(rows, None))
    found = BankFile()
    seen: dict[str, int] = {}
    unsure: list[Rejected] = []
    for row in rows:
        if row.last > row.first and _swallows(header, row):
            raise text.swallowed(row)
        try:
            line, notes = _line(header, row, currency)
            _check_currency_of(dict(zip(header, row.fields, strict=True)), currency)
        except ValueError as error:
            rejected = Rejected(row.first, str(error), _account_of(header, row.fields))
            whole = len(row.fields) == len(header) and row.fault is None
            (found.rejected if whole else unsure).append(rejected)
            continue
        first = seen.setdefault(line.transaction, line.number)
        if first == line.number:
            found.lines.append(line)
            found.notes += notes
        else:
            reason = f"transaction {line.transaction} is on line {first} already"
            found.rejected.append(Rejected(line.number, reason, line.account))
    known = {line.account for line in found.lines}
    found.rejected += [
        line if line.account in known else line._replace(account=None) for line in unsure
    ]
    found.rejected.sort(key=lambda line: line.number)
    return found


def check_currency(currency: str) -> None:
    """Raises FileError for an unknown currency: one error instead of one for each line."""
    if currency not in MINOR_DIGITS:
        meant = currency.strip().upper()
        cure = f"; {meant} is" if meant in MINOR_DIGITS else ""
        raise FileError(f"currency {currency!r} is not a code of ISO 4217{cure}")


def _header(path: Path, row: Row | None) -> list[str]:
    if row is None:
        raise FileError(f"{path} is empty; examples/README.md lists the columns of its header")
    header = [name.strip() for name in row.fields]
    seen = _UNDECODED.sub(_LOST, ",".join(row.fields))
    read_as = f"its header reads {seen[:_SHOWN]!r}{' and so on' if len(seen) > _SHOWN else ''}"
    missing = [name for name in NEEDED if name not in header]
    if missing:
        which = ", ".join(missing) if len(missing) < len(NEEDED) else "of a bank file"
        raise FileError(
            f"{path} has no column {which}; examples/README.md lists them all;"
            f" {read_as}{_cause(header)}"
        )
    if twice := [name for name, count in Counter(header).items() if count > 1 and name in NEEDED]:
        raise FileError(f"{path} has the column {twice[0]} more than once; {read_as}")
    return header


def _cause(header: Sequence[str]) -> str:
    """The probable cause of missing columns, from the look of the header; empty if unknown."""
    if same_but_for_case(header, NEEDED):
        return "; names of columns have small letters and underscores"
    for separator, name in _SEPARATORS.items():
        if any(separator in cell for cell in header):
            return f"; it looks as if {name} separates the columns, and a comma must"
    return ""


def _swallows(header: Sequence[str], row: Row) -> bool:
    """Whether a row on several lines has an open quote that took in lines that are rows."""
    day, direction = header.index("date"), header.index("direction")
    inside = (
        line.split(",") for value in row.fields for line in value.splitlines()[1:] if "," in line
    )
    return any(
        len(cells) > max(day, direction)
        and _DAY.fullmatch(cells[day].strip()) is not None
        and cells[direction].strip() in get_args(Direction)
        for cells in inside
    )


def _account_of(header: Sequence[str], fields: Sequence[str]) -> str | None:
    """The account of a rejected row; None if the row does not name one."""
    column = header.index("account_id")
    account = fields[column].strip() if column < len(fields) else ""
    return None if not account or _spoiled("account_id", account) else account


def _line(header: Sequence[str], row: Row, currency: str) -> tuple[Line, list[Note]]:
    """The line, and what was done to it. Raises ValueError with a reason for people."""
    if row.fault is not None:
        raise ValueError(row.fault)
    if len(row.fields) != len(header):
        raise ValueError(f"has {len(row.fields)} columns, not {len(header)}")
    values = {name: value.strip() for name, value in zip(header, row.fields, strict=True)}
    if _NO_TEXT.search("".join(row.fields)):
        for name, value in values.items():
            if reason := _spoiled(name, value):
                raise ValueError(reason)
    texts = {name: fitted(values[name], longest) for name, longest in LONGEST.items()}
    line = Line(
        number=row.first,
        transaction=_given("transaction_id", values),
        account=_account(_given("account_id", values)),
        day=_day(_given("date", values)),
        direction=_direction(_given("direction", values)),
        amount=_amount(values["amount"], currency),
        balance_after=_balance(values["balance_after"], currency),
        **{name: text.text or None for name, text in texts.items()},
    )
    notes = [Note(row.first, text.note(name)) for name, text in texts.items() if text.was_cut]
    return line, notes


def _spoiled(name: str, value: str) -> str | None:
    """Why a value is no text; None: it is."""
    if undecoded := _UNDECODED.search(value):
        return f"is not UTF-8: {name} has the byte 0x{ord(undecoded[0]) - 0xDC00:02X}"
    if _LOST in value:
        return f"{name} has U+FFFD, which stands where a program before could not read a character"
    return None


def _given(name: str, values: Mapping[str, str]) -> str:
    if not values[name]:
        raise ValueError(f"{name} is missing")
    return values[name]


def _account(text: str) -> str:
    if not _ACCOUNT.fullmatch(text):
        raise ValueError(f"account_id {text!r} must be 1 to 64 letters, digits and hyphens")
    return text


def _day(text: str) -> str:
    try:
        # Python alone would also take 19930103 and 1993-W01-1.
        day = date.fromisoformat(text if _DAY.fullmatch(text) else "")
    except ValueError:
        raise ValueError(f'date {text!r} must be a day like "1993-01-03"') from None
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError(f"date {text!r} must be in the years {FIRST_YEAR} to {LAST_YEAR}")
    return text


def _direction(text: str) -> Direction:
    for direction in get_args(Direction):
        if text == direction:
            return direction  # type: ignore[no-any-return]
    raise ValueError(f"direction {text!r} must be credit or debit")


def _amount(text: str, currency: str) -> int:
    amount = _minor("amount", text, currency)
    if amount <= 0:
        raise ValueError(f"amount {text} must be above zero")
    if amount >= LARGEST_AMOUNT:
        raise ValueError(f"amount {_short(text)} must be under {Money(LARGEST_AMOUNT, currency)}")
    return amount


def _balance(text: str, currency: str) -> int:
    balance = _minor("balance_after", text, currency)
    if balance > LARGEST_BALANCE:
        most = Money(LARGEST_BALANCE, currency)
        raise ValueError(f"balance_after {_short(text)} must be at most {most}")
    if balance <= -LARGEST_AMOUNT:
        # No account can be opened with the credit limit that this would need.
        least = Money(-LARGEST_AMOUNT, currency)
        raise ValueError(f"balance_after {_short(text)} must be above {least}")
    return balance


def _minor(name: str, text: str, currency: str) -> int:
    """Minor units; a number of too many digits is as large as any that its bound refuses."""
    read = text
    if number := _NUMBER.fullmatch(text):
        sign, whole, decimals = number[1], number[2].lstrip("0") or "0", number[3]
        if len(whole) > _MOST_DIGITS:
            whole = "9" * _MOST_DIGITS
        read = f"{sign}{whole}" + (f".{decimals[:_MOST_DECIMALS]}" if decimals else "")
    try:
        return Money.parse(read, currency).minor
    except ValueError as error:
        raise ValueError(f"{name} {_short(text)!r} {error}") from None


def _check_currency_of(fields: Mapping[str, str], currency: str) -> None:
    """Raises ValueError for a row that says another currency, where there is such a column."""
    other = fields.get("currency", currency).strip()
    if other not in ("", currency):
        raise ValueError(f"currency {other!r} is not {currency}, in which this file is imported")


def _short(text: str) -> str:
    """A text for a message; the middle of a long one is left out."""
    return text if len(text) <= 40 else f"{text[:20]}…{text[-10:]}"
