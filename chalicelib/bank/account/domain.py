"""Accounts: open, book, transfer, close a statement, freeze, unfreeze, close.

Amounts are integers of minor units, dates are in ISO 8601. A statement is an epoch: closing
it carries the account forward, so its bookings are never folded again.
"""

from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import accumulate
from typing import Any, Literal

from chalicelib.bank.money import LARGEST_BALANCE, MINOR_DIGITS, Money
from chalicelib.leftfold.kernel import Aggregate, Codec, Decider, Refused, personal

Kind = Literal["current", "credit-card"]
Direction = Literal["credit", "debit"]
OpenedStatus = Literal["open", "frozen", "closed"]
Status = Literal["missing", OpenedStatus]

# The holder of a card has to pay a twentieth of the debt, but at least ten whole units.
MINIMUM_SHARE, MINIMUM_UNITS = 20, 10

# Whose the personal data of an account's events is: its holder's, the subject `account:<id>`.
# Amounts, dates and the counterparty's account stay when the holder is forgotten, because the
# law makes a bank keep its books.
HOLDER = personal("account")

# The day begins 14 hours before UTC in the easternmost time zone.
EASTERNMOST = timedelta(hours=14)


@dataclass(frozen=True)
class Booking:
    """One movement of money; *amount* is above zero, *value_date* an ISO 8601 date."""

    direction: Direction
    amount: int
    currency: str
    value_date: str
    operation: str | None = None
    purpose: str | None = None
    counterparty_bank: str | None = None
    counterparty_account: str | None = None


@dataclass(frozen=True)
class Open:
    owner: str
    currency: str
    kind: Kind
    credit_limit: int = 0
    email: str | None = None


@dataclass(frozen=True)
class Book:
    """1..500 bookings that are taken together or not at all."""

    bookings: tuple[Booking, ...]


@dataclass(frozen=True)
class TransferSide:
    """The booking that a transfer asks of one of its two accounts; *counterparty* is the other."""

    transfer: str
    amount: int
    currency: str
    value_date: str
    counterparty: str
    purpose: str | None = None


@dataclass(frozen=True)
class TransferOut(TransferSide):
    """Money leaves the account."""


@dataclass(frozen=True)
class TransferIn(TransferSide):
    """Money comes to the account."""


@dataclass(frozen=True)
class TransferBack(TransferSide):
    """Money that has left returns. An account never refuses it, also not while it is frozen
    or after it was closed: the money has to be somewhere.
    """


@dataclass(frozen=True)
class CloseStatement:
    """Ends the statement period with the day *through*. The statement has everything that was
    booked until now, whatever the value dates are.
    """

    through: str


@dataclass(frozen=True)
class Freeze:
    pass


@dataclass(frozen=True)
class Unfreeze:
    pass


@dataclass(frozen=True)
class Close:
    pass


@dataclass(frozen=True)
class Opened:
    owner: str = field(metadata=HOLDER)
    currency: str
    kind: Kind
    credit_limit: int
    email: str | None = field(default=None, metadata=HOLDER)


@dataclass(frozen=True)
class Booked:
    """The fields of both events that change the balance; *transfer* is the transfer that the
    booking belongs to.
    """

    amount: int
    currency: str
    value_date: str
    operation: str | None = None
    purpose: str | None = field(default=None, metadata=HOLDER)
    counterparty_bank: str | None = None
    counterparty_account: str | None = None
    transfer: str | None = None


@dataclass(frozen=True)
class Credited(Booked):
    """The balance grew by *amount*."""


@dataclass(frozen=True)
class Debited(Booked):
    """The balance shrank by *amount*."""


@dataclass(frozen=True)
class StatementClosed:
    """The statement *number* with its figures. The closing balance is the opening balance, plus
    credits, less debits. *minimum_payment* is due on a card that owes.

    *since* is the first day; None in the first statement, which begins with the account.
    *through* is the last day; None in the last statement, which ends with the account.
    `period` computes both days.
    """

    number: int
    since: str | None
    through: str | None
    currency: str
    kind: Kind
    opening_balance: int
    credits: int
    debits: int
    bookings: int
    closing_balance: int
    minimum_payment: int
    email: str | None = field(default=None, metadata=HOLDER)


@dataclass(frozen=True)
class BalanceBroughtForward:
    """The whole state of the account when statement *number* begins."""

    number: int
    owner: str = field(metadata=HOLDER)
    currency: str
    kind: Kind
    credit_limit: int
    balance: int
    status: Status
    through: str | None = None
    email: str | None = field(default=None, metadata=HOLDER)


@dataclass(frozen=True)
class Frozen:
    pass


@dataclass(frozen=True)
class Unfrozen:
    pass


@dataclass(frozen=True)
class Closed:
    pass


Transfer = TransferOut | TransferIn | TransferBack
Command = Open | Book | Transfer | CloseStatement | Freeze | Unfreeze | Close
Event = (
    Opened
    | Credited
    | Debited
    | StatementClosed
    | BalanceBroughtForward
    | Frozen
    | Unfrozen
    | Closed
)

# Names and versions are the storage format: add to this table, never edit it.
codec: Codec[Event] = Codec(
    {
        "account-opened": Opened,
        "account-credited": Credited,
        "account-debited": Debited,
        "statement-closed": StatementClosed,
        "balance-brought-forward": BalanceBroughtForward,
        "account-frozen": Frozen,
        "account-unfrozen": Unfrozen,
        "account-closed": Closed,
    }
)


@dataclass(frozen=True)
class Account:
    """The account and its open statement: *number*, *opening_balance*, and the sums and the
    number of its *bookings*. *through* is the last day of the statement before it.
    """

    status: Status = "missing"
    owner: str = ""
    currency: str = ""
    kind: Kind = "current"
    balance: int = 0
    credit_limit: int = 0
    email: str | None = None
    number: int = 1
    through: str | None = None
    opening_balance: int = 0
    credits: int = 0
    debits: int = 0
    bookings: int = 0


def decide(command: Command, account: Account) -> list[Event]:
    match command, account:
        case Open(owner, currency, kind, credit_limit, email), Account("missing"):
            return [Opened(owner, currency, kind, credit_limit, email)]
        case Open(), _:
            raise Refused("account-exists")
        case Book(bookings), Account("open"):
            check_bookings(bookings, account)
            return [event_of(booking) for booking in bookings]
        case TransferOut() | TransferIn(), Account("open"):
            check_bookings((booking_of(command),), account)
            return [transferred(command)]
        case TransferBack(), Account("open" | "frozen" | "closed"):
            return [transferred(command)]
        case CloseStatement(through), Account("open" | "frozen"):
            if account.through is not None and through <= account.through:
                raise Refused("period-closed", statement=account.number - 1, until=account.through)
            return closed_statement(account, through)
        case Freeze(), Account("open"):
            return [Frozen()]
        case Unfreeze(), Account("frozen"):
            return [Unfrozen()]
        case Unfreeze(), Account("open"):
            raise Refused("account-not-frozen")
        case Close(), Account("open", balance=0):
            return [*closed_statement(account, through=None), Closed()]
        case Close(), Account("open"):
            raise Refused("account-not-empty", balance=Money(account.balance, account.currency))
        case _:
            raise Refused(f"account-{account.status}")


def evolve(account: Account, event: Event) -> Account:
    match event:
        case Credited(amount):
            return replace(
                account,
                balance=account.balance + amount,
                credits=account.credits + amount,
                bookings=account.bookings + 1,
            )
        case Debited(amount):
            return replace(
                account,
                balance=account.balance - amount,
                debits=account.debits + amount,
                bookings=account.bookings + 1,
            )
        case Opened(owner, currency, kind, credit_limit, email):
            return Account("open", owner, currency, kind, 0, credit_limit, email)
        case StatementClosed():
            return account
        case BalanceBroughtForward(number, owner, currency, kind, limit, balance, status):
            return Account(
                status,
                owner,
                currency,
                kind,
                balance,
                limit,
                event.email,
                number,
                event.through,
                opening_balance=balance,
            )
        case Frozen():
            return replace(account, status="frozen")
        case Unfrozen():
            return replace(account, status="open")
        case Closed():
            return replace(account, status="closed")


def closed_statement(account: Account, through: str | None) -> list[Event]:
    """The statement of everything booked since the one before, and the next one's opening."""
    return [
        StatementClosed(
            number=account.number,
            since=account.through and day_after(account.through),
            through=through,
            currency=account.currency,
            kind=account.kind,
            opening_balance=account.opening_balance,
            credits=account.credits,
            debits=account.debits,
            bookings=account.bookings,
            closing_balance=account.balance,
            minimum_payment=minimum_payment(account),
            email=account.email,
        ),
        BalanceBroughtForward(
            number=account.number + 1,
            owner=account.owner,
            currency=account.currency,
            kind=account.kind,
            credit_limit=account.credit_limit,
            balance=account.balance,
            status=account.status,
            through=through or account.through,
            email=account.email,
        ),
    ]


def minimum_payment(account: Account) -> int:
    """The part of a card's debt that its holder has to pay; 0 if there is no debt."""
    if account.kind != "credit-card" or account.balance >= 0:
        return 0
    owed = -account.balance
    floor: int = MINIMUM_UNITS * 10 ** MINOR_DIGITS[account.currency]
    return min(owed, max(-(-owed // MINIMUM_SHARE), floor))


def period(statement: StatementClosed, ended: str) -> tuple[str | None, str]:
    """The first and the last day of a statement that was closed on the day *ended*.

    A statement may run through a day that has begun elsewhere on earth and not in UTC. So an
    account may be closed on, or before, the last day of the statement before its last one.
    Then the last statement has that one day, on which both statements have bookings: no
    period ends before it begins.
    """
    since, through = statement.since, statement.through or ended
    if since is None or since <= through:
        return since, through
    return day_before(since), day_before(since)


def may_end(through: str, now: datetime) -> bool:
    """Whether a statement may run through this day: it has begun somewhere on earth."""
    return through <= (now + EASTERNMOST).date().isoformat()


def day_after(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()


def day_before(day: str) -> str:
    return (date.fromisoformat(day) - timedelta(days=1)).isoformat()


def check_bookings(bookings: tuple[Booking, ...], account: Account) -> None:
    """Refuses the first booking that the account cannot take, by its index."""
    balances = accumulate(map(signed_amount, bookings), initial=account.balance)
    for index, (booking, before) in enumerate(zip(bookings, balances, strict=False)):
        after = before + signed_amount(booking)
        if booking.currency != account.currency:
            raise Refused("currency-mismatch", booking=index, currency=account.currency)
        if booking.direction == "debit" and after + account.credit_limit < 0:
            raise Refused(
                "insufficient-funds",
                booking=index,
                available=Money(before + account.credit_limit, account.currency),
            )
        if after > LARGEST_BALANCE:
            raise Refused("balance-out-of-range", booking=index)


def signed_amount(booking: Booking) -> int:
    return booking.amount if booking.direction == "credit" else -booking.amount


def event_of(booking: Booking) -> Credited | Debited:
    booked = Credited if booking.direction == "credit" else Debited
    return booked(**details_of(booking))


def details_of(booking: Booking) -> dict[str, Any]:
    """The fields that a booking and its event share."""
    return {name: value for name, value in vars(booking).items() if name != "direction"}


def booking_of(transfer: Transfer) -> Booking:
    """The booking that a transfer makes in one of its two accounts."""
    direction: Direction = "credit"
    match transfer:
        case TransferOut():
            direction, operation = "debit", "transfer-out"
        case TransferIn():
            operation = "transfer-in"
        case TransferBack():
            operation = "transfer-back"
    return Booking(
        direction,
        transfer.amount,
        transfer.currency,
        transfer.value_date,
        operation,
        transfer.purpose,
        counterparty_account=transfer.counterparty,
    )


def transferred(transfer: Transfer) -> Credited | Debited:
    """The event of the booking that a transfer makes; it names the transfer."""
    booked = Debited if isinstance(transfer, TransferOut) else Credited
    return booked(**details_of(booking_of(transfer)), transfer=transfer.transfer)


decider = Decider(decide, evolve, initial=Account())

account = Aggregate("account", decider, codec, carries=(BalanceBroughtForward,))
