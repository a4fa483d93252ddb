"""Accounts: open, book, transfer, close a statement, freeze, unfreeze, close.

Amounts are integers of minor units, dates are in ISO 8601. A statement is an epoch: its
closing carries the account forward, so what was booked before is never folded again.
"""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import accumulate
from typing import Literal

from chalicelib.bank.money import LARGEST_BALANCE, MINOR_DIGITS, Money
from chalicelib.leftfold.kernel import Aggregate, Codec, Decider, Refused

Kind = Literal["current", "credit-card"]
Status = Literal["missing", "open", "frozen", "closed"]

# What a card's holder has to pay of what is owed: a twentieth, but at least ten whole units.
MINIMUM_SHARE, MINIMUM_UNITS = 20, 10


@dataclass(frozen=True)
class Booking:
    """One movement of money; *amount* is above zero, *value_date* an ISO 8601 date."""

    direction: Literal["credit", "debit"]
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
class TransferOut:
    """Money leaves for the account *counterparty*, on behalf of a transfer."""

    transfer: str
    amount: int
    currency: str
    value_date: str
    counterparty: str
    purpose: str | None = None


@dataclass(frozen=True)
class TransferIn:
    """Money comes from the account *counterparty*, on behalf of a transfer."""

    transfer: str
    amount: int
    currency: str
    value_date: str
    counterparty: str
    purpose: str | None = None


@dataclass(frozen=True)
class TransferBack:
    """Money that left for *counterparty* returns. Never refused: it has to be somewhere,
    even where the account was frozen or closed meanwhile.
    """

    transfer: str
    amount: int
    currency: str
    value_date: str
    counterparty: str
    purpose: str | None = None


@dataclass(frozen=True)
class CloseStatement:
    """Ends the statement period with the day *through*: all that is booked until now
    belongs to it, whatever its value date.
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
    owner: str
    currency: str
    kind: Kind
    credit_limit: int
    email: str | None = None


@dataclass(frozen=True)
class Credited:
    amount: int
    currency: str
    value_date: str
    operation: str | None = None
    purpose: str | None = None
    counterparty_bank: str | None = None
    counterparty_account: str | None = None
    transfer: str | None = None


@dataclass(frozen=True)
class Debited:
    amount: int
    currency: str
    value_date: str
    operation: str | None = None
    purpose: str | None = None
    counterparty_bank: str | None = None
    counterparty_account: str | None = None
    transfer: str | None = None


@dataclass(frozen=True)
class StatementClosed:
    """The statement *number*, for the days after the last one's up to *through*.

    *since* is its first day, None from the opening on; *through* is None where the
    account's end ended it: `period` tells the days. *minimum_payment* is due for a card that owes. The closing
    balance is the opening balance, plus credits, less debits.
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
    email: str | None = None


@dataclass(frozen=True)
class BalanceBroughtForward:
    """All that the account is when statement *number* begins: the state, whole."""

    number: int
    owner: str
    currency: str
    kind: Kind
    credit_limit: int
    balance: int
    status: Status
    through: str | None = None
    email: str | None = None


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
    """The account, and the open statement: *number*, what it opened with and what has been
    booked since; *through* is the last day of the one before.
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
    """The statement of all that was booked since the last one, and the next one's opening."""
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
    """What has to be paid of a card's new balance: nothing where nothing is owed."""
    if account.kind != "credit-card" or account.balance >= 0:
        return 0
    owed = -account.balance
    floor: int = MINIMUM_UNITS * 10 ** MINOR_DIGITS[account.currency]
    return min(owed, max(-(-owed // MINIMUM_SHARE), floor))


def period(statement: StatementClosed, ended: str) -> tuple[str | None, str]:
    """The first and the last day of a statement that was closed on the day *ended*.

    The account's own end may come on the last day of the statement before, or before that day
    has begun here, as a statement may run through a day that has begun elsewhere on earth. The
    last statement is then of that day alone: both statements have bookings of it, and no
    period ends before it begins.
    """
    since, through = statement.since, statement.through or ended
    if since is None or since <= through:
        return since, through
    return day_before(since), day_before(since)


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
    fact = Credited if booking.direction == "credit" else Debited
    return fact(
        booking.amount,
        booking.currency,
        booking.value_date,
        booking.operation,
        booking.purpose,
        booking.counterparty_bank,
        booking.counterparty_account,
    )


def booking_of(transfer: Transfer) -> Booking:
    """The booking that a transfer makes in one of its two accounts."""
    direction: Literal["credit", "debit"] = "credit"
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
    """The booking's event, which names the transfer that it belongs to."""
    booking = booking_of(transfer)
    fact = Debited if isinstance(transfer, TransferOut) else Credited
    return fact(
        booking.amount,
        booking.currency,
        booking.value_date,
        booking.operation,
        booking.purpose,
        counterparty_account=booking.counterparty_account,
        transfer=transfer.transfer,
    )


decider = Decider(decide, evolve, initial=Account())

account = Aggregate("account", decider, codec, module=__name__, carries=(BalanceBroughtForward,))
