"""Transfers: requested, debited, credited; refunded where the credit is refused.

A transfer is a process over two accounts. It never moves money itself. Its policies send the
next command to an account, and the transfer records the answer. Amounts are integers of minor
units, dates and instants are in ISO 8601.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from chalicelib.leftfold.kernel import Aggregate, Codec, Decider, Refused, personal
from chalicelib.leftfold.kernel.commit import instant

# Whose the personal data of an order is: the holder's of the account that pays.
PAYER = personal("account", by="source")

# The longest time from the request to the debit of the source.
UNTIL_DEBITED = timedelta(minutes=5)

# The ends of a transfer after which the money is where it was.
Failure = Literal["refused", "cancelled", "expired"]
# The stages in which a transfer waits for an account's answer.
Step = Literal["requested", "debited", "refunding"]
Stage = Literal["missing", Step, "completed", Failure]


@dataclass(frozen=True)
class Order:
    """The money to be moved; *amount* is above zero. *notify* is an e-mail address that gets a
    notice of the completed transfer.
    """

    source: str
    target: str
    amount: int
    currency: str
    value_date: str
    purpose: str | None = field(default=None, metadata=PAYER)
    notify: str | None = field(default=None, metadata=PAYER)


@dataclass(frozen=True)
class RequestTransfer:
    """Asks for a transfer; it expires if no money has left the source by *deadline*."""

    order: Order
    deadline: str


@dataclass(frozen=True)
class RecordDebited:
    """The source was debited, by its version *account_version*."""

    account_version: int


@dataclass(frozen=True)
class RefuseDebit:
    """The source refused, for the reason *code*."""

    code: str


@dataclass(frozen=True)
class RecordCredited:
    """The target was credited, by its version *account_version*."""

    account_version: int


@dataclass(frozen=True)
class RefuseCredit:
    """The target refused, for the reason *code*."""

    code: str


@dataclass(frozen=True)
class RecordRefunded:
    """The source got its money back, by its version *account_version*."""

    account_version: int


@dataclass(frozen=True)
class Cancel:
    pass


@dataclass(frozen=True)
class TimeOut:
    """The time for the step after *stage* is over. A transfer that has moved on refuses it."""

    stage: Step


@dataclass(frozen=True)
class Requested:
    order: Order
    deadline: str


@dataclass(frozen=True)
class SourceDebited:
    order: Order
    account_version: int


@dataclass(frozen=True)
class SourceDebitedLate:
    """The source was debited after the transfer had ended; a refund is due."""

    order: Order
    account_version: int


@dataclass(frozen=True)
class DebitRefused:
    code: str


@dataclass(frozen=True)
class TargetCredited:
    account_version: int


@dataclass(frozen=True)
class CreditRefused:
    """A refund is due."""

    order: Order
    code: str


@dataclass(frozen=True)
class SourceRefunded:
    account_version: int


@dataclass(frozen=True)
class Stuck:
    """The step after *stage* takes too long. The transfer still goes on when it is taken."""

    stage: Step


@dataclass(frozen=True)
class Completed:
    order: Order


@dataclass(frozen=True)
class TransferRefused:
    """An account refused, for the reason *code*; *refunded* says that money had left the source."""

    order: Order
    code: str
    refunded: bool = False


@dataclass(frozen=True)
class Cancelled:
    """*refunded* says that money had left the source, and came back."""

    order: Order
    refunded: bool = False


@dataclass(frozen=True)
class Expired:
    """*refunded* says that money had left the source, and came back."""

    order: Order
    refunded: bool = False


Command = (
    RequestTransfer
    | RecordDebited
    | RefuseDebit
    | RecordCredited
    | RefuseCredit
    | RecordRefunded
    | Cancel
    | TimeOut
)
Event = (
    Requested
    | SourceDebited
    | SourceDebitedLate
    | DebitRefused
    | TargetCredited
    | CreditRefused
    | SourceRefunded
    | Stuck
    | Completed
    | TransferRefused
    | Cancelled
    | Expired
)

# Names and versions are the storage format: add to this table, never edit it.
codec: Codec[Event] = Codec(
    {
        "transfer-requested": Requested,
        "source-debited": SourceDebited,
        "source-debited-late": SourceDebitedLate,
        "debit-refused": DebitRefused,
        "target-credited": TargetCredited,
        "credit-refused": CreditRefused,
        "source-refunded": SourceRefunded,
        "transfer-stuck": Stuck,
        "transfer-completed": Completed,
        "transfer-refused": TransferRefused,
        "transfer-cancelled": Cancelled,
        "transfer-expired": Expired,
    }
)


@dataclass(frozen=True)
class Transfer:
    """The transfer and how far it has come.

    *debited* says whether money has ever left the source. While a refund is due, *failure*
    is the end that follows; *reason* is the code of an account's refusal. *stuck* says that
    the step after *stage* takes too long.
    """

    stage: Stage = "missing"
    order: Order = Order("", "", 0, "", "")
    debited: bool = False
    failure: Failure = "refused"
    reason: str = ""
    stuck: bool = False


def decide(command: Command, transfer: Transfer) -> list[Event]:
    order = transfer.order
    match command, transfer:
        case RequestTransfer(Order(source, target)), Transfer("missing") if source == target:
            raise Refused("same-account")
        case RequestTransfer(requested, deadline), Transfer("missing"):
            return [Requested(requested, deadline)]
        case RequestTransfer(), _:
            raise Refused("transfer-exists")
        case _, Transfer("missing"):
            raise Refused("transfer-missing")
        case RecordDebited(version), Transfer("requested"):
            return [SourceDebited(order, version)]
        case RecordDebited(version), Transfer("refused" | "cancelled" | "expired", debited=False):
            return [SourceDebitedLate(order, version)]
        case RefuseDebit(code), Transfer("requested"):
            return [DebitRefused(code), TransferRefused(order, code)]
        case RefuseDebit(code), Transfer("cancelled" | "expired", debited=False):
            # The transfer ended before the source answered; nothing is left to do.
            return [DebitRefused(code)]
        case RecordCredited(version), Transfer("debited"):
            return [TargetCredited(version), Completed(order)]
        case RefuseCredit(code), Transfer("debited"):
            return [CreditRefused(order, code)]
        case RecordRefunded(version), Transfer("refunding"):
            return [SourceRefunded(version), refunded(transfer)]
        case Cancel(), Transfer("requested"):
            return [Cancelled(order)]
        case TimeOut("requested"), Transfer("requested"):
            return [Expired(order)]
        case TimeOut(stage), Transfer("debited" | "refunding", stuck=False) if (
            stage == transfer.stage
        ):
            return [Stuck(stage)]
        case TimeOut(), Transfer("requested" | "debited" | "refunding"):
            raise Refused("transfer-moved-on", stage=transfer.stage)
        case Cancel(), Transfer("debited" | "refunding"):
            raise Refused("transfer-under-way")
        case ((Cancel() | TimeOut()), _):
            raise Refused("transfer-ended")
        case _:
            # The step has another answer already, so money moved twice or not at all. People
            # have to find out which.
            raise Refused("step-answered", stage=transfer.stage)


def evolve(transfer: Transfer, event: Event) -> Transfer:
    match event:
        case Requested(order):
            return Transfer("requested", order)
        case SourceDebited():
            return replace(transfer, stage="debited", debited=True)
        case SourceDebitedLate():
            return replace(
                transfer, stage="refunding", debited=True, failure=failure(transfer.stage)
            )
        case CreditRefused(_, code):
            return replace(transfer, stage="refunding", reason=code, stuck=False)
        case DebitRefused() | TargetCredited() | SourceRefunded():
            # The event that ends the transfer is in the same commit, if there is one.
            return transfer
        case Stuck():
            return replace(transfer, stuck=True)
        case Completed(order):
            return Transfer("completed", order, debited=True)
        case TransferRefused(order, code, refunded):
            return Transfer("refused", order, refunded, "refused", code)
        case Cancelled(order, refunded):
            return Transfer("cancelled", order, refunded, "cancelled")
        case Expired(order, refunded):
            return Transfer("expired", order, refunded, "expired")


def debit_deadline(requested_at: datetime) -> str:
    """The deadline of a transfer that is requested at this instant."""
    return instant(requested_at + UNTIL_DEBITED)


def failure(stage: Stage) -> Failure:
    """The failure with which a transfer in *stage* ended."""
    return stage if stage in ("cancelled", "expired") else "refused"


def refunded(transfer: Transfer) -> Event:
    """The end of a transfer whose money is back at the source."""
    match transfer.failure:
        case "refused":
            return TransferRefused(transfer.order, transfer.reason, refunded=True)
        case "cancelled":
            return Cancelled(transfer.order, refunded=True)
        case "expired":
            return Expired(transfer.order, refunded=True)


decider = Decider(decide, evolve, initial=Transfer())

transfer = Aggregate(
    "transfer",
    decider,
    codec,
    carries=(Completed, TransferRefused, Cancelled, Expired),
)
