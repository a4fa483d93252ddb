"""Accounts: open, book, freeze, unfreeze, close. Amounts are integers of minor units."""

from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Literal

from chalicelib.contexts.money import LARGEST_BALANCE, Money
from chalicelib.kernel import Aggregate, Codec, Decider, Refused

Kind = Literal["current", "credit-card"]
Status = Literal["missing", "open", "frozen", "closed"]


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


@dataclass(frozen=True)
class Book:
    """1..500 bookings that are taken together or not at all."""

    bookings: tuple[Booking, ...]


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


@dataclass(frozen=True)
class Credited:
    amount: int
    currency: str
    value_date: str
    operation: str | None = None
    purpose: str | None = None
    counterparty_bank: str | None = None
    counterparty_account: str | None = None


@dataclass(frozen=True)
class Debited:
    amount: int
    currency: str
    value_date: str
    operation: str | None = None
    purpose: str | None = None
    counterparty_bank: str | None = None
    counterparty_account: str | None = None


@dataclass(frozen=True)
class Frozen:
    pass


@dataclass(frozen=True)
class Unfrozen:
    pass


@dataclass(frozen=True)
class Closed:
    pass


Command = Open | Book | Freeze | Unfreeze | Close
Event = Opened | Credited | Debited | Frozen | Unfrozen | Closed

# Names and versions are the storage format: add to this table, never edit it.
codec: Codec[Event] = Codec(
    {
        "account-opened": Opened,
        "account-credited": Credited,
        "account-debited": Debited,
        "account-frozen": Frozen,
        "account-unfrozen": Unfrozen,
        "account-closed": Closed,
    }
)


@dataclass(frozen=True)
class Account:
    status: Status = "missing"
    currency: str = ""
    balance: int = 0
    credit_limit: int = 0


def decide(command: Command, account: Account) -> list[Event]:
    match command, account:
        case Open(owner, currency, kind, credit_limit), Account("missing"):
            return [Opened(owner, currency, kind, credit_limit)]
        case Open(), _:
            raise Refused("account-exists")
        case Book(bookings), Account("open"):
            check_bookings(bookings, account)
            return [event_of(booking) for booking in bookings]
        case Freeze(), Account("open"):
            return [Frozen()]
        case Unfreeze(), Account("frozen"):
            return [Unfrozen()]
        case Unfreeze(), Account("open"):
            raise Refused("account-not-frozen")
        case Close(), Account("open", balance=0):
            return [Closed()]
        case Close(), Account("open", currency, balance):
            raise Refused("account-not-empty", balance=Money(balance, currency))
        case _:
            raise Refused(f"account-{account.status}")


def evolve(account: Account, event: Event) -> Account:
    match event:
        case Credited(amount):
            return replace(account, balance=account.balance + amount)
        case Debited(amount):
            return replace(account, balance=account.balance - amount)
        case Opened(_, currency, _, credit_limit):
            return Account("open", currency, 0, credit_limit)
        case Frozen():
            return replace(account, status="frozen")
        case Unfrozen():
            return replace(account, status="open")
        case Closed():
            return replace(account, status="closed")


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


decider = Decider(decide, evolve, initial=Account())

account = Aggregate("account", decider, codec, module=__name__)
