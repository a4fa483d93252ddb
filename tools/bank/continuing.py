"""Finds the rows of a bank file among the bookings of the account, so that an import goes on
after the last row that is booked.

A row is recognised by its direction, amount and value date, and by its position among the
rows, which its balance confirms. Its texts may have been mended since. Booked rows and new
rows can have equal content. Then the transaction ids decide, because the correlation id of
each batch is a hash of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, groupby
from typing import Any, NamedTuple

from chalicelib.bank.money import Money
from tools.api import Api, ApiError
from tools.bank.bank_file import Line
from tools.bank.histories import OPENING_BALANCE, History, mark_of, texts_of

PAGE = 500
DIRECTIONS = {"account-credited": "credit", "account-debited": "debit"}
_TEXTS = ("operation", "purpose", "counterpartyBank", "counterpartyAccount")


class AccountBooking(NamedTuple):
    """A booking of the account: *version* is that of its commit, *mark* its correlation id."""

    direction: str
    amount: int
    day: str
    texts: tuple[str | None, ...]
    version: int
    mark: str

    @property
    def change(self) -> int:
        return self.amount if self.direction == "credit" else -self.amount


@dataclass
class Found:
    """An account, as its events describe it.

    *closed* has the last day of each statement, and how many bookings there were until then.
    """

    currency: str = ""
    credit_limit: int = 0
    version: int = 0
    bookings: list[AccountBooking] = field(default_factory=list)
    closed: dict[str, int] = field(default_factory=dict)

    @property
    def balances(self) -> list[int]:
        """The balance before each booking, and after the last."""
        return list(accumulate((booking.change for booking in self.bookings), initial=0))


class DiffersError(Exception):
    """Why a file does not go on where the account stands; *line* is where this shows."""

    def __init__(self, line: Line, reason: str) -> None:
        super().__init__(reason)
        self.line = line


def found_account(api: Api, key: str) -> Found | None:
    """The account on the server; None: there is none. Raises ApiError."""
    found = Found()
    following: dict[str, Any] = {}
    while True:
        page = api.page(f"/accounts/{key}/events", limit=PAGE, **following)
        if not page.ok:
            if page.body["code"] == "account-missing":
                return None
            raise ApiError(f"account {key}: {page.reason}")
        for event in page.body["items"]:
            _take(found, event)
        if page.body["next"] is None:
            return found
        following = {"cursor": page.body["next"]}


def _take(found: Found, event: dict[str, Any]) -> None:
    body = event["body"]
    found.version = event["version"]
    match event["name"]:
        case "account-opened":
            found.currency = body["currency"]
            found.credit_limit = _minor(body["creditLimit"])
        case "account-credited" | "account-debited":
            found.bookings.append(
                AccountBooking(
                    DIRECTIONS[event["name"]],
                    _minor(body["amount"]),
                    body["valueDate"],
                    tuple(body.get(name) for name in _TEXTS),
                    event["version"],
                    event["correlationId"],
                )
            )
        case "statement-closed" if body["through"] is not None:
            found.closed[body["through"]] = len(found.bookings)


def earlier_bookings(found: Found, history: History) -> int:
    """The number of bookings that the account has before the file's first row.

    The file's rows must be those that follow, as far as the account has them, and each the
    same as the booking with which it is paired. Raises DiffersError.
    """
    bookings, balances, rows = found.bookings, found.balances, history.lines
    starts_at = [
        index
        for index in range(len(bookings) + 1)
        if balances[index] == history.before
        and all(map(same, bookings[index:], rows))
        and (index < len(bookings) or _comes_after(bookings, rows))
    ]
    if not starts_at:
        raise _difference(found, history)
    first, last = starts_at[0], starts_at[-1]
    # The rows may be those that are booked, or new ones which say the same.
    ambiguous = first < last == len(bookings) and bookings[-1].day <= rows[0].day
    if ambiguous and not _proved(bookings, first, history):
        raise DiffersError(
            rows[0],
            "the account has the same amounts on the same days already, from transactions with"
            " other ids perhaps: these rows may be booked already, or new;"
            " import a file that has the rows of the days before as well",
        )
    return first


def same(booking: AccountBooking, line: Line) -> bool:
    """Whether a booking is the one that a row asks for, whatever its words are."""
    return (booking.direction, booking.amount, booking.day) == (
        line.direction,
        line.amount,
        line.day,
    )


def reworded(found: Found, earlier: int, rows: Sequence[Line]) -> list[Line]:
    """The rows whose words are no longer those of their bookings, which stay as they are."""
    pairs = zip(found.bookings[earlier:], rows, strict=False)
    return [line for booking, line in pairs if booking.texts != texts_of(line)]


def _comes_after(bookings: Sequence[AccountBooking], rows: Sequence[Line]) -> bool:
    """Whether rows none of which is booked can follow what is: not if all are of days before."""
    return not bookings or bookings[-1].day <= max(row.day for row in rows)


def _proved(bookings: Sequence[AccountBooking], first: int, history: History) -> bool:
    """Whether the marks of all batches say that the bookings from *first* on are the file's."""
    rows = history.lines
    if first and bookings[first - 1].texts[0] == OPENING_BALANCE:
        # The opening balance was booked together with the rows.
        first, rows = first - 1, history.with_opening_balance().lines
    index = first
    if first and bookings[first - 1].version == bookings[first].version:
        # A batch that begins before the file has a mark of more rows.
        return False
    for (_, mark), batch in groupby(
        bookings[first:], lambda booking: (booking.version, booking.mark)
    ):
        end = index + len(list(batch))
        if mark != mark_of(rows[index - first : end - first]):
            return False
        index = end
    return True


def _difference(found: Found, history: History) -> DiffersError:
    """The first row that differs from its booking, or the balance that the account does not have."""
    bookings, balances, rows = found.bookings, found.balances, history.lines
    currency = history.currency
    starts = [n for n in range(len(bookings)) if balances[n] == history.before]
    matching = {start: _matching(bookings[start:], rows) for start in starts}
    start = max(matching, key=matching.__getitem__, default=None)
    if start is not None and (start == 0 or matching[start]):
        booking, line = bookings[start + matching[start]], rows[matching[start]]
        booked = f"a {booking.direction} of {Money(booking.amount, currency)} on {booking.day}"
        reason = f"the account has {booked} in the place of this row"
        return DiffersError(line, f"{reason}: {NOT_THE_SAME}")
    stands = f"the account stands at {Money(balances[-1], currency)}"
    since = f" after its last booking of {bookings[-1].day}" if bookings else ""
    begins = f"the file begins at {Money(history.before, currency)} before {rows[0].day}"
    return DiffersError(rows[0], f"{begins}, and {stands}{since}: {NOT_THE_SAME}")


NOT_THE_SAME = (
    "it is not where this file leads; it has bookings that are not in this file,"
    " or the file lacks what came before"
)


def _matching(bookings: Sequence[AccountBooking], rows: Sequence[Line]) -> int:
    """The number of rows, from the first one on, that are booked in their order."""
    pairs = enumerate(zip(bookings, rows, strict=False))
    return next((n for n, (booking, line) in pairs if not same(booking, line)), 0)


def _minor(shown: dict[str, str]) -> int:
    return Money.parse(shown["amount"], shown["currency"]).minor
