"""Transfers: requested, debited, credited; refunded where the credit is refused.

A transfer is a process over two accounts. It never moves money itself: it records what
the accounts answered, and its policies do the next step. Amounts are integers of minor
units, dates and instants are in ISO 8601.
"""

from dataclasses import dataclass, replace
from typing import Literal

from chalicelib.leftfold.kernel import Aggregate, Codec, Decider, Refused

# What a transfer can end as; all but "completed" leave the money where it was.
Failure = Literal["refused", "cancelled", "expired"]
Stage = Literal[
    "missing", "requested", "debited", "refunding", "completed", "refused", "cancelled", "expired"
]
Step = Literal["requested", "debited", "refunding"]


@dataclass(frozen=True)
class Order:
    """What is to be moved: *amount* is above zero; *notify* is an e-mail address that is
    told of the completed transfer.
    """

    source: str
    target: str
    amount: int
    currency: str
    value_date: str
    purpose: str | None = None
    notify: str | None = None


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
    """The time for what follows *stage* is over. It means nothing to a transfer that has
    moved on meanwhile.
    """

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
    """The debit came through although the transfer had ended: a refund is due."""

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
    """The step after *stage* took too long; it goes on all the same once it is taken."""

    stage: Step


@dataclass(frozen=True)
class Completed:
    order: Order


@dataclass(frozen=True)
class TransferRefused:
    """An account refused, for the reason *code*; *refunded*: money had left the source."""

    order: Order
    code: str
    refunded: bool = False


@dataclass(frozen=True)
class Cancelled:
    """*refunded* is True where money had left the source all the same."""

    order: Order
    refunded: bool = False


@dataclass(frozen=True)
class Expired:
    """*refunded* is True where money had left the source all the same."""

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
    is what the transfer ends as; *reason* is the code of an account's refusal. *stuck* is
    of the step that follows *stage*.
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
            # Asked before the transfer ended, answered after: nothing is left to do.
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
            # An answer to a step that has another one already, so money moved twice or
            # not at all: only people can tell.
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
            # What follows from it is in the same commit, if anything does.
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


def failure(stage: Stage) -> Failure:
    """What a transfer that ended in *stage* had failed as."""
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
    module=__name__,
    carries=(Completed, TransferRefused, Cancelled, Expired),
)
